"""How true a model's Gaussians are to the camera's pictures: drawn again from where it stood, and from beside it.

A gauge, not a judge of depth: a flat photograph on a wall would pass at 0 degrees. Holes at 5 and 10 degrees, and what
jumps from frame to frame of a camera that stands still, say the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from splatcam.bench.report import row
from splatcam.estimators import Estimator, Prediction
from splatcam.frames import decode_frame
from splatcam.gaussians import Gaussians
from splatcam.pipeline import live_scene, to_grid
from splatcam.rendering import Rasterizer
from splatcam.rendering.camera import Camera, Orbit
from splatcam.rendering.metrics import hole_ratio, psnr_db, ssim
from splatcam.telemetry import percentile

Array = np.ndarray[Any, Any]
ANGLES_DEG = (0, 5, 10)
COLUMNS = (
    "clip", "model", "frames", "PSNR dB", "SSIM", *(f"holes {angle}°" for angle in ANGLES_DEG),
    "depth jitter", "field of view jitter",
)  # fmt: skip


@dataclass(frozen=True)
class FrameFidelity:
    """One frame's numbers."""

    psnr_db: float  # at 0 degrees, where anything was drawn
    ssim: float
    holes: tuple[float, ...]  # at ANGLES_DEG, of the pixels that have Gaussians at all
    depth: float  # median
    fov_deg: float  # vertical


@dataclass(frozen=True)
class Fidelity:
    """Medians over a clip, and how much numbers that should be steady jump from one frame to the next."""

    clip: str
    model: str
    frames: int
    psnr_db: float
    ssim: float
    holes: tuple[float, ...]
    depth_jitter: float  # root mean square of ln(median depth) from frame to frame
    fov_jitter_deg: float  # the same of the field of view


def measure(
    clip: str,
    jpegs: Sequence[bytes],
    estimator: Estimator,
    rasterizer: Rasterizer,
    long_side_px: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Fidelity:
    """Raises frames.BadFrame."""
    state, frames = None, []
    for number, jpeg in enumerate(jpegs):
        image = to_grid(decode_frame(jpeg), long_side_px)
        supports = estimator.info.supports_gaussians
        prediction, state = estimator.estimate(image, wants_gaussians=supports, state=state)
        frames.append(frame_fidelity(prediction, live_scene(prediction), rasterizer))
        progress(number + 1)
    return summarised(clip, estimator.info.name, frames)


def frame_fidelity(prediction: Prediction, gaussians: Gaussians, rasterizer: Rasterizer) -> FrameFidelity:
    camera = camera_of(prediction)
    distance = float(prediction.depth.median())
    images = [rasterizer.render(gaussians, beside(camera, distance, angle)) for angle in ANGLES_DEG]
    inside = _inside(gaussians, prediction.depth)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(0), slice(0))
    picture = prediction.image.cpu().numpy().astype(np.float32) / 255
    drawn = images[0].rgb
    return FrameFidelity(
        psnr_db(drawn[window], picture[window]),
        ssim(drawn[window], picture[window]),
        tuple(hole_ratio(image.alpha[window]) for image in images),
        distance,
        camera.fov_deg,
    )


def camera_of(prediction: Prediction) -> Camera:
    """Where the picture was taken."""
    height, width = prediction.depth.shape
    k = prediction.intrinsics.tolist()
    return Camera(np.eye(4), k[0][0], k[1][1], k[0][2], k[1][2], width, height)


def beside(camera: Camera, distance: float, angle_deg: float) -> Camera:
    """The same camera, turned about the point at that distance on its axis."""
    if angle_deg == 0:
        return camera
    orbit = Orbit(math.pi + math.radians(angle_deg), 0.0, distance, (0.0, 0.0, distance), up=-1)
    pose = orbit.camera(camera.fov_deg, camera.width, camera.height).world_from_camera
    return Camera(pose, camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)


def summarised(clip: str, model: str, frames: Sequence[FrameFidelity]) -> Fidelity:
    return Fidelity(
        clip,
        model,
        len(frames),
        percentile([frame.psnr_db for frame in frames], 0.5),
        percentile([frame.ssim for frame in frames], 0.5),
        tuple(percentile(list(holes), 0.5) for holes in zip(*(frame.holes for frame in frames), strict=True)),
        jitter([math.log(frame.depth) for frame in frames]),
        jitter([frame.fov_deg for frame in frames]),
    )


def jitter(values: Sequence[float]) -> float:
    """Root mean square of the differences from one to the next; 0 of a single one."""
    return float(np.sqrt(np.mean(np.diff(values) ** 2))) if len(values) > 1 else 0.0


def table_row(fidelity: Fidelity) -> str:
    return row(
        [
            fidelity.clip, fidelity.model, fidelity.frames, f"{fidelity.psnr_db:.1f}", f"{fidelity.ssim:.3f}",
            *(f"{100 * share:.2f} %" for share in fidelity.holes),
            f"{100 * fidelity.depth_jitter:.2f} %", f"{fidelity.fov_jitter_deg:.3f}°",
        ]
    )  # fmt: skip


def table(rows: Sequence[Fidelity]) -> str:
    return "\n".join([row(COLUMNS), row(["---"] * len(COLUMNS)), *map(table_row, rows)])


def _inside(gaussians: Gaussians, depth: Tensor) -> Array:
    """[H, W] bool: the pixels that have a Gaussian."""
    height, width = depth.shape
    inside = np.zeros(height * width, bool)
    inside[slice(None) if gaussians.pixel_index is None else gaussians.pixel_index.cpu().numpy()] = True
    return inside.reshape(height, width)
