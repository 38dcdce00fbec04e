"""Where the torch work runs. The server's process talks to this interface and imports no torch.

`inline.py` runs it in a thread of this process (tests, benchmark); `supervised.py` in a process of its own, and in the
next one when that is gone (the service).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from splatcam.frame_job import FrameJob, FrameResult
from splatcam.rendering.picture_job import Picture, PictureJob
from splatcam.wire import ModelInfo

EngineState = Literal["starting", "loading", "ready", "restarting", "failed"]


@dataclass(frozen=True)
class EngineStatus:
    """What the engine is doing. `model` is what answers frames now, also while a better one is loading."""

    state: EngineState
    message: str
    model: ModelInfo | None = None
    progress: float | None = None


OnStatus = Callable[[EngineStatus], None]


class EngineFailed(RuntimeError):
    """The engine cannot work: the model did not load, or the process is gone."""


class EngineRestarting(EngineFailed):
    """The process that had this frame is gone, and another one is on its way."""


def did_not_load(name: str, error: Exception) -> str:
    """One sentence for whatever kept a model from loading; the log has the rest."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{name} did not load: {type(error).__name__}: {first_line}"


class Engine(Protocol):
    """Turns jobs into results, one at a time, in the order asked."""

    status: EngineStatus

    async def start(self, on_status: OnStatus) -> None:
        """Load the model. Returns when the first frame can be processed; raises EngineFailed."""
        ...

    async def process(self, job: FrameJob) -> FrameResult:
        """Raises frame_job.FrameRefused or EngineFailed."""
        ...

    async def draw(self, job: PictureJob) -> Picture:
        """A picture of what a frame with `wants_scene` left behind, beside the frames. One at a time, in the order
        asked. Raises NothingToShow or EngineFailed."""
        ...

    def forget(self, stream_id: str) -> None:
        """The stream ended: drop what is remembered of it."""
        ...

    async def close(self) -> None: ...
