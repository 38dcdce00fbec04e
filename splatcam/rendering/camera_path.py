"""nerfstudio's camera path JSON ⇄ cameras. No files here: text in, text out.

    {"camera_type": "perspective", "render_width": 1280, "render_height": 720, "fps": 30, "seconds": 5,
     "camera_path": [{"camera_to_world": [16 numbers, row by row], "fov": 50, "aspect": 1.78}, ...]}

Its cameras have OpenGL axes (x right, y up, z backward), ours OpenCV's: the second and third column change sign. `fov`
is vertical, in degrees. The world is the scene's own: where nerfstudio has moved and scaled a scene for training, its
path belongs to the .ply that it exported. Keys that we do not know are left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatcam.rendering.camera import Array, Camera

MAX_FRAMES = 36_000  # twenty minutes at 30 frames a second
MAX_SIDE_PX = 8192
NOT_ORTHONORMAL = 1e-2  # how far the columns may be from a rotation; nearer ones are repaired
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


class BadCameraPath(ValueError):
    """The text is no camera path that can be filmed; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class CameraPath:
    """One camera for each frame of a film."""

    cameras: tuple[Camera, ...]
    fps: float

    @property
    def seconds(self) -> float:
        return len(self.cameras) / self.fps


def read_camera_path(text: str, size: tuple[int, int] | None = None) -> CameraPath:
    """`size`: (width, height) in place of the file's. Raises BadCameraPath."""
    try:
        path = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCameraPath(f"the camera path is no JSON: {error}") from None
    if not isinstance(path, dict) or not isinstance(path.get("camera_path"), list):
        raise BadCameraPath("the camera path has no list `camera_path`")
    kind = path.get("camera_type", "perspective")
    if kind != "perspective":
        raise BadCameraPath(f"the camera path is for {kind!r} cameras: only perspective ones can be drawn")
    frames = path["camera_path"]
    if not 1 <= len(frames) <= MAX_FRAMES:
        raise BadCameraPath(f"the camera path has {len(frames)} frames, not 1 to {MAX_FRAMES}")
    width, height = size or (_side(path, "render_width"), _side(path, "render_height"))
    cameras = tuple(_camera(i, frame, width, height) for i, frame in enumerate(frames))
    return CameraPath(cameras, _fps(path, len(frames)))


def write_camera_path(path: CameraPath) -> str:
    """The size is that of the first camera: nerfstudio has one for all."""
    first = path.cameras[0]
    value = {
        "camera_type": "perspective",
        "render_height": first.height,
        "render_width": first.width,
        "fps": path.fps,
        "seconds": path.seconds,
        "camera_path": [_frame(camera) for camera in path.cameras],
    }
    return json.dumps(value, indent=1)


def _frame(camera: Camera) -> dict[str, Any]:
    matrix = camera.world_from_camera @ OPENCV_FROM_OPENGL
    return {
        "camera_to_world": [float(number) for number in matrix.ravel()],
        "fov": camera.fov_deg,
        "aspect": camera.width / camera.height,
    }


def _camera(index: int, frame: Any, width: int, height: int) -> Camera:
    if not isinstance(frame, dict):
        raise BadCameraPath(f"frame {index} of the camera path is no object")
    fov_deg = _number(frame.get("fov"))
    if not 0 < fov_deg < 180:
        raise BadCameraPath(f"frame {index} of the camera path has a field of view of {frame.get('fov')!r} degrees")
    return Camera.pinhole(width, height, fov_deg, _pose(index, frame.get("camera_to_world")))


def _pose(index: int, numbers: Any) -> Array:
    """[4, 4] f64 world_from_camera, OpenCV axes."""
    values = [_number(number) for number in numbers] if isinstance(numbers, Sequence) else []
    if len(values) != 16 or not all(map(math.isfinite, values)):
        raise BadCameraPath(f"frame {index} of the camera path has no `camera_to_world` of 16 finite numbers")
    matrix = np.array(values).reshape(4, 4) @ OPENCV_FROM_OPENGL
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = _nearest_rotation(index, matrix[:3, :3]), matrix[:3, 3]
    return pose


def _nearest_rotation(index: int, matrix: Array) -> Array:
    """Of numbers that a text has rounded (Kabsch). Raises BadCameraPath for a mirror, a scale or a shear."""
    u, stretch, v = np.linalg.svd(matrix)
    if np.abs(stretch - 1).max() > NOT_ORTHONORMAL or np.linalg.det(matrix) < 0:
        raise BadCameraPath(f"frame {index} of the camera path is no rotation: its axes are scaled, skewed or mirrored")
    return u @ v


def _side(path: dict[str, Any], name: str) -> int:
    value = _number(path.get(name))
    if not 1 <= value <= MAX_SIDE_PX:
        raise BadCameraPath(f"the camera path has a {name} of {path.get(name)!r}, not 1 to {MAX_SIDE_PX}")
    return round(value)


def _fps(path: dict[str, Any], frames: int) -> float:
    """nerfstudio plays the frames in `seconds`; older files have `fps` alone."""
    seconds, fps = _number(path.get("seconds")), _number(path.get("fps"))
    rate = frames / seconds if seconds > 0 else fps
    if not 0 < rate <= 240:
        raise BadCameraPath(f"the camera path plays {rate:g} frames a second, not up to 240")
    return rate


def _number(value: Any) -> float:
    """Not a number for whatever is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # JSON's whole numbers have no end
        return math.nan
