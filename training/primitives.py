"""A scene as a table: boxes, ellipsoids and frusta, each a unit shape under an affine map, with a material.

Owns the table's columns and how scenes are gathered into batches. Knows no rays, no light and no kind of scene.
World axes: x right, y down, z forward, metres; the camera's first view is near the origin, looking along z.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]  # rows
IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
CHUNK = 8  # primitives that one call of a ray kernel tests
AT_MOST = 64  # of each shape in a scene; later ones are left out


class Shape(IntEnum):
    """|x|, |y|, |z| < 1; the unit ball; |y| < 1 about the y axis, with the radius 1 - taper · y."""

    BOX = 0
    ELLIPSOID = 1
    FRUSTUM = 2


class Paint(IntEnum):
    """What is drawn on top of a material, in the primitive's own axes."""

    NOTHING = 0
    FACE = 1


@dataclass(frozen=True)
class Material:
    """Colours 0..1 between which a pattern of the bank chooses; for a coloured pattern black and white."""

    low: Vector
    high: Vector
    pattern: int = 0
    tiles_per_m: float = 1.0
    emission: float = 0.0  # 1: shines by itself and takes no light
    gloss: float = 0.0
    bump: float = 0.0
    paint: Paint = Paint.NOTHING


@dataclass(frozen=True)
class Frame:
    """Where a group of primitives is built: local → world."""

    turn: Matrix = IDENTITY
    origin: Vector = (0.0, 0.0, 0.0)
    scale: float = 1.0

    def point(self, local: Vector) -> Vector:
        x, y, z = (sum(r * v for r, v in zip(row, local, strict=True)) * self.scale for row in self.turn)
        return x + self.origin[0], y + self.origin[1], z + self.origin[2]


# Columns of a row after the shape's kind
CENTRE, TURN, HALF, TAPER = slice(0, 3), slice(3, 12), slice(12, 15), 15
LOW, HIGH, PATTERN, TILES, OFFSET = slice(16, 19), slice(19, 22), 22, 23, slice(24, 26)
EMISSION, GLOSS, BUMP, PAINT, KIND = 26, 27, 28, 29, 30
WIDTH = 31


@dataclass
class Builder:
    """Collects the primitives of one scene. The first box is the room, seen from inside."""

    rng: random.Random
    rows: dict[Shape, list[list[float]]] = field(default_factory=lambda: {shape: [] for shape in Shape})
    frame: Frame = field(default_factory=Frame)

    @contextmanager
    def placed(self, origin: Vector, turn: Matrix = IDENTITY, scale: float = 1.0) -> Iterator[None]:
        """What is built meanwhile stands at `origin` of the frame around it."""
        before = self.frame
        self.frame = Frame(product(before.turn, turn), before.point(origin), before.scale * scale)
        yield
        self.frame = before

    def add(
        self, shape: Shape, centre: Vector, half: Vector, material: Material, turn: Matrix = IDENTITY, taper: float = 0
    ) -> None:
        """A primitive in the frame's axes; left out where the camera would be inside it."""
        turn = product(self.frame.turn, turn)
        scale = self.frame.scale
        place = self.frame.point(centre)
        sides = [max(1e-4, side * scale) for side in half]
        seen = [sum(turn[r][c] * place[r] for r in range(3)) / (sides[c] + 0.05) for c in range(3)]
        rows = self.rows[shape]
        is_room = shape is Shape.BOX and not rows
        if len(rows) == AT_MOST or (not is_room and max(abs(value) for value in seen) < 1):
            return
        offset = (self.rng.random(), self.rng.random())
        rows.append(
            [
                *place, *turn[0], *turn[1], *turn[2], *sides, taper, *material.low, *material.high, material.pattern,
                material.tiles_per_m, *offset, material.emission, material.gloss, material.bump, material.paint, shape,
            ]
        )  # fmt: skip

    def box(self, centre: Vector, half: Vector, material: Material, turn: Matrix = IDENTITY) -> None:
        self.add(Shape.BOX, centre, half, material, turn)

    def ellipsoid(self, centre: Vector, half: Vector, material: Material, turn: Matrix = IDENTITY) -> None:
        self.add(Shape.ELLIPSOID, centre, half, material, turn)

    def column(self, centre: Vector, half: Vector, material: Material, taper: float = 0.0) -> None:
        """A frustum that stands upright; `taper` > 0: wider at the top, for y points down."""
        self.add(Shape.FRUSTUM, centre, half, material, taper=taper)

    def rod(self, start: Vector, end: Vector, radii: tuple[float, float], material: Material) -> None:
        """A round frustum from one point to another."""
        turn, length = towards(start, end)
        middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
        radius = (radii[0] + radii[1]) / 2
        taper = (radii[0] - radii[1]) / (2 * radius)
        self.add(Shape.FRUSTUM, middle, (radius, length / 2, radius), material, turn, taper)  # type: ignore[arg-type]


def product(a: Matrix, b: Matrix) -> Matrix:
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(r[0] * c[0] + r[1] * c[1] + r[2] * c[2] for c in columns) for r in a)  # type: ignore[return-value]


def yawed(angle_rad: float) -> Matrix:
    """A turn about the vertical axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return (c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)


def pitched(angle_rad: float) -> Matrix:
    """A turn about the x axis; a camera turned by a positive angle looks down."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return (1.0, 0.0, 0.0), (0.0, c, s), (0.0, -s, c)


def rolled(angle_rad: float) -> Matrix:
    """A turn about the z axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return (c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)


def towards(start: Vector, end: Vector) -> tuple[Matrix, float]:
    """The turn whose y axis points from one point to the other, and their distance."""
    along = [b - a for a, b in zip(start, end, strict=True)]
    length = max(1e-6, math.hypot(*along))
    y = [value / length for value in along]
    helper = (1.0, 0.0, 0.0) if abs(y[0]) < 0.8 else (0.0, 0.0, 1.0)
    x = _cross(y, helper)
    norm = math.hypot(*x)
    x = [value / norm for value in x]
    z = _cross(x, y)
    return tuple((x[i], y[i], z[i]) for i in range(3)), length  # type: ignore[return-value]


def _cross(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


@dataclass(frozen=True, eq=False)
class Table:
    """The primitives of a batch: the rows of each shape follow each other, in whole chunks."""

    rows: Tensor  # [B, N, WIDTH] f32; a row without size is no primitive
    counts: tuple[int, int, int]  # of boxes, ellipsoids and frusta, multiples of CHUNK

    def first(self, scenes: int) -> Table:
        return Table(self.rows[:scenes], self.counts)

    def to(self, device: torch.device) -> Table:
        return Table(self.rows.to(device), self.counts)


def batched(builders: Sequence[Builder]) -> Table:
    counts = [max(len(b.rows[shape]) for b in builders) for shape in Shape]
    counts = [max(CHUNK, -(-count // CHUNK) * CHUNK) for count in counts]
    table = np.zeros((len(builders), sum(counts), WIDTH), np.float32)
    for scene, builder in enumerate(builders):
        begin = 0
        for shape, count in zip(Shape, counts, strict=True):
            rows = builder.rows[shape]
            if rows:
                table[scene, begin : begin + len(rows)] = rows
            begin += count
    boxes, ellipsoids, frusta = counts
    return Table(torch.from_numpy(table), (boxes, ellipsoids, frusta))
