"""Two ways to a session: over a websocket to a running server, or in this process with the same session code."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import websockets

from splatcam.engine import EngineStatus
from splatcam.engine.inline import InlineEngine
from splatcam.live.connection import Disconnected
from splatcam.live.session import Session
from splatcam.live.streams import StreamHub
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry

SMALL_BUFFER_BYTES = 4096


class LinkFailed(RuntimeError):
    """The server cannot be reached or hung up; the message is one sentence."""


class Link(Protocol):
    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        """Raises LinkFailed when the other side is gone."""
        ...


class WebsocketLink:
    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except websockets.ConnectionClosed as closed:
            raise LinkFailed(f"the server hung up: {closed}") from None

    async def receive(self) -> bytes:
        try:
            data = await self._connection.recv()
        except websockets.ConnectionClosed as closed:
            raise LinkFailed(f"the server hung up: {closed}") from None
        return data if isinstance(data, bytes) else data.encode()

    def stall(self) -> None:
        """Takes nothing from now on, and keeps the socket."""
        transport = self._connection.transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        transport.pause_reading()

    def vanish(self) -> None:
        """Gone without a word."""
        self._connection.transport.abort()


class LocalLink:
    """A session's transport and its client at once, as two queues."""

    def __init__(self) -> None:
        self._to_session: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=8)
        self._to_client: asyncio.Queue[bytes] = asyncio.Queue(maxsize=8)

    async def send(self, data: bytes) -> None:
        await self._to_session.put(data)

    async def receive(self) -> bytes:
        return await self._to_client.get()

    async def hang_up(self) -> None:
        await self._to_session.put(None)

    def transport(self) -> LocalTransport:
        return LocalTransport(self._to_session, self._to_client)


class LocalTransport:
    """session.Transport over the same two queues."""

    def __init__(self, incoming: asyncio.Queue[bytes | None], outgoing: asyncio.Queue[bytes]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def receive(self) -> bytes:
        data = await self._incoming.get()
        if data is None:
            raise Disconnected
        return data

    async def send(self, data: bytes) -> None:
        await self._outgoing.put(data)


@asynccontextmanager
async def websocket_link(url: str, token: str = "") -> AsyncIterator[WebsocketLink]:
    address = url.partition("?")[0]  # what follows may be a token: it is told to nobody
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection = await websockets.connect(
            url, additional_headers=headers, compression=None, max_size=None, max_queue=8, open_timeout=10
        )
    except websockets.InvalidStatus as error:
        status = error.response.status_code
        hint = "; does it want a token (--token)?" if status == 403 else ""
        raise LinkFailed(f"{address} refuses with HTTP {status}{hint}") from None
    except (OSError, ValueError, TimeoutError, websockets.WebSocketException) as error:
        raise LinkFailed(f"no server answers at {address}: {error}") from None
    async with connection:
        yield WebsocketLink(connection)


@asynccontextmanager
async def local_link(settings: Settings) -> AsyncIterator[Link]:
    """Raises engine.EngineFailed where the model cannot be had."""
    engine = InlineEngine(settings)
    hub = StreamHub(engine, Telemetry())

    def announce(status: EngineStatus) -> None:
        hub.engine_changed(status)

    await engine.start(announce)
    link = LocalLink()
    session = asyncio.create_task(Session(link.transport(), hub, settings).run())
    try:
        yield link
    finally:
        await link.hang_up()
        await session
        await engine.close()
