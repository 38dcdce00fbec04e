"""Writes docs/codecs.md: bytes, milliseconds and pictures of every format and level.

python -m splatcam.bench.codecs CLIP ...        (make codecs CLIPS="...")
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from splatcam.bench.clip import ClipUnreadable, load_clip
from splatcam.bench.report import commit, machine
from splatcam.bench.table import table_of

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "codecs.md"
OPENING = """<!-- Written by `make codecs`; run it instead of changing numbers here. -->

# Formats: bytes, milliseconds, pictures

{date}, {machine}, Python {python}, torch {torch}, commit {commit}. Frames of 504x378.
A plus after a commit means that files were changed since.

## Encoding, and what is left of the picture

Each frame as a PLY and as everything else, decoded, packed into Spark's words as the page does, and drawn from where
the camera stood and from 5 and 10 degrees beside it; the PLY's own picture is the judge, of every pixel of the grid. kB
is the median, encoding takes what comes after the estimate. An error of depth is that of its logarithm, the greatest of
all splats and frames; the bound is what format and float16 promise. Of every second pixel the splats are others, four
times as large. The network's splats are a stand-in, with even or with rough values: no real network was asked
(`python -m splatcam.bench.codec_quality`).

"""
DECODING = """
## Decoding, in Chromium

From asking the page's worker to its answer: inflating, reading the JPEG, packing the words; and the last alone
(`node tests/e2e/decode_speed.mjs`). Of the synthetic scene.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.codecs", description=__doc__.split("\n\n")[0])
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
        date=date.today().isoformat(), machine=here.name, python=here.python, torch=here.torch, commit=commit()
    )
    text = opening + table_of("codec_quality", *map(str, given.clips)) + DECODING + decoding()
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def decoding() -> str:
    """Needs node, the npm packages of tests/ and Chromium."""
    environment = {**os.environ, "SPLATCAM_TEST_PYTHON": sys.executable}
    command = ["node", "tests/e2e/decode_speed.mjs"]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
