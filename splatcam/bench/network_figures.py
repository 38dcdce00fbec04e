"""What a client saw over a thin link → figures, and which goals they miss. Pure: nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from splatcam.bench.network_trial import Trial
from splatcam.bench.report import FrameRecord, Run
from splatcam.telemetry import percentile

GOAL_P95_MS = 250.0
GOAL_GAP_MS = 1000.0
GOAL_BACK_S = 5.0
GOAL_FPS = {100.0: 25.0}  # by Mbit/s
GOAL_FPS_BELOW = 15.0
ENDS_S = 15.0  # the first and the last seconds of a run, compared
GROWN_MS = 50.0  # between them: more is a latency that grows
STEADY_S = 3.0  # so long it must stay well to be back
WINDOW_S, EVERY_S = 1.0, 0.1


@dataclass(frozen=True)
class Figures:
    """Of a whole run. Milliseconds are from the moment of the picture to its whole result."""

    fps: float
    p50_ms: float
    p95_ms: float
    first_p95_ms: float
    last_p95_ms: float
    service_p95_ms: float  # of that in the service: where it is long, machine or model is what is slow
    longest_gap_ms: float  # between results, from the first picture on
    frame_bytes: float  # mean


@dataclass(frozen=True)
class Recovery:
    """What a step of the rate did."""

    at_s: float  # after the first picture
    to_mbit_s: float
    back_after_s: float | None  # until rate and latency were well and stayed so for STEADY_S; None: not in this step
    longest_gap_ms: float  # from a second before the step on

    @property
    def is_in_time(self) -> bool:
        return self.back_after_s is not None and self.back_after_s <= GOAL_BACK_S


@dataclass(frozen=True)
class Second:
    """What arrived in one second."""

    fps: int
    p95_ms: float


def figures_of(run: Run, seconds: float) -> Figures:
    ends_s = min(ENDS_S, seconds / 2)
    begin_s, end_s = run.begin_s, run.begin_s + seconds
    return Figures(
        fps=sum(frame.received_s < end_s for frame in run.frames) / seconds,
        p50_ms=percentile(latencies_ms(run.frames), 0.50),
        p95_ms=percentile(latencies_ms(run.frames), 0.95),
        first_p95_ms=percentile(latencies_ms([f for f in run.frames if f.scheduled_s < begin_s + ends_s]), 0.95),
        last_p95_ms=percentile(latencies_ms([f for f in run.frames if f.scheduled_s >= end_s - ends_s]), 0.95),
        service_p95_ms=percentile([frame.timings_ms["total"] for frame in run.frames], 0.95),
        longest_gap_ms=longest_gap_s(run, begin_s, end_s) * 1e3,
        frame_bytes=sum(f.message_bytes for f in run.frames) / max(1, len(run.frames)),
    )


def latencies_ms(frames: Sequence[FrameRecord]) -> list[float]:
    return [(frame.received_s - frame.scheduled_s) * 1e3 for frame in frames]


def longest_gap_s(run: Run, begin_s: float, end_s: float) -> float:
    """Without a result, between two moments."""
    moments = [begin_s, *(f.received_s for f in run.frames if begin_s < f.received_s < end_s), end_s]
    return max(after - before for before, after in pairwise(moments))


def second_of(run: Run, from_s: float) -> Second:
    frames = [frame for frame in run.frames if from_s <= frame.received_s < from_s + WINDOW_S]
    return Second(len(frames), percentile(latencies_ms(frames), 0.95))


def back_after_s(run: Run, step_s: float, until_s: float, fps: float) -> float | None:
    """Seconds from a step until rate and latency are well and stay so for STEADY_S; None: not until then."""
    tries = math.floor((until_s - STEADY_S - step_s) / EVERY_S + 1e-9)
    moments = (step_s + i * EVERY_S for i in range(tries + 1))
    found = next((moment for moment in moments if _stays_well(run, moment, fps)), None)
    return None if found is None else round(found - step_s, 1)


def _stays_well(run: Run, from_s: float, fps: float) -> bool:
    windows = (second_of(run, from_s + i * WINDOW_S) for i in range(round(STEADY_S / WINDOW_S)))
    return all(window.fps >= fps and window.p95_ms <= GOAL_P95_MS for window in windows)


def goal_fps(mbit_s: float) -> float:
    return GOAL_FPS.get(mbit_s, GOAL_FPS_BELOW)


def missed(trial: Trial, run: Run) -> list[str]:
    """The goals that a run does not meet. With steps only what is asked around them."""
    figures = figures_of(run, trial.seconds)
    is_met = {"no stall": figures.longest_gap_ms <= GOAL_GAP_MS}
    if len(trial.steps) > 1:
        is_met[f"back within {GOAL_BACK_S:.0f} s"] = all(step.is_in_time for step in recoveries_of(trial, run))
    else:
        fps = goal_fps(trial.steps[0].mbit_s)
        is_met[f"{fps:.0f} fps"] = figures.fps >= fps
        is_met[f"p95 {GOAL_P95_MS:.0f} ms"] = figures.p95_ms <= GOAL_P95_MS  # NaN, of no results, misses it
        is_met["not growing"] = figures.last_p95_ms <= figures.first_p95_ms + GROWN_MS
    return [goal for goal, met in is_met.items() if not met]


def recoveries_of(trial: Trial, run: Run) -> list[Recovery]:
    """One for every step but the first."""
    ends_s = list(accumulate((step.seconds for step in trial.steps), initial=run.begin_s))
    return [
        Recovery(
            at_s=begin_s - run.begin_s,
            to_mbit_s=step.mbit_s,
            back_after_s=back_after_s(run, begin_s, end_s, goal_fps(step.mbit_s)),
            longest_gap_ms=longest_gap_s(run, begin_s - 1, end_s) * 1e3,
        )
        for step, (begin_s, end_s) in list(zip(trial.steps, pairwise(ends_s), strict=True))[1:]
    ]
