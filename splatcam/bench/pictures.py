"""Writes docs/pictures.md: what drawing costs on this machine, and how true models' splats are to a camera.

python -m splatcam.bench.pictures CLIP ...        (make bench-pictures CLIPS="...")
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from splatcam.bench.clip import ClipUnreadable, load_clip
from splatcam.bench.report import commit, machine
from splatcam.bench.table import output_of, table_of

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "pictures.md"
FRAMES = "60"  # of each clip, and of the scene
OPENING = """<!-- Written by `make bench-pictures`; run it instead of changing numbers here. -->

# Pictures of Gaussians

{date}, {machine}, Python {python}, torch {torch}, commit {commit}. Clips: {clips}.
A plus after a commit means that files were changed since.

## Drawing

The compiled rasterizer against the readable one in numpy, in turns (`python -m splatcam.bench.render_speed`).

"""
PREVIEW = """
## A film

What `splatcam preview` makes of one live frame (`python -m splatcam.bench.preview_speed`).

"""
FIDELITY = """
## Fidelity

`splatcam fidelity`: each frame's splats, drawn again from where the camera stood and from 5 and 10 degrees beside it,
against its picture. Holes count from 5 degrees on also what no camera at one place can see. The jitters are of frames
of one camera, from each to the next. The built-in depth is a demonstration, so its numbers are about drawing alone;
`synthetic` shows a scene of its own, whatever the camera films.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.pictures", description=__doc__.split("\n\n")[0])
    parser.add_argument("clips", type=Path, nargs="+")
    given = parser.parse_args(arguments)
    try:
        for clip in given.clips:
            load_clip(clip, 1)
    except ClipUnreadable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    here = machine()
    opening = OPENING.format(
        date=date.today().isoformat(), machine=here.name, python=here.python, torch=here.torch, commit=commit(),
        clips=", ".join(clip.name for clip in given.clips),
    )  # fmt: skip
    clips = list(map(str, given.clips))
    text = opening + table_of("render_speed") + PREVIEW + table_of("preview_speed") + FIDELITY
    text += fidelity_of("builtin", clips) + "\n" + fidelity_of("synthetic", clips[:1])
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def fidelity_of(model: str, clips: list[str]) -> str:
    return output_of("splatcam.cli", "fidelity", *clips, "--frames", FRAMES, "--model", model)


if __name__ == "__main__":
    sys.exit(main())
