"""Image → what people look at: colour, depth, contoured depth, normals. Pure numpy; knows no viewer and no file.

Depth is grey, near is bright. Its range is a value that the caller keeps, so that a picture does not flicker when
something small comes into view: it stays as it is until the scene leaves it, or fills less than half of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from splatcam.rendering import Image
from splatcam.rendering.camera import Camera

Array = np.ndarray[Any, Any]
Mode = Literal["rgb", "depth", "mesh", "normal"]
MODES: tuple[Mode, ...] = get_args(Mode)

_VISIBLE = 1e-3  # alpha up to which there is nothing
_SOLID = 0.5  # alpha from which a depth counts for the range, where there is any: faint rims lie anywhere
_LEAST_HALF = 1e-9
_TAILS = (1.0, 99.0)  # percentiles: one splat far out is not the scene
_MARGIN = 0.1  # of the span, at each end of a new range
_WASTE = 0.5  # a scene that fills less of its range gets a new one
_FARTHEST_GREY = 0.1  # of depth mode: what is farthest is still not the background
_FLATTEST = 0.1  # a range spans at least this share of its distance: a flat wall is grey, and its noise unseen


@dataclass(frozen=True)
class DepthRange:
    """What is white and what is dark."""

    near: float
    far: float

    @classmethod
    def of(cls, image: Image) -> Self | None:
        """What the picture's own depths span, outliers aside. None: there is nothing in it."""
        solid = max(_VISIBLE, min(_SOLID, float(image.alpha.max(initial=0.0)) / 2))
        depths = image.depth[image.alpha > solid]
        if depths.size == 0:
            return None
        near, far = map(float, np.percentile(depths, _TAILS))
        middle = (near + far) / 2
        half = max((far - near) / 2, _FLATTEST / 2 * middle, _LEAST_HALF)
        return cls(middle - half, middle + half)

    @property
    def span(self) -> float:
        return self.far - self.near

    def widened(self) -> DepthRange:
        margin = _MARGIN * self.span
        return DepthRange(self.near - margin, self.far + margin)

    def holds(self, other: DepthRange) -> bool:
        """Whether `other` fits, and not in a corner of it."""
        return self.near <= other.near and other.far <= self.far and other.span >= _WASTE * self.span


def follow(known: DepthRange | None, image: Image) -> DepthRange | None:
    """The range for the next picture of the same viewer. It jumps rather than creeps: a picture at rest is final."""
    seen = DepthRange.of(image)
    if seen is None or (known is not None and known.holds(seen)):
        return known
    return seen.widened()


def shade(image: Image, mode: Mode, camera: Camera, depth_range: DepthRange | None = None) -> Array:
    """[H, W, 3] uint8. Without a `depth_range`: the picture's own."""
    if mode == "rgb":
        return image.rgb8()
    if mode == "normal":
        return _to_bytes(_normals(image, camera) * 0.5 + 0.5, image.alpha > _VISIBLE)
    brightness = _nearness(image, depth_range or DepthRange.of(image) or DepthRange(0.0, 1.0))
    if mode == "depth":
        grey = _FARTHEST_GREY + (1 - _FARTHEST_GREY) * brightness
    else:
        contours = _contours(brightness, image.alpha)
        grey = (0.18 + 0.70 * brightness) * (1 - contours) + 0.02 * contours
    return _to_bytes(np.repeat(grey[..., None], 3, axis=2), image.alpha > _VISIBLE)


def _nearness(image: Image, depth_range: DepthRange) -> Array:
    """[H, W] in 0..1: 1 at the near end. 0 also where nothing is."""
    nearness = np.clip((depth_range.far - image.depth) / depth_range.span, 0.0, 1.0)
    return np.where(image.alpha > _VISIBLE, nearness, 0.0)


def _contours(brightness: Array, alpha: Array) -> Array:
    """[H, W] in 0..1: where depth steps, and where the scene ends."""
    return np.clip(np.maximum(18 * _steps(brightness), 4 * _steps(alpha)), 0.0, 1.0)


def _steps(values: Array) -> Array:
    """The larger of the differences to the pixel at the right and to the one below."""
    across = np.abs(np.diff(values, axis=1, append=values[:, -1:]))
    down = np.abs(np.diff(values, axis=0, append=values[-1:]))
    return np.maximum(across, down)


def _normals(image: Image, camera: Camera) -> Array:
    """[H, W, 3] of length 1, towards the camera. Axes as normal maps have them: x right, y up, z to the viewer."""
    height, width = image.depth.shape
    x = (np.arange(width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(height) + 0.5 - camera.cy) / camera.fy
    depth = image.depth.astype(np.float64)
    points = np.stack((x[None, :] * depth, y[:, None] * depth, depth), axis=-1)
    normals = np.cross(_slope(points, axis=1), _slope(points, axis=0))  # right × down: away from the camera
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    away = np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1.0), [0.0, 0.0, 1.0])
    return away * [-1.0, 1.0, 1.0]


def _slope(points: Array, axis: int) -> Array:
    """The step to one of the two neighbours along `axis`: to the one nearer in depth, which is the same surface."""
    if points.shape[axis] == 1:
        return np.zeros_like(points)
    steps = np.diff(points, axis=axis)
    first, last = np.take(steps, [0], axis), np.take(steps, [-1], axis)
    ahead, behind = np.concatenate((steps, last), axis), np.concatenate((first, steps), axis)
    return np.where(np.abs(ahead[..., 2:]) <= np.abs(behind[..., 2:]), ahead, behind)


def _to_bytes(colors: Array, is_visible: Array) -> Array:
    return np.where(is_visible[..., None], np.round(np.clip(colors, 0, 1) * 255), 0).astype(np.uint8)
