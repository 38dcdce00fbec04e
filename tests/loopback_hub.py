"""A model hub on a loopback port: the part of the real one's HTTP that a download needs, nothing simulated.

Serves `/{owner}/{name}/resolve/{revision}/{file}` with the headers that huggingface_hub reads, and its error codes.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Shelf:
    """What the hub has: hub id → file name → bytes. `gated` ids are refused, of `spoiled` ones the last byte changes
    on the way; `asked` are the paths asked for."""

    models: Mapping[str, Mapping[str, bytes]]
    gated: frozenset[str] = frozenset()
    spoiled: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def find(self, path: str) -> tuple[int, str, bytes]:
        """Status, error code, body."""
        parts = path.strip("/").split("/")
        if len(parts) != 5:  # huggingface_hub has other questions too; they are not ours
            return 404, "", b""
        hub_id, revision, file = f"{parts[0]}/{parts[1]}", parts[3], parts[4]
        self.asked.append(path)
        if hub_id in self.gated:
            return 403, "GatedRepo", b""
        if hub_id not in self.models:
            return 404, "RepoNotFound", b""
        if revision not in ("main", COMMIT):
            return 404, "RevisionNotFound", b""
        if file not in self.models[hub_id]:
            return 404, "EntryNotFound", b""
        return 200, "", self.models[hub_id][file]


@contextlib.contextmanager
def serve(shelf: Shelf) -> Iterator[str]:
    """The address of a hub with this shelf."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            status, code, body = shelf.find(self.path)
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                is_spoiled = any(self.path.startswith(f"/{hub_id}/") for hub_id in shelf.spoiled)
                self.wfile.write(body[:-1] + b"!" if is_spoiled else body)

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """An address that refuses connections: the port is taken, nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def use(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """huggingface_hub asks `address` and keeps its cache in `cache`, as HF_ENDPOINT and HF_HUB_CACHE would have it."""
    from huggingface_hub import close_session, constants

    close_session()  # a client made earlier has its own idea of proxies
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
