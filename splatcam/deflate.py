"""Raw deflate, as fast as this machine has it. Knows no format."""

from __future__ import annotations

import zlib
from types import ModuleType

try:
    from isal import isal_zlib

    fast_zlib: ModuleType = isal_zlib  # a seventh of zlib's time, and no more bytes
except ImportError:
    fast_zlib = zlib

RAW_DEFLATE = -zlib.MAX_WBITS  # without header and check sum: `deflate-raw` in a browser


class InflateError(ValueError):
    """Bytes that are not the raw deflate of as many as were announced."""


def deflate(data: bytes) -> bytes:
    return fast_zlib.compress(data, 1, wbits=RAW_DEFLATE)


def inflate(data: bytes, size: int) -> bytes:
    """Raw deflate → exactly `size` bytes. Never makes more than one byte too many. Raises InflateError."""
    stream = fast_zlib.decompressobj(wbits=RAW_DEFLATE)
    try:
        plain = stream.decompress(data, size + 1)
    except fast_zlib.error as error:
        raise InflateError(f"not deflate: {error}") from None
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise InflateError("not of the announced size")
    return plain
