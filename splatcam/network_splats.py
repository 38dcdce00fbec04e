"""The Gaussians that a network predicted, one per pixel, thinned out and pruned: the first splat source.

Knows no model and no wire format; runs where the tensors lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from splatcam.estimators import Prediction
from splatcam.gaussians import Gaussians, PixelGaussians
from splatcam.pixel_splats import FARTHEST, NEAREST, Window, window_of
from splatcam.prune import PruneOptions, prune


@dataclass(frozen=True, eq=False)
class NetworkSplats:
    """Gaussians that still know their pixels, for a codec that sends them as planes of an image."""

    gaussians: Gaussians  # in the order of their pixels; z of the means within NEAREST and FARTHEST
    window: Window  # has all their pixels

    @property
    def count(self) -> int:
        return self.gaussians.count

    @cached_property
    def kept(self) -> Tensor | None:
        """[h, w] bool, the pixels of the window that have a Gaussian; None where all do."""
        height, width = self.window.grid
        if self.count == len(self.window.rows) * len(self.window.columns):
            return None
        assert self.gaussians.pixel_index is not None
        on_grid = torch.zeros(height * width, dtype=torch.bool, device=self.gaussians.device)
        on_grid[self.gaussians.pixel_index] = True
        return self.window.cut(on_grid.view(height, width))

    def on_window(self, values: Tensor) -> Tensor:
        """[N, ...] → [h, w, ...]. A pixel without a Gaussian repeats the one before it, which costs a codec least."""
        if self.kept is not None:
            before = self.kept.flatten().cumsum(0).sub_(1).clamp_(min=0)
            values = values.index_select(0, before) if self.count else values.new_ones((len(before), *values.shape[1:]))
        return values.reshape(len(self.window.rows), len(self.window.columns), *values.shape[1:])

    @property
    def depth(self) -> Tensor:
        """[h, w] f32, z of the means."""
        return self.on_window(self.gaussians.means[:, 2])

    def axes(self) -> tuple[Tensor, ...]:
        """x, y and z of the means, [N] f32 each."""
        return self.gaussians.means.unbind(1)


def network_gaussians(prediction: Prediction, stride: int) -> PixelGaussians:
    """Those with numbers; with a stride every n-th of every n-th row, as much larger."""
    gaussians = prediction.gaussians
    if gaussians is None:
        raise ValueError("the model promised Gaussians and predicted none")
    if stride == 1 and prediction.usable is None:
        return gaussians
    height, width = prediction.depth.shape
    pixels = torch.arange(height * width, device=gaussians.device).reshape(height, width)[::stride, ::stride]
    usable = None if prediction.usable is None else prediction.usable[::stride, ::stride]
    chosen = gaussians.select(pixels.reshape(-1) if usable is None else pixels[usable])
    return replace(chosen, scales=chosen.scales * stride)


def network_splats(prediction: Prediction, stride: int, options: PruneOptions) -> NetworkSplats:
    """Those that `prune` keeps and that lie before the camera. Their colour only: other harmonics are left out."""
    kept, _ = prune(network_gaussians(prediction, stride).dc_only(), prediction.depth, options)
    z = kept.means[:, 2]
    usable = (z >= NEAREST) & (z <= FARTHEST)
    if not bool(usable.all()):
        kept = kept.select(usable)
    return NetworkSplats(kept, window_of(prediction, stride, options.border_fraction))
