"""Single pictures of a scene as files: two that go with a preview, and any other by the ending of its name."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Picture

from splatcam.atomic import published
from splatcam.gaussians import Gaussians
from splatcam.rendering import BLACK, Color, Rasterizer
from splatcam.rendering.camera import Array
from splatcam.rendering.framing import SceneBounds
from splatcam.rendering.paths import STEEPEST_DEG, Shot, around

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
JPEG_QUALITY = 90  # WebP has the same scale; PNG takes no notice


class UnknownPicture(ValueError):
    """A name ends in nothing that can be written; the message is one sentence."""


@dataclass(frozen=True)
class View:
    """Where a still is taken from."""

    azimuth_deg: float
    elevation_deg: float


STILLS = {"top": View(0.0, STEEPEST_DEG), "angle": View(40.0, 35.0)}


def still_paths(film: Path) -> dict[str, Path]:
    """preview.mp4 → preview_top.jpg and preview_angle.jpg, by the names in STILLS."""
    return {name: film.with_name(f"{film.stem}_{name}.jpg") for name in STILLS}


def write_stills(
    gaussians: Gaussians,
    film: Path,
    bounds: SceneBounds,
    rasterizer: Rasterizer,
    shot: Shot,
    background: Color = BLACK,
) -> list[Path]:
    """Beside the film. Those of an earlier scene go first. Raises OSError; what is there then is whole."""
    paths = still_paths(film)
    for path in paths.values():
        path.unlink(missing_ok=True)
    for name, path in paths.items():
        view = STILLS[name]
        (camera,) = around(bounds, shot, [(view.azimuth_deg, view.elevation_deg)])
        save_picture(rasterizer.render(gaussians, camera, background).rgb8(), path)
    return list(paths.values())


def require_known(path: Path) -> str:
    """Pillow's name of the format. Raises UnknownPicture."""
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        raise UnknownPicture(f"{path.name}: a picture's name ends in {', '.join(FORMATS)}")
    return known


def save_picture(rgb: Array, path: Path) -> None:
    """[H, W, 3] uint8 → a whole file, or none. Raises UnknownPicture and OSError."""
    encoded = io.BytesIO()  # Pillow takes a JPEG that the disk cut short for a whole one
    Picture.fromarray(rgb).save(encoded, format=require_known(path), quality=JPEG_QUALITY)
    with published(path) as beside:
        beside.write_bytes(encoded.getvalue())
