"""More comes than can be answered: who gets what. The measured form is `python -m splatcam.bench.overload`."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from itertools import count

import pytest

from splatcam import wire
from splatcam.bench.links import Link, websocket_link
from splatcam.bench.local_service import Service, running
from splatcam.bench.scrape import scrape
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.settings import Settings
from tests.fakes import JPEG, Client, PaperEngine, connected, hub_of, settled
from tests.pictures import jpeg

PATIENT = Settings(max_messages_per_s=1e6)  # what the limit on messages does has tests of its own
SESSIONS = 8
FAIR = 1.25  # results of the session with most over those of the one with fewest
FPS, ENGINE_MS = 60.0, 33.0


class SlowEngine(PaperEngine):
    """One frame at a time, in the order asked, as every engine; a frame is done when `finish` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now: FrameJob | None = None
        self._turn = asyncio.Lock()
        self._finished = asyncio.Event()

    async def process(self, job: FrameJob) -> FrameResult:
        async with self._turn:
            self.now = job
            self._finished.clear()
            await self._finished.wait()
            self.now = None
            return await super().process(job)

    async def finish(self) -> None:
        self._finished.set()
        await settled()

    async def close(self) -> None:
        self._finished.set()


async def test_under_overload_the_engine_never_idles_and_always_begins_with_the_newest_frame() -> None:
    engine, frames = SlowEngine(), 900
    hub = hub_of(engine)
    begun: list[int] = []
    results: list[int] = []
    async with connected(hub, PATIENT) as client:
        done_at_ms = 0.0
        for frame_id in range(frames):  # at 60 a second by a clock of its own
            now_ms = frame_id * 1000 / FPS
            while engine.now is not None and done_at_ms <= now_ms:
                done_at_ms += ENGINE_MS
                await engine.finish()
                results.append((await client.until("pointcloud"))["frame_id"])
                assert engine.now is not None, "the engine idles and a frame waits"
                assert engine.now.frame_id == frame_id - 1, "the newest at this moment"
                begun.append(engine.now.frame_id)
            await client.send(JPEG)
            await settled()
            if frame_id == 0:
                begun.append(frame_id)
                done_at_ms = now_ms + ENGINE_MS
        telemetry = hub.telemetry
        assert results == begun[: len(results)]
        assert telemetry.frames_received == frames
        assert telemetry.frames["delivered"] == len(results) == len(begun) - 1
        waiting = telemetry.frames_in_flight - 1
        assert telemetry.frames["superseded"] == frames - len(begun) - waiting
        assert len(begun) == 1 + int((frames - 1) * 1000 / FPS / ENGINE_MS), "it was busy all the time"
    assert telemetry.frames.total() == frames


async def shares(frames_per_turn: list[int], results: int, seed: int = 0) -> Counter[str]:
    """Sessions that send so many frames on average while the engine makes one: results of each."""
    engine, dice, done = SlowEngine(), random.Random(seed), Counter[str]()
    async with AsyncExitStack() as stack:
        hub = hub_of(engine)
        clients = [await stack.enter_async_context(connected(hub, PATIENT)) for _ in frames_per_turn]
        readers = [asyncio.create_task(read_everything(client)) for client in clients]
        for client in clients:
            await client.send(JPEG)
        await settled()
        while done.total() < results:
            order = list(zip(clients, frames_per_turn, strict=True))
            dice.shuffle(order)
            for client, most in order:
                for _ in range(dice.randint(1, 2 * most - 1)):
                    await client.send(JPEG)
            await settled()
            assert engine.now is not None
            done[engine.now.stream_id] += 1
            await engine.finish()
        for reader in readers:
            reader.cancel()
        return Counter({str(i): done[client.session.session_id] for i, client in enumerate(clients)})


async def read_everything(client: Client) -> None:
    while True:
        await client.until("pointcloud")


async def test_eight_sessions_get_equal_turns_however_fast_they_send() -> None:
    done = await shares([1, 1, 2, 2, 3, 3, 4, 4], results=240)
    assert len(done) == SESSIONS
    assert max(done.values()) <= FAIR * min(done.values()), done


async def test_who_sends_a_hundred_times_as_much_gets_no_more_than_its_turn() -> None:
    done = await shares([1] * (SESSIONS - 1) + [100], results=80)
    assert done["7"] <= min(done.values()) + 1, done
    assert max(done.values()) <= FAIR * min(done.values()), done


# ---------------------------------------------------------------- over real sockets


async def keep_sending(link: Link, done: Counter[int], number: int, frames_per_result: int) -> None:
    """One frame in the engine and one that waits, always; for every result some more."""
    frame_ids, frame = count(), jpeg()
    for _ in range(2):
        await send_frame(link, next(frame_ids), frame)
    while True:
        message = wire.decode_server_message(await link.receive())
        if message["type"] == "pointcloud":
            done[number] += 1
            for _ in range(frames_per_result):
                await send_frame(link, next(frame_ids), frame)


async def send_frame(link: Link, frame_id: int, frame: bytes) -> None:
    await link.send(wire.encode(wire.FrameMessage(frame_id=frame_id, captured_at_ms=0.0, jpeg=frame)))


async def race(service: Service, frames_per_result: list[int], results: int) -> Counter[int]:
    """Results of each session, counted from the moment at which all have one."""
    done = Counter[int]()
    async with AsyncExitStack() as stack, asyncio.timeout(120):
        links = [await stack.enter_async_context(websocket_link(service.ws_url)) for _ in frames_per_result]
        tasks = [
            asyncio.create_task(keep_sending(link, done, number, frames))
            for number, (link, frames) in enumerate(zip(links, frames_per_result, strict=True))
        ]
        while len(done) < len(links):
            await asyncio.wait(tasks, timeout=0.01)
        done.clear()
        while done.total() < results:
            await asyncio.wait(tasks, timeout=0.01)
        for task in tasks:
            assert not task.done(), "a session was hung up on"
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return done


@pytest.mark.parametrize("frames_per_result", [[1] * 8, [1] * 7 + [100]], ids=["equals", "a flooder"])
async def test_over_real_sockets_every_session_gets_its_turn_and_every_frame_is_accounted_for(
    frames_per_result: list[int],
) -> None:
    flags = ("--model", "synthetic", "--process-res", "56", "--latency-ms", "5", "--max-messages-per-s", "1000000")
    with running(*flags, "--max-bytes-per-s", "1e10") as service:
        await asyncio.to_thread(service.wait_for_model, "synthetic")
        done = await race(service, frames_per_result, results=200)
        assert max(done.values()) <= FAIR * min(done.values()), done
        async with asyncio.timeout(60):
            while (told := await asyncio.to_thread(scrape, service)).value("splatcam_sessions", kind="live") > 0:
                pass
        ended = told.by("splatcam_frames_total", "outcome")
        assert told.value("splatcam_frames_in_flight") == 0
        assert told.value("splatcam_frames_received_total") == sum(ended.values())
        assert ended["refused"] == ended["failed"] == 0
        assert ended["delivered"] >= 200
