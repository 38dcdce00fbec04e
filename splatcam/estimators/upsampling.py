"""A coarse ln disparity and a fine picture → a fine ln disparity whose steps are where the picture's are.

Around each coarse pixel there are a nearer and a farther layer, each with a colour of its own; where the two lie apart,
each fine pixel belongs to the one whose colour it has. Nothing hangs between a thing and what is behind it. Knows no
network and no frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

REACH_PX = 2  # coarse: as far as steps of the coarse depth may be off
BEND = (0.04, 0.1)  # of ln disparity, from a straight line: below the first is no step, above the second is one
TELLING = 0.02  # squared distance of the two colours at which they say as much as the coarse depth does
STEEPNESS = 4.0  # what is neither near nor far is one of them nevertheless
TINY = 1e-4


def upsampled(coarse: Tensor, coarse_picture: Tensor, fine_picture: Tensor) -> Tensor:
    """[h, w], [3, h, w] and [3, H, W] f32, pictures in 0..1 → [H, W]."""
    far, between, share, *by_colour = F.interpolate(
        _layers(coarse, coarse_picture)[None], fine_picture.shape[1:], mode="bilinear"
    )[0]
    for slope, plane in zip(by_colour, fine_picture, strict=True):
        share.addcmul_(slope, plane)
    return far.addcmul_(between, share.clamp_(0, 1))


def _layers(coarse: Tensor, picture: Tensor) -> Tensor:
    """[6, h, w]: the far layer's depth, from there to the near one's, and the share of the near one: a constant and
    what a pixel's red, green and blue add to it. Where there is no step both layers are the coarse depth."""
    near, far, low, scale = _near_and_far(coarse, picture)
    way, start = near[1:] - far[1:], far[1:]
    told = way.square().sum(dim=0).add_(TELLING).reciprocal_().mul_(STEEPNESS)
    own = (coarse - low).mul_(scale)
    share = (own.mul_(TELLING) - (start * way).sum(dim=0)).mul_(told).add_(0.5 - STEEPNESS / 2)
    bend = _highest([moved[0] for moved in _neighbours(_bend(coarse)[None])])
    step = bend.sub_(BEND[0]).div_(BEND[1] - BEND[0]).clamp_(0, 1)
    depth = torch.stack((torch.lerp(coarse, far[0], step), step * (near[0] - far[0]), share))
    return torch.cat((depth, way.mul_(told)))


def _near_and_far(coarse: Tensor, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Depth and colour [4, h, w] of the near and of the far layer, the farthest depth within reach, and one over the
    spread there."""
    together = torch.cat((coarse[None], picture))
    around = _neighbours(together)
    high, low = _highest([moved[0] for moved in around]), _lowest([moved[0] for moved in around])
    scale = (high - low).clamp_(min=TINY).reciprocal_()
    near, far = torch.zeros_like(together), torch.zeros_like(together)
    near_sum, far_sum = torch.full_like(coarse, TINY), torch.full_like(coarse, TINY)
    for moved in around:
        place = (moved[0] - low).mul_(scale)
        for layer, weights, weight in ((near, near_sum, place), (far, far_sum, 1 - place)):
            weight = weight.square().square_()
            layer.addcmul_(weight, moved)
            weights.add_(weight)
    return near.div_(near_sum), far.div_(far_sum), low, scale


def _highest(planes: Sequence[Tensor]) -> Tensor:
    """A tensor of its own. Nine of these are quicker than a pooling layer."""
    return reduce(lambda most, plane: torch.maximum(most, plane, out=most), planes[1:], planes[0].clone())


def _lowest(planes: Sequence[Tensor]) -> Tensor:
    return reduce(lambda least, plane: torch.minimum(least, plane, out=least), planes[1:], planes[0].clone())


def _bend(plane: Tensor) -> Tensor:
    """How far each pixel is off the middle of those REACH_PX beside it, [h, w]: nothing on a plane."""
    bend = torch.zeros_like(plane)
    for dim in (0, 1):
        inner = plane.shape[dim] - 2 * REACH_PX
        if inner > 0:
            before, middle, after = (plane.narrow(dim, at * REACH_PX, inner) for at in range(3))
            off = (before + after).mul_(0.5).sub_(middle).abs_()
            part = bend.narrow(dim, REACH_PX, inner)
            torch.maximum(part, off, out=part)
    return bend


def _neighbours(planes: Tensor) -> list[Tensor]:
    """[C, h, w], moved by no or REACH_PX pixels along each side: nine."""
    height, width = planes.shape[1:]
    padded = F.pad(planes[None], (REACH_PX,) * 4, mode="replicate")[0]
    moves = (0, REACH_PX, 2 * REACH_PX)
    return [padded[:, y : y + height, x : x + width] for y in moves for x in moves]
