"""Writes docs/timeline-speed.md: what recording, rooms and playing cost on this machine.

python -m splatcam.bench.timeline_page CLIP        (make timeline CLIP=...)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from splatcam.bench.report import commit, machine
from splatcam.bench.table import output_of

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "timeline-speed.md"
TEXT = """<!-- Written by `make timeline`; run it instead of changing numbers here. -->

# Recording, rooms and playing: what they cost

Against the real service on loopback; clients and browser run on the same cores.

{date}, {machine}, Python {python}, torch {torch}, commit {commit} (a plus: files were changed since).
Clip: {clip}; `make timeline CLIP={clip}`.

## A recording beside the live stream

On and off in turns of two seconds in one run. The camera sends 100 pictures a second, more than is answered: what the
recording takes is seen in the rate. *costs*: by which share there were fewer results with the recording on, the median
of all pairs of turns, and the least and the most. Milliseconds count from sending a picture to its result, the wait for
its turn included; *processor ms* is the time of all cores that the service took for a result. A page on the same
machine gets `splats16`, of which the recording (`compact`) shares nothing. `python -m splatcam.bench.recording_cost`

{recording_cost}

## One camera, fifty viewers

A lone viewer and a room of fifty take turns at one camera of 30 pictures a second; five of the fifty read nothing at
all. *least*: who got least of those that read. `python -m splatcam.bench.rooms`

{rooms}

## Long recordings, from the service to the page

Random steps of recordings of 50,000 splats a step. *fetched*: index, byte range, check sum, inflating and decoding by
the page's own modules under node, nothing kept. In Chromium, from `seek` on: *found*, the step is read and decoded, of
the *cold* ones, whose block had to be fetched; *seen*, its picture is on the screen, of all and of the *warm* ones, in
which nothing is fetched: that is drawing alone, twice, the second time with the splats in order, and without a graphics
card it takes longer than all else. Then all steps are played at four times the speed.
*grew*: resident memory at its highest against before, of the service's processes, and of the page's with what stands in
for the card. Bars: 300 ms fetched and found (p95), 300 MB recording, serving and playing.
`python -m splatcam.bench.timeline_playback`

{timeline_playback}

## Files and timelines by themselves

The same without a service: `splats16` with the camera's pictures, as fast as the disk takes them, and a program's
timeline that spills to the disk. `python -m splatcam.bench.timeline_speed`

{timeline_speed}
"""
OF_A_CLIP = ("recording_cost", "timeline_playback")
OF_NONE = ("rooms", "timeline_speed")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m splatcam.bench.timeline_page", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("clip", type=Path)
    given = parser.parse_args(arguments)
    try:
        text = page(given.clip, output_of)
    except subprocess.CalledProcessError as error:
        print(f"timeline: {error.cmd[2]} failed, and the page stays as it was", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def page(clip: Path, run: Callable[..., str]) -> str:
    """`run`: a module and its arguments → what it prints. Raises CalledProcessError."""
    here = machine()
    printed = {name: run(f"splatcam.bench.{name}", str(clip)).strip() for name in OF_A_CLIP}
    printed |= {name: run(f"splatcam.bench.{name}").strip() for name in OF_NONE}
    return TEXT.format(
        date=date.today().isoformat(), machine=here.name, python=here.python, torch=here.torch, commit=commit(),
        clip=clip.name, **printed,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
