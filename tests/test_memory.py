"""The way down when memory is short: smaller, then refused, then another process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from splatcam.engine import memory
from splatcam.engine.host import EngineHost
from splatcam.engine.inline import InlineEngine
from splatcam.engine.memory import GROW_AFTER, GridSteps, is_out_of_memory, is_sticky, next_smaller
from splatcam.estimators import Prediction
from splatcam.estimators.synthetic import SyntheticEstimator
from splatcam.frame_job import FrameJob, FrameRefused
from splatcam.settings import Settings
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.pictures import jpeg

VARIANT = Variant(Format.SPLATS16, "pixel")
SETTINGS = Settings(model="synthetic", process_res=140, threads=1)
ANY_SIZE = 10**6


class Ballast:
    """What a frame has on the device while it is estimated. In a cycle, as graphs of tensors are."""

    def __init__(self) -> None:
        self.itself = self


class SmallDevice(SyntheticEstimator):
    """Has room for grids up to `room_px`. Says of each attempt how large it was and how much of the last is left."""

    def __init__(self, room_px: int, error: Callable[[], Exception]) -> None:
        super().__init__(SETTINGS)
        self.room_px = room_px
        self.attempts_px: list[int] = []
        self.left_over: list[int] = []
        self.released = 0
        self._error = error
        self._held: list[weakref.ref[Ballast]] = []

    def estimate(self, image: torch.Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        self.attempts_px.append(max(image.shape))
        self.left_over.append(sum(held() is not None for held in self._held))
        ballast = Ballast()
        self._held.append(weakref.ref(ballast))
        if max(image.shape) > self.room_px:
            raise self._error()
        return super().estimate(image, wants_gaussians=wants_gaussians, state=state)

    def release_memory(self) -> None:
        self.released += 1


def no_memory() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> SmallDevice:
    small = SmallDevice(ANY_SIZE, no_memory)
    monkeypatch.setattr("splatcam.estimators.registry.build", lambda *arguments: small)
    return small


@pytest.fixture
def host(device: SmallDevice) -> Iterator[EngineHost]:
    host = EngineHost(SETTINGS, lambda status: None)
    host.load()
    yield host


def job(frame_id: int = 0, stream_id: str = "camera") -> FrameJob:
    return FrameJob(stream_id, frame_id, 0.0, jpeg(), (VARIANT,))


def grid_of(host: EngineHost, stream_id: str = "camera") -> int:
    return max(host.process(job(stream_id=stream_id)).fields[VARIANT]["grid"])


def refused(host: EngineHost, stream_id: str = "camera") -> str:
    with pytest.raises(FrameRefused) as refusal:
        host.process(job(stream_id=stream_id))
    return refusal.value.code


def test_a_frame_without_room_is_estimated_smaller_and_its_stream_stays_so(
    host: EngineHost, device: SmallDevice
) -> None:
    device.room_px = 110
    assert grid_of(host) == 98
    assert grid_of(host) == 98
    assert device.attempts_px == [140, 98, 98], "the size that failed is not tried again at once"
    device.room_px = 80
    assert grid_of(host) == 70
    assert device.attempts_px == [140, 98, 98, 98, 70]


def test_before_the_second_attempt_nothing_of_the_first_is_left(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 110
    gc.disable()  # what a cycle holds has to go as well
    try:
        host.process(job())
    finally:
        gc.enable()
    assert device.left_over == [0, 0]


def test_the_model_gives_back_what_it_can_do_without_before_the_second_attempt(
    host: EngineHost, device: SmallDevice
) -> None:
    host.process(job())
    assert device.released == 0
    device.room_px = 110
    host.process(job())
    assert device.released == 1


def test_other_streams_keep_their_size(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 110
    assert grid_of(host, "first") == 98
    device.room_px = ANY_SIZE
    assert grid_of(host, "second") == 140
    assert grid_of(host, "first") == 98
    host.forget("first")
    assert grid_of(host, "first") == 140


def test_a_stream_grows_back_after_many_good_frames() -> None:
    steps = GridSteps(504)
    steps.stepped_down("camera")
    steps.stepped_down("camera")
    sizes = []
    for _ in range(2 * GROW_AFTER):
        sizes.append(steps.size_px("camera"))
        steps.succeeded("camera")
    assert sizes == [280] * GROW_AFTER + [378] * GROW_AFTER
    assert steps.size_px("camera") == 504 and not steps._streams


def test_refusals_at_the_smallest_size_make_the_way_back_no_longer() -> None:
    steps = GridSteps(70)
    for _ in range(10):
        steps.refused("camera")
    assert steps.size_px("camera") == 56
    for _ in range(GROW_AFTER):
        steps.succeeded("camera")
    assert steps.size_px("camera") == 70


def test_what_is_remembered_of_streams_is_bounded() -> None:
    steps = GridSteps(504)
    for n in range(1000):
        steps.stepped_down(f"stream {n}")
    assert len(steps._streams) == memory.MAX_STREAMS
    assert steps.size_px("stream 999") == 378


def test_every_step_is_a_smaller_grid_down_to_the_smallest() -> None:
    sizes = [2016]
    while (smaller := next_smaller(sizes[-1])) < sizes[-1]:
        sizes.append(smaller)
    assert all(size % 14 == 0 for size in sizes) and sizes[-1] == 56


def test_a_frame_that_fits_nowhere_is_refused_and_the_next_one_processed(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 0
    assert refused(host) == "out_of_memory"
    device.room_px = ANY_SIZE
    assert grid_of(host) == 98
    assert host.must_end is None


def test_a_size_that_is_further_down_is_found_within_a_few_frames(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 70
    assert refused(host) == "out_of_memory"
    assert [grid_of(host), grid_of(host)] == [70, 70]
    assert device.attempts_px == [140, 98, 98, 70, 70]
    assert host.must_end is None


def test_the_third_refusal_in_a_row_of_one_stream_ends_the_process(host: EngineHost, device: SmallDevice) -> None:
    for _ in range(2):
        device.room_px = 0
        refused(host)
        refused(host)
        device.room_px = ANY_SIZE
        grid_of(host)
    device.room_px = 0
    refused(host)
    refused(host)
    refused(host, "another")
    assert host.must_end is None
    refused(host)
    assert host.must_end == "memory"


async def test_the_engine_without_a_process_of_its_own_takes_the_same_way(device: SmallDevice) -> None:
    device.room_px = 110
    engine = InlineEngine(SETTINGS)
    await engine.start(lambda status: None)
    try:
        assert max((await engine.process(job())).fields[VARIANT]["grid"]) == 98
        device.room_px = 0
        with pytest.raises(FrameRefused, match="no memory"):
            await engine.process(job())
    finally:
        await engine.close()


def test_a_fault_of_the_device_ends_the_process_and_is_not_retried(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 0
    device._error = lambda: torch.AcceleratorError("CUDA error: device-side assert triggered")
    with pytest.raises(torch.AcceleratorError):
        host.process(job())
    assert host.must_end == "device" and device.attempts_px == [140]


def test_a_fault_of_the_device_that_a_picture_meets_ends_the_process_too(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(host._pictures, "draw", broken)
    with pytest.raises(RuntimeError):
        host.draw(None)
    assert host.must_end == "device"


def test_a_bug_is_neither(host: EngineHost, device: SmallDevice) -> None:
    device.room_px = 0
    device._error = lambda: RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")
    with pytest.raises(RuntimeError):
        host.process(job())
    assert host.must_end is None and device.attempts_px == [140]


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "memory"),
        (MemoryError(), "memory"),
        (torch.AcceleratorError("CUDA error: out of memory"), "memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory"),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), "sticky"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "sticky"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "sticky"),
        (RuntimeError("shape mismatch"), "neither"),
        (ValueError("CUDA error: as a client may say"), "neither"),
        (FrameRefused("bad_jpeg", "out of memory"), "neither"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_what_passes_is_told_from_what_stays(error: Exception, what: str) -> None:
    assert (is_out_of_memory(error), is_sticky(error)) == (what == "memory", what == "sticky")
