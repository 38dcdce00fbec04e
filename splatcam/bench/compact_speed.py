"""What a frame costs as `compact` and as `splats16`: `python -m splatcam.bench.compact_speed CLIP` prints a table.

Times the stages between the depth and the message, of the built-in model's frames, every variant once a frame, so
that a busy moment of the machine hits all alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from splatcam.bench.clip import load_clip
from splatcam.bench.report import commit, machine, row
from splatcam.codecs import compact
from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.jobs import FrameJob
from splatcam.pipeline import process_frame
from splatcam.settings import Settings
from splatcam.telemetry import percentile
from splatcam.variants import Variant
from splatcam.wire import Format

WARM_UP_FRAMES = 3
RIVAL = "splats16"
VARIANTS = {
    RIVAL: Variant(Format.SPLATS16, "pixel"),
    "compact, 10 bits, own picture": Variant(Format.COMPACT, "pixel", depth_bits=10, color="own"),
    "compact, 12 bits, own picture": Variant(Format.COMPACT, "pixel", depth_bits=12, color="own"),
    "compact, 12 bits, picture sent": Variant(Format.COMPACT, "pixel", depth_bits=12, color="sent"),
}
OTHER_STAGES = {"decode", "estimate"}  # the same whatever is sent


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, help="a video of a camera, or a folder of JPEGs")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1, help="for torch (default: 1, as the engine has on two cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    print(markdown(measure(load_clip(options.clip, options.frames).jpegs)))
    print(f"\n{options.threads} torch thread(s), deflate by {compact.fast_zlib.__name__}; {machine().name},", end=" ")
    print(f"torch {machine().torch}, commit {commit()}")


def measure(jpegs: tuple[bytes, ...]) -> dict[str, list[tuple[float, int]]]:
    """Milliseconds and bytes of every frame, by the name of the variant."""
    estimator = BuiltinEstimator(Settings())
    costs: dict[str, list[tuple[float, int]]] = {name: [] for name in VARIANTS}
    for number, jpeg in enumerate(jpegs):
        for name, variant in VARIANTS.items():
            result, _ = process_frame(FrameJob("clip", number, 0.0, jpeg, (variant,)), estimator)
            if number >= WARM_UP_FRAMES:
                ms = sum(ms for stage, ms in result.timings_ms.items() if stage not in OTHER_STAGES)
                costs[name].append((ms, payload_bytes(result.fields[variant])))
    return costs


def payload_bytes(fields: dict[str, Any]) -> int:
    return sum(len(value) for value in fields.values() if isinstance(value, bytes))


def markdown(costs: dict[str, list[tuple[float, int]]]) -> str:
    """p50 and p95 of the time, p50 of the size, and how many times faster and smaller than splats16 by p50."""
    lines = [row(["what", "p50 ms", "p95 ms", "kB", "times faster", "times smaller"]), row(["---"] * 6)]
    medians = {name: [percentile(values, 0.5) for values in zip(*pairs, strict=True)] for name, pairs in costs.items()}
    for name, pairs in costs.items():
        ms, size = medians[name]
        p95 = percentile([ms for ms, _ in pairs], 0.95)
        faster, smaller = medians[RIVAL][0] / ms, medians[RIVAL][1] / size
        lines.append(row([name, f"{ms:.2f}", f"{p95:.2f}", f"{size / 1e3:.0f}", f"{faster:.1f}", f"{smaller:.0f}"]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
