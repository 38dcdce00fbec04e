"""Poison sent to a running service over a real websocket, one frame after another, and what came back for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import websockets

from splatcam import wire
from tests.hostile import jpegs
from tests.pictures import jpeg

ANSWER_WITHIN_S = 60
FLAGS = ("--model", "builtin", "--process-res", "70", "--max-messages-per-s", "10000", "--max-bytes-per-s", "1e9")
GOOD = jpeg(96, 72)
RESULT = "splats16"


@dataclass(frozen=True)
class Answer:
    """To one frame."""

    name: str
    expected: str  # RESULT, or the error's code
    got: str
    took_ms: float


class Camera:
    """A client that sends one frame and waits for what becomes of it."""

    def __init__(self, ws_url: str) -> None:
        self._connecting = websockets.connect(ws_url, max_size=None)
        self._frame_id = 0

    async def __aenter__(self) -> Self:
        self._connection = await self._connecting
        await self._send(wire.Hello(protocol=1, formats=[RESULT]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def answer_to(self, name: str, data: bytes, expected: str) -> Answer:
        self._frame_id += 1
        begin_s = time.perf_counter()
        await self._send(wire.FrameMessage.model_construct(frame_id=self._frame_id, captured_at_ms=0.0, jpeg=data))
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while (message := wire.decode_server_message(await self._connection.recv())).get("frame_id") is None:
                pass
        took_ms = (time.perf_counter() - begin_s) * 1e3
        assert message["frame_id"] == self._frame_id, f"{name} was answered as frame {message['frame_id']}"
        if message["type"] == RESULT:
            await self._send(wire.Ack(frame_id=self._frame_id))
        return Answer(name, expected, message.get("code", message["type"]), took_ms)

    async def _send(self, message: Any) -> None:
        await self._connection.send(wire.encode(message))


async def answers(ws_url: str, poison: Iterable[jpegs.Poison], odd: Iterable[jpegs.Odd] = ()) -> list[Answer]:
    """To each poison, to the good frame right after it, and to what is odd."""
    found = []
    async with Camera(ws_url) as camera:
        found.append(await camera.answer_to("the first good frame", GOOD, RESULT))
        for one in poison:
            found.append(await camera.answer_to(one.name, one.data, one.code))
            found.append(await camera.answer_to(f"the good frame after {one.name}", GOOD, RESULT))
        found += [await camera.answer_to(one.name, one.data, RESULT) for one in odd]
    return found
