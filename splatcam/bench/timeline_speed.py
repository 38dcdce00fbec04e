"""What a timeline of many splats costs: `python -m splatcam.bench.timeline_speed` prints a Markdown table.

2,000 steps of 50,052 splats (splats16, 16 bytes each) with the camera's JPEG are recorded into a file as fast as the
disk takes them and shown at random; the same steps are written into a timeline in memory, which spills, and shown at
random. Each part has a process of its own; memory is what that grows by, at its highest (Linux only).
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from splatcam import scenes, wire
from splatcam.bench.processes import forget_peak, memory_bytes, peak_bytes
from splatcam.bench.report import commit, machine, row
from splatcam.deflate import fast_zlib
from splatcam.frames import encode_picture
from splatcam.telemetry import percentile
from splatcam.timeline import Info, LiveStep, Put, RecordedTimeline, Recorder, RecordingReport, TimelineServer
from splatcam.timeline.spark_words import GaussianArrays, pack_words
from splatcam.wire import Format

SIZE = 258, 194  # width, height: 50,052 splats
LOOP = 48  # different steps
FPS = 30.0
MEGABYTE = 1e6


@dataclass(frozen=True)
class Frame:
    jpeg: bytes
    words: bytes
    intrinsics: tuple[float, float, float, float]
    bounds: wire.Bounds


@dataclass
class Part:
    """What was measured of one part."""

    name: str
    took_s: float = 0.0
    memory_mb: float = 0.0
    disk_mb: float = 0.0
    seeks_ms: list[float] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeks", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the file goes (default: the folder of temporary files)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "take.scam"
        parts = apart(record, options.steps, path) + apart(show, path, options.seeks)
        parts += apart(play, path, options.steps) + apart(make, options.steps, options.seeks)
    raw_mb = options.steps * len(frame_at(0.0).words + frame_at(0.0).jpeg) / MEGABYTE
    print(markdown(parts, options.steps))
    print(f"\n{options.steps} steps of {SIZE[0] * SIZE[1]:,} splats, {raw_mb:,.0f} MB raw; {options.seeks} seeks;")
    print(f"{machine().name}, deflate by {fast_zlib.__name__}, commit {commit()}.")


def apart(measure: Callable[..., list[Part]], *arguments: object) -> list[Part]:
    """In a process that has not grown yet."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def loop() -> list[Frame]:
    return [frame_at(scenes.LOOP_S * number / LOOP) for number in range(LOOP)]


def frame_at(t_s: float) -> Frame:
    """Each pixel of the synthetic scene as a splat."""
    rgb, depth, k = scenes.render(t_s, *SIZE)
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    z = depth.ravel()
    x, y = (columns.ravel() - k[0, 2]) / k[0, 0] * z, (rows.ravel() - k[1, 2]) / k[1, 1] * z
    count = len(z)
    scales = np.repeat(z[:, None] / (2 * k[0, 0]), 3, axis=1)
    rotations = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    means = np.stack((x, y, z), 1)
    splats = GaussianArrays(means, scales, rotations, np.full(count, 0.95), rgb.reshape(-1, 3))
    intrinsics = (float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))
    bounds = wire.Bounds(minimum=tuple(means.min(0).tolist()), maximum=tuple(means.max(0).tolist()))
    return Frame(encode_picture(rgb), pack_words(splats), intrinsics, bounds)


def record(steps: int, path: Path) -> list[Part]:
    part = Part("record a live stream into a file")
    frames = loop()
    with measured(part):
        report = write_take(path, frames, steps)
    part.disk_mb = report.size_bytes / MEGABYTE
    return [part]


def write_take(path: Path, frames: Sequence[Frame], steps: int) -> RecordingReport:
    """As a camera of 30 frames a second would be recorded."""
    recorder = Recorder.create(path, Info(model="synthetic"))
    for number in range(steps):
        step = live_step(frames[number % len(frames)], number)
        while recorder.put(step) is Put.LOST:  # nobody is faster than the disk here
            time.sleep(0.005)
    report = recorder.stop()
    assert report.steps == steps and report.error is None
    return report


def live_step(frame: Frame, number: int) -> LiveStep:
    """Each has memory of its own."""
    at_ms = number * 1000 / FPS
    message = wire.Splats16(
        frame_id=number, captured_at_ms=at_ms, received_at_ms=at_ms, timings_ms={}, bounds=frame.bounds,
        model="synthetic", intrinsics=frame.intrinsics, grid=(SIZE[1], SIZE[0]), num_splats=SIZE[0] * SIZE[1],
        data=frame.words,
    )  # fmt: skip
    return LiveStep(number, at_ms, at_ms, frame.jpeg, Format.SPLATS16, wire.encode(message))


def show(path: Path, seeks: int) -> list[Part]:
    part = Part("show random steps of the file")
    with measured(part):
        recorded = RecordedTimeline.open(path)
        part.seeks_ms = times_of(recorded.scene_at, recorded.num_steps, seeks)
        recorded.close()
    return [part]


def play(path: Path, steps: int) -> list[Part]:
    part = Part("show all steps of the file in order")
    with measured(part):
        recorded = RecordedTimeline.open(path)
        for step in range(steps):
            recorded.scene_at(step)
        recorded.close()
    return [part]


def make(steps: int, seeks: int) -> list[Part]:
    written, shown = Part("write a timeline in memory"), Part("show random steps of it")
    frames = loop()
    server = TimelineServer(steps)
    with measured(written):
        for number in range(steps):
            frame = frames[number % LOOP]
            with server.at(number):
                server.scene.add_packed_splats("scene", SIZE[0] * SIZE[1], frame.words)
                server.scene.add_image("camera", frame.jpeg)
    written.disk_mb = server.store.spilled_bytes / MEGABYTE
    with measured(shown):
        shown.seeks_ms = times_of(server.scene_at, steps, seeks)
    server.close()
    return [written, shown]


def times_of(show_step: Callable[[int], object], steps: int, seeks: int) -> list[float]:
    choose = random.Random(0)
    times_ms = []
    for _ in range(seeks):
        step = choose.randrange(steps)
        begin = time.perf_counter()
        show_step(step)
        times_ms.append((time.perf_counter() - begin) * 1e3)
    return times_ms


@contextmanager
def measured(part: Part) -> Iterator[None]:
    forget_peak()
    before_bytes = memory_bytes()
    begin = time.perf_counter()
    yield
    part.took_s = time.perf_counter() - begin
    part.memory_mb = max(0, peak_bytes() - before_bytes) / MEGABYTE


def markdown(parts: list[Part], steps: int) -> str:
    columns = ("", "seconds", "steps a second", "memory MB", "disk MB", "seek p50 ms", "seek p95 ms")
    lines = [row(columns), row(["---"] * len(columns))]
    for part in parts:
        seeks = [f"{percentile(part.seeks_ms, p):.1f}" if part.seeks_ms else "" for p in (0.5, 0.95)]
        count = len(part.seeks_ms) or steps
        disk = f"{part.disk_mb:,.0f}" if part.disk_mb else ""
        rate = f"{count / part.took_s:,.0f}"
        lines.append(row([part.name, f"{part.took_s:.1f}", rate, f"{part.memory_mb:,.0f}", disk, *seeks]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
