"""Every frame that comes ends once, whatever happens to it: random schedules of everything that may happen."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from splatcam import wire
from splatcam.bench.links import LocalLink
from splatcam.engine import EngineRestarting, EngineStatus
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.live.session import Session
from splatcam.live.streams import StreamHub
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry
from tests.fakes import BROKEN_JPEG, BUG_JPEG, FAULTY_JPEG, JPEG, PaperEngine, connected, hub_of, settled

GREEDY_JPEG = wire.JPEG_MAGIC + b"takes all memory"
DEADLY_JPEG = wire.JPEG_MAGIC + b"ends the engine's process"
JPEGS = (JPEG, JPEG, JPEG, BROKEN_JPEG, BUG_JPEG, FAULTY_JPEG, GREEDY_JPEG, DEADLY_JPEG)
MOST_CAMERAS = 6


class MortalEngine(PaperEngine):
    """Some frames are too much for it."""

    async def process(self, job: FrameJob) -> FrameResult:
        result = await super().process(job)
        if job.jpeg == GREEDY_JPEG:
            raise FrameRefused("out_of_memory", "no memory")
        if job.jpeg == DEADLY_JPEG:
            raise EngineRestarting("the process is gone")
        return result


class Visitor:
    """A session that sends frames or watches, reads everything, and may be cut off at any moment."""

    def __init__(self, hub: StreamHub) -> None:
        self.link = LocalLink()
        self.frames_sent = 0
        self.running = asyncio.create_task(Session(self.link.transport(), hub, Settings()).run())
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            message = wire.decode_server_message(await self.link.receive())
            if "num_splats" in message:
                await self.say(wire.Ack(frame_id=message["frame_id"]))

    async def say(self, message: object) -> None:
        await self.link.send(wire.encode(message))  # type: ignore[arg-type]

    async def frame(self, jpeg: bytes) -> None:
        await self.say(wire.FrameMessage(frame_id=self.frames_sent, captured_at_ms=0.0, jpeg=jpeg))
        self.frames_sent += 1

    async def leave(self) -> None:
        """As a client that closes: what it sent before is read."""
        await self.link.hang_up()
        async with asyncio.timeout(60):
            await self.running
        self._reading.cancel()

    async def cut(self) -> None:
        """As a server that is stopped: whatever the session does ends in the middle."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        self._reading.cancel()


class Schedule:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = MortalEngine()
        self.ready = self.engine.status
        self.hub = StreamHub(self.engine, Telemetry())
        self.visitors: list[Visitor] = []
        self.left: list[Visitor] = []
        self.events = [
            (self.join, 3), (self.send, 30), (self.leave, 2), (self.limit, 3), (self.watch, 3), (self.hold, 3),
            (self.release, 5), (self.restart, 2), (self.breathe, 20),
        ]  # fmt: skip

    async def step(self) -> None:
        events, weights = zip(*self.events, strict=True)
        await self.random.choices(events, weights)[0]()

    async def join(self) -> None:
        if len(self.visitors) < MOST_CAMERAS:
            self.visitors.append(Visitor(self.hub))
            await self.visitors[-1].say(wire.Hello(protocol=1, formats=["splats16"]))

    async def send(self) -> None:
        if self.visitors:
            await self.random.choice(self.visitors).frame(self.random.choice(JPEGS))

    async def limit(self) -> None:
        if self.visitors:
            max_fps = self.random.choice((2.0, 240.0))
            await self.random.choice(self.visitors).say(wire.SettingsMessage(max_fps=max_fps))

    async def watch(self) -> None:
        if self.visitors:
            visitor = self.random.choice(self.visitors)
            await visitor.say(wire.Hello(protocol=1, formats=["splats16"], watch="newest"))

    async def leave(self) -> None:
        if self.visitors:
            visitor = self.visitors.pop(self.random.randrange(len(self.visitors)))
            await self.random.choice((visitor.leave, visitor.cut))()
            self.left.append(visitor)

    async def hold(self) -> None:
        self.engine.hold()

    async def release(self) -> None:
        self.engine.release()

    async def restart(self) -> None:
        is_ready = self.engine.status.state == "ready"
        self.engine.status = EngineStatus("restarting", "starting again") if is_ready else self.ready
        self.hub.engine_changed(self.engine.status)

    async def breathe(self) -> None:
        await settled(self.random.randrange(1, 12))

    async def everybody_leaves(self) -> None:
        for visitor in self.visitors:
            await visitor.leave()
        self.left += self.visitors
        self.visitors = []

    def assert_balanced(self) -> None:
        """One frame of a camera may wait and one may be in hand."""
        telemetry = self.hub.telemetry
        assert 0 <= telemetry.frames_in_flight <= 2 * self.hub.count
        assert telemetry.frames_received == telemetry.frames.total() + telemetry.frames_in_flight


@pytest.mark.parametrize("seed", range(25))
async def test_every_frame_ends_once_whatever_happens(seed: int) -> None:
    schedule = Schedule(seed)
    for _ in range(400):
        await schedule.step()
        schedule.assert_balanced()
    await schedule.everybody_leaves()
    telemetry = schedule.hub.telemetry
    assert telemetry.frames_in_flight == 0
    assert telemetry.frames.total() == telemetry.frames_received > 0
    assert telemetry.frames_received <= sum(visitor.frames_sent for visitor in schedule.left)


async def test_a_frame_ends_as_what_became_of_it() -> None:
    hub = hub_of(MortalEngine())
    fates = {
        JPEG: "delivered", BROKEN_JPEG: "refused", GREEDY_JPEG: "refused", BUG_JPEG: "failed", FAULTY_JPEG: "failed",
        DEADLY_JPEG: "failed",
    }  # fmt: skip
    async with connected(hub) as client:
        await client.hello()
        for frame_id, (jpeg, outcome) in enumerate(fates.items()):
            before = hub.telemetry.frames[outcome]
            await client.frame(frame_id, jpeg)
            await client.until("splats16" if outcome == "delivered" else "error")
            assert hub.telemetry.frames[outcome] == before + 1
    assert hub.telemetry.frames.total() == hub.telemetry.frames_received == len(fates)


async def test_frames_of_a_session_that_left_were_for_nobody() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.hello()
        engine.hold()
        for frame_id in range(3):  # one in the engine, one replaced, one in the mailbox
            await client.frame(frame_id)
            await settled()
        assert hub.telemetry.frames_in_flight == 2
    assert hub.telemetry.frames == {"superseded": 1, "unwatched": 2}


async def test_a_frame_whose_session_leaves_before_the_model_is_there_ends_too() -> None:
    engine = PaperEngine()
    engine.status = EngineStatus("starting", "starting")
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.frame(0)
        await settled()
        assert hub.telemetry.frames_in_flight == 1
    assert hub.telemetry.frames == {"unwatched": 1}


async def test_a_frame_that_waits_for_its_rate_ends_with_its_session() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as client:
        await client.hello()
        await client.send(wire.SettingsMessage(max_fps=0.01))
        await client.frame(0)
        await client.until("splats16")
        await client.frame(1)
        await settled()
        assert hub.telemetry.frames_in_flight == 1
        await client.frame(2)
        await settled()
        assert hub.telemetry.frames["superseded"] == 1
    assert hub.telemetry.frames == {"delivered": 1, "superseded": 1, "unwatched": 1}


async def test_a_camera_that_nobody_watches_is_counted_so() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, connected(hub) as other:
        await other.hello()
        await other.frame(0)
        await other.until("splats16")
        await camera.hello(watch="newest")
        await camera.frame(0)
        await settled()
        assert hub.telemetry.frames["unwatched"] == 1
