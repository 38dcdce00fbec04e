"""Gaussians as numpy arrays → Spark's words, 16 bytes a splat. The record is described in codecs/packed16.py.

For programs that have arrays and no torch; both writers are held to the same plain one by tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatcam.timeline.nodes import ROW_SPLATS, TimelineError

LN_SCALE_MIN, LN_SCALE_MAX = -12.0, 9.0
NO_AXIS_SQUARED = 2.0**-24
_RECORD = np.dtype(
    [("rgba", "u1", 4), ("mean", "<f2", 3), ("u", "u1"), ("v", "u1"), ("scale", "u1", 3), ("angle", "u1")]
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class GaussianArrays:
    """N Gaussians, OpenCV axes, linear units; colours are display-referred sRGB."""

    means: Array  # [N, 3] f32
    scales: Array  # [N, 3] f32, standard deviations > 0
    rotations: Array  # [N, 4] f32, wxyz, of any length but zero
    opacities: Array  # [N] f32 in 0..1
    colors: Array  # [N, 3] uint8, or f32 in 0..1


def pack_words(gaussians: GaussianArrays) -> bytes:
    """Padded with zeros to a multiple of 2048 splats. Raises TimelineError for arrays that do not fit."""
    g = _checked(gaussians)
    count = len(g.means)
    records = np.zeros(-(-count // ROW_SPLATS) * ROW_SPLATS, _RECORD)
    filled = records[:count]
    filled["rgba"][:, :3] = g.colors if g.colors.dtype == np.uint8 else _unit_bytes(g.colors)
    filled["rgba"][:, 3] = _unit_bytes(g.opacities)
    with np.errstate(over="ignore"):  # beyond 65,504 a mean is infinite, as it is in Spark
        filled["mean"] = g.means
    steps = 254 / (LN_SCALE_MAX - LN_SCALE_MIN)
    filled["scale"] = np.clip(np.floor((np.log(g.scales) - LN_SCALE_MIN) * steps + 1.5), 1, 255)
    filled["u"], filled["v"], filled["angle"] = _rotation_bytes(g.rotations)
    return records.tobytes()


def _rotation_bytes(rotations: Array) -> tuple[Array, Array, Array]:
    """[N, 4] → octahedral u and v of the axis, and the angle, [N] each."""
    w, *axis = (rotations / np.linalg.norm(rotations, axis=1, keepdims=True)).T
    sign = np.where(w < 0, np.float32(-1), np.float32(1))
    x, y, z = (part * sign for part in axis)
    angle = _unit_bytes(2 * np.arccos(np.minimum(np.abs(w), 1)) / math.pi)
    has_axis = x * x + y * y + z * z >= NO_AXIS_SQUARED
    x, y, z = np.where(has_axis, x, np.float32(1)), y * has_axis, z * has_axis
    x, y, z = (part / (np.abs(x) + np.abs(y) + np.abs(z)) for part in (x, y, z))
    fold = np.maximum(-z, 0)
    u, v = (part + np.copysign(fold, np.where(part >= 0, 1, -1)) for part in (x, y))
    return _unit_bytes(u * 0.5 + 0.5), _unit_bytes(v * 0.5 + 0.5), angle


def _unit_bytes(values: Array) -> Array:
    """0..1 → the nearest of 0..255."""
    return np.clip(np.floor(values * 255 + 0.5), 0, 255).astype(np.uint8)


def _checked(given: GaussianArrays) -> GaussianArrays:
    means = np.asarray(given.means, np.float32)
    count = len(np.atleast_1d(means))
    colors = np.asarray(given.colors)
    arrays = {
        "means": means,
        "scales": np.asarray(given.scales, np.float32),
        "rotations": np.asarray(given.rotations, np.float32),
        "opacities": np.asarray(given.opacities, np.float32),
        "colors": colors if colors.dtype == np.uint8 else colors.astype(np.float32),
    }
    shapes = {"means": (count, 3), "scales": (count, 3), "rotations": (count, 4), "opacities": (count,)}
    for name, shape in {**shapes, "colors": (count, 3)}.items():
        if arrays[name].shape != shape:
            raise TimelineError(f"{name} has shape {arrays[name].shape}, not {shape}")
        if not np.isfinite(arrays[name]).all():
            raise TimelineError(f"{name} has values that are no numbers")
    if not (arrays["scales"] > 0).all():
        raise TimelineError("scales has values that are not positive")
    if not arrays["rotations"].any(axis=1).all():
        raise TimelineError("rotations has a quaternion of length zero")
    return GaussianArrays(**arrays)
