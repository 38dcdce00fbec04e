"""A recorded camera: a video file or a folder of JPEGs → the messages a camera would have sent. Done before the run."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import simplejpeg

DEFAULT_FPS = 30.0
JPEG_QUALITY = 80  # what the page sends


class ClipUnreadable(ValueError):
    """The clip is missing or holds no pictures; the message is one sentence."""


@dataclass(frozen=True)
class Clip:
    name: str
    jpegs: tuple[bytes, ...]
    fps: float
    width: int
    height: int

    @property
    def digest(self) -> str:
        """Names the content, so that two reports can be told to be of the same frames."""
        return hashlib.sha256(b"".join(self.jpegs)).hexdigest()[:12]


def load_clip(path: Path, max_frames: int | None = None, long_side_px: int | None = None) -> Clip:
    """A video's pictures are made smaller where their long side is more than `long_side_px`. Raises ClipUnreadable."""
    if not path.exists():
        raise ClipUnreadable(f"there is no clip at {path}")
    clip = _load_folder(path, max_frames) if path.is_dir() else _load_video(path, max_frames, long_side_px)
    if not clip.jpegs:
        raise ClipUnreadable(f"{path} holds no pictures")
    return clip


def _load_folder(path: Path, max_frames: int | None) -> Clip:
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))[:max_frames]
    jpegs = tuple(p.read_bytes() for p in files)
    try:
        height, width = simplejpeg.decode_jpeg_header(jpegs[0])[:2] if jpegs else (0, 0)
    except ValueError as error:
        raise ClipUnreadable(f"{files[0]} is no JPEG: {error}") from None
    return Clip(path.name, jpegs, DEFAULT_FPS, width, height)


def _load_video(path: Path, max_frames: int | None, long_side_px: int | None) -> Clip:
    jpegs: list[bytes] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipUnreadable(f"{path} holds no pictures")
            stream = container.streams.video[0]
            fps = float(stream.average_rate or DEFAULT_FPS)
            scale = min(1.0, (long_side_px or math.inf) / max(stream.width, stream.height))
            width, height = round(stream.width * scale), round(stream.height * scale)
            for frame in container.decode(stream):
                rgb = frame.to_ndarray(width=width, height=height, format="rgb24")
                jpegs.append(simplejpeg.encode_jpeg(rgb, quality=JPEG_QUALITY, colorsubsampling="420"))
                if len(jpegs) == max_frames:
                    break
    except av.error.FFmpegError as error:
        raise ClipUnreadable(f"{path} is no video that can be read: {error.strerror}") from None
    return Clip(path.name, tuple(jpegs), fps, width, height)
