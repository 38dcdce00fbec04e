"""Frame → Prediction. One file per kind of model, one contract, one registry (`registry.py`).

Nothing heavy is imported here: torch and the models come in when an estimator is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from splatcam.wire import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

    from splatcam.gaussians import PixelGaussians

ImageOf = Literal["camera", "scene"]  # camera: the frame on the model's grid; scene: a picture that no camera took
# What a model keeps the same from frame to frame, so that `splatcam.steady` need not:
# nothing: each frame has a scale and a field of view of its own; scale: both hold; world: so does the place of the
# camera in it, by a keyframe; all: its depth is exact.
Holds = Literal["nothing", "scale", "world", "all"]
ReportProgress = Callable[[str, float | None], None]  # a sentence for people, 0 to 1 where known


class EstimatorUnavailable(RuntimeError):
    """A model cannot be had here; the message is one clear sentence for the person who asked for it."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about one frame. Tensors lie where the model left them.

    OpenCV axes, camera at the origin: also where `world_from_camera` says that the camera was somewhere else.
    Pixel (x, y) covers [x, x + 1), so its ray is ((x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1).
    """

    depth: Tensor  # [H, W] f32, z along the optical axis, > 0; not finite where the model gave no number
    intrinsics: Tensor  # [3, 3] f32, of the H x W grid
    image: Tensor  # [H, W, 3] uint8, the colours of the same grid: the frame, or what a synthetic scene looks like
    confidence: Tensor | None = None  # [H, W] f32, larger is surer; the scale is the model's own
    gaussians: PixelGaussians | None = None  # one per pixel, only where asked for and the model has the head
    image_of: ImageOf = "camera"
    usable: Tensor | None = None  # [H, W] bool, the pixels with numbers (`finite.only_finite`); None: all of them
    world_from_camera: Tensor | None = None  # [4, 4] f64 on the CPU, a rigid motion; None: the camera is the world


class Estimator(Protocol):
    """One model. Calls come one at a time; what is remembered from frame to frame travels as `state`."""

    info: ModelInfo
    holds: Holds

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """`image` [H, W, 3] uint8 on the CPU, H and W multiples of 14 → prediction on that grid and the next state.

        `state` is what the previous frame of the same stream returned, None at its start. `wants_gaussians` is
        only set where `info.supports_gaussians`; the prediction then carries Gaussians with `grid` set.
        """
        ...
