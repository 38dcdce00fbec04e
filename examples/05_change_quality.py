"""Ask for another picture of the same camera: fewer splats, points, the model's own Gaussians. Per session, at once.

python examples/05_change_quality.py photo.jpg
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgpack
import websockets

URL = os.environ.get("SPLATCAM_URL", "ws://localhost:8000/ws")
WISHES: tuple[dict[str, Any], ...] = (
    {},
    {"stride": 4},
    {"max_depth_percentile": 0.25},  # the nearest quarter
    {"output": "points", "stride": 2, "max_depth_percentile": 1.0},
    {"output": "network"},  # an error from a model that predicts no Gaussians; what was in force stays
)


async def main(jpeg: bytes) -> None:
    async with websockets.connect(URL, max_size=None) as socket:
        formats = ["splats16", "pointcloud"]
        await socket.send(msgpack.packb({"type": "hello", "protocol": 1, "formats": formats, "client": "example 05"}))
        for frame_id, wishes in enumerate(WISHES):
            await socket.send(msgpack.packb({"type": "settings", **wishes}))
            frame = {"type": "frame", "frame_id": frame_id, "captured_at_ms": 0.0, "jpeg": jpeg}
            await socket.send(msgpack.packb(frame))
            print(f"{wishes or 'as it comes'}: {await answer(socket, frame_id)}")


async def answer(socket: websockets.ClientConnection, frame_id: int) -> str:
    """The result of the frame in words; a refused setting is told on the way."""
    while True:
        message = msgpack.unpackb(await socket.recv())
        if message["type"] == "error":
            print(f"  refused: {message['message']}")
        elif message.get("frame_id") == frame_id:
            await socket.send(msgpack.packb({"type": "ack", "frame_id": frame_id}))
            return f"{message.get('num_splats', message.get('num_points'))} as {message['type']}"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    asyncio.run(main(Path(sys.argv[1]).read_bytes()))
