"""`splatcam job`: a folder with a video or frames → scene files, a film, stills, and a manifest of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatcam.commands import arguments as types
from splatcam.commands.preview import PATHS
from splatcam.commands.splat import MODEL_SETTINGS, add_splats
from splatcam.cores import available_cores
from splatcam.settings import SettingsError, add_arguments, settings_from

if TYPE_CHECKING:
    from splatcam.job.steps import JobOptions

FOLDER_OF_RESULTS = "output"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.job.frames import FootageUnusable
    from splatcam.job.runner import JobFailed
    from splatcam.job.stores import PublishingFailed

    return types.run("job", lambda: _job(given), SettingsError, FootageUnusable, JobFailed, PublishingFailed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam job",
        description="A video or frames to splat.ply, splat_rot.ply, splat_rot.splat, preview.mp4, preview_top.jpg,"
        " preview_angle.jpg and manifest.json. Progress comes as lines of JSON. What is done is not done again.",
    )
    parser.add_argument("folder", type=Path, help="holds one video, or JPEG or PNG files (also in images/ or frames/)")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="(default: FOLDER/output)")
    parser.add_argument(
        "--publish", action="append", default=[], metavar="PLACE",
        help="also put the files into a folder, or below an http(s) address by PUT; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--views", type=types.whole(1, 64), default=8,
        help="frames that a network with Gaussians sees together as views of one scene (default: 8)",
    )  # fmt: skip
    parser.add_argument(
        "--path", choices=("auto", *PATHS), default="auto", help="of the film (default: a wobble for one view)"
    )
    parser.add_argument("--seconds", type=types.number(0.05, 600), default=5.0, help="of the film (default: 5)")
    parser.add_argument("--size", type=types.size, default=(1280, 720), metavar="WxH", help="(default: 1280x720)")
    add_splats(parser)
    add_arguments(parser, MODEL_SETTINGS)
    parser.add_argument("--rasterizer", choices=types.RASTERIZERS, default="auto", help="what draws (default: auto)")
    return parser


def say(event: dict[str, Any]) -> None:
    """One line at once, for whoever reads the pipe."""
    print(json.dumps(event), flush=True)


def _job(given: argparse.Namespace) -> None:
    from splatcam.job import manifest as manifests
    from splatcam.job.colmap import find_model
    from splatcam.job.frames import FootageUnusable, find_footage
    from splatcam.job.publish import publish
    from splatcam.job.runner import run
    from splatcam.job.steps import steps_of
    from splatcam.job.stores import store_at

    options, stores = _options(given), [store_at(place) for place in given.publish]
    footage = find_footage(given.folder)
    folder = given.results or given.folder / FOLDER_OF_RESULTS
    frames = {path.resolve() for path in (given.folder, footage.files[0].parent)}
    if frames & {path.resolve() for path in (folder, *map(Path, given.publish))}:
        raise FootageUnusable("the results need a folder of their own: a film among the frames would be taken for one")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = run(steps_of(footage, find_model(given.folder), folder, options), folder, say)
    for store in stores:
        publish(manifest, folder, store, say)
    failed = [step.name for step in manifest.steps.values() if step.state == "failed"]
    say({"event": "job_done", "manifest": str(folder / manifests.NAME), "failed_steps": failed})


def _options(given: argparse.Namespace) -> JobOptions:
    settings = settings_from(given)
    from splatcam.job.steps import JobOptions
    from splatcam.rendering.paths import Shot

    width, height = given.size
    shot = Shot(given.seconds, width=width, height=height, up="+y")
    threads = settings.threads or available_cores()
    return JobOptions(settings, given.splats, given.views, shot, given.path, given.rasterizer, threads)
