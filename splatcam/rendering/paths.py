"""Camera paths: the cameras of a film, one for each of its frames. Pure; what is on disk is `camera_path.py`'s."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from splatcam.gaussians import Gaussians
from splatcam.rendering.camera import NEAR, Array, Camera, Vector, look_at_pose
from splatcam.rendering.framing import AXES, SceneBounds, Up, distance_to_fit, outlook_from_origin

PathName = Literal["orbit", "wobble"]
ELEVATION_DEG = 35.0
SWEEP_DEG = 360.0
WOBBLE = 0.03  # radius of the circle, in distances to the scene's middle: about 2 degrees
NEAR_SHARE = 0.01  # of the distance: a scene may be smaller than the usual near plane
STEEPEST_DEG = 89.0  # beyond, up is no longer up in the picture


@dataclass(frozen=True)
class Shot:
    """What the cameras of a path have in common."""

    seconds: float = 5.0
    fps: int = 30
    width: int = 1280
    height: int = 720
    fov_deg: float = 50.0  # vertical
    up: Up = "-y"

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))

    @property
    def half_tangents(self) -> tuple[float, float]:
        vertical = math.tan(math.radians(self.fov_deg) / 2)
        return vertical * self.width / self.height, vertical


def orbit(
    bounds: SceneBounds, shot: Shot, elevation_deg: float = ELEVATION_DEG, sweep_deg: float = SWEEP_DEG
) -> list[Camera]:
    """Around the middle of the box, at one height and one distance, all corners in every picture.

    A full turn begins in front, where the scene's first camera was, and ends one step before it: the film loops.
    Less than a full turn has the front in its middle.
    """
    return around(bounds, shot, [(azimuth, elevation_deg) for azimuth in _azimuths_deg(shot.frames, sweep_deg)])


def _azimuths_deg(frames: int, sweep_deg: float) -> Array:
    if sweep_deg >= 360:
        return np.arange(frames) * sweep_deg / frames
    return np.linspace(-sweep_deg / 2, sweep_deg / 2, frames)


def around(bounds: SceneBounds, shot: Shot, angles_deg: Sequence[tuple[float, float]]) -> list[Camera]:
    """Cameras at (azimuth, elevation) around the middle of the box, all at the distance that suits each of them."""
    up = AXES[shot.up].up
    directions = [_direction(shot.up, *pair) for pair in angles_deg]
    poses = [look_at_pose(_vector(way), (0.0, 0.0, 0.0), up) for way in directions]
    distance = distance_to_fit(bounds, np.stack(poses)[:, :3, :3], shot.half_tangents)
    eyes = [_vector(np.array(bounds.center) + distance * way) for way in directions]
    return [_camera(shot, eye, bounds.center, distance) for eye in eyes]


def _direction(up: Up, azimuth_deg: float, elevation_deg: float) -> Array:
    """[3] unit, from the middle towards the camera; azimuth 0 is in front, 90 to the right of it."""
    axes = AXES[up]
    upward, front = np.array(axes.up), -np.array(axes.forward)
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    level = math.cos(azimuth) * front + math.sin(azimuth) * np.cross(upward, front)
    return math.cos(elevation) * level + math.sin(elevation) * upward


def wobble(gaussians: Gaussians, shot: Shot, radius: float = WOBBLE, fov_deg: float | None = None) -> list[Camera]:
    """A small circle around the place that a single frame was taken from, always looking at the middle of the scene.

    For splats of one view, which have no back. Without `fov_deg` the whole frame is in the picture.
    """
    axes = AXES[shot.up]
    outlook = outlook_from_origin(gaussians, axes)
    if fov_deg is None:
        tan_x, tan_y = outlook.half_tangents
        fov_deg = math.degrees(2 * math.atan(max(tan_y, tan_x * shot.height / shot.width)))
    shot = replace(shot, fov_deg=fov_deg)
    right, upward = np.cross(np.array(axes.forward), np.array(axes.up)), np.array(axes.up)
    turns = np.arange(shot.frames) * 2 * math.pi / shot.frames
    circle = [radius * outlook.distance * (math.sin(turn) * right + math.cos(turn) * upward) for turn in turns]
    return [_camera(shot, _vector(eye), outlook.middle, outlook.distance) for eye in circle]


def _camera(shot: Shot, eye: Vector, at: Vector, distance: float) -> Camera:
    camera = Camera.look_at(eye, at, AXES[shot.up].up, shot.fov_deg, shot.width, shot.height)
    return replace(camera, near=min(NEAR, NEAR_SHARE * distance))


def _vector(values: Array) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
