"""`splatcam splat`: one photograph → a scene."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from splatcam.commands import arguments as types
from splatcam.settings import SettingsError, add_arguments, settings_from

OUTPUTS = ("auto", "network", "pixel")
MODEL_SETTINGS = ("model", "device", "process_res", "accept_nc_license", "revision", "offline", "threads")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.estimators import EstimatorUnavailable
    from splatcam.files import SceneFileError
    from splatcam.job.frames import FootageUnusable

    return types.run(
        "splat", lambda: _splat(given), SettingsError, EstimatorUnavailable, FootageUnusable, SceneFileError
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam splat", description="A photograph to a scene of Gaussians, in its camera's axes (OpenCV)."
    )
    parser.add_argument("photo", type=Path, help="a JPEG or PNG file; turned as its EXIF says")
    parser.add_argument(
        "-o", "--output", dest="file", type=Path, default=Path("scene.ply"), metavar="FILE",
        help=".ply, .compressed.ply, .splat or .spz (default: scene.ply)",
    )  # fmt: skip
    add_splats(parser)
    add_arguments(parser, MODEL_SETTINGS)
    return parser


def add_splats(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--splats",
        choices=OUTPUTS,
        default="auto",
        help="network: the model's own Gaussians; pixel: one for each pixel, from depth (default: network if it can)",
    )


def say(what: str, share: float | None) -> None:
    """The loading of a model, for people."""
    if sys.stderr.isatty():
        print(what if share is None else f"{what}: {share:.0%}", file=sys.stderr)


def _splat(given: argparse.Namespace) -> None:
    settings = settings_from(given)
    from splatcam.atomic import require_place
    from splatcam.files import format_of, save_scene
    from splatcam.job.estimate import build_estimator, estimate_picture
    from splatcam.job.frames import read_picture

    format_of(given.file)  # a name that cannot be written is told before a model is loaded
    rgb = read_picture(given.photo)
    require_place(given.file)
    estimator = build_estimator(settings, say)
    gaussians = estimate_picture(rgb, estimator, given.splats, settings.process_res)
    save_scene(gaussians, given.file)
    print(f"{given.file}: {gaussians.count} Gaussians by {estimator.info.title}")
