"""Watch the newest camera of a service, and keep each frame as a PLY file.

    python examples/04_watch_and_keep.py frames/ 30

A viewer sends no pictures. It takes results at its own pace: one that it has not acknowledged is not followed by ever
more, so a slow disk means fewer files, never older ones.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgpack
import websockets

URL = os.environ.get("SPLATCAM_URL", "ws://localhost:8000/ws")


async def keep(folder: Path, count: int) -> None:
    async with websockets.connect(URL, max_size=None) as socket:
        hello = {"type": "hello", "protocol": 1, "formats": ["gaussian_ply"], "watch": "newest", "client": "example 04"}
        await socket.send(msgpack.packb(hello))
        kept = 0
        while kept < count:
            message = msgpack.unpackb(await socket.recv())
            if message["type"] == "error":
                sys.exit(f"{message['code']}: {message['message']}")
            if message["type"] == "gaussian_ply":
                (folder / f"frame-{message['frame_id']:06}.ply").write_bytes(message["ply_data"])
                await socket.send(msgpack.packb({"type": "ack", "frame_id": message["frame_id"]}))
                kept += 1
    print(f"{kept} frames in {folder}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    frames = Path(sys.argv[1])
    frames.mkdir(parents=True, exist_ok=True)
    asyncio.run(keep(frames, int(sys.argv[2]) if len(sys.argv) > 2 else 30))
