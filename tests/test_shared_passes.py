"""Which frames share a pass of the network, and that each gets its own answer in its own turn."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from splatcam.engine.child import Child
from splatcam.engine.host import EngineHost
from splatcam.engine.messages import Announce, Forget
from splatcam.engine.pass_planner import FORGET_AFTER, TRIES, PassPlanner
from splatcam.engine.shared_passes import Question, SharedPasses
from splatcam.engine.worker import _Inbox
from splatcam.estimators import Prediction
from splatcam.estimators.synthetic import SyntheticEstimator
from splatcam.frame_job import FrameJob, FrameRefused
from splatcam.settings import Settings
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.faulty_engine import PaperHosts
from tests.pictures import jpeg
from tests.tiny_da3 import da3_registered, tiny_folder

__all__ = ["da3_registered", "tiny_folder"]  # fixtures

SPLATS = Variant(Format.SPLATS16, "network")
SETTINGS = Settings(model="synthetic")


def job(stream_id: str, frame_id: int = 0, picture: bytes = b"") -> FrameJob:
    return FrameJob(stream_id, frame_id, 0.0, picture, (SPLATS,))


# ---------------------------------------------------------------- how many


def planner(within_s: float = 0.1, **passes_s: float) -> PassPlanner:
    """With known durations: `x2=0.03` is a pass of two frames."""
    planned = PassPlanner(within_s)
    for name, seconds in passes_s.items():
        for _ in range(TRIES):
            planned.took("size", int(name[1:]), seconds)
    return planned


def test_nothing_is_shared_before_it_is_known_how_long_one_takes() -> None:
    assert planner().choose("size", 3, 0.0) == 1


def test_as_many_as_wait_share_a_pass_that_is_not_known_yet() -> None:
    known = planner(x1=0.01)
    assert [known.choose("size", waiting, 0.0) for waiting in (0, 1, 2, 3, 9)] == [1, 2, 3, 4, 4]
    assert known.choose("other size", 3, 0.0) == 1


def test_no_more_share_than_keep_within_the_limit() -> None:
    known = planner(within_s=0.035, x1=0.01)
    assert [known.choose("size", 3, waited_s) for waited_s in (0.0, 0.01, 0.02, 1.0)] == [3, 2, 1, 1]
    assert planner(within_s=0.0, x1=0.01).choose("size", 3, 0.0) == 1


def test_what_saves_no_time_is_not_shared_and_tried_again_much_later() -> None:
    known = planner(x1=0.01, x4=0.04, x3=0.02, x2=0.012)
    assert known.choose("size", 3, 0.0) == 3
    for _ in range(FORGET_AFTER):
        known.took("size", 1, 0.01)
    assert known.choose("size", 3, 0.0) == 4


def test_after_a_pass_without_memory_fewer_share_one() -> None:
    known = planner(x1=0.01)
    known.had_no_memory(4)
    assert known.choose("size", 9, 0.0) == 3
    known.had_no_memory(2)
    assert known.choose("size", 9, 0.0) == 1


def test_durations_follow_what_is_measured() -> None:
    known = planner(x1=0.01, x2=0.012)
    assert known.choose("size", 1, 0.0) == 2
    for _ in range(20):
        known.took("size", 2, 0.03)
    assert known.choose("size", 1, 0.0) == 1


def test_a_first_pass_of_many_times_the_time_and_one_that_is_recorded_decide_nothing() -> None:
    known = planner(x1=0.01)
    for seconds in (0.5, 0.012, 0.012):
        assert known.choose("size", 1, 0.0) == 2
        known.took("size", 2, seconds)
    assert known.choose("size", 1, 0.0) == 2
    known.took("size", 2, 3.0)
    known.took("size", 1, 3.0)
    assert known.choose("size", 1, 0.0) == 2


# ---------------------------------------------------------------- whose answer is whose


class Network(SyntheticEstimator):
    """Says of each picture its mean as depth. Knows how many frames each pass had, and for how many there is room."""

    def __init__(self, room: int = 9) -> None:
        super().__init__(SETTINGS)
        self.passes: list[int] = []
        self.room = room
        self.now_s = 0.0

    def estimate_many(self, images: Sequence[torch.Tensor], *, wants_gaussians: bool) -> list[Prediction]:
        self.passes.append(len(images))
        self.now_s += 0.01
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [Prediction(image.float().mean(dim=2), torch.eye(3), image) for image in images]

    def wait(self) -> None:
        self.now_s += 0.001


class Cameras:
    """Streams whose pictures have one shade each. `small`: of another size."""

    def __init__(self, network: Network, within_s: float = 1.0) -> None:
        self.network = network
        self.looked_at: list[str] = []
        self.companions: list[tuple[str, ...]] = []
        self.passes = SharedPasses(PassPlanner(within_s), self.question, self.companions.append, lambda: network.now_s)

    def question(self, job: FrameJob) -> Question:
        self.looked_at.append(job.stream_id)
        if job.stream_id == "broken":
            raise FrameRefused("bad_jpeg", "no picture")
        if job.stream_id == "huge":
            raise MemoryError
        side = 28 if job.stream_id.startswith("small") else 56
        return Question(torch.full((side, side, 3), ord(job.stream_id[-1]), dtype=torch.uint8), True, side)

    def turn(self, stream_id: str, frame_id: int = 0, **changed: Any) -> str:
        """The stream whose shade the answer has."""
        asked = self.question(job(stream_id))
        turn = job(stream_id, frame_id, changed.get("picture", b""))
        estimator = self.passes.estimator_for(turn, self.network)
        prediction, state = estimator.estimate(changed.get("image", asked.image), wants_gaussians=True, state="mine")
        assert state == "mine"
        return chr(int(prediction.depth[0, 0]))

    def announce(self, *streams: str) -> None:
        for stream_id in streams:
            self.passes.announce(job(stream_id))


@pytest.fixture
def cameras() -> Cameras:
    """One frame has gone alone, so it is known how long that takes."""
    known = Cameras(Network())
    known.turn("z")
    known.turn("small z")
    known.network.passes.clear()
    return known


def test_frames_that_wait_share_the_pass_of_the_first(cameras: Cameras) -> None:
    cameras.announce("a", "b", "c")
    assert [cameras.turn(stream) for stream in "abc"] == ["a", "b", "c"]
    assert cameras.network.passes == [3]


def test_a_frame_that_came_later_goes_with_the_next_pass(cameras: Cameras) -> None:
    cameras.announce("a", "b")
    assert cameras.turn("a") == "a"
    cameras.announce("c", "d")
    assert [cameras.turn(stream) for stream in "bcd"] == ["b", "c", "d"]
    assert cameras.network.passes == [2, 2]


def test_frames_of_another_size_wait_for_a_pass_of_theirs(cameras: Cameras) -> None:
    cameras.announce("a", "small b", "c", "small d")
    assert [cameras.turn(stream) for stream in ("a", "small b", "c", "small d")] == ["a", "b", "c", "d"]
    assert cameras.network.passes == [2, 2]


def test_who_leaves_is_not_estimated_and_who_sends_another_frame_gets_that_one(cameras: Cameras) -> None:
    cameras.announce("a", "b", "c")
    cameras.passes.forget("b")
    assert cameras.turn("a") == "a" and cameras.network.passes == [2]
    assert cameras.turn("c", frame_id=1) == "c" and cameras.network.passes == [2, 1]


def test_on_a_smaller_grid_a_frame_is_asked_about_again(cameras: Cameras) -> None:
    cameras.announce("a", "b")
    cameras.turn("a")
    smaller = torch.full((28, 28, 3), ord("b"), dtype=torch.uint8)
    assert cameras.turn("b", image=smaller) == "b" and cameras.network.passes == [2, 1]


def test_another_picture_of_the_same_number_is_asked_about_itself(cameras: Cameras) -> None:
    """Clients choose the numbers of their frames."""
    cameras.announce("a", "b")
    cameras.turn("a")
    assert cameras.passes.picture_of(job("b", picture=b"another"), 56) is None
    assert cameras.turn("b", picture=b"another") == "b" and cameras.network.passes == [2, 1]


@pytest.mark.parametrize("bad", ["broken", "huge"])
def test_a_picture_that_cannot_be_looked_at_disturbs_nobody(cameras: Cameras, bad: str) -> None:
    cameras.announce("a", bad, "c")
    assert [cameras.turn("a"), cameras.turn("c")] == ["a", "c"] and cameras.network.passes == [2]
    with pytest.raises((FrameRefused, MemoryError)):
        cameras.turn(bad)


def test_before_a_pass_of_several_it_is_told_whose_they_are(cameras: Cameras) -> None:
    cameras.announce("a", "small b", "c")
    cameras.turn("a")
    cameras.turn("small b")
    assert cameras.companions == [("c",)]


def test_a_camera_that_goes_alone_takes_nobody_with_it(cameras: Cameras) -> None:
    cameras.announce("b")
    assert cameras.passes.estimator_for(replace(job("a"), sharing="never"), cameras.network) is cameras.network


def test_fewer_than_hoped_for_go_together_only_where_that_is_worth_it(cameras: Cameras) -> None:
    known, size = cameras.passes._planner, (56, 56, 3, 1)
    for _ in range(TRIES):
        known.took(size, 2, 1.0)
    cameras.announce("a", "small b", "c")
    assert cameras.turn("a") == "a" and cameras.network.passes == [1]


def test_where_memory_is_short_the_frame_goes_alone_and_fewer_share_from_then_on(cameras: Cameras) -> None:
    cameras.network.room = 2
    cameras.announce("a", "b", "c")
    assert [cameras.turn(stream) for stream in "abc"] == ["a", "b", "c"]
    assert cameras.network.passes == [3, 1, 2]


def test_no_more_pictures_are_looked_at_than_there_is_room_for(cameras: Cameras) -> None:
    cameras.looked_at.clear()
    cameras.announce(*"abcdefgh")
    cameras.turn("a")
    assert cameras.looked_at == ["a", "b", "c", "d"] and cameras.network.passes == [4]


def test_the_next_picture_is_decoded_while_the_network_runs(cameras: Cameras) -> None:
    cameras.network.room = 1
    cameras.announce("a", "small b", "c")
    cameras.looked_at.clear()
    cameras.turn("a")
    assert cameras.looked_at == ["a", "small b", "c"], "c is looked at to share, small b for its own turn"
    waiting = job("small b")
    picture = cameras.passes.picture_of(waiting, 28)
    assert picture is not None and cameras.passes.picture_of(waiting, 14) is None
    assert cameras.passes.picture_of(job("small b", frame_id=1), 28) is None


def test_an_estimator_that_takes_one_frame_at_a_time_is_left_alone(cameras: Cameras) -> None:
    plain = SyntheticEstimator(SETTINGS)
    assert cameras.passes.estimator_for(job("a"), plain) is plain


def test_a_fault_of_the_network_is_the_faults_of_whose_turn_it_is(cameras: Cameras) -> None:
    def fails(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("a bug")

    cameras.announce("a", "b")
    cameras.network.estimate_many, kept = fails, cameras.network.estimate_many
    with pytest.raises(RuntimeError, match="a bug"):
        cameras.turn("a")
    cameras.network.estimate_many = kept
    assert cameras.turn("b") == "b"


# ---------------------------------------------------------------- in the engine


@pytest.mark.parametrize(
    ("within_ms", "sharing", "announced"), [(40, "allowed", True), (40, "never", False), (0, "allowed", False)]
)
async def test_a_frame_that_waits_is_announced_where_it_may_share(
    tmp_path: Path, within_ms: float, sharing: Any, announced: bool
) -> None:
    child = Child(Settings(share_within_ms=within_ms), PaperHosts(tmp_path), 1.0, lambda status: None)
    await child._turn.acquire()
    waiting = asyncio.create_task(child.process(replace(job("a"), sharing=sharing)))
    await asyncio.sleep(0)
    assert child._outgoing.empty() == (not announced)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


def test_what_is_announced_is_read_before_the_frame_and_the_rest_keeps_its_order() -> None:
    near, far = multiprocessing.Pipe()
    announced: list[str] = []

    class Host:
        def announce(self, job: FrameJob) -> None:
            announced.append(job.stream_id)

    with near, far:
        for message in (job("a"), Announce(job("b")), Forget("x"), Announce(job("c")), Forget("y"), None):
            near.send(message)
        inbox = _Inbox(far)
        assert inbox.next().stream_id == "a"
        inbox.read_announcements(Host())
        assert announced == ["b", "c"]
        assert [inbox.next() for _ in range(3)] == [Forget("x"), Forget("y"), None]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.da3
def test_frames_of_two_cameras_get_the_splats_that_they_get_alone(tiny_folder: Path, one_thread: None) -> None:
    settings = Settings(
        model=str(tiny_folder), device="cpu", process_res=56, threads=1, steady="off", share_within_ms=60_000
    )
    alone, together = (EngineHost(settings, lambda status: None) for _ in range(2))
    passes: list[int] = []
    for host in (alone, together):
        host.load()
    network = together._estimator
    many = network.estimate_many
    network.estimate_many = lambda images, **wants: passes.append(len(images)) or many(images, **wants)
    jobs = [job(name, frame, jpeg(seed=frame)) for frame in range(2) for name in ("left", "right", "third")]
    expected = [host_result(alone, one) for one in jobs]
    found = []
    for of_moment in (jobs[:3], jobs[3:]):
        for one in of_moment:
            together.announce(one)
        found += [host_result(together, one) for one in of_moment]
    assert passes == [1, 2, 3], "the first one tells how long a frame takes"
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["num_splats"] == theirs["num_splats"] > 0
        assert ours["intrinsics"] == pytest.approx(theirs["intrinsics"], rel=1e-5)
        assert ours["bounds"].maximum == pytest.approx(theirs["bounds"].maximum, rel=1e-4)


def host_result(host: EngineHost, one: FrameJob) -> dict[str, Any]:
    return host.process(one).fields[SPLATS]
