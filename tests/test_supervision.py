"""The engine's process and what becomes of the service when it dies, hangs, or does not come back."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from splatcam.engine import EngineFailed, EngineRestarting, EngineStatus
from splatcam.engine.child import GONE, Child
from splatcam.engine.restarts import RestartPolicy
from splatcam.engine.supervised import SupervisedEngine
from splatcam.engine.worker import HostBuilder
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.orbit_query import parse_query
from splatcam.rendering.picture_job import NothingToShow, PictureJob
from splatcam.rendering.shading import MODES
from splatcam.settings import Settings
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.faulty_engine import FaultyHosts, PaperHosts, plan_loads, with_fault
from tests.pictures import jpeg

ROOT = Path(__file__).parent.parent
WITHIN_S = 60.0
SPLATS = Variant(Format.SPLATS16, "pixel")
EAGER = RestartPolicy(shortest_delay_s=0.0, longest_delay_s=0.0, most_restarts=100)
DEADLY = {"kill", "exit", "hang", "stop", "sticky_cuda"}
_seeds = itertools.count()


def job(fault: str | None = None, *, wants_scene: bool = False) -> FrameJob:
    """Each is another picture."""
    seed = next(_seeds)
    data = jpeg(seed=seed, quality=50 + seed % 50)
    stream_id = f"camera {seed}" if fault in DEADLY else "camera"  # one whose frames kill again is kept out
    return FrameJob(stream_id, seed, 0.0, with_fault(data, fault) if fault else data, (SPLATS,), wants_scene)


@dataclass
class Supervised:
    """An engine at work, and what it has said."""

    settings: Settings
    build: HostBuilder
    policy: RestartPolicy
    statuses: list[EngineStatus] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.engine = SupervisedEngine(self.settings, self.hear_cause, self.build, self.policy)

    def hear(self, status: EngineStatus) -> None:
        self.statuses.append(status)
        self.changed.set()

    def hear_cause(self, cause: str) -> None:
        self.causes.append(cause)
        self.changed.set()

    @property
    def states(self) -> list[str]:
        """Without repetitions."""
        return [state for state, _ in itertools.groupby(status.state for status in self.statuses)]

    @property
    def pid(self) -> int:
        return self.engine._child._process.pid

    async def until(self, state: str) -> None:
        await self.until_true(lambda: self.engine.status.state == state)

    async def until_true(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def process(self, job: FrameJob) -> FrameResult:
        async with asyncio.timeout(WITHIN_S):
            return await self.engine.process(job)

    async def fails(self, job: FrameJob) -> None:
        """The process goes, and the next one is there."""
        with pytest.raises(EngineRestarting):
            await self.process(job)
        await self.until("ready")

    async def refuses(self, job: FrameJob) -> str:
        with pytest.raises(FrameRefused) as refusal:
            await self.process(job)
        return refusal.value.code


@asynccontextmanager
async def supervised(
    folder: Path, policy: RestartPolicy = EAGER, hosts: type[Any] = PaperHosts, **settings: Any
) -> AsyncIterator[Supervised]:
    known = Settings(**{"model": "synthetic", "process_res": 70, "threads": 1, **settings})
    run = Supervised(known, hosts(folder), policy)
    try:
        await run.engine.start(run.hear)
        yield run
    finally:
        await run.engine.close()


# ---------------------------------------------------------------- how it ends


async def test_a_process_that_is_killed_between_frames_is_replaced_and_nobody_is_blamed(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        await run.process(last := job())
        os.kill(first := run.pid, signal.SIGKILL)
        await run.until("restarting")
        await run.until("ready")
        assert run.pid != first and run.causes == ["exit"]
        assert await run.process(job()) and await run.process(last)
        assert run.states == ["loading", "ready", "restarting", "ready"]


async def test_while_it_restarts_there_is_no_model_and_frames_are_not_taken(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        plan_loads(tmp_path, "hang")
        with pytest.raises(EngineRestarting):
            await run.process(job("kill"))
        assert run.engine.status.state == "restarting", "whoever is told finds it so"
        assert all(status.model is None for status in run.statuses if status.state == "restarting")
        with pytest.raises(EngineRestarting):
            await run.process(job())
        with pytest.raises(EngineRestarting):
            await run.engine.draw(picture())


@pytest.mark.parametrize(
    ("fault", "cause"), [("kill", "exit"), ("exit", "exit"), ("hang", "hang"), ("sticky_cuda", "device")]
)
async def test_a_frame_that_the_process_does_not_survive_is_not_tried_again(
    fault: str, cause: str, tmp_path: Path
) -> None:
    async with supervised(tmp_path, frame_deadline_s=2) as run:
        await run.process(job())  # the first one may take longer
        await run.fails(deadly := job(fault))
        assert run.causes == [cause]
        assert await run.refuses(deadly) == "quarantined"
        assert await run.process(job())
        assert run.causes == [cause]


async def test_a_frame_that_was_processed_before_is_not_to_blame_for_what_it_happens_to_see(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        await run.process(slow := job("slow"))
        again = asyncio.create_task(run.process(slow))
        for _ in range(10):
            await asyncio.sleep(0)
        assert run.engine._child._job is not None
        os.kill(run.pid, signal.SIGKILL)
        with pytest.raises(EngineRestarting):
            await again
        await run.until("ready")
        assert await run.process(slow)


async def test_what_the_process_had_said_before_its_end_comes_too_late(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        dead, ready = run.engine._child, run.engine.status
        plan_loads(tmp_path, "hang")
        os.kill(run.pid, signal.SIGKILL)
        await run.until("restarting")
        dead._heard(ready)
        assert run.engine.status.state == "restarting"


async def test_those_who_wait_for_their_turn_are_told_too_and_are_not_to_blame(tmp_path: Path) -> None:
    async with supervised(tmp_path, frame_deadline_s=2) as run:
        await run.process(job())
        innocent = [job() for _ in range(4)]
        told = await asyncio.gather(*map(run.process, [job("hang"), *innocent]), return_exceptions=True)
        assert [type(error) for error in told] == [EngineRestarting] * 5
        await run.until("ready")
        for frame in innocent:
            assert await run.process(frame)
        assert run.causes == ["hang"]


async def test_a_process_that_gives_no_sign_of_life_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path, RestartPolicy(silence_s=4)) as run:
        os.kill(run.pid, signal.SIGSTOP)
        await run.until("restarting")
        await run.until("ready")
        assert run.causes == ["silence"]
        assert await run.process(job())


async def test_a_server_that_was_stopped_itself_does_not_blame_the_process(tmp_path: Path) -> None:
    async with supervised(tmp_path, frame_deadline_s=3) as run:
        await run.process(job())
        slow = asyncio.create_task(run.process(job("slow")))
        await asyncio.sleep(0)
        time.sleep(4)  # noqa: ASYNC251, the loop stands still: that is the case
        assert await slow
        assert run.causes == []


async def test_a_third_refusal_for_want_of_memory_is_told_before_the_process_goes(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        assert await run.refuses(large := job("out_of_memory")) == "out_of_memory"
        await run.until("restarting")
        await run.until("ready")
        assert run.causes == ["memory"]
        assert await run.refuses(large) == "out_of_memory", "not quarantined: it may fit the next time"


async def test_the_real_host_goes_down_the_ladder_in_its_process(tmp_path: Path) -> None:
    async with supervised(tmp_path, hosts=FaultyHosts) as run:
        grids = [(await run.process(each)).fields[SPLATS]["grid"] for each in (job(), job("out_of_memory_once"))]
        assert max(grids[0]) == 70 and max(grids[1]) == 56
        assert [await run.refuses(job("out_of_memory")) for _ in range(3)] == ["out_of_memory"] * 3
        await run.until("restarting")
        await run.until("ready")
        assert max((await run.process(job())).fields[SPLATS]["grid"]) == 70
        await run.fails(deadly := job("sticky_cuda"))
        assert run.causes == ["memory", "device"]
        assert await run.refuses(deadly) == "quarantined"


async def test_signals_to_the_whole_group_leave_it_to_the_server_when_the_process_ends(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        pid = run.pid
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert await run.process(job())
        assert run.pid == pid and run.causes == []


# ---------------------------------------------------------------- who gives up


async def test_who_gives_up_while_a_frame_is_under_way_blames_nobody(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        given_up = asyncio.create_task(run.process(slow := job("slow")))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert await run.process(job())
        assert await run.process(slow)
        assert run.causes == []


async def test_a_deadly_frame_is_blamed_also_when_its_sender_is_gone(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        given_up = asyncio.create_task(run.process(deadly := job("kill")))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await run.until("restarting")
        await run.until("ready")
        assert await run.refuses(deadly) == "quarantined"


# ---------------------------------------------------------------- loading


@pytest.mark.parametrize(("planned", "told"), [("fail", "the weights are broken"), ("kill", GONE), ("exit", GONE)])
async def test_a_first_load_that_fails_is_not_repeated(planned: str, told: str, tmp_path: Path) -> None:
    plan_loads(tmp_path, planned, "load")
    with pytest.raises(EngineFailed, match=told):
        async with supervised(tmp_path):
            pass
    assert not multiprocessing.active_children()


async def test_a_later_load_that_fails_or_dies_is_repeated(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        plan_loads(tmp_path, "fail", "kill", "load")
        await run.fails(job("exit"))
        assert run.causes == ["exit", "load", "load"]
        assert await run.process(job())
        assert run.states == ["loading", "ready", "restarting", "ready"]


async def test_a_process_that_is_killed_from_outside_while_it_loads_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        first = run.pid
        plan_loads(tmp_path, "hang", "load")
        os.kill(first, signal.SIGKILL)
        await run.until("restarting")
        await run.until_true(lambda: run.engine.status.message == "loading paper")
        os.kill(run.pid, signal.SIGKILL)
        await run.until("ready")
        assert run.causes == ["exit", "load"]


async def test_one_that_is_closed_while_its_model_loads_begins_no_other_process(tmp_path: Path) -> None:
    engine = SupervisedEngine(Settings(model="synthetic", process_res=70, threads=1), build=PaperHosts(tmp_path))
    closing: list[asyncio.Task[None]] = []

    def hear(status: EngineStatus) -> None:  # the model is there, but nobody knows that yet
        if status.state == "ready":
            closing.append(asyncio.create_task(engine.close()))

    await engine.start(hear)
    await asyncio.gather(*closing)
    assert [task for task in asyncio.all_tasks() if task.get_name() == "engine-supervisor"] == []


async def test_a_system_that_gives_no_process_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, refusals = Child._begin, iter([OSError("no descriptor"), RuntimeError("no thread"), MemoryError()])

    def short_of_everything(child: Child) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal
        begin(child)

    async with supervised(tmp_path) as run:
        monkeypatch.setattr(Child, "_begin", short_of_everything)
        await run.fails(job("exit"))
        assert run.causes == ["exit", "load", "load", "load"]
        assert await run.process(job())


async def test_what_dies_again_and_again_is_left_alone_for_a_while_and_tried_once(tmp_path: Path) -> None:
    policy = RestartPolicy(shortest_delay_s=0.0, most_restarts=2, rest_s=0.5)
    async with supervised(tmp_path, policy) as run:
        plan_loads(tmp_path, "fail", "fail", "fail", "load")
        with pytest.raises(EngineRestarting):
            await run.process(job("exit"))
        await run.until("failed")
        with pytest.raises(EngineFailed, match="again and again") as told:
            await run.process(job())
        assert not isinstance(told.value, EngineRestarting), "nobody should wait for this"
        await run.until("ready")
        assert run.causes == ["exit", "load", "load", "load"]
        assert run.states == ["loading", "ready", "restarting", "failed", "restarting", "failed", "restarting", "ready"]
        assert await run.process(job())
        assert [status.state for status in run.statuses].count("failed") == 2


# ---------------------------------------------------------------- pictures


def picture(mode: str = "rgb") -> PictureJob:
    camera = parse_query({"w": "48", "h": "36"}, MODES).camera
    return PictureJob("camera", camera, mode=mode)


async def test_pictures_under_way_are_lost_with_the_process_and_come_back_with_the_next_frame(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        await run.process(job(wants_scene=True))
        assert (await run.engine.draw(picture())).jpeg
        waiting = asyncio.create_task(run.engine.draw(picture("hang")))
        await asyncio.sleep(0)
        os.kill(run.pid, signal.SIGKILL)
        with pytest.raises(EngineRestarting):
            await waiting
        await run.until("ready")
        with pytest.raises(NothingToShow):
            await run.engine.draw(picture())
        newest = job(wants_scene=True)
        await run.process(newest)
        assert (await run.engine.draw(picture())).frame_id == newest.frame_id


# ---------------------------------------------------------------- what is left behind


@dataclass(frozen=True)
class Holdings:
    """What this process has of the system."""

    descriptors: int
    threads: int
    processes: int
    tasks: int

    @classmethod
    def now(cls) -> Holdings:
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            len(multiprocessing.active_children()),
            len(asyncio.all_tasks()),
        )


async def test_five_restarts_leave_nothing_behind(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        await run.fails(job("kill"))  # what is made once stays
        before, blocks = Holdings.now(), []
        for fault in ("kill", "exit", "sticky_cuda", "kill", "exit"):
            blocks.append(Path("/dev/shm", run.engine._child._shared.name))
            assert blocks[-1].exists()
            await run.fails(job(fault))
        await run.process(job())
        assert Holdings.now() == before
        assert not any(block.exists() for block in blocks)
        blocks.append(Path("/dev/shm", run.engine._child._shared.name))
    assert not blocks[-1].exists() and not multiprocessing.active_children()


@pytest.mark.parametrize("planned", ["hang", "fail"])
async def test_closing_in_the_middle_of_a_restart_leaves_nothing_behind(planned: str, tmp_path: Path) -> None:
    async with supervised(tmp_path, RestartPolicy(shortest_delay_s=3600, longest_delay_s=3600)) as run:
        plan_loads(tmp_path, planned, "hang")
        with pytest.raises(EngineRestarting):
            await run.process(job("kill"))
        if planned == "fail":  # and the next try is an hour away
            await run.until_true(lambda: run.causes == ["exit", "load"])
    assert not multiprocessing.active_children()
    with pytest.raises(EngineFailed):
        await run.engine.process(job())


async def test_closing_ends_a_process_that_hangs_in_a_frame(tmp_path: Path) -> None:
    async with supervised(tmp_path, frame_deadline_s=3600) as run:
        waiting = asyncio.create_task(run.engine.process(job("hang")))
        await asyncio.sleep(0)
    with pytest.raises(EngineFailed):
        await waiting
    assert not multiprocessing.active_children()
    assert run.states == ["loading", "ready"], "an end that was asked for is no failure"


SERVER = """
import asyncio, json, sys
from multiprocessing import resource_tracker
from pathlib import Path
from splatcam.engine.supervised import SupervisedEngine
from splatcam.frame_job import FrameJob
from splatcam.settings import Settings
from tests.faulty_engine import PaperHosts, with_fault
from tests.pictures import jpeg

def tell(engine):
    child, tracker = engine._child, resource_tracker._resource_tracker
    print(json.dumps([child._process.pid, tracker._pid, child._shared.name]), flush=True)

async def serve(folder, where):
    engine = SupervisedEngine(Settings(model="synthetic"), build=PaperHosts(Path(folder)))
    await engine.start(lambda status: tell(engine) if (status.state, where) == ("loading", "load") else None)
    if where == "frame":
        tell(engine)
        await engine.process(FrameJob("camera", 0, 0.0, with_fault(jpeg(), "hang"), ()))
    tell(engine)
    if where == "idle":
        await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
"""


@contextmanager
def another_server(folder: Path, where: str) -> Iterator[tuple[subprocess.Popen[str], int, int, Path]]:
    """A process with an engine: itself, the engine's process, Python's tracker of shared memory, the memory."""
    script = folder / "server.py"
    script.write_text(SERVER)
    if where == "load":
        plan_loads(folder, "hang")
    command = [sys.executable, str(script), str(folder), where]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as server:
        try:
            assert server.stdout is not None
            engine, tracker, block = json.loads(server.stdout.readline())
            yield server, engine, tracker, Path("/dev/shm", block)
        finally:
            server.kill()


def wait_for_the_end_of(pid: int) -> bool:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], WITHIN_S)[0])
    finally:
        os.close(watched)


@pytest.mark.parametrize("where", ["idle", "frame", "load"])
def test_a_server_that_is_killed_takes_the_process_and_its_memory_along(where: str, tmp_path: Path) -> None:
    with another_server(tmp_path, where) as (server, engine, tracker, block):
        assert block.exists()
        server.kill()
        assert wait_for_the_end_of(engine)
        assert wait_for_the_end_of(tracker)
        assert not block.exists()


def test_a_server_that_ends_without_a_word_does_not_wait_for_the_process(tmp_path: Path) -> None:
    with another_server(tmp_path, "nowhere") as (server, engine, _, block):
        assert server.wait(WITHIN_S) == 0
        assert wait_for_the_end_of(engine) and not block.exists()


async def test_a_camera_that_kills_again_is_kept_out_and_the_others_are_served(tmp_path: Path) -> None:
    async with supervised(tmp_path) as run:
        for _ in range(2):
            await run.fails(replace(job("kill"), stream_id="a murderer"))
        assert await run.refuses(replace(job(), stream_id="a murderer")) == "quarantined"
        assert await run.process(job())
        run.engine.forget("a murderer")
        assert await run.process(replace(job(), stream_id="a murderer"))
