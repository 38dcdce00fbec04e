"""A thin link on one machine: a TCP proxy with a rate, a delay and a router's queue in each direction. Loopback only.

Bytes are not looked at. Nothing is lost: when the queue is full the proxy stops reading, and TCP holds the sender back.
Each connection has the link for itself.

python -m splatcam.bench.throttle --listen 9000 --to 8000 --down 20 --up 20 --delay-ms 40
"""

from __future__ import annotations

import argparse
import asyncio
import math
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

HOST = "127.0.0.1"
CHUNK_BYTES = 8 * 1024
QUEUE_S, LEAST_QUEUE_BYTES = 0.1, 64 * 1024  # what a home router keeps; the larger of the two
SOCKET_BUFFER_BYTES = 32 * 1024  # the kernel counts it twice
# Loopback's own segments of 64 KB let the sender's kernel keep megabytes that no router would.
SEGMENT_BYTES = 1448

Direction = Literal["down", "up"]  # towards the client; towards the target


@dataclass(frozen=True)
class Link:
    """One direction."""

    mbit_s: float
    delay_s: float = 0.0  # one way

    def __post_init__(self) -> None:
        if not (0 < self.mbit_s < math.inf and 0 <= self.delay_s < math.inf):
            raise ValueError("a link has a rate above 0 and a delay of at least 0")

    @property
    def bytes_per_s(self) -> float:
        return self.mbit_s * 1e6 / 8

    @property
    def queue_bytes(self) -> float:
        return max(LEAST_QUEUE_BYTES, QUEUE_S * self.bytes_per_s)


class Pacer:
    """When each chunk of bytes comes out at the other end. Pure: seconds from any one monotonic clock come in.

    A chunk waits in the queue until all before it are on the wire, goes onto the wire at the link's rate, and comes out
    after the delay. An empty chunk takes no time: it may stand for the end.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self._queue: deque[tuple[float, bytes]] = deque()  # when it came in
        self._wire: deque[tuple[float, bytes]] = deque()  # when it comes out
        self._queued_bytes = 0
        self._first_left_bytes = 0.0  # of the first in the queue, not on the wire yet
        self._free_at_s = -math.inf  # when the last one was on the wire

    @property
    def has_room(self) -> bool:
        return self._queued_bytes < self.link.queue_bytes

    @property
    def next_s(self) -> float | None:
        """When `take` is worth calling: something comes out, or there is more room. None while it is empty."""
        moments = [self._wire[0][0]] if self._wire else []
        if self._queue:
            moments.append(self._first_done_s())
        return min(moments, default=None)

    def put(self, chunk: bytes, now_s: float) -> None:
        if not self._queue:
            self._first_left_bytes = len(chunk)
        self._queue.append((now_s, chunk))
        self._queued_bytes += len(chunk)

    def take(self, now_s: float) -> list[bytes]:
        """What has come out by now, in order. Room appears here and nowhere else: who does not take gets no more."""
        self._send_until(now_s)
        out = []
        while self._wire and self._wire[0][0] <= now_s:
            out.append(self._wire.popleft()[1])
        return out

    def set_rate(self, mbit_s: float, now_s: float) -> None:
        """From now on. What is on the wire stays on its way."""
        self._send_until(now_s)
        if self._queue:
            begun_s = self._first_begins_s()
            self._first_left_bytes -= max(0.0, now_s - begun_s) * self.link.bytes_per_s
            self._free_at_s = max(begun_s, now_s)
        self.link = replace(self.link, mbit_s=mbit_s)

    def _first_begins_s(self) -> float:
        return max(self._free_at_s, self._queue[0][0])

    def _first_done_s(self) -> float:
        return self._first_begins_s() + self._first_left_bytes / self.link.bytes_per_s

    def _send_until(self, now_s: float) -> None:
        """From the queue to the wire, each at its own moment however late this is called."""
        while self._queue and (done_s := self._first_done_s()) <= now_s:
            _, chunk = self._queue.popleft()
            self._queued_bytes -= len(chunk)
            self._free_at_s = done_s
            self._first_left_bytes = len(self._queue[0][1]) if self._queue else 0
            self._wire.append((done_s + self.link.delay_s, chunk))


class _Lane:
    """One direction of one connection: a task that reads while there is room, and one that writes what comes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        self._reader = reader
        self._writer = writer
        self._pacer = Pacer(link)
        self._has_room = asyncio.Event()
        self._has_changed = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    def set_rate(self, mbit_s: float) -> None:
        self._pacer.set_rate(mbit_s, self._clock())
        self._has_changed.set()

    async def read(self) -> None:
        while True:
            chunk = await self._reader.read(CHUNK_BYTES)
            self._pacer.put(chunk, self._clock())
            self._has_changed.set()
            if not chunk:
                return
            if not self._pacer.has_room:
                self._has_room.clear()
                await self._has_room.wait()

    async def write(self) -> None:
        while True:
            for chunk in self._pacer.take(self._clock()):
                if not chunk:
                    self._writer.write_eof()
                    return
                self._writer.write(chunk)
            await self._writer.drain()
            if self._pacer.has_room:
                self._has_room.set()
            await self._until_next()

    async def _until_next(self) -> None:
        try:
            async with asyncio.timeout_at(self._pacer.next_s):
                await self._has_changed.wait()
        except TimeoutError:
            pass
        self._has_changed.clear()


class ThrottlingProxy:
    """`async with ThrottlingProxy(8000, down=Link(20, 0.04), up=Link(20, 0.04)) as proxy:` listens on `proxy.port`."""

    def __init__(self, target_port: int, *, down: Link, up: Link, port: int = 0) -> None:
        self.port = port  # 0: one that the system chooses, known from `async with` on
        self._target_port = target_port
        self._links: dict[Direction, Link] = {"down": down, "up": up}
        self._lanes: dict[Direction, set[_Lane]] = {"down": set(), "up": set()}
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        listener = _socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.port))
        except (OSError, OverflowError):
            listener.close()
            raise
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=CHUNK_BYTES)
        self.port = listener.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await self._server.wait_closed()

    def set_rate(self, direction: Direction, mbit_s: float) -> None:
        """For what is connected and for what will be."""
        self._links[direction] = replace(self._links[direction], mbit_s=mbit_s)
        for lane in self._lanes[direction]:
            lane.set_rate(mbit_s)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await self._reach_target()
        except OSError:  # nobody listens there: the client sees a connection that ends
            writer.transport.abort()
            return
        down = _Lane(target_reader, writer, self._links["down"])
        up = _Lane(reader, target_writer, self._links["up"])
        self._lanes["down"].add(down)
        self._lanes["up"].add(up)
        try:
            await _carry(down, up)
            await asyncio.gather(_close(writer), _close(target_writer))
        finally:
            self._lanes["down"].discard(down)
            self._lanes["up"].discard(up)
            writer.transport.abort()
            target_writer.transport.abort()

    async def _reach_target(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = _socket()
        target.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(target, (HOST, self._target_port))
        except OSError:
            target.close()
            raise
        return await asyncio.open_connection(sock=target, limit=CHUNK_BYTES)


async def _carry(*lanes: _Lane) -> None:
    """Until both directions have ended, or one of them broke."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes:
                tasks.create_task(lane.read())
                tasks.create_task(lane.write())
    except* OSError:  # a side is gone: the other one sees the end
        pass


async def _close(writer: asyncio.StreamWriter) -> None:
    """When everything is written."""
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass


def _socket() -> socket.socket:
    """What these two buffers hold is a queue that the pacer does not see: they are small, and set before connecting."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    return made


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    delay_s = given.delay_ms / 1e3
    try:
        down, up = Link(given.down, delay_s), Link(given.up, delay_s)
        asyncio.run(_run(ThrottlingProxy(given.to, down=down, up=up, port=given.listen)))
    except (OSError, OverflowError, ValueError) as error:
        print(f"throttle: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


async def _run(proxy: ThrottlingProxy) -> None:
    async with proxy:
        print(f"open http://{HOST}:{proxy.port}  (Ctrl-C ends it)", flush=True)
        await asyncio.get_running_loop().create_future()  # until interrupted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m splatcam.bench.throttle", description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--listen", type=int, default=9000, help="port for the browser; 0: the system chooses")
    parser.add_argument("--to", type=int, default=8000, help="port of the service")
    parser.add_argument("--down", type=float, default=20, help="Mbit/s towards the browser")
    parser.add_argument("--up", type=float, default=20, help="Mbit/s towards the service")
    parser.add_argument("--delay-ms", type=float, default=40, help="each way")
    return parser


if __name__ == "__main__":
    sys.exit(main())
