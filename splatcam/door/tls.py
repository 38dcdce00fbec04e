"""Certificates for https: somebody's own, or one that is made here, kept, and made again when it no longer fits."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from splatcam.settings import SettingsError

VALID_FOR = timedelta(days=397)  # Apple's devices refuse longer ones
MADE_AGAIN_BEFORE = timedelta(days=1)
SERVER, AUTHORITY = "server.pem", "ca.pem"


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """`key` None: it is in the same file. Raises SettingsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # or OpenSSL would ask on the terminal
    except OSError as error:  # ssl.SSLError is one
        why = getattr(error, "reason", None) or error.strerror
        files = f"{certificate} and {key}" if key else str(certificate)
        raise SettingsError(f"no certificate and its key can be read from {files}: {why}") from None
    return context


def self_signed(names: Sequence[str], folder: Path) -> Path:
    """The file with key and certificate for these names. Beside it `ca.pem`, for clients that want to verify.

    The authority signs once and its key is forgotten: whoever trusts it trusts this one certificate.
    Raises SettingsError where the folder cannot be written, ModuleNotFoundError where trustme is not installed.
    """
    server = folder / SERVER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not _fits(server, names):
            pem, authority = _make(names)
            _write_private(folder / AUTHORITY, authority)
            _write_private(server, pem)
    except OSError as error:
        raise SettingsError(f"cannot keep a certificate in {folder}: {error.strerror}") from None
    return server


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Raises SettingsError where the user has no home, as in a container that gave it a number and no name."""
    cache = Path(environment.get("XDG_CACHE_HOME", ""))
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "splatcam" / "tls"
    except RuntimeError:
        raise SettingsError("there is no home to keep a certificate in: XDG_CACHE_HOME names a folder") from None


def _make(names: Sequence[str]) -> tuple[bytes, bytes]:
    import trustme

    now = datetime.now(UTC)
    authority = trustme.CA(organization_name="splatcam", organization_unit_name="made on this machine")
    certificate = authority.issue_cert(
        *names,
        organization_name="splatcam",
        organization_unit_name="made on this machine",
        not_before=now - MADE_AGAIN_BEFORE,  # clocks differ
        not_after=now - MADE_AGAIN_BEFORE + VALID_FOR,
    )
    return certificate.private_key_and_cert_chain_pem.bytes(), authority.cert_pem.bytes()


def _fits(server: Path, names: Sequence[str]) -> bool:
    from cryptography import x509  # trustme brings it

    try:
        certificate = x509.load_pem_x509_certificate(server.read_bytes())
        server_context(server)
    except (FileNotFoundError, ValueError):  # SettingsError is one: a key that is not its own
        return False
    lasts = certificate.not_valid_after_utc > datetime.now(UTC) + MADE_AGAIN_BEFORE
    return lasts and set(names) <= _names_of(certificate)


def _names_of(certificate: Any) -> set[str]:
    from cryptography import x509

    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


def _write_private(file: Path, data: bytes) -> None:
    """Whole or not at all, for this user alone: mkstemp makes it 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    os.replace(temporary, file)
