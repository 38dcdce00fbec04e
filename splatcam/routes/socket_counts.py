"""Counts what goes over websockets and how they end, around every route that has one. Pure ASGI; reads no message."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splatcam.telemetry import SessionKind, Telemetry

KINDS: dict[str, SessionKind] = {"/ws": "live", "/viewer/ws": "pictures"}
TORN_OFF = 1006  # ended, and nobody said why


class SocketCounts:
    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or scope["path"] not in KINDS:
            await self._app(scope, receive, send)
            return
        socket = _Socket(self._telemetry, KINDS[scope["path"]], receive, send)
        try:
            await self._app(scope, socket.receive, socket.send)
        finally:
            socket.ended(TORN_OFF)


class _Socket:
    """One of them. It counts as open from its `accept` to its first close."""

    def __init__(self, telemetry: Telemetry, kind: SessionKind, receive: Receive, send: Send) -> None:
        self._telemetry = telemetry
        self._kind = kind
        self._receive = receive
        self._send = send
        self._is_open = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.ended(message.get("code", TORN_OFF))
        else:
            self._telemetry.transferred("in", _size(message))
        return message

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self._is_open = True
                self._telemetry.session_opened(self._kind)
            case "websocket.close":
                self.ended(message.get("code", 1000))
            case "websocket.send":
                self._telemetry.transferred("out", _size(message))
        await self._send(message)

    def ended(self, code: int) -> None:
        """The first word on it counts; of one that was never accepted there is none."""
        if self._is_open:
            self._is_open = False
            self._telemetry.session_closed(self._kind, code)


def _size(message: Message) -> int:
    return len(message.get("bytes") or message.get("text") or "")
