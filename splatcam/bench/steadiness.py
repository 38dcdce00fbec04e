"""Writes docs/steadiness.md: how still the world stands, against exact truth and on recorded cameras.

python -m splatcam.bench.steadiness CLIP ...        (make steady CLIPS="...")
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.report import commit, machine, row
from splatcam.bench.steady_streams import (
    CUT_AT,
    Pair,
    Size,
    Summary,
    at_rest,
    filmed,
    measure,
    recovery_frames,
    summarised,
    swaying,
    with_cut,
)
from splatcam.bench.unsteady import NETWORK
from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.steady import SteadyOptions

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "steadiness.md"
SIZE = 504, 378  # of the grid: width, height
SCENE_FRAMES = 240
GENERATED = 901, 911  # seeds of training/: somebody in a room, a furnished one
GENERATED_FRAMES = 120  # at most: each takes most of a second
CLIP_FRAMES = 300  # of each clip at most
ALONE = SteadyOptions("nothing")  # what a network that sees each frame alone needs
COLUMNS = (
    "stream", "frames", "change of what rests", "held", "share", "error", "held", "edges lag", "ghosts", "cuts found",
    "ms p50", "p95",
)  # fmt: skip
OPENING = """<!-- Written by `make steady`; run it instead of changing numbers here. -->

# How still the world stands

What `splatcam/steady.py` makes of streams that tremble: the synthetic scene and generated ones (`training/`), whose
truth is known, and recorded cameras by the built-in model. *Network* adds what one that sees each frame alone adds,
anew in each: {scale} scale, {shift} shift, {fov} focal length, {slow} trembling of parts of the picture and {own} of
each pixel (standard deviations; assumed, for no network could be asked here).

- **change**: mean |change of ln depth| from frame to frame where nothing moves, as estimated and held. Bar: a quarter.
- **error**: mean |ln depth - ln truth|, no scale fitted. Bar: not above that of the frames as estimated.
- **edges lag**: which frame's truth the edges of moving things agree with, in the worst frame. Bar: 1.
- **ghosts**: pixels uncovered within four frames that show what covered them, worst frame, of all pixels. Bar: 2 %.
- **cuts found**: frames taken for another scene. The clips have none.
- **ms**: processor time of one thread at {width}x{height}, between other work that empties its caches. Bar: 2.

The first second of a stream, in which scale and field of view are found, counts for cuts only. The built-in model is
a network that sees each frame alone as well.

{date}, {machine}, Python {python}, torch {torch}, commit {commit}.
A plus after a commit means that files were changed since.

"""
STRIPS = """
## By eye

The same frames from 5 degrees aside, *network*: above as estimated, below held; on the right what changes over half a
second, three times as bright (`python -m splatcam.bench.steady_pictures`).

![the synthetic scene](images/steady-scene.jpg)
![bottles on a table](images/steady-bottles.jpg)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.steadiness", description=__doc__.split("\n\n")[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    given = parser.parse_args(arguments)
    try:
        clips = [load_clip(path, CLIP_FRAMES) for path in given.clips]
    except ClipUnreadable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    keep_freed_memory()
    text = opening() + table(clips, SIZE, SCENE_FRAMES) + STRIPS
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def opening() -> str:
    here = machine()
    kinds = {name: f"{100 * getattr(NETWORK, name):g} %" for name in ("scale", "shift", "fov", "slow", "own")}
    return OPENING.format(
        **kinds, width=SIZE[0], height=SIZE[1], date=date.today().isoformat(), machine=here.name, python=here.python,
        torch=here.torch, commit=commit(),
    )  # fmt: skip


def table(clips: Sequence[Clip], size: Size, frames: int) -> str:
    """The synthetic streams, the generated ones, then each clip as it is and with a network's trembling."""
    rows = [row(COLUMNS), row(["---"] * len(COLUMNS))]
    for name, stream in {"scene, camera at rest": at_rest, "scene, camera in a hand": swaying}.items():
        rows.append(table_row(f"{name}, network", frames, summarised(measure(stream(frames, size), ALONE))))
    cut = measure(with_cut(2 * CUT_AT, size), ALONE)
    rows.append(table_row(f"scene with a cut at {CUT_AT}, network", len(cut), summarised(cut)))
    rows += [_generated_row(seed, size, min(frames, GENERATED_FRAMES)) for seed in GENERATED]
    for clip in clips:
        own = measure(filmed(clip.jpegs, size[0], "nothing"), SteadyOptions(BuiltinEstimator.holds))
        network = measure(filmed(clip.jpegs, size[0], "network"), ALONE)
        rows.append(table_row(clip.name, len(own), summarised(own)))
        rows.append(table_row(f"{clip.name}, network", len(network), summarised(network)))
    recovery = recovery_frames(cut, CUT_AT)
    rows.append(f"\nAfter the cut {recovery} frame(s) are off by more than frames as estimated are. Bar: 3.\n")
    return "\n".join(rows)


def _generated_row(seed: int, size: Size, frames: int) -> str:
    from training.streams import ProceduralScene  # this page is written in a checkout only

    stream = swaying(frames, size, ProceduralScene(seed).render)
    return table_row(f"generated scene {seed}, camera in a hand, network", frames, summarised(measure(stream, ALONE)))


def table_row(name: str, frames: int, figures: Summary) -> str:
    return row(
        [
            name, frames, *_percents(figures.change, 3), f"{figures.change_ratio:.2f}",
            *(_percents(figures.error, 2) if figures.error else ("", "")),
            "" if figures.lag_frames is None else figures.lag_frames,
            "" if figures.ghosts is None else f"{100 * figures.ghosts:.2f} %",
            len(figures.cuts), *(f"{ms:.1f}" for ms in figures.cpu_ms),
        ]
    )  # fmt: skip


def _percents(pair: Pair, digits: int) -> tuple[str, str]:
    estimated, held = (f"{100 * value:.{digits}f} %" for value in pair)
    return estimated, held


if __name__ == "__main__":
    sys.exit(main())
