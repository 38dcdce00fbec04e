"""Faults that end a service, or keep it from starting: each has one of its own. Returns what was seen of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import websockets

from splatcam.bench.local_service import START_WITHIN_S, Service, running
from tests.faults.clients import ANSWER_WITHIN_S, Camera, camera, connecting, told_by
from tests.faults.kinds import Stage, frame_header, raw_websocket
from tests.pictures import jpeg

PROGRAM = ("-m", "tests.faults.service")
SMALL = ("--model", "synthetic", "--process-res", "70", "--threads", "1")
SHORT = ("--drain-s", "0.2", "--stalled-after-s", "2")
Act = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class End:
    name: str
    act: Act
    seen: str


ENDS: list[End] = []


def end(seen: str) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        ENDS.append(End(act.__name__, act, seen))
        return act

    return add


# ---------------------------------------------------------------- SIGTERM

CLEAN = "close 1012, exit 0"


@contextmanager
def a_service(*flags: str) -> Iterator[Service]:
    with running(*SMALL, *SHORT, *flags, program=PROGRAM) as service:
        service.wait_for_model("synthetic")
        yield service


async def terminated(service: Service, told: Awaitable[str]) -> str:
    service.process.send_signal(signal.SIGTERM)
    return f"{await told}, {await exit_of(service)}"


async def exit_of(service: Service) -> str:
    return f"exit {await asyncio.to_thread(service.process.wait, ANSWER_WITHIN_S)}"


@end("exit 0")
async def sigterm_with_nobody_there() -> str:
    with a_service() as service:
        service.process.send_signal(signal.SIGTERM)
        return await exit_of(service)


@end(CLEAN)
async def sigterm_with_an_idle_client() -> str:
    with a_service() as service:
        async with camera(service) as client:
            return await terminated(service, client.told())


@end(CLEAN)
async def sigterm_while_frames_come() -> str:
    with a_service() as service:
        async with camera(service) as client:
            await client.frame(jpeg())
            service.process.send_signal(signal.SIGTERM)
            while (told := await client.frame(jpeg())) == "result":
                pass
            return f"{told}, {await exit_of(service)}"


@end(CLEAN)
async def sigterm_with_a_frame_in_the_engine() -> str:
    with a_service() as service:
        async with camera(service) as client:
            await client.put(Stage(service).faulty("slow"))
            service.process.send_signal(signal.SIGTERM)
            while (told := await client.told()) == "result":
                pass
            return f"{told}, {await exit_of(service)}"


@end(CLEAN)
async def sigterm_while_the_engine_hangs() -> str:
    with a_service("--frame-deadline-s", "600") as service:
        async with camera(service) as client:
            await client.put(Stage(service).faulty("hang"))
            return await terminated(service, client.told())


@end("exit 0")
async def sigterm_with_a_client_that_reads_nothing() -> str:
    with a_service() as service, raw_websocket(Stage(service), receive_bytes=2048) as peer:
        picture = jpeg(480, 360)
        for _ in range(20):
            peer.sendall(frame_header(2, len(picture)) + picture)
        service.process.send_signal(signal.SIGTERM)
        return await exit_of(service)


@end("exit 0")
async def sigterm_in_the_middle_of_an_upload() -> str:
    with a_service() as service, raw_websocket(Stage(service)) as peer:
        peer.sendall(frame_header(2, 100_000) + bytes(50_000))
        service.process.send_signal(signal.SIGTERM)
        return await exit_of(service)


@end(CLEAN)
async def sigterm_while_the_model_loads() -> str:
    with running(*SMALL, *SHORT, program=(*PROGRAM, "load_for_ever")) as service:
        async with connecting(service) as connection:
            service.process.send_signal(signal.SIGTERM)
            try:
                while True:
                    await connection.recv()
            except websockets.ConnectionClosed as closed:
                return f"{told_by(closed)}, {await exit_of(service)}"


@end(CLEAN)
async def sigterm_to_the_whole_group() -> str:
    """As a shell, and systemd, send it."""
    with a_service() as service:
        async with camera(service) as client:
            await client.frame(jpeg())
            Stage(service).tell_engine(signal.SIGTERM)
            return await terminated(service, client.told())


# ---------------------------------------------------------------- disks, settings, ports


@end("result, exit 0")
async def the_log_is_on_a_full_disk() -> str:
    port = free_port()
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, *SMALL, *SHORT, "--port", str(port), stdout=full, stderr=full
    )
    os.close(full)
    try:
        async with await connection_soon(f"ws://127.0.0.1:{port}/ws", process) as connection:
            told = await (await Camera(connection).hello()).frame(jpeg())
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return f"{told}, exit {await process.wait()}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def connection_soon(address: str, process: asyncio.subprocess.Process) -> websockets.ClientConnection:
    """To a service that starts. Raises TimeoutError, and OSError where it has ended."""
    async with asyncio.timeout(START_WITHIN_S):
        while True:
            try:
                return await websockets.connect(address, max_size=None)
            except OSError:
                if process.returncode is not None:
                    raise
                await asyncio.sleep(0.1)


async def refused_at_start(*flags: str, environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, *SMALL, "--port", "0", *flags,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    async with asyncio.timeout(START_WITHIN_S):
        said, _ = await process.communicate()
    last = said.decode().strip().rpartition("\n")[2]
    return f"exit {process.returncode}: {'Traceback' if b'Traceback' in said else 'a sentence' if last else 'nothing'}"


@end("exit 1: a sentence")
async def a_model_that_never_loads() -> str:
    return await refused_at_start("--model", "no-such-folder/and-no-such-model")


@end("exit 1: a sentence")
async def settings_that_cannot_be() -> str:
    return await refused_at_start(environment={"SPLATCAM_MAX_SESSIONS": "many"})


@end("exit 1: a sentence")
async def a_port_that_is_taken() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return await refused_at_start("--port", str(taken.getsockname()[1]))


@end("exit 1: a sentence")
async def a_certificate_that_is_none() -> str:
    return await refused_at_start("--tls-certificate", __file__, "--tls-key", __file__)
