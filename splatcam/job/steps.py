"""The steps of a job: which file is made of which, by what. Order and repetition are `runner.py`'s business.

footage → splat.ply → splat_rot.ply → splat_rot.splat, preview.mp4, preview_top.jpg, preview_angle.jpg
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from splatcam.estimators import Estimator, EstimatorUnavailable
from splatcam.files import SceneFileError, load_scene, save_scene
from splatcam.gaussians import Gaussians
from splatcam.job.colmap import read_views
from splatcam.job.estimate import Output as SplatSource
from splatcam.job.estimate import build_estimator, estimate_picture, estimate_views, sees_views_together
from splatcam.job.frames import Footage, FootageUnusable, PictureFiles, choose_frames
from splatcam.job.runner import Facts, Output, Step
from splatcam.rendering import Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.framing import NothingToFrame, scene_bounds
from splatcam.rendering.paths import PathName, Shot, orbit, wobble
from splatcam.rendering.preview import PreviewFailed, write_preview
from splatcam.rendering.rasterizers import RasterizerUnavailable, build_rasterizer
from splatcam.rendering.stills import still_paths, write_stills
from splatcam.settings import Settings
from splatcam.transform import NotARotation, preset, rotate

SCENE = "splat.ply"
ROTATED = "splat_rot.ply"
COMPACT = "splat_rot.splat"
FILM = "preview.mp4"
ROTATION = "y-up"  # as viewers have it; `Shot.up` below belongs to it
DATA_TYPES = {
    SCENE: "splat_ply",
    ROTATED: "splat_ply_rotated",
    COMPACT: "splat_data",
    FILM: "splat_preview_video",
    "preview_top.jpg": "splat_preview_image_top",
    "preview_angle.jpg": "splat_preview_image_angle",
}

ReportShare = Callable[[float], None]


@dataclass(frozen=True)
class JobOptions:
    """What is asked for, beside the footage."""

    settings: Settings
    splat_source: SplatSource = "auto"
    views: int = 8  # that go to a network together, where it takes several
    shot: Shot = field(default_factory=lambda: Shot(up="+y"))
    path: PathName | Literal["auto"] = "auto"  # auto: a wobble for one view, an orbit for several
    rasterizer: Literal["auto", "cpu", "cuda", "reference"] = "auto"
    threads: int = 1


def steps_of(footage: Footage, model: tuple[Path, ...], folder: Path, options: JobOptions) -> list[Step]:
    """Everything that is made, in order, into `folder`. `model`: COLMAP's files, where there are any."""
    return [
        _splat(footage, model, folder, options),
        _rotate(folder),
        _convert(folder),
        _film(folder, options),
        _stills(folder, options),
    ]


def _outputs(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name, DATA_TYPES[name]) for name in names)


def _splat(footage: Footage, model: tuple[Path, ...], folder: Path, options: JobOptions) -> Step:
    settings = options.settings

    def make(facts: Facts, report: ReportShare) -> Facts:
        estimator = build_estimator(settings, lambda what, share: report(share or 0.0))
        if sees_views_together(estimator, options.splat_source):
            gaussians, known = _estimate_scene(footage, model, options, estimator)
        else:
            (frame,) = choose_frames(footage, 1).values()
            gaussians = estimate_picture(frame, estimator, options.splat_source, settings.process_res)
            known = {"views": 1, "posed_views": 0}
        save_scene(gaussians, folder / SCENE)
        return known | {"model": estimator.info.name, "gaussians": gaussians.count}

    names = ("model", "device", "process_res", "revision")
    asked: dict[str, Any] = {name: getattr(settings, name) for name in names}
    asked |= {"output": options.splat_source, "views": options.views}
    failures = (EstimatorUnavailable, FootageUnusable, NotARotation, SceneFileError)
    return Step("splat", (*footage.files, *model), _outputs(SCENE), asked, make, failures)


def _estimate_scene(
    footage: Footage, model: tuple[Path, ...], options: JobOptions, estimator: Estimator
) -> tuple[Gaussians, Facts]:
    """From pictures that COLMAP has placed, if there are at least two."""
    placed = read_views(model, footage.files)
    files = tuple(path for path in footage.files if path in placed) if len(placed) > 1 else ()
    frames = choose_frames(PictureFiles(files) if files else footage, options.views)
    views = [placed[files[index]] for index in frames] if files else []
    gaussians = estimate_views(list(frames.values()), views, estimator, options.settings.process_res)
    return gaussians, {"views": len(frames), "posed_views": len(views)}


def _rotate(folder: Path) -> Step:
    def make(facts: Facts, report: ReportShare) -> Facts:
        save_scene(rotate(load_scene(folder / SCENE), preset(ROTATION)), folder / ROTATED)
        return {}

    return Step("rotate", (folder / SCENE,), _outputs(ROTATED), {"rotation": ROTATION}, make, (SceneFileError,))


def _convert(folder: Path) -> Step:
    def make(facts: Facts, report: ReportShare) -> Facts:
        save_scene(load_scene(folder / ROTATED), folder / COMPACT)
        return {}

    return Step("convert", (folder / ROTATED,), _outputs(COMPACT), {}, make, (SceneFileError,))


PREVIEW_FAILURES = (PreviewFailed, NothingToFrame, RasterizerUnavailable, SceneFileError)


def _film(folder: Path, options: JobOptions) -> Step:
    def make(facts: Facts, report: ReportShare) -> Facts:
        scene = load_scene(folder / ROTATED)
        cameras = _cameras(scene, options, facts["views"])
        rasterizer, total = _rasterizer(options), len(cameras)
        write_preview(
            scene, folder / FILM, cameras, rasterizer, options.shot.fps, progress=lambda done: report(done / total)
        )
        return {}

    asked = _asked_of_pictures(options) | {"path": options.path}
    return Step("preview", (folder / ROTATED,), _outputs(FILM), asked, make, PREVIEW_FAILURES, on_failure="go on")


def _stills(folder: Path, options: JobOptions) -> Step:
    film = folder / FILM

    def make(facts: Facts, report: ReportShare) -> Facts:
        scene = load_scene(folder / ROTATED)
        write_stills(scene, film, scene_bounds(scene), _rasterizer(options), options.shot)
        return {}

    outputs = _outputs(*(path.name for path in still_paths(film).values()))
    asked = _asked_of_pictures(options)
    return Step("stills", (folder / ROTATED,), outputs, asked, make, PREVIEW_FAILURES, on_failure="go on")


def _asked_of_pictures(options: JobOptions) -> dict[str, Any]:
    return {"shot": asdict(options.shot), "rasterizer": options.rasterizer}


def _rasterizer(options: JobOptions) -> Rasterizer:
    return build_rasterizer(options.rasterizer, options.threads)


def _cameras(scene: Gaussians, options: JobOptions, views: int) -> list[Camera]:
    path = options.path if options.path != "auto" else "orbit" if views > 1 else "wobble"
    return wobble(scene, options.shot) if path == "wobble" else orbit(scene_bounds(scene), options.shot)
