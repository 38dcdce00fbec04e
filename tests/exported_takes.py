"""Small recordings to export: `python -m tests.exported_takes FILE [STEPS]` writes one of the synthetic scene."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from splatcam import scenes, wire
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.frame_job import FrameJob
from splatcam.frames import encode_picture
from splatcam.pipeline import process_frame
from splatcam.settings import Settings
from splatcam.timeline import Info, LiveStep, Recorder
from splatcam.timeline.block_file import BlockKind, BlockWriter
from splatcam.timeline.nodes import Block, Picture, Result, Step, StepFacts
from splatcam.timeline.recording import CAMERA, SCENE
from splatcam.timeline.timeline_file import AudioPart, End
from splatcam.variants import Variant

PICTURE = (168, 126)  # of the camera
LONG_SIDE_PX = 112
STEP_MS = 100.0
RATE = 16_000
TONE_HZ = 440.0
COMPACT = Variant(wire.Format.COMPACT, "pixel", color="own")


def live_steps(count: int, variant: Variant = COMPACT) -> list[LiveStep]:
    """Frames of the moving scene, a tenth of a second apart, with what the built-in model made of them."""
    estimator, state = BuiltinEstimator(Settings()), None
    steps = []
    for number in range(count):
        at_ms = 1000.0 + number * STEP_MS
        jpeg = encode_picture(scenes.render(at_ms / 1e3, *PICTURE)[0])
        job = FrameJob("test", number, at_ms, jpeg, (variant,))
        result, state = process_frame(job, estimator, state, long_side_px=LONG_SIDE_PX)
        message = wire.RESULTS[variant.format].model_construct(
            frame_id=number, captured_at_ms=at_ms, received_at_ms=at_ms, timings_ms={}, **result.fields[variant]
        )
        steps.append(LiveStep(number, at_ms, at_ms, jpeg, variant.format, wire.encode(message)))
    return steps


def record(path: Path, steps: list[LiveStep]) -> Path:
    recorder = Recorder.create(path, Info(fps=1e3 / STEP_MS, model="builtin", began_at="2026-01-02T03:04:05Z"))
    for step in steps:
        recorder.put(step)
    report = recorder.stop()
    assert (report.steps, report.error) == (len(steps), None)
    return path


def record_with_tone(path: Path, steps: list[LiveStep]) -> Path:
    """Beside the steps a tone, in pieces of a quarter of a second, from the first step to the last."""
    writer = BlockWriter.create(path)
    writer.append(BlockKind.INFO, range(0), Info(fps=1e3 / STEP_MS).model_dump())
    seconds = len(steps) * STEP_MS / 1e3
    wave = np.round(8000 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * RATE)) / RATE)).astype("<i2")
    for at in range(0, len(wave), RATE // 4):
        part = AudioPart(
            name="microphone", sample_rate=RATE, channels=1, start_step=0, volume=1.0,
            samples=wave[at : at + RATE // 4].tobytes(), captured_at_ms=steps[0].captured_at_ms + at * 1e3 / RATE,
        )  # fmt: skip
        writer.append(BlockKind.AUDIO, range(0), part.to_map())
    block = Block(0, tuple(_step(step) for step in steps))
    writer.append(BlockKind.STEPS, block.span, block.to_map())
    writer.append(BlockKind.END, range(0), End().model_dump())
    writer.finish()
    return path


def _step(step: LiveStep) -> Step:
    facts = StepFacts(
        frame_id=step.frame_id, captured_at_ms=step.captured_at_ms, received_at_ms=step.received_at_ms, lost_before=0
    )
    nodes = {CAMERA: Picture(jpeg=step.jpeg), SCENE: Result(format=step.format, message=step.message)}
    return Step(nodes, facts)


if __name__ == "__main__":
    record(Path(sys.argv[1]), live_steps(int(sys.argv[2]) if len(sys.argv) > 2 else 12))
