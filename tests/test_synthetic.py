"""The estimator that shows the ray-traced scene. What every estimator keeps is tested by the contract suite."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from splatcam.estimators.synthetic import FRAMES_PER_S, SyntheticEstimator
from splatcam.scenes import render
from splatcam.settings import Settings

FRAME = torch.zeros(70, 98, 3, dtype=torch.uint8)


def test_picture_and_depth_are_the_scenes_own_frame_after_frame() -> None:
    estimator, state = SyntheticEstimator(Settings()), None
    for number in range(3):
        prediction, state = estimator.estimate(FRAME, wants_gaussians=False, state=state)
        rgb, depth, intrinsics = render(number / FRAMES_PER_S, 98, 70)
        assert np.array_equal(prediction.image.numpy(), rgb)
        assert np.array_equal(prediction.depth.numpy(), depth)
        assert np.array_equal(prediction.intrinsics.numpy(), intrinsics)
        assert prediction.gaussians is None
        assert state == number + 1


def test_the_latency_asked_for_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    SyntheticEstimator(Settings(latency_ms=250)).estimate(FRAME, wants_gaussians=False)
    assert waited == [0.25]


def test_it_says_that_it_has_no_gaussian_head_and_a_free_licence() -> None:
    info = SyntheticEstimator(Settings()).info
    assert (info.name, info.licence) == ("synthetic", "Apache-2.0")
    assert not info.supports_gaussians and not info.non_commercial
