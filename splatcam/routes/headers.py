"""What a browser may do with our answers: a content security policy per page, a few headers on everything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IMPORT_MAP = re.compile(r"""<script\s[^>]*type=["']?importmap["']?[^>]*>(.*?)</script""", re.DOTALL | re.IGNORECASE)
HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")  # of an IPv6 address a policy cannot speak
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
ON_EVERYTHING = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), xr-spatial-tracking=(self), fullscreen=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """Around everything that answers over HTTP. A page that brought no policy of its own may do nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.update(ON_EVERYTHING)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Content-Security-Policy", NOTHING)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class PagePolicy:
    """The policy of each HTML file, made from the file itself and again when that has changed."""

    def __init__(self) -> None:
        self._hashes: dict[Path, tuple[int, list[str]]] = {}

    def headers(self, page: Path, host: str, script_hosts: list[str]) -> Mapping[str, str]:
        """`host`: what the visitor calls us; `script_hosts`: where modules may come from beside us."""
        policy = content_security_policy(self._import_maps(page), script_hosts, host)
        return {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}

    def _import_maps(self, page: Path) -> list[str]:
        changed_ns = page.stat().st_mtime_ns
        known = self._hashes.get(page)
        if known is None or known[0] != changed_ns:
            known = (changed_ns, import_map_hashes(page.read_text(encoding="utf-8")))
            self._hashes[page] = known
        return known[1]


def import_map_hashes(html: str) -> list[str]:
    """Sources for `script-src`: an import map has to be inline, so it is allowed by what it says."""
    maps = IMPORT_MAP.findall(html.replace("\r\n", "\n"))  # as browsers read it
    digests = (hashlib.sha256(text.encode()).digest() for text in maps)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def content_security_policy(import_maps: list[str], script_hosts: list[str], host: str) -> str:
    # Older Safari does not count websockets of the same host as 'self'.
    sockets = [f"ws://{host}", f"wss://{host}"] if HOST.fullmatch(host) else []
    directives = {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'wasm-unsafe-eval'", *import_maps, *script_hosts],  # Spark sorts in WebAssembly
        "worker-src": ["blob:", "'self'"],
        "connect-src": ["'self'", *sockets, "blob:", "data:"],
        "img-src": ["'self'", "blob:", "data:"],
        "media-src": ["'self'", "blob:", "mediastream:"],
        "style-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-src": ["'self'"],  # into which an export's answer comes
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())
