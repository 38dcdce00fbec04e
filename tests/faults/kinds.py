"""The faults. Each is done to the service by one client, the victim, and returns what the victim was told.

A kind says what that may be; what the others must see is the same for all of them (`suite.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import websockets

from splatcam import wire
from splatcam.bench.local_service import Service
from tests.faults.clients import ANSWER_WITHIN_S, camera, connecting, told_by
from tests.faulty_engine import with_comment, with_fault
from tests.pictures import jpeg

LOOK_EVERY_S = 0.05
RESTARTED = "error engine_restarting"
_numbers = itertools.count()


@dataclass(frozen=True)
class Stage:
    """Where a fault happens."""

    service: Service

    def faulty(self, fault: str) -> bytes:
        """A frame that makes the engine do so. No two are the same: one that killed it would be in quarantine."""
        return with_fault(with_comment(jpeg(), f"number {next(_numbers)}"), fault)

    @property
    def engine_pid(self) -> int | None:
        """Of the engine's process; None where there is none, or one that ends."""
        for pid in children_of(self.service.process.pid):
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()  # empty of one that has ended
                if command and b"resource_tracker" not in command:
                    return pid
        return None

    def tell_engine(self, what: signal.Signals) -> None:
        pid = self.engine_pid
        assert pid is not None
        os.kill(pid, what)

    async def another_engine_than(self, pid: int | None) -> None:
        """Returns when there is one. Raises TimeoutError."""
        for _ in range(int(ANSWER_WITHIN_S / LOOK_EVERY_S)):
            if self.engine_pid not in (None, pid):
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise TimeoutError("the engine did not restart")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.service.url)
        assert parts.hostname and parts.port
        return parts.hostname, parts.port


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


Act = Callable[[Stage], Awaitable[str]]


@dataclass(frozen=True)
class Kind:
    name: str
    act: Act
    told: frozenset[str]  # any of them
    restarts: bool = False  # the engine's process has to be another one afterwards


KINDS: list[Kind] = []


def kind(*told: str, restarts: bool = False) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        KINDS.append(Kind(act.__name__, act, frozenset(told), restarts))
        return act

    return add


# ---------------------------------------------------------------- the engine


def one_frame(name: str, fault: str, told: str, restarts: bool = False) -> Kind:
    """The engine meets it in a single frame."""

    async def act(stage: Stage) -> str:
        async with camera(stage.service) as victim:
            return await victim.frame(stage.faulty(fault))

    return Kind(name, act, frozenset({told}), restarts)


KINDS += [
    one_frame("engine_killed_in_a_frame", "kill", RESTARTED, restarts=True),
    one_frame("engine_ends_by_itself", "exit", RESTARTED, restarts=True),
    one_frame("engine_hangs_in_a_frame", "hang", RESTARTED, restarts=True),
    one_frame("sticky_device_fault", "sticky_cuda", RESTARTED, restarts=True),
    one_frame("the_model_does_not_load_the_next_time", "fail_load", RESTARTED, restarts=True),
    one_frame("no_memory_for_a_frame", "out_of_memory", "error out_of_memory"),
    one_frame("memory_for_a_smaller_frame_only", "out_of_memory_once", "result"),
    one_frame("a_bug_in_the_model", "bug", "error engine_failed"),
    one_frame("nothing_but_nan", "nan", "error not_finite"),
    one_frame("some_nan", "some_nan", "result"),
    one_frame("ten_times_slower", "slow", "result"),
]


@kind("result", RESTARTED, restarts=True)
async def engine_killed_from_outside(stage: Stage) -> str:
    """Between two frames, or in one of somebody else."""
    async with camera(stage.service) as victim:
        stage.tell_engine(signal.SIGKILL)
        return await victim.frame(jpeg())


@kind("result", RESTARTED, restarts=True)
async def engine_stopped(stage: Stage) -> str:
    """As by a debugger, or a machine that is suspended."""
    async with camera(stage.service) as victim:
        stage.tell_engine(signal.SIGSTOP)
        return await victim.frame(jpeg())


@kind("error quarantined", restarts=True)
async def the_frame_that_killed_it_comes_again(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        deadly = stage.faulty("kill")
        first = await victim.frame(deadly)
        return await victim.frame(deadly) if first == RESTARTED else f"{first}, not {RESTARTED}"


@kind(RESTARTED, "error out_of_memory", restarts=True)
async def no_memory_three_times(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        told = [await victim.frame(stage.faulty("out_of_memory")) for _ in range(3)]
        return told[-1] if set(told[:2]) == {"error out_of_memory"} else ", ".join(told)


@kind("result")
async def no_survivors(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        await victim.send(wire.SettingsMessage(min_opacity=1.0))
        told = await victim.frame(stage.faulty("zero"))
        return told if victim.newest.get("num_splats") == 0 else f"{told} of {victim.newest.get('num_splats')} splats"


# ---------------------------------------------------------------- clients


@kind("gone")
async def client_gone_before_hello(stage: Stage) -> str:
    async with connecting(stage.service):
        pass
    return "gone"


@kind("gone")
async def client_gone_with_a_frame_in_the_engine(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        await victim.put(stage.faulty("slow"))
    return "gone"


@kind("gone")
async def client_gone_in_the_middle_of_a_message(stage: Stage) -> str:
    with raw_websocket(stage) as peer:
        peer.sendall(frame_header(2, 5000) + b"half of it")
    return "gone"


@kind("gone")
async def client_reset_while_results_come(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        for _ in range(3):
            await victim.put(jpeg(480, 360))
        reset(victim.connection.transport.get_extra_info("socket"))
        victim.connection.transport.abort()
    return "gone"


@kind("freed")
async def client_reads_nothing(stage: Stage) -> str:
    """Until the service has enough of it."""
    with raw_websocket(stage, receive_bytes=2048) as peer:
        peer.setblocking(False)
        picture = jpeg(480, 360)
        deadline_s = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        while asyncio.get_running_loop().time() < deadline_s:
            try:
                await asyncio.get_running_loop().sock_sendall(peer, frame_header(2, len(picture)) + picture)
            except OSError:
                return "freed"
            await asyncio.sleep(0.02)
    return "still there"


@kind("close 1008")
async def client_floods(stage: Stage) -> str:
    async with connecting(stage.service) as connection:
        await connection.send(wire.encode(wire.Hello(protocol=1, formats=["splats16"])))
        reading = asyncio.create_task(_read_to_the_end(connection))
        ping = wire.encode(wire.Ping(t=0.0))
        while not reading.done():
            try:
                for _ in range(200):
                    await connection.send(ping)
            except websockets.ConnectionClosed:
                break
            await asyncio.sleep(0.01)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await reading


@kind("error bad_jpeg")
async def client_sends_half_a_picture(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        return await victim.frame(jpeg(480, 360)[:3000])


@kind("error text_message")
async def client_sends_text(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        await victim.send("hello?")
        return await victim.told()


@kind("error bad_message")
async def client_sends_noise(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        await victim.send(os.urandom(2000).replace(wire.JPEG_MAGIC, b"") + b"\xc1")
        return await victim.told()


@kind("error bad_field")
async def client_sends_settings_that_are_none(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        await victim.send(b"\x82\xa4type\xa8settings\xa6stride\xcd\x27\x10")
        return await victim.told()


@kind("close 1009")
async def client_sends_far_too_much(stage: Stage) -> str:
    async with camera(stage.service) as victim:
        try:
            await victim.send(bytes(16 * 1024 * 1024))
        except websockets.ConnectionClosed as closed:
            return told_by(closed)
        return await victim.told()


@kind("close 4408")
async def client_says_nothing(stage: Stage) -> str:
    async with connecting(stage.service) as connection, asyncio.timeout(ANSWER_WITHIN_S):
        return await _read_to_the_end(connection)


async def _read_to_the_end(connection: websockets.ClientConnection) -> str:
    try:
        while True:
            await connection.recv()
    except websockets.ConnectionClosed as closed:
        return told_by(closed)


# ---------------------------------------------------------------- below the websocket


def frame_header(opcode: int, length: int, *, mask: bytes = bytes(4), final: bool = True) -> bytes:
    """RFC 6455, section 5.2, from a client: masked, by zeros, so that the payload is itself."""
    first = (0x80 if final else 0) | opcode
    if length < 126:
        return bytes([first, 0x80 | length]) + mask
    if length < 65536:
        return bytes([first, 0x80 | 126]) + struct.pack(">H", length) + mask
    return bytes([first, 0x80 | 127]) + struct.pack(">Q", length) + mask


def raw_websocket(stage: Stage, receive_bytes: int | None = None) -> socket.socket:
    """A websocket after its handshake, as bare TCP."""
    peer = socket.socket()
    if receive_bytes is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    peer.settimeout(ANSWER_WITHIN_S)
    peer.connect(stage.address)
    host, port = stage.address
    peer.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(1)
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(head.decode("latin-1"))
    return peer


def reset(peer: socket.socket) -> None:
    """Closing it sends RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
