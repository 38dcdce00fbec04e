"""The hub is a real HTTP server on a loopback port; no test needs a network."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from splatcam.estimators import EstimatorUnavailable, hub
from tests import loopback_hub
from tests.loopback_hub import COMMIT, Shelf

TINY = "somebody/tiny"
FILES = {"config.json": b'{"model_name": "da3-tiny"}', "model.safetensors": bytes(range(256)) * 40_000}
HANG_GUARD_S = 60  # far beyond what is promised; huggingface_hub alone would hang for six minutes


def ignore(sentence: str, fraction: float | None) -> None:
    pass


def fetch(hub_id: str = TINY, revision: str = "main", *, offline: bool = False) -> Path:
    return hub.fetch(hub_id, revision, offline=offline, report=ignore)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({TINY: FILES, "somebody/without-weights": {"config.json": b"{}"}}, gated=frozenset({"somebody/gated"}))


@pytest.fixture
def served(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with loopback_hub.serve(shelf) as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        yield shelf


def test_a_model_is_downloaded_with_both_its_files(served: Shelf) -> None:
    folder = fetch()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == FILES


def test_a_commit_is_a_revision_too(served: Shelf) -> None:
    assert fetch(revision=COMMIT).name == COMMIT


def test_what_is_cached_is_not_asked_for_again(served: Shelf) -> None:
    folder = fetch()
    served.asked.clear()
    assert fetch() == folder
    assert fetch(offline=True) == folder
    assert served.asked == []


def test_half_a_model_in_the_cache_is_not_a_model(served: Shelf) -> None:
    folder = fetch()
    (folder / "model.safetensors").unlink()
    assert hub.find_local(TINY, "main") is None


def test_a_download_that_is_not_what_the_hub_said_is_refused_and_not_kept(served: Shelf) -> None:
    served.spoiled.add(TINY)
    with pytest.raises(EstimatorUnavailable, match="model.safetensors of somebody/tiny came damaged.*SHA-256"):
        fetch()
    assert hub.find_local(TINY, "main") is None
    served.spoiled.clear()
    assert (fetch() / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_offline_the_hub_is_never_asked(served: Shelf) -> None:
    with pytest.raises(EstimatorUnavailable, match="somebody/tiny are not on this machine.*--offline"):
        fetch(offline=True)
    assert served.asked == []


def test_progress_names_the_model_and_grows_to_one(served: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1_000_000)
    reports: list[tuple[str, float | None]] = []
    hub.fetch(TINY, "main", offline=False, report=lambda sentence, fraction: reports.append((sentence, fraction)))
    assert reports[0] == (f"asking the model hub for {TINY}", None)
    fractions = [fraction for _, fraction in reports[1:]]
    assert len(fractions) > 5 and fractions == sorted(set(fractions)) and fractions[-1] == 1.0
    assert all(TINY in sentence for sentence, _ in reports)


@pytest.mark.parametrize(
    ("hub_id", "revision", "sentence"),
    [
        ("somebody/nothing", "main", "the model hub has no model somebody/nothing"),
        (TINY, "v9", "the model hub has no revision v9 of somebody/tiny"),
        ("somebody/gated", "main", "somebody/gated is only given to people who agreed"),
        ("somebody/without-weights", "main", "somebody/without-weights has no config.json and model.safetensors"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_sentence(served: Shelf, hub_id: str, revision: str, sentence: str) -> None:
    with pytest.raises(EstimatorUnavailable, match=sentence) as refused:
        fetch(hub_id, revision)
    assert "\n" not in str(refused.value)


def test_a_hub_that_has_the_model_is_reachable(served: Shelf) -> None:
    assert hub.is_reachable(TINY, "main")
    assert not hub.is_reachable("somebody/nothing", "main")


def test_a_hub_that_refuses_connections_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with loopback_hub.refusing() as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        assert not hub.is_reachable(TINY, "main")
        with pytest.raises(EstimatorUnavailable, match="check the network, or give a folder") as refused:
            fetch()
    assert "\n" not in str(refused.value)


def test_a_hub_that_never_answers_does_not_hold_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []

    def ask() -> None:
        try:
            fetch()
        except EstimatorUnavailable as error:
            said.append(str(error))

    with loopback_hub.silent() as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(HANG_GUARD_S)
        assert not asking.is_alive()
    assert len(said) == 1 and "check the network" in said[0]


def test_a_name_server_that_never_answers_does_not_hold_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(HANG_GUARD_S)
        raise socket.gaierror("released")

    loopback_hub.use(monkeypatch, "http://hub.invalid", tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(EstimatorUnavailable, match="no answer within 0.2 s"):
        hub.ask(TINY, "main", timeout_s=0.2)
    released.set()
