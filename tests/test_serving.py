"""The server around an app of three lines: who sends its request drop by drop, and how it ends. In this process."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import websockets

from splatcam.door import guarded_protocols, serving
from splatcam.door.guarded_protocols import GuardedWebSocket
from splatcam.door.serving import (
    DESCRIPTORS,
    MOST_CONNECTIONS,
    OrderlyServer,
    bind,
    room_for_connections,
    server_config,
    terminated_like_interrupted,
)
from splatcam.settings import Settings

WITHIN_S = 60.0
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
    elif scope["type"] == "websocket" and scope["path"] == "/full":
        await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"full"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if "text" in message:
                await send({"type": "websocket.send", "text": message["text"]})


class Running:
    """A server that listens, and how often it drained."""

    def __init__(self, listening: socket.socket) -> None:
        self.address = listening.getsockname()[:2]
        self.drained = 0
        self.may_drain = asyncio.Event()
        self.may_drain.set()
        self.server = OrderlyServer(server_config(app, Settings(), None), "", self._drain)

    async def _drain(self) -> None:
        self.drained += 1
        await self.may_drain.wait()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)


@asynccontextmanager
async def serving_app() -> AsyncIterator[Running]:
    with bind(Settings(port=0)) as listening:
        running = Running(listening)
        task = asyncio.create_task(running.server.serve(sockets=[listening]))
        try:
            yield running
        finally:
            running.server.should_exit = True
            async with asyncio.timeout(WITHIN_S):
                await task


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came before it was closed. Raises TimeoutError when it is not."""
    async with asyncio.timeout(WITHIN_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_protocols, "REQUEST_WITHIN_S", 0.3)


@pytest.mark.parametrize("length", [0, 1, 16, 20])
async def test_a_request_that_is_not_completed_is_closed(impatient: None, length: int) -> None:
    async with serving_app() as running:
        reader, writer = await running.connect()
        writer.write(REQUEST[:length])
        assert await closed(reader) == b""
        writer.close()


async def test_beyond_the_most_connections_newcomers_are_closed_at_once_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "room_for_connections", lambda: 2)
    async with serving_app() as running, AsyncExitStack() as at_the_end:

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await running.connect()
            at_the_end.callback(writer.close)
            return reader, writer

        first, second = await connected(), await connected()
        await answered(first)
        await answered(second)
        assert await closed((await connected())[0]) == b""
        await answered(first)
        second[1].write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await closed(second[0])).endswith(b"ok")
        await answered(await connected())


async def answered(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """It stays open for the next request."""
    reader, writer = connection
    writer.write(REQUEST)
    async with asyncio.timeout(WITHIN_S):
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")


def test_half_of_the_descriptors_are_for_something_else_than_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (256, 100_000)}
    monkeypatch.setattr(serving.resource, "getrlimit", lambda which: limits["now"])
    monkeypatch.setattr(serving.resource, "setrlimit", lambda which, wanted: limits.update(now=wanted))
    assert (room_for_connections(), limits["now"]) == (MOST_CONNECTIONS, (DESCRIPTORS, 100_000))
    limits["now"] = (256, 1000)
    assert (room_for_connections(), limits["now"]) == (500, (1000, 1000))
    limits["now"] = (100_000, serving.resource.RLIM_INFINITY)
    assert (room_for_connections(), limits["now"]) == (MOST_CONNECTIONS, (100_000, serving.resource.RLIM_INFINITY))


def test_a_system_that_gives_no_more_descriptors_gets_fewer_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(which: int, wanted: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(serving.resource, "getrlimit", lambda which: (256, serving.resource.RLIM_INFINITY))
    monkeypatch.setattr(serving.resource, "setrlimit", refuses)
    assert room_for_connections() == 128
    monkeypatch.setattr(serving, "resource", None)  # Windows
    assert room_for_connections() == MOST_CONNECTIONS


async def test_drops_do_not_put_it_off(impatient: None) -> None:
    async with serving_app() as running:
        reader, writer = await running.connect()
        end = asyncio.create_task(closed(reader))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        while not end.done():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.05)
        assert await end == b""
        writer.close()


async def test_the_second_request_of_a_connection_is_waited_for_no_longer(impatient: None) -> None:
    async with serving_app() as running:
        reader, writer = await running.connect()
        writer.write(REQUEST)
        async with asyncio.timeout(WITHIN_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200") and await reader.readexactly(
                2
            ) == b"ok"
        writer.write(b"GET")
        assert await closed(reader) == b""
        writer.close()


async def test_a_body_that_never_comes_keeps_no_connection(impatient: None) -> None:
    async with serving_app() as running:
        reader, writer = await running.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        end = asyncio.create_task(closed(reader))
        while not end.done():
            writer.write(b"x")
            await asyncio.sleep(0.05)
        assert (await end).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_websocket_is_not_taken_for_a_slow_request(impatient: None) -> None:
    async with serving_app() as running:
        async with websockets.connect("ws://{}:{}".format(*running.address)) as connection:
            reader, writer = await running.connect()
            assert await closed(reader) == b""  # its time, which began later, is over
            writer.close()
            await connection.send("still here?")
            assert await connection.recv() == "still here?"


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (b"/?" + b"x" * 9000, b"", b"414"),
        (b"/", b"X: " + b"x" * 9000 + b"\r\n", b"431"),
        (b"/", b"X: x\r\n" * 200, b"431"),
        (b"/", b"Content-Length: 1\r\n", b"400"),
    ],
    ids=["a long address", "a long header", "many headers", "a body"],
)
async def test_a_handshake_that_cannot_be_read_is_answered_and_closed(
    target: bytes, headers: bytes, status: bytes
) -> None:
    """Also by what HTTP alone would let through: nobody else waits for it."""
    async with serving_app() as running:
        reader, writer = await running.connect()
        writer.write(b"GET " + target + b" HTTP/1.1\r\n" + UPGRADE + headers + b"\r\n")
        assert (await closed(reader)).startswith(b"HTTP/1.1 " + status)
        writer.close()


@pytest.mark.parametrize(
    "request_",
    [b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"],
)
async def test_what_scanners_send_fills_no_log(request_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving_app() as running:
        reader, writer = await asyncio.open_connection(*running.address)
        writer.write(request_)
        async with asyncio.timeout(WITHIN_S):
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
        writer.close()
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_refused_handshake_is_no_news_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving_app() as running:
        with pytest.raises(websockets.InvalidStatus, match="503"):
            await websockets.connect("ws://{}:{}/full".format(*running.address))
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_who_does_not_read_gets_no_pongs_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_app() as running:
        async with websockets.connect("ws://{}:{}".format(*running.address), ping_interval=None) as connection:
            (server_side,) = running.server.server_state.connections
            written: list[bytes] = []

            bucket = BottomlessBucket()
            monkeypatch.setattr(server_side, "_small_frames", bucket)
            monkeypatch.setattr(server_side.transport, "write", written.append)
            server_side.pause_writing()
            await connection.ping()
            await bucket.was_asked()
            assert written == []
            server_side.resume_writing()
            await connection.ping()
            await bucket.was_asked()
            assert len(written) == 1


class BottomlessBucket:
    """Tells when something was taken."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def take(self, amount: float, now_s: float) -> bool:
        self._asked.set()
        return True

    async def was_asked(self) -> None:
        """Since the last time; what came of it is done by then."""
        async with asyncio.timeout(WITHIN_S):
            await self._asked.wait()
        self._asked.clear()


async def test_a_slow_reader_is_not_stalled_and_is_cut_off_once_it_takes_nothing_more() -> None:
    async with serving_app() as running:
        async with websockets.connect("ws://{}:{}".format(*running.address), ping_interval=None) as connection:
            (server_side,) = running.server.server_state.connections
            assert isinstance(server_side, GuardedWebSocket)
            waiting_bytes = iter([100, 90, 80, 80])
            server_side.stalled_after_s = 0.01
            server_side._waiting_bytes = lambda: next(waiting_bytes)  # type: ignore[method-assign]
            server_side.pause_writing()
            async with asyncio.timeout(WITHIN_S):
                await connection.wait_closed()
            assert list(waiting_bytes) == []


async def test_the_first_signal_drains_and_then_it_ends_and_no_signal_is_raised_again() -> None:
    async with serving_app() as running:
        running.server.handle_exit(signal.SIGTERM, None)
        assert running.server.is_ending and not running.server.should_exit
    assert running.drained == 1
    assert not running.server._captured_signals, "uvicorn raises these again when it has ended"


async def test_the_second_signal_ends_it_at_once() -> None:
    async with serving_app() as running:
        running.may_drain.clear()
        running.server.handle_exit(signal.SIGTERM, None)
        running.server.handle_exit(signal.SIGINT, None)
        assert running.server.should_exit and running.server.force_exit
        running.may_drain.set()


def test_before_the_server_listens_to_signals_sigterm_is_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_of_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def meanwhile() -> object:
        with terminated_like_interrupted():
            return signal.getsignal(signal.SIGTERM)

    async def in_a_thread() -> object:
        return await asyncio.to_thread(meanwhile)

    assert asyncio.run(in_a_thread()) is before


def test_connections_inherit_how_long_they_may_stall() -> None:
    with bind(Settings(port=0, stalled_after_s=7)) as listening:
        with socket.create_connection(listening.getsockname()) as client:
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert client.recv(1) == b""


def test_where_the_system_cannot_do_that_the_service_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(serving.socket, "TCP_USER_TIMEOUT")
    with bind(Settings(port=0)) as listening:
        assert listening.getsockname()[1] > 0
