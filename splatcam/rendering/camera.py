"""Where a picture is taken from: OpenCV pinhole cameras, and orbits around a point. Pure numpy, no torch, no I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

Array = np.ndarray[Any, Any]
Vector = tuple[float, float, float]
NEAR = 0.01
LEAST_RADIUS = 1e-3
_PARALLEL = 1e-6  # sine of the angle below which a direction is no help as `up`


@dataclass(frozen=True, eq=False)
class Camera:
    """OpenCV axes: x right, y down, z forward. Pixel (x, y) covers [x, x + 1): its centre is at +0.5."""

    world_from_camera: Array  # [4, 4] f64, a rotation and the camera's position
    fx: float  # focal lengths and principal point, in pixels
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    near: float = NEAR  # means nearer than this along the optical axis are not drawn

    @classmethod
    def pinhole(cls, width: int, height: int, fov_deg: float, world_from_camera: Array | None = None) -> Self:
        """`fov_deg`: the vertical field of view. Without a pose the camera of a live frame: at the origin, along z."""
        focal_px = 0.5 * height / math.tan(math.radians(fov_deg) / 2)
        pose = np.eye(4) if world_from_camera is None else np.asarray(world_from_camera, np.float64)
        return cls(pose, focal_px, focal_px, width / 2, height / 2, width, height)

    @classmethod
    def look_at(cls, eye: Vector, at: Vector, up: Vector, fov_deg: float, width: int, height: int) -> Self:
        """From `eye` towards `at`, `up` being the direction that is up in the picture."""
        return cls.pinhole(width, height, fov_deg, look_at_pose(eye, at, up))

    @property
    def camera_from_world(self) -> Array:
        """[4, 4] f64."""
        rotation, position = self.world_from_camera[:3, :3], self.world_from_camera[:3, 3]
        matrix = np.eye(4)
        matrix[:3, :3] = rotation.T
        matrix[:3, 3] = -rotation.T @ position
        return matrix

    @property
    def position(self) -> Array:
        """[3] f64, in the world."""
        return self.world_from_camera[:3, 3]

    @property
    def fov_deg(self) -> float:
        """Vertical."""
        return math.degrees(2 * math.atan(0.5 * self.height / self.fy))

    def resized(self, width: int, height: int) -> Self:
        """The same view on another grid."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy, width=width, height=height
        )

    def project(self, points: Array) -> tuple[Array, Array]:
        """[N, 3] in the world → pixels [N, 2] and depths [N]; what lies behind the camera has a depth below 0."""
        matrix = self.camera_from_world
        x, y, z = (points @ matrix[:3, :3].T + matrix[:3, 3]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack((self.fx * x / z + self.cx, self.fy * y / z + self.cy), axis=-1), z


@dataclass(frozen=True)
class Orbit:
    """A place on a sphere around a target. World up is (0, up, 0): -1 for our scenes, whose y points down.

    theta 0 and phi 0 is at target + (0, 0, radius), looking back along z.
    """

    theta_rad: float
    phi_rad: float
    radius: float
    target: Vector = (0.0, 0.0, 0.0)
    up: Literal[1, -1] = 1

    @classmethod
    def of_pose(cls, pose: tuple[float, ...] | None, distance: float) -> Orbit:
        """Around what lies at `distance` in front of one of our cameras, from where that stands, without its roll.

        `pose`: quaternion wxyz and place, OpenCV axes; None: at the origin.
        """
        w, x, y, z, *place = pose or (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        forward = 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)
        target = tuple(at + distance * along for at, along in zip(place, forward, strict=True))
        theta_rad, sine = math.atan2(0.0 - forward[0], -forward[2]), min(1.0, max(-1.0, forward[1]))
        return cls(theta_rad, math.asin(sine), distance, (target[0], target[1], target[2]), -1)

    @property
    def eye(self) -> Vector:
        radius = max(self.radius, LEAST_RADIUS)
        x = radius * math.cos(self.phi_rad) * math.sin(self.theta_rad)
        y = radius * self.up * math.sin(self.phi_rad)
        z = radius * math.cos(self.phi_rad) * math.cos(self.theta_rad)
        return self.target[0] + x, self.target[1] + y, self.target[2] + z

    def camera(self, fov_deg: float, width: int, height: int) -> Camera:
        return Camera.look_at(self.eye, self.target, (0.0, float(self.up), 0.0), fov_deg, width, height)


def look_at_pose(eye: Vector, at: Vector, up: Vector) -> Array:
    """[4, 4] f64 world_from_camera. Where `up` and the view are parallel, or one has no length, another up is taken."""
    position = np.asarray(eye, np.float64)
    forward = _unit(np.asarray(at, np.float64) - position, fallback=np.array([0.0, 0.0, 1.0]))
    right = np.cross(forward, np.asarray(up, np.float64))
    if np.linalg.norm(right) < _PARALLEL * max(1e-300, float(np.linalg.norm(up))) or not np.any(right):
        right = np.cross(forward, np.eye(3)[np.argmin(np.abs(forward))])
    right = _unit(right, fallback=np.array([1.0, 0.0, 0.0]))
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, position
    return pose


def _unit(vector: Array, fallback: Array) -> Array:
    largest = float(np.abs(vector).max())
    if largest == 0:
        return fallback
    scaled = vector / largest  # the square of a tiny number is none
    return scaled / np.linalg.norm(scaled)


def pose_matrix(pose: Sequence[float]) -> Array:
    """w x y z of a quaternion of any length, and a translation → [4, 4] f64. Raises ValueError."""
    length = float(np.linalg.norm(pose[:4]))
    if not (length > 0 and np.isfinite(pose).all()):
        raise ValueError("a pose is none: its quaternion has no length, or a number is not finite")
    w, x, y, z = np.array(pose[:4]) / length
    matrix = np.eye(4)
    matrix[:3, :3] = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    matrix[:3, 3] = pose[4:]
    return matrix
