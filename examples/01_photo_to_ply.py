"""A photo to a PLY of Gaussians, the shortest way: send a JPEG over a websocket, write what comes back.

    python examples/01_photo_to_ply.py photo.jpg scene.ply

Without the hello this works as well (the plain contract), but then only a model that predicts Gaussians of its own
answers with `gaussian_ply`; the others answer with a `pointcloud`.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgpack
import websockets

URL = os.environ.get("SPLATCAM_URL", "ws://localhost:8000/ws")


async def splats_of(jpeg: bytes) -> dict[str, Any]:
    """The `gaussian_ply` message that answers a picture."""
    async with websockets.connect(URL, max_size=None) as socket:
        hello = {"type": "hello", "protocol": 1, "formats": ["gaussian_ply"], "client": "example 01"}
        await socket.send(msgpack.packb(hello))
        await socket.send(jpeg)
        while True:
            message = msgpack.unpackb(await socket.recv())
            if message["type"] == "error":
                sys.exit(f"the server refused it: {message['message']}")
            if message["type"] == "gaussian_ply":
                return message


def main(photo: Path, out: Path) -> None:
    message = asyncio.run(splats_of(photo.read_bytes()))
    out.write_bytes(message["ply_data"])
    print(f"{message['num_splats']} Gaussians by {message['model']} in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "scene.ply"))
