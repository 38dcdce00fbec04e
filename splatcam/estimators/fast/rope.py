"""Rotary position embedding from tables of the grid. Knows the vision transformer's blocks and nothing else.

DA3 asks for the greatest position at every call, for queries and for keys of every block: each time the processor
waits for the device, 54 times a frame in giant, and no graph can be recorded. It also gathers cosines and sines anew.
Here the transformer hands its blocks the cosines and sines themselves, in the place of positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from splatcam.estimators.fast.recent import Recent

Grid = tuple[int, int]  # rows and columns of patches


def from_tables(net: Any) -> None:
    """Every block that turns its queries and keys does it by the tables of the frame's grid."""
    transformer = net.backbone.pretrained
    if getattr(transformer, "rope", None) is None:
        return
    transformer._prepare_rope = _Tables(transformer)
    turn = TableRope()
    for block in transformer.blocks:
        if block.attn.rope is not None:
            block.attn.rope = turn


class TableRope(nn.Module):
    """Takes [B, T, 2 D] cosines and signed sines where DA3's takes [B, T, 2] positions."""

    def forward(self, tokens: Tensor, tables: Tensor) -> Tensor:
        """`tokens` [B, heads, T, D] → the same, turned."""
        cosines, sines = tables[:, None].to(tokens.dtype).chunk(2, dim=-1)
        # Quarters of the features: two that the row turns, two that the column turns. Each is paired with its other.
        other = tokens.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
        return tokens * cosines + other * sines


class _Tables:
    """Stands in for the transformer's `_prepare_rope`. Remembers the grids of the last sizes."""

    def __init__(self, transformer: Any) -> None:
        self._rope = transformer.rope
        self._patch_px: int = transformer.patch_size
        self._specials: int = transformer.patch_start_idx  # tokens before the patches
        self._features: int = transformer.embed_dim // transformer.num_heads
        self._normalises = 0 <= transformer.qknorm_start <= transformer.rope_start
        self._remembered: Recent[tuple[Tensor, Tensor]] = Recent()

    def __call__(self, B: int, S: int, H: int, W: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tables of the tokens' own places, and of one place for all: [B, S, T, 2 D] each, f32.

        The names are those that the transformer calls it by.
        """
        grid = (H // self._patch_px, W // self._patch_px)
        rounded_to = self._dtype_of_queries(device)
        own, common = self._remembered.get((grid, device, rounded_to), lambda: self._build(grid, device, rounded_to))
        return own.expand(B, S, -1, -1), common.expand(B, S, -1, -1)

    def _dtype_of_queries(self, device: torch.device) -> torch.dtype:
        """DA3 rounds angles to it. Autocast normalises queries in float32 on CUDA; on a CPU it leaves them as they
        are."""
        if not torch.is_autocast_enabled(device.type) or (self._normalises and device.type == "cuda"):
            return torch.float32
        return torch.get_autocast_dtype(device.type)

    def _build(self, grid: Grid, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        rows, columns = grid
        place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)) + 1
        specials = torch.zeros(self._specials, 2, dtype=place.dtype)
        own, common = (torch.cat((specials, at)) for at in (place, torch.ones_like(place)))
        # DA3's own function, on the device: another one's cosine may differ in its last bit
        cosines, sines = self._rope._compute_frequency_components(self._features // 2, max(grid) + 1, device, dtype)
        half = sines.shape[-1] // 2
        signed = torch.cat((-sines[:, :half], sines[:, half:]), dim=-1)
        return tuple(_rows_of(cosines, signed, at.to(device)) for at in (own, common))  # type: ignore[return-value]


def _rows_of(cosines: Tensor, sines: Tensor, place: Tensor) -> Tensor:
    """[T, 2] places → [1, 1, T, 2 D] f32: the cosines of row and column, then the sines."""
    by_axis: list[Callable[[Tensor], Tensor]] = [lambda table: table[place[:, 0]], lambda table: table[place[:, 1]]]
    parts = [rows(table).float() for table in (cosines, sines) for rows in by_axis]
    return torch.cat(parts, dim=-1)[None, None]
