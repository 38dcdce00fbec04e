"""One contract, kept by every estimator: the exact one, the built-in one and a real (tiny) Depth Anything 3."""

from __future__ import annotations

import pytest
import torch

from splatcam.estimators import Estimator, registry
from splatcam.settings import Settings
from splatcam.wire import ModelInfo
from tests.estimator_contract import (
    GRIDS,
    assert_same,
    check_gaussians,
    check_prediction,
    make_frames,
    run_stream,
)
from tests.tiny_da3 import da3_registered, tiny_folder

__all__ = ["da3_registered", "tiny_folder"]  # fixtures

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["synthetic", "builtin", pytest.param("tiny DA3", marks=pytest.mark.da3)]


@pytest.fixture(params=NAMES, scope="module")
def estimator(request: pytest.FixtureRequest) -> Estimator:
    name = request.param
    if name == "tiny DA3":
        name = str(request.getfixturevalue("tiny_folder"))
    return registry.build(name, Settings(device="cpu"), lambda sentence, fraction: None)


def test_an_estimator_says_what_it_is(estimator: Estimator) -> None:
    assert isinstance(estimator.info, ModelInfo)
    assert estimator.info.name and estimator.info.title and estimator.info.licence
    assert estimator.info.device == "cpu"


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_depth_camera_and_image_lie_on_the_grid(estimator: Estimator, height: int, width: int) -> None:
    for prediction in run_stream(estimator, make_frames(height, width)):
        check_prediction(prediction, height, width)


def test_gaussians_come_only_when_they_are_wanted(estimator: Estimator) -> None:
    height, width = GRIDS[3]
    frames = make_frames(height, width, count=2)
    assert all(prediction.gaussians is None for prediction in run_stream(estimator, frames))
    if estimator.info.supports_gaussians:
        for prediction in run_stream(estimator, frames, wants_gaussians=True):
            check_gaussians(prediction, height, width)


def test_wanting_gaussians_changes_nothing_else(estimator: Estimator) -> None:
    if not estimator.info.supports_gaussians:
        return
    frames = make_frames(56, 84, count=1)
    (without,), (along,) = run_stream(estimator, frames), run_stream(estimator, frames, wants_gaussians=True)
    assert torch.equal(without.depth, along.depth) and torch.equal(without.intrinsics, along.intrinsics)


def test_the_same_frames_give_the_same_predictions(estimator: Estimator) -> None:
    frames = make_frames(56, 84)
    wants = estimator.info.supports_gaussians
    for first, second in zip(run_stream(estimator, frames, wants), run_stream(estimator, frames, wants), strict=True):
        assert_same(first, second)


def test_two_cameras_do_not_disturb_each_other(estimator: Estimator) -> None:
    """What is remembered travels with the stream and not in the estimator."""
    ours, theirs = make_frames(56, 84), make_frames(70, 56)[::-1]
    alone = run_stream(estimator, ours)
    our_state = their_state = None
    for frame, other, expected in zip(ours, theirs, alone, strict=True):
        prediction, our_state = estimator.estimate(frame, wants_gaussians=False, state=our_state)
        assert_same(prediction, expected)
        _, their_state = estimator.estimate(other, wants_gaussians=False, state=their_state)


def test_a_frame_of_another_size_in_the_middle_of_a_stream_is_fine(estimator: Estimator) -> None:
    state = None
    for height, width in (GRIDS[0], GRIDS[4], GRIDS[0]):
        (frame,) = make_frames(height, width, count=1)
        prediction, state = estimator.estimate(frame, wants_gaussians=False, state=state)
        check_prediction(prediction, height, width)


def test_the_frame_itself_is_left_alone(estimator: Estimator) -> None:
    (frame,) = make_frames(56, 56, count=1)
    before = frame.clone()
    estimator.estimate(frame, wants_gaussians=False)
    assert torch.equal(frame, before)
