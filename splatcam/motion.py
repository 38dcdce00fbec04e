"""What moves in a stream's pictures, and what only shines in another light: by cells of a few pixels.

Knows pictures, no depth and no model. The cells are made where the picture lies; so few numbers are looked at on the
CPU, where a decision takes a microsecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

CELL_SIDES_PX = (2, 7, 14)  # grids are multiples of 14
CELLS = 72  # about, along the long side
SPARSE = 2  # every n-th cell of every n-th row says enough of scale and of noise
LIGHT_SPARSE = 4  # and of light
NOISE_GAIN = 0.1  # share of the newest frame in what is known of noise
# Change of a cell's colour, in 0..1
LEAST_CHANGE = 2 / 255  # below it is a camera's noise, JPEG and flicker of light
TIMES_NOISE = 3.0  # of the camera's own noise is change
MOST_NOISE = 3 / 255
CONTRAST = 6 / 255  # between neighbouring cells: without it, motion would not be seen
DARK = 4 / 255  # what is darker says little of the light
LIGHT_SCATTER, LIGHT_SHARE = 0.1, 0.7  # the light has changed where so many cells agree so well by what factor
CALM = 0.2  # of the cells: where fewer changed, neither the light nor the scene is another
LONG = 10  # frames
CAMERA_MOVES = (0.6, 0.85)  # of the cells that would show it changed within LONG: below it rests, above it moves
CUT_CHANGE = 0.08  # of a block's mean colour
CUT_BLOCKS = (6, 8)
CUT_SHARE = 0.5  # of the blocks

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Watched:
    """What is remembered of the pictures."""

    picture: Array  # [3, h, w] f32, 0..1, averaged where it rests
    rest: Array  # [h, w] f32, frames for which a cell and its neighbours have been at rest
    frames: int  # since the beginning or the last cut
    noise: float  # of cells at rest


@dataclass(frozen=True, eq=False)
class Motion:
    """Of the cells, against what was remembered."""

    moves: Array  # [h, w] f32, 0 at rest to 1: cells and their neighbours
    camera_moves: float  # 0 at rest to 1
    is_cut: bool
    noise: float
    before: Array  # [3, h, w] f32, the remembered picture in the light of the new one


def cells_of(image: Tensor) -> Array:
    """[H, W, 3] uint8 → [3, h, w] f32 in 0..1: mean colours of square cells, of every third row."""
    height, width, _ = image.shape
    side = cell_side(height, width)
    rows = image.reshape(height // side, side, width * 3)[:, 1::3].to(torch.float32)
    means = _mean_colours(side, rows.shape[1], image.device) @ rows.sum(dim=1).reshape(-1, side * 3).T
    return brought(means).reshape(3, height // side, width // side)


@lru_cache(maxsize=8)
def _mean_colours(side: int, rows: int, device: torch.device) -> Tensor:
    """[3, side * 3]: of a row of pixels' colours in 0..255, the sum of so many rows, the mean in 0..1."""
    return torch.eye(3, device=device).repeat(1, side) / (255 * side * rows)


def brought(tensor: Tensor) -> Array:
    """To the CPU; waits for the device."""
    return tensor.cpu().numpy()


def cell_side(height: int, width: int) -> int:
    return min(CELL_SIDES_PX, key=lambda side: abs(math.log(max(height, width) / side / CELLS)))


def motion_since(picture: Array, seen: Watched) -> Motion:
    """What changed since the cells [3, h, w] were averaged by more than the camera's noise.

    A cell rests if it is as it was, or as the light has made it: a camera's exposure and white balance are seldom at
    rest, and lamps are switched.
    """
    before, change = seen.picture, np.abs(picture - seen.picture).max(axis=0)
    least = LEAST_CHANGE + TIMES_NOISE * seen.noise
    has_cut = False
    if (change > least).mean() > CALM:
        light = _light(picture, seen.picture)
        has_cut = _is_cut(picture, seen.picture, light)
        in_new_light = seen.picture * light
        change_in_light = np.abs(picture - in_new_light).max(axis=0)
        before = np.where(change_in_light < change, in_new_light, before)
        change = np.minimum(change, change_in_light)
    contrast = _contrast(picture)
    return Motion(
        moves=_widest(change / least - 1).clip(0, 1),
        camera_moves=_camera_moves(contrast, seen),
        is_cut=has_cut,
        noise=seen.noise + NOISE_GAIN * (_noise(change, contrast) - seen.noise),
        before=before,
    )


def _light(picture: Array, before: Array) -> Array:
    """How much brighter each colour has become, [3, 1, 1]: the median over the cells, where they agree; else 1."""
    picture, before = (
        cells[:, ::LIGHT_SPARSE, ::LIGHT_SPARSE].reshape(3, -1) + np.float32(DARK) for cells in (picture, before)
    )
    ratio = picture / before
    light = np.partition(ratio, ratio.shape[1] // 2, axis=1)[:, ratio.shape[1] // 2, None]
    agree = (np.abs(ratio - light) < LIGHT_SCATTER * light).mean(axis=1, keepdims=True)
    return np.where(agree > LIGHT_SHARE, light, np.float32(1))[..., None]


def _contrast(picture: Array) -> Array:
    """[h, w]: between the lightest and the darkest of a cell and its neighbours."""
    brightness = picture.mean(axis=0)
    return _widest(brightness) + _widest(-brightness)


def _camera_moves(contrast: Array, seen: Watched) -> float:
    """By the share of the cells that changed of late. A blank wall looks at rest however the camera moves."""
    would_show = seen.rest[contrast > CONTRAST]
    changed = would_show < min(seen.frames - 1, LONG)
    share = float(changed.mean()) if len(changed) else 0.0
    low, high = CAMERA_MOVES
    return min(1.0, max(0.0, (share - low) / (high - low)))


def _noise(change: Array, contrast: Array) -> float:
    """The median change of the blankest quarter of the cells [h, w]: motion changes nothing there."""
    change, contrast = (plane[::SPARSE, ::SPARSE].ravel() for plane in (change, contrast))
    blankest = np.argpartition(contrast, len(contrast) // 4)[: 1 + len(contrast) // 4]
    return min(MOST_NOISE, median(change[blankest]))


def median(values: Array, of_none: float = 0.0) -> float:
    """The lower one of two in the middle. numpy's own takes ten times as long for so few."""
    return float(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2]) if len(values) else of_none


def is_cut(picture: Array, before: Array) -> bool:
    """Whether cells [3, h, w] show another scene, whatever the light."""
    return _is_cut(picture, before, _light(picture, before))


def _is_cut(picture: Array, before: Array, light: Array) -> bool:
    """By most blocks' having another mean colour. A camera that turns changes cells, but hardly blocks."""
    now, then = _blocks(picture), _blocks(before)
    change = np.minimum(np.abs(now - then).max(axis=0), np.abs(now - then * light).max(axis=0))
    return bool((change > CUT_CHANGE).mean() > CUT_SHARE)


def _blocks(cells: Array) -> Array:
    """[3, h, w] → [3, 6, 8]: means."""
    _, height, width = cells.shape
    rows, columns = CUT_BLOCKS
    return _means(height, rows) @ cells @ _means(width, columns).T


@lru_cache(maxsize=16)
def _means(side: int, blocks: int) -> Array:
    """[blocks, side], each row the mean of its part of a side, neighbours sharing a cell where it does not divide."""
    cell, block = np.arange(side), np.arange(blocks)[:, None]
    inside = (cell >= block * side // blocks) & (cell < -(-(block + 1) * side // blocks))
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def _widest(plane: Array) -> Array:
    """The greatest value of each cell [h, w] and its eight neighbours."""
    rows = plane.copy()
    np.maximum(rows[1:], plane[:-1], out=rows[1:])
    np.maximum(rows[:-1], plane[1:], out=rows[:-1])
    widest = rows.copy()
    np.maximum(widest[:, 1:], rows[:, :-1], out=widest[:, 1:])
    np.maximum(widest[:, :-1], rows[:, 1:], out=widest[:, :-1])
    return widest
