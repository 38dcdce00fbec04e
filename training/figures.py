"""How good a depth is: AbsRel, delta1, order of pairs, edges. Of any ln disparity against any truth.

Knows no network and no data set. What is judged is fitted to the truth by a scale and a shift of its disparity first,
as is the custom for depth without a unit (Ranftl et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ORDER_PAIRS = 20_000
ORDER_RATIO = 1.15  # pairs whose depths differ by less are not asked for
EDGE = 0.15  # of ln depth between neighbours: more is a step
EDGE_REACH_PX = 2
DELTA = 1.25
FIT_ROUNDS = 3


@dataclass(frozen=True)
class Figures:
    abs_rel: float
    delta1: float
    order: float  # share of pairs in the right order
    edges: float  # mean |ln depth error| within EDGE_REACH_PX of the truth's steps; not a number without steps

    @classmethod
    def mean(cls, figures: list[Figures]) -> Figures:
        table = torch.tensor([[f.abs_rel, f.delta1, f.order, f.edges] for f in figures])
        return cls(*table.nanmean(dim=0).tolist())


def judged(ln_disparity: Tensor, depth: Tensor, known: Tensor | None = None) -> Figures:
    """[H, W] each; `known` [H, W] bool, where there is a truth."""
    known = torch.ones_like(depth, dtype=torch.bool) if known is None else known
    fitted = fitted_depth(ln_disparity, depth, known)
    ratio = (fitted / depth)[known]
    return Figures(
        float((ratio - 1).abs().mean()),
        float((torch.maximum(ratio, 1 / ratio) < DELTA).float().mean()),
        _order(ln_disparity, depth, known),
        _edge_error(fitted, depth, known),
    )


def fitted_depth(ln_disparity: Tensor, depth: Tensor, known: Tensor) -> Tensor:
    """Least squares on disparity, weighted towards least absolute differences."""
    told, truth = ln_disparity.exp().double(), 1 / depth.double().clamp(min=1e-3)
    a, t = told[known], truth[known]
    weight = torch.ones_like(a)
    scale = shift = torch.zeros((), dtype=a.dtype)
    for _ in range(FIT_ROUNDS):
        mean_a, mean_t = ((weight * values).sum() / weight.sum() for values in (a, t))
        scale = (weight * (a - mean_a) * (t - mean_t)).sum() / (weight * (a - mean_a) ** 2).sum().clamp(min=1e-12)
        scale = scale.clamp(min=0)
        shift = mean_t - scale * mean_a
        weight = 1 / ((scale * a + shift - t).abs() + 0.05 * t.median())
    least = 0.5 * t.min()
    return (1 / (scale * told + shift).clamp(min=float(least))).float()


def _order(ln_disparity: Tensor, depth: Tensor, known: Tensor) -> float:
    generator = torch.Generator().manual_seed(0)
    told, truth = ln_disparity[known], depth[known].log()
    one, other = (torch.randint(len(told), (ORDER_PAIRS,), generator=generator) for _ in range(2))
    apart = truth[one] - truth[other]
    clear = apart.abs() > torch.tensor(ORDER_RATIO).log()
    said = told[other] - told[one]
    right = torch.where(said == 0, 0.5, (said.sign() == apart.sign()).float())  # who says nothing is right by chance
    return float(right[clear].mean()) if bool(clear.any()) else float("nan")


def _edge_error(fitted: Tensor, depth: Tensor, known: Tensor) -> float:
    ln = depth.clamp(min=1e-3).log()
    step = torch.zeros_like(ln)
    step[:, 1:] = torch.where(known[:, 1:] & known[:, :-1], ln.diff(dim=1).abs(), 0)
    step[1:] = torch.maximum(step[1:], torch.where(known[1:] & known[:-1], ln.diff(dim=0).abs(), 0))
    side = 2 * EDGE_REACH_PX + 1
    near = torch.nn.functional.max_pool2d((step > EDGE).float()[None, None], side, 1, EDGE_REACH_PX)[0, 0] > 0
    near &= known
    return float((fitted / depth).log().abs()[near].mean()) if bool(near.any()) else float("nan")
