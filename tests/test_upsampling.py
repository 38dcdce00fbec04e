"""Coarse depth and fine picture → fine depth: steps where the picture has its edge, nothing in between, planes kept."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from splatcam.estimators.upsampling import upsampled

COARSE, FACTOR = (36, 48), 4
FINE = (COARSE[0] * FACTOR, COARSE[1] * FACTOR)
NEAR, FAR = 0.3, -1.2
WALL, JUMPER = torch.tensor([0.7, 0.75, 0.8]), torch.tensor([0.8, 0.4, 0.1])


def disc() -> Tensor:
    """Where somebody stands: [H, W] bool."""
    y, x = torch.meshgrid(torch.arange(FINE[0]), torch.arange(FINE[1]), indexing="ij")
    return (x - 97.3) ** 2 + (y - 70.6) ** 2 < 41**2


def picture_of(mask: Tensor, noise: float = 0.02) -> Tensor:
    picture = torch.where(mask, JUMPER[:, None, None], WALL[:, None, None])
    noisy = picture + noise * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return noisy.clamp(0, 1)


def coarse_of(fine: Tensor) -> Tensor:
    """[C, H, W] or [H, W] → the same at a quarter of the size."""
    planes = fine if fine.dim() == 3 else fine[None]
    return F.avg_pool2d(planes[None], FACTOR)[0].reshape(*fine.shape[:-2], *COARSE)


def softened(coarse: Tensor) -> Tensor:
    """As a network tells a step: over three pixels."""
    return F.avg_pool2d(F.pad(coarse[None, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0, 0]


def test_a_soft_step_becomes_the_outline_of_the_picture() -> None:
    mask = disc()
    truth = torch.where(mask, NEAR, FAR)
    picture = picture_of(mask)
    fine = upsampled(softened(coarse_of(truth)), coarse_of(picture), picture)
    assert float(((fine > (NEAR + FAR) / 2) != mask).float().mean()) < 0.002
    between = ((fine - NEAR).abs() > 0.2) & ((fine - FAR).abs() > 0.2)
    assert float(between.float().mean()) < 0.01


def test_a_step_between_equal_colours_stays_where_the_coarse_depth_has_it() -> None:
    mask = disc()
    truth = torch.where(mask, NEAR, FAR)
    grey = torch.full((3, *FINE), 0.5)
    fine = upsampled(coarse_of(truth), coarse_of(grey), grey)
    assert float(((fine > (NEAR + FAR) / 2) != mask).float().mean()) < 0.02


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_is_drawn_on_a_plane_does_not_dent_it(noise: float) -> None:
    rows = torch.linspace(-1, 0.0, FINE[0])[:, None].expand(FINE)
    picture = picture_of(disc(), noise)
    fine = upsampled(coarse_of(rows), coarse_of(picture), picture)
    middle = (slice(8, -8), slice(8, -8))
    assert float((fine - rows)[middle].abs().max()) < 0.01


def test_the_answer_stays_within_what_is_told_nearby() -> None:
    coarse = torch.randn(COARSE, generator=torch.Generator().manual_seed(1))
    picture = torch.rand(3, *FINE, generator=torch.Generator().manual_seed(2))
    fine = upsampled(coarse, coarse_of(picture), picture)
    assert bool(fine.isfinite().all())
    assert float(coarse.min()) - 1e-3 <= float(fine.min()) and float(fine.max()) <= float(coarse.max()) + 1e-3


def test_what_is_given_is_not_written_to() -> None:
    coarse, picture = torch.randn(COARSE), torch.rand(3, *FINE)
    small = coarse_of(picture)
    given = [values.clone() for values in (coarse, small, picture)]
    upsampled(coarse, small, picture)
    assert all(torch.equal(a, b) for a, b in zip(given, (coarse, small, picture), strict=True))
