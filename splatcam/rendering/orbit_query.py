"""The query of `GET /render` → what is to be drawn. Pure: no HTTP here, and no picture.

theta, phi   azimuth and elevation in radians; 0 and 0: target + (0, 0, radius)   0
radius       distance from the target, at least 0.001                             4
tx, ty, tz   target                                                               0
fov          vertical field of view in degrees                                    60
w, h         pixels, at least 16 each                                             640, 480
q            quality of the JPEG, 1 to 100                                        85
mode         rgb, or one of the viewer's others                                   rgb
up           0 and above: world up is (0, 1, 0); below: (0, -1, 0)                1
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from splatcam.rendering.camera import LEAST_RADIUS, Camera, Orbit

MAX_PIXELS = 1920 * 1088
LEAST_SIDE_PX = 16
JPEG_QUALITY = 85
RGB = "rgb"
_FARTHEST = 1e6  # of every length and angle: far beyond any scene, and its square still is a number
_FOV_DEG = (1.0, 170.0)

Query = Mapping[str, str | Sequence[str]]  # a value for each name, or a list of them as `parse_qs` makes


class BadQuery(ValueError):
    """A parameter has a value it cannot have; the message names it."""


@dataclass(frozen=True)
class OrbitQuery:
    """One picture that somebody wants."""

    orbit: Orbit
    fov_deg: float = 60.0
    width: int = 640
    height: int = 480
    quality: int = JPEG_QUALITY
    mode: str = RGB

    @property
    def camera(self) -> Camera:
        return self.orbit.camera(self.fov_deg, self.width, self.height)


def parse_query(query: Query, modes: Collection[str] = (RGB,), max_pixels: int = MAX_PIXELS) -> OrbitQuery:
    """Raises BadQuery. Names that are not in the table are somebody else's."""
    radius = max(_number(query, "radius", 4.0), LEAST_RADIUS)
    target = (_number(query, "tx", 0.0), _number(query, "ty", 0.0), _number(query, "tz", 0.0))
    up: Literal[1, -1] = 1 if _number(query, "up", 1.0) >= 0 else -1
    orbit = Orbit(_number(query, "theta", 0.0), _number(query, "phi", 0.0), radius, target, up)
    fov_deg = _within(query, "fov", 60.0, *_FOV_DEG)
    quality = round(_within(query, "q", JPEG_QUALITY, 1, 100))
    return OrbitQuery(orbit, fov_deg, *_size(query, max_pixels), quality, _mode(query, modes))


def camera_from_query(query: Query) -> Camera:
    """Where the query stands and how large its picture is. Raises BadQuery."""
    return parse_query({name: value for name, value in query.items() if name != "mode"}).camera


def _size(query: Query, max_pixels: int) -> tuple[int, int]:
    width = max(round(_number(query, "w", 640)), LEAST_SIDE_PX)
    height = max(round(_number(query, "h", 480)), LEAST_SIDE_PX)
    if width * height > max_pixels:
        raise BadQuery(f"w={width} and h={height} make more than {max_pixels} pixels")
    return width, height


def _mode(query: Query, modes: Collection[str]) -> str:
    mode = _text(query, "mode") or RGB
    if mode not in modes:
        raise BadQuery(f"mode={_shown(mode)} is none of {', '.join(modes)}")
    return mode


def _within(query: Query, name: str, default: float, least: float, most: float) -> float:
    value = _number(query, name, default)
    if not least <= value <= most:
        raise BadQuery(f"{name}={value:g} is not within {least:g} to {most:g}")
    return value


def _number(query: Query, name: str, default: float) -> float:
    text = _text(query, name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadQuery(f"{name}={_shown(text)} is not a number") from None
    if not math.isfinite(value) or abs(value) > _FARTHEST:
        raise BadQuery(f"{name}={_shown(text)} is not a number between -{_FARTHEST:g} and {_FARTHEST:g}")
    return value


def _text(query: Query, name: str) -> str | None:
    """Of several values the first."""
    value = query.get(name)
    if value is None or isinstance(value, str):
        return value
    return value[0] if value else None


def _shown(text: str) -> str:
    """What strangers send goes into the message, but not pages of it."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
