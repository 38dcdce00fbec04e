"""Whether the engine's process still lives, judged by what it says and by how long its frames take. Pure: time passes
when it is told so.

Only time in which the server itself was awake should be told: a server that was stopped has missed words that were
said meanwhile.
"""

from __future__ import annotations

from splatcam.engine import EngineState
from splatcam.telemetry import RestartCause

USUAL_FACTOR = 20  # times as long as its frames usually take, a frame may
SLOW_START_FACTOR = 6  # as long as others, the first frame may: kernels are chosen, code is compiled
SMOOTHING = 0.1  # of the newest frame in the average


class Watch:
    """One life of one process."""

    def __init__(self, frame_deadline_s: float, silence_s: float) -> None:
        self._frame_deadline_s = frame_deadline_s
        self._silence_s = silence_s
        self._state: EngineState = "starting"
        self._was_ready = False
        self._is_first = True  # no frame has been finished with this model
        self._usual_s = 0.0
        self._silent_for_s = 0.0
        self._busy_for_s: float | None = None  # None between frames

    def heard(self) -> None:
        """It said something."""
        self._silent_for_s = 0.0

    def changed(self, state: EngineState) -> None:
        """It said what it does. After `ready` another model may answer."""
        self._state = state
        if state == "ready":
            self._was_ready = self._is_first = True

    def began(self) -> None:
        """A frame is on its way."""
        self._busy_for_s = 0.0

    def finished(self, took_s: float) -> None:
        self._busy_for_s = None
        self._usual_s = took_s if self._usual_s == 0 else self._usual_s + SMOOTHING * (took_s - self._usual_s)
        self._is_first = False

    def passed(self, seconds: float) -> RestartCause | None:
        """Time went by. Returns why the process has to go, if it has to."""
        if not self._was_ready:
            return None  # a download takes its time, and imports may hold the interpreter's lock for all of it
        self._silent_for_s += seconds
        if self._busy_for_s is not None:
            self._busy_for_s += seconds
            if self._busy_for_s > self._deadline_s:
                return "hang"
        return "silence" if self._silent_for_s > self._silence_s and self._state != "loading" else None

    @property
    def _deadline_s(self) -> float:
        patience = SLOW_START_FACTOR if self._is_first or self._state == "loading" else 1
        return max(self._frame_deadline_s * patience, self._usual_s * USUAL_FACTOR)
