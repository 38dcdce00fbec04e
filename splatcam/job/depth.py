"""Pictures → depth, one after another, by whatever model there is. Writes nothing.

Pictures in files are of anything, so each stands by itself. A video is one camera's: what the model remembers goes on
from frame to frame, and its depth is held as the service holds it, as `--steady` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from splatcam.estimators import Estimator, Prediction
from splatcam.finite import NotFinite, only_finite
from splatcam.frames import Frame
from splatcam.job.frames import Array, Footage, FootageUnusable, Video
from splatcam.pipeline import StreamState, to_grid
from splatcam.settings import Settings
from splatcam.steady import options_for, steady


@dataclass(frozen=True, eq=False)
class DepthOfPicture:
    """What a model says about one picture, on the model's grid."""

    name: str
    picture_size: tuple[int, int]  # width, height
    depth: Tensor  # [H, W] f32 on the CPU, z along the optical axis; not a number where the model gave none
    intrinsics: Tensor  # [3, 3] f32 on the CPU, of the depth's grid


def depths_of(footage: Footage, estimator: Estimator, settings: Settings) -> Iterator[DepthOfPicture]:
    """Raises FootageUnusable, OSError."""
    options = options_for(settings.steady, estimator.holds, settings.fov)
    is_stream = isinstance(footage, Video)
    state = StreamState()
    for name, rgb in zip(footage.names(), footage.pictures(), strict=False):
        image = to_grid(Frame(0, 0.0, rgb), settings.process_res)
        prediction, memory = estimator.estimate(image, wants_gaussians=False, state=state.estimator)
        prediction, held = _with_numbers(prediction, name), None
        if is_stream and options is not None:
            prediction, held, _ = steady(prediction, state.steady, options)
        if is_stream:
            state = StreamState(memory, held)
        yield _of_picture(name, rgb, prediction)


def _with_numbers(prediction: Prediction, name: str) -> Prediction:
    try:
        return only_finite(prediction)[0]
    except NotFinite as error:
        raise FootageUnusable(f"{name}: {error}") from None


def _of_picture(name: str, rgb: Array, prediction: Prediction) -> DepthOfPicture:
    depth = prediction.depth
    if prediction.usable is not None:
        depth = depth.where(prediction.usable, torch.nan)
    return DepthOfPicture(name, (rgb.shape[1], rgb.shape[0]), depth.cpu(), prediction.intrinsics.cpu())
