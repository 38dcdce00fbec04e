from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from splatcam.routes.socket_counts import SocketCounts
from splatcam.telemetry import Telemetry

ACCEPT = {"type": "websocket.accept"}
HELLO = {"type": "websocket.receive", "bytes": b"hello"}
TEXT = {"type": "websocket.receive", "text": "hi"}
RESULT = {"type": "websocket.send", "bytes": bytes(1000)}


async def played(sent: Iterable[dict[str, Any]], received: Iterable[dict[str, Any]], path: str = "/ws") -> Telemetry:
    """An application that sends and then receives, inside."""
    telemetry = Telemetry()
    waiting = list(received)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)
        for _ in range(len(waiting)):
            await receive()

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        pass

    await SocketCounts(app, telemetry)({"type": "websocket", "path": path}, receive, send)
    return telemetry


async def test_messages_are_counted_in_both_directions() -> None:
    telemetry = await played([ACCEPT, RESULT, RESULT], [HELLO, TEXT])
    assert telemetry.bytes == {"in": 7, "out": 2000}


@pytest.mark.parametrize(
    ("sent", "received", "code"),
    [
        ([ACCEPT], [{"type": "websocket.disconnect", "code": 1001}], "1001"),
        ([ACCEPT, {"type": "websocket.close", "code": 4408}], [], "4408"),
        ([ACCEPT, {"type": "websocket.close", "code": 1013}], [{"type": "websocket.disconnect", "code": 1006}], "1013"),
        ([ACCEPT], [{"type": "websocket.disconnect", "code": 3333}], "other"),
        ([ACCEPT], [HELLO], "1006"),
    ],
    ids=["they close", "we close", "the first word counts", "a code of their own", "nobody says why"],
)
async def test_a_socket_ends_once_by_its_code(sent: list[Any], received: list[Any], code: str) -> None:
    telemetry = await played(sent, received)
    assert telemetry.sockets_closed == {code: 1}
    assert telemetry.sessions["live"] == 0


async def test_what_was_never_accepted_was_never_open() -> None:
    telemetry = await played([{"type": "websocket.close", "code": 1013}], [])
    assert not telemetry.sockets_closed
    assert not telemetry.sessions


async def test_an_open_socket_is_counted_by_its_kind() -> None:
    telemetry = Telemetry()
    during: list[dict[str, int]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        during.append(dict(telemetry.sessions))
        raise RuntimeError("a bug")

    async def send(message: Any) -> None:
        pass

    with pytest.raises(RuntimeError):
        await SocketCounts(app, telemetry)({"type": "websocket", "path": "/viewer/ws"}, send, send)  # type: ignore[arg-type]
    assert during == [{"pictures": 1}]
    assert telemetry.sessions["pictures"] == 0
