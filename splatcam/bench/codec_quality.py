"""What formats and levels cost, and what is left of the picture: `python -m splatcam.bench.codec_quality CLIP ...`.

Every frame is sent as a PLY and as everything else, decoded, packed into Spark's words as the page does, unpacked and
drawn from where the camera stood and from 5 and 10 degrees beside it; the PLY's own picture is the judge. Splats from
the built-in depth of the clips and from the exact depth of the synthetic scene; a network's own splats by the stand-in
of `predicted.py`, for whose planes no real network was asked.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from gsply_helpers import gaussians_from_ply_bytes
from splatcam.bench.clip import load_clip
from splatcam.bench.fidelity import ANGLES_DEG, beside
from splatcam.bench.predicted import PredictedEstimator, Roughness, predict
from splatcam.bench.report import commit, machine, row
from splatcam.codecs import compact, packed16
from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators import Estimator
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.estimators.synthetic import SyntheticEstimator
from splatcam.frame_job import FrameJob
from splatcam.frames import encode_picture
from splatcam.gaussians import Gaussians
from splatcam.pipeline import process_frame
from splatcam.rendering import Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.metrics import psnr_db, ssim
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.settings import Settings
from splatcam.telemetry import percentile
from splatcam.variants import Variant
from splatcam.wire import Format

Array = np.ndarray[Any, Any]
SIZE = 504, 378  # of the stand-in: width, height
WARM_UP_FRAMES = 2
OTHER_STAGES = {"decode", "estimate"}
PIXEL = {
    "gaussian_ply": Variant(Format.GAUSSIAN_PLY, "pixel"),
    "splats16": Variant(Format.SPLATS16, "pixel"),
    "compact A, 12 bits": Variant(Format.COMPACT, "pixel", depth_bits=12, color="own"),
    "compact A, 12 bits, with the picture": Variant(Format.COMPACT, "pixel", depth_bits=12),
    "compact A, 10 bits": Variant(Format.COMPACT, "pixel", depth_bits=10, color="own"),
    "compact A, 12 bits, every 2nd pixel": Variant(Format.COMPACT, "pixel", stride=2, color="own"),
}
NETWORK = {
    "gaussian_ply": Variant(Format.GAUSSIAN_PLY, "network"),
    "splats16": Variant(Format.SPLATS16, "network"),
    "compact C": Variant(Format.COMPACT, "network"),
    "compact C, every 2nd pixel": Variant(Format.COMPACT, "network", stride=2),
}
REFERENCE = "gaussian_ply"
COLUMNS = (
    "splats of", "format", "kB", "encode ms", "depth off by at most", "bound",
    *(f"PSNR / SSIM at {angle}°" for angle in ANGLES_DEG),
)  # fmt: skip


@dataclass
class Measured:
    """One format or level of one source, a value for each frame."""

    kilobytes: list[float]
    encode_ms: list[float]
    depth_errors: list[float]  # greatest |ln z - ln z'|
    bounds: list[float]
    alike: list[list[tuple[float, float]]]  # by angle: PSNR in dB, SSIM


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--frames", type=int, default=6, help="of each, from all over it (default: 6)")
    parser.add_argument("--threads", type=int, default=1, help="for torch (default: 1, as the engine has on two cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    rasterizer = build_rasterizer("auto", machine().cores)
    print(row(COLUMNS), row(["---"] * len(COLUMNS)), sep="\n")
    for name, estimator, jpegs, variants in sources(options.clips, options.frames):
        for what, measured in measure(estimator, jpegs, variants, rasterizer).items():
            print(table_row(name, what, measured), flush=True)
    print(f"\n{options.threads} torch thread(s), deflate by {compact.fast_zlib.__name__}; {machine().name},", end=" ")
    print(f"torch {machine().torch}, commit {commit()}")


def sources(clips: Sequence[Path], frames: int) -> Iterator[tuple[str, Estimator, list[bytes], dict[str, Variant]]]:
    """Name, model, pictures, and what is sent of them."""
    settings = Settings()
    count = frames + WARM_UP_FRAMES
    for path in clips:
        jpegs = load_clip(path).jpegs
        yield path.name, BuiltinEstimator(settings), list(jpegs[:: max(1, len(jpegs) // count)][:count]), PIXEL
    picture = encode_picture(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    yield "synthetic scene", SyntheticEstimator(settings), [picture] * count, PIXEL
    roughnesses: tuple[Roughness, ...] = ("smooth", "noisy")
    for roughness in roughnesses:
        prediction = predict(0.0, *SIZE, roughness)
        yield f"stand-in, {roughness}", PredictedEstimator(prediction), [picture] * count, NETWORK


def measure(
    estimator: Estimator, jpegs: Sequence[bytes], variants: dict[str, Variant], rasterizer: Rasterizer
) -> dict[str, Measured]:
    """Every variant of every frame; what comes first warms up and does not count."""
    found = {name: Measured([], [], [], [], [[] for _ in ANGLES_DEG]) for name in variants}
    state = None
    for number, jpeg in enumerate(jpegs):
        results = {}
        for name, variant in variants.items():
            results[name], after = process_frame(FrameJob("clip", number, 0.0, jpeg, (variant,)), estimator, state)
        state = after  # the same of each
        if number < WARM_UP_FRAMES:
            continue
        reference = decoded(results[REFERENCE].fields[variants[REFERENCE]], variants[REFERENCE], jpeg)
        pictures = None
        for name, variant in variants.items():
            fields, one = results[name].fields[variant], found[name]
            one.kilobytes.append(sum(len(value) for value in fields.values() if isinstance(value, bytes)) / 1e3)
            one.encode_ms.append(sum(ms for stage, ms in results[name].timings_ms.items() if stage not in OTHER_STAGES))
            gaussians = decoded(fields, variant, jpeg)
            cameras = cameras_of(fields, reference)
            drawn = [rasterizer.render(gaussians, camera).rgb for camera in cameras]
            pictures = pictures or drawn  # the reference comes first
            for pairs, picture, truth in zip(one.alike, drawn, pictures, strict=True):
                pairs.append((psnr_db(picture, truth), ssim(picture, truth)))
            one.depth_errors.append(depth_error(gaussians, reference))
            one.bounds.append(depth_bound(fields, variant))
    return found


def decoded(fields: dict[str, Any], variant: Variant, jpeg: bytes) -> Gaussians:
    """What is drawn of a result: Spark's words, but of a PLY its own floats."""
    if variant.format is Format.GAUSSIAN_PLY:
        return gaussians_from_ply_bytes(fields["ply_data"])
    if variant.format is Format.SPLATS16:
        return packed16.unpack_words(fields["data"], fields["num_splats"])
    gaussians = compact.decode({**fields, "mask": fields.get("mask")}, window_colors(fields, variant, jpeg))
    return packed16.unpack_words(packed16.pack_words(gaussians).numpy().tobytes(), gaussians.count)


def window_colors(fields: dict[str, Any], variant: Variant, jpeg: bytes) -> Array:
    """[rows, columns, 3] uint8 of the message's picture, or of the client's own."""
    row0, column0, rows, columns = fields["window"]
    picture = Pillow.open(io.BytesIO(fields.get("color") or jpeg)).convert("RGB")
    if variant.output == "network":  # a picture of the window
        return np.asarray(picture).reshape(rows, columns, 3)
    height, width = fields["grid"]
    grid = np.asarray(picture.resize((width, height), Pillow.Resampling.BILINEAR))
    stride = fields["stride"]
    return np.ascontiguousarray(grid[row0::stride, column0::stride][:rows, :columns])


def cameras_of(fields: dict[str, Any], gaussians: Gaussians) -> list[Camera]:
    height, width = fields["grid"]
    fx, fy, cx, cy = fields["intrinsics"]
    camera = Camera(np.eye(4), fx, fy, cx, cy, width, height)
    distance = float(gaussians.means[:, 2].median())
    return [beside(camera, distance, angle) for angle in ANGLES_DEG]


def depth_error(gaussians: Gaussians, reference: Gaussians) -> float:
    """Greatest |ln z - ln z'| where both have the same splats; not a number where they have not."""
    if gaussians.count != reference.count:
        return math.nan
    return float((gaussians.means[:, 2].log() - reference.means[:, 2].log()).abs().max())


def depth_bound(fields: dict[str, Any], variant: Variant) -> float:
    """What the format promises: half a step of the logarithm, and half a step of the page's float16 words."""
    half_precision = 2.0**-11
    match variant.format:
        case Format.COMPACT:
            return math.log(fields["far"] / fields["near"]) / (2 * ((1 << variant.depth_bits) - 1)) + half_precision
        case Format.SPLATS16:
            return half_precision
        case _:
            return 0.0


def table_row(source: str, what: str, measured: Measured) -> str:
    """Medians; of errors and bounds the greatest."""
    percents = (f"{100 * max(values):.3f} %" for values in (measured.depth_errors, measured.bounds))
    alike = (
        f"{percentile([psnr for psnr, _ in pairs], 0.5):.1f} dB / {percentile([s for _, s in pairs], 0.5):.4f}"
        for pairs in measured.alike
    )
    kilobytes, encode_ms = (percentile(values, 0.5) for values in (measured.kilobytes, measured.encode_ms))
    return row([source, what, f"{kilobytes:.0f}", f"{encode_ms:.1f}", *percents, *alike]).replace("nan %", "")


if __name__ == "__main__":
    main()
