"""Draws docs/images/steady-*.jpg: the same frames from 5 degrees aside, as they were estimated and held still.

python -m splatcam.bench.steady_pictures CLIP ...        (a part of make steady)

Above as estimated, below held; on the right what changes over half a second. The clips are shown to everybody who
reads the documents: take none of a person.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splatcam.bench.clip import load_clip
from splatcam.bench.fidelity import beside, camera_of
from splatcam.bench.steady_streams import Shot, at_rest, filmed
from splatcam.estimators import Prediction
from splatcam.frames import encode_picture
from splatcam.pipeline import live_scene
from splatcam.rendering import Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.steady import SteadyOptions, SteadyState, steady

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
LONG_SIDE_PX = 308
SIZE = LONG_SIDE_PX, 224  # of the scene
FIRST, LAST, SHOWN = 45, 60, (45, 48, 51)  # frames
ANGLE_DEG = 5
MAGNIFIED = 3.0  # what changes

Array = np.ndarray[Any, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.steady_pictures", description=__doc__)
    parser.add_argument("clips", type=Path, nargs="*", metavar="CLIP")
    draw(parser.parse_args(arguments).clips, FOLDER)


def draw(clips: Sequence[Path], folder: Path) -> None:
    rasterizer = build_rasterizer("auto")
    strips = {"scene": strip(at_rest(LAST + 1, SIZE), rasterizer)}
    for path in clips:
        jpegs = load_clip(path, LAST + 1).jpegs
        strips[path.stem] = strip(filmed(jpegs, LONG_SIDE_PX, "network"), rasterizer)
    for name, picture in strips.items():
        (folder / f"steady-{name}.jpg").write_bytes(encode_picture(picture))


def strip(shots: Iterable[Shot], rasterizer: Rasterizer) -> Array:
    """[2 H, 4 W, 3] uint8."""
    state: SteadyState | None = None
    camera: Camera | None = None
    above, below = [], []
    for number, shot in enumerate(shots):
        held, state, _ = steady(shot.estimated, state, SteadyOptions("nothing"))
        if number < FIRST:
            continue
        camera = camera or beside(camera_of(held), float(held.depth.median()), ANGLE_DEG)
        above.append(_drawn(shot.estimated, camera, rasterizer))
        below.append(_drawn(held, camera, rasterizer))
    return np.concatenate([_row(above), _row(below)])


def _drawn(prediction: Prediction, camera: Camera, rasterizer: Rasterizer) -> Array:
    """[H, W, 3] f32 in 0..1."""
    return rasterizer.render(live_scene(prediction), camera).rgb


def _row(pictures: Sequence[Array]) -> Array:
    """Some of the pictures, and how far all of them spread about their mean."""
    spread = np.std(np.stack(pictures), axis=0).mean(axis=-1, keepdims=True)
    shown = [pictures[number - FIRST] for number in SHOWN]
    row = np.concatenate([*shown, np.broadcast_to(spread * MAGNIFIED, shown[0].shape)], axis=1)
    return (row.clip(0, 1) * 255 + 0.5).astype(np.uint8)


if __name__ == "__main__":
    main()
