"""Where COLMAP says that pictures were taken from: cameras.bin and images.bin. Reads, never writes; no geometry here.

The format is that of COLMAP's `scripts/python/read_write_model.py`: little-endian, camera_from_world as a quaternion
wxyz and a translation, OpenCV axes, pixel centres at +0.5. Lens distortion is left out: the network takes pinholes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splatcam.job.frames import Array, FootageUnusable
from splatcam.rendering.camera import pose_matrix

MODEL_FOLDERS = ("sparse/0", "sparse", "colmap/sparse/0", ".")  # below the job's folder
CAMERAS, IMAGES = "cameras.bin", "images.bin"
BYTES_OF_A_POINT = 24
# COLMAP's number of a camera model → how many parameters it has, and how many of the first are focal lengths.
PINHOLES = {0: (3, 1), 1: (4, 2), 2: (4, 1), 3: (5, 1), 4: (8, 2), 6: (12, 2)}


@dataclass(frozen=True, eq=False)
class PosedView:
    """One picture's camera."""

    camera_from_world: Array  # [4, 4] f64
    intrinsics: Array  # [3, 3] f64, in pixels of `width` x `height`
    width: int
    height: int

    def intrinsics_of(self, grid: tuple[int, int]) -> Array:
        """[3, 3] f64 of the same picture on a grid of (height, width)."""
        return np.diag((grid[1] / self.width, grid[0] / self.height, 1.0)) @ self.intrinsics


def find_model(folder: Path) -> tuple[Path, ...]:
    """cameras.bin and images.bin of a job's folder; none where COLMAP was not run."""
    models = [(folder / name / CAMERAS, folder / name / IMAGES) for name in MODEL_FOLDERS]
    return next((model for model in models if all(file.is_file() for file in model)), ())


def read_views(model: tuple[Path, ...], files: Sequence[Path]) -> dict[Path, PosedView]:
    """Those of the files that COLMAP has placed, told by their names. Raises FootageUnusable."""
    if not model:
        return {}
    cameras_file, images_file = model
    try:
        cameras = _read_cameras(cameras_file.read_bytes())
        views = _read_images(images_file.read_bytes(), cameras)
    except (OSError, struct.error, KeyError, ValueError, OverflowError) as error:
        raise FootageUnusable(f"COLMAP's model in {images_file.parent} cannot be read: {error}") from None
    return {path: views[path.name] for path in files if path.name in views}


class _Reader:
    """Numbers from bytes, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, layout: str) -> tuple[float, ...]:
        values = struct.unpack_from("<" + layout, self._data, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def count(self) -> int:
        return int(self.take("Q")[0])

    def text(self) -> str:
        end = self._data.index(b"\0", self._at)
        text = self._data[self._at : end].decode("utf-8")
        self._at = end + 1
        return text

    def skip(self, size: int) -> None:
        self._at += size


def _read_cameras(data: bytes) -> dict[int, tuple[Array, int, int]]:
    """Camera id → intrinsics, width, height."""
    reader = _Reader(data)
    cameras = {}
    for _ in range(reader.count()):
        number, model, width, height = map(int, reader.take("iiQQ"))
        if model not in PINHOLES:
            raise ValueError(f"camera model {model} is no pinhole: undistort the pictures first")
        if not (width and height):
            raise ValueError(f"camera {number} has no size")
        parameters, focals = PINHOLES[model]
        values = reader.take(f"{parameters}d")
        fx, fy = values[0], values[focals - 1]
        cx, cy = values[focals : focals + 2]
        cameras[number] = (np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), width, height)
    return cameras


def _read_images(data: bytes, cameras: dict[int, tuple[Array, int, int]]) -> dict[str, PosedView]:
    """By the name of the file, without its folder."""
    reader = _Reader(data)
    views = {}
    for _ in range(reader.count()):
        _, *pose = reader.take("i7d")
        (camera,) = reader.take("i")
        name = reader.text()
        reader.skip(BYTES_OF_A_POINT * reader.count())
        views[Path(name).name] = PosedView(pose_matrix(pose), *cameras[int(camera)])
    return views
