"""What a prediction is measured by while it learns, all on ln disparity [B, H, W].

Pure functions. The answer may be scaled and shifted for most terms; a small one holds it to metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.generator import Batch

NEAREST_M, FARTHEST_M = 0.2, 16.0  # beyond, differences are not asked for
SCALES = 4  # of the gradient term, each half the one before
PAIRS = 1024  # of pixels whose order is asked for, in each picture
NEAR_PX = 6  # half of them are this near to each other
EQUAL = 0.03  # of ln disparity
SOFTNESS = 0.1
SAME_PLACE = 0.03  # relative depth by which two views see the same point


@dataclass(frozen=True)
class Weights:
    aligned: float = 1.0
    metric: float = 0.3
    gradient: float = 0.7
    ranking: float = 0.1
    temporal: float = 0.5


def target_of(depth: Tensor) -> Tensor:
    """Metres → ln disparity."""
    return -depth.clamp(NEAREST_M, FARTHEST_M).log()


def terms(answer: Tensor, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
    """By the names of Weights."""
    target = target_of(batch.depth)
    off = aligned(answer, target) - target
    return {
        "aligned": off.abs().mean(),
        "metric": (answer - target).abs().mean(),
        "gradient": gradient(off),
        "ranking": ranking(answer, target, generator),
        "temporal": temporal(answer, batch) if batch.pairs else answer.new_zeros(()),
    }


def total(named: dict[str, Tensor], weights: Weights) -> Tensor:
    return torch.stack([getattr(weights, name) * value for name, value in named.items()]).sum()


def aligned(answer: Tensor, target: Tensor) -> Tensor:
    """The answer with the scale and shift that fit the target best, by least squares (Ranftl et al. 2020)."""
    a, t = answer.flatten(1), target.flatten(1)
    mean_a, mean_t = a.mean(dim=1, keepdim=True), t.mean(dim=1, keepdim=True)
    together = ((a - mean_a) * (t - mean_t)).mean(dim=1, keepdim=True)
    scale = (together / (a.var(dim=1, unbiased=False, keepdim=True) + 1e-3)).clamp(0.2, 5.0)
    return ((a - mean_a) * scale + mean_t).reshape(answer.shape)


def gradient(off: Tensor) -> Tensor:
    """Edges where the truth has them and nowhere else, coarse and fine (Li and Snavely 2018)."""
    sum_ = off.new_zeros(())
    for scale in range(SCALES):
        part = off[:, :: 2**scale, :: 2**scale]
        sum_ = sum_ + part.diff(dim=1).abs().mean() + part.diff(dim=2).abs().mean()
    return sum_


def ranking(answer: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
    """Of two pixels the nearer one is to be nearer; equal ones are to be equal (Chen et al. 2016)."""
    count, height, width = answer.shape
    one = torch.rand(2, count, PAIRS, generator=generator, device=answer.device)
    other = torch.rand(2, count, PAIRS, generator=generator, device=answer.device)
    reach = torch.tensor([2 * NEAR_PX / height, 2 * NEAR_PX / width], device=answer.device)[:, None, None]
    near = (one + (other - 0.5) * reach).clamp(0, 1)
    half = PAIRS // 2
    other = torch.cat((other[..., :half], near[..., half:]), dim=2)
    (a, t), (b, u) = (_at(answer, target, place) for place in (one, other))
    truth, said = t - u, a - b
    ordered = F.softplus(-truth.sign() * said / SOFTNESS) * SOFTNESS
    return torch.where(truth.abs() < EQUAL, (said - truth).abs(), ordered).mean()


def _at(answer: Tensor, target: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Values at places [2, B, N] in 0..1, row before column."""
    height, width = answer.shape[1:]
    row = (place[0] * height).long().clamp(max=height - 1)
    column = (place[1] * width).long().clamp(max=width - 1)
    index = row * width + column
    return answer.flatten(1).gather(1, index), target.flatten(1).gather(1, index)


def temporal(answer: Tensor, batch: Batch) -> Tensor:
    """The second view is to say of a point what the first one says, but for the camera's own motion."""
    pairs = batch.pairs
    first, second = slice(0, pairs), slice(len(answer) - pairs, len(answer))
    grid, seen_depth = _seen_from_second(batch, first, second)
    there = torch.stack((answer[second], batch.depth[second]), dim=1)
    said, true = F.grid_sample(there, grid, mode="bilinear", align_corners=False, padding_mode="border").unbind(1)
    same = (true / seen_depth - 1).abs() < SAME_PLACE
    visible = (same & (grid.abs() < 1).all(dim=-1)).float()
    truth = seen_depth.log() - batch.depth[first].log()  # what ln disparity loses from the first view to the second
    off = (answer[first] - said - truth).abs()
    return (off * visible).sum() / visible.sum().clamp(min=1)


def _seen_from_second(batch: Batch, first: slice, second: slice) -> tuple[Tensor, Tensor]:
    """Where the first view's pixels are in the second, [P, H, W, 2] in -1..1, and their depth there [P, H, W]."""
    depth, k = batch.depth[first], batch.intrinsics[first]
    _, height, width = depth.shape
    y, x = torch.meshgrid(*(torch.arange(n, device=depth.device) + 0.5 for n in (height, width)), indexing="ij")
    pixels = torch.stack((x, y, torch.ones_like(x))).reshape(3, -1)
    points = (torch.linalg.inv(k) @ pixels) * depth.flatten(1)[:, None]
    motion = torch.linalg.inv(batch.world_from_camera[second]) @ batch.world_from_camera[first]
    moved = motion[:, :3, :3] @ points + motion[:, :3, 3:]
    seen = k @ moved
    z = seen[:, 2].clamp(min=1e-3)
    u, v = seen[:, 0] / z * (2 / width) - 1, seen[:, 1] / z * (2 / height) - 1
    return torch.stack((u, v), dim=-1).reshape(-1, height, width, 2), z.reshape(depth.shape)
