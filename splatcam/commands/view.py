"""`splatcam view`: a stored scene in the orbit viewer's page, drawn here, for any browser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from splatcam.commands import arguments as types


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C, which is how one leaves it: status 0 then, and 130 while the scene is still being read."""
    given = _parser().parse_args(arguments)
    from splatcam.files import SceneUnreadable, UnknownFormat
    from splatcam.rendering.rasterizers import RasterizerUnavailable
    from splatcam.routes.viewer_app import CannotListen

    return types.run("view", lambda: _view(given), SceneUnreadable, UnknownFormat, RasterizerUnavailable, CannotListen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam view",
        description="A scene to walk around in, in a browser that needs no WebGL: it is drawn here.",
    )
    parser.add_argument("scene", type=Path, help=".ply, .compressed.ply, .splat or .spz")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=types.whole(0, 65535), default=8090, help="0 takes a free one (default: 8090)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--background", type=types.color, default=(0.0, 0.0, 0.0), help="black, white or #rrggbb")
    parser.add_argument(
        "--max-scale",
        type=types.number(0.1, 1),
        default=1.0,
        help="of the screen's resolution; less is faster (default: 1)",
    )
    types.add_rasterizer(parser)
    return parser


def _view(given: argparse.Namespace) -> None:
    from splatcam.files import load_scene
    from splatcam.rendering.rasterizers import build_rasterizer
    from splatcam.viewer.live import view_gaussians

    scene, rasterizer = load_scene(given.scene), build_rasterizer(given.rasterizer, given.threads)
    viewer = view_gaussians(scene, given.background, serve=False, max_scale=given.max_scale, rasterizer=rasterizer)
    viewer.serve(given.host, given.port, not given.no_browser)


if __name__ == "__main__":
    sys.exit(main())
