"""Each step as a .ply, in a folder or a zip, and `manifest.json`, which tells when and from where it was seen.

step_00012.ply has the splats of step 12 of the recording, in the axes of the stream's world. A step of points alone is
a PLY of points; one of both has its points in step_00012_points.ply.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from splatcam.atomic import published
from splatcam.codecs import Points
from splatcam.export.decoded import DecodedScene, ExportFailed, decoded_step, nothing
from splatcam.export.timing import timing_of
from splatcam.files.ply import encode_ply
from splatcam.timeline import RecordedTimeline

MANIFEST = "manifest.json"
FASTEST = 1  # of deflate: floats that were bytes once become a quarter
POINT = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
POINT_PROPERTIES = ("float x", "float y", "float z", "uchar red", "uchar green", "uchar blue")

Write = Callable[[str, bytes], object]
Progress = Callable[[int], None]


def write_zip(recorded: RecordedTimeline, steps: range, path: Path, progress: Progress) -> None:
    """Whole or not at all. Raises ExportFailed, BlockFileError, OSError."""
    with published(path) as beside, ZipFile(beside, "w", ZIP_DEFLATED, compresslevel=FASTEST) as archive:
        _write(recorded, steps, archive.writestr, progress)


def write_folder(recorded: RecordedTimeline, steps: range, path: Path, progress: Progress) -> None:
    """Whole or not at all; what is there already is left alone. Raises ExportFailed, BlockFileError, OSError."""
    require_no_folder(path)
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    beside.mkdir()
    try:
        _write(recorded, steps, lambda name, data: (beside / name).write_bytes(data), progress)
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def require_no_folder(path: Path) -> None:
    if path.exists():
        raise ExportFailed(f"{path} is there already: choose another name")


def _write(recorded: RecordedTimeline, steps: range, write: Write, progress: Progress) -> None:
    timing = timing_of(recorded, steps)
    told = []
    for at, step in enumerate(steps):
        scene = decoded_step(recorded, step)
        files = files_of(f"step_{step:05d}", scene)
        for name, data in files.items():
            write(name, data)
        told.append({"step": step, "at_s": round(float(timing.times_s[at]), 6), **_told(recorded, step, scene, files)})
        progress(at + 1)
    manifest = {**recorded.info.model_dump(), "fps": timing.fps, "axes": "OpenCV: x right, y down, z forward"}
    write(MANIFEST, json.dumps({**manifest, "steps": told}, indent=1).encode())


def _told(recorded: RecordedTimeline, step: int, scene: DecodedScene, files: dict[str, bytes]) -> dict[str, Any]:
    facts = recorded.facts_at(step)
    known = {} if facts is None else facts.model_dump(include={"frame_id", "captured_at_ms", "received_at_ms"})
    camera = {"camera": dict(scene.camera)} if scene.camera else {}
    return {"files": list(files), "num_splats": scene.splats.count if scene.splats else 0, **known, **camera}


def files_of(stem: str, scene: DecodedScene) -> dict[str, bytes]:
    """Name → bytes of one step. Of nothing there is a file as well: a number that is missing looks like an error."""
    if scene.points is None:
        splats = scene.splats
        return {f"{stem}.ply": encode_ply(nothing() if splats is None else splats)}
    if scene.splats is None:
        return {f"{stem}.ply": point_ply(scene.points)}
    return {f"{stem}.ply": encode_ply(scene.splats), f"{stem}_points.ply": point_ply(scene.points)}


def point_ply(points: Points) -> bytes:
    """Coordinates and colours, binary."""
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {points.count}"]
    lines += [f"property {name}" for name in POINT_PROPERTIES]
    rows = np.empty(points.count, POINT)
    rows["xyz"], rows["rgb"] = points.positions.numpy(), points.colors.numpy()
    return "\n".join([*lines, "end_header", ""]).encode() + rows.tobytes()
