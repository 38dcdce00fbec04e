"""The msgpack map inside a block ⇄ bytes, within limits that no file can stretch. Knows no block and no field."""

from __future__ import annotations

from typing import Any

import msgpack

from splatcam.strict_map import no_extension, string_map

MAX_RAW_BYTES = 1 << 27  # of one payload: eight million splats of 16 bytes
MAX_CONTAINERS = 1 << 16  # maps and lists of one payload
MAX_LENGTH = 1 << 12  # of one map or list
MAX_VALUES = 1 << 20  # in all of them together
MAX_STRING = 1024

Map = dict[str, Any]


class PayloadError(ValueError):
    """Bytes that are no payload, or a payload over the limits."""


def pack(payload: Map) -> bytes:
    """Raises PayloadError for what `unpack` would refuse for its size."""
    raw = msgpack.packb(payload)
    if len(raw) > MAX_RAW_BYTES:
        raise PayloadError(f"{len(raw)} bytes are over the {MAX_RAW_BYTES} of one block")
    return raw


def unpack(raw: bytes) -> Map:
    """Raises PayloadError, nothing else."""
    count = _Count()
    try:
        payload = msgpack.unpackb(
            raw,
            object_pairs_hook=count.end_map,
            list_hook=count.end_list,
            ext_hook=no_extension,
            max_bin_len=MAX_RAW_BYTES,
            max_str_len=MAX_STRING,
            max_array_len=MAX_LENGTH,
            max_map_len=MAX_LENGTH,
            max_ext_len=0,
        )
    except (ValueError, TypeError) as error:  # TypeError: a key that cannot be hashed
        raise PayloadError(f"not a msgpack map: {str(error) or 'nested too deeply'}") from None
    if not isinstance(payload, dict):
        raise PayloadError(f"a msgpack map is expected, not {type(payload).__name__}")
    return payload


class _Count:
    """What one payload is made of so far. A byte of msgpack may stand for an empty map of sixty bytes of memory."""

    def __init__(self) -> None:
        self._containers = 0
        self._values = 0

    def end_map(self, pairs: list[tuple[Any, Any]]) -> Map:
        self._add(2 * len(pairs))
        return string_map(pairs)

    def end_list(self, values: list[Any]) -> list[Any]:
        self._add(len(values))
        return values

    def _add(self, values: int) -> None:
        self._containers += 1
        self._values += values
        if self._containers > MAX_CONTAINERS or self._values > MAX_VALUES:
            raise ValueError("too many values")
