"""What of a prediction is no number: found, counted, kept out of every output. Knows no format and no message.

A frame in which all are numbers, which is nearly every frame, costs one sum per tensor and one wait for the device.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from splatcam.estimators import Prediction
from splatcam.prune import sum_is_finite

MOST_MISSING = 0.5  # of the pixels; beyond it the frame is a fault and no picture with holes


class NotFinite(ValueError):
    """A prediction that nothing can be made of; the message is for people."""


def only_finite(prediction: Prediction) -> tuple[Prediction, int]:
    """The prediction, with `usable` set where pixels have no numbers, and how many have none. Raises NotFinite.

    A pixel counts once: for its depth, its confidence or its Gaussian. Its depth becomes the nearest of the others,
    so that it does not spoil the slopes of its neighbours.
    """
    k = prediction.intrinsics
    if not sum_is_finite(k) or not bool((k.diagonal()[:2] > 0).all()):
        raise NotFinite("the model gave this frame a camera without numbers")
    if sum_is_finite(*_planes(prediction), *_of_gaussians(prediction)):
        return prediction, 0
    usable = _usable_pixels(prediction)
    missing = usable.numel() - int(usable.count_nonzero())
    if missing > MOST_MISSING * usable.numel():
        raise NotFinite(f"{missing} of {usable.numel()} pixels of this frame are no numbers")
    if not missing:  # finite numbers whose sum is not
        return prediction, 0
    depth = prediction.depth
    nearest = depth.where(usable, torch.inf).amin()
    return replace(prediction, depth=depth.where(usable, nearest), usable=usable), missing


def _planes(prediction: Prediction) -> list[Tensor]:
    """[H, W] each."""
    return [plane for plane in (prediction.depth, prediction.confidence) if plane is not None]


def _of_gaussians(prediction: Prediction) -> list[Tensor]:
    return [] if prediction.gaussians is None else prediction.gaussians.numbers()


def _usable_pixels(prediction: Prediction) -> Tensor:
    """[H, W] bool."""
    usable = torch.stack([plane.isfinite() for plane in _planes(prediction)]).all(dim=0)
    if prediction.gaussians is not None:  # Gaussian i is pixel i
        usable &= prediction.gaussians.finite().view_as(usable)
    return usable
