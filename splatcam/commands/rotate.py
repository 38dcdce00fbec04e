"""`splatcam rotate`: a scene file, turned about its origin."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splatcam.commands import arguments as types
from splatcam.commands.convert import SCENES, SameFile, rewrite

if TYPE_CHECKING:
    import numpy as np

PRESETS = {
    "y-up": "x right, y up, z backward, as OpenGL, three.js and glTF have it; twice is nothing",
    "z-up": "x right, y forward, z up, as Blender and nerfstudio have it",
    "from-z-up": "back from there",
    "upside-down": "half a turn about the view",
    "turn-around": "half a turn about the vertical",
    "quarter-left": "a quarter about the view, counterclockwise as the camera sees it",
    "quarter-right": "a quarter about the view, clockwise",
}


def main(arguments: Sequence[str] | None = None) -> int:
    given = types.parse(_parser(), arguments)
    from splatcam.files import SceneFileError
    from splatcam.transform import NotARotation

    return types.run("rotate", lambda: _rotate(given), SceneFileError, SameFile, NotARotation)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam rotate",
        description="Turns means, orientations and spherical harmonics about the origin. Scenes have OpenCV axes:"
        " x right, y down, z forward.",
        epilog="Presets:\n" + "\n".join(f"  {name:14} {what}" for name, what in PRESETS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN", help=SCENES)
    parser.add_argument("target", type=Path, metavar="OUT", help=SCENES)
    turn = parser.add_mutually_exclusive_group(required=True)
    turn.add_argument("--matrix", type=float, nargs=9, metavar="M", help="row by row: a point p goes to M p")
    turn.add_argument("--preset", choices=PRESETS, help="see below")
    return parser


def _rotate(given: argparse.Namespace) -> None:
    from splatcam.transform import require_rotation, rotate

    rotation = require_rotation(_matrix(given))  # before a long read
    rewrite(given.source, given.target, lambda scene: rotate(scene, rotation))


def _matrix(given: argparse.Namespace) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    import numpy as np

    from splatcam.transform import preset

    return preset(given.preset) if given.preset else np.array(given.matrix).reshape(3, 3)
