"""Depth in files: float32 .npy as the model told it, 16-bit PNG in one scale, and pictures for eyes. Knows no model.

A folder each, so that a file keeps the name of its picture. What the numbers mean stands in `depth.json`.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from splatcam.atomic import published, require_place
from splatcam.job.depth import DepthOfPicture

ABOUT = "depth.json"
NUMBERS, MILLIS, COLOURS = "npy", "png16", "colour"
FULL = 65535  # of a 16-bit PNG; its 0 is a pixel without a number
MOST_PER_METRE = 1000  # what programs that read depth in metres from a PNG take for granted
TAILS = (1.0, 99.0)  # percentiles of depth that have the colours of the ends
FLATTEST = 0.1  # of ln depth: what spans less is not given all colours, or a wall would show its noise
# From far to near, each step brighter than the one before but the last: sRGB.
PALETTE = ((24, 20, 82), (38, 84, 168), (28, 150, 160), (120, 200, 110), (246, 214, 84), (226, 88, 44))

Array = np.ndarray[Any, Any]
Ends = tuple[float, float]  # nearest, farthest


@dataclass(frozen=True)
class SavedDepth:
    """What is remembered of one picture's depth."""

    name: str
    picture_size: tuple[int, int]  # width, height
    grid: tuple[int, int]  # width, height
    camera: tuple[float, float, float, float]  # fx, fy, cx, cy in pixels of the grid
    ends: Ends
    ends_of_colour: Ends
    without_number: int  # pixels

    def described(self) -> dict[str, Any]:
        keys = ("fx", "fy", "cx", "cy")
        return {
            "name": self.name,
            "picture": self.picture_size,
            "grid": self.grid,
            "camera": {key: round(value, 3) for key, value in zip(keys, self.camera, strict=True)},
            "nearest": self.ends[0],
            "farthest": self.ends[1],
            "pixels_without_number": self.without_number,
        }


def prepare(folder: Path) -> None:
    """Before long work. Raises OSError."""
    for name in (NUMBERS, MILLIS, COLOURS):
        (folder / name).mkdir(parents=True, exist_ok=True)
        require_place(folder / name / name)  # any name will do
    require_place(folder / ABOUT)


def save_numbers(folder: Path, told: DepthOfPicture) -> SavedDepth:
    """Raises OSError."""
    depth = told.depth.numpy()
    known = depth[np.isfinite(depth)]
    (fx, _, cx), (_, fy, cy), _ = told.intrinsics.tolist()
    with published(folder / NUMBERS / f"{told.name}.npy") as beside:
        np.save(beside, depth)
    return SavedDepth(
        told.name, told.picture_size, (depth.shape[1], depth.shape[0]), (fx, fy, cx, cy),
        (float(known.min()), float(known.max())), ends_of_colour(depth), depth.size - known.size,
    )  # fmt: skip


def save_pictures(folder: Path, saved: SavedDepth, per_unit: float, ends: Ends) -> None:
    """From the numbers in the folder. Raises OSError."""
    depth = np.load(folder / NUMBERS / f"{saved.name}.npy")
    _save(Image.fromarray(to_16_bits(depth, per_unit)), folder / MILLIS / f"{saved.name}.png", "PNG")
    _save(Image.fromarray(coloured(depth, ends)), folder / COLOURS / f"{saved.name}.jpg", "JPEG")


def _save(picture: Image.Image, path: Path, kind: str) -> None:
    encoded = io.BytesIO()  # Pillow takes a file that the disk cut short for a whole one
    picture.save(encoded, format=kind, quality=90)
    with published(path) as beside:
        beside.write_bytes(encoded.getvalue())


def save_about(folder: Path, facts: Mapping[str, Any], per_unit: float, all_saved: Sequence[SavedDepth]) -> None:
    """Raises OSError."""
    about = {
        **facts,
        "png16": {"per_unit": per_unit, "without_number": 0},
        "pictures": [saved.described() for saved in all_saved],
    }
    with published(folder / ABOUT) as beside:
        beside.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def png_per_unit(farthest: float, metric: bool) -> float:
    """Levels of a 16-bit PNG for one unit of depth: the greatest power of ten that holds the farthest depth.

    Of metres at most a thousand: millimetres.
    """
    power = 10.0 ** math.floor(math.log10(FULL / farthest))
    return min(power, MOST_PER_METRE) if metric else power


def to_16_bits(depth: Array, per_unit: float) -> Array:
    """[H, W] f32 → uint16. What is too near for its scale is 1, for 0 is no number."""
    levels = np.round(depth.astype(np.float64) * per_unit).clip(1, FULL)
    return np.where(np.isfinite(depth), levels, 0).astype(np.uint16)


def ends_of_colour(depth: Array) -> Ends:
    """Of one picture: what lies far off alone takes no colours from the rest."""
    near, far = np.percentile(depth[np.isfinite(depth)], TAILS).tolist()
    return near, far


def common_ends(all_saved: Sequence[SavedDepth]) -> Ends:
    """Of a video's frames, so that colours do not flicker."""
    nearest, farthest = np.median([saved.ends_of_colour for saved in all_saved], axis=0).tolist()
    return nearest, farthest


def coloured(depth: Array, ends: Ends) -> Array:
    """Near is warm, far is blue, by ln depth: [H, W] f32 → uint8 [H, W, 3]. Black where there is no number."""
    near, far = (math.log(end) for end in ends)
    middle, half = (near + far) / 2, max(far - near, FLATTEST) / 2
    known = np.isfinite(depth)
    share = (middle + half - np.log(np.where(known, depth, 1.0))) / (2 * half)
    places = np.linspace(0, 1, len(PALETTE))
    planes = [np.interp(share, places, levels) for levels in np.transpose(PALETTE)]
    return np.where(known[..., None], np.stack(planes, axis=-1).round(), 0).astype(np.uint8)
