"""A recording as a film: each frame is the step that is shown at its time, seen from a camera path.

A wobble stays with the camera that recorded, wherever that went: it is a path in the camera's own axes. An orbit and a
path in a file are paths in the stream's world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splatcam.export.decoded import DecodedScene, ExportFailed, decoded_step
from splatcam.export.timing import sound_of, timing_of
from splatcam.gaussians import Gaussians
from splatcam.rendering import Color, Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.camera_path import CameraPath
from splatcam.rendering.framing import SceneBounds, scene_bounds
from splatcam.rendering.paths import ELEVATION_DEG, SWEEP_DEG, PathName, Shot, orbit, wobble
from splatcam.rendering.preview import write_film
from splatcam.rendering.soundtrack import FilmSound
from splatcam.timeline import RecordedTimeline

LOOKED_AT = 5  # steps whose boxes an orbit holds in the picture
MAX_FRAMES = 200_000

Progress = Callable[[int], None]
View = Callable[[DecodedScene], Gaussians]  # which axes a path is in


@dataclass(frozen=True)
class FilmOptions:
    path: PathName = "wobble"
    camera_path: CameraPath | None = None  # in place of `path`; the film is as long as it says
    width: int = 1280
    height: int = 720
    fps: float | None = None  # None: as the steps came
    fov_deg: float | None = None
    elevation_deg: float = ELEVATION_DEG
    sweep_deg: float = SWEEP_DEG


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be drawn, frame by frame."""

    cameras: Sequence[Camera]
    shown: Sequence[int]  # steps of the recording
    view: View
    fps: float
    sound: FilmSound | None


def plan(recorded: RecordedTimeline, steps: range, options: FilmOptions) -> Plan:
    """Raises ExportFailed, NothingToFrame, BlockFileError."""
    timing, given = timing_of(recorded, steps), options.camera_path
    fps = options.fps or (timing.fps if given is None else given.fps)
    frames = max(1, round(timing.seconds * fps)) if given is None else len(given.cameras)
    if frames > MAX_FRAMES:
        raise ExportFailed(f"a film of {frames} frames is too long: take some of the steps, with --first and --last")
    shown = [steps[timing.shown_at(frame / fps)] for frame in range(frames)]
    sound = sound_of(recorded, steps, timing)
    if given is not None:
        return Plan(given.cameras, shown, _in_world, fps, sound)
    shot = Shot(frames, 1, options.width, options.height, options.fov_deg or Shot.fov_deg)  # a path counts frames only
    if options.path == "orbit":
        cameras = orbit(_bounds(recorded, shown), shot, options.elevation_deg, options.sweep_deg)
        return Plan(cameras, shown, _in_world, fps, sound)
    return Plan(wobble(_first_seen(recorded, shown), shot, fov_deg=options.fov_deg), shown, _from_camera, fps, sound)


def write_recording(
    recorded: RecordedTimeline, plan: Plan, path: Path, rasterizer: Rasterizer, background: Color, progress: Progress
) -> None:
    """Whole or not at all. Raises ExportFailed, PreviewFailed, BlockFileError."""
    scenes = _scenes(recorded, plan)
    write_film(scenes, path, plan.cameras, rasterizer, plan.fps, background, progress, plan.sound)


def _in_world(scene: DecodedScene) -> Gaussians:
    return scene.everything


def _from_camera(scene: DecodedScene) -> Gaussians:
    return scene.seen_from_camera()


def _scenes(recorded: RecordedTimeline, plan: Plan) -> Iterator[Gaussians]:
    """Of each frame. A step that is shown for several is decoded once."""
    step, scene = -1, None
    for number in plan.shown:
        if scene is None or number != step:
            step, scene = number, plan.view(decoded_step(recorded, number))
        yield scene


def _first_seen(recorded: RecordedTimeline, shown: Sequence[int]) -> Gaussians:
    """The first step in which there is something."""
    for number in dict.fromkeys(shown):
        if (scene := decoded_step(recorded, number).seen_from_camera()).count:
            return scene
    raise ExportFailed("there is nothing to film: none of the steps has splats")


def _bounds(recorded: RecordedTimeline, shown: Sequence[int]) -> SceneBounds:
    """Of some of the steps together, so that nothing moves out of the picture."""
    _first_seen(recorded, shown)
    numbers = {shown[round(at)] for at in np.linspace(0, len(shown) - 1, LOOKED_AT)}
    scenes = [scene for number in numbers if (scene := decoded_step(recorded, number).everything).count]
    boxes = [scene_bounds(scene) for scene in scenes]
    if not boxes:
        raise ExportFailed("there is nothing to film: the steps that were looked at have no splats")
    low = np.min([box.minimum for box in boxes], axis=0)
    high = np.max([box.maximum for box in boxes], axis=0)
    return SceneBounds((low[0], low[1], low[2]), (high[0], high[1], high[2]))
