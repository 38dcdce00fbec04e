"""JPEG bytes → Frame. The header is judged before any decoder sees a byte; no network, no model here."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from splatcam.wire import JPEG_MAGIC

# A progressive JPEG of a camera has about ten scans. Ten thousand in 130 KB keep a decoder busy for half a minute.
MAX_SCANS = 100
MAX_SEGMENTS = 1000
_START_OF_FRAME = {0xC0, 0xC1, 0xC2}
# A marker that is followed by a length: not a stuffed zero, a restart marker (D0 to D7), TEM (01) or a fill byte.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_END = 0xD9
# Applications' segments and comments, but for JFIF (E0), colour profiles (E2) and Adobe's colour transform (EE).
_NOTES = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}
_EXIF_ORIENTATION = 0x0112
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
    has_exif: bool


def decode_frame(
    jpeg: bytes, *, frame_id: int = 0, captured_at_ms: float = 0.0, max_pixels: int = 1920 * 1088
) -> Frame:
    """Decode one JPEG to upright RGB. Raises BadFrame: not_jpeg, bad_jpeg or frame_too_large."""
    header = read_jpeg_header(jpeg)
    if header.width * header.height > max_pixels:
        raise BadFrame(
            "frame_too_large", f"a frame of {header.width}x{header.height} is over the limit of {max_pixels} pixels"
        )
    if header.components not in (1, 3):
        raise BadFrame("bad_jpeg", f"a JPEG with {header.components} colour components (CMYK?): send grey or YCbCr")
    try:
        rgb = simplejpeg.decode_jpeg(jpeg, colorspace="RGB", fastdct=False, fastupsample=False)
    except ValueError as error:
        raise BadFrame("bad_jpeg", f"the JPEG cannot be decoded: {error}") from error
    if header.has_exif:
        rgb = _turn_upright(rgb, jpeg)
    return Frame(frame_id, captured_at_ms, rgb)


def read_jpeg_header(jpeg: bytes) -> JpegHeader:
    """Walk the markers (ITU-T T.81, annex B) without decoding. Raises BadFrame."""
    if not jpeg.startswith(JPEG_MAGIC):
        raise BadFrame("not_jpeg", "the frame does not start like a JPEG (FF D8 FF)")
    scans, has_exif, size = 0, False, None
    for marker, body in _segments(jpeg):
        if marker in _START_OF_FRAME and len(body) >= 6:
            if size is not None:  # the decoder would go by the first, so none may hide behind another
                raise BadFrame("bad_jpeg", "the JPEG has more than one frame header")
            size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"), body[5])
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            has_exif = True
        elif marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise BadFrame("bad_jpeg", f"the JPEG has more than {MAX_SCANS} scans")
    if size is None or 0 in size:
        raise BadFrame("bad_jpeg", "the JPEG has no usable frame header")
    return JpegHeader(*size, scans=scans, has_exif=has_exif)


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
    """(marker, content) of each segment, and of the end with what follows it. Raises BadFrame for too many."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(jpeg, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        if marker == _END:
            yield marker, jpeg[at:]
            return
        length = int.from_bytes(jpeg[at : at + 2], "big")
        yield marker, jpeg[at + 2 : at + length]
        at += max(length, 2)
    raise BadFrame("bad_jpeg", f"the JPEG has more than {MAX_SEGMENTS} segments")


def _turn_upright(rgb: np.ndarray[Any, Any], jpeg: bytes) -> np.ndarray[Any, Any]:
    """Apply the EXIF orientation. A broken EXIF block leaves the picture as it is."""
    try:
        exif = Image.open(io.BytesIO(jpeg)).getexif()
    except (OSError, SyntaxError, ValueError):
        return rgb
    if exif.get(_EXIF_ORIENTATION, 1) == 1:
        return rgb
    picture = Image.fromarray(rgb)
    picture.getexif()[_EXIF_ORIENTATION] = exif[_EXIF_ORIENTATION]
    return np.array(ImageOps.exif_transpose(picture))  # a copy: Pillow lends its memory for reading only
