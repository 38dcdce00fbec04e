"""What every estimator keeps, in checks that any of them can be put through. See splatcam/estimators/__init__.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from splatcam.estimators import Estimator, Prediction

GRIDS = [(56, 56), (56, 84), (98, 70), (98, 140), (140, 98)]  # height, width in pixels, multiples of 14
PLAUSIBLE_FIELD_OF_VIEW_DEG = (15.0, 125.0)


def make_frames(height: int, width: int, count: int = 3) -> list[torch.Tensor]:
    """`count` different pictures [H, W, 3] uint8: a gradient with a bright square that moves."""
    rows = torch.linspace(0, 150, height)[:, None].expand(height, width)
    columns = torch.linspace(0, 150, width)[None].expand(height, width)
    still = torch.stack([rows, columns, (rows + columns) / 2], dim=-1).to(torch.uint8)
    frames = []
    for step in range(count):
        frame = still.clone()
        frame[10 : height // 2, 5 + 4 * step : width // 3 + 4 * step] = 255 - 40 * step
        frames.append(frame)
    return frames


def odd_pictures() -> dict[str, torch.Tensor]:
    """[98, 126, 3] uint8, in which there is nothing to see."""
    generator = torch.Generator().manual_seed(0)
    return {
        "noise": torch.randint(0, 256, (98, 126, 3), generator=generator, dtype=torch.uint8),
        "black": torch.zeros(98, 126, 3, dtype=torch.uint8),
        "white": torch.full((98, 126, 3), 255, dtype=torch.uint8),
        "stripes": (torch.arange(126) % 2 * 255).to(torch.uint8)[None, :, None].expand(98, 126, 3),
    }


def run_stream(estimator: Estimator, frames: Sequence[torch.Tensor], wants_gaussians: bool = False) -> list[Prediction]:
    """The predictions of one camera's frames, state handed on as the engine does."""
    predictions, state = [], None
    for frame in frames:
        prediction, state = estimator.estimate(frame, wants_gaussians=wants_gaussians, state=state)
        predictions.append(prediction)
    return predictions


def check_prediction(prediction: Prediction, height: int, width: int) -> None:
    """Shapes, types, ranges."""
    depth = prediction.depth
    assert depth.shape == (height, width) and depth.dtype == torch.float32
    assert bool(depth.isfinite().all() and (depth > 0).all())
    assert prediction.image.shape == (height, width, 3) and prediction.image.dtype == torch.uint8
    if prediction.confidence is not None:
        assert prediction.confidence.shape == (height, width) and prediction.confidence.dtype == torch.float32
        assert bool(prediction.confidence.isfinite().all())
    check_intrinsics(prediction.intrinsics, height, width)
    assert not any(tensor.requires_grad for tensor in (depth, prediction.intrinsics))


def check_intrinsics(intrinsics: torch.Tensor, height: int, width: int) -> None:
    """A pinhole camera with a believable field of view and its principal point near the middle."""
    assert intrinsics.shape == (3, 3) and intrinsics.dtype == torch.float32
    fx, skew, cx, zero, fy, cy, *last = intrinsics.flatten().tolist()
    assert (skew, zero, *last) == (0, 0, 0, 0, 1)
    for focal_px, centre_px, side_px in ((fx, cx, width), (fy, cy, height)):
        low, high = PLAUSIBLE_FIELD_OF_VIEW_DEG
        assert low <= math.degrees(2 * math.atan(side_px / 2 / focal_px)) <= high
        assert abs(centre_px - side_px / 2) <= side_px / 10


def check_gaussians(prediction: Prediction, height: int, width: int) -> None:
    """One for each pixel, in order, in front of the camera wherever it can be seen."""
    assert prediction.gaussians is not None
    gaussians = prediction.gaussians.everything().validate()
    assert gaussians.grid == (height, width) and gaussians.count == height * width and gaussians.pixel_index is None
    assert gaussians.device == prediction.depth.device
    assert bool((gaussians.means[gaussians.opacities > 0, 2] > 0).all())


def assert_same(ours: Prediction, theirs: Prediction) -> None:
    """Bit for bit."""
    for name in ("depth", "intrinsics", "image", "confidence"):
        _assert_same_tensor(name, getattr(ours, name), getattr(theirs, name))
    assert (ours.gaussians is None) == (theirs.gaussians is None)
    if ours.gaussians is not None and theirs.gaussians is not None:
        for name in ("means", "scales", "rotations", "opacities", "sh"):
            _assert_same_tensor(name, getattr(ours.gaussians, name), getattr(theirs.gaussians, name))


def _assert_same_tensor(name: str, ours: Any, theirs: Any) -> None:
    assert (ours is None) == (theirs is None), name
    assert ours is None or torch.equal(ours, theirs), f"{name} differs"
