"""Scene files ⇄ Gaussians. One file per format with pure functions on bytes, one registry by the end of the name.

In memory everything has OpenCV axes and linear units; a format that asks for others is turned in its own file. What a
file is is said by its name, and checked: one that is something else is an error that names both. A file without
splats is an error too, for nothing can be done with it.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from splatcam.atomic import published
from splatcam.files.checks import (
    MAX_SPLATS,
    SceneFileError,
    SceneUnreadable,
    SceneUnwritable,
    UnknownFormat,
    require_writable,
)
from splatcam.files.compressed_ply import decode_compressed_ply, encode_compressed_ply
from splatcam.files.ply import decode_ply, encode_ply
from splatcam.files.splat import decode_splat, encode_splat
from splatcam.files.spz import MAGIC as SPZ_MAGIC
from splatcam.files.spz import decode_spz, encode_spz
from splatcam.gaussians import Gaussians

MAX_FILE_BYTES = MAX_SPLATS * 62 * 4 + 64 * 1024  # the largest of the formats, and its header
_GZIP_MAGIC = b"\x1f\x8b\x08"  # two bytes alone begin one in 65,536 .splat files too
_PLY_MAGIC = re.compile(rb"ply\r?\n")
_CHUNKS = re.compile(rb"\nelement chunk ")
_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Format:
    """One kind of scene file."""

    name: str
    suffix: str
    max_sh_degree: int  # what it keeps
    encode: Callable[[Gaussians], bytes]  # SceneUnwritable where it cannot hold them
    decode: Callable[[bytes], Gaussians]  # SceneUnreadable, nothing else


COMPRESSED_PLY = Format("compressed PLY", ".compressed.ply", 3, encode_compressed_ply, decode_compressed_ply)
PLY = Format("PLY", ".ply", 3, encode_ply, decode_ply)
SPLAT = Format("splat", ".splat", 0, encode_splat, decode_splat)
SPZ = Format("SPZ", ".spz", 3, encode_spz, decode_spz)
FORMATS = (COMPRESSED_PLY, PLY, SPLAT, SPZ)  # the longer end of a name comes first


def format_of(path: Path) -> Format:
    """By the end of the name, upper or lower case. Raises UnknownFormat."""
    for format in FORMATS:
        if path.name.lower().endswith(format.suffix):
            return format
    ends = ", ".join(format.suffix for format in FORMATS)
    raise UnknownFormat(f"{path.name}: no format is known by this name; it should end in one of {ends}")


def load_scene(path: Path) -> Gaussians:
    """At least one Gaussian, valid, on the CPU. Rows that are no numbers are left out and their count logged.

    Raises UnknownFormat, SceneUnreadable, or OSError where the file cannot be had.
    """
    format = format_of(path)
    data = _contents(path)
    try:
        _require_format(format, data)
        return format.decode(data)
    except SceneUnreadable as error:
        raise SceneUnreadable(f"{path.name}: {error}") from None


def save_scene(gaussians: Gaussians, path: Path) -> None:
    """Written beside and renamed: `path` never holds half a scene.

    Raises UnknownFormat, SceneUnwritable (no Gaussians, or too far away for the format), or OSError.
    """
    format = format_of(path)
    try:
        require_writable(gaussians)
        data = format.encode(gaussians)
    except SceneUnwritable as error:
        raise SceneUnwritable(f"{path.name}: {error}") from None
    with published(path) as beside:
        beside.write_bytes(data)


def detect(data: bytes) -> Format | None:
    """What the first bytes say; None where they say nothing, as those of .splat."""
    if _PLY_MAGIC.match(data):
        return COMPRESSED_PLY if _CHUNKS.search(data, 0, _HEADER_BYTES) else PLY
    return SPZ if data.startswith((_GZIP_MAGIC, SPZ_MAGIC)) else None


def _contents(path: Path) -> bytes:
    """All of a file that is neither a pipe nor a device nor larger than any scene that is read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise SceneUnreadable(f"{path.name}: is not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise SceneUnreadable(f"{path.name}: has {status.st_size} bytes; at most {MAX_FILE_BYTES} are read")
    return path.read_bytes()


def _require_format(expected: Format, data: bytes) -> None:
    if not data:
        raise SceneUnreadable("is empty")
    found = detect(data)
    if found is not None and found is not expected:
        raise SceneUnreadable(f"is {found.name} ({found.suffix}), not {expected.name} as its name says")
    if found is None and expected is not SPLAT:
        raise SceneUnreadable(f"its name says {expected.name}, its contents do not")


__all__ = [
    "FORMATS",
    "MAX_FILE_BYTES",
    "MAX_SPLATS",
    "Format",
    "SceneFileError",
    "SceneUnreadable",
    "SceneUnwritable",
    "UnknownFormat",
    "detect",
    "format_of",
    "load_scene",
    "save_scene",
]
