"""Spark's 16-byte record as plain arithmetic on one Gaussian, and back. Slow and readable: what packed16 must equal.

From sparkjsdev/spark 2.2.0, docs/docs/packed-splats.md and src/utils.ts; float64 inside.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

SH_C0 = 0.5 / math.sqrt(math.pi)


Floats = Sequence[float]


def record(mean: Floats, scale: Floats, rotation: Floats, opacity: float, dc: Floats) -> bytes:
    """One Gaussian in linear units, quaternion wxyz → 16 bytes."""
    rgba = [_byte(0.5 + SH_C0 * value) for value in dc] + [_byte(opacity)]
    scales = [min(255, max(1, 1 + _round((math.log(s) + 12) * 254 / 21))) for s in scale]
    u, v, angle = rotation_bytes(rotation)
    return struct.pack("<4B3e2B3BB", *rgba, *mean, u, v, *scales, angle)


def rotation_bytes(rotation: Floats) -> tuple[int, int, int]:
    """wxyz → octahedral u, v of the axis and the angle."""
    w, *axis = (component / math.hypot(*rotation) for component in rotation)
    if w < 0:
        w, axis = -w, [-a for a in axis]
    angle = _byte(2 * math.acos(min(w, 1.0)) / math.pi)
    if math.hypot(*axis) ** 2 < 2**-24:
        axis = [1.0, 0.0, 0.0]
    x, y, z = (a / sum(map(abs, axis)) for a in axis)
    if z < 0:
        x, y = (1 - abs(y)) * (1 if x >= 0 else -1), (1 - abs(x)) * (1 if y >= 0 else -1)
    return _byte(x * 0.5 + 0.5), _byte(y * 0.5 + 0.5), angle


def unpack(data: bytes) -> tuple[list[float], list[float], list[float], float, list[float]]:
    """16 bytes → mean, scale, rotation wxyz, opacity, rgb."""
    r, g, b, a, x, y, z, u, v, *scales, angle = struct.unpack("<4B3e2B3BB", data)
    p, q = u / 255 * 2 - 1, v / 255 * 2 - 1
    axis = [p, q, 1 - abs(p) - abs(q)]
    if axis[2] < 0:
        axis[0], axis[1] = math.copysign(1 - abs(q), p), math.copysign(1 - abs(p), q)
    length = math.hypot(*axis)
    half = angle / 255 * math.pi / 2
    rotation = [math.cos(half), *(math.sin(half) * component / length for component in axis)]
    scale = [math.exp((s - 1) * 21 / 254 - 12) for s in scales]
    return [x, y, z], scale, rotation, a / 255, [r / 255, g / 255, b / 255]


def _round(value: float) -> int:
    return math.floor(value + 0.5)


def _byte(value: float) -> int:
    return min(255, max(0, _round(255 * value)))
