"""The pseudo-depth that served before there was a network: the yardstick that the network is measured by.

It measures nothing. It supposes what a webcam mostly sees, somebody in the lower middle of the picture in front of a
wall, learns from each picture which colours belong to whom, and lets the edges of the picture be the edges of the
depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

NEAREST_M, FARTHEST_M = 0.7, 4.0

_COARSE_PX = 72  # about the long side of the grid that is reasoned on
_LEVELS = 16  # of each colour channel in the colour model
_ALIKE = 1e-5  # share of all pixels that any colour has: one never seen tells nothing
_TRUST = 2  # exponent: how much more colour says than place
_REST_MEMORY = 0.9  # share of the old foreground that a pixel at rest keeps
_AT_REST, _MOVING = 0.03, 0.11  # change of colour from frame to frame, in 0..1
_GAP_PX = 7  # holes in the person up to this size are filled
_WINDOW_PX = 2  # radius of the guided filter
_EDGE_VARIANCE = 3e-4  # of colours in 0..1: what varies less is no edge
_STEEPNESS = 8  # of the step from person to wall: what is neither hangs in the air between them
_ROUND_PX = 6  # radius of the blur that tells the middle of a body from its rim


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered from frame to frame of one stream, on the coarse grid."""

    foreground: Tensor  # [h, w] f32, 0 the wall to 1 the person
    picture: Tensor  # [3, h, w] f32 in 0..1


def infer_depth(image: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
    """image [H, W, 3] uint8 → depth [H, W] f32 in metres, NEAREST_M to FARTHEST_M, and the next memory."""
    planes = image.permute(2, 0, 1).to(torch.float32).div_(255)
    picture = _coarse(planes)
    if memory is not None and memory.picture.shape != picture.shape:
        memory = None
    foreground = _steady(_fill_gaps(_tell_apart(picture, memory)), picture, memory)
    fit = torch.cat([_fit_to_picture(foreground, picture), _person(foreground)])
    return _place(fit, planes), Memory(foreground, picture)


def _coarse(planes: Tensor) -> Tensor:
    """[C, H, W] → [C, h, w] by averaging squares of pixels; H and W are multiples of 14."""
    channels, height, width = planes.shape
    factor = min((1, 2, 7, 14), key=lambda f: abs(math.log(max(height, width) / f / _COARSE_PX)))
    return planes.reshape(channels, height // factor, factor, width // factor, factor).mean(dim=(2, 4))


@lru_cache(maxsize=8)
def _prior(height: int, width: int) -> Tensor:
    """[h, w]: how probable a person is where, before any picture: a head above shoulders that widen downwards.

    Well below one half, so that what no colour tells from the wall is the wall: nobody may be there.
    """
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(-0.5, 0.5, width)[None] * (width / height)
    head = torch.exp(-((x / 0.16) ** 2 + ((y - 0.36) / 0.2) ** 2))
    body = torch.exp(-((x / (0.18 + 0.2 * y)) ** 4)) * torch.sigmoid((y - 0.5) * 14)
    return 0.01 + 0.29 * torch.maximum(head, body)


def _tell_apart(picture: Tensor, memory: Memory | None) -> Tensor:
    """Each pixel's probability [h, w] to be the person.

    Bayes' rule with a histogram of colours for each of the two, weighted by what is believed so far (expectation and
    maximisation in turns). A new stream begins with the prior alone, so it takes more turns.
    """
    levels = (picture * (_LEVELS - 1e-3)).to(torch.int64)
    colour = (levels[0] * _LEVELS + levels[1]) * _LEVELS + levels[2]
    prior = _prior(*colour.shape)
    share = prior if memory is None else memory.foreground
    for _ in range(3 if memory is None else 1):
        wall, person = _likelihood(colour, share)[:, colour] ** _TRUST
        person, wall = person * prior, wall * (1 - prior)
        share = person / (person + wall)
    return share


def _likelihood(colour: Tensor, share: Tensor) -> Tensor:
    """How probable each colour is in the wall and in the person, [2, LEVELS³]. Colours that are alike count
    together, so that noise does little."""
    counts = [torch.bincount(colour.flatten(), weights.flatten(), _LEVELS**3) for weights in (1 - share, share)]
    cubes = torch.stack(counts).reshape(2, _LEVELS, _LEVELS, _LEVELS)
    for _ in range(2):
        cubes = F.avg_pool3d(cubes, 3, stride=1, padding=1)
    return (cubes / cubes.sum(dim=(1, 2, 3), keepdim=True) + _ALIKE).flatten(1)


def _fill_gaps(share: Tensor) -> Tensor:
    """Closing: what the person wears in the wall's colour is the person's."""
    return -_widen(-_widen(share))


def _widen(plane: Tensor) -> Tensor:
    """The greatest value of the square around each pixel: [h, w] → [h, w]."""
    rows = F.max_pool2d(plane[None, None], (_GAP_PX, 1), 1, (_GAP_PX // 2, 0))
    return F.max_pool2d(rows, (1, _GAP_PX), 1, (0, _GAP_PX // 2))[0, 0]


def _steady(guess: Tensor, picture: Tensor, memory: Memory | None) -> Tensor:
    """The foreground of this frame: where nothing moves, mostly that of the frame before."""
    if memory is None:
        return guess
    change = (picture - memory.picture).abs().amax(dim=0)
    change = F.max_pool2d(change[None, None], 3, stride=1, padding=1)[0, 0]
    rest = ((_MOVING - change) / (_MOVING - _AT_REST)).clamp(0, 1)
    return torch.lerp(guess, memory.foreground, _REST_MEMORY * rest)


def _fit_to_picture(foreground: Tensor, picture: Tensor) -> Tensor:
    """The guided filter (He, Sun and Tang 2013): [4, h, w], with foreground ≈ fit[:3] · colour + fit[3] all around.

    On the coarse grid; applied to the fine picture it carries the picture's edges over (He and Sun 2015).
    """
    r, g, b = picture
    products = torch.stack((r * r, r * g, r * b, g * g, g * b, b * b))
    means = _blur(torch.cat((picture, foreground[None], picture * foreground, products)), _WINDOW_PX)
    colour, level = means[:3], means[3]
    together = means[4:7] - colour * level
    rr, rg, rb = means[7:10] - colour[0] * colour
    gg, gb = means[10:12] - colour[1] * colour[1:]
    bb = means[12] - colour[2] * colour[2]
    slope = _solve(rr + _EDGE_VARIANCE, rg, rb, gg + _EDGE_VARIANCE, gb, bb + _EDGE_VARIANCE, together)
    offset = level - (slope * colour).sum(dim=0)
    return _blur(torch.cat((slope, offset[None])), _WINDOW_PX)


def _solve(rr: Tensor, rg: Tensor, rb: Tensor, gg: Tensor, gb: Tensor, bb: Tensor, right: Tensor) -> Tensor:
    """x in M x = right [3, h, w] at every pixel, M symmetric, by its adjugate."""
    first = torch.stack((gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb))
    second = torch.stack((first[1], rr * bb - rb * rb, rb * rg - rr * gb))
    third = torch.stack((first[2], second[2], rr * gg - rg * rg))
    determinant = rr * first[0] + rg * first[1] + rb * first[2]
    return (first * right[0] + second * right[1] + third * right[2]) / determinant


def _blur(planes: Tensor, radius: int) -> Tensor:
    """The mean of the square around each pixel, as two products with a band matrix: on a small grid the fastest."""
    return _band(planes.shape[-2], radius) @ planes @ _band(planes.shape[-1], radius).T


@lru_cache(maxsize=16)
def _band(side: int, radius: int) -> Tensor:
    """[side, side], each row the mean over the neighbours within `radius`."""
    at = torch.arange(side)
    near = ((at[:, None] - at[None]).abs() <= radius).to(torch.float32)
    return near / near.sum(dim=1, keepdim=True)


def _person(foreground: Tensor) -> Tensor:
    """ln of the person's depth in metres, [1, h, w]: nearer towards the middle of the body and towards the ground."""
    y = torch.linspace(0, 1, foreground.shape[0])[:, None]
    middle = _blur(_blur(foreground, _ROUND_PX), _ROUND_PX)
    return (math.log(1.45) - 0.15 * y - 0.25 * middle)[None]


@lru_cache(maxsize=8)
def _wall(height: int) -> Tensor:
    """ln of the wall's depth in metres, [H, 1]; in the lower part the floor comes nearer."""
    y = torch.linspace(0, 1, height)[:, None]
    return torch.log(3.4 - 1.9 * ((y - 0.55) / 0.45).clamp(min=0) ** 1.5)


def _place(fit: Tensor, planes: Tensor) -> Tensor:
    """Coarse fit and person [5, h, w] and the fine picture [3, H, W] → depth [H, W]: the person before the wall."""
    fine = F.interpolate(fit[None], planes.shape[1:], mode="bilinear")[0]
    mask, person = fine[3], fine[4]
    for slope, plane in zip(fine[:3], planes, strict=True):
        mask.addcmul_(slope, plane)
    mask.sub_(0.5).mul_(_STEEPNESS).add_(0.5).clamp_(0, 1)
    wall = _wall(planes.shape[1])
    return torch.addcmul(wall, mask, person.sub_(wall)).exp_().clamp_(NEAREST_M, FARTHEST_M)
