"""What a network that sees each frame alone adds to a stream: new in each, scale, shift, field of view and trembling.

No network could be asked here and nobody publishes such figures, so these are assumptions, larger than one would wish
for. The same seed and frame, the same noise. Knows nothing of what is done about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from splatcam.estimators import Prediction

CELLS = (8, 10)  # of the trembling that is alike over parts of the picture: rows, columns


@dataclass(frozen=True)
class Unsteadiness:
    """Standard deviations."""

    scale: float = 0.03  # relative, of the whole frame
    shift: float = 0.02  # added to all depths, in median depths
    fov: float = 0.03  # relative, of the focal length
    slow: float = 0.01  # relative, alike over a part of the picture
    own: float = 0.003  # relative, of each pixel


NETWORK = Unsteadiness()


def disturbed(prediction: Prediction, frame: int, kind: Unsteadiness = NETWORK, seed: int = 0) -> Prediction:
    """A prediction as such a network would have made it. Its Gaussians stay as they are."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + frame)
    scale, shift, fov = torch.randn(3, generator=generator).tolist()
    depth = prediction.depth
    moved = depth * math.exp(kind.scale * scale) + kind.shift * shift * depth.median()
    intrinsics = prediction.intrinsics.clone()
    intrinsics.diagonal()[:2] *= math.exp(kind.fov * fov)
    trembling = _trembling(depth.shape, kind, generator).exp()
    return replace(prediction, depth=moved.clamp(min=0.1 * float(depth.min())) * trembling, intrinsics=intrinsics)


def _trembling(shape: torch.Size, kind: Unsteadiness, generator: torch.Generator) -> Tensor:
    """ln of a factor for each pixel of [H, W]."""
    cells = torch.randn((1, 1, *CELLS), generator=generator)
    slow = torch.nn.functional.interpolate(cells, shape, mode="bicubic")[0, 0]
    return slow * kind.slow + torch.randn(shape, generator=generator) * kind.own
