"""Pictures → Gaussians, by whatever model there is: one picture by itself, or several views of one scene at once.

The scene's axes are those of its first camera: OpenCV, at the origin. Knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from splatcam.cores import default_threads
from splatcam.estimators import Estimator, EstimatorUnavailable, ReportProgress
from splatcam.frames import Frame
from splatcam.gaussians import Gaussians
from splatcam.job.colmap import PosedView
from splatcam.job.frames import Array, FootageUnusable
from splatcam.pipeline import to_grid
from splatcam.pixel_splats import pixel_splats
from splatcam.prune import PruneOptions, prune
from splatcam.settings import Settings

if TYPE_CHECKING:
    from splatcam.estimators.da3_views import KnownCameras

Output = Literal["auto", "network", "pixel"]


def build_estimator(settings: Settings, report: ReportProgress) -> Estimator:
    """Raises EstimatorUnavailable."""
    from splatcam.estimators import registry

    torch.set_num_threads(settings.threads or default_threads())
    return registry.build(chosen_model(settings), settings, report)


def chosen_model(settings: Settings) -> str:
    """`auto` is what the service would end up with on this machine."""
    from splatcam.estimators import auto

    return settings.model if settings.model != "auto" else auto.choose(settings).model or "builtin"


def estimate_picture(rgb: Array, estimator: Estimator, output: Output, long_side_px: int) -> Gaussians:
    """`rgb` [H, W, 3] uint8, upright → the Gaussians worth keeping. Raises EstimatorUnavailable for an output that
    the model does not have."""
    output = _resolve(output, estimator)
    image = to_grid(Frame(0, 0.0, rgb), long_side_px)
    prediction, _ = estimator.estimate(image, wants_gaussians=output == "network")
    gaussians = prediction.gaussians if output == "network" else pixel_splats(prediction)
    assert gaussians is not None, "a model with a Gaussian head gives Gaussians where they are asked for"
    return prune(gaussians, prediction.depth, PruneOptions())[0].to("cpu")


def sees_views_together(estimator: Estimator, output: Output) -> bool:
    """Whether several views make one scene: Depth Anything 3 with a Gaussian head, asked for its own Gaussians."""
    return hasattr(estimator, "run") and estimator.info.supports_gaussians and output != "pixel"


def estimate_views(
    frames: Sequence[Array], views: Sequence[PosedView], estimator: Estimator, long_side_px: int
) -> Gaussians:
    """Frames of one scene, only where `sees_views_together`. `views`: where each was taken from; none if unknown.

    Raises FootageUnusable for frames of different shapes.
    """
    from splatcam.estimators.da3 import Da3Estimator
    from splatcam.estimators.da3_views import estimate_scene

    assert isinstance(estimator, Da3Estimator)
    images = [to_grid(Frame(0, 0.0, rgb), long_side_px) for rgb in frames]
    if len({image.shape for image in images}) > 1:
        raise FootageUnusable("the frames have different shapes: views of one scene must be of one camera")
    height, width = images[0].shape[:2]
    gaussians, depth = estimate_scene(estimator, torch.stack(images), _known_cameras(views, (height, width)))
    return prune(gaussians, depth, PruneOptions())[0].to("cpu")


def _known_cameras(views: Sequence[PosedView], grid: tuple[int, int]) -> KnownCameras | None:
    from splatcam.estimators.da3_views import KnownCameras

    if not views:
        return None
    poses = np.stack([view.camera_from_world for view in views])
    intrinsics = np.stack([view.intrinsics_of(grid) for view in views])
    return KnownCameras(torch.from_numpy(poses), torch.from_numpy(intrinsics))


def _resolve(output: Output, estimator: Estimator) -> Output:
    supported = estimator.info.supports_gaussians
    if output == "network" and not supported:
        raise EstimatorUnavailable(f"{estimator.info.title} has no Gaussians of its own: take --output pixel")
    if output == "auto":
        return "network" if supported else "pixel"
    return output
