"""What crosses the pipe between server and engine, beside FrameJob, EngineStatus and None (the end)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from splatcam.frame_job import FrameJob, SceneFacts
from splatcam.rendering.picture_job import Picture, PictureJob
from splatcam.telemetry import RestartCause
from splatcam.variants import Variant


@dataclass(frozen=True)
class Attach:
    """Server → engine: write results into this shared memory from now on."""

    name: str


@dataclass(frozen=True)
class Forget:
    """Server → engine: a stream ended."""

    stream_id: str


@dataclass(frozen=True)
class Announce:
    """Server → engine: this frame waits for its turn. Its job follows, unless it is given up."""

    job: FrameJob


@dataclass(frozen=True)
class LoadFailed:
    """Engine → server: the model did not load, and the process ends."""

    message: str


@dataclass(frozen=True)
class Alive:
    """Engine → server: each second, whatever else happens."""


@dataclass(frozen=True)
class Companions:
    """Engine → server: the frame under way goes through the model beside frames of these streams. Who is to blame for
    what comes of it, nobody can tell."""

    stream_ids: tuple[str, ...]


@dataclass(frozen=True)
class Ending:
    """Engine → server: the process cannot go on, and ends. A frame that is under way gets no answer."""

    cause: RestartCause
    during: Literal["frame", "picture"]


@dataclass(frozen=True)
class Blob:
    """Stands for bytes that lie in shared memory."""

    offset: int
    size: int


@dataclass(frozen=True)
class Done:
    """A frame's result. `wants_bytes`: shared memory was too small, so bytes came by the pipe."""

    fields: dict[Variant, dict[str, Any]]
    timings_ms: dict[str, float]
    wants_bytes: int = 0
    facts: SceneFacts | None = None
    dropped_nonfinite: int = 0


@dataclass(frozen=True)
class Refused:
    """This frame cannot be processed; the next one can."""

    code: str
    message: str


@dataclass(frozen=True)
class Failed:
    """The frame met a fault that is not its own."""

    message: str


@dataclass(frozen=True)
class Answer:
    """Engine → server: what became of the job under way."""

    outcome: Done | Refused | Failed


@dataclass(frozen=True)
class Draw:
    """Server → engine: a picture, beside the frames. Answered in any order."""

    number: int
    job: PictureJob


@dataclass(frozen=True)
class Nothing:
    """There is no scene to draw."""


@dataclass(frozen=True)
class Drawn:
    """Engine → server: the picture with that number."""

    number: int
    outcome: Picture | Nothing | Failed
