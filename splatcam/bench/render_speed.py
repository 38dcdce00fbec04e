"""What a picture of Gaussians costs on the processor: `python -m splatcam.bench.render_speed` prints a table.

Every way of drawing takes its turn in every round, so that a busy moment of the machine hits all alike. The plain way
is the readable rasterizer in numpy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from splatcam import scenes
from splatcam.bench.report import commit, machine, row
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.gaussians import Gaussians
from splatcam.pixel_splats import pixel_splats
from splatcam.rendering import Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.cpu import CpuRasterizer
from splatcam.rendering.reference import ReferenceRasterizer
from splatcam.settings import Settings
from splatcam.telemetry import percentile

SIZES = ((480, 360), (1280, 720))
FOV_DEG = 46.8  # vertical: a 4:3 picture of 60 degrees, as the built-in model supposes
PLAIN = "numpy"
FAST: dict[str, int] = {"1 thread": 1, "2 threads": 2}
PLAIN_ROUNDS = 3  # of many: it takes seconds, and varies less than it takes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(markdown(measure(SCENES, SIZES, options.rounds)))
    print(f"\n{machine().name}, commit {commit()}")


def sheet(width: int, height: int) -> Gaussians:
    """A frame of the built-in model: a Gaussian for every pixel."""
    image = torch.from_numpy(scenes.render(1.0, width, height)[0].copy())
    prediction, _ = BuiltinEstimator(Settings()).estimate(image, wants_gaussians=True)
    return pixel_splats(prediction)


def blob(count: int) -> Gaussians:
    """A ball of Gaussians of all shapes and turns, some tens of layers deep."""
    make = torch.Generator().manual_seed(0)
    rotations = torch.randn(count, 4, generator=make)
    return Gaussians(
        means=0.7 * torch.randn(count, 3, generator=make) + torch.tensor([0, 0, 4.0]),
        scales=torch.exp(0.5 * torch.randn(count, 3, generator=make) - 4.2),
        rotations=rotations / rotations.norm(dim=1, keepdim=True),
        opacities=torch.rand(count, generator=make),
        sh=torch.randn(count, 1, 3, generator=make),
    )


SCENES: dict[str, Callable[[], Gaussians]] = {
    "frame, 504x378": lambda: sheet(504, 378),
    "frame, 266x196": lambda: sheet(266, 196),
    "blob": lambda: blob(50_000),
    "large blob": lambda: blob(200_000),
}


def measure(
    make: dict[str, Callable[[], Gaussians]], sizes: tuple[tuple[int, int], ...], rounds: int
) -> list[dict[str, Any]]:
    """One entry for each scene and size; `ms` has the milliseconds of every way."""
    ways: dict[str, Rasterizer] = {name: CpuRasterizer(threads) for name, threads in FAST.items()}
    ways[PLAIN] = ReferenceRasterizer()
    entries = []
    for name, build in make.items():
        gaussians = build()
        for width, height in sizes:
            camera = Camera.pinhole(width, height, FOV_DEG)
            ms = _rounds(ways, gaussians, camera, rounds)
            entries.append({"scene": name, "splats": gaussians.count, "size": f"{width}x{height}", "ms": ms})
    return entries


def _rounds(ways: dict[str, Rasterizer], gaussians: Gaussians, camera: Camera, rounds: int) -> dict[str, list[float]]:
    ms: dict[str, list[float]] = {name: [] for name in ways}
    for name in FAST:
        ways[name].render(gaussians, camera)  # compiled, and its memory there
    for number in range(rounds):
        for name, rasterizer in ways.items():
            if name == PLAIN and number >= PLAIN_ROUNDS:
                continue
            begin = time.perf_counter()
            rasterizer.render(gaussians, camera)
            ms[name].append((time.perf_counter() - begin) * 1e3)
    return ms


def markdown(entries: list[dict[str, Any]]) -> str:
    """p50 and p95 of every way, and how many times faster than numpy one thread is by p50."""
    head = ["scene", "splats", "picture", *(f"{name}, p50 / p95 ms" for name in (*FAST, PLAIN)), "times faster"]
    lines = [row(head), row(["---"] * len(head))]
    for entry in entries:
        p50, p95 = ({name: percentile(ms, share) for name, ms in entry["ms"].items()} for share in (0.5, 0.95))
        costs = [f"{p50[name]:.1f} / {p95[name]:.1f}" for name in (*FAST, PLAIN)]
        faster = p50[PLAIN] / p50[next(iter(FAST))]
        lines.append(row([entry["scene"], entry["splats"], entry["size"], *costs, f"{faster:.0f}"]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
