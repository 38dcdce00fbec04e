"""A process that records until it is killed: `python -m tests.recording_child FILE` prints 0 once it has begun, and
then how many steps are in the file, whenever that changes. No torch, so that many of them are cheap."""

from __future__ import annotations

import random
import sys
from functools import cache
from pathlib import Path

from splatcam.timeline.block_file import BlockWriter
from splatcam.timeline.recording import LiveStep, Put, Recorder, RecorderOptions
from splatcam.timeline.timeline_file import Info
from splatcam.wire import JPEG_MAGIC, Format

STEP_MS = 40.0
STEPS_PER_BLOCK = 25
SIZE_BYTES = 100_000  # of a step: a disk takes a while for a block
LOOP = 16  # different ones


@cache
def body(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE_BYTES)


def step(number: int) -> LiveStep:
    """What it holds can be told from its number."""
    jpeg = JPEG_MAGIC + number.to_bytes(4, "little")
    return LiveStep(number, number * STEP_MS, number * STEP_MS, jpeg, Format.COMPACT, body(number % LOOP))


def main(path: Path) -> None:
    for number in range(LOOP):
        body(number)
    recorder = Recorder(BlockWriter.create(path), Info(), RecorderOptions(block_s=STEPS_PER_BLOCK * STEP_MS / 1e3))
    told = -1
    number = 0
    while True:
        if recorder.report.steps > told:
            told = recorder.report.steps
            print(told, flush=True)
        if recorder.put(step(number)) is Put.TAKEN:
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
