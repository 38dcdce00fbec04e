"""What the network adds to its features for where they are: computed once for each size of frame.

DA3 computes sines of the whole grid anew for every map of every head in every frame, at full resolution too, and
interpolates the backbone's embedding again. A head's map is a row of columns beside a column of rows, so that is what
is kept: a few kilobytes where the map has a hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from splatcam.estimators.fast.recent import Recent


def remember(net: Any) -> None:
    """In the backbone and in the heads that have such maps."""
    transformer = net.backbone.pretrained
    transformer.interpolate_pos_encoding = RememberedEmbedding(transformer.interpolate_pos_encoding)
    for head in (net.head, getattr(net, "gs_head", None)):
        if head is not None and head.pos_embed:
            head._add_pos_embed = SeparableMap(head._add_pos_embed)


class RememberedEmbedding:
    """Of each size, what the transformer's own method gives: the weights do not change."""

    def __init__(self, interpolate: Callable[[Tensor, int, int], Tensor]) -> None:
        self._interpolate = interpolate
        self._remembered: Recent[Tensor] = Recent()

    def __call__(self, x: Tensor, w: int, h: int) -> Tensor:
        """`x` [B, T, C] tokens of a frame of w x h → [1, T, C]. The names are those that it is called by."""
        return self._remembered.get((w, h, x.dtype, x.device), lambda: self._interpolate(x, w, h))


class SeparableMap:
    """Adds to [B, C, h, w] what the head's own method adds: half of the channels know x alone, the others y alone."""

    def __init__(self, add_map: Callable[..., Tensor]) -> None:
        self._add_map = add_map
        self._remembered: Recent[tuple[Tensor, Tensor]] = Recent()

    def __call__(self, x: Tensor, W: int, H: int, ratio: float = 0.1) -> Tensor:
        """In place: what comes in was made for this and belongs to nobody else."""
        key = (x.shape[1:], W, H, ratio, x.dtype, x.device)
        of_column, of_row = self._remembered.get(key, lambda: self._lines(x, W, H, ratio))
        half = x.shape[1] // 2
        x[:, :half] += of_column
        x[:, half:] += of_row
        return x

    def _lines(self, x: Tensor, W: int, H: int, ratio: float) -> tuple[Tensor, Tensor]:
        """[C/2, 1, w] and [C/2, h, 1], from the method itself: added to nothing, it gives the map."""
        nothing = x.new_zeros(1, *x.shape[1:])
        first, second = self._add_map(nothing, W, H, ratio)[0].chunk(2)
        return first[:, :1].clone(), second[:, :, :1].clone()
