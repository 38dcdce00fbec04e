"""How many of the frames that wait share the next pass of the network. Pure: durations are told, nothing is measured.

A pass of several frames answers all of them late: the first one later than alone, the last one sooner. It is worth it
where it takes less time than as many passes, and allowed where the frame whose turn it is keeps within its limit.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from statistics import median_low

MOST_FRAMES = 4  # in one pass
MOST_SIZES = 32  # whose durations are remembered
WORTH = 0.9  # of the time that as many single passes take, a shared one may take at most
NEWEST = 5  # durations, whose median counts: the first pass of a size, and one that is recorded, take many times more
TRIES = 3  # of a number of frames, before it is known not to be worth it
FORGET_AFTER = 500  # passes: then what was not worth it is tried again


class PassPlanner:
    def __init__(self, within_s: float, most_frames: int = MOST_FRAMES) -> None:
        """`within_s`: of a frame's waiting and its pass together, where it could have gone alone. 0: always alone."""
        self._within_s = within_s
        self._most = most_frames
        self._seconds: OrderedDict[tuple[Hashable, int], deque[float]] = OrderedDict()
        self._passes = 0

    def choose(self, size: Hashable, waiting: int, waited_s: float) -> int:
        """Frames in the next pass, from 1. `waiting` others have this size; the one whose turn it is `waited_s`."""
        if (size, 1) not in self._seconds:
            return 1
        alone_s = median_low(self._seconds[size, 1])
        for count in range(min(self._most, waiting + 1), 1, -1):
            known = self._seconds.get((size, count), ())
            # as long as nobody knows better, it takes as long as as many passes
            expected_s = median_low(known) if len(known) >= TRIES else count * alone_s
            is_worth_it = len(known) < TRIES or expected_s <= WORTH * count * alone_s
            if is_worth_it and waited_s + expected_s <= self._within_s:
                return count
        return 1

    def took(self, size: Hashable, count: int, seconds: float) -> None:
        """A pass is over."""
        self._seconds.setdefault((size, count), deque(maxlen=NEWEST)).append(seconds)
        self._seconds.move_to_end((size, count))
        if len(self._seconds) > MOST_SIZES:
            self._seconds.popitem(last=False)
        self._passes += 1
        if self._passes % FORGET_AFTER == 0:
            self._seconds = OrderedDict((key, known) for key, known in self._seconds.items() if key[1] == 1)

    def had_no_memory(self, count: int) -> None:
        """A pass of so many frames did not fit: from now on fewer share one."""
        self._most = max(1, min(self._most, count - 1))
