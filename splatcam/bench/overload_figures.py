"""What an overloaded service is measured by, and what is asked of each figure. No measuring here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NewestWins:
    """One camera of 60 pictures a second, an engine of 33 ms."""

    sent: int
    results: int
    superseded: int
    unaccounted: int  # received and neither ended nor in flight
    p50_ms: float
    p95_ms: float
    engine_busy: float  # share of the time in which a frame was with the engine
    engine_works: float  # the same without the way there and back


@dataclass(frozen=True)
class Turns:
    """Eight cameras; results of each."""

    results: tuple[int, ...]

    @property
    def ratio(self) -> float:
        return max(self.results) / max(1, min(self.results))


@dataclass(frozen=True)
class Flood:
    """One of the eight sends a hundred times as much."""

    flooder_sent: int
    flooder_results: int
    others_before: int  # results of the seven, in the same time without it
    others: int

    @property
    def cost(self) -> float:
        return 1 - self.others / max(1, self.others_before)


@dataclass(frozen=True)
class FreeLoop:
    """Large results go out; how late the server's loop wakes."""

    results_per_s: float
    mb_per_s: float
    mb_per_result: float
    lag_p50_ms: float
    lag_p99_ms: float
    rest_lag_p99_ms: float  # of the same service on the same machine while nothing is asked of it


@dataclass(frozen=True)
class Report:
    newest_wins: NewestWins
    turns: Turns
    flood: Flood
    free_loop: FreeLoop


@dataclass(frozen=True)
class Goal:
    name: str
    value: float
    unit: str
    sense: Literal["at most", "at least"]
    bar: float

    @property
    def is_met(self) -> bool:
        return self.value <= self.bar if self.sense == "at most" else self.value >= self.bar


def goals(report: Report) -> list[Goal]:
    return [
        Goal("latency p95 under overload", report.newest_wins.p95_ms, "ms", "at most", 100),
        Goal("engine busy", 100 * report.newest_wins.engine_busy, "%", "at least", 95),
        Goal("frames unaccounted for", report.newest_wins.unaccounted, "", "at most", 0),
        Goal("eight sessions, most over fewest results", report.turns.ratio, "", "at most", 1.25),
        Goal("a flooder costs the others", 100 * report.flood.cost, "%", "at most", 10),
        Goal("loop lag p99 while large results go out", report.free_loop.lag_p99_ms, "ms", "at most", 20),
    ]
