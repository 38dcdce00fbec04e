"""The words of the protocol: formats, error codes, close codes, and what fields are made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL_VERSION = 1
JPEG_MAGIC = b"\xff\xd8\xff"
MAX_WORD_BYTES = 16 * 1024  # of a client's message that is no frame
MAX_SOUND_BYTES = 12 * 1024  # of the samples of one message: an eighth of a second at the highest rate
SAMPLE_BYTES = 2

Output = Literal["network", "pixel", "points"]
SphericalHarmonics = Literal["dc", "full"]
PlyFields = Literal["minimal", "inria"]
DepthBits = Literal[10, 12]
Auto = Literal["auto"]  # as suits the link, from now on


class Format(StrEnum):
    """How a result travels. The value is also the `type` of the message."""

    GAUSSIAN_PLY = "gaussian_ply"
    POINTCLOUD = "pointcloud"
    SPLATS16 = "splats16"
    COMPACT = "compact"


SPLAT_FORMATS = (Format.COMPACT, Format.SPLATS16, Format.GAUSSIAN_PLY)


class ErrorCode(StrEnum):
    """Why an input was refused or a frame was lost. The session goes on after each of them."""

    TEXT_MESSAGE = "text_message"
    BAD_MESSAGE = "bad_message"
    UNKNOWN_TYPE = "unknown_type"
    BAD_FIELD = "bad_field"
    MESSAGE_TOO_LARGE = "message_too_large"
    NOT_JPEG = "not_jpeg"
    BAD_JPEG = "bad_jpeg"
    FRAME_TOO_LARGE = "frame_too_large"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    UNSUPPORTED_FORMAT = "unsupported_format"
    NO_GAUSSIAN_HEAD = "no_gaussian_head"
    UNKNOWN_SESSION = "unknown_session"
    TOO_MANY_VARIANTS = "too_many_variants"
    RECORDING_REFUSED = "recording_refused"
    RATE_LIMITED = "rate_limited"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_FINITE = "not_finite"
    QUARANTINED = "quarantined"
    ENGINE_RESTARTING = "engine_restarting"
    ENGINE_FAILED = "engine_failed"


ERROR_EXPLANATIONS = {
    ErrorCode.TEXT_MESSAGE: "The protocol is binary: send a JPEG or a msgpack map.",
    ErrorCode.BAD_MESSAGE: "Neither a JPEG (FF D8 FF) nor one msgpack map with string keys.",
    ErrorCode.UNKNOWN_TYPE: "The map's `type` is missing or not one of the client's messages.",
    ErrorCode.BAD_FIELD: "A field is missing, unknown, of the wrong type or out of range; the message names it.",
    ErrorCode.MESSAGE_TOO_LARGE: "Over `limits.max_message_bytes`, or 16 KB and no frame. Far beyond: close code 1009.",
    ErrorCode.NOT_JPEG: "The `jpeg` field does not start with FF D8 FF.",
    ErrorCode.BAD_JPEG: "Truncated, damaged, CMYK, too small, too narrow, or built to keep a decoder busy.",
    ErrorCode.FRAME_TOO_LARGE: "More pixels than `limits.max_frame_pixels`.",
    ErrorCode.UNSUPPORTED_PROTOCOL: "`hello` asks for a protocol version this server does not speak.",
    ErrorCode.UNSUPPORTED_FORMAT: "None of the formats in `hello` can carry the output asked for.",
    ErrorCode.NO_GAUSSIAN_HEAD: "Output `network` was asked of a model that predicts no Gaussians.",
    ErrorCode.UNKNOWN_SESSION: "`hello.watch` names a session or a room that is not here.",
    ErrorCode.TOO_MANY_VARIANTS: "Too many different formats or settings are watched on this stream already.",
    ErrorCode.RECORDING_REFUSED: "Nothing can be recorded now: the message says why. The live stream goes on.",
    ErrorCode.RATE_LIMITED: "More messages or bytes than this server takes; who goes on so is closed with 1008.",
    ErrorCode.OUT_OF_MEMORY: "The device had no memory for this frame, also not at a smaller size. Others may do.",
    ErrorCode.NOT_FINITE: "Most of what the model made of this frame is no number.",
    ErrorCode.QUARANTINED: "This very frame, or two of this camera, brought the model down before: not tried again.",
    ErrorCode.ENGINE_RESTARTING: "The frame was lost with the model's process, which is starting again: keep sending.",
    ErrorCode.ENGINE_FAILED: "The frame could not be processed; the fault is the server's and in its log.",
}

CLOSE_CODES = {
    1001: "The server is going away: come back now.",
    1008: "Not allowed.",
    1009: "A message was far too large.",
    1011: "A fault of the server: come back after a pause.",
    1012: "The server restarts: come back now.",
    1013: "The server is full: come back after a pause.",
    4408: "Nothing was sent or watched for long: come back when there is something.",
}


class WireError(ValueError):
    """An input was refused. Goes back to the client as an `error` message."""

    def __init__(self, code: ErrorCode, message: str, frame_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.frame_id = frame_id


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


FrameId = Annotated[int, Field(ge=0, lt=2**53)]
Stride = Annotated[int, Field(ge=1, le=16)]
FormatName = Annotated[str, Field(max_length=64)]
RoomName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
ResultsPerS = Annotated[float, Field(gt=0, le=240)]
Milliseconds = Annotated[float, Field(description="milliseconds")]
