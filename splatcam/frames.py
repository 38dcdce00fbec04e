"""JPEG bytes → Frame. The header is judged before any decoder sees a byte; no network, no model here."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simplejpeg

from splatcam.wire import JPEG_MAGIC

LEAST_BYTES = 64  # less holds no tables
LEAST_SIDE_PX = 8  # a block of the JPEG
GREATEST_ASPECT = 16  # beyond, the model's grid cannot follow the picture's shape
MAX_PIXELS = 1920 * 1088
# A progressive JPEG of a camera has about ten scans. Ten thousand in 130 KB keep a decoder busy for half a minute.
MAX_SCANS = 32
MAX_SEGMENTS = 1000
# What a decoder has to do, in about a nanosecond of a server's core: a pixel, each scan that comes over it, and a byte
# of Huffman codes, which takes several times longer where scans refine what earlier ones left.
WORK_PER_PIXEL, WORK_PER_PIXEL_AND_SCAN = 4, 0.5
WORK_PER_BYTE, WORK_PER_PROGRESSIVE_BYTE = 8, 40
MAX_WORK_PER_PIXEL = 24  # of the largest picture that is allowed
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_START_OF_FRAME = {_BASELINE, _EXTENDED, _PROGRESSIVE}
_REFUSED = {
    **dict.fromkeys((0xC3, 0xC7), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6), "a hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), "a JPEG with arithmetic coding"),
    0xD8: "a second picture inside the first",
    0xDC: "a JPEG that tells its height at its end",
}
# A marker that is followed by a length: not a stuffed zero, a restart marker (D0 to D7), TEM (01) or a fill byte.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
# Applications' segments and comments, but for JFIF (E0), colour profiles (E2) and Adobe's colour transform (EE).
_NOTES = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}
_EXIF_HEAD = b"Exif\0\0"
_EXIF_ORIENTATION, _EXIF_SHORT = 0x0112, 3
_MAX_EXIF_FIELDS = 256
_UPRIGHT = 1
_TURNS = {  # by EXIF's orientation
    2: lambda rgb: rgb[:, ::-1],
    3: lambda rgb: rgb[::-1, ::-1],
    4: lambda rgb: rgb[::-1],
    5: lambda rgb: rgb.transpose(1, 0, 2),
    6: lambda rgb: np.rot90(rgb, -1),
    7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
    8: lambda rgb: np.rot90(rgb),
}
JPEG_QUALITY = 85
Sampling = Literal["420", "444"]  # of the colour: a quarter of the brightness's pixels, or all of them


class BadFrame(ValueError):
    """A frame was refused. `code` is one of wire.ErrorCode's values; the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of the camera."""

    frame_id: int
    captured_at_ms: float  # the client's own clock: echoed, never compared with ours
    rgb: np.ndarray[Any, Any]  # [H, W, 3] uint8, upright

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])


@dataclass(frozen=True)
class JpegHeader:
    width: int
    height: int
    components: int
    scans: int
    is_progressive: bool
    orientation: int  # EXIF's, 1 (upright) to 8


@dataclass(frozen=True)
class _FrameHeader:
    """A "start of frame" segment."""

    width: int
    height: int
    components: tuple[int, ...]  # their names
    is_progressive: bool


def decode_frame(jpeg: bytes, *, frame_id: int = 0, captured_at_ms: float = 0.0, max_pixels: int = MAX_PIXELS) -> Frame:
    """Decode one JPEG to upright RGB. Raises BadFrame: not_jpeg, bad_jpeg or frame_too_large."""
    header = read_jpeg_header(jpeg)
    _require_reasonable(header, len(jpeg), max_pixels)
    try:
        rgb = simplejpeg.decode_jpeg(jpeg, colorspace="RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError as error:
        raise BadFrame("bad_jpeg", f"the JPEG cannot be decoded: {error}") from error
    if header.orientation != _UPRIGHT:
        rgb = np.ascontiguousarray(_TURNS[header.orientation](rgb))
    return Frame(frame_id, captured_at_ms, rgb)


def read_jpeg_header(jpeg: bytes) -> JpegHeader:
    """Walk the markers (ITU-T T.81, annex B) without decoding. Raises BadFrame.

    What a decoder would fill with grey is refused here: a picture that stops early, a component without a scan.
    """
    if not jpeg.startswith(JPEG_MAGIC):
        raise BadFrame("not_jpeg", "the frame does not start like a JPEG (FF D8 FF)")
    if len(jpeg) < LEAST_BYTES:
        raise BadFrame("bad_jpeg", f"{len(jpeg)} bytes hold no picture")
    frame, orientation = None, None
    scans, scanned = 0, set[int]()
    for marker, body in _segments(jpeg):
        if marker in _REFUSED:
            raise BadFrame("bad_jpeg", f"this is {_REFUSED[marker]}: send an ordinary one")
        if marker in _START_OF_FRAME:
            if frame is not None:  # the decoder would go by the first, so none may hide behind another
                raise BadFrame("bad_jpeg", "the JPEG has more than one frame header")
            frame = _frame_header(marker, body)
        elif marker == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise BadFrame("bad_jpeg", f"the JPEG has more than {MAX_SCANS} scans")
            scanned.update(_components_with_brightness(body))
        elif marker == _EXIF and orientation is None and body.startswith(_EXIF_HEAD):
            orientation = _exif_orientation(body[len(_EXIF_HEAD) :])
    if frame is None:
        raise BadFrame("bad_jpeg", "the JPEG has no frame header")
    if not scanned.issuperset(frame.components):
        raise BadFrame("bad_jpeg", "the JPEG holds a part of its picture only")
    size = (frame.width, frame.height, len(frame.components))
    return JpegHeader(*size, scans, frame.is_progressive, orientation or _UPRIGHT)


def _require_reasonable(header: JpegHeader, size_bytes: int, max_pixels: int) -> None:
    """Raises BadFrame for what is no picture for a model, or too much for a decoder."""
    pixels, sides = header.width * header.height, sorted((header.width, header.height))
    told = f"a frame of {header.width}x{header.height}"
    if pixels > max_pixels:
        raise BadFrame("frame_too_large", f"{told} is over the limit of {max_pixels} pixels")
    if sides[0] < LEAST_SIDE_PX:
        raise BadFrame("bad_jpeg", f"{told} is too small: {LEAST_SIDE_PX} pixels a side at least")
    if sides[1] > GREATEST_ASPECT * sides[0]:
        raise BadFrame("bad_jpeg", f"{told} is too narrow: 1 to {GREATEST_ASPECT} at most")
    if _work(header, size_bytes) > MAX_WORK_PER_PIXEL * max(max_pixels, MAX_PIXELS):
        raise BadFrame(
            "bad_jpeg", f"{told} in {size_bytes} bytes and {header.scans} scans takes too long: send it baseline"
        )


def _work(header: JpegHeader, size_bytes: int) -> float:
    per_pixel = WORK_PER_PIXEL + WORK_PER_PIXEL_AND_SCAN * header.scans
    per_byte = WORK_PER_PROGRESSIVE_BYTE if header.is_progressive else WORK_PER_BYTE
    return per_pixel * header.width * header.height + per_byte * size_bytes


def _frame_header(marker: int, body: bytes) -> _FrameHeader:
    """Annex B.2.2. Raises BadFrame for what we do not decode."""
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise BadFrame("bad_jpeg", "the JPEG's frame header is damaged")
    bits, height, width, count = struct.unpack_from(">BHHB", body)
    if bits != 8:
        raise BadFrame("bad_jpeg", f"a JPEG of {bits} bits a colour: send 8")
    if count not in (1, 3):
        told = "CMYK" if count == 4 else f"{count} colour components"
        raise BadFrame("bad_jpeg", f"a JPEG with {told}: send grey or YCbCr")
    if not width or not height:
        raise BadFrame("bad_jpeg", f"a JPEG of {width}x{height} pixels")
    return _FrameHeader(width, height, tuple(body[6::3]), marker == _PROGRESSIVE)


def _components_with_brightness(body: bytes) -> bytes:
    """Names of the components whose means (DC coefficients) a scan has. Annex B.2.3."""
    if not body or len(body) != 4 + 2 * body[0]:
        raise BadFrame("bad_jpeg", "a scan header of the JPEG is damaged")
    first_coefficient = body[-3]
    return body[1 : 1 + 2 * body[0] : 2] if first_coefficient == 0 else b""


def _exif_orientation(tiff: bytes) -> int:
    """Of the first directory (TIFF 6.0, section 2). A broken block leaves the picture as it is."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    try:
        if order is None:
            return _UPRIGHT
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for field in range(min(count, _MAX_EXIF_FIELDS)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at + 2 + 12 * field)
            if tag == _EXIF_ORIENTATION:
                return value if kind == _EXIF_SHORT and value in _TURNS else _UPRIGHT
    except struct.error:  # it points outside of itself
        pass
    return _UPRIGHT


def is_picture_only(jpeg: bytes) -> bool:
    """Whether a JPEG that decodes holds its picture and nothing else, so that it may be handed on to others as it is.

    Where and with what it was taken (EXIF, XMP, IPTC), comments and what follows its end are not for them.
    """
    segments = list(_segments(jpeg))
    return segments[-1] == (_END, b"") and not any(marker in _NOTES for marker, _ in segments)


def encode_picture(rgb: np.ndarray[Any, Any], quality: int = JPEG_QUALITY, sampling: Sampling = "420") -> bytes:
    """[H, W, 3] uint8 → JPEG."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorsubsampling=sampling)


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of each segment, and of the end with what follows it. Raises BadFrame."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(jpeg, at)
        if found is None:
            raise BadFrame("bad_jpeg", "the JPEG stops before its end: truncated?")
        marker, at = found[1][0], found.end()
        if marker == _END:
            yield marker, jpeg[at:]
            return
        length = 2 if marker == _START else int.from_bytes(jpeg[at : at + 2], "big")
        if length < 2 or at + length > len(jpeg):
            raise BadFrame("bad_jpeg", "a segment of the JPEG tells a length that it does not have")
        yield marker, jpeg[at + 2 : at + length]
        at += length
    raise BadFrame("bad_jpeg", f"the JPEG has more than {MAX_SEGMENTS} segments")
