"""From a handshake to a session and out again, without a server: the messages of ASGI as they come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request, WebSocket

from splatcam.door.admission import HANDSHAKES_AT_ONCE, Admission
from splatcam.door.client_address import trusted_networks
from splatcam.live.connection import HangUp
from splatcam.routes.websocket import SocketDoor, WebSocketTransport
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry


class Visitor:
    """The server's side of one websocket: what the application is told, and what it said."""

    def __init__(self, address: str = "198.51.100.7", can_be_denied: bool = True, reads: bool = True) -> None:
        extensions = {"websocket.http.response": {}} if can_be_denied else {}
        self.scope = {"type": "websocket", "headers": [], "client": (address, 1), "extensions": extensions}
        self.says: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.says.put_nowait({"type": "websocket.connect"})
        self.heard: list[dict[str, Any]] = []
        self.is_inside = asyncio.Event()
        self._reads = reads

    def socket(self) -> WebSocket:
        return WebSocket(self.scope, self.says.get, self._send)

    def leaves(self) -> None:
        self.says.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and not self._reads:
            await asyncio.Event().wait()  # nothing goes out any more
        self.heard.append(dict(message))
        if message["type"] == "websocket.accept":
            self.is_inside.set()


class Listening:
    """A session that listens until its client leaves."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport

    async def run(self) -> None:
        while True:
            await self._transport.receive()


class Broken:
    def __init__(self, transport: WebSocketTransport, bug: Exception | None = None) -> None:
        self._bug = bug or ZeroDivisionError()

    async def run(self) -> None:
        raise self._bug


class Over:
    """A session that ends the connection itself."""

    def __init__(self, transport: WebSocketTransport) -> None:
        pass

    async def run(self) -> None:
        raise HangUp(4408, "nothing was sent")


class House:
    def __init__(self, **settings: Any) -> None:
        self.admission = Admission(Settings(**settings))
        self.telemetry = Telemetry()
        self.door = SocketDoor("live", self.admission, self.telemetry, trusted_networks("", {}))

    async def visit(self, visitor: Visitor, session: Callable[[WebSocketTransport], Any] = Listening) -> None:
        async with asyncio.timeout(30):
            await self.door.let_in(visitor.socket(), session)

    async def stays(self, visitor: Visitor) -> asyncio.Task[None]:
        visit = asyncio.create_task(self.visit(visitor))
        await visitor.is_inside.wait()
        return visit

    @property
    def is_empty(self) -> bool:
        return not self.admission._open["live"] and not self.admission._by_address


async def test_who_finds_no_place_is_answered_before_it_is_accepted() -> None:
    house = House(max_sessions=1)
    inside, late = Visitor(), Visitor()
    visit = await house.stays(inside)
    await house.visit(late)
    start, body = late.heard
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert (b"retry-after", b"5") in start["headers"]
    assert body["body"] == b"Every place is taken. Try again later."
    assert house.telemetry.connections_refused == {"full": 1}
    inside.leaves()
    await visit
    assert house.is_empty


async def test_where_the_server_cannot_refuse_it_is_accepted_and_closed_with_the_same_sentence() -> None:
    house = House(max_sessions=1)
    inside, late = Visitor(), Visitor(can_be_denied=False)
    visit = await house.stays(inside)
    await house.visit(late)
    accepted, closed = late.heard
    assert accepted["type"] == "websocket.accept"
    assert (closed["code"], closed["reason"]) == (1013, "Every place is taken. Try again later.")
    inside.leaves()
    await visit


async def test_an_address_that_has_its_share_is_told_so_with_429() -> None:
    house = House(max_sessions_per_address=1)
    inside, late, other = Visitor(), Visitor(), Visitor("203.0.113.9")
    visits = [await house.stays(inside)]
    await house.visit(late)
    assert late.heard[0]["status"] == 429
    assert house.telemetry.connections_refused == {"address": 1}
    visits.append(await house.stays(other))
    for visitor in (inside, other):
        visitor.leaves()
    await asyncio.gather(*visits)
    assert house.is_empty


async def asked(house: House, visitor: Visitor) -> tuple[int, str | None, str | None]:
    """Status, reason and Retry-After of a plain GET of the websocket's address."""
    answer = await house.door.answer(Request({**visitor.scope, "type": "http"}))
    return answer.status_code, json.loads(bytes(answer.body))["reason"], answer.headers.get("retry-after")


async def test_who_asks_over_plain_http_is_told_what_a_handshake_would_be_told() -> None:
    house = House(max_sessions=2, max_sessions_per_address=1)
    inside, other, curious = Visitor(), Visitor("203.0.113.9"), Visitor()
    assert await asked(house, curious) == (426, None, None)
    visits = [await house.stays(inside)]
    assert await asked(house, curious) == (429, "address", "5")
    visits.append(await house.stays(other))
    assert await asked(house, curious) == (503, "full", "5")
    house.admission.drain()
    assert await asked(house, curious) == (503, "draining", "5")
    for visitor in (inside, other):
        visitor.leaves()
    await asyncio.gather(*visits)


async def test_to_ask_is_no_handshake_and_counts_as_no_refusal() -> None:
    house = House(max_sessions=100, max_sessions_per_address=100)
    for _ in range(2 * HANDSHAKES_AT_ONCE):
        assert (await asked(house, Visitor()))[0] == 426
    inside = Visitor()
    visit = await house.stays(inside)
    assert house.telemetry.connections_refused.get("rate", 0) == 0
    inside.leaves()
    await visit


async def test_a_session_that_ends_the_connection_says_why() -> None:
    house, visitor = House(), Visitor()
    await house.visit(visitor, Over)
    assert visitor.heard[-1] == {"type": "websocket.close", "code": 4408, "reason": "nothing was sent"}
    assert house.is_empty


async def test_a_fault_of_ours_ends_one_session_with_1011_and_is_in_the_log(caplog: Any) -> None:
    house, visitor = House(), Visitor()
    await house.visit(visitor, Broken)
    assert visitor.heard[-1]["code"] == 1011
    assert "ZeroDivisionError" in caplog.text
    assert house.is_empty


@pytest.mark.parametrize("bug", [OSError("the disk is full"), TimeoutError()], ids=repr)
async def test_a_fault_that_looks_like_the_network_is_one_too(bug: Exception, caplog: Any) -> None:
    house, visitor = House(), Visitor()
    await house.visit(visitor, lambda transport: Broken(transport, bug))
    assert visitor.heard[-1]["code"] == 1011
    assert type(bug).__name__ in caplog.text
    assert house.is_empty


async def test_who_is_gone_before_it_is_accepted_holds_no_place_and_is_no_fault(caplog: Any) -> None:
    house, visitor = House(), Visitor()

    async def gone(message: Any) -> None:
        raise OSError("the server says so when the client has left")

    socket = WebSocket(visitor.scope, visitor.says.get, gone)
    await house.door.let_in(socket, Listening)
    assert house.is_empty and caplog.text == ""


async def test_who_does_not_read_why_it_has_to_go_is_not_waited_for() -> None:
    house, visitor = House(), Visitor(reads=False)
    await house.visit(visitor, Over)
    assert [message["type"] for message in visitor.heard] == ["websocket.accept"]
    assert house.is_empty


async def test_at_closing_time_everybody_is_told_1012_also_when_one_of_them_does_not_listen() -> None:
    house = House()
    visitors = [Visitor(), Visitor(reads=False), Visitor("203.0.113.9")]
    visits = [await house.stays(visitor) for visitor in visitors]
    async with asyncio.timeout(30):
        await house.door.close()
        await asyncio.gather(*visits)
    closed = [[m["code"] for m in visitor.heard if m["type"] == "websocket.close"] for visitor in visitors]
    assert closed == [[1012], [], [1012]]
    assert house.is_empty


async def test_a_house_without_visitors_closes() -> None:
    await House().door.close()
