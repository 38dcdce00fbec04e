"""How fast a frame of Gaussians becomes bytes: `python -m splatcam.bench.ply_speed` prints a Markdown table.

Times DA3's own writer against ours, one after the other in every round of the same run, and the other codecs without
a rival. Needs depth-anything-3 and plyfile; DA3 writes to a file, which lies in memory where the machine has that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from gsply_helpers import save_gaussian_ply_bytes
from splatcam.bench.report import commit, machine
from splatcam.codecs import Points, packed16, points
from splatcam.engine.heap import keep_freed_memory
from splatcam.gaussians import Gaussians
from splatcam.prune import PruneOptions, prune
from splatcam.telemetry import percentile
from splatcam.variants import Variant
from splatcam.wire import Format

GRID = (378, 504)  # 190,512 Gaussians: a 4:3 camera at the default process_res
WARM_UP_ROUNDS = 2
RIVAL = "DA3 save_gaussian_ply, 17 floats"
SHARED_MEMORY = Path("/dev/shm")

Tasks = dict[str, Callable[[], object]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="for torch (default: 1, as the engine has on two cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        times_ms = measure(tasks(Path(folder) / "da3.ply"), options.rounds)
    print(f"{GRID[0] * GRID[1]:,} Gaussians, {options.rounds} interleaved rounds, {options.threads} torch thread(s);")
    print(f"{machine().name}, torch {machine().torch}, commit {commit()}\n")
    print(markdown(times_ms))


def tasks(path: Path) -> Tasks:
    """What is timed, by name. The writers prune the border and nothing else, as DA3's defaults do."""
    from depth_anything_3.specs import Gaussians as Da3Gaussians
    from depth_anything_3.utils.gsply_helpers import save_gaussian_ply

    cloud, depth = frame()
    harmonics = cloud.sh.transpose(1, 2).contiguous()
    theirs = Da3Gaussians(*(t[None] for t in (cloud.means, cloud.scales, cloud.rotations, harmonics, cloud.opacities)))
    views = depth[None, ..., None]
    ours = partial(save_gaussian_ply_bytes, theirs, views, prune_by_opacity=0.0)
    pruned, _ = prune(cloud, depth, PruneOptions())
    scene = Points(cloud.means, torch.zeros(cloud.count, 3, dtype=torch.uint8))
    return {
        RIVAL: partial(save_gaussian_ply, theirs, str(path), views),
        "save_gaussian_ply_bytes, 17 floats": partial(ours, ply_fields="inria"),
        "save_gaussian_ply_bytes, 14 floats": ours,
        "prune (border, opacity)": partial(prune, cloud, depth, PruneOptions()),
        f"splats16 of the {pruned.count:,} left": partial(packed16.encode, pruned, Variant(Format.SPLATS16, "network")),
        "pointcloud": partial(points.encode, scene, Variant(Format.POINTCLOUD, "points")),
    }


def frame() -> tuple[Gaussians, torch.Tensor]:
    """Seeded Gaussians of a full grid and their depth; finite and unsaturated."""
    make = torch.Generator().manual_seed(0)
    height, width = GRID
    count = height * width
    rotations = torch.randn(count, 4, generator=make)
    cloud = Gaussians(
        means=torch.randn(count, 3, generator=make),
        scales=torch.exp(torch.randn(count, 3, generator=make) - 5),
        rotations=rotations / rotations.norm(dim=1, keepdim=True),
        opacities=0.02 + 0.97 * torch.rand(count, generator=make),
        sh=torch.randn(count, 1, 3, generator=make),
        grid=GRID,
    )
    return cloud, 1 + torch.rand(GRID, generator=make)


def measure(tasks: Tasks, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by task: every task once a round, so that a busy moment of the machine hits all alike."""
    times_ms: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(WARM_UP_ROUNDS + rounds):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            if turn >= WARM_UP_ROUNDS:
                times_ms[name].append((time.perf_counter() - begin) * 1e3)
    return times_ms


def markdown(times_ms: dict[str, list[float]]) -> str:
    """p50, p95, and how many times faster than DA3's writer by p50; only writers of PLY files have a ratio."""
    lines = ["| what | p50 ms | p95 ms | times faster than DA3 |", "|---|---|---|---|"]
    rival = percentile(times_ms[RIVAL], 0.5)
    for name, values in times_ms.items():
        p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
        ratio = f"{rival / p50:.0f}" if name.startswith("save_gaussian_ply_bytes") else ""
        lines.append(f"| {name} | {p50:.2f} | {p95:.2f} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
