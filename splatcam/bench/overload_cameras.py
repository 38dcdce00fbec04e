"""The clients of the overload benchmark: cameras that send on schedule whatever comes back, and note what comes."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simplejpeg

from splatcam import wire
from splatcam.bench.links import Link, websocket_link
from splatcam.bench.local_service import Service
from splatcam.bench.replay import ANSWER_WITHIN_S, FORMATS, Client, Plan, ReplayFailed

LAST_ANSWERS_S = 1.0


@dataclass(frozen=True)
class Rate:
    fps: float
    at_once: int = 1  # so many of them go out together


class Camera:
    """One session."""

    def __init__(self, link: Link) -> None:
        self.sent_at_s: list[float] = []  # by frame_id
        self.latencies_ms: list[float] = []
        self.errors: Counter[str] = Counter()
        self._client = Client(link)
        self._recordings: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @property
    def results(self) -> int:
        return len(self.latencies_ms)

    async def greet(self, plan: Plan, watch: str | None = None) -> str:
        """Returns the session's id."""
        return (await self._client.greet(plan, watch))["session_id"]

    async def open_stream(self, picture: bytes) -> None:
        """One frame and its result: from here on others can watch."""
        await self._send(picture, time.monotonic())
        await self._client.until("result")

    async def play(self, pictures: Sequence[bytes], rate: Rate, until_s: float) -> None:
        """One after the other, over and over."""
        due_s = time.monotonic()
        while due_s < until_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            for _ in range(rate.at_once):
                await self._send(pictures[len(self.sent_at_s) % len(pictures)], due_s)
            due_s += rate.at_once / rate.fps

    @asynccontextmanager
    async def playing(self, pictures: Sequence[bytes], rate: Rate) -> AsyncIterator[None]:
        """It plays meanwhile."""
        sending = asyncio.create_task(self.play(pictures, rate, math.inf))
        try:
            yield
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def record(self, action: Literal["start", "stop"]) -> dict[str, Any]:
        """While `listening`. Returns the `recording` message that says that it is done. Raises ReplayFailed."""
        await self._client.say(wire.Record(action=action))
        return await self._told(lambda message: (message["state"] == "recording") == (action == "start"))

    async def recorded(self, steps: int) -> dict[str, Any]:
        """While `listening`: returns when the recording that runs has so many steps. Raises ReplayFailed."""
        return await self._told(lambda message: message["steps"] >= steps)

    async def _told(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    message = await self._recordings.get()
            except TimeoutError:
                raise ReplayFailed(f"the server tells nothing of a recording: {dict(self.errors)}") from None
            if is_it(message):
                return message

    async def listen(self, sender: Camera) -> None:
        """Until it is cancelled. `sender`: whose frames it sees."""
        while True:
            message, _ = await self._client.next_message()
            if message["type"] == "error":
                self.errors[message["code"]] += 1
            elif message["type"] == "recording":
                self._recordings.put_nowait(message)
            elif message["type"] in FORMATS:
                self.latencies_ms.append((time.monotonic() - sender.sent_at_s[message["frame_id"]]) * 1e3)

    async def _send(self, picture: bytes, at_s: float) -> None:
        self.sent_at_s.append(at_s)
        await self._client.send_frame(len(self.sent_at_s) - 1, picture, at_s)


@asynccontextmanager
async def connected(service: Service, count: int) -> AsyncIterator[list[Camera]]:
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(websocket_link(service.ws_url, service.token)) for _ in range(count)]
        yield [Camera(link) for link in links]


@asynccontextmanager
async def listening(cameras: Sequence[Camera], sender: Camera | None = None) -> AsyncIterator[None]:
    """While they take what comes, each of its own frames or all of the sender's. Raises what ended one of them."""
    tasks = [asyncio.create_task(camera.listen(sender or camera)) for camera in cameras]
    try:
        yield
        await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


def picture_of(width: int, height: int | None = None) -> bytes:
    """A gradient, 4:3 unless its height is given, as a camera would send it."""
    height = height or width * 3 // 4
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)
    return simplejpeg.encode_jpeg(rgb, quality=85, colorsubsampling="420")
