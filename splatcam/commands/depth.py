"""`splatcam depth`: pictures or a video → depth in files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatcam.commands import arguments as types
from splatcam.commands.splat import MODEL_SETTINGS, say
from splatcam.settings import SettingsError, add_arguments, settings_from

if TYPE_CHECKING:
    from splatcam.estimators.models import Model
    from splatcam.job.depth import DepthOfPicture
    from splatcam.job.frames import Footage

SETTINGS = (*MODEL_SETTINGS, "steady", "fov")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.estimators import EstimatorUnavailable
    from splatcam.job.frames import FootageUnusable

    return types.run("depth", lambda: _depth(given), SettingsError, EstimatorUnavailable, FootageUnusable)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam depth",
        description="Pictures or a video to depth: npy/NAME.npy float32, png16/NAME.png 16-bit, colour/NAME.jpg, and"
        " depth.json, which says what the numbers mean. Near is small; metres where the model knows them. A video is"
        " one camera's, held as --steady and --fov say; pictures stand each by itself.",
    )
    parser.add_argument("footage", type=Path, help="a folder of JPEG or PNG files, one of them, or a video")
    parser.add_argument("-o", "--output", dest="folder", type=Path, required=True, metavar="FOLDER")
    add_arguments(parser, SETTINGS)
    return parser


def _depth(given: argparse.Namespace) -> None:
    settings = settings_from(given)
    from splatcam.estimators import registry
    from splatcam.job.depth import depths_of
    from splatcam.job.depth_files import prepare
    from splatcam.job.estimate import build_estimator, chosen_model
    from splatcam.job.frames import footage_at

    footage = footage_at(given.footage)
    _require_names_of_their_own(footage)
    model = registry.resolve(chosen_model(settings)).model
    prepare(given.folder)
    estimator = build_estimator(settings, say)
    saved = _save(footage, depths_of(footage, estimator, settings), model, given.folder)
    print(f"{given.folder}: depth of {saved} picture{'' if saved == 1 else 's'} by {estimator.info.title}")


def _require_names_of_their_own(footage: Footage) -> None:
    """Of pictures: a.jpg and a.png would be one file. Raises FootageUnusable."""
    from splatcam.job.frames import FootageUnusable

    stems = Counter(path.stem for path in footage.files)
    name, often = stems.most_common(1)[0]
    if often > 1:
        raise FootageUnusable(f"{often} pictures are named {name}: their depths would be one file")


def _save(footage: Footage, depths: Iterator[DepthOfPicture], model: Model, folder: Path) -> int:
    """How many. Numbers first: only the last of them tells what scale suits all pictures."""
    from splatcam.job import depth_files as files
    from splatcam.job.frames import FootageUnusable, Video

    is_video = isinstance(footage, Video)
    saved = [files.save_numbers(folder, depth) for depth in types.watched(depths, footage.count, "depth")]
    if not saved:
        raise FootageUnusable(f"{footage.files[0].name} holds no pictures")
    per_unit = files.png_per_unit(max(one.ends[1] for one in saved), model.metric)
    common = files.common_ends(saved)
    for one in types.watched(saved, len(saved), "pictures"):
        files.save_pictures(folder, one, per_unit, common if is_video else one.ends_of_colour)
    files.save_about(folder, _facts(model, is_video), per_unit, saved)
    return len(saved)


def _facts(model: Model, is_video: bool) -> dict[str, Any]:
    return {
        "model": model.name,
        "title": model.title,
        "licence": model.licence,
        "demonstration": model.demonstration,
        "unit": "metres" if model.metric else "the model's own",
        "footage": "video" if is_video else "pictures",
    }
