"""Moving Gaussians in space: means, orientations and the harmonics that hold their view-dependent colour. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatcam.gaussians import Gaussians
from splatcam.rendering.harmonics import basis

Array = np.ndarray[Any, Any]
Matrix = tuple[float, ...]  # nine numbers, row by row

TOLERANCE = 1e-4  # of R Rᵀ = 1: what is left of a rotation whose nine numbers were printed with five digits

# Scenes have OpenCV axes (x right, y down, z forward). Each turns them so that something else is true.
PRESETS: dict[str, Matrix] = {
    "y-up": (1, 0, 0, 0, -1, 0, 0, 0, -1),  # x right, y up, z backward: OpenGL, three.js, glTF; twice is nothing
    "z-up": (1, 0, 0, 0, 0, 1, 0, -1, 0),  # x right, y forward, z up: Blender, nerfstudio
    "from-z-up": (1, 0, 0, 0, 0, -1, 0, 1, 0),  # back from there
    "upside-down": (-1, 0, 0, 0, -1, 0, 0, 0, 1),  # half a turn about the view: a camera that hung upside down
    "turn-around": (-1, 0, 0, 0, 1, 0, 0, 0, -1),  # half a turn about the vertical: what was in front is behind
    "quarter-left": (0, 1, 0, -1, 0, 0, 0, 0, 1),  # counterclockwise as the camera sees it: a phone held on its side
    "quarter-right": (0, -1, 0, 1, 0, 0, 0, 0, 1),  # clockwise
}
_BANDS = {1: slice(1, 4), 2: slice(4, 9), 3: slice(9, 16)}
_SAMPLES = 64  # directions; a band of degree 3 needs 7


class NotARotation(ValueError):
    """The matrix does something else than turning; the message says what."""


def preset(name: str) -> Array:
    """[3, 3]."""
    return np.array(PRESETS[name], np.float64).reshape(3, 3)


def rotate(gaussians: Gaussians, rotation: Array | Sequence[Sequence[float]]) -> Gaussians:
    """About the origin: a mean goes to `rotation` [3, 3] @ mean. A new value; scales, opacities and pixels stay.

    Computed in float64, so that there and back differs by roundings of float32 only. Raises NotARotation.
    """
    matrix = require_rotation(rotation)
    return replace(
        gaussians,
        means=_apply(matrix, gaussians.means[..., None])[..., 0],
        rotations=_turn_quaternions(matrix, gaussians.rotations),
        sh=_turn_harmonics(matrix, gaussians.sh),
    )


def place(gaussians: Gaussians, pose: Tensor) -> Gaussians:
    """From a camera's axes into those `pose` [4, 4] leads to. They belong to no one picture then."""
    turned = rotate(replace(gaussians, grid=None, pixel_index=None), pose[:3, :3].cpu().numpy())
    return replace(turned, means=turned.means + pose[:3, 3].to(turned.means))


def scaled(gaussians: Gaussians, factor: float) -> Gaussians:
    """The same scene in another unit of length, from the same camera."""
    return replace(gaussians, means=gaussians.means * factor, scales=gaussians.scales * factor)


def require_rotation(rotation: Array | Sequence[Sequence[float]]) -> Array:
    """The nearest exact rotation [3, 3] f64. Raises NotARotation."""
    matrix = np.asarray(rotation, np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise NotARotation("a rotation has three rows of three numbers, all of them finite")
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > TOLERANCE:
        raise NotARotation("the matrix is no rotation: its rows are not of length 1 and at right angles")
    if np.linalg.det(matrix) < 0:
        raise NotARotation("the matrix is a reflection: it would make a mirror image, which no rotation does")
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def wigner(rotation: Array, degree: int) -> Array:
    """[2d + 1, 2d + 1] f64: what a rotation does to the coefficients of one band, 1 to 3, of our real harmonics.

    From its definition, not from a formula with signs to get wrong: the turned function seen along a direction is the
    function seen along the direction turned back. A band's functions are a basis of what they can become, so the
    solution on more directions than needed is exact.
    """
    return _wigner(tuple(np.ravel(rotation)), degree)


@lru_cache(maxsize=64)
def _wigner(rotation: Matrix, degree: int) -> Array:
    directions = _directions()
    turned_back = directions @ np.array(rotation).reshape(3, 3)
    here, there = (np.stack(basis(*where.T)[_BANDS[degree]], axis=1) for where in (directions, turned_back))
    return np.linalg.lstsq(here, there, rcond=None)[0]


def _directions() -> Array:
    """[_SAMPLES, 3] unit vectors all over the sphere: a Fibonacci spiral."""
    i = np.arange(_SAMPLES)
    z = 1 - (2 * i + 1) / _SAMPLES
    turn = i * np.pi * (3 - np.sqrt(5))
    return np.stack((np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z), axis=1)


def _apply(matrix: Array, vectors: Tensor) -> Tensor:
    """matrix [D, D] @ vectors [N, D, C]."""
    product = torch.as_tensor(matrix, device=vectors.device, dtype=torch.float64) @ vectors.double()
    return product.to(torch.float32)


def _turn_harmonics(matrix: Array, sh: Tensor) -> Tensor:
    """[N, K, 3]; the first harmonic is the same from everywhere."""
    bands = [sh[:, :1]]
    for degree, band in _BANDS.items():
        if sh.shape[1] >= band.stop:
            bands.append(_apply(wigner(matrix, degree), sh[:, band]))
    return torch.cat(bands, dim=1)


def _turn_quaternions(matrix: Array, rotations: Tensor) -> Tensor:
    """wxyz, first the Gaussian's own rotation, then the matrix."""
    w, x, y, z = quaternion(matrix)
    left = np.array(((w, -x, -y, -z), (x, w, -z, y), (y, z, w, -x), (z, -y, x, w)))  # the product as a matrix
    turned = torch.as_tensor(left, device=rotations.device, dtype=torch.float64) @ rotations.double()[..., None]
    turned = turned[..., 0]
    return (turned / turned.norm(dim=1, keepdim=True)).to(torch.float32)


def quaternion(matrix: Array) -> Array:
    """wxyz, w not below 0, of a rotation [3, 3]: the eigenvector of Bar-Itzhack (2000), stable for every angle."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    symmetric = np.array(
        (
            (a + e + i, h - f, c - g, d - b),
            (h - f, a - e - i, b + d, c + g),
            (c - g, b + d, e - a - i, f + h),
            (d - b, c + g, f + h, i - a - e),
        )
    )
    found = np.linalg.eigh(symmetric)[1][:, -1]
    return found if found[0] >= 0 else -found
