"""A stand-in for what a network predicts: the synthetic scene's splats with noise on every value. No network's output.

How even the planes of a real network are decides what they cost, and no weights can be had where benchmarks must run.
So there are two: `smooth`, whose values change slowly from pixel to pixel, and `noisy`, six times as rough. Real ones
should lie between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from splatcam import scenes
from splatcam.estimators import Holds, Prediction
from splatcam.gaussians import Gaussians
from splatcam.pixel_splats import pixel_splats
from splatcam.wire import ModelInfo

Roughness = Literal["smooth", "noisy"]
CELL_PX = 24  # of the noise that changes slowly


@dataclass(frozen=True)
class _Noise:
    """Standard deviations of one value: what changes slowly, and what each pixel has of its own where it is smooth."""

    slow: float
    own: float


LN_SCALE = _Noise(0.3, 0.02)
TURN_RAD = _Noise(0.3, 0.02)  # about each axis
OPACITY = _Noise(0.08, 0.01)
OFFSET_PX = _Noise(0.3, 0.02)
LN_DEPTH = _Noise(0.0, 0.0005)
TIMES_ROUGHER = {"smooth": 1, "noisy": 6}


@dataclass
class PredictedEstimator:
    """Gives one prediction, whatever it is shown."""

    prediction: Prediction
    holds: Holds = "all"
    info: ModelInfo = ModelInfo(
        name="predicted",
        title="stand-in for a network",
        supports_gaussians=True,
        licence="Apache-2.0",
        non_commercial=False,
        demonstration=True,
    )

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        return self.prediction, state


def predict(t_s: float, width: int, height: int, roughness: Roughness, seed: int = 0) -> Prediction:
    """The synthetic scene at a time, with Gaussians that differ from its surface. The same seed, the same noise."""
    rgb, depth, intrinsics = (torch.from_numpy(array) for array in scenes.render(t_s, width, height))
    surface = Prediction(depth, intrinsics, rgb)
    return replace(surface, gaussians=_disturbed(pixel_splats(surface), surface, roughness, seed))


def _disturbed(splats: Gaussians, surface: Prediction, roughness: Roughness, seed: int) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)
    height, width = surface.depth.shape

    def noise(kind: _Noise, channels: int) -> Tensor:
        """[N, channels]."""
        cells = torch.randn((1, channels, height // CELL_PX + 2, width // CELL_PX + 2), generator=generator)
        slow = torch.nn.functional.interpolate(cells, (height, width), mode="bicubic", align_corners=True)
        own = torch.randn((1, channels, height, width), generator=generator) * TIMES_ROUGHER[roughness]
        return (slow * kind.slow + own * kind.own).reshape(channels, -1).T

    return replace(
        splats,
        means=_moved(splats.means, noise(OFFSET_PX, 2), noise(LN_DEPTH, 1), surface.intrinsics),
        scales=splats.scales * noise(LN_SCALE, 3).exp(),
        rotations=_turned(splats.rotations, noise(TURN_RAD, 3)),
        opacities=(splats.opacities - 0.1 + noise(OPACITY, 1)[:, 0]).clamp(0, 1),
    )


def _moved(means: Tensor, offset_px: Tensor, ln_depth: Tensor, intrinsics: Tensor) -> Tensor:
    depth = means[:, 2:] * ln_depth.exp()
    rays = means[:, :2] / means[:, 2:] + offset_px / intrinsics.diagonal()[:2]
    return torch.cat((rays * depth, depth), dim=1)


def _turned(rotations: Tensor, turn_rad: Tensor) -> Tensor:
    """The quaternions, each after a small turn about a vector."""
    half = torch.cat((torch.ones_like(turn_rad[:, :1]), turn_rad / 2), dim=1)
    half = half / half.norm(dim=1, keepdim=True)
    (a, b, c, d), (w, x, y, z) = half.T, rotations.T
    turned = (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )
    return torch.stack(turned, dim=1)
