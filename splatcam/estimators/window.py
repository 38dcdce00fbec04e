"""A keyframe and the newest frame in one look: a stream's world keeps its place and its scale while the camera moves.

A network that sees two views says where one camera stood in the other's axes, in a unit of length that is another one
in every call. The keyframe is in every call: the depth it was told with says how long the unit is, the place where it
stood says where the newest camera stands. A frame that becomes the keyframe brings both along, so that the world stays
where it was. The world's axes and unit are those of its first frame.

Owns the keyframe: when it is replaced, what follows from it. Knows no network; `TwoViews` is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from splatcam.estimators import Holds, Prediction
from splatcam.motion import Array, cells_of, is_cut
from splatcam.transform import scaled
from splatcam.wire import ModelInfo

OTHER_LIGHT = 0.12  # change of the mean colour, in 0..1: a camera's exposure settles in its first second
COMMON_SHARE = 0.7  # of each view's pixels that the other one must see
FARTHEST = 0.4  # from the keyframe, in median depths: 23 degrees about what is looked at
REST = 1 / 500  # of the picture's long side: a camera that seems to move by less mostly stands still
SAMPLE_STEP = 7  # every n-th pixel of every n-th row says enough of geometry


@dataclass(frozen=True, eq=False)
class Pair:
    """What a network says about two views of one scene, in a unit of length of its own."""

    key: Prediction  # of the keyframe; its Gaussians are not asked for
    newest: Prediction
    key_from_newest: Tensor  # [4, 4] f64 on the CPU, from the newest camera's axes into the keyframe's


class TwoViews(Protocol):
    """A model that can be shown two views of one scene."""

    info: ModelInfo

    def estimate_pair(self, key: Tensor, newest: Tensor, *, wants_gaussians: bool) -> Pair:
        """Images [H, W, 3] uint8 of one size, sides multiples of 14. Nothing is remembered."""
        ...


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A frame that later ones are seen with."""

    image: Tensor  # [H, W, 3] uint8
    light: float  # its mean colour, 0..1
    depth: Tensor  # [H, W] f32 as it was told, in the world's unit
    world_from_camera: Tensor  # [4, 4] f64 on the CPU


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered from frame to frame of one stream."""

    key: Keyframe
    cells: Array  # [3, h, w] f32, the newest frame's colours
    told: Tensor  # [4, 4] f64 on the CPU, the newest frame's world_from_camera


class WindowEstimator:
    """An estimator whose scenes lie in one world: `world_from_camera` is set in what it predicts."""

    holds: Holds = "world"

    def __init__(self, views: TwoViews) -> None:
        self.info = views.info
        self._views = views

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Memory | None = None) -> tuple[Prediction, Any]:
        """See `Estimator`. After a cut, and where the grid's size changed, another world begins."""
        cells = cells_of(image)
        if state is None or state.key.image.shape != image.shape or is_cut(cells, state.cells):
            return self._begin(image, cells, wants_gaussians)
        pair = self._views.estimate_pair(state.key.image, image, wants_gaussians=wants_gaussians)
        if not bool(pair.key_from_newest.isfinite().all()):
            return self._begin(image, cells, wants_gaussians)
        return _go_on(state, pair, cells)

    def _begin(self, image: Tensor, cells: Array, wants_gaussians: bool) -> tuple[Prediction, Memory]:
        """With a view of itself, so that the network is never asked in another way."""
        pair = self._views.estimate_pair(image, image, wants_gaussians=wants_gaussians)
        here = torch.eye(4, dtype=torch.float64)
        prediction = replace(pair.newest, world_from_camera=here)
        return prediction, Memory(_keyframe(prediction, cells, here), cells, here)


def _go_on(state: Memory, pair: Pair, cells: Array) -> tuple[Prediction, Memory]:
    """The newest view, brought into the keyframe's world."""
    unit = unit_of(state.key.depth, pair.key.depth)
    key_from_newest = pair.key_from_newest.clone()
    key_from_newest[:3, 3] *= unit
    pose = rigid(state.key.world_from_camera @ key_from_newest)
    prediction = _in_unit(pair.newest, unit)
    # What is told rests; what the next keyframe builds on does not, or its lag would add up.
    told = at_rest(state.told, pose, prediction)
    key = state.key
    if is_far(pair) or abs(float(cells.mean()) - key.light) > OTHER_LIGHT:
        key = _keyframe(prediction, cells, pose)
    return replace(prediction, world_from_camera=told), Memory(key, cells, told)


def _keyframe(prediction: Prediction, cells: Array, pose: Tensor) -> Keyframe:
    return Keyframe(prediction.image, float(cells.mean()), prediction.depth, pose)


def _in_unit(prediction: Prediction, unit: float) -> Prediction:
    gaussians = prediction.gaussians
    return replace(
        prediction, depth=prediction.depth * unit, gaussians=None if gaussians is None else scaled(gaussians, unit)
    )


# ---------------------------------------------------------------- geometry


def unit_of(told: Tensor, seen: Tensor) -> float:
    """How long the network's unit is in the world's: the median ratio of two depths [H, W] of the same picture."""
    told, seen = (depth[::SAMPLE_STEP, ::SAMPLE_STEP] for depth in (told, seen))
    return float((told / seen).median())


def is_far(pair: Pair) -> bool:
    """Whether the views have too little in common, or too different a look at it."""
    newest_from_key = torch.linalg.inv(pair.key_from_newest)
    common = min(
        seen_share(pair.newest, pair.key, pair.key_from_newest), seen_share(pair.key, pair.newest, newest_from_key)
    )
    distance = float(pair.key_from_newest[:3, 3].norm()) / float(_points(pair.newest)[:, 2].median())
    return common < COMMON_SHARE or distance > FARTHEST


def seen_share(view: Prediction, other: Prediction, other_from_view: Tensor) -> float:
    """The share of a view's surface that lies within the other one's picture."""
    height, width = other.depth.shape
    points = _moved(_points(view), other_from_view)
    x, y = _pixels(points, other.intrinsics).unbind(1)
    inside = (points[:, 2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return float(inside.float().mean())


def at_rest(before: Tensor, pose: Tensor, prediction: Prediction) -> Tensor:
    """A pose between the one told `before` and the one found now, [4, 4] each: a network's poses tremble.

    The share of the new one grows with how far the picture seems to have moved; a camera that really moves is followed
    with half of REST behind it at most.
    """
    shift = shift_of(before, pose, prediction)
    share = float(shift**2 / (shift**2 + REST**2))
    return rigid(before + share * (pose - before))


def shift_of(before: Tensor, pose: Tensor, prediction: Prediction) -> Tensor:
    """How far the picture moves, in its long sides, between two places of its camera: the median, [] f32."""
    points = _points(prediction)
    moved = _pixels(_moved(points, torch.linalg.inv(before) @ pose), prediction.intrinsics)
    return (moved - _pixels(points, prediction.intrinsics)).norm(dim=1).median() / max(prediction.depth.shape)


def rigid(matrix: Tensor) -> Tensor:
    """[4, 4] f64 with the nearest rotation in the place of its first nine numbers."""
    left, _, right = torch.linalg.svd(matrix[:3, :3])
    result = matrix.clone()
    result[:3, :3] = left @ right
    return result


def _points(prediction: Prediction) -> Tensor:
    """[N, 3] f32 on the surface, in the camera's axes."""
    height, width = prediction.depth.shape
    k, depth = prediction.intrinsics, prediction.depth[::SAMPLE_STEP, ::SAMPLE_STEP]
    x = (torch.arange(0, width, SAMPLE_STEP, device=k.device) + 0.5 - k[0, 2]) / k[0, 0]
    y = (torch.arange(0, height, SAMPLE_STEP, device=k.device) + 0.5 - k[1, 2]) / k[1, 1]
    return torch.stack((x[None] * depth, y[:, None] * depth, depth), dim=-1).reshape(-1, 3)


def _moved(points: Tensor, pose: Tensor) -> Tensor:
    pose = pose.to(points)
    return points @ pose[:3, :3].T + pose[:3, 3]


def _pixels(points: Tensor, intrinsics: Tensor) -> Tensor:
    """[N, 3] in the camera's axes → [N, 2], x and y in pixels."""
    return points[:, :2] / points[:, 2:] * intrinsics.diagonal()[:2] + intrinsics[:2, 2]
