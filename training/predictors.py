"""What is compared: the classical depth, a row prior and the network, each a picture → ln disparity."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from splatcam.estimators import builtin
from splatcam.estimators.depth_net import load
from training import classical

Predictor = Callable[[Tensor], Tensor]  # [H, W, 3] uint8 → [H, W] f32


def predictors() -> dict[str, Predictor]:
    net = load()
    return {
        "row prior": row_prior,
        "classical": lambda image: -classical.infer_depth(image, None)[0].log(),
        "network": lambda image: -builtin.infer_depth(net, image).log(),
    }


def row_prior(image: Tensor) -> Tensor:
    """What is lower in the picture is nearer: disparity in a line from top to bottom."""
    height, width, _ = image.shape
    return torch.linspace(0.05, 1.0, height).log()[:, None].expand(height, width).clone()
