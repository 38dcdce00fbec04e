"""When the engine's process is started again after its end, and when that is given up for a while. Pure: no process, no
clock; the moment is handed in.

The first restart comes at once, the next ones later and later. More than a few of them within a minute open the circuit
breaker: nothing is tried for a while, then once. A load that succeeds closes it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RestartPolicy:
    """How patient the server is with the engine's process."""

    silence_s: float = 15.0  # without any word from it, while it is not loading
    shortest_delay_s: float = 0.5  # before the second restart in a row; the first one does not wait
    longest_delay_s: float = 30.0
    healthy_after_s: float = 60.0  # of work: what was before is forgotten
    most_restarts: int = 3  # within_s; one more opens the circuit breaker
    within_s: float = 60.0
    rest_s: float = 60.0  # of the circuit breaker


@dataclass(frozen=True)
class Pause:
    """Before the next try, and what the service is meanwhile."""

    delay_s: float
    state: Literal["restarting", "failed"]


class Restarts:
    """The history of one engine, from its first readiness on."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._ends_s: deque[float] = deque()  # that were followed by a restart, within the policy's time
        self._in_a_row = 0
        self._ready_since_s: float | None = None
        self._is_on_trial = False  # the circuit breaker is open

    def ready(self, now_s: float) -> None:
        """A process has loaded its model."""
        self._ready_since_s = now_s
        self._is_on_trial = False

    def ended(self, now_s: float) -> Pause:
        """A process is gone, or did not load."""
        policy, since_s, self._ready_since_s = self._policy, self._ready_since_s, None
        if since_s is not None and now_s - since_s >= policy.healthy_after_s:
            self._in_a_row = 0
        while self._ends_s and now_s - self._ends_s[0] >= policy.within_s:
            self._ends_s.popleft()
        if self._is_on_trial or len(self._ends_s) >= policy.most_restarts:
            self._is_on_trial = True
            return Pause(policy.rest_s, "failed")
        self._ends_s.append(now_s)
        self._in_a_row += 1
        return Pause(self._delay_s(self._in_a_row), "restarting")

    def _delay_s(self, nth: int) -> float:
        if nth == 1:
            return 0.0
        doublings = min(nth - 2, 32)  # beyond, the power would leave the floats some day
        return float(min(self._policy.longest_delay_s, self._policy.shortest_delay_s * 2**doublings))
