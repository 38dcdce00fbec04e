"""Clients of a running service: one that sends a frame and waits for what becomes of it, one that streams beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import websockets

from splatcam import wire
from splatcam.bench.local_service import Service

ANSWER_WITHIN_S = 60.0
RESULTS = frozenset(map(str, wire.Format))
PAUSE_S = 0.05  # between a bystander's frames


class Camera:
    """Sends frames one at a time. What it is told: "result", "error CODE" or "close CODE"."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.newest: dict[str, Any] = {}  # result
        self.states: list[str] = []  # of the engine, as told
        self._next_id = 0

    async def hello(self) -> Self:
        await self.send(wire.Hello(protocol=1, formats=["splats16"], client="fault suite"))
        return self

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, (bytes, str)) else wire.encode(message))

    async def put(self, jpeg: bytes) -> int:
        """A frame on its way."""
        frame_id, self._next_id = self._next_id, self._next_id + 1
        await self.send(wire.FrameMessage(frame_id=frame_id, captured_at_ms=0.0, jpeg=jpeg))
        return frame_id

    async def frame(self, jpeg: bytes) -> str:
        """What became of it."""
        try:
            return await self.told_of(await self.put(jpeg))
        except websockets.ConnectionClosed as closed:
            return told_by(closed)

    async def told(self) -> str:
        """The next result, error or close."""
        return await self.told_of(None)

    async def told_of(self, frame_id: int | None) -> str:
        """What became of that frame; None: the next thing of importance."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while True:
                    message = wire.decode_server_message(await self.connection.recv())
                    if what := await self._hear(message, frame_id):
                        return what
        except websockets.ConnectionClosed as closed:
            return told_by(closed)

    async def _hear(self, message: dict[str, Any], frame_id: int | None) -> str | None:
        kind, of = message["type"], message.get("frame_id")
        if kind in RESULTS:
            self.newest = message
            await self.send(wire.Ack(frame_id=message["frame_id"]))
            return "result" if frame_id in (None, of) else None
        if kind == "status":
            self.states.append(message["state"])
        is_ours = frame_id is None or of is None or of == frame_id
        return f"error {message['code']}" if kind == "error" and is_ours else None


def told_by(closed: websockets.ConnectionClosed) -> str:
    return f"close {closed.rcvd.code}" if closed.rcvd is not None else "lost"


@asynccontextmanager
async def camera(service: Service) -> AsyncIterator[Camera]:
    async with connecting(service) as connection:
        yield await Camera(connection).hello()


def connecting(service: Service) -> websockets.connect:
    return websockets.connect(service.ws_url, compression=None, max_size=None, open_timeout=ANSWER_WITHIN_S)


class Bystander:
    """Streams good frames all the time and counts what it is told. It has done nothing: its socket may never close."""

    def __init__(self, service: Service, jpeg: bytes) -> None:
        self.told: Counter[str] = Counter()
        self._service = service
        self._jpeg = jpeg
        self._grew = asyncio.Condition()

    async def run(self) -> None:
        try:
            async with camera(self._service) as self_camera:
                while (what := await self_camera.frame(self._jpeg)) and not what.startswith(("close", "lost")):
                    await self._note(what)
                    await asyncio.sleep(PAUSE_S)
            await self._note(what)
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            await self._note(f"lost: {error!r}")

    @property
    def losses(self) -> list[str]:
        return [what for what in self.told if what.startswith(("close", "lost"))]

    async def served_again(self) -> None:
        """Returns with the next result of it. Raises TimeoutError."""
        goal = self.told["result"] + 2  # one may have been on its way
        async with asyncio.timeout(ANSWER_WITHIN_S), self._grew:
            await self._grew.wait_for(lambda: self.told["result"] >= goal or self.losses)

    async def _note(self, what: str) -> None:
        async with self._grew:
            self.told[what] += 1
            self._grew.notify_all()


@asynccontextmanager
async def bystanders(service: Service, jpeg: bytes, count: int) -> AsyncIterator[list[Bystander]]:
    people = [Bystander(service, jpeg) for _ in range(count)]
    tasks = [asyncio.create_task(one.run()) for one in people]
    try:
        for one in people:
            await one.served_again()
        yield people
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.gather(*tasks, return_exceptions=True)
