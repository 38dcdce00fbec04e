"""What clients send: a map with a `type`, or a bare JPEG."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from splatcam.wire.terms import (
    MAX_SOUND_BYTES,
    SAMPLE_BYTES,
    Auto,
    DepthBits,
    Format,
    FormatName,
    FrameId,
    Message,
    Output,
    PlyFields,
    ResultsPerS,
    RoomName,
    SphericalHarmonics,
    Stride,
)


class Hello(Message):
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
        None,
        max_length=64,
        description="session_id or room of a camera to watch instead of sending frames, or `newest`",
    )
    room: RoomName | None = Field(
        None,
        description="a name under which this client's camera can be watched as well, of 1 to 40 letters, digits, - and"
        " _; where several cameras have it, the newest is meant",
    )


class FrameMessage(Message):
    """One picture of the camera. Only the newest waits; older ones that were not begun are dropped."""

    type: Literal["frame"] = "frame"
    frame_id: FrameId = Field(description="chosen by the client, echoed in the result")
    captured_at_ms: float = Field(description="the client's own clock, echoed, never compared")
    jpeg: bytes = Field(description="one JPEG, at most limits.max_message_bytes")


class Ack(Message):
    """On receipt of a result. It pays for the next one."""

    type: Literal["ack"] = "ack"
    frame_id: FrameId = Field(description="the result's frame_id")


class Shown(Message):
    """When the result is on the screen: the latency that people see."""

    type: Literal["shown"] = "shown"
    frame_id: FrameId = Field(description="the result's frame_id")
    latency_ms: float | None = Field(None, ge=0, description="capture to screen by the client's clock")


class SettingsMessage(Message):
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


class Ping(Message):
    """Answered by `pong` with the same t."""

    type: Literal["ping"] = "ping"
    t: float = Field(description="the client's own clock")


class Record(Message):
    """Keeps what this client's own camera shows from now on, or ends that. Answered by `recording` or an `error`;
    who asks for what is so already is told how it stands."""

    type: Literal["record"] = "record"
    action: Literal["start", "stop"]


class Sound(Message):
    """A piece of what the camera's microphone hears: kept while this client's camera is recorded, else dropped."""

    type: Literal["sound"] = "sound"
    captured_at_ms: float = Field(description="when its first sample was heard, by the clock of `frame`")
    sample_rate: int = Field(ge=8000, le=48_000, description="samples a second")
    samples: bytes = Field(max_length=MAX_SOUND_BYTES, description="int16, little-endian, one channel; 12 KB at most")

    @field_validator("samples")
    @classmethod
    def _are_whole(cls, samples: bytes) -> bytes:
        if not samples or len(samples) % SAMPLE_BYTES:
            raise ValueError("whole samples, at least one")
        return samples


ClientMessage = Annotated[
    Hello | FrameMessage | Ack | Shown | SettingsMessage | Ping | Record | Sound, Field(discriminator="type")
]
CLIENT_MESSAGES = (Hello, FrameMessage, Ack, Shown, SettingsMessage, Ping, Record, Sound)


class PlainFrame(Message):
    """A bare JPEG, from a client that speaks the plain contract."""

    jpeg: bytes
