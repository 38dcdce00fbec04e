"""Hostile websocket messages against a running service, with a good client beside them.

python -m tests.hostile.websockets --count 100000 [--seed 1] [--json FILE]

Bare TCP, so that everything can be wrong: masks, lengths, fragments, closing. Every message is made from the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgpack
import websockets

from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.bench.report import with_origin, write_json
from tests.pictures import jpeg
from tests.raw_clients import HANDSHAKE, address_of, descriptors, descriptors_back

LIMIT_BYTES = 16 * 1024  # the service's; four times that is cut off
FLAGS = ("--model", "synthetic", "--process-res", "70", "--threads", "1", "--max-message-bytes", str(LIMIT_BYTES))
AT_ONCE = 4
PER_SOCKET = 60  # messages at most; the last one ends it. Pings and fragments of all stay within what is allowed
WITHIN_S = 60.0
WARM_UP = 0.2  # of the messages, before memory is looked at
GROWTH_BAR_MB = 20.0
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# ---------------------------------------------------------------- messages


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, claims: int = -1) -> bytes:
    """RFC 6455, section 5.2. The mask is zeros, so that the payload is itself; `claims`: a length that is a lie."""
    length = len(payload) if claims < 0 else claims
    first, mask = (0x80 if final else 0) | opcode, 0x80 if masked else 0
    if length < 126:
        head = bytes([first, mask | length])
    elif length < 65536:
        head = bytes([first, mask | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, mask | 127]) + struct.pack(">Q", length)
    return head + (bytes(4) if masked else b"") + payload


@dataclass(frozen=True)
class Kind:
    """`ends`: how the socket ends with it. None: it goes on."""

    name: str
    make: Callable[[random.Random], bytes]
    ends: str | None = None


def fragments(count: int, piece: bytes) -> bytes:
    middle = frame(CONT, piece, final=False) * count
    return frame(BINARY, piece, final=False) + middle + frame(CONT, piece)


def sound(rng: random.Random) -> bytes:
    samples = rng.randbytes(2 * rng.randrange(1, 500))
    return wire.encode(wire.Sound(captured_at_ms=rng.uniform(-1e12, 1e12), sample_rate=8000, samples=samples))


HARMLESS = (
    Kind("text", lambda rng: frame(TEXT, rng.randbytes(rng.randrange(40)).hex().encode())),
    Kind("no text", lambda rng: frame(TEXT)),
    Kind("no bytes", lambda rng: frame(BINARY)),
    Kind("garbage", lambda rng: frame(BINARY, rng.randbytes(rng.randrange(1, 300)))),
    Kind("a map of nothing known", lambda rng: frame(BINARY, msgpack.packb({"type": "launch", "n": rng.random()}))),
    Kind("a deep map", lambda rng: frame(BINARY, b"\x81\xa1a" * rng.randrange(1, 2000))),
    Kind("half a JPEG", lambda rng: frame(BINARY, wire.JPEG_MAGIC + rng.randbytes(200))),
    Kind("over the limit", lambda rng: frame(BINARY, bytes(LIMIT_BYTES + 1 + rng.randrange(LIMIT_BYTES)))),
    Kind("fifty empty fragments", lambda rng: fragments(50, b"")),
    Kind("fragments of a byte", lambda rng: fragments(rng.randrange(1, 50), b"x")),
    Kind("a ping", lambda rng: frame(PING, rng.randbytes(rng.randrange(125)))),
    Kind("fifty pings", lambda rng: frame(PING) * 50),
    Kind("a pong to nothing", lambda rng: frame(PONG, b"what?")),
    Kind("a recording of nothing", lambda rng: frame(BINARY, wire.encode(wire.Record(action="start")))),
    Kind("an end of nothing", lambda rng: frame(BINARY, wire.encode(wire.Record(action="stop")))),
    Kind("sound of nothing", lambda rng: frame(BINARY, sound(rng))),
    Kind(
        "a recording of what is none",
        lambda rng: frame(BINARY, msgpack.packb({"type": "record", "action": rng.random()})),
    ),
    Kind("an ack of nothing", lambda rng: frame(BINARY, wire.encode(wire.Ack(frame_id=rng.randrange(2**50))))),
)
DEADLY = (
    Kind("far over the limit", lambda rng: frame(BINARY, bytes(LIMIT_BYTES * 5)), "close 1009"),
    Kind("a length of 2^62", lambda rng: frame(BINARY, b"x", claims=2**62), "close 1009"),
    Kind("a negative length", lambda rng: frame(BINARY, b"x", claims=2**63), "close 1009"),
    Kind("a flood of empty fragments", lambda rng: fragments(20_000, b""), "close 1008"),
    Kind("a flood of pings", lambda rng: frame(PING) * 20_000, "close 1008"),
    Kind("no mask", lambda rng: frame(TEXT, b"bare", masked=False), "close 1002"),
    Kind("bad UTF-8", lambda rng: frame(TEXT, b"\xff\xfe\xc3"), "close 1007"),
    Kind("an opcode that is none", lambda rng: frame(rng.choice((3, 7, 11, 15)), b"?"), "close 1002"),
    Kind("a reserved bit", lambda rng: bytes([0xC2, 0x80]) + bytes(4), "close 1002"),
    Kind("a continuation of nothing", lambda rng: frame(CONT, b"and?"), "close 1002"),
    Kind("a message inside a message", lambda rng: frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), "close 1002"),
    Kind("a ping too long", lambda rng: frame(PING, bytes(126)), "close 1002"),
    Kind("a ping in fragments", lambda rng: frame(PING, b"a", final=False), "close 1002"),
    Kind("a close of one byte", lambda rng: frame(CLOSE, b"\x03"), "close 1002"),
    Kind("a close with no code of ours", lambda rng: frame(CLOSE, struct.pack(">H", 5)), "close 1002"),
    Kind("a close in the middle of a message", lambda rng: frame(TEXT, b"a", final=False) + frame(CLOSE), "close 1002"),
    Kind("a goodbye", lambda rng: frame(CLOSE, struct.pack(">H", 1000) + b"bye"), "close 1000"),
    Kind("gone in the middle of a frame", lambda rng: frame(BINARY, b"some", claims=1000), "gone"),
    Kind("gone in the middle of a header", lambda rng: b"\x82", "gone"),
    Kind("reset in the middle of a frame", lambda rng: frame(BINARY, b"some", claims=1000), "reset"),
)  # fmt: skip

# ---------------------------------------------------------------- one socket


class Enemy:
    """One websocket that means harm."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._end: asyncio.Task[str] = asyncio.create_task(self._read_to_the_end())

    @classmethod
    async def of(cls, service: Service) -> Enemy:
        reader, writer = await asyncio.open_connection(*address_of(service))
        writer.write(HANDSHAKE.format(service.url.removeprefix("http://")).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head.decode("latin-1"))
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        with suppress(ConnectionError):  # it may be over before all of a flood has gone out
            self._writer.write(data)
            await self._writer.drain()

    async def end(self) -> str:
        """How the service ends it: `close CODE`, or `gone` without a word."""
        async with asyncio.timeout(WITHIN_S):
            return await self._end

    async def leave(self, reset: bool = False) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)  # closing sends RST instead of FIN
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort() if reset else self._writer.close()
        await asyncio.gather(self._end, return_exceptions=True)

    async def _read_to_the_end(self) -> str:
        """Answers are thrown away, but for the close."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                first, length = await self._reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack(">H", await self._reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
                payload = await self._reader.readexactly(length)
                if first & 15 == CLOSE:
                    return f"close {struct.unpack('>H', payload[:2])[0] if payload else 1005}"
        return "gone"


async def attack(service: Service, rng: random.Random, report: Report) -> int:
    """One socket's worth; returns how many messages it sent."""
    enemy = await Enemy.of(service)
    count = rng.randrange(1, PER_SOCKET)
    for _ in range(count - 1):
        kind = rng.choice(HARMLESS)
        report.sent[kind.name] += 1
        await enemy.send(kind.make(rng))
    last = rng.choice(DEADLY)
    report.sent[last.name] += 1
    await enemy.send(last.make(rng))
    if last.ends in ("gone", "reset"):
        await enemy.leave(reset=last.ends == "reset")
    else:
        found = await enemy.end()
        if found not in (last.ends, "gone"):  # gone: what we had still to send when it closed took the word with it
            report.surprises.append(f"{last.name}: {found}")
        report.ends[found] += 1
        await enemy.leave()
    return count


# ---------------------------------------------------------------- the whole


@dataclass
class Report:
    sent: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # of those that the service ended
    surprises: list[str] = field(default_factory=list)  # ended otherwise than the kind of message deserves
    good_frames: int = 0  # sent by the good client, all of them answered
    descriptors_before: int = 0
    descriptors_after: int = 0
    growth_mb: float = 0.0

    @property
    def is_fine(self) -> bool:
        is_back = self.descriptors_after <= self.descriptors_before
        return not self.surprises and self.good_frames > 0 and is_back and self.growth_mb <= GROWTH_BAR_MB


def resident_mb(service: Service) -> float:
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def stream_beside(service: Service, report: Report, is_over: asyncio.Event) -> None:
    """One frame after the other, each answered; two at least. Raises when one is not."""
    async with websockets.connect(service.ws_url, max_size=None) as connection:
        while not is_over.is_set() or report.good_frames < 2:
            await connection.send(jpeg())
            async with asyncio.timeout(WITHIN_S):
                while wire.decode_server_message(await connection.recv())["type"] != "pointcloud":
                    pass
            report.good_frames += 1


async def attacks(service: Service, report: Report, rng: random.Random, count: int) -> None:
    left = count

    async def one_after_the_other() -> None:
        nonlocal left
        while left > 0:
            left -= await attack(service, rng, report)

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def besieged(service: Service, count: int, seed: int) -> Report:
    """Everything at once; raises when the service or the good client fails."""
    report, rng, is_over = Report(), random.Random(seed), asyncio.Event()
    report.descriptors_before = descriptors(service)
    good = asyncio.create_task(stream_beside(service, report, is_over))
    try:
        await attacks(service, report, rng, int(count * WARM_UP))
        warm_mb = resident_mb(service)
        await attacks(service, report, rng, count - report.sent.total())
        report.growth_mb = round(resident_mb(service) - warm_mb, 2)
    finally:
        is_over.set()
        await good
    report.descriptors_after = await descriptors_back(service, report.descriptors_before)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.websockets", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, running(*FLAGS, "--recordings", folder) as service:
        service.wait_for_model("synthetic")
        report = asyncio.run(besieged(service, options.count, options.seed))
    told = with_origin({**vars(report), "is_fine": report.is_fine})
    print(json.dumps(told, indent=1))
    if options.json:
        write_json(told, options.json)
    return 0 if report.is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
