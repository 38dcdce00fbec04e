"""What a frame costs as `compact` and as `splats16`: `python -m splatcam.bench.compact_speed CLIP` prints a table.

Times the stages between the estimate and the message, every variant once a frame, so that a busy moment of the machine
hits all alike: splats from the built-in model's depth of a clip, and a network's own Gaussians. The latter are
synthetic (`predicted.py`), at 504x378.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from splatcam.bench.clip import load_clip
from splatcam.bench.predicted import PredictedEstimator, Roughness, predict
from splatcam.bench.report import commit, machine, row
from splatcam.codecs import compact
from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators import Estimator
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.frame_job import FrameJob
from splatcam.frames import encode_picture
from splatcam.pipeline import process_frame
from splatcam.settings import Settings
from splatcam.telemetry import percentile
from splatcam.variants import Variant
from splatcam.wire import Format

WARM_UP_FRAMES = 3
RIVAL = "splats16"
FROM_DEPTH = {
    RIVAL: Variant(Format.SPLATS16, "pixel"),
    "compact, 10 bits, own picture": Variant(Format.COMPACT, "pixel", depth_bits=10, color="own"),
    "compact, 12 bits, own picture": Variant(Format.COMPACT, "pixel", depth_bits=12, color="own"),
    "compact, 12 bits, picture sent": Variant(Format.COMPACT, "pixel", depth_bits=12, color="sent"),
}
FROM_NETWORK = {
    RIVAL: Variant(Format.SPLATS16, "network"),
    "compact": Variant(Format.COMPACT, "network"),
    "compact, every 2nd pixel": Variant(Format.COMPACT, "network", stride=2),
}
PREDICTED_SIZE = 504, 378  # width, height
OTHER_STAGES = {"decode", "estimate"}  # the same whatever is sent


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, help="a video of a camera, or a folder of JPEGs")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1, help="for torch (default: 1, as the engine has on two cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    jpegs = load_clip(options.clip, options.frames).jpegs
    print(markdown({**measure_depth(jpegs), **measure_network(len(jpegs))}))
    print(f"\n{options.threads} torch thread(s), deflate by {compact.fast_zlib.__name__}; {machine().name},", end=" ")
    print(f"torch {machine().torch}, commit {commit()}")


Costs = dict[str, list[tuple[float, int]]]  # milliseconds and bytes of every frame, by the name of the variant


def measure_depth(jpegs: Sequence[bytes]) -> dict[str, Costs]:
    return {"pixel": measure(BuiltinEstimator(Settings()), jpegs, FROM_DEPTH)}


def measure_network(frames: int) -> dict[str, Costs]:
    costs = {}
    roughnesses: tuple[Roughness, ...] = ("smooth", "noisy")
    for roughness in roughnesses:
        prediction = predict(0.0, *PREDICTED_SIZE, roughness)
        jpeg = encode_picture(prediction.image.numpy())
        costs[f"network, synthetic, {roughness}"] = measure(
            PredictedEstimator(prediction), [jpeg] * frames, FROM_NETWORK
        )
    return costs


def measure(estimator: Estimator, jpegs: Sequence[bytes], variants: dict[str, Variant]) -> Costs:
    costs: Costs = {name: [] for name in variants}
    for number, jpeg in enumerate(jpegs):
        for name, variant in variants.items():
            result, _ = process_frame(FrameJob("clip", number, 0.0, jpeg, (variant,)), estimator)
            if number >= WARM_UP_FRAMES:
                ms = sum(ms for stage, ms in result.timings_ms.items() if stage not in OTHER_STAGES)
                costs[name].append((ms, payload_bytes(result.fields[variant])))
    return costs


def payload_bytes(fields: dict[str, Any]) -> int:
    return sum(len(value) for value in fields.values() if isinstance(value, bytes))


def markdown(costs: dict[str, Costs]) -> str:
    """p50 and p95 of the time, p50 of the size, and how many times faster and smaller than splats16 by p50."""
    columns = ["output", "what", "p50 ms", "p95 ms", "kB", "times faster", "times smaller"]
    lines = [row(columns), row(["---"] * len(columns))]
    for source, of_variants in costs.items():
        rival_ms, rival_size = medians(of_variants[RIVAL])
        for name, pairs in of_variants.items():
            ms, size = medians(pairs)
            p95 = percentile([ms for ms, _ in pairs], 0.95)
            faster, smaller = f"{rival_ms / ms:.1f}", f"{rival_size / size:.0f}"
            lines.append(row([source, name, f"{ms:.2f}", f"{p95:.2f}", f"{size / 1e3:.0f}", faster, smaller]))
    return "\n".join(lines)


def medians(pairs: list[tuple[float, int]]) -> tuple[float, float]:
    """Of the milliseconds and of the bytes."""
    ms, size = (percentile(values, 0.5) for values in zip(*pairs, strict=True))
    return ms, size


if __name__ == "__main__":
    main()
