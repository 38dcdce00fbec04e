"""What happened: stage timings of a frame, counters and distributions of the service. No I/O.

Every number that anybody may read is kept here, once: `metrics.py` shows them to Prometheus, the log tells a summary.
What they are counted by are closed sets: nothing that a client or a model sends makes a new label.

    received = delivered + superseded + unwatched + refused + failed + in flight
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

WINDOW = 1024  # values kept per stage between two summaries
LONGEST_MS = 600_000.0  # `shown` comes from clients: beyond it one of them would own the sum

# ---------------------------------------------------------------- what is counted by

# delivered: its result went to those who watch, or is recorded; superseded: a newer one came before it was begun;
# unwatched: nobody wanted its result, or its session left; refused: an error of its own; failed: a fault of the engine.
FrameOutcome = Literal["delivered", "superseded", "unwatched", "refused", "failed"]
# replaced: a newer result came before the client's link had room.
ResultOutcome = Literal["sent", "replaced"]
# Why the engine's process was replaced. exit: it ended by itself, or was killed; hang: a frame took too long; silence:
# no sign of life; device: a fault that stays with it; memory: frames are refused for want of it; load: it did not load.
RestartCause = Literal["exit", "hang", "silence", "device", "memory", "load"]
# Why a request was answered before it became a session.
RefusalReason = Literal["full", "address", "rate", "token", "origin", "host", "draining"]
# ended: in order; failed: by itself, the disk took no more; refused: it never began.
RecordingOutcome = Literal["ended", "failed", "refused"]
SessionKind = Literal["live", "pictures"]
Direction = Literal["in", "out"]
# wait: for its turn; decode to encode: in the engine; engine: the way there and back; shown: as the client tells it.
Stage = Literal["wait", "decode", "estimate", "splats", "prune", "encode", "engine", "total", "shown", "other"]
# How a websocket ended; a client may send any number.
CLOSE_CODES = ("1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1011", "1012", "1013", "4408")
CLOSE_LABELS = (*CLOSE_CODES, "other")

STAGE_BOUNDS_MS = (1, 2, 5, 10, 20, 33, 50, 100, 200, 500, 1000, 2000, 5000)
LAG_BOUNDS_MS = (0.5, 1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 5000)
GAUSSIANS_BOUNDS = (0, 1000, 10_000, 25_000, 50_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000)

# ---------------------------------------------------------------- one frame


class FrameTimings:
    """Milliseconds by stage, in the order in which the stages first ran; a stage that runs twice adds up."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - begin) * 1e3


# ---------------------------------------------------------------- distributions


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed. NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Histogram:
    """How many values lie up to each bound, since the start."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)  # the last one: beyond every bound
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(frozen=True)
class Percentiles:
    p50: float
    p95: float


@dataclass(frozen=True)
class Summary:
    """The time since the summary before."""

    outputs: list[str]
    in_fps: float
    out_fps: float
    frames_dropped: int
    results_replaced: int
    errors: int
    result_bytes: float | None  # the median; None where nothing was sent
    stages_ms: dict[str, Percentiles]

    def __str__(self) -> str:
        stages = [f"{stage} {ms.p50:.1f}/{ms.p95:.1f}" for stage, ms in self.stages_ms.items()]
        parts = [
            "+".join(self.outputs) or "no output",
            f"in {self.in_fps:.1f} fps",
            f"out {self.out_fps:.1f} fps",
            f"dropped {self.frames_dropped}+{self.results_replaced}",
            f"errors {self.errors}",
            "nothing sent" if self.result_bytes is None else f"{self.result_bytes / 1e3:.0f} KB/frame",
            "p50/p95 ms: " + ", ".join(stages) if stages else "no frame finished",
        ]
        return " | ".join(parts)

    def fields(self) -> dict[str, object]:
        """For a log that machines read: of more than three digits after the point it would only get longer."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


# ---------------------------------------------------------------- the service


class Telemetry:
    """Counts and distributions since the start, and since the last summary. One event loop, no locks."""

    def __init__(self) -> None:
        self.frames_received = 0
        self.frames: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.engine_restarts: Counter[str] = Counter()
        self.connections_refused: Counter[str] = Counter()
        self.sockets_closed: Counter[str] = Counter()  # by CLOSE_LABELS
        self.bytes: Counter[str] = Counter()
        self.sessions: Counter[str] = Counter()  # open now
        self.nonfinite = 0
        self.recordings_running = 0
        self.recordings: Counter[str] = Counter()
        self.recorded_steps = 0
        self.recorded_bytes = 0
        self.recorded_lost = 0
        self.stages_ms: dict[str, Histogram] = {stage: Histogram(STAGE_BOUNDS_MS) for stage in get_args(Stage)}
        self.gaussians = Histogram(GAUSSIANS_BOUNDS)
        self.loop_lag_ms = Histogram(LAG_BOUNDS_MS)
        self._recent = _Recent(self)

    @property
    def frames_in_flight(self) -> int:
        """In a mailbox or in the engine."""
        return self.frames_received - self.frames.total()

    def received(self) -> None:
        """A frame came. `ended` is owed for it, once."""
        self.frames_received += 1

    def ended(self, outcome: FrameOutcome) -> None:
        self.frames[outcome] += 1

    def result(self, outcome: ResultOutcome, size_bytes: int = 0) -> None:
        """What became of a result on its way to one viewer."""
        self.results[outcome] += 1
        if outcome == "sent":
            self._recent.result_bytes.append(size_bytes)

    def made(self, output: str, gaussians: int) -> None:
        """A result was encoded: as `output`, with so many Gaussians or points."""
        self._recent.outputs.add(output)
        self.gaussians.observe(gaussians)

    def told_error(self) -> None:
        """An `error` went to a client."""
        self._recent.errors += 1

    def dropped_nonfinite(self, count: int) -> None:
        """Of so many pixels of a frame the model gave no number."""
        self.nonfinite += count

    def engine_restarted(self, cause: RestartCause) -> None:
        self.engine_restarts[cause] += 1

    def connection_refused(self, reason: RefusalReason) -> None:
        self.connections_refused[reason] += 1

    def session_opened(self, kind: SessionKind) -> None:
        self.sessions[kind] += 1

    def session_closed(self, kind: SessionKind, code: int) -> None:
        self.sessions[kind] -= 1
        self.closed(code)

    def closed(self, code: int) -> None:
        """A websocket ended."""
        label = str(code)
        self.sockets_closed[label if label in CLOSE_CODES else "other"] += 1

    def recording_began(self) -> None:
        self.recordings_running += 1

    def recording_ended(self, outcome: RecordingOutcome) -> None:
        self.recordings[outcome] += 1
        if outcome != "refused":
            self.recordings_running -= 1

    def recorded(self, steps: int, size_bytes: int, lost: int) -> None:
        """So much more is in files, or is lost to them."""
        self.recorded_steps += steps
        self.recorded_bytes += size_bytes
        self.recorded_lost += lost

    def transferred(self, direction: Direction, size_bytes: int) -> None:
        self.bytes[direction] += size_bytes

    def lagged(self, ms: float) -> None:
        """The event loop woke a sleeper so much too late."""
        self.loop_lag_ms.observe(ms)

    def observe(self, stage: str, ms: float) -> None:
        """A stage of a frame took so long. One that is not known by name is an `other`."""
        stage, ms = stage if stage in self.stages_ms else "other", min(ms, LONGEST_MS)
        self.stages_ms[stage].observe(ms)
        self._recent.observe(stage, ms)

    def summary(self, elapsed_s: float) -> Summary | None:
        """About the time since the last one; None when nothing came in."""
        recent, self._recent = self._recent, _Recent(self)
        return recent.summary(self, elapsed_s)


class _Recent:
    """What came since a moment, and what the totals were then."""

    def __init__(self, at: Telemetry) -> None:
        self.outputs: set[str] = set()
        self.errors = 0
        self.result_bytes: deque[int] = deque(maxlen=WINDOW)
        self._received = at.frames_received
        self._frames = at.frames.copy()
        self._results = at.results.copy()
        self._stages_ms: dict[str, deque[float]] = {}

    def observe(self, stage: str, ms: float) -> None:
        self._stages_ms.setdefault(stage, deque(maxlen=WINDOW)).append(ms)

    def summary(self, now: Telemetry, elapsed_s: float) -> Summary | None:
        if now.frames_received == self._received:
            return None
        frames, results = now.frames - self._frames, now.results - self._results
        stages = {s: Percentiles(percentile(ms, 0.5), percentile(ms, 0.95)) for s, ms in self._stages_ms.items()}
        return Summary(
            outputs=sorted(self.outputs),
            in_fps=(now.frames_received - self._received) / elapsed_s,
            out_fps=results["sent"] / elapsed_s,
            frames_dropped=frames["superseded"] + frames["unwatched"],
            results_replaced=results["replaced"],
            errors=self.errors,
            result_bytes=percentile(self.result_bytes, 0.5) if self.result_bytes else None,
            stages_ms=stages,
        )
