"""Exact depth of a small ray-traced scene: the estimator that needs no weights and makes no mistakes.

It answers with the scene, not with the camera: `image` and `depth` of the prediction are both the scene's own, so that
colour and depth agree to the pixel; of the camera's picture only the size counts. `--latency-ms` imitates a slow model.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from splatcam.estimators import Holds, Prediction
from splatcam.estimators.models import MODELS
from splatcam.scenes import Render, render

if TYPE_CHECKING:
    from torch import Tensor

    from splatcam.settings import Settings

FRAMES_PER_S = 30  # of the scene's own time


class SyntheticEstimator:
    """The scene of `scenes.py` or another one, one thirtieth of a second further with every frame."""

    info = MODELS["synthetic"].info("cpu")
    holds: Holds = "all"

    def __init__(self, settings: Settings, scene: Render = render) -> None:
        self._latency_s = settings.latency_ms / 1000
        self._scene = scene

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """The scene at frame `state` (int; None is 0) on the grid of `image` [H, W, 3], and the number after it."""
        frame = state or 0
        height, width, _ = image.shape
        rgb, depth, intrinsics = (torch.from_numpy(array) for array in self._scene(frame / FRAMES_PER_S, width, height))
        time.sleep(self._latency_s)
        return Prediction(depth=depth, intrinsics=intrinsics, image=rgb, image_of="scene"), frame + 1
