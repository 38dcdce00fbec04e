"""The protocol, version 1: what travels over the websocket. Pure: no socket, no clock, no event loop, no torch.

Its twin in the page is web/wire.js; both read the golden messages under tests/golden. docs/protocol.md is written
from this file, so a message, a field and an error code are described here and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from splatcam.settings import SteadyMode

PROTOCOL_VERSION = 1
JPEG_MAGIC = b"\xff\xd8\xff"
MAX_WORD_BYTES = 16 * 1024  # of a client's message that is no frame

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
    ErrorCode.UNKNOWN_SESSION: "`hello.watch` names a session that is not here.",
    ErrorCode.TOO_MANY_VARIANTS: "Too many different formats or settings are watched on this stream already.",
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


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


FrameId = Annotated[int, Field(ge=0, lt=2**53)]
Stride = Annotated[int, Field(ge=1, le=16)]
FormatName = Annotated[str, Field(max_length=64)]
ResultsPerS = Annotated[float, Field(gt=0, le=240)]
Milliseconds = Annotated[float, Field(description="milliseconds")]

# ---------------------------------------------------------------- client → server


class Hello(_Message):
    """Opens the full contract: results must be acknowledged from here on. Answered by `welcome`."""

    type: Literal["hello"] = "hello"
    protocol: int = Field(description="protocol version, 1")
    formats: list[FormatName] = Field(
        min_length=1,
        max_length=16,
        description="result formats this client reads, preferred first; unknown ones are skipped",
    )
    client: str = Field("", max_length=200, description="name and version of the client, for the log")
    watch: str | None = Field(
        None, max_length=64, description="session_id of a camera to watch instead of sending frames, or `newest`"
    )


class FrameMessage(_Message):
    """One picture of the camera. Only the newest waits; older ones that were not begun are dropped."""

    type: Literal["frame"] = "frame"
    frame_id: FrameId = Field(description="chosen by the client, echoed in the result")
    captured_at_ms: float = Field(description="the client's own clock, echoed, never compared")
    jpeg: bytes = Field(description="one JPEG, at most limits.max_message_bytes")


class Ack(_Message):
    """On receipt of a result. It pays for the next one."""

    type: Literal["ack"] = "ack"
    frame_id: FrameId = Field(description="the result's frame_id")


class Shown(_Message):
    """When the result is on the screen: the latency that people see."""

    type: Literal["shown"] = "shown"
    frame_id: FrameId = Field(description="the result's frame_id")
    latency_ms: float | None = Field(None, ge=0, description="capture to screen by the client's clock")


class SettingsMessage(_Message):
    """Changes this session's results only, from the next frame on. Absent fields stay as they are.

    What is `auto` the server chooses, and chooses again as the link changes: each choice is told in `adapted`.
    """

    type: Literal["settings"] = "settings"
    format: Annotated[Format, Field(strict=False)] | Auto | None = Field(
        None, description="one of those in `hello` (default auto)"
    )
    output: Output | Auto | None = Field(
        None,
        description="network: the model's own Gaussians; pixel: Gaussians from depth; points: a point cloud"
        " (default auto)",
    )
    sh: SphericalHarmonics | None = Field(
        None, description="dc: colour only; full: all bands the model gives (gaussian_ply)"
    )
    ply: PlyFields | None = Field(None, description="minimal: 14 floats; inria: 17 floats with zero normals")
    min_opacity: float | None = Field(None, ge=0, le=1, description="Gaussians below are pruned")
    max_depth_percentile: float | None = Field(None, gt=0, le=1, description="the farthest share beyond it is pruned")
    stride: Stride | Auto | None = Field(None, description="every n-th pixel of every n-th row (default auto)")
    depth_bits: DepthBits | Auto | None = Field(
        None, description="of a depth in `compact`; 10 makes smaller messages and coarser slopes (default auto)"
    )
    max_fps: ResultsPerS | Auto | None = Field(None, description="results per second at most (default auto)")


class Ping(_Message):
    """Answered by `pong` with the same t."""

    type: Literal["ping"] = "ping"
    t: float = Field(description="the client's own clock")


ClientMessage = Annotated[Hello | FrameMessage | Ack | Shown | SettingsMessage | Ping, Field(discriminator="type")]
_client_message: TypeAdapter[Any] = TypeAdapter(ClientMessage)
CLIENT_MESSAGES = (Hello, FrameMessage, Ack, Shown, SettingsMessage, Ping)


class PlainFrame(_Message):
    """A bare JPEG, from a client that speaks the plain contract."""

    jpeg: bytes


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
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValueError("a key comes twice")
        if not all(isinstance(name, str) for name in fields):
            raise ValueError("a key is no string")
        return fields

    def end_list(self, values: list[Any]) -> list[Any]:
        self._lists += 1
        if self._lists > 1:
            raise ValueError("more than one list")
        return values

    def extension(self, code: int, data: bytes) -> Any:
        raise ValueError("an extension type")


def _unpack_map(data: bytes, max_message_bytes: int) -> dict[str, Any]:
    shape = _OneMap()
    try:
        fields = msgpack.unpackb(
            data,
            object_pairs_hook=shape.end_map,
            list_hook=shape.end_list,
            ext_hook=shape.extension,
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


# ---------------------------------------------------------------- server → client


class ModelInfo(_Message):
    """What estimates the depth, told in `welcome` and `status`."""

    name: str = Field(description="the name of --model that runs")
    title: str = Field(description="for people")
    supports_gaussians: bool = Field(description="has a Gaussian head: output `network` works")
    licence: str = Field(description="licence of the weights")
    non_commercial: bool = Field(description="the weights may not be used commercially")
    demonstration: bool = Field(description="a demonstration depth: believable, not measured")
    device: str = Field(default="cpu", description="where it runs")
    steady: SteadyMode = Field(default="off", description="how the world is held still from frame to frame")


class Limits(_Message):
    """What this server accepts."""

    max_message_bytes: int
    max_frame_pixels: int
    frame_long_side_px: int = Field(description="the model's own long side: sending more is wasted")


class Welcome(_Message):
    """The answer to `hello`, and again whenever the model changes."""

    type: Literal["welcome"] = "welcome"
    protocol: int
    session_id: str
    model: ModelInfo
    formats: list[Format] = Field(description="result formats this server can send")
    format: Format = Field(description="the one it will send you")
    limits: Limits


class Status(_Message):
    """What the engine is doing, unasked for, to clients that said hello."""

    type: Literal["status"] = "status"
    state: Literal["starting", "loading", "ready", "restarting", "failed"]
    message: str = Field(description="a sentence for people")
    progress: float | None = Field(None, description="0 to 1 while loading, where known")


class Error(_Message):
    """An input was refused or a frame was lost."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    frame_id: int | None = None


class Pong(_Message):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    t: float


class Adapted(_Message):
    """What the server sends this client from now on, and why: after `welcome`, and whenever that changes."""

    type: Literal["adapted"] = "adapted"
    format: Format
    output: Output
    stride: int = Field(description="every n-th pixel of every n-th row")
    depth_bits: DepthBits | None = Field(None, description="of `compact`")
    max_fps: float | None = Field(None, description="results per second at most; absent: as they are made")
    pinned: list[str] = Field(description="the fields above that this client's `settings` decided")
    reason: str = Field(description="a sentence for people")
    link_mbit_s: float | None = Field(None, description="what the link carries, where it was full and so is known")
    round_trip_ms: float | None = Field(None, description="from a result to its `ack`")


class Bounds(_Message):
    """The box around the means, in the camera's axes and the estimator's length unit."""

    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]


class _Result(_Message):
    frame_id: int = Field(description="the frame's own; plain frames are counted from 0")
    captured_at_ms: float = Field(description="as the client sent it; 0 for plain frames")
    received_at_ms: float = Field(
        description="when the frame came in, by a clock of the server: only differences mean something"
    )
    timings_ms: dict[str, float] = Field(description="by stage, in order; `total` is receipt to message")
    bounds: Bounds | None = Field(description="absent from an empty frame")
    model: str = Field(description="name of the model that made it")
    intrinsics: tuple[float, float, float, float] = Field(
        description="fx, fy, cx, cy of the estimated grid, pixel centres at +0.5"
    )
    grid: tuple[int, int] = Field(description="height, width of the estimated grid")
    pose: tuple[float, float, float, float, float, float, float] | None = Field(
        None,
        description="where the camera was in the stream's world: its rotation as the quaternion wxyz, then x, y, z of"
        " its place. Everything else in the result is told in the camera's own axes, and is to be moved so; absent:"
        " they are the world's",
    )


class GaussianPly(_Result):
    """A 3D Gaussian splatting PLY file: binary little-endian, 14 floats a Gaussian (17 or with SH on request)."""

    type: Literal["gaussian_ply"] = "gaussian_ply"
    num_splats: int
    ply_data: bytes = Field(description="empty when num_splats is 0")


class PointCloud(_Result):
    """Coloured points, OpenCV axes. Inside a message the arrays are unaligned: copy before viewing as floats."""

    type: Literal["pointcloud"] = "pointcloud"
    num_points: int
    points: bytes = Field(description="float32 x, y, z, little-endian")
    colors: bytes = Field(description="uint8 r, g, b, sRGB")


class Splats16(_Result):
    """Spark PackedSplats: 16 bytes a splat, zero-padded to a multiple of 2048 splats."""

    type: Literal["splats16"] = "splats16"
    num_splats: int
    data: bytes = Field(description="four little-endian uint32 words a splat")


class Compact(_Result):
    """Planes of a window of the grid, from which the client makes the Gaussians itself.

    Level A, output `pixel`: depth and colour; the shapes follow from the depth's slope. Level C, output `network`:
    `shape` is there as well, the Gaussians as the network predicted them.

    The planes are raw deflate. Depth step q of a pixel stands for z = near exp(q ln(far / near) / (2^depth_bits - 1)).
    The plane has d[r,c] = q[r,c] - q[r,c-1], at the start of a row d[r,0] = q[r,0] - q[r-1,0] (q[-1,0] = 0), each as
    uint16: 2d where d >= 0, else -2d - 1. First the low bytes of all pixels row by row, then all high bytes.
    ln z is off by ln(far / near) / (2^(depth_bits + 1) - 2) at most.

    `shape` has nine planes of a byte for each splat, in the order of the splats: b[n] - b[n-1] (b[-1] = 0) modulo 256.
    b / 255 of `opacity`; then signed bytes: b / 8 is ln(scale fx / (z stride)) of the three scales; b / 64 are x, y, z
    of p = (x, y, z) / (1 + w), the rotation as the quaternion wxyz with w >= 0; b / 8 are x and y of the mean in pixels
    of the window, from the middle of its own pixel. Values out of range are moved to its end. Within it an opacity is
    off by 1/102 at most, ln of a scale by 1/16, a rotation by 3.1 degrees, a place by 1/16 pixel.
    splatcam/codecs/compact.py and compact_shape.py are the reference.
    """

    type: Literal["compact"] = "compact"
    num_splats: int = Field(description="pixels of the window that are splats, in the order of its rows")
    window: tuple[int, int, int, int] = Field(
        description="first row and first column of the grid that are in it; its rows, its columns"
    )
    stride: int = Field(description="row r of the window is row `window[0] + r * stride` of the grid; columns alike")
    near: float = Field(description="depth of step 0, > 0")
    far: float = Field(description="depth of the last step, > near")
    depth_bits: DepthBits
    opacity: float = Field(description="of every splat, 0 to 1; with `shape`: what byte 255 of its opacities is")
    depth: bytes = Field(description="every pixel of the window, splat or not")
    mask: bytes | None = Field(
        None,
        description="a bit for every pixel row by row, 1: a splat; the first in the highest bit, padded with 0 at the"
        " very end; absent where all are",
    )
    shape: bytes | None = Field(None, description="level C: opacities, scales, rotations and offsets of the splats")
    color: bytes | None = Field(
        None,
        description="a JPEG of the whole grid, of any size and orientation tag; absent: the picture that this client"
        " itself sent as frame_id. With `shape`: of the window, a pixel for each of its pixels; absent without splats",
    )


SERVER_MESSAGES = (Welcome, Status, Adapted, Error, Pong, GaussianPly, PointCloud, Splats16, Compact)
RESULTS: dict[Format, type[_Result]] = {
    Format.GAUSSIAN_PLY: GaussianPly,
    Format.POINTCLOUD: PointCloud,
    Format.SPLATS16: Splats16,
    Format.COMPACT: Compact,
}


def encode(message: _Message) -> bytes:
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
