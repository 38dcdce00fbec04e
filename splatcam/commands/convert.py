"""`splatcam convert`: a scene file in another format. Also how any command makes one scene file of another."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splatcam.commands import arguments as types

if TYPE_CHECKING:
    from splatcam.gaussians import Gaussians

SCENES = ".ply, .compressed.ply, .splat or .spz"


class SameFile(ValueError):
    """What is read and what is written are one file."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.files import SceneFileError

    return types.run("convert", lambda: rewrite(given.source, given.target, _as_it_is), SceneFileError, SameFile)


def rewrite(source: Path, target: Path, change: Callable[[Gaussians], Gaussians]) -> None:
    """Reads, changes, writes and says what was written. Raises SameFile, SceneFileError or OSError."""
    from splatcam.files import format_of, load_scene, save_scene

    kept_degree = format_of(target).max_sh_degree  # first, so that a wrong name is told before a long read
    if target.exists() and target.samefile(source):
        raise SameFile(f"{source} and {target} are the same file")
    scene = change(load_scene(source))
    save_scene(scene, target)
    print(f"{target}: {scene.count} splats, {target.stat().st_size} bytes")
    if scene.sh_degree > kept_degree:
        print(f"{target.name} has the plain colours: its format keeps no harmonics of higher degree")


def _as_it_is(scene: Gaussians) -> Gaussians:
    return scene


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam convert",
        description="Writes a scene in the format that the second name ends in. An SPZ file gets the axes it asks for.",
    )
    parser.add_argument("source", type=Path, metavar="IN", help=SCENES)
    parser.add_argument("target", type=Path, metavar="OUT", help=SCENES)
    return parser
