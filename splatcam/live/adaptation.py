"""Which rung of its ladder a client gets: as rich as its link carries, told from acknowledgements. Pure: time comes in.

Down at once, to what the measured rate carries; up one rung at a time, and only where a frame of the next rung takes no
longer than MAX_PROBE_S at a rate that the link has proved. Each failure of a rung doubles the wait for the next try of
it; results that queue much less than they did say that the link is another one, and end all waits. How old a result
may get is not decided here: `ack_window.py` sends fewer of them, never later ones.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from splatcam.variants import Variant
from splatcam.wire import Format

WINDOW_S, LONGEST_S = 1.0, 10.0  # what is looked at; the latter for slow models
LEAST_OFFERS = 5  # in it, before anything is decided
SHORTEST_OF_S = 30.0
WANTED_FPS = 24.0  # below that, and below what is made, the link is too slow for its rung
SHARE = 0.8  # of what the link carries is planned with
NEARLY_ALL = 0.9
FIRST_WAIT_S, LAST_WAIT_S = 1.5, 60.0  # before a rung that failed is tried again
PROBATION_S = 3.0  # after it a rung has not failed
MAX_PROBE_S = 0.4  # for one frame of a step up
QUEUE_S = 0.060  # round trips longer than the shortest by this: no step up
ANOTHER_LINK = 0.5  # of what a round trip is over the shortest, and by NOISE_S at least
NOISE_S = 0.010
SAME_MOMENT_S = 0.001
RATES = (2.0, 4.0, 8.0, 16.0)  # results a second, where even the last rung is too much
SMOOTHING = 0.2
# Bytes a pixel, roughly: only how rungs compare matters, and only until they were sent once.
BYTES_PER_PIXEL = {Format.GAUSSIAN_PLY: 50.0, Format.SPLATS16: 14.0, Format.POINTCLOUD: 14.0}
LEVEL_C, DEPTH_12, DEPTH_10, PICTURE = 3.0, 0.09, 0.06, 0.13

TO_BEGIN_WITH = "to begin with"
CARRIES_ALL = "the link carries it"
YOUR_CHOICE = "as you chose"
HasRoom = Callable[[Variant], bool]


@dataclass(frozen=True)
class Choice:
    """What a client gets, and why."""

    variant: Variant
    max_fps: float | None = None  # None: every result
    reason: str = TO_BEGIN_WITH
    link_bytes_per_s: float | None = None  # what the link carries, where it was full

    @property
    def rung(self) -> tuple[Variant, float | None]:
        return self.variant, self.max_fps


@dataclass(frozen=True)
class _Ack:
    at_s: float
    size_bytes: int
    round_trip_s: float


class Adaptation:
    """One client's choice. Seconds from any one monotonic clock."""

    def __init__(
        self, rungs: tuple[Variant, ...], now_s: float, rate_is_free: bool = True, has_room: HasRoom = lambda _: True
    ) -> None:
        """`rungs`: richest first, at least one (variants.ladder). `has_room(variant)`: the stream would encode it."""
        self._rungs = rungs
        self._rate_is_free = rate_is_free
        self._sizes: dict[Variant, float] = {}  # smoothed, of what was acknowledged
        self._round_trips: deque[tuple[float, float]] = deque()  # (when, s), rising: the first is the shortest
        self._failures: dict[tuple[Variant, float | None], tuple[float, float]] = {}  # when, and s to wait
        self._failed_queue_s: float | None = None  # as it settled after a failure
        self._before: Choice | None = None  # the last step, while that is on probation
        self._offers: deque[tuple[float, bool]] = deque()  # when, and whether it replaced one that was not sent
        self._acks: deque[_Ack] = deque()
        self._changed_at_s = now_s
        self._begin_s = math.inf  # of what is looked at: when the first result of this choice was acknowledged
        self.choice = Choice(_first_rung(rungs, has_room), reason=TO_BEGIN_WITH if self._is_free else YOUR_CHOICE)

    def relist(
        self, rungs: tuple[Variant, ...], now_s: float, rate_is_free: bool = True, has_room: HasRoom = lambda _: True
    ) -> None:
        """Wishes or model changed: the same way of sending if it is still there, else the beginning."""
        self._rungs, self._rate_is_free = rungs, rate_is_free
        before = self.choice
        stays = before.variant in rungs
        variant = before.variant if stays else _first_rung(rungs, has_room)
        reason = before.reason if stays and before.reason != YOUR_CHOICE else TO_BEGIN_WITH
        max_fps = before.max_fps if rate_is_free else None
        self._change(Choice(variant, max_fps, reason if self._is_free else YOUR_CHOICE), now_s)

    @property
    def _is_free(self) -> bool:
        return len(self._rungs) > 1 or self._rate_is_free

    @property
    def round_trip_s(self) -> float | None:
        """Of late."""
        return median(ack.round_trip_s for ack in self._acks) if self._acks else None

    # ------------------------------------------------------------ what happens

    def offered(self, now_s: float, *, replaced: bool) -> None:
        """A result was made for this client; `replaced`: in place of one that the link was too slow for."""
        self._offers.append((now_s, replaced))

    def acknowledged(self, size_bytes: int, round_trip_s: float, now_s: float) -> None:
        """A result arrived."""
        while self._round_trips and self._round_trips[-1][1] >= round_trip_s:
            self._round_trips.pop()
        self._round_trips.append((now_s, round_trip_s))
        if now_s - round_trip_s <= self._changed_at_s:
            return  # it was made before the change
        self._begin_s = min(self._begin_s, now_s)
        known = self._sizes.get(self.choice.variant, float(size_bytes))
        self._sizes[self.choice.variant] = known + SMOOTHING * (size_bytes - known)
        self._acks.append(_Ack(now_s, size_bytes, round_trip_s))

    # ------------------------------------------------------------ what follows

    def decide(self, now_s: float, has_room: HasRoom = lambda _: True) -> bool:
        """Looks at the last second. Whether the choice changed."""
        span_s = now_s - self._forget(now_s)
        if not self._is_free or span_s < WINDOW_S or len(self._offers) < LEAST_OFFERS or not self._acks:
            return False
        made = len(self._offers) / span_s
        arrived = made - sum(replaced for _, replaced in self._offers) / span_s
        if arrived < NEARLY_ALL * min(made, WANTED_FPS):
            return self._step_down(self._carried(span_s), min(made, WANTED_FPS), now_s, has_room)
        if now_s - self._changed_at_s > PROBATION_S:
            self._before = None
            self._failures.pop(self.choice.rung, None)
            self._notice_another_link()
        if arrived > NEARLY_ALL * made and self._queue_s() < QUEUE_S:
            return self._step_up(made, now_s, has_room)
        return False

    def _forget(self, now_s: float) -> float:
        """What is too old; at a low rate less is. Returns where what is looked at begins."""
        while self._round_trips and self._round_trips[0][0] < now_s - SHORTEST_OF_S:
            self._round_trips.popleft()
        begin_s = now_s - WINDOW_S
        if len(self._offers) >= LEAST_OFFERS:
            begin_s = min(begin_s, self._offers[-LEAST_OFFERS][0])
        elif self._offers:
            begin_s = min(begin_s, self._offers[0][0])
        begin_s = max(begin_s, now_s - LONGEST_S, self._begin_s)
        while self._offers and self._offers[0][0] < begin_s:
            self._offers.popleft()
        while self._acks and self._acks[0].at_s < begin_s:
            self._acks.popleft()
        return begin_s

    def _step_down(self, carries: float, wanted: float, now_s: float, has_room: HasRoom) -> bool:
        lower = self._before or self._fitting(carries, wanted, has_room)
        if lower.rung == self.choice.rung:
            return False
        _, waited_s = self._failures.get(self.choice.rung, (0.0, FIRST_WAIT_S))
        self._failures[self.choice.rung] = now_s, min(2 * waited_s, LAST_WAIT_S)
        self._failed_queue_s = None
        self._change(replace(lower, reason=_carries(carries), link_bytes_per_s=carries), now_s)
        return True

    def _fitting(self, carries: float, wanted: float, has_room: HasRoom) -> Choice:
        below = self._rungs[self._rungs.index(self.choice.variant) + 1 :]
        lower = [variant for variant in below if has_room(variant)] or [self.choice.variant]
        variant = next((v for v in lower if self._size(v) * wanted <= SHARE * carries), lower[-1])
        max_fps = self.choice.max_fps
        if self._rate_is_free and self._size(variant) * wanted > SHARE * carries:
            fits = SHARE * carries / self._size(variant)
            max_fps = max((rate for rate in RATES if rate <= fits), default=RATES[0])
        return Choice(variant, max_fps)

    def _step_up(self, made: float, now_s: float, has_room: HasRoom) -> bool:
        better = self._next_above(made, has_room)
        if better is None:
            return False
        failed_at_s, wait_s = self._failures.get(better.rung, (self._changed_at_s, FIRST_WAIT_S))
        if now_s < max(failed_at_s + wait_s, self._changed_at_s + FIRST_WAIT_S):
            return False
        before = self.choice
        self._change(better, now_s)
        self._before = before
        return True

    def _next_above(self, made: float, has_room: HasRoom) -> Choice | None:
        variant, max_fps = self.choice.rung
        if max_fps is not None:
            return Choice(variant, next((rate for rate in RATES if rate > max_fps), None), CARRIES_ALL)
        richer = [v for v in self._rungs[: self._rungs.index(variant)] if has_room(v)]
        if not richer or self._size(richer[-1]) > MAX_PROBE_S * self._proved(made):
            return None
        return Choice(richer[-1], None, CARRIES_ALL)

    def _carried(self, span_s: float) -> float:
        """Bytes a second, of a link that is full: between the first and the last acknowledgement."""
        first, *others = self._acks
        if not others:
            return first.size_bytes / span_s
        return sum(ack.size_bytes for ack in others) / max(others[-1].at_s - first.at_s, SAME_MOMENT_S)

    def _proved(self, made: float) -> float:
        """Bytes a second that the link carried for certain: what it did carry, and each result in its round trip."""
        return max(made * self._size(self.choice.variant), *(ack.size_bytes / ack.round_trip_s for ack in self._acks))

    def _queue_s(self) -> float:
        """What a round trip takes over the shortest of late: results wait for the link, and take their time on it."""
        return (self.round_trip_s or 0.0) - self._round_trips[0][1]

    def _notice_another_link(self) -> None:
        """What failed on a link that queued need not fail on one that does not."""
        now, before = self._queue_s(), self._failed_queue_s
        if before is None:
            self._failed_queue_s = now
        elif now < ANOTHER_LINK * before and now < before - NOISE_S:
            self._failures.clear()

    def _size(self, variant: Variant) -> float:
        """Bytes of a result, after one was acknowledged."""
        if variant in self._sizes:
            return self._sizes[variant]
        known = self.choice.variant
        return self._sizes.get(known, 0.0) * _weight(variant) / _weight(known)

    def _change(self, choice: Choice, now_s: float) -> None:
        self.choice, self._changed_at_s, self._begin_s, self._before = choice, now_s, math.inf, None
        self._offers.clear()
        self._acks.clear()


def _first_rung(rungs: tuple[Variant, ...], has_room: HasRoom) -> Variant:
    """The first that is compact: a frame of the others may take a thin link seconds. Else the first."""
    possible = [variant for variant in rungs if has_room(variant)] or list(rungs)
    return next((variant for variant in possible if variant.format is Format.COMPACT), possible[0])


def _carries(bytes_per_s: float) -> str:
    mbit_s = bytes_per_s * 8e-6
    return f"the link carries about {mbit_s:.0f} Mbit/s" if mbit_s >= 3 else f"the link carries {mbit_s:.1f} Mbit/s"


def _weight(variant: Variant) -> float:
    """Bytes of a frame over its pixels."""
    if variant.format is not Format.COMPACT:
        each = BYTES_PER_PIXEL[variant.format]
    elif variant.output == "network":
        each = LEVEL_C
    else:
        each = (DEPTH_12 if variant.depth_bits == 12 else DEPTH_10) + (PICTURE if variant.color == "sent" else 0.0)
    return each / variant.stride**2
