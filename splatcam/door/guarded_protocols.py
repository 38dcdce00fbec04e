"""uvicorn's two protocols with the limits that they lack: who sends its request drop by drop, who floods below the
level of messages, who takes nothing. Knows no route and no session."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from splatcam.rate_limit import TokenBucket

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

REQUEST_WITHIN_S = 10.0
SMALL_FRAMES_PER_S = 500  # pings, and pieces of messages
SMALL_FRAMES_AT_ONCE = 4096
TOO_MANY_FRAMES = "too many pings, or pieces of a message"
POLICY = 1008
NO_TEXT = 1007
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def unsent_bytes(connection: socket.socket | None) -> int:
    """What the system holds that the other side has not acknowledged (Linux, macOS)."""
    if fcntl is None or connection is None:
        return 0
    with suppress(OSError):
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0


class PromptHTTP(H11Protocol):
    """Closes a connection whose next request is not complete in time, where uvicorn waits for ever once a byte came,
    and at once each one beyond `most_connections`: those that are open, websockets too, keep what they need.

    By h11 also where httptools is installed: that one takes headers without end.
    """

    most_connections = 1024
    _deadline: asyncio.TimerHandle | None = None
    _is_upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._is_upgraded = True

    def _watch(self) -> None:
        """One deadline for the whole request: more drops of it do not put it off."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering or self._is_upgraded or self.transport.is_closing():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Pings and pieces of messages, which no session ever sees, are counted. None is answered to who does not read.

    Who takes nothing for `stalled_after_s` is cut off. TCP_USER_TIMEOUT does that where the client is silent; one that
    goes on sending puts it off with every packet, and nothing does it on other systems.
    """

    stalled_after_s = 15.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._small_frames = TokenBucket(SMALL_FRAMES_PER_S, SMALL_FRAMES_AT_ONCE, time.monotonic())
        self._stalled: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            self._refuse_handshake()

    def _refuse_handshake(self) -> None:
        """The whole of it has come and cannot be read: uvicorn would neither answer nor close."""
        self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_looking()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        self._stalled = self.loop.call_later(
            self.stalled_after_s, self._cut_off_unless_less_than, self._waiting_bytes()
        )

    def _stop_looking(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _cut_off_unless_less_than(self, waited_bytes: int) -> None:
        """A slow link takes some; that is not stalled."""
        if self._waiting_bytes() < waited_bytes:
            self._look_again()
        else:
            self.transport.abort()

    def _waiting_bytes(self) -> int:
        """For the client to take: here, and in the system where it tells."""
        return self.transport.get_write_buffer_size() + unsent_bytes(self.transport.get_extra_info("socket"))

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and self.transport.is_closing():
            raise ClientDisconnected  # before the loop has said so: asyncio logs each write to a socket that is gone
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # a refusal completes it too: without this uvicorn logs each as an error

    def handle_cont(self, event: Frame) -> None:
        if self._allows_one_more():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if not self._allows_one_more():
            return
        if self.writable.is_set() and not self.transport.is_closing():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # the pong: it would only lengthen what is not read

    def _allows_one_more(self) -> bool:
        if self.close_sent:
            return False
        if self._small_frames.take(1, time.monotonic()):
            return True
        self._fail(POLICY, TOO_MANY_FRAMES)
        return False

    def send_receive_event_to_app(self) -> None:
        """uvicorn ends the socket for text that is none as well, but with a traceback in the log for each."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._fail(NO_TEXT, "a text message that is no UTF-8")
                return
        super().send_receive_event_to_app()

    def _fail(self, code: int, reason: str) -> None:
        """As after a frame that cannot be read: the application hears of it, the client gets the close frame."""
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
