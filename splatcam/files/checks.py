"""What every reader of scene files checks, and how it says no. Knows no format."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from splatcam.gaussians import Gaussians
from splatcam.prune import PruneOptions, prune

MAX_SPLATS = 8_000_000  # the largest scenes that are trained today have about six million

log = logging.getLogger(__name__)


class SceneFileError(ValueError):
    """Something about a scene file, in one sentence for the person who named it."""


class UnknownFormat(SceneFileError):
    """The file's name does not end as that of a format that is known."""


class SceneUnreadable(SceneFileError):
    """The file is not what its name says, or damaged, or has no splats, or far too many."""


class SceneUnwritable(SceneFileError):
    """These Gaussians cannot be put into that format."""


def require_count(count: int) -> None:
    """To be asked before anything of that size is allocated."""
    if count == 0:
        raise SceneUnreadable("holds no splats")
    if count > MAX_SPLATS:
        raise SceneUnreadable(f"claims {count} splats, at most {MAX_SPLATS} are read")


def only_valid(gaussians: Gaussians, count: int) -> Gaussians:
    """Without rows that hold a value that is no number, or infinite. `count`: how many the file holds.

    How many go is logged; SceneUnreadable when none is left.
    """
    kept, _ = prune(gaussians, None, PruneOptions(min_opacity=0.0, border_fraction=0.0))
    if kept.count == 0:
        raise SceneUnreadable(f"has not one valid splat: in all {count} a value is no number, infinite or out of range")
    if kept.count < count:
        log.warning("%d of %d splats were left out: a value is no number, infinite or out of range",
                    count - kept.count, count)  # fmt: skip
    return kept


def require_writable(gaussians: Gaussians) -> None:
    """Other programs do not read files without splats, or with values that are not finite."""
    if gaussians.count == 0:
        raise SceneUnwritable("there are no splats to write")
    gaussians.validate()


def tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Tensor:
    """float32 with memory of its own."""
    return torch.from_numpy(np.array(array, np.float32, order="C"))
