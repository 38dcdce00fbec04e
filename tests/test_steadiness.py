"""The gauges of steadiness on depths whose numbers are known, and the page and the pictures that they fill."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from splatcam.bench import steadiness, steady_pictures
from splatcam.bench.clip import Clip
from splatcam.bench.steady_streams import (
    CUT_AT,
    FrameFigures,
    at_rest,
    filmed,
    ghosts_in,
    lag_of,
    recovery_frames,
    summarised,
    swaying,
    with_cut,
)
from splatcam.bench.unsteady import NETWORK, Unsteadiness, disturbed
from splatcam.rendering.rasterizers import build_rasterizer
from tests.pictures import jpeg

SIZE = 70, 56


def passing(frames: int) -> list[torch.Tensor]:
    """A thing ten pixels wide at 1 m before a wall at 2 m, four pixels further in each frame."""
    truths = [torch.full((4, 60), 2.0) for _ in range(frames)]
    for number, truth in enumerate(truths):
        truth[:, 4 * number : 4 * number + 10] = 1.0
    return truths


def frame(error: float) -> FrameFigures:
    return FrameFigures((0.04, 0.01), (0.03, error), 0, 0.0, False, 1.0)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_depth_that_is_late_is_told_by_as_many_frames(lag: int) -> None:
    truths = passing(5)
    assert lag_of(truths, truths[-1 - lag] * 1.02) == lag


def test_where_nothing_moves_nothing_lags_and_nothing_is_uncovered() -> None:
    still = passing(1) * 4
    assert lag_of(still, still[0]) is None and ghosts_in(still, still[0]) is None


def test_ghosts_are_what_still_shows_the_cover() -> None:
    truths = passing(2)
    assert ghosts_in(truths, truths[-1]) == 0
    assert ghosts_in(truths, truths[0]) == pytest.approx(4 / 60)


def test_recovery_counts_the_frames_that_are_off_by_more_than_usual() -> None:
    assert recovery_frames([frame(0.01)] * 8, 4) == 0
    assert recovery_frames([*[frame(0.01)] * 4, frame(0.5), frame(0.2), frame(0.01)], 4) == 2
    assert recovery_frames([*[frame(0.01)] * 4, frame(0.5), frame(0.2)], 4) == 2


def test_a_summary_leaves_the_first_second_out_and_keeps_the_worst() -> None:
    late = FrameFigures((0.04, 0.01), (0.03, 0.02), 2, 0.5, True, 3.0)
    nothing = FrameFigures(None, None, None, None, False, 1.0)
    figures = summarised([frame(9.0)] * 30 + [frame(0.01), late, nothing])
    assert figures.error == pytest.approx((0.03, 0.015)) and figures.change_ratio == pytest.approx(0.25)
    assert (figures.lag_frames, figures.ghosts, figures.cuts, figures.cpu_ms) == (2, 0.5, [31], (1.0, 3.0))


def test_noise_is_the_same_for_the_same_frame_and_another_for_the_next() -> None:
    exact = next(at_rest(1, SIZE)).estimated
    one, again, other = (disturbed(exact, number) for number in (4, 4, 5))
    assert torch.equal(one.depth, again.depth) and torch.equal(one.intrinsics, again.intrinsics)
    assert not torch.equal(one.depth, other.depth) and not torch.equal(one.intrinsics, other.intrinsics)


def test_noise_is_as_large_as_it_is_said_to_be() -> None:
    exact = next(at_rest(1, SIZE)).estimated
    scale_only = Unsteadiness(shift=0, fov=0, slow=0, own=0)
    factors = [float((disturbed(exact, n, scale_only).depth / exact.depth).log().mean()) for n in range(400)]
    assert torch.tensor(factors).std() == pytest.approx(NETWORK.scale, rel=0.15)
    focals = [float((disturbed(exact, n).intrinsics / exact.intrinsics)[0, 0].log()) for n in range(400)]
    assert torch.tensor(focals).std() == pytest.approx(NETWORK.fov, rel=0.15)


def test_streams_have_truth_and_know_what_rests() -> None:
    still, moving = list(at_rest(3, SIZE)), list(swaying(3, SIZE))
    assert still[0].truth is not None and moving[2].truth is not None
    assert 0.5 < float(still[2].rests.float().mean()) < 1
    assert not torch.equal(moving[0].truth[0], moving[2].truth[0]), "the wall comes no nearer"
    before, after = list(with_cut(CUT_AT + 1, SIZE))[-2:]
    assert after.truth.mean() < 0.6 * before.truth.mean()


def test_a_filmed_stream_rests_where_its_picture_does() -> None:
    shots = list(filmed([jpeg(70, 56)] * 3 + [jpeg(70, 56, seed=9)], 70, "network"))
    assert shots[0].truth is None and bool(shots[2].rests.all()) and not bool(shots[3].rests.all())


def test_the_table_has_a_row_for_every_stream() -> None:
    clip = Clip("clip", tuple(jpeg(70, 56) for _ in range(33)), 30.0, 70, 56)
    lines = steadiness.table([clip], SIZE, 34).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:9]] == [
        "| scene, camera at rest, network",
        "| scene, camera in a hand, network",
        f"| scene with a cut at {CUT_AT}, network",
        *(f"| generated scene {seed}, camera in a hand, network" for seed in steadiness.GENERATED),
        "| clip",
        "| clip, network",
    ]
    assert len({line.count("|") for line in lines[:9]}) == 1
    assert "Bar: 3" in lines[-1]
    assert "camera" in steadiness.opening() and "{" not in steadiness.opening()


def test_a_clip_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert steadiness.main([str(tmp_path / "none.mp4")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_strip_shows_three_frames_and_what_changes_of_both() -> None:
    picture = steady_pictures.strip(at_rest(steady_pictures.LAST + 1, SIZE), build_rasterizer("auto"))
    assert picture.shape == (2 * 56, 4 * 70, 3)
    above, below = picture[:56, 210:], picture[56:, 210:]
    assert above[:14].mean() > 2 * below[:14].mean(), "the wall shakes as much when it is held"
