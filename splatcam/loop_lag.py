"""How late the event loop wakes a sleeper: the time in which the service answered nobody. Knows no service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

EVERY_S = 0.05
ALIVE_BELOW_S = 1.0


class LoopLag:
    """`watch()` is a task that never ends by itself."""

    def __init__(self, on_lag_ms: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._on_lag_ms = on_lag_ms
        self._clock = clock
        self._newest_s = 0.0
        self._due_s: float | None = None

    async def watch(self) -> None:
        while True:
            self._due_s = self._clock() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._newest_s = self.now_s()
            self._on_lag_ms(self._newest_s * 1e3)

    def now_s(self) -> float:
        """Of the sleep under way: who asks within a stall's first breath sees it too."""
        return 0.0 if self._due_s is None else max(0.0, self._clock() - self._due_s)

    @property
    def is_alive(self) -> bool:
        return max(self._newest_s, self.now_s()) < ALIVE_BELOW_S
