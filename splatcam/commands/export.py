"""`splatcam export`: a recording as a page that plays offline, as a .ply for each step, or as a film."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splatcam.commands import arguments as types

if TYPE_CHECKING:
    from splatcam.export.film import FilmOptions
    from splatcam.timeline import RecordedTimeline

PATHS = ("wobble", "orbit")


def main(arguments: Sequence[str] | None = None) -> int:
    given = types.parse(_parser(), arguments)
    from splatcam.timeline import BlockFileError, TimelineError
    from splatcam.timeline.html import PageIncomplete

    expected = [BlockFileError, TimelineError, PageIncomplete, NotAForm]
    if _form(given.output) != "html":  # a page needs no torch
        from splatcam.export.decoded import ExportFailed
        from splatcam.rendering.camera_path import BadCameraPath
        from splatcam.rendering.framing import NothingToFrame
        from splatcam.rendering.preview import PreviewFailed
        from splatcam.rendering.rasterizers import RasterizerUnavailable

        expected += [ExportFailed, BadCameraPath, NothingToFrame, PreviewFailed, RasterizerUnavailable]
    return types.run("export", lambda: _export(given), *expected)


class NotAForm(ValueError):
    """The output's name ends in something that is written by nobody here."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam export",
        description="A recording as a page that plays offline (.html), a .ply for each step (.zip, or a folder), or a"
        " film (.mp4).",
    )
    parser.add_argument("take", type=Path, help="a recording, .scam")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=".html, .zip, .mp4, or a name without an end for a folder"
    )
    parser.add_argument("--first", type=types.whole(0, 2**31), metavar="STEP", help="(default: the first one)")
    parser.add_argument("--last", type=types.whole(0, 2**31), metavar="STEP", help="the last one, included")
    film = parser.add_argument_group("films")
    film.add_argument(
        "--path",
        choices=PATHS,
        default="wobble",
        help="wobble: a little around the place of the camera, which it follows; orbit: around the scene",
    )
    film.add_argument(
        "--camera-path", type=Path, metavar="JSON", help="nerfstudio's, in place of --path; as long as it says"
    )
    film.add_argument("--size", type=types.size, metavar="WxH", help="(default: 1280x720, or the camera path's)")
    film.add_argument("--fps", type=types.number(0.2, 120), help="(default: as the steps came, or the camera path's)")
    film.add_argument("--fov", type=types.number(1, 150), help="vertical, in degrees (default: 50; wobble: it fits)")
    film.add_argument("--elevation", type=types.number(-89, 89), default=35.0, help="of the orbit, in degrees")
    film.add_argument("--sweep", type=types.number(0, 3600), default=360.0, help="of the orbit, in degrees")
    film.add_argument("--background", type=types.color, default=(0.0, 0.0, 0.0), help="black, white or #rrggbb")
    types.add_rasterizer(parser)
    return parser


def _form(output: Path) -> str:
    """html, zip, mp4, or folder; empty for what is none of them."""
    return {".html": "html", ".zip": "zip", ".mp4": "mp4", "": "folder"}.get(output.suffix.lower(), "")


def _export(given: argparse.Namespace) -> None:
    from splatcam.atomic import require_place
    from splatcam.timeline import RecordedTimeline
    from splatcam.timeline.cut import steps_between

    form = _form(given.output)
    if not form:
        raise NotAForm(f"{given.output.name}: its name should end in .html, .zip or .mp4, or in nothing for a folder")
    recorded = RecordedTimeline.open(given.take, cache_bytes=0)  # each block is needed once: the newest one stays
    try:
        steps = steps_between(recorded, given.first, given.last)
        if form != "folder":
            require_place(given.output)
        _WRITERS[form](recorded, steps, given)
    finally:
        recorded.close()
    print(f"{given.output}: steps {steps.start} to {steps.stop - 1} of {given.take}")


def _html(recorded: RecordedTimeline, steps: range, given: argparse.Namespace) -> None:
    from splatcam.atomic import published
    from splatcam.settings import web_folder
    from splatcam.timeline.html import export_html

    with types.progress_bar(len(steps), given.output.name) as progress, published(given.output) as beside:
        with beside.open("wb") as out:
            export_html(recorded, steps, out, web_folder(), given.output.absolute().parent, progress)


def _zip(recorded: RecordedTimeline, steps: range, given: argparse.Namespace) -> None:
    from splatcam.export.plys import write_zip

    with types.progress_bar(len(steps), given.output.name) as progress:
        write_zip(recorded, steps, given.output, progress)


def _folder(recorded: RecordedTimeline, steps: range, given: argparse.Namespace) -> None:
    from splatcam.export.plys import write_folder

    with types.progress_bar(len(steps), given.output.name) as progress:
        write_folder(recorded, steps, given.output, progress)


def _film(recorded: RecordedTimeline, steps: range, given: argparse.Namespace) -> None:
    from splatcam.export.film import plan, write_recording
    from splatcam.rendering.rasterizers import build_rasterizer

    rasterizer = build_rasterizer(given.rasterizer, given.threads)
    film = plan(recorded, steps, _film_options(given))
    with types.progress_bar(len(film.cameras), given.output.name) as progress:
        write_recording(recorded, film, given.output, rasterizer, given.background, progress)


def _film_options(given: argparse.Namespace) -> FilmOptions:
    from splatcam.export.film import FilmOptions
    from splatcam.rendering.camera_path import read_camera_path

    text = None if given.camera_path is None else given.camera_path.read_text(encoding="utf-8", errors="replace")
    camera_path = None if text is None else read_camera_path(text, given.size)
    width, height = given.size or (FilmOptions.width, FilmOptions.height)
    return FilmOptions(given.path, camera_path, width, height, given.fps, given.fov, given.elevation, given.sweep)


_WRITERS: dict[str, Callable[[RecordedTimeline, range, argparse.Namespace], None]] = {
    "html": _html,
    "zip": _zip,
    "folder": _folder,
    "mp4": _film,
}

if __name__ == "__main__":
    sys.exit(main())
