"""Where the time went: stage timings of a frame, counters and percentiles of the service. No I/O here."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

WINDOW = 1024  # values kept per stage between two summaries


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


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed. NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Telemetry:
    """Counts and distributions since the last summary."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._values: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self.totals: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        self._counts[name] += by
        self.totals[name] += by

    def observe(self, name: str, value: float) -> None:
        self._values[name].append(value)

    def summary(self, elapsed_s: float) -> str | None:
        """One line about the time since the last one; None when nothing came in."""
        counts, values = self._counts, self._values
        self._counts, self._values = Counter(), defaultdict(lambda: deque(maxlen=WINDOW))
        if not counts["frames_in"]:
            return None
        outputs = [name.removeprefix("output_") for name in sorted(counts) if name.startswith("output_")]
        stages = [
            f"{name.removeprefix('ms_')} {percentile(v, 0.5):.1f}/{percentile(v, 0.95):.1f}"
            for name, v in values.items()
            if name.startswith("ms_")
        ]
        size = percentile(values.get("result_bytes", ()), 0.5) / 1e3
        parts = [
            f"{'+'.join(outputs) or 'no output'}",
            f"in {counts['frames_in'] / elapsed_s:.1f} fps",
            f"out {counts['results_sent'] / elapsed_s:.1f} fps",
            f"dropped {counts['frames_dropped']}+{counts['results_dropped']}",
            f"errors {counts['errors']}",
            f"{size:.0f} KB/frame" if counts["results_sent"] else "nothing sent",
            "p50/p95 ms: " + ", ".join(stages) if stages else "no frame finished",
        ]
        return " | ".join(parts)
