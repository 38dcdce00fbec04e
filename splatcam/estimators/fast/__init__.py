"""What a live frame pays Depth Anything 3 for nothing, taken out of one network: a file for each optimisation.

A network is changed in place, by attributes of the instance. The installed package and other networks stay as they
are. Each optimisation stands alone, can be left out, and is equal to the plain network as far as `EXACT` says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from functools import partial
from typing import Any

import torch

from splatcam.estimators.fast import camera_encoder, channels_last, position_maps, ray_branch, rope, stored_weights


class Optimisation(StrEnum):
    """What can be switched on by itself."""

    ROPE_TABLES = "rope_tables"  # rotary embedding from tables: no wait for the device, a third of the kernels
    NO_RAY_BRANCH = "no_ray_branch"  # the half of the depth head whose answer is thrown away
    POSITION_MAPS = "position_maps"  # what depends on the grid alone is computed once
    STORED_WEIGHTS = "stored_weights"  # the backbone's in the precision that they are multiplied in
    NO_CAMERA_ENCODER = "no_camera_encoder"  # for known cameras, which a live one is not
    ONE_VIEW = "one_view"  # the parts are called one by one: no pose, no second look at the sky, no wait
    KEPT_PIXELS = "kept_pixels"  # Gaussians in closed form, of the pixels that are kept
    CHANNELS_LAST = "channels_last"  # the heads' convolutions in the order that tensor cores want
    HALF_HEADS = "half_heads"  # the heads under autocast too, but for their last convolutions


# Bit for bit the numbers of the plain network under the same autocast. Of the others tests state a tolerance.
EXACT = frozenset(
    {
        Optimisation.ROPE_TABLES,
        Optimisation.NO_RAY_BRANCH,
        Optimisation.POSITION_MAPS,
        Optimisation.STORED_WEIGHTS,
        Optimisation.NO_CAMERA_ENCODER,
        Optimisation.ONE_VIEW,
    }
)
SAFE = EXACT | {Optimisation.KEPT_PIXELS}  # what serves without being asked for
# What also holds for a network that is shown two views.
OF_ANY_VIEWS = EXACT - {Optimisation.ONE_VIEW}


def optimise(net: Any, chosen: Collection[Optimisation], multiplied_in: torch.dtype) -> None:
    """Change `net` for good, and every network inside. `multiplied_in`: the dtype of autocast; float32 without it.

    ONE_VIEW, KEPT_PIXELS and HALF_HEADS are ways to call a network, not changes of it: see `one_view.py`.
    """
    changes: dict[Optimisation, Callable[[Any], None]] = {
        Optimisation.ROPE_TABLES: rope.from_tables,
        Optimisation.NO_RAY_BRANCH: ray_branch.leave_out,
        Optimisation.POSITION_MAPS: position_maps.remember,
        Optimisation.STORED_WEIGHTS: partial(stored_weights.store, dtype=multiplied_in),
        Optimisation.NO_CAMERA_ENCODER: camera_encoder.leave_out,
        Optimisation.CHANNELS_LAST: channels_last.order,
    }
    for part in networks_in(net):
        for optimisation, change in changes.items():
            if optimisation in chosen:
                change(part)


def networks_in(net: Any) -> list[Any]:
    """The network itself, or the two that the nested model is made of."""
    return [part for part in (getattr(net, "da3", net), getattr(net, "da3_metric", None)) if part is not None]
