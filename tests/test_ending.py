"""SIGTERM and Ctrl-C: a service that ends in order whatever its clients do, with status 0."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
import websockets

from splatcam.bench.local_service import Service, running
from tests.pictures import jpeg
from tests.raw_clients import ENOUGH_FRAMES, frame_header, readiness, sends, stalled_websocket

WITHIN_S = 60
FLAGS = ("--model", "synthetic", "--process-res", "70", "--threads", "1")


async def end_of(connection: websockets.ClientConnection) -> tuple[int, str]:
    with pytest.raises(websockets.ConnectionClosed) as closed:
        async with asyncio.timeout(WITHIN_S):
            while True:
                await connection.recv()
    assert closed.value.rcvd is not None, "it was cut off without a word"
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def status_of(service: Service) -> int:
    return await asyncio.to_thread(service.process.wait, WITHIN_S)


@asynccontextmanager
async def streaming(service: Service) -> AsyncIterator[websockets.ClientConnection]:
    """A client that sends frames all the time."""
    async with websockets.connect(service.ws_url, max_size=None) as connection:
        sending = asyncio.create_task(_send_for_ever(connection))
        try:
            yield connection
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send_for_ever(connection: websockets.ClientConnection) -> None:
    while True:
        await connection.send(jpeg())
        await asyncio.sleep(0.02)


async def test_idle_active_stalled_and_half_said_clients_do_not_keep_it_and_those_who_listen_are_told() -> None:
    with running(*FLAGS, "--drain-s", "0.5") as service:
        service.wait_for_model("synthetic")
        looking = service.ws_url.replace("/ws", "/viewer/ws")
        stalled, halfway = await stalled_websocket(service), await stalled_websocket(service)
        with closing(stalled), closing(halfway):
            await sends(stalled, jpeg(640, 480), ENOUGH_FRAMES)
            await asyncio.get_running_loop().sock_sendall(halfway, frame_header(10_000) + jpeg()[:100])
            async with (
                websockets.connect(service.ws_url) as idle,
                websockets.connect(looking) as looker,
                streaming(service) as active,
            ):
                service.process.send_signal(signal.SIGTERM)
                ends = await asyncio.gather(*(end_of(one) for one in (idle, looker, active)))
                assert ends == [(1012, "the service restarts")] * 3
            assert await status_of(service) == 0
    assert not [line for line in service.lines if "Traceback" in line]


async def test_while_it_drains_it_says_so_lets_nobody_in_and_serves_who_is_inside() -> None:
    with running(*FLAGS, "--drain-s", "3600") as service:
        service.wait_for_model("synthetic")
        async with websockets.connect(service.ws_url, max_size=None) as inside:
            service.process.send_signal(signal.SIGTERM)
            service.wait_for("no more sessions from now on")
            assert await asyncio.to_thread(readiness, service) == (503, "draining")
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(service.ws_url)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
            await inside.send(jpeg())
            async with asyncio.timeout(WITHIN_S):
                assert await inside.recv()
            service.process.send_signal(signal.SIGTERM)  # the second one: at once
            assert await status_of(service) == 0
    assert not [line for line in service.lines if "Traceback" in line or "leaked" in line]


async def test_an_interrupt_is_the_same_end() -> None:
    with running(*FLAGS, "--drain-s", "0") as service:
        service.wait_for_model("synthetic")
        async with websockets.connect(service.ws_url) as connection:
            service.process.send_signal(signal.SIGINT)
            assert (await end_of(connection))[0] == 1012
        assert await status_of(service) == 0


async def test_before_the_model_is_there_it_ends_as_well() -> None:
    with running(*FLAGS, "--drain-s", "0") as service:
        service.process.send_signal(signal.SIGTERM)  # it has just begun to listen
        assert await status_of(service) == 0
