"""A believable depth without a download: a small network of our own, whose weights lie in this package.

It serves when no model can be had. What it knows it has learned from scenes that code has made (docs/builtin.md), so
it is a demonstration and named as such. Owns the way from a frame to the network and back: the size that it looks at,
the edges of the picture as the edges of the depth, and the limits of what is told. Remembers nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from splatcam.estimators import Holds, Prediction
from splatcam.estimators.depth_net import CELL_PX, load
from splatcam.estimators.models import MODELS
from splatcam.estimators.upsampling import upsampled

if TYPE_CHECKING:
    from splatcam.estimators.depth_net import DepthNet
    from splatcam.settings import Settings

FIELD_OF_VIEW_RAD = math.pi / 3  # horizontal
NEAREST_M, FARTHEST_M = 0.25, 12.0

LONG_SIDE_PX = 192  # of the picture that the network looks at, about


class BuiltinEstimator:
    """A learned pseudo-depth in a few milliseconds on one core."""

    info = MODELS["builtin"].info("cpu")
    holds: Holds = "nothing"

    def __init__(self, settings: Settings) -> None:
        self._net = load()

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """See `Estimator`. There is no state."""
        depth = infer_depth(self._net, image)
        height, width = depth.shape
        return Prediction(depth=depth, intrinsics=intrinsics(height, width), image=image), None


@torch.inference_mode()
def infer_depth(net: DepthNet, image: Tensor, long_side_px: int = LONG_SIDE_PX) -> Tensor:
    """image [H, W, 3] uint8 → depth [H, W] f32 in metres, NEAREST_M to FARTHEST_M."""
    height, width, _ = image.shape
    planes, size = image.permute(2, 0, 1)[None], looked_at(height, width, long_side_px)
    small = F.interpolate(planes, size, mode="bilinear", antialias=True).float().div_(255)
    ln_disparity = net(small.contiguous(memory_format=torch.channels_last))
    whole = planes[0].to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    fine = upsampled(ln_disparity[0], small[0], whole)
    return fine.neg_().exp_().clamp_(NEAREST_M, FARTHEST_M).clone()  # one plane of six: the others are let go


def looked_at(height: int, width: int, long_side_px: int = LONG_SIDE_PX) -> tuple[int, int]:
    """The network's height and width for a frame: its aspect nearly, in whole cells."""
    scale = long_side_px / max(height, width)
    rows, columns = (max(1, round(side * scale / CELL_PX)) * CELL_PX for side in (height, width))
    return rows, columns


def intrinsics(height: int, width: int) -> Tensor:
    """Of the camera that is supposed."""
    focal_px = width / (2 * math.tan(FIELD_OF_VIEW_RAD / 2))
    return torch.tensor([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
