"""What a preview of a live frame costs: `python -m splatcam.bench.preview_speed` prints a table.

190,512 splats, 150 frames of 720p, by the default rasterizer. `drawing` is the part of the time in which the
rasterizer worked; what is left is the encoding that drawing did not hide, and the file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from splatcam.bench.render_speed import sheet
from splatcam.bench.report import commit, machine, row
from splatcam.gaussians import Gaussians
from splatcam.rendering import BLACK, Color, Image, Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.framing import scene_bounds
from splatcam.rendering.paths import Shot, orbit, wobble
from splatcam.rendering.preview import write_preview
from splatcam.rendering.rasterizers import build_rasterizer

GRID = (504, 378)  # a 4:3 camera at the default process_res


class Timed:
    """A rasterizer, and how long it was at work."""

    def __init__(self, inner: Rasterizer) -> None:
        self.name = inner.name
        self.seconds = 0.0
        self._inner = inner

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        begin = time.perf_counter()
        image = self._inner.render(gaussians, camera, background)
        self.seconds += time.perf_counter() - begin
        return image


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=Shot.seconds)
    parser.add_argument("--threads", type=int, default=machine().cores, help="that draw (default: one for each core)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    scene, shot = sheet(*GRID), Shot(seconds=options.seconds)
    rasterizer = build_rasterizer("auto", options.threads)
    paths = {"orbit": orbit(scene_bounds(scene), shot), "wobble": wobble(scene, shot)}
    rasterizer.render(scene, paths["orbit"][0])  # compiled
    print(row(["path", "splats", "frames", "picture", "seconds", "drawing, s", "frames a second"]))
    print(row(["---"] * 7))
    for name, cameras in paths.items():
        total, drawing = measure(scene, cameras, rasterizer, shot)
        size = f"{shot.width}x{shot.height}"
        costs = [f"{total:.1f}", f"{drawing:.1f}", f"{len(cameras) / total:.1f}"]
        print(row([name, scene.count, len(cameras), size, *costs]), flush=True)
    print(f"\n{rasterizer.name}, {options.threads} thread(s), {machine().name}, commit {commit()}")


def measure(scene: Gaussians, cameras: list[Camera], rasterizer: Rasterizer, shot: Shot) -> tuple[float, float]:
    """Seconds of the whole film, and of its drawing."""
    timed = Timed(rasterizer)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        write_preview(scene, Path(folder) / "preview.mp4", cameras, timed, shot.fps)
        return time.perf_counter() - begin, timed.seconds


if __name__ == "__main__":
    main()
