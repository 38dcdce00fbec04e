"""Rays → the nearest primitive and its depth, and whether light arrives. Exact; knows no colours.

The kernels test CHUNK primitives at a time and are pure arithmetic over pixels, so that torch.compile makes one loop
of each, on a CPU as on a GPU. Rays are [3, B, P]; a primitive's map takes them into its own axes, where it has unit
size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from training.primitives import CENTRE, CHUNK, HALF, TAPER, TURN, Table

NOTHING = 1e9
NEAREST_M = 0.05
FAR_AWAY = 9.0  # in a primitive's own axes: with a map of zeros no ray meets it

Kernel = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Maps:
    """Of every primitive of a batch: camera axes → its own."""

    matrix: Tensor  # [B, N, 3, 3]
    origin: Tensor  # [B, N, 3], of the camera
    taper: Tensor  # [B, N]
    counts: tuple[int, int, int]


def maps_of(table: Table, world_from_camera: Tensor) -> Maps:
    """`world_from_camera` [B, 4, 4]. Rows without size get a map that no ray meets anything in."""
    rows = table.rows
    half = rows[..., HALF]
    exists = (half > 0).all(dim=-1, keepdim=True)
    inverse = torch.where(exists, 1 / half.clamp(min=1e-6), 0.0)
    turn = rows[..., TURN].unflatten(-1, (3, 3)).transpose(-1, -2)
    matrix = inverse[..., None] * (turn @ world_from_camera[:, None, :3, :3])
    seen = world_from_camera[:, None, :3, 3] - rows[..., CENTRE]
    origin = inverse * (turn @ seen[..., None])[..., 0]
    return Maps(matrix, torch.where(exists, origin, FAR_AWAY), rows[..., TAPER], table.counts)


def nearest(maps: Maps, rays: Tensor) -> tuple[Tensor, Tensor]:
    """Rays [3, B, P] from the camera, z = 1 → depth [B, P] and which primitive [B, P] int64. The room is always hit."""
    depth = _leave_room(maps.origin[:, 0], maps.matrix[:, 0], rays)
    index = torch.zeros(depth.shape, dtype=torch.int32, device=depth.device)
    for kernel, first, part in _chunks(maps, "nearest"):
        base = torch.tensor(first, dtype=torch.int32, device=depth.device)
        depth, index = kernel(depth, index, base, *part, rays)
    return depth, index.long()


def lit(maps: Maps, points: Tensor, lamp: Tensor) -> Tensor:
    """1 where nothing stands between points [3, B, P] and lamps [3, B, P], else 0: [B, P]."""
    light = torch.ones_like(points[0])
    to_lamp = lamp - points
    for kernel, _, part in _chunks(maps, "lit"):
        light = kernel(light, *part, points, to_lamp)
    return light


def _chunks(maps: Maps, task: str) -> list[tuple[Kernel, int, tuple[Tensor, Tensor, Tensor]]]:
    """A kernel, the number of the first primitive and their maps. The room itself hides nothing."""
    origin, matrix = maps.origin.clone(), maps.matrix.clone()
    origin[:, 0], matrix[:, 0] = FAR_AWAY, 0.0
    chunks, begin = [], 0
    for meet, count in zip((_meet_box, _meet_ellipsoid, _meet_frustum), maps.counts, strict=True):
        kernel = _kernel(meet, task)
        for first in range(begin, begin + count, CHUNK):
            part = slice(first, first + CHUNK)
            parts = tuple(values[:, part].contiguous() for values in (origin, matrix, maps.taper))
            chunks.append((kernel, first, parts))
        begin += count
    return chunks  # type: ignore[return-value]


@cache
def _kernel(meet: Kernel, task: str) -> Kernel:
    """A loop over a chunk, unrolled. Which of them are compiled is up to `compile_kernels`."""

    def find_nearest(
        depth: Tensor, index: Tensor, base: Tensor, origin: Tensor, matrix: Tensor, taper: Tensor, rays: Tensor
    ) -> tuple[Tensor, Tensor]:
        for k in range(CHUNK):
            along = _mapped(matrix[:, k], rays)
            there = meet(_parts(origin[:, k]), along, taper[:, k, None])
            nearer = there < depth
            depth = torch.where(nearer, there, depth)
            index = torch.where(nearer, base + k, index)
        return depth, index

    def is_lit(light: Tensor, origin: Tensor, matrix: Tensor, taper: Tensor, points: Tensor, to_lamp: Tensor) -> Tensor:
        for k in range(CHUNK):
            start = [a + b for a, b in zip(_mapped(matrix[:, k], points), _parts(origin[:, k]), strict=True)]
            there = meet(start, _mapped(matrix[:, k], to_lamp), taper[:, k, None], 1e-3)
            light = torch.where(there < 1, 0.0, light)
        return light

    function: Kernel = find_nearest if task == "nearest" else is_lit
    return torch.compile(function, dynamic=True) if _compiles else function


_compiles = False


def compile_kernels(wanted: bool) -> None:
    """Compiled, a picture takes a tenth of the time, after half a minute; the results are the same."""
    global _compiles
    _compiles = wanted
    torch._dynamo.config.recompile_limit = 64  # all kernels are one function to it
    _kernel.cache_clear()


def _parts(vectors: Tensor) -> list[Tensor]:
    """[B, 3] → three of [B, 1]."""
    return [vectors[:, i, None] for i in range(3)]


def _mapped(matrix: Tensor, vectors: Tensor) -> list[Tensor]:
    """[B, 3, 3] · [3, B, P], as three planes."""
    x, y, z = vectors[0], vectors[1], vectors[2]
    return [matrix[:, i, 0, None] * x + matrix[:, i, 1, None] * y + matrix[:, i, 2, None] * z for i in range(3)]


def _slabs(origin: list[Tensor], along: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The last entry and the first exit of the unit box (Kay and Kajiya 1986)."""
    enter = leave = None
    for start, step in zip(origin, along, strict=True):
        inverse = 1 / torch.where(step.abs() < 1e-9, 1e-9, step)
        one, other = (-1 - start) * inverse, (1 - start) * inverse
        low, high = torch.minimum(one, other), torch.maximum(one, other)
        enter = low if enter is None else torch.maximum(enter, low)
        leave = high if leave is None else torch.minimum(leave, high)
    assert enter is not None and leave is not None
    return enter, leave


def _leave_room(origin: Tensor, matrix: Tensor, rays: Tensor) -> Tensor:
    return _slabs(_parts(origin), _mapped(matrix, rays))[1]


def _meet_box(origin: list[Tensor], along: list[Tensor], taper: Tensor, least: float = NEAREST_M) -> Tensor:
    enter, leave = _slabs(origin, along)
    return torch.where((enter < leave) & (enter > least), enter, NOTHING)


def _meet_ellipsoid(origin: list[Tensor], along: list[Tensor], taper: Tensor, least: float = NEAREST_M) -> Tensor:
    a = along[0] * along[0] + along[1] * along[1] + along[2] * along[2]
    b = origin[0] * along[0] + origin[1] * along[1] + origin[2] * along[2]
    c = origin[0] * origin[0] + origin[1] * origin[1] + origin[2] * origin[2] - 1
    inside = b * b - a * c
    there = (-b - inside.clamp(min=0).sqrt()) / a.clamp(min=1e-12)
    return torch.where((inside > 0) & (there > least), there, NOTHING)


def _meet_frustum(origin: list[Tensor], along: list[Tensor], taper: Tensor, least: float = NEAREST_M) -> Tensor:
    """The side, x² + z² = (1 - taper · y)² with |y| < 1, and the two lids."""
    (x, y, z), (dx, dy, dz) = origin, along
    radius, grows = 1 - taper * y, -taper * dy
    a = dx * dx + dz * dz - grows * grows
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b = x * dx + z * dz - radius * grows
    c = x * x + z * z - radius * radius
    inside = b * b - a * c
    root = inside.clamp(min=0).sqrt()
    nearest = torch.full_like(dx, NOTHING)
    for sign in (-1, 1):
        there = (-b + sign * root) / a
        on_side = (inside > 0) & ((y + there * dy).abs() < 1) & (there > least)
        nearest = torch.where(on_side & (there < nearest), there, nearest)
    for lid in (-1, 1):
        there = (lid - y) / torch.where(dy.abs() < 1e-9, 1e-9, dy)
        across, deep, reach = x + there * dx, z + there * dz, 1 - taper * lid
        on_lid = (across * across + deep * deep < reach * reach) & (there > least)
        nearest = torch.where(on_lid & (there < nearest), there, nearest)
    return nearest
