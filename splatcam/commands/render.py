"""`splatcam render`: one picture of a stored scene, from anywhere."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from splatcam.commands import arguments as types

MODES = ("rgb", "depth", "normal", "mesh")
FARTHEST = 1e9  # of a coordinate, in lengths of whatever unit


def main(arguments: Sequence[str] | None = None) -> int:
    given = types.parse(_parser(), arguments)
    from splatcam.files import SceneFileError
    from splatcam.rendering.rasterizers import RasterizerUnavailable
    from splatcam.rendering.stills import UnknownPicture

    expected = (SceneFileError, UnknownPicture, RasterizerUnavailable)
    return types.run("render", lambda: _render(given), *expected)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam render",
        description="One picture of a scene. Without --eye it is taken from where the scene's first camera was.",
    )
    parser.add_argument("scene", type=Path, help=".ply, .compressed.ply, .splat or .spz")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".png, .jpg or .webp")
    coordinate = types.number(-FARTHEST, FARTHEST)
    for name, default, what in (
        ("eye", (0.0, 0.0, 0.0), "where the camera is"),
        ("at", None, "what it looks at (default: along z from the eye)"),
        ("up", (0.0, -1.0, 0.0), "the direction that is up in the picture (default: 0 -1 0)"),
    ):
        parser.add_argument(f"--{name}", type=coordinate, nargs=3, default=default, metavar=("X", "Y", "Z"), help=what)
    parser.add_argument(
        "--fov", type=types.number(1, 150), default=50.0, help="vertical field of view in degrees (default: 50)"
    )
    parser.add_argument("--size", type=types.size, default=(1280, 720), metavar="WxH", help="(default: 1280x720)")
    parser.add_argument("--mode", choices=MODES, default="rgb", help="what is shown (default: rgb)")
    parser.add_argument("--background", type=types.color, default=(0.0, 0.0, 0.0), help="black, white or #rrggbb")
    types.add_rasterizer(parser)
    return parser


def _render(given: argparse.Namespace) -> None:
    from splatcam.files import load_scene
    from splatcam.rendering.camera import Camera
    from splatcam.rendering.rasterizers import build_rasterizer
    from splatcam.rendering.shading import shade
    from splatcam.rendering.stills import require_known, save_picture

    require_known(given.output)
    scene, rasterizer = load_scene(given.scene), build_rasterizer(given.rasterizer, given.threads)
    x, y, z = given.eye
    at = (x, y, z + 1) if given.at is None else tuple(given.at)
    camera = Camera.look_at((x, y, z), at, tuple(given.up), given.fov, *given.size)
    image = rasterizer.render(scene, camera, given.background)
    save_picture(shade(image, given.mode, camera), given.output)
