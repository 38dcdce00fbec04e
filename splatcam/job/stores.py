"""Where finished artefacts go beside the job's own folder: one interface, one class for each kind of place.

A place is named by a folder, or by an http(s) address that artefacts are PUT below. A query in the address stays at
its end (signed addresses have their signature there); a name and a password before the host are given as HTTP has it
(RFC 7617). Neither is told to anybody.
"""

from __future__ import annotations

import base64
import http.client
import mimetypes
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Protocol

from splatcam.atomic import published

ANSWER_WITHIN_S = 120.0
UNKNOWN_TYPE = "application/octet-stream"


class PublishingFailed(RuntimeError):
    """An artefact could not be put where it was asked for; the message is one sentence."""


class ArtifactStore(Protocol):
    """One place. Putting a name again replaces what is there."""

    address: str  # for people and for the manifest, without secrets

    def put(self, name: str, path: Path) -> None:
        """Raises PublishingFailed."""
        ...


def store_at(place: str) -> ArtifactStore:
    """Raises PublishingFailed for an address that is none."""
    if place.startswith(("http://", "https://")):
        return HttpStore(place)
    return FolderStore(Path(place))


class FolderStore:
    """A local folder; it is made where it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def put(self, name: str, path: Path) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with published(self._folder / name) as beside:
                shutil.copyfile(path, beside)
        except OSError as error:
            raise PublishingFailed(f"{name} cannot be put into {self.address}: {error.strerror or error}") from None


class HttpStore:
    """PUT address/name, the file as the body. Redirects are not followed: they would lose the body."""

    def __init__(self, address: str) -> None:
        parts = _parts_of(address)
        host = parts.netloc.rpartition("@")[2]
        self._credentials = _credentials_of(parts)
        self._parts = parts._replace(netloc=host, path=parts.path.rstrip("/"), fragment="")
        self.address = urllib.parse.urlunsplit((parts.scheme, host, self._parts.path, "", ""))

    def put(self, name: str, path: Path) -> None:
        where = self._parts._replace(path=f"{self._parts.path}/{urllib.parse.quote(name)}")
        with path.open("rb") as body:
            request = urllib.request.Request(urllib.parse.urlunsplit(where), data=body, method="PUT")
            request.add_header("Content-Type", mimetypes.guess_type(name)[0] or UNKNOWN_TYPE)
            request.add_header("Content-Length", str(path.stat().st_size))
            if self._credentials:
                request.add_header("Authorization", self._credentials)
            try:
                urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S).close()
            except urllib.error.HTTPError as error:
                with error:
                    raise PublishingFailed(f"{self.address} refused {name}: {error.code} {error.reason}") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", error)
                raise PublishingFailed(f"{name} cannot be put to {self.address}: {reason}") from None


def _parts_of(address: str) -> urllib.parse.SplitResult:
    """Raises PublishingFailed, in a sentence without the address: there may be a password in it."""
    try:
        parts = urllib.parse.urlsplit(address)
        if parts.hostname and (parts.port is None or parts.port > 0):
            return parts
    except ValueError:  # brackets that do not close, a port that is no number
        pass
    raise PublishingFailed(
        "this is no address to put files at: write it as https://host/path or https://host:port/path"
    )


def _credentials_of(parts: urllib.parse.SplitResult) -> str | None:
    """The value of the header Authorization."""
    if parts.username is None:
        return None
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
