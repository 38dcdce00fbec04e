"""A folder of pictures or a video → a few sharp, well-spread frames. Two passes, one picture in memory at a time.

Nothing is written: there are no temporary frames to be left behind.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from splatcam.frames import BadFrame, decode_frame
from splatcam.wire import JPEG_MAGIC

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
PICTURES = (".jpg", ".jpeg", ".png")
PICTURE_FOLDERS = ("", "images", "frames")  # below the job's folder; COLMAP and nerfstudio say `images`
MAX_PICTURE_PIXELS = 100_000_000
JUDGED_LONG_SIDE_PX = 512  # sharpness is compared at this size, so that noise counts less than edges
_DIGITS = re.compile(r"(\d+)")

Array = np.ndarray[Any, Any]
Progress = Callable[[int], None]  # how many pictures were looked at


class FootageUnusable(ValueError):
    """The folder or the file holds no pictures that can be used; the message is one sentence."""


class Footage(Protocol):
    """Pictures in order, as often as they are asked for."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is made of."""
        ...

    def pictures(self) -> Iterator[Array]:
        """[H, W, 3] uint8, upright. Raises FootageUnusable."""
        ...

    def names(self) -> Iterator[str]:
        """One for each picture, to name what is made of it."""
        ...

    @property
    def count(self) -> int | None:
        """How many pictures there are, where that is known beforehand."""
        ...


@dataclass(frozen=True)
class PictureFiles:
    files: tuple[Path, ...]

    def pictures(self) -> Iterator[Array]:
        return map(read_picture, self.files)

    def names(self) -> Iterator[str]:
        return (path.stem for path in self.files)

    @property
    def count(self) -> int | None:
        return len(self.files)


@dataclass(frozen=True)
class Video:
    files: tuple[Path, ...]

    def pictures(self) -> Iterator[Array]:
        with self._opened() as container:
            for frame in container.decode(video=0) if container.streams.video else ():
                yield _upright(frame)

    def names(self) -> Iterator[str]:
        return (f"{self.files[0].stem}_{number:05d}" for number in itertools.count())

    @property
    def count(self) -> int | None:
        with self._opened() as container:
            return (container.streams.video[0].frames or None) if container.streams.video else None

    @contextmanager
    def _opened(self) -> Iterator[av.container.InputContainer]:
        (path,) = self.files
        try:
            with av.open(str(path)) as container:
                yield container
        except av.error.FFmpegError as error:
            raise FootageUnusable(f"{path.name} is no video that can be read: {error.strerror}") from None


def footage_at(place: Path) -> Footage:
    """A video, a picture or a folder of either. Raises FootageUnusable."""
    if place.is_file():
        return Video((place,)) if place.suffix.lower() in VIDEOS else PictureFiles((place,))
    return find_footage(place)


def find_footage(folder: Path) -> Footage:
    """The one video of a folder, or its pictures in the order of their numbers. Raises FootageUnusable."""
    if not folder.is_dir():
        raise FootageUnusable(f"there is no folder {folder}")
    videos = _files(folder, VIDEOS)
    if len(videos) > 1:
        raise FootageUnusable(f"{folder} holds {len(videos)} videos ({videos[0].name}, {videos[1].name}): leave one")
    if videos:
        return Video((videos[0],))
    for name in PICTURE_FOLDERS:
        pictures = _files(folder / name, PICTURES)
        if pictures:
            return PictureFiles(tuple(pictures))
    raise FootageUnusable(f"{folder} holds no video ({', '.join(VIDEOS)}) and no pictures ({', '.join(PICTURES)})")


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith("."))
    return sorted(found, key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """frame 9 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(path.name)]


def read_picture(path: Path) -> Array:
    """A JPEG or PNG file → [H, W, 3] uint8, turned as its EXIF says. Raises FootageUnusable and OSError."""
    data = path.read_bytes()
    try:
        if data.startswith(JPEG_MAGIC):
            return decode_frame(data, frame_id=0, captured_at_ms=0.0, max_pixels=MAX_PICTURE_PIXELS).rgb
        with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as picture:
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise FootageUnusable(f"{path.name} has {picture.width}x{picture.height} pixels: too many")
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except Image.DecompressionBombError:  # its own limit, twice ours or so
        raise FootageUnusable(f"{path.name} has too many pixels") from None
    except UnidentifiedImageError:
        raise FootageUnusable(f"{path.name} is no JPEG or PNG picture") from None
    except (BadFrame, OSError, SyntaxError) as error:
        raise FootageUnusable(f"{path.name} cannot be read: {error}") from None


def _upright(frame: av.VideoFrame) -> Array:
    """Phones film as the sensor lies and write down the turn."""
    rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


def choose_frames(footage: Footage, count: int, progress: Progress = lambda looked_at: None) -> dict[int, Array]:
    """`count` frames, or all of fewer: the sharpest of each of as many equal parts, by their places in the footage.

    Raises FootageUnusable.
    """
    scores: list[float] = []
    for rgb in footage.pictures():
        scores.append(sharpness(rgb))
        progress(len(scores))
    if not scores:
        raise FootageUnusable(f"{footage.files[0].name} holds no pictures")
    chosen = set(sharpest_of_each_part(scores, count))
    return {index: rgb for index, rgb in enumerate(footage.pictures()) if index in chosen}


def sharpest_of_each_part(scores: list[float], count: int) -> list[int]:
    """Indices, ascending."""
    parts = np.array_split(np.arange(len(scores)), min(count, len(scores)))
    return [int(part[np.argmax(np.array(scores)[part])]) for part in parts]


def sharpness(rgb: Array) -> float:
    """Variance of the Laplacian: a blurred picture has few edges, and weak ones (Pech-Pacheco et al. 2000)."""
    picture = Image.fromarray(rgb).convert("L")
    picture.thumbnail((JUDGED_LONG_SIDE_PX, JUDGED_LONG_SIDE_PX), Image.Resampling.BOX)
    grey = np.pad(np.asarray(picture, np.float32), 1, mode="edge")
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * grey[1:-1, 1:-1]).var())
