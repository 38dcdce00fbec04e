"""Which sizes of frames are recorded, when, and what becomes of those that cannot be. No network, no CUDA."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch

from splatcam.estimators.fast.one_view import Raw
from splatcam.estimators.fast.recent import Recent
from splatcam.estimators.fast.replay import MOST_SIZES, Forward, Recording, Replays, record_compiled, record_for

CPU = torch.device("cpu")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def forward(images: torch.Tensor, wants_gaussians: bool) -> Raw:
    """Depth is twice the red of a pixel."""
    red = images[..., 0].float()
    return Raw(red * 2, red + 1, torch.eye(3, device=images.device).expand(len(images), 3, 3))


def frames(side: int, shade: int = 1, count: int = 1, device: str = "cpu") -> torch.Tensor:
    return torch.full((count, side, side, 3), shade, dtype=torch.uint8, device=device)


class Recorder:
    """Counts what is recorded; a recording gives what `answer` gives."""

    def __init__(self, answer: Callable[[torch.Tensor], Raw] = lambda images: forward(images, False)) -> None:
        self.recorded: list[int] = []
        self.replayed: list[int] = []
        self._answer = answer

    def __call__(self, forward: Forward, images: torch.Tensor, wants_gaussians: bool) -> Recording:
        self.recorded.append(images.shape[1])

        def replay(images: torch.Tensor) -> Raw:
            self.replayed.append(images.shape[1])
            return self._answer(images)

        return replay


def test_a_size_is_recorded_once_it_has_been_in_use_for_a_while() -> None:
    recorder = Recorder()
    replays = Replays(forward, recorder, after=3)
    depths = [float(replays(frames(2, shade), False).depth.mean()) for shade in range(6)]
    assert depths == [0, 2, 4, 6, 8, 10]
    assert recorder.recorded == [2]
    assert len(recorder.replayed) == 1 + 3, "one replay compares it, then it answers"


def test_an_odd_size_now_and_then_is_never_recorded() -> None:
    recorder = Recorder()
    replays = Replays(forward, recorder, after=3)
    for side in range(2, 40):
        replays(frames(side), False)
        replays(frames(1), False)
    assert recorder.recorded == [1]


def test_sizes_differ_by_batch_and_by_what_is_wanted_too() -> None:
    recorder = Recorder()
    replays = Replays(forward, recorder, after=1)
    for _ in range(3):
        replays(frames(2), False)
        replays(frames(2), True)
        replays(frames(2, count=2), False)
    assert len(recorder.recorded) == 3


@pytest.mark.parametrize("device", DEVICES)
def test_what_was_recorded_can_be_forgotten_and_is_recorded_again(device: str) -> None:
    record = Recorder() if device == "cpu" else record_for("graph", torch.device(device))[0]
    replays = Replays(forward, record, after=1)
    images = frames(2, 3, device=device)
    for _ in range(2):
        assert not replays.is_recorded(images, False)
        assert [float(replays(images, False).depth.mean()) for _ in range(3)] == [6, 6, 6]
        assert replays.is_recorded(images, False)
        replays.forget()


def test_the_size_unused_for_longest_makes_room() -> None:
    recorder = Recorder()
    replays = Replays(forward, recorder, after=0)
    for side in range(MOST_SIZES + 1):
        replays(frames(side + 1), False)
    replays(frames(1), False)
    assert recorder.recorded == [*range(1, MOST_SIZES + 2), 1]


def test_what_is_recorded_at_the_start_answers_the_first_frame() -> None:
    recorder = Recorder()
    replays = Replays(forward, recorder, after=100)
    replays.record_now(frames(2), False)
    replays(frames(2, 7), False)
    assert (recorder.recorded, recorder.replayed) == ([2], [2, 2])


@pytest.mark.parametrize("fault", [RuntimeError("operation not permitted when stream is capturing\nat"), None])
def test_what_cannot_be_recorded_or_answers_otherwise_is_run_as_before(
    fault: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []

    def record(forward: Forward, images: torch.Tensor, wants_gaussians: bool) -> Recording:
        attempts.append(images.shape[1])
        if fault is not None:
            raise fault
        return lambda images: forward(images + 1, False)

    replays = Replays(forward, record, after=0)
    with caplog.at_level(logging.WARNING):
        depths = [float(replays(frames(2, shade), False).depth.mean()) for shade in (1, 2, 3)]
    assert depths == [2, 4, 6] and attempts == [2]
    assert len(caplog.records) == 1 and "are not recorded" in caplog.text


def test_the_maps_that_a_recording_reads_are_kept_with_it() -> None:
    maps: Recent[torch.Tensor] = Recent(1)

    def forward_with_map(images: torch.Tensor, wants_gaussians: bool) -> Raw:
        return forward(images + maps.get(images.shape, lambda: torch.ones(1, dtype=torch.uint8)), False)

    def record(forward: Forward, images: torch.Tensor, wants_gaussians: bool) -> Recording:
        (address,) = {id(value) for value in maps._values.values()}
        recorded.append(address)
        return lambda images: forward(images, wants_gaussians)

    recorded: list[int] = []
    replays = Replays(forward_with_map, record, after=0)
    replays(frames(2), False)
    replays(frames(4), False)
    held = [use.held for use in replays._sizes._values.values()]
    assert [id(values[0]) for values in held] == recorded


def test_without_cuda_nothing_is_recorded_by_itself() -> None:
    for mode in ("eager", "graph"):
        record, _ = record_for(mode, CPU)
        assert record is None
    assert record_for("compiled", CPU)[0] is record_compiled


def test_a_compiled_pass_gives_the_same() -> None:
    recording = record_compiled(forward, frames(4, 3), False, backend="eager")
    torch.compiler.reset()
    assert torch.equal(recording(frames(4, 5)).depth, forward(frames(4, 5), False).depth)


@pytest.mark.parametrize("device", DEVICES)
def test_every_answer_belongs_to_whoever_asked(device: str) -> None:
    record, _ = record_for("graph", torch.device(device))
    replays = Replays(forward, record, after=0)
    answers = [replays(frames(8, shade, device=device), False) for shade in (1, 2, 3)]
    assert [float(answer.depth.mean()) for answer in answers] == [2, 4, 6]
