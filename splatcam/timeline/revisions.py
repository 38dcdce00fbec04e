"""Which steps have changed since when: a number for any part of a timeline that differs when its scenes may."""

from __future__ import annotations

import time
from bisect import bisect_left
from threading import Lock


class Revisions:
    """A change at a step may change every later one. Threads may share it."""

    def __init__(self, first: int | None = None) -> None:
        """`first`: greater than any number of an earlier program, whose pages may still be open."""
        self._lock = Lock()
        self._newest = time.time_ns() // 1_000_000 if first is None else first
        # Of each change that no later one at an earlier step hides: both lists only rise.
        self._first_steps = [0]
        self._numbers = [self._newest]
        self._static = self._newest

    def changed(self, first_step: int | None) -> None:
        """From that step on; None: what is static."""
        with self._lock:
            self._newest += 1
            if first_step is None:
                self._static = self._newest
                return
            at = bisect_left(self._first_steps, first_step)
            self._first_steps[at:], self._numbers[at:] = [first_step], [self._newest]

    def of(self, steps: range) -> int:
        """Greater than it was when any of those steps has changed since."""
        with self._lock:
            return self._numbers[bisect_left(self._first_steps, steps.stop) - 1]

    @property
    def of_static(self) -> int:
        with self._lock:
            return self._static
