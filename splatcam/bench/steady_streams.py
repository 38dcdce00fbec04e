"""Streams that tremble, and how still they are held: the gauges of steadiness.py and of its tests.

Streams of the synthetic scene come with their truth; recorded ones tell only what rests. Every figure has its twin of
the frames as they were estimated.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import pi, sin
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from splatcam import scenes
from splatcam.bench.unsteady import disturbed
from splatcam.estimators import Prediction
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.frames import decode_frame
from splatcam.pipeline import to_grid
from splatcam.settings import Settings
from splatcam.steady import SteadyOptions, SteadyState, steady
from splatcam.telemetry import percentile

FPS = 30
WARM_UP_FRAMES = 30  # in which scale and field of view are found; they do not count
CAMERA_NOISE = 2.0  # standard deviation of a pixel, in levels of 255
SWAY_M = (0.35, 0.1, 0.3)  # of the camera that moves, to either side
SWAY_S = 4.0  # there and back: at most 0.7 m/s
CUT_AT = 60  # frame
AT_REST, IN_MOTION = 1e-4, 0.03  # change of ln depth between frames that is none, where the camera rests or moves
EDGE = 0.25  # of ln depth: more is the step from a thing to what is behind it
LOOK_BACK = 4  # frames among which edges that lag and ghosts are looked for
REST_CELL_PX, REST_LEVELS = 7, 1.5  # of a filmed picture rests what changed by less, of 255

Size = tuple[int, int]  # width, height
Pair = tuple[float, float]  # of the frames as estimated, as held
Added = Literal["nothing", "network"]  # to the built-in depth; network: what one that sees each frame alone would add


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of a stream."""

    estimated: Prediction
    rests: Tensor  # [H, W] bool, since the frame before
    truth: Tensor | None = None  # [H, W] f32


def at_rest(frames: int, size: Size) -> Iterator[Shot]:
    """A camera on a table; things move."""
    return _of_scene(frames, size, AT_REST)


def swaying(frames: int, size: Size, scene: scenes.Render = scenes.render) -> Iterator[Shot]:
    """A camera in a hand; in the synthetic scene things move as well."""
    return _of_scene(frames, size, IN_MOTION, SWAY_M, scene)


def with_cut(frames: int, size: Size) -> Iterator[Shot]:
    """From frame CUT_AT on another scene: mirrored, in other colours, at half the depth."""
    for number, shot in enumerate(at_rest(frames, size)):
        yield shot if number < CUT_AT else _elsewhere(shot)


def _elsewhere(shot: Shot) -> Shot:
    assert shot.truth is not None
    image = (255 - shot.estimated.image).flip(1).roll(1, dims=2).contiguous()
    estimated = replace(shot.estimated, depth=shot.estimated.depth.flip(1) / 2, image=image)
    return Shot(estimated, shot.rests.flip(1), shot.truth.flip(1) / 2)


def _of_scene(
    frames: int, size: Size, still: float, sway_m: scenes.Place = scenes.ORIGIN, scene: scenes.Render = scenes.render
) -> Iterator[Shot]:
    """`still`: what changes by less in ln depth from one frame to the next counts as at rest."""
    before = None
    for number in range(frames):
        x, y, z = (reach * sin(2 * pi * number / FPS / SWAY_S + axis) for axis, reach in enumerate(sway_m))
        rgb, truth, k = map(torch.from_numpy, scene(number / FPS, *size, (x, y, z)))
        noise = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(number)) * CAMERA_NOISE
        exact = Prediction(truth, k, (rgb + noise).round().clamp(0, 255).to(torch.uint8))
        rests = (truth / (truth if before is None else before)).log().abs() < still
        before = truth
        yield Shot(disturbed(exact, number), rests, truth)


def filmed(jpegs: Sequence[bytes], long_side_px: int, added: Added) -> Iterator[Shot]:
    """A recorded camera, by the built-in model."""
    estimator, state, before = BuiltinEstimator(Settings()), None, None
    for number, jpeg in enumerate(jpegs):
        image = to_grid(decode_frame(jpeg), long_side_px)
        prediction, state = estimator.estimate(image, wants_gaussians=False, state=state)
        cells = F.avg_pool2d(image.permute(2, 0, 1).float(), REST_CELL_PX)
        change = (cells - (cells if before is None else before)).abs().amax(dim=0)
        before = cells
        rests = F.interpolate(change[None, None], image.shape[:2])[0, 0] < REST_LEVELS
        yield Shot(disturbed(prediction, number) if added == "network" else prediction, rests)


# ---------------------------------------------------------------- figures


@dataclass(frozen=True)
class FrameFigures:
    """One frame's. None: nothing there to be measured."""

    change: Pair | None  # mean |change of ln depth| since the frame before, of what rests, apart from the truth's own
    error: Pair | None  # mean |ln depth - ln truth|
    lag_frames: int | None  # of edges that move: whose frame's truth they are at
    ghosts: float | None  # share of the pixels that were uncovered of late and still show what covered them
    is_cut: bool  # taken for another scene than the frame before
    cpu_ms: float  # of one thread


def measure(shots: Iterable[Shot], options: SteadyOptions) -> list[FrameFigures]:
    state: SteadyState | None = None
    before: tuple[Shot, Tensor] | None = None
    truths: list[Tensor] = []
    figures = []
    for shot in shots:
        begin = time.thread_time()
        held, state, report = steady(shot.estimated, state, options)
        cpu_ms = (time.thread_time() - begin) * 1e3
        now = (shot, held.depth)
        change = None if before is None else _change(before, now)
        before = now
        error = lag = ghosts = None
        if shot.truth is not None:
            truths = [*truths[-LOOK_BACK:], shot.truth]
            error = (_off(shot.estimated.depth, shot.truth), _off(held.depth, shot.truth))
            lag, ghosts = lag_of(truths, held.depth), ghosts_in(truths, held.depth)
        figures.append(FrameFigures(change, error, lag, ghosts, report.is_cut, cpu_ms))
    return figures


def _change(before: tuple[Shot, Tensor], now: tuple[Shot, Tensor]) -> Pair | None:
    """Of the estimated and of the held depth."""
    (shot_before, held_before), (shot, held) = before, now
    if not bool(shot.rests.any()):
        return None
    own = torch.zeros(())
    if shot.truth is not None and shot_before.truth is not None:
        own = (shot.truth / shot_before.truth).log()
    pairs = ((shot_before.estimated.depth, shot.estimated.depth), (held_before, held))
    estimated, steadied = (float(((b / a).log() - own)[shot.rests].abs().mean()) for a, b in pairs)
    return estimated, steadied


def _off(depth: Tensor, truth: Tensor) -> float:
    return float((depth / truth).log().abs().mean())


def lag_of(truths: Sequence[Tensor], depth: Tensor) -> int | None:
    """Among the newest truths, the last one being this frame's, how far back lies the one that edges agree with?"""
    ln_truth = torch.stack(list(truths)).log()
    edges = ln_truth.amax(dim=0) - ln_truth.amin(dim=0) > EDGE
    if not bool(edges.any()):
        return None
    off = (depth.log() - ln_truth)[:, edges].abs().mean(dim=1)
    return len(truths) - 1 - int(off.argmin())


def ghosts_in(truths: Sequence[Tensor], depth: Tensor) -> float | None:
    """The share of the pixels that are not covered any more, and whose depth is still nearer to that of the cover."""
    ln_truth = torch.stack(list(truths)).log()
    cover, now = ln_truth.amin(dim=0), ln_truth[-1]
    uncovered = now - cover > EDGE
    if not bool(uncovered.any()):
        return None
    return float((uncovered & (depth.log() < (cover + now) / 2)).float().mean())


@dataclass(frozen=True)
class Summary:
    """Of a stream after its first second."""

    change: Pair  # mean
    error: Pair | None
    lag_frames: int | None  # the worst frame
    ghosts: float | None  # the worst frame
    cuts: list[int]  # by frame, of the whole stream
    cpu_ms: Pair  # p50, p95

    @property
    def change_ratio(self) -> float:
        return self.change[1] / self.change[0] if self.change[0] else 1.0


def summarised(figures: Sequence[FrameFigures]) -> Summary:
    settled = figures[WARM_UP_FRAMES:]
    times = [figure.cpu_ms for figure in settled]
    errors = [figure.error for figure in settled if figure.error is not None]
    return Summary(
        change=_means([figure.change for figure in settled if figure.change is not None]),
        error=_means(errors) if errors else None,
        lag_frames=max((figure.lag_frames for figure in settled if figure.lag_frames is not None), default=None),
        ghosts=max((figure.ghosts for figure in settled if figure.ghosts is not None), default=None),
        cuts=[number for number, figure in enumerate(figures) if figure.is_cut],
        cpu_ms=(percentile(times, 0.5), percentile(times, 0.95)),
    )


def recovery_frames(figures: Sequence[FrameFigures], cut: int) -> int:
    """From a cut on, the frames until one is no farther from the truth than frames as estimated are on average."""
    errors = [figure.error for figure in figures if figure.error is not None]
    usual = _means(errors)[0]
    return next((n for n, (_, held) in enumerate(errors[cut:]) if held <= 1.5 * usual), len(errors) - cut)


def _means(pairs: Sequence[Pair]) -> Pair:
    estimated, held = (sum(values) / len(values) for values in zip(*pairs, strict=True))
    return estimated, held
