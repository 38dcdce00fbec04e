"""Messages → bytes, and a server's bytes → the map as it came."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgpack
from pydantic import BaseModel

from splatcam.wire.terms import Message


def encode(message: Message) -> bytes:
    """A message → the bytes of one websocket message. None fields are left out."""
    return msgpack.packb(_plain(message))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {k: _plain(v) for k, v in value.__dict__.items() if v is not None}
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def decode_server_message(data: bytes) -> dict[str, Any]:
    """For clients in Python (benchmark, tests): the map as it came."""
    return msgpack.unpackb(data, max_bin_len=2**31)
