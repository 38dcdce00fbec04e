"""One contract, two engines: in a thread, and in a process of its own."""

from __future__ import annotations

import asyncio
import errno
import math
import multiprocessing
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory

import pytest
import simplejpeg

from splatcam.engine import Engine, EngineFailed, EngineStatus, worker
from splatcam.engine.inline import InlineEngine
from splatcam.engine.messages import LoadFailed
from splatcam.engine.supervised import SupervisedEngine
from splatcam.frame_job import FrameJob, FrameRefused
from splatcam.rendering.orbit_query import parse_query
from splatcam.rendering.picture_job import NothingToShow, PictureJob
from splatcam.rendering.shading import MODES
from splatcam.settings import Settings
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.pictures import jpeg

SPLATS = Variant(Format.SPLATS16, "pixel")
POINTS = Variant(Format.POINTCLOUD, "points")
ENGINES = [pytest.param(InlineEngine, id="inline"), pytest.param(SupervisedEngine, id="child")]


def job(frame_id: int = 0, *variants: Variant, data: bytes | None = None, stream_id: str = "camera") -> FrameJob:
    return FrameJob(stream_id, frame_id, 0.0, jpeg(seed=frame_id) if data is None else data, variants or (SPLATS,))


@asynccontextmanager
async def started(
    make: Callable[[Settings], Engine], **settings: object
) -> AsyncIterator[tuple[Engine, list[EngineStatus]]]:
    statuses: list[EngineStatus] = []
    engine = make(Settings(**{"model": "builtin", "process_res": 70, "threads": 1, **settings}))
    try:
        await engine.start(statuses.append)
        yield engine, statuses
    finally:
        await engine.close()


@pytest.mark.parametrize("make", ENGINES)
async def test_a_frame_becomes_the_fields_of_every_variant_asked_for(make: Callable[[Settings], Engine]) -> None:
    async with started(make) as (engine, _):
        result = await engine.process(job(0, SPLATS, POINTS))
        splats, points = result.fields[SPLATS], result.fields[POINTS]
        assert (len(splats["data"]) // 16) % 2048 == 0 and splats["num_splats"] > 0
        assert len(points["points"]) == 12 * points["num_points"] == 4 * len(points["colors"])
        assert list(result.timings_ms) == ["decode", "estimate", "steady", "splats", "prune", "encode"]


@pytest.mark.parametrize("make", ENGINES)
async def test_the_engine_says_what_it_loads_and_when_it_is_ready(make: Callable[[Settings], Engine]) -> None:
    async with started(make) as (engine, statuses):
        assert [status.state for status in statuses] == ["loading", "ready"]
        assert engine.status.model is not None
        assert engine.status.model.name == "builtin"


@pytest.mark.parametrize("make", ENGINES)
async def test_a_broken_frame_is_refused_and_the_next_one_processed(make: Callable[[Settings], Engine]) -> None:
    async with started(make) as (engine, _):
        with pytest.raises(FrameRefused) as refused:
            await engine.process(job(data=jpeg()[:300]))
        assert refused.value.code == "bad_jpeg"
        assert (await engine.process(job())).fields[SPLATS]["num_splats"] > 0


@pytest.mark.parametrize("make", ENGINES)
async def test_a_model_that_cannot_be_had_fails_the_start_in_words(make: Callable[[Settings], Engine]) -> None:
    with pytest.raises(EngineFailed, match="colossal"):
        async with started(make, model="colossal"):
            pass


@pytest.mark.parametrize("make", ENGINES)
async def test_many_callers_each_get_their_own_answer(make: Callable[[Settings], Engine]) -> None:
    async with started(make) as (engine, _):
        alone = [(await engine.process(job(n, stream_id=f"alone-{n}"))).fields[SPLATS]["data"] for n in range(4)]
        together = await asyncio.gather(*(engine.process(job(n, stream_id=f"together-{n}")) for n in range(4)))
        assert [result.fields[SPLATS]["data"] for result in together] == alone
        assert len(set(alone)) == 4


async def test_both_engines_give_the_same_bytes() -> None:
    async with started(InlineEngine) as (inline, _), started(SupervisedEngine) as (child, _):
        for n in range(3):  # the estimator remembers the frames before: so must both
            here, there = await inline.process(job(n)), await child.process(job(n))
            assert here.fields[SPLATS]["data"] == there.fields[SPLATS]["data"]


async def test_a_job_that_was_given_up_does_not_answer_the_next_one() -> None:
    async with started(SupervisedEngine) as (engine, _):
        expected = (await engine.process(job(1, stream_id="one"))).fields[SPLATS]["data"]
        given_up = asyncio.create_task(engine.process(job(2, stream_id="two")))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert (await engine.process(job(1, stream_id="three"))).fields[SPLATS]["data"] == expected


async def test_who_gives_up_while_waiting_for_a_turn_leaves_no_work_behind() -> None:
    async with started(SupervisedEngine, model="synthetic", latency_ms=200) as (engine, _):
        under_way = asyncio.create_task(engine.process(job(0)))
        waiting = [asyncio.create_task(engine.process(job(n))) for n in range(1, 20)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await under_way
        assert not engine._child._turn.locked() and engine._child._outgoing.empty()


async def test_a_result_larger_than_the_shared_memory_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatcam.engine.child.INITIAL_BYTES", 4096)
    async with started(SupervisedEngine) as (engine, _):
        first = await engine.process(job(0, stream_id="one"))
        second = await engine.process(job(0, stream_id="two"))
        assert first.fields[SPLATS]["data"] == second.fields[SPLATS]["data"]
        assert engine._child._shared.size > 4096


async def test_without_room_for_more_shared_memory_large_results_take_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(block: SharedMemory) -> None:
        if block.size > 4096:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("splatcam.engine.child.INITIAL_BYTES", 4096)
    monkeypatch.setattr("splatcam.engine.child._reserve", full)
    async with started(SupervisedEngine) as (engine, _):
        first = await engine.process(job(0, stream_id="one"))
        second = await engine.process(job(0, stream_id="two"))
        assert first.fields[SPLATS]["data"] == second.fields[SPLATS]["data"]
        assert engine._child._shared.size <= 4096


class Outbox:
    """Where the engine's process says what it has to say."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def send(self, message: object) -> None:
        self.said.append(message)


@pytest.mark.parametrize(
    "fault", [OSError("libcudart.so.13: cannot open"), RuntimeError("CUDA error: out of memory\nat")]
)
def test_whatever_keeps_a_model_from_loading_is_told_in_one_sentence(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: object) -> None:
        raise fault

    monkeypatch.setattr("splatcam.estimators.registry.build", build)
    outbox = Outbox()
    assert worker._load(Settings(model="small"), outbox, worker.build_host) is None
    (told,) = (m for m in outbox.said if isinstance(m, LoadFailed))
    assert told.message.startswith("small did not load") and "\n" not in told.message


@pytest.mark.parametrize("make", ENGINES)
async def test_a_bug_costs_one_frame(make: Callable[[Settings], Engine]) -> None:
    impossible = Variant(Format.SPLATS16, "network")  # nobody may ask this of a model without the head
    async with started(make) as (engine, _):
        with pytest.raises(EngineFailed, match="could not be processed"):
            await engine.process(job(0, impossible))
        assert (await engine.process(job(1))).fields[SPLATS]["num_splats"] > 0


async def test_after_closing_no_process_and_no_shared_memory_is_left() -> None:
    async with started(SupervisedEngine) as (engine, statuses):
        name = engine._child._shared.name
    assert not multiprocessing.active_children()
    assert statuses[-1].state == "ready", "an end that was asked for is no failure"
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


def wanted(stream_id: str = "camera", **query: str) -> PictureJob:
    wish = parse_query({"w": "48", "h": "36", **query}, MODES)
    return PictureJob(stream_id, wish.camera, mode=wish.mode)


@pytest.mark.parametrize("make", ENGINES)
async def test_a_frame_that_leaves_its_scene_behind_can_be_drawn_from_anywhere(
    make: Callable[[Settings], Engine],
) -> None:
    async with started(make) as (engine, _):
        with pytest.raises(NothingToShow):
            await engine.draw(wanted())
        await engine.process(job())
        with pytest.raises(NothingToShow):
            await engine.draw(wanted())
        result = await engine.process(replace(job(7), wants_scene=True))
        assert result.facts is not None and result.facts.gaussians > 0 and result.facts.distance > 0
        in_front = {
            "theta": str(math.pi),
            "up": "-1",
            "radius": str(result.facts.distance),
            "tz": str(result.facts.distance),
        }
        picture = await engine.draw(wanted(**in_front))
        assert picture.frame_id == 7 and simplejpeg.decode_jpeg(picture.jpeg).shape == (36, 48, 3)
        assert simplejpeg.decode_jpeg(picture.jpeg).mean() > 10, "nothing is to be seen"
        engine.forget("camera")
        await engine.process(job())  # in its turn after that
        with pytest.raises(NothingToShow):
            await engine.draw(wanted())


@pytest.mark.parametrize("make", ENGINES)
async def test_a_scene_may_be_all_that_is_wanted_of_a_frame(make: Callable[[Settings], Engine]) -> None:
    async with started(make) as (engine, _):
        result = await engine.process(FrameJob("camera", 0, 0.0, jpeg(), (), wants_scene=True))
        assert result.fields == {} and result.facts is not None
        assert (await engine.draw(wanted(mode="depth"))).frame_id == 0
