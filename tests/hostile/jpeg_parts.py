"""A JPEG as a list of its segments, to be put together wrongly. Knows annex B of ITU-T T.81, decodes nothing."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

START, END = b"\xff\xd8", b"\xff\xd9"
SOF0, SOF1, SOF2, DHT, SOS, DQT, DNL, DRI, APP0, APP1, APP2, COM = (
    0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xE1, 0xE2, 0xFE,
)  # fmt: skip
_MARKER_IN_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def split(jpeg: bytes) -> list[bytes]:
    """Start, segments and end of a sound JPEG; a scan's data belongs to its segment."""
    parts, at = [jpeg[:2]], 2
    while jpeg[at + 1] != END[1]:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == SOS:
            found = _MARKER_IN_DATA.search(jpeg, end)
            assert found is not None
            end = found.start()
        parts.append(jpeg[at:end])
        at = end
    return [*parts, jpeg[at:]]


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def body_of(part: bytes) -> bytes:
    """Without marker and length; of a scan its header only."""
    return part[4 : 2 + int.from_bytes(part[2:4], "big")]


def data_of(scan: bytes) -> bytes:
    """What follows a scan's header."""
    return scan[2 + int.from_bytes(scan[2:4], "big") :]


def is_marker(part: bytes, *markers: int) -> bool:
    return part[1] in markers


def without(jpeg: bytes, *markers: int) -> bytes:
    return b"".join(part for part in split(jpeg) if not is_marker(part, *markers))


def change(jpeg: bytes, markers: tuple[int, ...], anew: Callable[[bytes], bytes]) -> bytes:
    """Each segment of these kinds replaced by `anew(segment)`."""
    return b"".join(anew(part) if is_marker(part, *markers) else part for part in split(jpeg))


def insert(jpeg: bytes, *parts: bytes) -> bytes:
    """Right after the start."""
    return jpeg[:2] + b"".join(parts) + jpeg[2:]


def before(jpeg: bytes, marker: int, *parts: bytes) -> bytes:
    """Before the first segment of that kind."""
    pieces = split(jpeg)
    at = next(i for i, part in enumerate(pieces) if is_marker(part, marker))
    return b"".join([*pieces[:at], *parts, *pieces[at:]])
