"""How alike two pictures are, and how much of one is hole. Numbers in, numbers out."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]
HOLE_ALPHA = 0.5  # less is more background than scene
BEST_DB = 100.0  # of equal pictures
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr_db(picture: Array, reference: Array, where: Array | None = None) -> float:
    """Peak signal to noise of [H, W, 3] f32 in 0..1. `where` [H, W] bool: only there."""
    difference = picture.astype(np.float64) - reference
    if where is not None:
        difference = difference[where]
    error = float((difference**2).mean()) if difference.size else 0.0
    return BEST_DB if error == 0 else min(BEST_DB, -10 * math.log10(error))


def ssim(picture: Array, reference: Array) -> float:
    """Structural similarity of [H, W, 3] f32 in 0..1, mean over pixels and channels (Wang et al. 2004).

    Gaussian windows of 11 pixels, sigma 1.5, inside the picture only: sides of at least 11.
    """
    x, y = (
        torch.from_numpy(np.ascontiguousarray(p, np.float64)).permute(2, 0, 1)[:, None] for p in (picture, reference)
    )
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float((structure * (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)).mean())


def hole_ratio(alpha: Array) -> float:
    """The share of [H, W] f32 through which the background is seen."""
    return float((alpha < HOLE_ALPHA).mean())


def _blurred(planes: Tensor) -> Tensor:
    """[C, 1, H, W] → [C, 1, H - 10, W - 10]."""
    window = _window()
    return torch.nn.functional.conv2d(torch.nn.functional.conv2d(planes, window), window.transpose(2, 3))


@cache
def _window() -> Tensor:
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    return (weights / weights.sum()).reshape(1, 1, 1, -1)
