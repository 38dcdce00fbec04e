"""How many results may be on their way to one client. Pure: time comes in as an argument.

The window covers one measured round trip, so a far client still gets every frame; and no more is sent than the
link carries in about 80 ms, so a slow link gets fewer frames instead of older ones.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

MIN_WINDOW, MAX_WINDOW = 2, 8
MAX_QUEUED_S = 0.080
LOST_AFTER_S = 5.0  # a result that is not acknowledged by then does not hold up the stream any longer
_SMOOTHING = 0.2
_SAMPLES = 16
_FAST = 0.25  # of the samples are faster: slower ones waited for something else than the link, the fastest are luck
_SAME_MOMENT_S = 0.002
_SAME_SIZE = 1.25  # results up to this times as large take the same way


@dataclass(frozen=True)
class Receipt:
    """What an acknowledgement says of its result."""

    size_bytes: int
    round_trip_s: float


@dataclass(frozen=True)
class _InFlight:
    frame_id: int
    size_bytes: int
    sent_at_s: float


class AckWindow:
    """Results in flight to one client. Seconds from any one monotonic clock."""

    def __init__(self) -> None:
        self._in_flight: deque[_InFlight] = deque()
        self._fastest: tuple[int, float] | None = None  # bytes, and the shortest round trip of results of that size
        self._samples: deque[float] = deque(maxlen=_SAMPLES)  # seconds per byte
        self._bunch = (0.0, 0)  # seconds and bytes of the last sample
        self._seconds_per_byte = 0.0
        self._link_free_at_s = 0.0
        self._last_ack_s = 0.0
        self._last_offered_s: float | None = None
        self.round_trip_s = 0.0  # smoothed
        self._interval_s = 0.0  # smoothed, between results as they are made

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def size(self) -> int:
        """Results that cover one round trip."""
        if self._interval_s <= 0:
            return MIN_WINDOW
        return min(MAX_WINDOW, max(MIN_WINDOW, math.ceil(self.round_trip_s / self._interval_s) + 1))

    def wait_s(self, now_s: float) -> float:
        """0 when a result may be sent now; else seconds until it is worth asking again, if no ack comes before."""
        self._forget_lost(now_s)
        if self.in_flight >= self.size:
            return max(0.001, self._in_flight[0].sent_at_s + LOST_AFTER_S - now_s)
        return max(0.0, self._link_free_at_s - now_s - MAX_QUEUED_S) if self._in_flight else 0.0

    def offered(self, now_s: float) -> None:
        """A result was made, whether or not it will be sent."""
        if self._last_offered_s is not None:
            self._interval_s = _smooth(self._interval_s, now_s - self._last_offered_s)
        self._last_offered_s = now_s

    def sent(self, frame_id: int, size_bytes: int, now_s: float) -> None:
        self._in_flight.append(_InFlight(frame_id, size_bytes, now_s))
        self._link_free_at_s = max(self._link_free_at_s, now_s) + size_bytes * self._seconds_per_byte

    def acknowledged(self, frame_id: int, now_s: float) -> Receipt | None:
        """The client has this result, and so everything sent before it. Unknown ids are ignored."""
        if all(result.frame_id != frame_id for result in self._in_flight):
            return None
        while self._in_flight:
            result = self._in_flight.popleft()
            if result.frame_id == frame_id:
                break
        self._measure(result, now_s)
        self._link_free_at_s = self._when_link_is_free(result, now_s)
        return Receipt(result.size_bytes, now_s - result.sent_at_s)

    def _when_link_is_free(self, acknowledged: _InFlight, now_s: float) -> float:
        """The link turned to the next result when this one was through: the way of an acknowledgement ago."""
        assert self._fastest is not None
        size_bytes, round_trip_s = self._fastest
        free_at_s = now_s - max(0.0, round_trip_s - size_bytes * self._seconds_per_byte)
        for result in self._in_flight:
            free_at_s = max(free_at_s, result.sent_at_s) + result.size_bytes * self._seconds_per_byte
        return free_at_s

    def _measure(self, result: _InFlight, now_s: float) -> None:
        """What this acknowledgement says about the link: its round trip, and how long it takes for a byte."""
        round_trip_s = now_s - result.sent_at_s
        self.round_trip_s = _smooth(self.round_trip_s, round_trip_s)
        size_bytes, fastest_s = self._fastest or (0, math.inf)
        if round_trip_s < fastest_s or not 1 / _SAME_SIZE <= result.size_bytes / max(1, size_bytes) <= _SAME_SIZE:
            self._fastest = (result.size_bytes, round_trip_s)
        # The link began with this result when it was sent, or when the one before it was through.
        served_s = now_s - max(result.sent_at_s, self._last_ack_s)
        self._last_ack_s = now_s
        if served_s > _SAME_MOMENT_S or not self._samples:
            self._bunch = (served_s, result.size_bytes)
            self._samples.append(0.0)
        else:  # acknowledgements that come together were carried in the time before the first of them
            self._bunch = (self._bunch[0], self._bunch[1] + result.size_bytes)
        self._samples[-1] = self._bunch[0] / max(1, self._bunch[1])
        self._seconds_per_byte = sorted(self._samples)[int(_FAST * len(self._samples))]

    def _forget_lost(self, now_s: float) -> None:
        while self._in_flight and now_s - self._in_flight[0].sent_at_s >= LOST_AFTER_S:
            self._in_flight.popleft()


def _smooth(old: float, new: float) -> float:
    return new if old == 0 else old + _SMOOTHING * (new - old)
