"""Which Gaussians are worth sending: not at the border, not too far, not transparent, and finite.

Works on any device. Knows nothing of files, messages or models.

This runs for every frame, so it does no more than the frame needs: the border is cut off by slicing, a threshold that
nothing fails costs one reduction, and no tensor is copied more than once. Depth and border follow DA3's
`save_gaussian_ply` (depth_anything_3/utils/gsply_helpers.py), except that an image too small to have a border keeps
everything, where DA3 keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatcam.gaussians import TENSORS, Gaussians, PixelGaussians


@dataclass(frozen=True)
class PruneOptions:
    """What to drop. The values that drop nothing are 0, 1 and 0."""

    min_opacity: float = 0.1  # Gaussians below go
    max_depth_percentile: float = 1.0  # in 0..1: pixels farther than this quantile of the depth go
    border_fraction: float = 8 / 256  # of height and of width, on each side; rounded down to whole pixels


@dataclass(frozen=True)
class PruneReport:
    """How many Gaussians went, each counted once: under the first of the reasons that applies, in this order."""

    total: int
    kept: int
    dropped_border: int
    dropped_depth: int
    dropped_opacity: int  # below the limit, or not a number
    dropped_nonfinite: int  # a value that is not finite, or a scale that is not positive


def prune(gaussians: PixelGaussians, depth: Tensor | None, options: PruneOptions) -> tuple[Gaussians, PruneReport]:
    """The Gaussians worth sending, in their order, and what became of the others.

    Of those that are not computed yet, only what the border, depth and opacity leave is.

    `depth` [H, W], or [V, H, W] for V views one after the other, has one value for each pixel that the Gaussians come
    from; without it nothing is dropped by depth, and without it and without a grid nothing at the border.
    Raises ValueError where depth and Gaussians do not belong together.
    """
    if depth is not None and depth.ndim == 2:
        depth = depth[None]
    shape = _view_shape(gaussians, depth)
    if gaussians.pixel_index is None and shape is not None:
        kept, drops = _prune_full_grid(gaussians, shape, depth, options)
    else:
        kept, drops = _prune_listed(gaussians.everything(), shape, depth, options)
    finite = _drop_nonfinite(kept)
    return finite, PruneReport(gaussians.count, finite.count, *drops, dropped_nonfinite=kept.count - finite.count)


def border_px(height: int, width: int, fraction: float = PruneOptions.border_fraction) -> tuple[int, int]:
    """Rows and columns that go on each side."""
    return int(fraction * height), int(fraction * width)


def depth_limits(depth: Tensor, percentile: float) -> Tensor:
    """The greatest depth that is kept, for each view: [V, H, W] → [V].

    `depth <= limit` selects what DA3's `depth <= torch.quantile(depth, percentile)` selects: no value lies between
    the two. (Where the next depth differs by one float32 step only, the interpolated quantile may round up to it.)
    Values that are not numbers count as the farthest.
    """
    flat = depth.flatten(1)
    # the rank in float32, as torch.quantile computes it: beyond 100,000 pixels it differs from the exact one
    rank = int(np.float32(percentile) * np.float32(flat.shape[1] - 1))
    return flat.kthvalue(rank + 1, dim=1).values


Drops = tuple[int, int, int]  # border, depth, opacity


def _view_shape(gaussians: PixelGaussians, depth: Tensor | None) -> tuple[int, int, int] | None:
    """(views, height, width) of the pixels behind the Gaussians, None where they have none."""
    grid = None if gaussians.grid is None else (1, *gaussians.grid)
    shape = grid if depth is None else depth.shape
    if shape is None:
        return None
    views, height, width = shape
    if grid is not None and grid != (views, height, width):
        raise ValueError(f"the depth has the shape {(views, height, width)}, the Gaussians' grid is {gaussians.grid}")
    if gaussians.pixel_index is None and views * height * width != gaussians.count:
        raise ValueError(f"{gaussians.count} Gaussians do not fill {views} x {height} x {width} pixels")
    return views, height, width


def _prune_full_grid(
    gaussians: PixelGaussians, shape: tuple[int, int, int], depth: Tensor | None, options: PruneOptions
) -> tuple[Gaussians, Drops]:
    """Gaussian i is pixel i: the border is a slice, and what is left is a smaller grid."""
    inner = _inner(shape, options)
    near = _near(depth, options)
    near = None if near is None else near[inner]
    opaque = _opaque(gaussians, options)
    opaque = None if opaque is None else opaque.reshape(shape)[inner]
    inner_count = shape[0] * len(range(shape[1])[inner[1]]) * len(range(shape[2])[inner[2]])
    near_count = inner_count if near is None else int(near.count_nonzero())
    keep = _both(near, opaque)
    if keep is None and isinstance(gaussians, Gaussians):
        kept = _crop(gaussians, shape, inner) if inner_count < gaussians.count else gaussians
    else:
        on_grid = torch.zeros(shape, dtype=torch.bool, device=gaussians.device)
        on_grid[inner] = True if keep is None else keep
        kept = gaussians.select(_indices(on_grid.flatten()))
    return kept, (gaussians.count - inner_count, inner_count - near_count, near_count - kept.count)


def _prune_listed(
    gaussians: Gaussians, shape: tuple[int, int, int] | None, depth: Tensor | None, options: PruneOptions
) -> tuple[Gaussians, Drops]:
    """Gaussians of some pixels, or of none."""
    begin = gaussians.count
    if shape is not None and border_px(*shape[1:], options.border_fraction) != (0, 0):
        inside = torch.zeros(shape, dtype=torch.bool, device=gaussians.device)
        inside[_inner(shape, options)] = True
        gaussians = _select_pixels(gaussians, inside)
    inside_count = gaussians.count
    near = _near(depth, options)
    if near is not None:
        gaussians = _select_pixels(gaussians, near)
    near_count = gaussians.count
    opaque = _opaque(gaussians, options)
    if opaque is not None:
        gaussians = gaussians.select(_indices(opaque))
    return gaussians, (begin - inside_count, inside_count - near_count, near_count - gaussians.count)


def _inner(shape: tuple[int, int, int], options: PruneOptions) -> tuple[slice, slice, slice]:
    """What of [V, H, W] lies inside the border."""
    _, height, width = shape
    rows, columns = border_px(height, width, options.border_fraction)
    return slice(None), slice(rows, height - rows), slice(columns, width - columns)


def _near(depth: Tensor | None, options: PruneOptions) -> Tensor | None:
    """[V, H, W] bool: near enough; None where all are."""
    if depth is None or options.max_depth_percentile >= 1:
        return None
    return depth <= depth_limits(depth, options.max_depth_percentile)[:, None, None]


def _opaque(gaussians: PixelGaussians, options: PruneOptions) -> Tensor | None:
    """[N] bool: opaque enough; None where all are. The least opacity tells at a third of the mask's price."""
    opacities = gaussians.opacities
    if gaussians.count == 0 or bool(opacities.amin() >= options.min_opacity):
        return None
    return opacities >= options.min_opacity


def _both(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _crop(gaussians: Gaussians, shape: tuple[int, int, int], inner: tuple[slice, ...]) -> Gaussians:
    """The Gaussians of the inner pixels: one strided copy a tensor."""
    chosen: dict[str, Any] = {name: _crop_rows(getattr(gaussians, name), shape, inner) for name in TENSORS}
    pixel_index = None
    if gaussians.grid is not None:
        y = torch.arange(shape[1], device=gaussians.device)[inner[1]]
        x = torch.arange(shape[2], device=gaussians.device)[inner[2]]
        pixel_index = (y[:, None] * shape[2] + x).flatten()
    return replace(gaussians, **chosen, pixel_index=pixel_index)


def _crop_rows(tensor: Tensor, shape: tuple[int, int, int], inner: tuple[slice, ...]) -> Tensor:
    return tensor.reshape(*shape, *tensor.shape[1:])[inner].reshape(-1, *tensor.shape[1:])


def _select_pixels(gaussians: Gaussians, pixels: Tensor) -> Gaussians:
    """Those whose pixel is set in `pixels` [1, H, W] bool."""
    assert gaussians.pixel_index is not None
    keep = _indices(pixels.flatten().index_select(0, gaussians.pixel_index))
    return gaussians if len(keep) == gaussians.count else gaussians.select(keep)


def _indices(keep: Tensor) -> Tensor:
    """Where `keep` [M] bool is set. On the CPU numpy finds them several times faster than torch."""
    if keep.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(keep.numpy()))
    return keep.nonzero().squeeze(1)


def _drop_nonfinite(gaussians: Gaussians) -> Gaussians:
    if gaussians.count == 0 or _surely_finite(gaussians):
        return gaussians
    keep = (gaussians.scales > 0).all(dim=1) & gaussians.finite()
    return gaussians.select(_indices(keep))


def _surely_finite(gaussians: Gaussians) -> bool:
    return bool(gaussians.scales.amin() > 0) and sum_is_finite(*gaussians.numbers())


def sum_is_finite(*tensors: Tensor) -> bool:
    """One value that is not finite makes the sum of all not finite, so a finite sum answers for all of them.

    (Finite values whose sum overflows are merely searched one by one.)
    """
    return bool(torch.stack([tensor.sum() for tensor in tensors]).sum().isfinite())
