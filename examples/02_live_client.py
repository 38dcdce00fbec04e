"""The full contract, as the page speaks it: frames in flight, acknowledgements, and how old a result is.

    python examples/02_live_client.py clip.mp4 5

One task sends at the clip's rate and never waits for an answer; the other receives. At most three frames are on their
way: one that would wait is not sent, since a newer one is worth more.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import msgpack
import websockets

from splatcam.bench.clip import Clip, load_clip

URL = os.environ.get("SPLATCAM_URL", "ws://localhost:8000/ws")
IN_FLIGHT = 3


class LiveClient:
    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.sent_s: dict[int, float] = {}  # frame_id → when it left
        self.latencies_ms: list[float] = []

    async def send(self, clip: Clip, seconds: float) -> None:
        begin_s = time.monotonic()
        for frame_id in range(int(seconds * clip.fps)):
            await asyncio.sleep(max(0.0, begin_s + frame_id / clip.fps - time.monotonic()))
            if len(self.sent_s) >= IN_FLIGHT:
                continue
            self.sent_s[frame_id] = now_s = time.monotonic()
            jpeg = clip.jpegs[frame_id % len(clip.jpegs)]
            frame = {"type": "frame", "frame_id": frame_id, "captured_at_ms": 1000 * now_s, "jpeg": jpeg}
            await self.socket.send(msgpack.packb(frame))

    async def receive(self) -> None:
        async for data in self.socket:
            message = msgpack.unpackb(data)
            if message["type"] == "splats16":
                await self.socket.send(msgpack.packb({"type": "ack", "frame_id": message["frame_id"]}))
                self.latencies_ms.append(1000 * time.monotonic() - message["captured_at_ms"])
                # Older frames that the server dropped for this one are answered by it, too.
                self.sent_s = {k: v for k, v in self.sent_s.items() if k > message["frame_id"]}
            elif message["type"] == "error":
                print(f"error: {message['code']}: {message['message']}")
                self.sent_s.pop(message.get("frame_id"), None)


async def main(clip: Clip, seconds: float) -> None:
    async with websockets.connect(URL, max_size=None) as socket:
        hello = {"type": "hello", "protocol": 1, "formats": ["splats16"], "client": "example 02"}
        await socket.send(msgpack.packb(hello))
        client = LiveClient(socket)
        receiving = asyncio.create_task(client.receive())
        await client.send(clip, seconds)
        await asyncio.sleep(1)  # for the last ones
        receiving.cancel()
    if not client.latencies_ms:
        sys.exit("no result came")
    print(f"{len(client.latencies_ms)} results, median latency {statistics.median(client.latencies_ms):.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    asyncio.run(main(load_clip(Path(sys.argv[1])), float(sys.argv[2]) if len(sys.argv) > 2 else 5.0))
