"""Pictures of Gaussians that may be exchanged while they are looked at, and where to look from.

A model is a `Gaussians`, or any object with the tensors `means` [N, 3], `scales` [N, 3] (standard deviations),
`rotations` or `quats` [N, 4] (wxyz, any length), `opacities` [N] or [N, 1] (0..1), and `sh` [N, K, 3] or `colors`
[N, 3] (0..1): linear units, no logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsply_helpers import dc_from_rgb
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering import BLACK, Color, Image, Rasterizer
from splatcam.rendering.camera import Camera, Vector
from splatcam.rendering.rasterizers import build_rasterizer

# Our axes (y down, z forward): the page begins where the camera stood that took the picture, looking along z.
HOME: Mapping[str, Any] = {"theta": math.pi, "phi": 0.0, "up": -1}
_RADII = 2.5  # of the scene
_MOST = 90  # percent of the means lie in its radius
_LEAST_RADIUS = 1e-3
_EMPTY_RADIUS = 4.0


class GaussianPictures:
    """Draws whatever `gaussians` is when a picture begins: a value that nobody changes, only exchanges."""

    def __init__(self, gaussians: Gaussians, background: Color = BLACK, rasterizer: Rasterizer | None = None) -> None:
        self.gaussians = gaussians
        self._background = background
        self._rasterizer = rasterizer or build_rasterizer()

    def __call__(self, camera: Camera) -> Image:
        return self._rasterizer.render(self.gaussians, camera, self._background)


def framing_of(gaussians: Gaussians) -> tuple[float, Vector]:
    """Radius and target of an orbit that has the scene in view: about the mean of the means."""
    if gaussians.count == 0:
        return _EMPTY_RADIUS, (0.0, 0.0, 0.0)
    means = gaussians.means.detach().cpu().numpy().astype(np.float64)
    target = means.mean(axis=0)
    distance = float(np.percentile(np.linalg.norm(means - target, axis=1), _MOST))
    x, y, z = map(float, target)
    return max(_RADII * distance, _LEAST_RADIUS), (x, y, z)


def facts_of(gaussians: Gaussians) -> dict[str, int]:
    return {"gaussians": gaussians.count, "sh_degree": math.isqrt(gaussians.sh.shape[1]) - 1}


def gaussians_of(model: Any) -> Gaussians:
    """A copy that no training step changes. Raises InvalidGaussians."""
    if isinstance(model, Gaussians):
        copies: dict[str, Any] = {name: _copied(getattr(model, name)) for name in TENSORS}
        return replace(model, **copies).validate()
    quaternions = _copied(model.rotations if hasattr(model, "rotations") else model.quats)
    return Gaussians(
        means=_copied(model.means),
        scales=_copied(model.scales),
        rotations=torch.nn.functional.normalize(quaternions, dim=-1),
        opacities=_copied(model.opacities).reshape(-1),
        sh=_copied(model.sh) if hasattr(model, "sh") else _sh_of(model.colors),
    ).validate()


def _copied(tensor: Tensor) -> Tensor:
    return torch.as_tensor(tensor).detach().to(torch.float32, copy=True)


def _sh_of(colors: Tensor) -> Tensor:
    """[N, 3] in 0..1 → [N, 1, 3]."""
    return dc_from_rgb(_copied(colors))[:, None]
