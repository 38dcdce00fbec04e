"""How far away a camera has to be: where a scene's splats are, without its strays, and what fits into a picture.

Pure numpy; knows directions and sizes, no time and no files. `paths.py` makes cameras of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from splatcam.gaussians import Gaussians
from splatcam.rendering.camera import Array, Vector

STRAYS = 0.02  # of the opacity, at either end of each axis: floaters, and what lies far behind a window
MARGIN = 0.05  # of half the picture that stays free at each edge
LARGEST_SAMPLE = 1_000_000  # splats that are sorted; of more every n-th, which moves no percentile to speak of
SMALLEST_HALF_TANGENT = 0.02
LARGEST_HALF_TANGENT = 1.8  # about 122 degrees

Up = Literal["-y", "+y", "+z"]


class NothingToFrame(ValueError):
    """There is nothing that a camera could look at; the message is one sentence."""


@dataclass(frozen=True)
class Axes:
    """Which way is up in a scene, and which way its first camera looked."""

    up: Vector
    forward: Vector


# -y: as our frames come, OpenCV; +y: turned half around x; +z: as mapping programs and Blender have it.
AXES: dict[Up, Axes] = {
    "-y": Axes(up=(0.0, -1.0, 0.0), forward=(0.0, 0.0, 1.0)),
    "+y": Axes(up=(0.0, 1.0, 0.0), forward=(0.0, 0.0, -1.0)),
    "+z": Axes(up=(0.0, 0.0, 1.0), forward=(0.0, 1.0, 0.0)),
}


@dataclass(frozen=True)
class SceneBounds:
    """A box along the axes."""

    minimum: Vector
    maximum: Vector

    @property
    def center(self) -> Vector:
        x, y, z = ((low + high) / 2 for low, high in zip(self.minimum, self.maximum, strict=True))
        return x, y, z

    @property
    def corners(self) -> Array:
        """[8, 3] f64."""
        return np.array(list(product(*zip(self.minimum, self.maximum, strict=True))))


def scene_bounds(gaussians: Gaussians) -> SceneBounds:
    """The box of the opacity's STRAYS and 1 - STRAYS percentiles. Raises NothingToFrame."""
    means, weights = _visible(gaussians)
    low, high = _spread(means, weights)
    return SceneBounds(_vector(low), _vector(high))


def distance_to_fit(bounds: SceneBounds, rotations: Array, half_tangents: tuple[float, float]) -> float:
    """From the middle of the box, so that all its corners are in every picture, MARGIN of it left free.

    `rotations` [F, 3, 3]: world_from_camera of cameras that look at the middle. `half_tangents`: tan of half the
    horizontal and half the vertical field of view. In closed form: a corner at (x, y, z) in a camera's axes around
    the middle is inside from the distance max(|x| / tan_x, |y| / tan_y) - z on.
    """
    corners = (bounds.corners - np.array(bounds.center)) @ rotations  # [F, 8, 3], in each camera's axes
    tangents = np.array(half_tangents) * (1 - MARGIN)
    needed = (np.abs(corners[..., :2]) / tangents).max(axis=-1) - corners[..., 2]
    return max(float(needed.max()), _smallest_distance(bounds))


def _smallest_distance(bounds: SceneBounds) -> float:
    """Well outside of the box. A single point has no size: its distance from the origin stands for it."""
    size = math.dist(bounds.minimum, bounds.maximum)
    return size if size > 0 else max(math.dist(bounds.center, (0.0, 0.0, 0.0)), 1.0) / 10


@dataclass(frozen=True)
class Outlook:
    """What a camera at the origin sees of a scene."""

    middle: Vector  # in the world: the middle of the picture, at the depth of half of the opacity
    distance: float
    half_tangents: tuple[float, float]  # horizontal, vertical


def outlook_from_origin(gaussians: Gaussians, axes: Axes) -> Outlook:
    """What the camera of a live frame saw: the picture's edges are where its splats end. Raises NothingToFrame."""
    means, weights = _visible(gaussians)
    right = np.cross(np.array(axes.forward), np.array(axes.up))
    camera = means @ np.stack((right, -np.array(axes.up), np.array(axes.forward)), axis=1)
    before = camera[:, 2] > 0
    if not before.any():
        raise NothingToFrame("no splat lies before the origin, where the scene's first camera was: take --path orbit")
    x, y, z = camera[before].T
    low, high = _spread(np.stack((x / z, y / z), axis=1), weights[before])
    depth = float(_percentiles(z, weights[before], (0.5,))[0])
    u, v = (low + high) / 2
    half_x, half_y = np.clip((high - low) / 2, SMALLEST_HALF_TANGENT, LARGEST_HALF_TANGENT)
    middle = depth * (u * right - v * np.array(axes.up) + np.array(axes.forward))
    return Outlook(_vector(middle), depth, (float(half_x), float(half_y)))


def _visible(gaussians: Gaussians) -> tuple[Array, Array]:
    """Means [N, 3] and opacities [N], f64, of the splats that show."""
    step = max(1, gaussians.count // LARGEST_SAMPLE)
    means = gaussians.means[::step].cpu().numpy().astype(np.float64)
    weights = gaussians.opacities[::step].cpu().numpy().astype(np.float64)
    shows = weights > 0
    if not shows.any():
        raise NothingToFrame("the scene has no splats that show")
    return means[shows], weights[shows]


def _spread(points: Array, weights: Array) -> tuple[Array, Array]:
    """The lower and the upper percentile of each column."""
    columns = [_percentiles(column, weights, (STRAYS, 1 - STRAYS)) for column in points.T]
    low, high = np.stack(columns, axis=1)
    return low, high


def _percentiles(values: Array, weights: Array, shares: tuple[float, ...]) -> Array:
    """The values at these shares of the weight: the first at which the sum of weights reaches the share."""
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    at = np.searchsorted(sums, np.array(shares) * sums[-1])
    return values[order][np.minimum(at, len(values) - 1)]


def _vector(values: Any) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
