"""Frames of 504x378 as `compact` messages, for programs that measure how fast they are read:
`python -m splatcam.bench.compact_frames FOLDER` writes one file for each level.

All of the synthetic scene: level A from its depth, level C from the stand-in for a network.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from splatcam import wire
from splatcam.bench.predicted import PredictedEstimator, Roughness, predict
from splatcam.frame_job import FrameJob
from splatcam.frames import encode_picture
from splatcam.pipeline import process_frame
from splatcam.variants import Variant

SIZE = 504, 378  # width, height
FRAMES: dict[str, tuple[Roughness, Variant]] = {
    "level A, 10 bits": ("smooth", Variant(wire.Format.COMPACT, "pixel", depth_bits=10)),
    "level A, 12 bits": ("smooth", Variant(wire.Format.COMPACT, "pixel", depth_bits=12)),
    "level A, 12 bits, every 2nd pixel": ("smooth", Variant(wire.Format.COMPACT, "pixel", stride=2)),
    "level C, synthetic, smooth": ("smooth", Variant(wire.Format.COMPACT, "network")),
    "level C, synthetic, noisy": ("noisy", Variant(wire.Format.COMPACT, "network")),
    "level C, synthetic, smooth, every 2nd pixel": ("smooth", Variant(wire.Format.COMPACT, "network", stride=2)),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    for name, (roughness, variant) in FRAMES.items():
        (folder / f"{name}.msgpack").write_bytes(message(roughness, variant))


def message(roughness: Roughness, variant: Variant) -> bytes:
    prediction = predict(1.0, *SIZE, roughness)
    job = FrameJob("bench", 0, 0.0, encode_picture(prediction.image.numpy()), (variant,))
    result, _ = process_frame(job, PredictedEstimator(prediction))
    frame: dict[str, Any] = {"frame_id": 0, "captured_at_ms": 0.0, "received_at_ms": 0.0}
    return wire.encode(wire.Compact(**frame, timings_ms=result.timings_ms, **result.fields[variant]))


if __name__ == "__main__":
    main()
