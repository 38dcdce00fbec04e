"""`splatcam preview`: a film and two stills of a stored scene."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splatcam.commands import arguments as types

if TYPE_CHECKING:
    from splatcam.gaussians import Gaussians
    from splatcam.rendering.camera_path import CameraPath
    from splatcam.rendering.framing import SceneBounds
    from splatcam.rendering.paths import Shot

PATHS = ("orbit", "wobble")


def main(arguments: Sequence[str] | None = None) -> int:
    given = types.parse(_parser(), arguments)
    from splatcam.files import SceneFileError
    from splatcam.rendering.camera_path import BadCameraPath
    from splatcam.rendering.framing import NothingToFrame
    from splatcam.rendering.preview import PreviewFailed
    from splatcam.rendering.rasterizers import RasterizerUnavailable

    expected = (SceneFileError, BadCameraPath, NothingToFrame, PreviewFailed, RasterizerUnavailable)
    return types.run("preview", lambda: _preview(given), *expected)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam preview",
        description="A film of a scene, and two stills beside it: OUT.mp4, OUT_top.jpg, OUT_angle.jpg.",
    )
    parser.add_argument("scene", type=Path, help=".ply, .compressed.ply, .splat or .spz")
    parser.add_argument("-o", "--output", type=Path, default=Path("preview.mp4"), help="(default: preview.mp4)")
    parser.add_argument("--seconds", type=types.number(0.05, 600), default=5.0, help="(default: 5)")
    parser.add_argument("--fps", type=types.whole(1, 120), help="(default: 30, or the camera path's)")
    parser.add_argument("--size", type=types.size, metavar="WxH", help="(default: 1280x720, or the camera path's)")
    parser.add_argument(
        "--path",
        choices=PATHS,
        default="orbit",
        help="orbit: around the scene; wobble: a little around the place it was taken from, for splats of one view",
    )
    parser.add_argument(
        "--elevation", type=types.number(-89, 89), default=35.0, help="of the orbit, in degrees (default: 35)"
    )
    parser.add_argument(
        "--sweep", type=types.number(0, 3600), default=360.0, help="of the orbit, in degrees (default: 360)"
    )
    parser.add_argument("--fov", type=types.number(1, 150), help="vertical, in degrees (default: 50; wobble: it fits)")
    parser.add_argument("--up", choices=types.UPS, default="-y", help="of the scene (default: -y; write --up=-y)")
    parser.add_argument(
        "--camera-path", type=Path, metavar="JSON", help="nerfstudio's, in place of --path; as long as it says"
    )
    parser.add_argument("--save-camera-path", type=Path, metavar="JSON", help="write the cameras for nerfstudio")
    parser.add_argument("--background", type=types.color, default=(0.0, 0.0, 0.0), help="black, white or #rrggbb")
    parser.add_argument("--no-stills", dest="stills", action="store_false", help="only the film")
    types.add_rasterizer(parser)
    return parser


def _preview(given: argparse.Namespace) -> None:
    """The stills are made even where the film fails: they need no encoder."""
    from splatcam.atomic import require_place
    from splatcam.files import load_scene
    from splatcam.rendering.framing import scene_bounds
    from splatcam.rendering.preview import PreviewFailed, require_film, write_preview
    from splatcam.rendering.rasterizers import build_rasterizer
    from splatcam.rendering.stills import still_paths, write_stills

    require_film(given.output)
    for earlier in (given.output, *still_paths(given.output).values()):
        earlier.unlink(missing_ok=True)
    require_place(given.output)
    scene, rasterizer = load_scene(given.scene), build_rasterizer(given.rasterizer, given.threads)
    bounds, shot = scene_bounds(scene), _shot(given)
    path = _camera_path(given, scene, bounds, shot)
    if given.save_camera_path is not None:
        _save(path, given.save_camera_path)
    failure = None
    try:
        with types.progress_bar(len(path.cameras), given.output.name) as progress:
            write_preview(scene, given.output, path.cameras, rasterizer, path.fps, given.background, progress)
    except PreviewFailed as error:
        failure = error
    if given.stills:
        write_stills(scene, given.output, bounds, rasterizer, shot, given.background)
    if failure is not None:
        raise failure


def _shot(given: argparse.Namespace) -> Shot:
    from splatcam.rendering.paths import Shot

    width, height = given.size or (Shot.width, Shot.height)
    return Shot(given.seconds, given.fps or Shot.fps, width, height, given.fov or Shot.fov_deg, given.up)


def _camera_path(given: argparse.Namespace, scene: Gaussians, bounds: SceneBounds, shot: Shot) -> CameraPath:
    from splatcam.rendering.camera_path import CameraPath, read_camera_path
    from splatcam.rendering.paths import orbit, wobble

    if given.camera_path is not None:
        path = read_camera_path(given.camera_path.read_text(encoding="utf-8", errors="replace"), given.size)
        return path if given.fps is None else CameraPath(path.cameras, given.fps)
    if given.path == "wobble":
        return CameraPath(tuple(wobble(scene, shot, fov_deg=given.fov)), shot.fps)
    return CameraPath(tuple(orbit(bounds, shot, given.elevation, given.sweep)), shot.fps)


def _save(path: CameraPath, file: Path) -> None:
    from splatcam.atomic import published
    from splatcam.rendering.camera_path import write_camera_path

    with published(file) as beside:
        beside.write_text(write_camera_path(path), encoding="utf-8")
