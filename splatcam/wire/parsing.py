"""Bytes of a client → its message, or a WireError: whatever they are, and at a bounded cost."""

from __future__ import annotations

from typing import Any

import msgpack
from pydantic import TypeAdapter, ValidationError

from splatcam.strict_map import no_extension, string_map
from splatcam.wire.client import ClientMessage, FrameMessage, Hello, PlainFrame
from splatcam.wire.terms import ERROR_EXPLANATIONS, JPEG_MAGIC, MAX_WORD_BYTES, PROTOCOL_VERSION, ErrorCode, WireError

_client_message: TypeAdapter[Any] = TypeAdapter(ClientMessage)
_NAMES_A_FRAME = msgpack.packb("type") + msgpack.packb("frame")
_NAMED_WITHIN_BYTES = 64


def looks_like_frame(data: bytes | str) -> bool:
    """Whether a message that is not read any further carries a picture: a guess, for counting."""
    if isinstance(data, str):
        return False
    return data.startswith(JPEG_MAGIC) or _NAMES_A_FRAME in data[:_NAMED_WITHIN_BYTES]


def parse_client_message(data: bytes | str, max_message_bytes: int) -> Any:
    """One websocket message → PlainFrame or one of CLIENT_MESSAGES. Raises WireError, nothing else."""
    if isinstance(data, str):
        raise WireError(ErrorCode.TEXT_MESSAGE, ERROR_EXPLANATIONS[ErrorCode.TEXT_MESSAGE])
    if len(data) > max_message_bytes:
        raise WireError(ErrorCode.MESSAGE_TOO_LARGE, f"{len(data)} bytes are over the limit of {max_message_bytes}")
    if data.startswith(JPEG_MAGIC):
        return PlainFrame.model_construct(jpeg=data)
    fields = _unpack_map(data, max_message_bytes)
    if len(data) > MAX_WORD_BYTES and fields.get("type") != "frame":
        raise WireError(
            ErrorCode.MESSAGE_TOO_LARGE, f"{len(data)} bytes are over the limit of {MAX_WORD_BYTES} but for frames"
        )
    try:
        message = _client_message.validate_python(fields)
    except ValidationError as error:
        raise _refusal(error, fields) from None
    if isinstance(message, FrameMessage) and not message.jpeg.startswith(JPEG_MAGIC):
        raise WireError(ErrorCode.NOT_JPEG, ERROR_EXPLANATIONS[ErrorCode.NOT_JPEG], message.frame_id)
    if isinstance(message, Hello) and message.protocol != PROTOCOL_VERSION:
        raise WireError(
            ErrorCode.UNSUPPORTED_PROTOCOL, f"this server speaks protocol {PROTOCOL_VERSION}, not {message.protocol}"
        )
    return message


class _OneMap:
    """What a client's message is made of: one map, and in it one list at most. The hooks of one unpacking.

    The innermost of nested maps or lists ends first and the next one to end is refused, so that nothing is built
    of a message that nests: without this 2 MB of empty maps take a second and 100 MB.
    """

    def __init__(self) -> None:
        self._maps = 0
        self._lists = 0

    def end_map(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self._maps += 1
        if self._maps > 1:
            raise ValueError("a map in a map")
        return string_map(pairs)

    def end_list(self, values: list[Any]) -> list[Any]:
        self._lists += 1
        if self._lists > 1:
            raise ValueError("more than one list")
        return values


def _unpack_map(data: bytes, max_message_bytes: int) -> dict[str, Any]:
    shape = _OneMap()
    try:
        fields = msgpack.unpackb(
            data,
            object_pairs_hook=shape.end_map,
            list_hook=shape.end_list,
            ext_hook=no_extension,
            max_bin_len=max_message_bytes,
            max_str_len=1024,
            max_array_len=16,
            max_map_len=16,
            max_ext_len=0,
        )
    except (ValueError, TypeError) as error:  # TypeError: a key that cannot be hashed
        raise WireError(ErrorCode.BAD_MESSAGE, f"not a msgpack map: {str(error) or 'nested too deeply'}") from None
    if not isinstance(fields, dict):
        raise WireError(ErrorCode.BAD_MESSAGE, f"a msgpack map is expected, not {type(fields).__name__}")
    return fields


def _refusal(error: ValidationError, fields: dict[str, Any]) -> WireError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    frame_id = fields.get("frame_id")
    frame_id = frame_id if type(frame_id) is int and 0 <= frame_id < 2**53 else None
    if first["type"].startswith("union_tag"):
        return WireError(ErrorCode.UNKNOWN_TYPE, ERROR_EXPLANATIONS[ErrorCode.UNKNOWN_TYPE], frame_id)
    return WireError(ErrorCode.BAD_FIELD, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", frame_id)
