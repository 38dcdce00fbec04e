"""A picture of a live stream's newest frame, as it is asked for and as it comes back. Travels between processes."""

from __future__ import annotations

from dataclasses import dataclass

from splatcam.rendering.camera import Camera
from splatcam.rendering.orbit_query import JPEG_QUALITY, RGB


@dataclass(frozen=True, eq=False)
class PictureJob:
    """What somebody wants to see."""

    stream_id: str
    camera: Camera
    quality: int = JPEG_QUALITY
    mode: str = RGB
    client: str = ""  # whose depth range it is


@dataclass(frozen=True)
class Picture:
    """A JPEG, and the frame that it shows."""

    frame_id: int
    jpeg: bytes


class NothingToShow(Exception):
    """No scene of that stream was kept yet."""


class TooManyWaiting(Exception):
    """So many wait for pictures that waiting is no use."""
