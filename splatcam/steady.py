"""A world that holds still: each frame's depth and field of view, brought into agreement with the frames before it.

Owns what is remembered of a stream between frames, as a value that goes in and comes out. Knows no model and no clock.
Runs where the tensors lie and never asks a device for a number: every decision is a tensor, so a GPU is not waited for.

A network that sees each frame alone gives each a scale, an offset and a field of view of its own, and trembles in
every pixel. What the picture shows to rest is the yardstick. Where it rests, depth is fitted to what was told before
and then averaged; where it moves, the frame's own depth is told, in the same scale. Both on cells of a few pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from splatcam.estimators import Holds, Prediction
from splatcam.estimators.window import REST, shift_of
from splatcam.gaussians import Gaussians
from splatcam.pixel_splats import FARTHEST, NEAREST
from splatcam.settings import SteadyMode

CELL_SIDES_PX = (2, 7, 14)  # grids are multiples of 14
CELLS = 72  # about, along the long side
# Change of a cell's colour, in 0..1
LEAST_CHANGE = 2 / 255  # below it is a camera's noise, JPEG and flicker of light
TIMES_NOISE = 3.0  # of the camera's own noise is change
MOST_NOISE = 3 / 255
CONTRAST = 6 / 255  # between neighbouring cells: without it, motion would not be seen
LONG = 10.0  # frames
CAMERA_MOVES = (0.6, 0.85)  # of the cells that would show it changed within LONG: below it rests, above it moves
CUT_CHANGE = 0.08  # of a block's mean colour
CUT_BLOCKS = (6, 8)
CUT_SHARE = 0.5  # of the blocks

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
SPARSE = 2  # every n-th cell of every n-th row says enough of scale and of noise
NOISE_GAIN = 0.1  # share of the newest frame in what is known of noise
TIMES_MAD = 1.4826  # of a normal distribution: its standard deviation
TINY = 1e-30


@dataclass(frozen=True)
class SteadyOptions:
    """What is left to do for a model."""

    holds: Holds
    fov_deg: float | None = None  # horizontal, where the camera's is known


@dataclass(frozen=True, eq=False)
class SteadyState:
    """What is remembered from frame to frame of one stream: a depth grid [H, W], cells [h, w], numbers []."""

    depth: Tensor  # [H, W] f32, as told; finite and > 0
    aligned: Tensor  # [H, W] f32, of the newest frame, before it was averaged
    picture: Tensor  # [3, h, w] f32, 0..1, averaged as the depth is
    rest: Tensor  # [h, w] f32, frames for which a cell and its neighbours have been at rest
    frames: Tensor  # [] f32, since the beginning or the last cut
    camera_noise: Tensor  # [] f32, of cells at rest
    depth_noise: Tensor  # [] f32, relative, of pixels at rest
    speed: Tensor  # [] f32, change of ln depth from frame to frame while the camera moves
    seen_ln_focal: Tensor  # [FOV_FRAMES, 2] f32, not a number where none was seen yet
    ln_focal: Tensor  # [2] f32, as told
    world_from_camera: Tensor  # [4, 4] f64 on the CPU; the identity where no model knows it


@dataclass(frozen=True, eq=False)
class SteadyReport:
    """What was found in one frame; tensors [] f32, so that nobody waits who does not read them."""

    scale: Tensor  # of the frame's depth to what is told, at its median
    rest_share: Tensor  # of the cells
    cut: Tensor  # 1 where this is another scene than the frame before


@dataclass(frozen=True, eq=False)
class _Motion:
    """Of the cells, against what was remembered."""

    moves: Tensor  # [h, w] f32, 0 at rest to 1: cells and their neighbours
    camera_moves: Tensor  # [] f32, 0 at rest to 1
    cut: Tensor  # [] f32, 0 or 1
    camera_noise: Tensor  # []


@dataclass(frozen=True, eq=False)
class _Affine:
    """depth → factor * depth + offset, tensors []."""

    factor: Tensor
    offset: Tensor

    def of(self, depth: Tensor) -> Tensor:
        """The offset takes half of it at most: nothing must get behind the camera."""
        scaled = depth * self.factor
        return (scaled + self.offset).clamp_(min=scaled.mul_(0.5))


@dataclass(frozen=True, eq=False)
class _Fit:
    """What brings depths to those that are told from now on."""

    maps: tuple[_Affine, _Affine] | None  # for the new frame's, for those told so far; None: they stay
    scale: Tensor  # [], of the frame's, at the median
    speed: Tensor  # []
    depth_noise: Tensor  # [], relative, of pixels at rest


def running(mode: SteadyMode, holds: Holds) -> SteadyMode:
    """What a wish comes to with a model."""
    if mode == "off" or holds == "all":
        return "off"
    return "window" if holds == "world" else "on"


def options_for(mode: SteadyMode, holds: Holds, fov_deg: float = 0.0) -> SteadyOptions | None:
    """None: frames stay as the model gives them. `fov_deg` 0: not known."""
    return None if running(mode, holds) == "off" else SteadyOptions(holds, fov_deg or None)


def steady(
    prediction: Prediction, state: SteadyState | None, options: SteadyOptions
) -> tuple[Prediction, SteadyState, SteadyReport]:
    """The prediction as it is told, and the state for the next frame of the same stream.

    Its depth is finite and positive: one that is not takes the pixel's last, in a first frame the median. A state of
    another grid is forgotten.
    """
    raw, good = _usable(prediction)
    picture = cells_of(prediction.image)
    if state is None or state.depth.shape != raw.shape:
        state = _nothing(prediction, raw, picture)
    motion = _by_pose(_motion(picture, state), prediction, state.world_from_camera)
    begins = torch.maximum(motion.cut, 1 - state.frames.clamp(max=1))
    state = replace(state, frames=state.frames * (1 - begins), rest=state.rest * (1 - begins))
    moves = torch.maximum(motion.moves, begins)
    fit = _fit(raw, state, moves, motion.camera_moves, options)
    rest = (state.rest + 1) * (1 - moves)
    gain = (1 + rest).reciprocal().clamp(min=LEAST_GAIN)
    aligned, depth = _averaged(raw, good, state, fit, torch.maximum(gain, motion.camera_moves))
    ln_focal, seen = _field_of_view(prediction.intrinsics, state, options)
    after = SteadyState(
        depth=depth,
        aligned=aligned,
        picture=torch.lerp(state.picture, picture, gain),
        rest=rest,
        frames=state.frames + _centres(good).amax(),  # one without any depth begins nothing
        camera_noise=motion.camera_noise,
        depth_noise=fit.depth_noise,
        speed=fit.speed,
        seen_ln_focal=seen,
        ln_focal=ln_focal,
        world_from_camera=_place_of(prediction),
    )
    told = _told(prediction, depth, ln_focal)
    return told, after, SteadyReport(fit.scale, 1 - moves.mean(), motion.cut)


def _usable(prediction: Prediction) -> tuple[Tensor, Tensor]:
    """[H, W] f32 with 0 where there is no depth, and 1 where there is one. Comparisons would cost more."""
    raw = prediction.depth.nan_to_num(0.0, 0.0, 0.0).clamp_(0.0, FARTHEST)
    if prediction.usable is not None:  # what stands in for a depth there is another pixel's
        raw *= prediction.usable
    return raw, (raw / NEAREST).clamp_(max=1)


def _nothing(prediction: Prediction, raw: Tensor, picture: Tensor) -> SteadyState:
    """Of a stream that begins: a plane at the median depth, by which nothing is measured."""
    zero = raw.new_zeros(())
    sample = _centres(raw)
    plane = _medians((sample, sample > 0))[0].nan_to_num(1.0).expand_as(raw)
    ln_focal = prediction.intrinsics.diagonal()[:2].log()
    seen = raw.new_full((FOV_FRAMES, 2), math.nan)
    rest = picture.new_zeros(picture.shape[1:])
    return SteadyState(
        plane, plane, picture, rest, zero, zero, zero, zero, seen, ln_focal, world_from_camera=_place_of(prediction)
    )


def _place_of(prediction: Prediction) -> Tensor:
    pose = prediction.world_from_camera
    return torch.eye(4, dtype=torch.float64) if pose is None else pose


# ---------------------------------------------------------------- the picture


def cells_of(image: Tensor) -> Tensor:
    """[H, W, 3] uint8 → [3, h, w] f32 in 0..1: mean colours of square cells, of every second row and column."""
    height, width, _ = image.shape
    side = _cell_side(height, width)
    rows = image.reshape(height // side, side, width * 3)[:, ::2].to(torch.float32)
    columns = rows.sum(dim=1).reshape(height // side, width // side, side, 3)[:, :, ::2].unbind(2)
    return (torch.stack(columns).sum(dim=0) / (255 * rows.shape[1] * len(columns))).permute(2, 0, 1).contiguous()


def _cell_side(height: int, width: int) -> int:
    return min(CELL_SIDES_PX, key=lambda side: abs(math.log(max(height, width) / side / CELLS)))


def _centres(plane: Tensor) -> Tensor:
    """The pixels [h, w] in the middle of the cells of [H, W]: a sample keeps the noise of pixels, a mean does not."""
    side = _cell_side(*plane.shape)
    return plane[side // 2 :: side, side // 2 :: side]


def _motion(picture: Tensor, state: SteadyState) -> _Motion:
    """What changed since the cells [3, h, w] of `state` were averaged by more than the camera's noise."""
    difference = picture - state.picture
    change = difference.abs().amax(dim=0)
    least = LEAST_CHANGE + TIMES_NOISE * state.camera_noise
    brightness = picture.mean(dim=0)
    moves, lightest, darkest = _widest(torch.stack((((change - least) / least).clamp(0, 1), brightness, -brightness)))
    contrast = lightest + darkest
    would_show = (contrast > CONTRAST).to(torch.float32)  # a blank wall looks at rest however the camera moves
    changed = (state.rest < (state.frames - 1).clamp(max=LONG)).to(torch.float32)
    low, high = CAMERA_MOVES
    share = (changed * would_show).sum() / would_show.sum().clamp(min=1)
    camera_moves = ((share - low) / (high - low)).clamp(0, 1)
    noise = torch.lerp(state.camera_noise, _noise(change, contrast), NOISE_GAIN)
    return _Motion(moves, camera_moves, _is_cut(difference), noise)


def _noise(change: Tensor, contrast: Tensor) -> Tensor:
    """The median change of the blankest quarter of the cells [h, w]: motion changes nothing there."""
    change, contrast = (plane[::SPARSE, ::SPARSE].flatten() for plane in (change, contrast))
    blankest = contrast.topk(1 + len(contrast) // 4, largest=False, sorted=False).indices
    return change[blankest].median().clamp(max=MOST_NOISE)


def _by_pose(motion: _Motion, prediction: Prediction, before: Tensor) -> _Motion:
    """A camera whose place is known moves when that changes, however much at rest a blank wall looks."""
    if prediction.world_from_camera is None:
        return motion
    moves = (shift_of(before, prediction.world_from_camera, prediction) / REST).nan_to_num(1.0).clamp(max=1)
    return replace(motion, moves=torch.maximum(motion.moves, moves), camera_moves=moves)


def _is_cut(difference: Tensor) -> Tensor:
    """1 where most blocks have another mean colour. A camera that turns changes cells [3, h, w], but hardly blocks."""
    blocks = F.adaptive_avg_pool2d(difference, CUT_BLOCKS)
    changed = (blocks.abs().amax(dim=0) > CUT_CHANGE).to(torch.float32)
    return (changed.mean() > CUT_SHARE).to(torch.float32)


def _widest(planes: Tensor) -> Tensor:
    """The greatest value of each cell [k, h, w] and its eight neighbours, in a third of the time of max_pool2d."""
    rows = planes.clone()
    torch.maximum(rows[:, 1:], planes[:, :-1], out=rows[:, 1:])
    torch.maximum(rows[:, :-1], planes[:, 1:], out=rows[:, :-1])
    widest = rows.clone()
    torch.maximum(widest[..., 1:], rows[..., :-1], out=widest[..., 1:])
    torch.maximum(widest[..., :-1], rows[..., 1:], out=widest[..., :-1])
    return widest


# ---------------------------------------------------------------- scale and shift


def _fit(raw: Tensor, state: SteadyState, moves: Tensor, camera_moves: Tensor, options: SteadyOptions) -> _Fit:
    """By medians over cells at rest; by the scale of all where too few rest.

    A part of what is found, the leak, is given up again, by the past as well, so that it is nowhere seen as a change.
    """
    sample, told, moves = (plane[::SPARSE, ::SPARSE] for plane in (_centres(raw), _centres(state.depth), moves))
    rests = (moves < 0.5) & (sample > 0)
    support = (rests.to(torch.float32).mean() / REST_SHARE).clamp(max=1) * (1 - camera_moves)
    maps, scale, speed, agreed = None, torch.ones_like(support), torch.zeros_like(support), sample
    if options.holds == "nothing":
        leak = torch.maximum((state.frames + 1).reciprocal().clamp(min=SLOW_LEAK), MOVING_LEAK * (1 - support))
        halves = _halves(sample, told, rests, support)
        ahead = replace(halves, ln_ratio=halves.ln_ratio + state.speed)
        found, frame = halves.affine(1.0), ahead.affine(1 - leak)
        factor = frame.factor / found.factor
        maps = (frame, _Affine(factor, frame.offset - factor * found.offset))
        agreed = found.of(sample)
        scale = ((1 - leak) * ahead.ln_ratio.mean()).exp()
        speed = (state.speed - SPEED_GAIN * ahead.ln_ratio.mean()) * (1 - support) * state.frames.clamp(max=1)
    off = (agreed.clamp(min=TINY) / told).log().abs()
    deviation = TIMES_MAD * _medians((off, rests))[0]
    gain = (state.frames + 1).reciprocal().clamp(min=NOISE_GAIN)
    noise = torch.lerp(state.depth_noise, deviation, gain)
    return _Fit(maps, scale, speed, torch.where(noise.isnan(), state.depth_noise, noise))


@dataclass(frozen=True, eq=False)
class _Halves:
    """The nearer and the farther half of what rests, [2] each."""

    depth: Tensor  # median of the frame's
    ln_ratio: Tensor  # of what was told to it

    def affine(self, share: Tensor | float) -> _Affine:
        """With `share` of both ratios. Equal ratios have no offset."""
        near, far = (self.ln_ratio * share).exp()
        inverse = self.depth.reciprocal()
        offset = (near - far) / (inverse[0] - inverse[1]).clamp(min=TINY)
        return _Affine(far - offset * inverse[1], offset)


def _halves(sample: Tensor, told: Tensor, rests: Tensor, support: Tensor) -> _Halves:
    """Cells [h, w]; `support` [] 0..1 is how far those at rest are trusted."""
    ln_depth = sample.clamp(min=TINY).log()
    ln_ratio = told.log() - ln_depth
    everywhere, at_rest, middle = _medians((ln_ratio, sample > 0), (ln_ratio, rests), (ln_depth, rests))
    is_near = ln_depth <= middle
    near, far = rests & is_near, rests & ~is_near
    medians = _medians((ln_depth, near), (ln_depth, far), (ln_ratio, near), (ln_ratio, far)).nan_to_num(0.0)
    ln_depths, ratios = medians[:2], medians[2:]
    common = torch.lerp(everywhere, at_rest.nan_to_num(0.0), support).nan_to_num(0.0)
    low, high = SHIFT_SPREAD
    spread = (ln_depths[1] - ln_depths[0]).clamp(min=0)
    limit = (spread / 2).clamp(max=MOST_SHIFT) / 2
    tilt = (ratios - ratios.mean()).clamp(-limit, limit) * ((spread - low) / (high - low)).clamp(0, 1) * support
    return _Halves(ln_depths.exp(), common + tilt)


def _medians(*parts: tuple[Tensor, Tensor]) -> Tensor:
    """Of the values of each pair (values, mask); not a number where the mask is empty."""
    values = torch.stack([torch.where(mask, plane, math.nan).flatten() for plane, mask in parts])
    return values.nanmedian(dim=1).values


# ---------------------------------------------------------------- pixels


def _averaged(raw: Tensor, good: Tensor, state: SteadyState, fit: _Fit, gain: Tensor) -> tuple[Tensor, Tensor]:
    """The frame's depth [H, W] in the scale that is told, and that averaged over the frames for which it rests.

    One frame alone does not move a pixel that rests, two that agree do: the median of three sees to that.
    """
    past, before = state.depth, state.aligned
    if fit.maps is not None:
        of_frame, of_past = fit.maps
        past, before, raw = of_past.of(past), (before * of_past.factor).add_(of_past.offset), of_frame.of(raw)
    aligned = torch.lerp(past, raw, good)
    low, high = torch.minimum(aligned, before), torch.maximum(aligned, before)
    believed = torch.clamp(past, min=low, max=high)
    least = (TIMES_DEPTH_NOISE * fit.depth_noise).clamp(LEAST_JUMP, MOST_JUMP)
    jump = (believed / past).sub_(1).abs_().mul_(least.reciprocal()).sub_(1).clamp_(max=1)
    share = _on_pixels(gain, raw.shape)
    depth = torch.lerp(past, believed, torch.clamp(jump, min=share, out=jump))
    newest_only = share.mul_(2).sub_(1).clamp_(min=0)  # from one half, the gain after one frame at rest, to 1
    return aligned, depth.lerp_(aligned, newest_only)


def _on_pixels(cells: Tensor, shape: torch.Size) -> Tensor:
    """[h, w] → [H, W], linear in between, as `interpolate` would in four times the time."""
    height, width = shape
    side = height // cells.shape[0]
    rows = F.interpolate(cells[None, None], (cells.shape[0], width), mode="bilinear")[0, 0]
    rows = torch.cat((rows[:1], rows, rows[-1:]))
    share = (torch.arange(side, device=cells.device) + (0.0 if side % 2 else 0.5)) / side  # from centre to centre
    between = torch.lerp(rows[:-1, None], rows[1:, None], share[None, :, None]).reshape(-1, width)
    return between[(side + 1) // 2 :][:height]


# ---------------------------------------------------------------- field of view


def _field_of_view(intrinsics: Tensor, state: SteadyState, options: SteadyOptions) -> tuple[Tensor, Tensor]:
    """ln of both focal lengths in pixels [2] as told, and those that were seen [FOV_FRAMES, 2].

    The median of the first frames; then a slow walk towards what is seen, at a bounded pace.
    """
    if options.fov_deg is not None:
        width = state.depth.shape[1]
        focal_px = width / 2 / math.tan(math.radians(options.fov_deg) / 2)
        return torch.full_like(state.ln_focal, math.log(focal_px)), state.seen_ln_focal
    now = intrinsics.diagonal()[:2].log()
    if options.holds == "scale":
        return now, state.seen_ln_focal
    frame = torch.arange(FOV_FRAMES, device=now.device)[:, None]
    seen = torch.where(frame == state.frames, now, state.seen_ln_focal)
    first = torch.where(frame <= state.frames, seen, math.nan).nanmedian(dim=0).values
    step = FOV_STEP * ((now - state.ln_focal) / FOV_SPREAD).clamp(-1, 1)
    return torch.where(state.frames < FOV_FRAMES, first, state.ln_focal + step), seen


# ---------------------------------------------------------------- the result


def _told(prediction: Prediction, depth: Tensor, ln_focal: Tensor) -> Prediction:
    """Depth stays where another field of view is told: what is ahead does not move, what is beside it comes along."""
    intrinsics = prediction.intrinsics.clone()
    intrinsics.diagonal()[:2] = ln_focal.exp()
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
