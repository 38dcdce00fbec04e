"""What the server sends: maps with a `type`. Results come in one message for each format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from splatcam.settings import RecordMode, SteadyMode
from splatcam.wire.terms import DepthBits, ErrorCode, Format, Message, Output


class ModelInfo(Message):
    """What estimates the depth, told in `welcome` and `status`."""

    name: str = Field(description="the name of --model that runs")
    title: str = Field(description="for people")
    supports_gaussians: bool = Field(description="has a Gaussian head: output `network` works")
    licence: str = Field(description="licence of the weights")
    non_commercial: bool = Field(description="the weights may not be used commercially")
    demonstration: bool = Field(description="a demonstration depth: believable, not measured")
    device: str = Field(default="cpu", description="where it runs")
    steady: SteadyMode = Field(default="off", description="how the world is held still from frame to frame")


class Limits(Message):
    """What this server accepts."""

    max_message_bytes: int
    max_frame_pixels: int
    frame_long_side_px: int = Field(description="the model's own long side: sending more is wasted")


class Welcome(Message):
    """The answer to `hello`, and again whenever the model changes."""

    type: Literal["welcome"] = "welcome"
    protocol: int
    session_id: str
    model: ModelInfo
    formats: list[Format] = Field(description="result formats this server can send")
    format: Format = Field(description="the one it will send you")
    limits: Limits
    recording: RecordMode = Field(
        description="off: nothing is recorded here; asked: by `record`; always: every camera is"
    )
    room: str | None = Field(None, description="of this client's camera, as its `hello` said")


class Status(Message):
    """What the engine is doing, unasked for, to clients that said hello."""

    type: Literal["status"] = "status"
    state: Literal["starting", "loading", "ready", "restarting", "failed"]
    message: str = Field(description="a sentence for people")
    progress: float | None = Field(None, description="0 to 1 while loading, where known")


class Error(Message):
    """An input was refused or a frame was lost."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    frame_id: int | None = None


class Pong(Message):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"
    t: float


class Adapted(Message):
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


class Recording(Message):
    """How the recording of a camera stands, to the camera and to everybody who watches it: when it begins, about once
    a second, when it ends; and to who comes while one runs."""

    type: Literal["recording"] = "recording"
    id: str = Field(description="under which it is found at /recordings")
    state: Literal["recording", "ended", "failed"] = Field(description="failed: it ended by itself, for `message`")
    steps: int = Field(description="frames in the file")
    seconds: float = Field(description="since it began, until it ended")
    size_bytes: int = Field(description="of the file")
    lost: int = Field(description="frames that could not be recorded: the disk was behind")
    sound: bool = Field(description="whether the file has any")
    message: str = Field(description="a sentence for people; empty where there is nothing to say")


class Bounds(Message):
    """The box around the means, in the camera's axes and the estimator's length unit."""

    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]


class Result(Message):
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


class GaussianPly(Result):
    """A 3D Gaussian splatting PLY file: binary little-endian, 14 floats a Gaussian (17 or with SH on request)."""

    type: Literal["gaussian_ply"] = "gaussian_ply"
    num_splats: int
    ply_data: bytes = Field(description="empty when num_splats is 0")


class PointCloud(Result):
    """Coloured points, OpenCV axes. Inside a message the arrays are unaligned: copy before viewing as floats."""

    type: Literal["pointcloud"] = "pointcloud"
    num_points: int
    points: bytes = Field(description="float32 x, y, z, little-endian")
    colors: bytes = Field(description="uint8 r, g, b, sRGB")


class Splats16(Result):
    """Spark PackedSplats: 16 bytes a splat, zero-padded to a multiple of 2048 splats."""

    type: Literal["splats16"] = "splats16"
    num_splats: int
    data: bytes = Field(description="four little-endian uint32 words a splat")


class Compact(Result):
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


SERVER_MESSAGES = (Welcome, Status, Adapted, Recording, Error, Pong, GaussianPly, PointCloud, Splats16, Compact)
RESULTS: dict[Format, type[Result]] = {
    Format.GAUSSIAN_PLY: GaussianPly,
    Format.POINTCLOUD: PointCloud,
    Format.SPLATS16: Splats16,
    Format.COMPACT: Compact,
}
