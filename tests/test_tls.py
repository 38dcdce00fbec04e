"""Certificates made, kept and made again; an attempt at a handshake proves each."""

from __future__ import annotations

import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from splatcam.door import tls
from splatcam.door.tls import cache_folder, self_signed, server_context
from splatcam.settings import SettingsError

NAMES = ["localhost", "127.0.0.1", "::1", "laptop.local", "192.168.1.2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tls"


def shakes_hands(server: ssl.SSLContext, authority: Path, name: str) -> bool:
    """Client and server in memory: whether a client that trusts only `authority` believes the server to be `name`."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = ssl.create_default_context(cafile=str(authority)).wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [near, far]
    for _ in range(8):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return not waiting


def test_a_client_that_knows_the_authority_believes_every_name_and_no_other(folder: Path) -> None:
    context = server_context(self_signed(NAMES, folder))
    authority = folder / "ca.pem"
    assert [shakes_hands(context, authority, name) for name in NAMES] == [True] * len(NAMES)
    assert not shakes_hands(context, authority, "elsewhere.example")


def test_nobody_else_on_the_machine_may_read_the_key(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    server = self_signed(NAMES, folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, server, folder / "ca.pem")]
    assert modes == [0o700, 0o600, 0o600]
    assert sorted(path.name for path in folder.iterdir()) == ["ca.pem", "server.pem"]
    assert b"PRIVATE" not in (folder / "ca.pem").read_bytes()


def test_a_certificate_that_still_fits_is_kept(folder: Path) -> None:
    first = self_signed(NAMES, folder).read_bytes()
    assert self_signed(NAMES[:2], folder).read_bytes() == first


def test_one_that_lacks_a_name_is_made_again(folder: Path) -> None:
    self_signed(NAMES, folder)
    context = server_context(self_signed([*NAMES, "10.0.0.7"], folder))
    assert shakes_hands(context, folder / "ca.pem", "10.0.0.7")


def test_one_that_ends_within_a_day_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "VALID_FOR", 2 * tls.MADE_AGAIN_BEFORE - timedelta(hours=1))
    first = self_signed(NAMES, folder).read_bytes()
    monkeypatch.undo()
    second = self_signed(NAMES, folder).read_bytes()
    assert second != first
    assert self_signed(NAMES, folder).read_bytes() == second


def key_of(pem: bytes) -> bytes:
    end = b"-----END EC PRIVATE KEY-----\n"
    return pem.partition(end)[0] + end


@pytest.mark.parametrize("kind", ["rubbish", "empty", "another key"])
def test_a_file_that_is_broken_is_made_again(folder: Path, tmp_path: Path, kind: str) -> None:
    server = self_signed(NAMES, folder)
    good = server.read_bytes()
    other = key_of(self_signed(NAMES, tmp_path / "other").read_bytes())
    server.write_bytes({"rubbish": b"rubbish", "empty": b"", "another key": other + good[len(key_of(good)) :]}[kind])
    server_context(self_signed(NAMES, folder))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot keep a certificate in .*file"):
        self_signed(NAMES, tmp_path / "file" / "tls")


def test_a_certificate_of_ones_own_may_lie_in_two_files(folder: Path, tmp_path: Path) -> None:
    pem = self_signed(NAMES, folder).read_bytes()
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    key.write_bytes(key_of(pem))
    chain.write_bytes(pem[len(key_of(pem)) :])
    assert shakes_hands(server_context(chain, key), folder / "ca.pem", "localhost")


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("no pem", "PEM|NO_START_LINE")])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, why: str) -> None:
    chain = tmp_path / "chain.pem"
    if content is not None:
        chain.write_text(content)
    with pytest.raises(SettingsError, match=f"chain.pem and .*key.pem: .*({why})"):
        server_context(chain, tmp_path / "key.pem")


def test_a_key_with_a_password_is_refused_instead_of_asking_for_it(folder: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    pem = self_signed(NAMES, folder).read_bytes()
    key = s.load_pem_private_key(key_of(pem), None)
    locked = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(SettingsError, match="key.pem"):
        server_context(self_signed(NAMES, folder), tmp_path / "key.pem")


def test_certificates_are_kept_where_caches_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "splatcam" / "tls"
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for environment in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "not/absolute"}):
        assert cache_folder(environment) == tmp_path / ".cache" / "splatcam" / "tls"


def test_a_user_without_a_home_is_told_where_certificates_could_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")  # as pathlib says it of an unknown user

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(SettingsError, match="XDG_CACHE_HOME"):
        cache_folder({})
