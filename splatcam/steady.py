"""A world that holds still: each frame's depth and field of view, brought into agreement with the frames before it.

Owns what is remembered of a stream between frames, as a value that goes in and comes out. Knows no model and no clock.
Depths stay where the tensors lie. A few thousand of them are looked at on the CPU, and every decision is made there:
each takes a microsecond, as an operation on a device it would take ten.

A network that sees each frame alone gives each a scale, an offset and a field of view of its own, and trembles in
every pixel. What the picture shows to rest is the yardstick. Where it rests, depth is fitted to what was told before
and then averaged; where it moves, the frame's own depth is told, in the same scale. Both on cells of a few pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median_low

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from splatcam.estimators import Holds, Prediction
from splatcam.estimators.window import REST, shift_of
from splatcam.gaussians import Gaussians
from splatcam.motion import (
    NOISE_GAIN,
    SPARSE,
    Array,
    Motion,
    Watched,
    brought,
    cell_side,
    cells_of,
    median,
    motion_since,
)
from splatcam.pixel_splats import FARTHEST, NEAREST
from splatcam.settings import SteadyMode

LEAST_GAIN = 1 / 12  # share of a new depth that counts where all rests for long
LEAST_JUMP, MOST_JUMP = 0.02, 0.1  # relative, where depth is believed to have changed although the picture rests
TIMES_DEPTH_NOISE = 4.0

REST_SHARE = 0.1  # of the cells are enough to fit to
SLOW_LEAK = 1 / 300  # of the correction is given up with each frame: what is told ends up in the model's mean scale
# The same where the camera moves. Scale is then tracked, with its speed (an alpha-beta tracker, gains by Benedict and
# Bordner 1962), because nothing rests that would tell noise from motion.
MOVING_LEAK = 0.3
SPEED_GAIN = MOVING_LEAK**2 / (2 - MOVING_LEAK)
SHIFT_SPREAD = (0.15, 0.3)  # ln of far to near half's depth: below there is no shift to see, above it is fitted fully
MOST_SHIFT = 0.3  # between the corrections of the near and the far half

FOV_FRAMES = 30  # their median is the field of view
FOV_STEP, FOV_SPREAD = 2e-4, 0.02  # of ln focal length per frame from then on, at a distance of the spread or more
SAME_LENS_FRAMES = 8  # that a field of view is worth after a cut
FOV_FAR = 0.1  # of ln focal length: a median of FOV_FRAMES that is farther away is no noise, but a zoom or another lens
SAME_ASPECT = 0.1  # of ln: grids of one picture differ by what sides of whole patches make of it
TIMES_MAD = 1.4826  # of a normal distribution: its standard deviation
TINY = 1e-30

Focal = tuple[float, float]  # ln of the focal lengths in pixels, x and y


@dataclass(frozen=True)
class SteadyOptions:
    """What is left to do for a model."""

    holds: Holds
    fov_deg: float | None = None  # horizontal, where the camera's is known


@dataclass(frozen=True, eq=False)
class SteadyState:
    """What is remembered from frame to frame of one stream."""

    depth: Tensor  # [H, W] f32, as told; finite and > 0
    aligned: Tensor  # [H, W] f32, of the newest frame, before it was averaged
    watched: Watched
    depth_noise: float  # relative, of pixels at rest
    speed: float  # change of ln depth from frame to frame while the camera moves
    seen_focals: tuple[Focal, ...]  # the newest last, FOV_FRAMES at most
    focal: Focal  # as told
    world_from_camera: Tensor | None  # [4, 4] f64 on the CPU, where a model knows it


@dataclass(frozen=True)
class SteadyReport:
    """What was found in one frame."""

    scale: float  # of the frame's depth to what is told, at its median
    rest_share: float  # of the cells
    is_cut: bool  # this is another scene than the frame before


@dataclass(frozen=True)
class _Affine:
    """depth → factor * depth + offset."""

    factor: float
    offset: float

    def of(self, depth: Tensor) -> Tensor:
        """The offset takes half of it at most: nothing must get behind the camera."""
        moved = self.anywhere(depth)
        return moved if self.offset >= 0 else moved.clamp_(min=depth * (self.factor / 2))

    def anywhere(self, depth: Tensor) -> Tensor:
        """The same behind the camera too."""
        return torch.add(depth.new_full((), self.offset), depth, alpha=self.factor)  # one pass


@dataclass(frozen=True)
class _Fit:
    """What brings depths to those that are told from now on."""

    maps: tuple[_Affine, _Affine] | None  # for the new frame's, for those told so far; None: they stay
    scale: float  # of the frame's, at the median
    speed: float
    depth_noise: float  # relative, of pixels at rest


def running(mode: SteadyMode, holds: Holds) -> SteadyMode:
    """What a wish comes to with a model."""
    if mode == "off" or holds == "all":
        return "off"
    return "window" if holds == "world" else "on"


def options_for(mode: SteadyMode, holds: Holds, fov_deg: float = 0.0) -> SteadyOptions | None:
    """None: frames stay as the model gives them. `fov_deg` 0: not known."""
    return None if running(mode, holds) == "off" else SteadyOptions(holds, fov_deg or None)


@torch.inference_mode()
def steady(
    prediction: Prediction, state: SteadyState | None, options: SteadyOptions
) -> tuple[Prediction, SteadyState, SteadyReport]:
    """The prediction as it is told, and the state for the next frame of the same stream.

    Its depth is finite and positive: one that is not takes the pixel's last, in a first frame the median. A finer or
    coarser grid of the picture goes on with what was told, one of another shape begins anew.
    """
    raw, good = _usable(prediction)
    picture = cells_of(prediction.image)
    seen_focal = _ln_focal(prediction)
    state = _going_on(state, prediction, raw, picture)
    motion = _by_pose(motion_since(picture, state.watched), prediction, state.world_from_camera)
    frames = 0 if motion.is_cut else state.watched.frames
    stays = 1 - motion.moves if frames else np.zeros_like(motion.moves)
    sample, told = _samples(raw, state.depth)
    fit = _fit(sample, told, state, _Rest(stays[::SPARSE, ::SPARSE].ravel(), frames, motion.camera_moves), options)
    rest = (state.watched.rest + 1) * stays
    gain = (1 / (1 + rest)).clip(LEAST_GAIN)
    aligned, depth = _averaged(raw, good, state, fit, np.maximum(gain, motion.camera_moves))
    focal, seen_focals = _field_of_view(seen_focal, state, motion.is_cut, options)
    watched = Watched(
        picture=motion.before + gain * (picture - motion.before),
        rest=rest,
        frames=frames + bool((sample > 0).any()),  # one without any depth begins nothing
        noise=motion.noise,
    )
    place = prediction.world_from_camera
    after = SteadyState(depth, aligned, watched, fit.depth_noise, fit.speed, seen_focals, focal, place)
    report = SteadyReport(fit.scale, float(stays.mean()), motion.is_cut)
    return _told(prediction, depth, focal), after, report


def _usable(prediction: Prediction) -> tuple[Tensor, Tensor | None]:
    """[H, W] f32 with 0 where there is no depth, and 1 where there is one; None: everywhere."""
    depth, usable = prediction.depth, prediction.usable
    nearest, farthest = brought(torch.stack(depth.aminmax())).tolist()
    if usable is None and nearest >= NEAREST and farthest <= FARTHEST:
        return depth, None
    raw = depth.nan_to_num(0.0, 0.0, 0.0).clamp_(0.0, FARTHEST)
    if usable is not None:  # what stands in for a depth there is another pixel's
        raw *= usable
    return raw, (raw / NEAREST).clamp_(max=1)


def _going_on(state: SteadyState | None, prediction: Prediction, raw: Tensor, picture: Array) -> SteadyState:
    """On the grid of `raw` [H, W], its cells being `picture` [3, h, w]."""
    if state is None or _aspect_change(state.depth, raw) > SAME_ASPECT:
        return _nothing(prediction, raw, picture)
    return state if state.depth.shape == raw.shape else _on_grid(state, raw, picture)


def _aspect_change(before: Tensor, now: Tensor) -> float:
    (height_before, width_before), (height, width) = before.shape, now.shape
    return abs(math.log(width * height_before / (height * width_before)))


def _on_grid(state: SteadyState, raw: Tensor, picture: Array) -> SteadyState:
    """The same on another grid of the same picture. What the cells look like there is taken from the new frame."""
    ln_finer = [math.log(now / before) for now, before in zip(raw.shape, state.depth.shape, strict=True)]

    def finer(focal: Focal) -> Focal:
        return focal[0] + ln_finer[1], focal[1] + ln_finer[0]

    depth, aligned = _stretched(torch.stack((state.depth, state.aligned)), raw.shape)
    rest = _stretched(torch.from_numpy(state.watched.rest)[None], picture.shape[1:])[0].numpy()
    return replace(
        state,
        depth=depth,
        aligned=aligned,
        watched=replace(state.watched, picture=picture, rest=rest),
        seen_focals=tuple(map(finer, state.seen_focals)),
        focal=finer(state.focal),
    )


def _stretched(planes: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[k, h, w] → [k, H, W]."""
    return F.interpolate(planes[None], shape, mode="bilinear")[0]


def _nothing(prediction: Prediction, raw: Tensor, picture: Array) -> SteadyState:
    """Of a stream that begins: a plane at the median depth, by which nothing is measured."""
    sample, _ = _samples(raw, raw)
    plane = torch.full_like(raw, median(sample[sample > 0], of_none=1.0))
    watched = Watched(picture, rest=np.zeros_like(picture[0]), frames=0, noise=0.0)
    return SteadyState(plane, plane, watched, 0.0, 0.0, (), _ln_focal(prediction), prediction.world_from_camera)


def _ln_focal(prediction: Prediction) -> Focal:
    (x, _, _), (_, y, _), _ = prediction.intrinsics.tolist()
    return math.log(x), math.log(y)


def _samples(*planes: Tensor) -> Array:
    """[k, n] of planes [H, W]: pixels in the middle of cells, which keep the noise of pixels as means do not."""
    side = cell_side(*planes[0].shape)
    first, step = side // 2, side * SPARSE
    return brought(torch.stack([plane[first::step, first::step] for plane in planes])).reshape(len(planes), -1)


def _by_pose(motion: Motion, prediction: Prediction, before: Tensor | None) -> Motion:
    """A camera whose place is known moves when that changes, however much at rest a blank wall looks."""
    if before is None or prediction.world_from_camera is None:
        return motion
    shift = float(shift_of(before, prediction.world_from_camera, prediction))
    moves = 1.0 if math.isnan(shift) else min(1.0, shift / REST)
    return replace(motion, moves=np.maximum(motion.moves, np.float32(moves)), camera_moves=moves)


# ---------------------------------------------------------------- scale and shift


@dataclass(frozen=True, eq=False)
class _Rest:
    """What is known of motion where depths are compared."""

    stays: Array  # [n] f32, 1 at rest
    frames: int  # that were seen of the scene before this one
    camera_moves: float


def _fit(sample: Array, told: Array, state: SteadyState, rest: _Rest, options: SteadyOptions) -> _Fit:
    """By medians of depths [n] at rest; by the scale of all where too few rest.

    A part of what is found, the leak, is given up again, by the past as well, so that it is nowhere seen as a change.
    """
    has_depth = sample > 0
    rests = (rest.stays > 0.5) & has_depth
    newest = 1 / (rest.frames + 1)  # its share in a mean of all frames
    maps, scale, speed, agreed = None, 1.0, 0.0, sample
    if options.holds == "nothing":
        support = min(1.0, float(rests.mean()) / REST_SHARE) * (1 - rest.camera_moves)
        kept = 1 - max(newest, SLOW_LEAK, MOVING_LEAK * (1 - support))
        halves = _halves(sample, told, has_depth, rests, support)
        near, far = (ln_ratio + state.speed for ln_ratio in halves.ln_ratio)
        found, frame = halves.affine(*halves.ln_ratio), halves.affine(kept * near, kept * far)
        factor = frame.factor / found.factor
        maps = (frame, _Affine(factor, frame.offset - factor * found.offset))
        agreed = found.of(torch.from_numpy(sample)).numpy()
        scale = math.exp(kept * (near + far) / 2)
        speed = (state.speed - SPEED_GAIN * (near + far) / 2) * (1 - support) * min(1, rest.frames)
    off = np.abs(np.log(agreed[rests] / told[rests]))
    deviation = TIMES_MAD * median(off, of_none=state.depth_noise / TIMES_MAD)
    noise = state.depth_noise + max(newest, NOISE_GAIN) * (deviation - state.depth_noise)
    return _Fit(maps, scale, speed, noise)


@dataclass(frozen=True)
class _Halves:
    """The nearer and the farther half of what rests."""

    depth: tuple[float, float]  # median of the frame's
    ln_ratio: tuple[float, float]  # of what was told to it

    def affine(self, ln_near: float, ln_far: float) -> _Affine:
        """By these ratios. Equal ones have no offset."""
        near, far = self.depth
        offset = (math.exp(ln_near) - math.exp(ln_far)) / max(1 / near - 1 / far, TINY)
        return _Affine(math.exp(ln_far) - offset / far, offset)


def _halves(sample: Array, told: Array, has_depth: Array, rests: Array, support: float) -> _Halves:
    """Of depths [n]; `support` 0..1 is how far those at rest are trusted."""
    ln_depth = np.log(sample.clip(TINY))
    ln_ratio = np.log(told) - ln_depth
    at_rest, depth_at_rest = ln_ratio[rests], ln_depth[rests]
    is_near = depth_at_rest <= median(depth_at_rest)
    depth_near, depth_far = median(depth_at_rest[is_near]), median(depth_at_rest[~is_near])
    everywhere = median(ln_ratio[has_depth])
    common = everywhere + support * (median(at_rest) - everywhere)
    low, high = SHIFT_SPREAD
    spread = max(0.0, depth_far - depth_near)
    limit = min(spread / 2, MOST_SHIFT) / 2
    trust = support * min(1.0, max(0.0, (spread - low) / (high - low)))
    tilt = (median(at_rest[is_near]) - median(at_rest[~is_near])) / 2
    tilt = trust * min(limit, max(-limit, tilt))
    return _Halves((math.exp(depth_near), math.exp(depth_far)), (common + tilt, common - tilt))


# ---------------------------------------------------------------- pixels


def _averaged(raw: Tensor, good: Tensor | None, state: SteadyState, fit: _Fit, gain: Array) -> tuple[Tensor, Tensor]:
    """The frame's depth [H, W] in the scale that is told, and that averaged over the frames for which it rests.

    One frame alone does not move a pixel that rests, two that agree do: the median of three sees to that.
    """
    past, before = state.depth, state.aligned
    if fit.maps is not None:
        of_frame, of_past = fit.maps
        past, before, raw = of_past.of(past), of_past.anywhere(before), of_frame.of(raw)
    aligned = raw if good is None else torch.lerp(past, raw, good)
    low, high = torch.minimum(aligned, before), torch.maximum(aligned, before)
    believed = torch.clamp(past, min=low, max=high, out=low)
    least = min(MOST_JUMP, max(LEAST_JUMP, TIMES_DEPTH_NOISE * fit.depth_noise))
    jump = (believed / past).sub_(1).abs_().mul_(1 / least).sub_(1).clamp_(max=1)
    share = _on_pixels(gain, raw.device, raw.shape)
    depth = torch.lerp(past, believed, torch.maximum(jump, share, out=jump), out=high)
    newest_only = share.mul_(2).sub_(1).clamp_(min=0)  # from one half, the gain after one frame at rest, to 1
    return aligned, depth.lerp_(aligned, newest_only)


def _on_pixels(cells: Array, device: torch.device, shape: torch.Size) -> Tensor:
    """[h, w] → [H, W], linear in between, as `interpolate` would in four times the time."""
    height, width = shape
    side = height // len(cells)
    rows = torch.from_numpy(np.concatenate((cells[:1], cells, cells[-1:]))).to(device)
    rows = rows @ _in_between(rows.shape[1], width, device)
    share = (np.arange(side, dtype=np.float32) + (0.0 if side % 2 else 0.5)) / side  # from centre to centre
    weight = torch.from_numpy(share).to(device)[None, :, None]
    between = torch.lerp(rows[:-1, None], rows[1:, None], weight).reshape(-1, width)
    return between[(side + 1) // 2 :][:height]


@lru_cache(maxsize=8)
def _in_between(cells: int, pixels: int, device: torch.device) -> Tensor:
    """[cells, pixels]: a row of cells times this is that row on pixels. On a few rows faster than `interpolate`."""
    return F.interpolate(torch.eye(cells, device=device)[None], pixels, mode="linear")[0]


# ---------------------------------------------------------------- field of view


def _field_of_view(
    now: Focal, state: SteadyState, is_cut: bool, options: SteadyOptions
) -> tuple[Focal, tuple[Focal, ...]]:
    """As told, and those that were seen.

    The median of the first frames; then a slow walk towards that of the newest, at a bounded pace. After a cut what was
    told counts as some frames: mostly it is the same camera.
    """
    if options.fov_deg is not None:
        width = state.depth.shape[1]
        known = math.log(width / 2 / math.tan(math.radians(options.fov_deg) / 2))
        return (known, known), ()
    if options.holds == "scale":
        return now, ()
    seen = (*((state.focal,) * SAME_LENS_FRAMES if is_cut else state.seen_focals), now)[-FOV_FRAMES:]
    x, y = (median_low(side) for side in zip(*seen, strict=True))
    if len(seen) < FOV_FRAMES:
        return (x, y), seen
    return (_walked(state.focal[0], x), _walked(state.focal[1], y)), seen


def _walked(told: float, median: float) -> float:
    away = median - told
    beyond = away - min(FOV_FAR, max(-FOV_FAR, away))
    return told + (beyond or FOV_STEP * min(1.0, max(-1.0, away / FOV_SPREAD)))


# ---------------------------------------------------------------- the result


def _told(prediction: Prediction, depth: Tensor, focal: Focal) -> Prediction:
    """Depth stays where another field of view is told: what is ahead does not move, what is beside it comes along."""
    (_, *x), (skew, _, y), last = prediction.intrinsics.tolist()
    intrinsics = prediction.intrinsics.new_tensor([[math.exp(focal[0]), *x], [skew, math.exp(focal[1]), y], last])
    gaussians = prediction.gaussians
    if gaussians is not None:
        wider = prediction.intrinsics.diagonal() / intrinsics.diagonal()
        gaussians = _moved(gaussians, depth / prediction.depth, wider)
    return replace(prediction, depth=depth, intrinsics=intrinsics, gaussians=gaussians)


def _moved(gaussians: Gaussians, ratio: Tensor, wider: Tensor) -> Gaussians:
    """Each along its pixel's ray by `ratio` [H, W], and away from the axis by `wider` [3], x, y and z.

    Sizes follow the ratio and the mean of `wider` in x and y, which hardly differ: orientations stay.
    """
    good = ratio.isfinite() & (ratio > 0)
    by = torch.where(good, ratio, 1.0).reshape(-1, 1)
    if gaussians.pixel_index is not None:
        by = by[gaussians.pixel_index]
    return replace(gaussians, means=gaussians.means * by * wider, scales=gaussians.scales * by * wider[:2].mean())
