"""How much one client may send: token buckets. Pure: whoever asks brings the time, in seconds of any steady clock."""

from __future__ import annotations

import math
from enum import Enum

BURST = 2  # seconds' worth that may come at once
TOO_MUCH_FOR_S = 10.0  # on end, and the client is sent away
QUIET_S = 1.0  # without anything dropped, and it behaves again
TELL_EVERY_S = 1.0
TOO_MUCH = "more than this server takes was sent for too long"


class TokenBucket:
    """`per_s` flow in, `burst` fit; what is let through takes some out."""

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at_s = now_s

    def has(self, amount: float, now_s: float) -> bool:
        self._level = min(self._burst, self._level + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._level >= amount

    def spend(self, amount: float) -> None:
        """Of what `has` said is there."""
        self._level -= amount

    def take(self, amount: float, now_s: float) -> bool:
        if not self.has(amount, now_s):
            return False
        self.spend(amount)
        return True

    def wait_s(self, amount: float, now_s: float) -> float:
        """Until that much is there."""
        return 0.0 if self.has(amount, now_s) else (amount - self._level) / self._per_s


class Verdict(Enum):
    TAKE = "take"
    DROP = "drop"
    CLOSE = "close"  # it has been too much for too long


class SessionLimit:
    """Messages and bytes of one client. A message that is dropped takes nothing from what is left."""

    def __init__(self, messages_per_s: float, bytes_per_s: float, now_s: float) -> None:
        self._messages = TokenBucket(messages_per_s, messages_per_s * BURST, now_s)
        self._bytes = TokenBucket(bytes_per_s, bytes_per_s * BURST, now_s)
        self._over_since_s = now_s
        self._dropped_at_s = -math.inf
        self._told_at_s = -math.inf

    def judge(self, size_bytes: int, now_s: float) -> Verdict:
        if self._messages.has(1, now_s) and self._bytes.has(size_bytes, now_s):
            self._messages.spend(1)
            self._bytes.spend(size_bytes)
            return Verdict.TAKE
        if now_s - self._dropped_at_s > QUIET_S:
            self._over_since_s = now_s
        self._dropped_at_s = now_s
        return Verdict.CLOSE if now_s - self._over_since_s >= TOO_MUCH_FOR_S else Verdict.DROP

    def may_tell(self, now_s: float) -> bool:
        """Whether the client is told of this drop: once a second is enough."""
        if now_s - self._told_at_s < TELL_EVERY_S:
            return False
        self._told_at_s = now_s
        return True
