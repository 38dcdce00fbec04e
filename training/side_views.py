"""Draws frames of a clip, their depth, and their splats from aside: above by the classical depth, below by the network.

Knows the rasterizer and both estimators; for eyes, not for figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from splatcam.bench.clip import load_clip
from splatcam.bench.fidelity import beside, camera_of
from splatcam.estimators import Prediction, builtin
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.frames import decode_frame, encode_picture
from splatcam.job.depth_files import coloured, ends_of_colour
from splatcam.pipeline import live_scene, to_grid
from splatcam.rendering import Rasterizer
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.settings import Settings
from training import classical

LONG_SIDE_PX = 336
ANGLES_DEG = (-10, 10)
SHARES = (0.1, 0.6)  # of the clip: the frames that are drawn

Array = np.ndarray[Any, Any]


def draw(clip_path: Path, picture: Path) -> None:
    clip = load_clip(clip_path)
    rasterizer, estimator = build_rasterizer("auto"), BuiltinEstimator(Settings())
    strips = []
    for share in SHARES:
        image = to_grid(decode_frame(clip.jpegs[int(share * len(clip.jpegs))]), LONG_SIDE_PX)
        depth, _ = classical.infer_depth(image, None)
        before = Prediction(depth, builtin.intrinsics(*depth.shape), image)
        after, _ = estimator.estimate(image, wants_gaussians=False)
        strips += [_strip(before, rasterizer), _strip(after, rasterizer)]
    picture.write_bytes(encode_picture(np.concatenate(strips)))


def _strip(prediction: Prediction, rasterizer: Rasterizer) -> Array:
    """[H, 4 W, 3] uint8: frame, depth, from the left, from the right."""
    scene, distance = live_scene(prediction), float(prediction.depth.median())
    views = [rasterizer.render(scene, beside(camera_of(prediction), distance, angle)).rgb for angle in ANGLES_DEG]
    drawn = [(view.clip(0, 1) * 255 + 0.5).astype(np.uint8) for view in views]
    return np.concatenate([prediction.image.numpy(), _in_colours(prediction.depth), *drawn], axis=1)


def _in_colours(depth: Tensor) -> Array:
    return coloured(depth.numpy(), ends_of_colour(depth.numpy()))
