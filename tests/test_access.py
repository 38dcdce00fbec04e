"""Who may come in, asked directly: one request, one answer. tests/test_front_door.py asks over real sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from splatcam.door.access import OPEN_PATHS, Access, Gate, access_of, runpod_origin, split_token
from splatcam.settings import Settings

TOKEN = "correct-horse-battery"
ACCESS = Access(TOKEN, "splatcam-8000")
COOKIE = f"splatcam-8000={ACCESS.cookie_value}"
OPEN = Access(None, "splatcam-8000")


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the gate."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})


async def asked(access: Access, kind: str, path: str, headers: Mapping[str, str], scheme: str = "http") -> list[Any]:
    raw_path, _, query = path.partition("?")
    scope = {"type": kind, "path": raw_path, "raw_path": raw_path.encode(), "query_string": query.encode(),
             "scheme": scheme, "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
             }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the gate reads nothing")

    await Gate(inside, access)(scope, receive, send)
    return sent


async def get(access: Access, path: str, scheme: str = "http", **headers: str) -> tuple[int, dict[str, str]]:
    start, _ = await asked(access, "http", path, {k.replace("_", "-"): v for k, v in headers.items()}, scheme)
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


async def socket(access: Access, path: str = "/ws", **headers: str) -> str:
    (answer,) = await asked(access, "websocket", path, {"host": "localhost:8000", **headers})
    return answer["type"]


ACCEPTED, REFUSED = "websocket.accept", "websocket.close"


# ---------------------------------------------------------------- when a token is asked for


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_on_a_loopback_address_nobody_is_asked(address: str) -> None:
    assert access_of(Settings(), address, 8000).token is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.2", "fe80::1%eth0"])
def test_on_any_other_address_a_token_is_made_anew_each_time(address: str) -> None:
    tokens = {access_of(Settings(), address, 8000).token for _ in range(2)}
    assert len(tokens) == 2 and all(token and len(token) >= 20 for token in tokens)


def test_a_token_that_was_given_holds_everywhere() -> None:
    settings = Settings(token=TOKEN)
    assert [access_of(settings, address, 8000).token for address in ("127.0.0.1", "0.0.0.0")] == [TOKEN, TOKEN]


def test_no_auth_asks_nobody() -> None:
    assert access_of(Settings(auth=False), "0.0.0.0", 8000).token is None


def test_two_services_on_one_host_have_cookies_of_their_own() -> None:
    assert len({access_of(Settings(), "0.0.0.0", port).cookie_name for port in (8000, 8001)}) == 2


# ---------------------------------------------------------------- pages


async def test_the_link_answers_with_a_cookie_and_leads_to_the_address_without_the_token() -> None:
    status, headers = await get(ACCESS, f"/?token={TOKEN}")
    assert (status, headers["location"]) == (303, "./")
    assert headers["set-cookie"] == f"{COOKIE}; Path=/; HttpOnly; SameSite=Lax"
    assert TOKEN not in headers["set-cookie"]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (f"/?watch=newest&token={TOKEN}", "./?watch=newest"),
        (f"/viewer.html?token={TOKEN}&format=a%20b&token=again", "./viewer.html?format=a%20b"),
        (f"//elsewhere.example/?token={TOKEN}", "./"),
        (f"//elsewhere.example?token={TOKEN}", "./elsewhere.example"),
        (f"/?t%6Fken={TOKEN}&x", "./?x"),
    ],
)
async def test_everything_else_of_the_address_stays_and_it_leads_nowhere_else(path: str, location: str) -> None:
    status, headers = await get(ACCESS, path)
    assert (status, headers["location"]) == (303, location)


async def test_the_cookie_and_the_bearer_token_open_every_path() -> None:
    for headers in ({"cookie": COOKIE}, {"authorization": f"Bearer {TOKEN}"}, {"authorization": f"bearer  {TOKEN}"}):
        assert (await get(ACCESS, "/app.js", **headers))[0] == 200


async def test_an_odd_cookie_of_another_service_is_no_hindrance() -> None:
    assert (await get(ACCESS, "/", cookie=f"a[b]=; ={{}}; x; {COOKIE}; y=z"))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "splatcam-8000=" + TOKEN},
        {"cookie": COOKIE.replace("8000", "8001")},
        {"cookie": COOKIE[:-1]},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer \xff"},
    ],
    ids=str,
)
async def test_whoever_does_not_show_the_token_reads_one_sentence(headers: dict[str, str]) -> None:
    start, body = await asked(ACCESS, "http", "/", headers)
    assert start["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="splatcam"') in start["headers"]
    assert body["body"].count(b"<p>") == 1 and TOKEN.encode() not in body["body"]


async def test_a_wrong_token_in_the_link_is_refused_even_with_a_cookie() -> None:
    assert (await get(ACCESS, "/?token=wrong", cookie=COOKIE))[0] == 401
    assert (await get(ACCESS, "/?token=%ff%fe"))[0] == 401


async def test_whoever_restarts_the_service_is_asked_for_nothing() -> None:
    for path in OPEN_PATHS:
        assert (await get(ACCESS, path))[0] == 200
        assert (await get(ACCESS, path + "/../"))[0] == 401


@pytest.mark.parametrize(
    ("scheme", "forwarded", "is_secure"),
    [("http", "", False), ("https", "", True), ("http", "https", True), ("http", "https, http", True),
     ("http", "http, https", False)],
)  # fmt: skip
async def test_the_cookie_is_secure_where_the_visitor_came_by_https(
    scheme: str, forwarded: str, is_secure: bool
) -> None:
    _, headers = await get(ACCESS, f"/?token={TOKEN}", scheme, x_forwarded_proto=forwarded)
    assert headers["set-cookie"].endswith("; Secure") == is_secure


async def test_without_a_token_in_force_everything_passes_as_it_is() -> None:
    assert (await get(OPEN, "/?token=whatever", host="localhost:8000"))[0] == 200


# ---------------------------------------------------------------- websockets


@pytest.mark.parametrize("path", ["/ws", "/viewer/ws"])
async def test_a_websocket_needs_the_token_by_cookie_header_or_address(path: str) -> None:
    assert await socket(ACCESS, path) == REFUSED
    assert await socket(ACCESS, path, cookie=COOKIE) == ACCEPTED
    assert await socket(ACCESS, path, authorization=f"Bearer {TOKEN}") == ACCEPTED
    assert await socket(ACCESS, f"{path}?token={TOKEN}") == ACCEPTED
    assert await socket(ACCESS, f"{path}?token=wrong", cookie=COOKIE) == REFUSED


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "", "http://localhost:8001", "http://[", "localhost:8000"]
)
async def test_the_page_of_another_site_may_not_open_one_even_with_the_cookie(origin: str) -> None:
    for path in ("/ws", "/viewer/ws"):
        assert await socket(ACCESS, path, origin=origin, cookie=COOKIE) == REFUSED
        assert await socket(OPEN, path, origin=origin) == REFUSED


async def test_a_plain_page_of_the_same_name_may_not_open_the_socket_of_an_https_one() -> None:
    """Whoever sits on the way can write such a page, and the visitor's cookie would come along."""
    name = {"host": "a.example", "x-forwarded-proto": "https", "cookie": COOKIE}
    assert await socket(ACCESS, **name, origin="https://a.example") == ACCEPTED
    assert await socket(ACCESS, **name, origin="http://a.example") == REFUSED


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "app.localhost"])
async def test_the_own_page_on_loopback_may(host: str) -> None:
    assert await socket(OPEN, host=host, origin=f"http://{host}") == ACCEPTED


@pytest.mark.parametrize("host", ["rebound.example:8000", "localhost.example", "[bad", ""])
async def test_a_name_that_somebody_pointed_at_loopback_is_not_the_own_page(host: str) -> None:
    assert await socket(OPEN, host=host, origin=f"http://{host}") == REFUSED


async def test_behind_a_proxy_the_public_name_is_the_own_page_where_a_token_or_a_setting_vouches_for_it() -> None:
    named = access_of(Settings(allowed_origins="https://a.example, https://b.example"), "127.0.0.1", 8000)
    assert await socket(named, host="b.example", origin="https://b.example") == ACCEPTED
    asking = access_of(Settings(token=TOKEN), "127.0.0.1", 8000)
    assert await socket(asking, f"/ws?token={TOKEN}", host="c.example", origin="https://c.example") == ACCEPTED


async def test_what_is_neither_a_page_nor_a_websocket_passes() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await Gate(app, ACCESS)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


# ---------------------------------------------------------------- parts


def test_a_pod_of_runpod_knows_the_address_that_its_proxy_gives_it() -> None:
    assert runpod_origin({"RUNPOD_POD_ID": "abc123"}, 8000) == "https://abc123-8000.proxy.runpod.net"
    assert runpod_origin({}, 8000) is None
    assert runpod_origin({"RUNPOD_POD_ID": "a/../b"}, 8000) is None


def test_the_token_is_taken_out_of_a_query_and_nothing_else() -> None:
    assert split_token(b"a=1&token=x%2By&b=&a=2") == ("x+y", b"a=1&b=&a=2")
    assert split_token(b"tokens=1") == (None, b"tokens=1")
    assert split_token(b"") == (None, b"")
