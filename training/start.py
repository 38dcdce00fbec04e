"""How long somebody waits: from the start of the service's process to the first splats of a camera's picture."""

from __future__ import annotations

import asyncio
import time

import msgpack
import websockets

from splatcam.bench.local_service import running

AGAIN_S = 0.05  # a picture that came too early is sent again
WITHIN_S = 120


def first_splats_s(jpeg: bytes, model: str = "builtin") -> float:
    """Seconds. With the import of everything, the loading of the model and its first frame."""
    begin = time.monotonic()
    with running("--model", model) as service:
        asyncio.run(asyncio.wait_for(_first_splats(service.ws_url, jpeg), WITHIN_S))
        return time.monotonic() - begin


async def _first_splats(url: str, jpeg: bytes) -> None:
    async with websockets.connect(url, max_size=None) as socket:
        await socket.send(msgpack.packb({"type": "hello", "protocol": 1, "formats": ["splats16"]}))
        frame = msgpack.packb({"type": "frame", "frame_id": 1, "captured_at_ms": 0.0, "jpeg": jpeg})
        await socket.send(frame)
        while (told := msgpack.unpackb(await socket.recv())["type"]) != "splats16":
            if told == "error":
                await asyncio.sleep(AGAIN_S)
                await socket.send(frame)
