"""Several pictures of one scene → one set of Gaussians, by Depth Anything 3's any-view mode.

The network sees all views together and predicts where each was taken from. Its Gaussians are asked for in each
camera's own frame, as in `da3.py`, and are brought together here: DA3's own way there turns quaternions correctly
only for a camera that is not turned. Cameras that are known already go into the network as a hint, and then it is
they that say where each view's Gaussians belong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from splatcam.estimators.da3 import (
    Da3Estimator,
    normalise,
    precision,
    scale_factor,
    to_gaussians,
    usable_depth,
)
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.transform import place, scaled

SMALLEST_UNIT = 0.1  # DA3's own bound where it brings poses to the size that it was trained with


@dataclass(frozen=True, eq=False)
class KnownCameras:
    """Of all views, in any world and any unit of length."""

    camera_from_world: Tensor  # [V, 4, 4] f64, OpenCV axes
    intrinsics: Tensor  # [V, 3, 3] f64, of the images' grid


def estimate_scene(
    estimator: Da3Estimator, images: Tensor, known: KnownCameras | None = None
) -> tuple[Gaussians, Tensor]:
    """`images` [V, H, W, 3] uint8, sides multiples of 14 → V·H·W Gaussians, view by view and row by row, and the
    depth [V, H, W] that they come from. Axes: those of the first view's camera, OpenCV, at the origin. Unit of length:
    that of the known cameras, else the network's.
    """
    if not estimator.info.supports_gaussians:
        raise ValueError(f"{estimator.info.title} has no Gaussian head")
    raw = _run(estimator, images.to(estimator.device), known)
    height, width = images.shape[1:3]
    together = scaled(to_gaussians(raw["gaussians"], (height, width)), scale_factor(raw))
    depth = torch.stack([usable_depth(view) for view in raw["depth"][0]])
    poses = first_from_camera(raw["extrinsics"][0])
    if known is not None:
        predicted, poses = poses, first_from_camera(known.camera_from_world.to(poses))
        unit = unit_of(predicted, poses)
        together, depth = scaled(together, unit), depth * unit
    pixels = torch.arange(together.count, device=together.device).view(len(images), height * width)
    placed = [place(together.select(own), pose) for own, pose in zip(pixels, poses, strict=True)]
    return join(placed), depth


def _run(estimator: Da3Estimator, images: Tensor, known: KnownCameras | None) -> Mapping[str, Any]:
    x = torch.cat([normalise(image) for image in images], dim=1)
    if known is None:
        return estimator.run(x, wants_gaussians=True)
    poses = hint(known.camera_from_world)[None].to(x)
    with torch.no_grad(), precision(estimator.device):
        return estimator.net(x, poses, known.intrinsics[None].to(x), [], True)


def hint(camera_from_world: Tensor) -> Tensor:
    """[V, 4, 4] as the network wants them: the first is the identity, the usual distance from it is 1."""
    from_first = camera_from_world @ torch.linalg.inv(camera_from_world[0])
    distances = torch.linalg.inv(from_first)[:, :3, 3].norm(dim=1)
    from_first[:, :3, 3] /= distances.median().clamp(min=SMALLEST_UNIT)
    return from_first


def unit_of(predicted: Tensor, known: Tensor) -> float:
    """How long the network's unit is in that of the known cameras: by how far both say that cameras [V, 4, 4] are
    apart. 1 where they do not tell."""
    spreads = [(poses[:, :3, 3] - poses[:, :3, 3].mean(dim=0)).norm() for poses in (known, predicted)]
    unit = float(spreads[0] / spreads[1])
    return unit if 0 < unit < float("inf") else 1.0


def first_from_camera(camera_from_world: Tensor) -> Tensor:
    """[V, 3 or 4, 4] → [V, 4, 4] f64, in the first camera's axes; the first is the identity."""
    matrices = torch.eye(4, dtype=torch.float64, device=camera_from_world.device).repeat(len(camera_from_world), 1, 1)
    matrices[:, :3] = camera_from_world[:, :3].double()
    return matrices[0] @ torch.linalg.inv(matrices)


def join(parts: list[Gaussians]) -> Gaussians:
    """All of them, in order."""
    tensors: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in TENSORS}
    return replace(parts[0], **tensors)
