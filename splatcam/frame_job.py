"""What goes into the pipeline and what comes out. Travels between processes, so: plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from splatcam.variants import Variant


@dataclass(frozen=True)
class FrameJob:
    """One frame to be processed, in every variant that somebody watches."""

    stream_id: str  # frames of one camera share the estimator's memory
    frame_id: int
    captured_at_ms: float
    jpeg: bytes
    variants: tuple[Variant, ...]
    wants_scene: bool = False  # somebody watches pictures that the server draws: its Gaussians are kept


@dataclass(frozen=True)
class SceneFacts:
    """What is told of a scene that was kept."""

    gaussians: int
    distance: float  # median depth of the Gaussians, 0 where there are none
    pose: tuple[float, ...] | None = None  # of the camera, as in wire.server; None: the camera is the world


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What became of it: per variant the fields of its result message, and the milliseconds of each stage."""

    fields: dict[Variant, dict[str, Any]]
    timings_ms: dict[str, float]
    facts: SceneFacts | None = None
    scene: Any = None  # the Gaussians that were asked for: they stay where torch is
    dropped_nonfinite: int = 0  # pixels of which the model gave no number


class FrameRefused(Exception):
    """This frame cannot be processed; `code` is a wire.ErrorCode value. The engine goes on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # both as arguments: exceptions cross the process border by them
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
