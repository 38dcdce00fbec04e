"""Who opens a websocket and who reads a page over HTTP: every kind of visitor at every kind of door.

A websocket that is refused is refused before it is accepted. tests/test_front_door.py asks some of them over sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from splatcam.door.access import OPEN_PATHS, Access, Gate, access_of
from splatcam.settings import Settings

TOKEN = "correct-horse-battery"
POD = "https://pod1-8000.proxy.runpod.net"
NAMES = ("localhost", "gpu-box", "192.168.1.2")

LOOPBACK = access_of(Settings(), "127.0.0.1", 8000)
LOOPBACK_NAMED = access_of(Settings(allowed_hosts="dev.example"), "127.0.0.1", 8000)
LOOPBACK_PROXIED = access_of(Settings(allowed_origins="https://splat.example"), "127.0.0.1", 8000)
LOOPBACK_TOKEN = access_of(Settings(token=TOKEN), "127.0.0.1", 8000)
OPEN_LAN = access_of(Settings(auth=False), "0.0.0.0", 8000, own_names=NAMES)
OPEN_POD = access_of(Settings(auth=False), "0.0.0.0", 8000, [POD], NAMES)
TOKEN_LAN = access_of(Settings(token=TOKEN, allowed_origins="https://friend.example"), "0.0.0.0", 8000, [POD], NAMES)
COOKIE = f"splatcam-8000={TOKEN_LAN.cookie_value}"
BEARER = f"Bearer {TOKEN}"

IN, TOKENLESS, ORIGIN, HOST = "in", "token", "origin", "host"


@dataclass(frozen=True)
class Case:
    """A visitor, and what comes of it: of its websocket, and of a page asked for over HTTP (which has no origin)."""

    name: str
    access: Access
    host: str
    socket: str
    http: int
    origin: str | None = None
    cookie: str = ""
    bearer: str = ""
    query: str = ""
    scheme: str = "http"
    forwarded: str = ""


CASES = [
    # on loopback nobody is asked, and only loopback's own names are answered
    Case("a program on loopback", LOOPBACK, "127.0.0.1:8000", IN, 200),
    Case("the page on localhost", LOOPBACK, "localhost:8000", IN, 200, origin="http://localhost:8000"),
    Case("the page on an IPv6 address", LOOPBACK, "[::1]:8000", IN, 200, origin="http://[::1]:8000"),
    Case("the page below localhost", LOOPBACK, "app.localhost", IN, 200, origin="http://app.localhost"),
    Case("another site's page", LOOPBACK, "localhost:8000", ORIGIN, 200, origin="https://evil.example"),
    Case("a page of another port", LOOPBACK, "localhost:8000", ORIGIN, 200, origin="http://localhost:3000"),
    Case("a sandboxed page", LOOPBACK, "localhost:8000", ORIGIN, 200, origin="null"),
    Case("an empty origin", LOOPBACK, "localhost:8000", ORIGIN, 200, origin=""),
    Case("a rebound name with its own page", LOOPBACK, "evil.example:8000", HOST, 421, origin="http://evil.example:8000"),
    Case("a rebound name without an origin", LOOPBACK, "evil.example:8000", HOST, 421),
    Case("a name that begins like ours", LOOPBACK, "localhost.evil.example", HOST, 421),
    Case("a name that is none", LOOPBACK, "[bad", HOST, 421),
    Case("no name at all", LOOPBACK, "", HOST, 421),
    Case("a token that nobody asked for", LOOPBACK, "localhost:8000", IN, 200, query="token=whatever"),
    Case("a name that was allowed", LOOPBACK_NAMED, "dev.example:8000", IN, 200, origin="http://dev.example:8000"),
    Case("a name that was allowed, another's page", LOOPBACK_NAMED, "dev.example", ORIGIN, 200, origin="http://a.example"),
    Case("behind a proxy, its page", LOOPBACK_PROXIED, "splat.example", IN, 200, origin="https://splat.example"),
    Case("behind a proxy, its plain page", LOOPBACK_PROXIED, "splat.example", ORIGIN, 200,
         origin="http://splat.example", forwarded="https"),
    # on loopback with a token any name is answered
    Case("a proxy's name and the token", LOOPBACK_TOKEN, "splat.example", IN, 303, query=f"token={TOKEN}"),
    Case("a rebound name without the token", LOOPBACK_TOKEN, "evil.example", TOKENLESS, 401, origin="http://evil.example"),
    # for everybody, by --no-auth
    Case("by address in the LAN", OPEN_LAN, "192.168.1.2:8000", IN, 200, origin="http://192.168.1.2:8000"),
    Case("by another address of ours", OPEN_LAN, "10.1.2.3:8000", IN, 200),
    Case("by the machine's name", OPEN_LAN, "gpu-box:8000", IN, 200, origin="http://gpu-box:8000"),
    Case("by the machine's name in large letters", OPEN_LAN, "GPU-Box:8000", IN, 200),
    Case("rebound in the LAN", OPEN_LAN, "evil.example:8000", HOST, 421, origin="http://evil.example:8000"),
    Case("another site's page in the LAN", OPEN_LAN, "gpu-box:8000", ORIGIN, 200, origin="https://evil.example"),
    Case("by the pod's proxy", OPEN_POD, "pod1-8000.proxy.runpod.net", IN, 200, origin=POD, forwarded="https"),
    Case("by another pod's name", OPEN_POD, "pod2-8000.proxy.runpod.net", HOST, 421),
    # for whoever has the token
    Case("nothing to show", TOKEN_LAN, "gpu.example:8000", TOKENLESS, 401),
    Case("the link", TOKEN_LAN, "gpu.example:8000", IN, 303, query=f"token={TOKEN}"),
    Case("the cookie", TOKEN_LAN, "gpu.example", IN, 200, origin="http://gpu.example", cookie=COOKIE),
    Case("the bearer token", TOKEN_LAN, "gpu.example", IN, 200, bearer=BEARER),
    Case("a wrong link", TOKEN_LAN, "gpu.example", TOKENLESS, 401, query="token=wrong-wrong-wrong"),
    Case("a wrong link and the cookie", TOKEN_LAN, "gpu.example", TOKENLESS, 401, query="token=wrong", cookie=COOKIE),
    Case("a wrong cookie", TOKEN_LAN, "gpu.example", TOKENLESS, 401, cookie=COOKIE[:-1] + "x"),
    Case("the token as the cookie", TOKEN_LAN, "gpu.example", TOKENLESS, 401, cookie=f"splatcam-8000={TOKEN}"),
    Case("a wrong bearer token", TOKEN_LAN, "gpu.example", TOKENLESS, 401, bearer=BEARER + "x"),
    Case("the token by the wrong scheme", TOKEN_LAN, "gpu.example", TOKENLESS, 401, bearer=f"Basic {TOKEN}"),
    Case("another site's page and the cookie", TOKEN_LAN, "gpu.example", ORIGIN, 200,
         origin="https://evil.example", cookie=COOKIE),
    Case("another site's page and the token", TOKEN_LAN, "gpu.example", ORIGIN, 303,
         origin="https://evil.example", query=f"token={TOKEN}"),
    Case("a friend's page and the token", TOKEN_LAN, "gpu.example", IN, 303,
         origin="https://friend.example", query=f"token={TOKEN}"),
    Case("a friend's page without the token", TOKEN_LAN, "gpu.example", TOKENLESS, 401, origin="https://friend.example"),
    Case("the pod's page and the cookie", TOKEN_LAN, "10.0.0.2:8000", IN, 200, origin=POD, cookie=COOKIE),
    Case("a plain page and the cookie of an https one", TOKEN_LAN, "gpu.example", ORIGIN, 200,
         origin="http://gpu.example", cookie=COOKIE, scheme="https"),
]  # fmt: skip


class Inside:
    """The application behind the gate."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"inside"})


def scope_of(case: Case, kind: str, path: str) -> dict[str, Any]:
    given = {"host": case.host, "origin": case.origin if kind == "websocket" else None, "cookie": case.cookie or None,
             "authorization": case.bearer or None, "x-forwarded-proto": case.forwarded or None}  # fmt: skip
    headers = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    return {"type": kind, "path": path, "raw_path": path.encode(), "query_string": case.query.encode(),
            "scheme": case.scheme, "headers": headers}  # fmt: skip


async def asked(case: Case, kind: str, path: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What was sent, and the refusals that were counted."""
    sent: list[dict[str, Any]] = []
    refused: list[str] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        raise AssertionError("the gate reads nothing")

    await Gate(Inside(), case.access, refused.append)(scope_of(case, kind, path), receive, send)
    return sent, refused


def test_the_matrix_is_as_large_as_was_promised_and_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 24
    assert {case.socket for case in CASES} == {IN, TOKENLESS, ORIGIN, HOST}


@pytest.mark.parametrize("path", ["/ws", "/viewer/ws"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_websocket_is_let_in_or_refused_before_it_is_accepted(case: Case, path: str) -> None:
    sent, refused = await asked(case, "websocket", path)
    if case.socket == IN:
        assert (sent, refused) == ([{"type": "websocket.accept"}], [])
    else:
        assert (sent, refused) == ([{"type": "websocket.close", "code": 1008}], [case.socket])


@pytest.mark.parametrize("path", ["/render", "/info", "/metrics", "/"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_the_camera_sees_is_told_over_http_to_the_same_visitors(case: Case, path: str) -> None:
    sent, refused = await asked(case, "http", path)
    assert sent[0]["status"] == case.http
    reasons = {200: [], 303: [], 401: [TOKENLESS], 421: [HOST]}
    assert refused == reasons[case.http]
    if case.http in (401, 421):
        assert sent[1]["body"].count(b"<p>") == 1 and TOKEN.encode() not in sent[1]["body"]


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_probe_is_answered_whatever_it_calls_us_and_shows(case: Case, path: str) -> None:
    sent, refused = await asked(case, "http", path)
    assert (sent[0]["status"], refused) == (200, [])
