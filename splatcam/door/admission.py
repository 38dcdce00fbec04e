"""Who gets a place: sessions in all, sessions and handshakes per address, nobody any more once the service drains.

Pure: the clock comes from outside, and what a refusal looks like on the wire is the route's.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from splatcam.rate_limit import TokenBucket
from splatcam.settings import Settings
from splatcam.telemetry import RefusalReason, SessionKind

HANDSHAKES_PER_S = 2.0
HANDSHAKES_AT_ONCE = 20
MAX_ADDRESSES = 4096  # whose handshakes are remembered; the one not seen for longest is forgotten
COME_BACK_IN_S = 5


@dataclass(frozen=True)
class Place:
    """What a session holds. `address` None: it is not counted by address."""

    kind: SessionKind
    address: str | None


@dataclass(frozen=True)
class Refusal:
    """Why there is no place, as HTTP says it, for the metrics and for people."""

    status: int
    reason: RefusalReason
    sentence: str
    retry_after_s: int = COME_BACK_IN_S


class Admission:
    """Live sessions and those that look at pictures are counted apart: neither takes the other's places."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_sessions = settings.max_sessions
        self._max_per_address = settings.max_sessions_per_address
        self._clock = clock
        self._open: Counter[SessionKind] = Counter()
        self._by_address: Counter[str] = Counter()
        self._handshakes: OrderedDict[str, TokenBucket] = OrderedDict()
        self.is_draining = False

    def is_full(self, kind: SessionKind) -> bool:
        return self._open[kind] >= self._max_sessions

    def enter(self, kind: SessionKind, address: str | None) -> Place | Refusal:
        """A place, to be left again. Every try counts as a handshake."""
        refusal = self.refusal(kind, address)
        if address is not None:
            self._bucket(address).take(1, self._clock())
        if refusal is not None:
            return refusal
        self._open[kind] += 1
        if address is not None:
            self._by_address[address] += 1
        return Place(kind, address)

    def refusal(self, kind: SessionKind, address: str | None) -> Refusal | None:
        """What a handshake of now would be told. To ask is no handshake."""
        if self.is_draining:
            return Refusal(503, "draining", "The service is about to restart. Try again in a moment.")
        if self.is_full(kind):
            return Refusal(503, "full", "Every place is taken. Try again later.")
        return None if address is None else self._refusal_by_address(address)

    def leave(self, place: Place) -> None:
        self._open[place.kind] -= 1
        if place.address is not None:
            self._by_address[place.address] -= 1
            if self._by_address[place.address] == 0:
                del self._by_address[place.address]

    def drain(self) -> None:
        """From now on everybody is refused."""
        self.is_draining = True

    def _refusal_by_address(self, address: str) -> Refusal | None:
        wait_s = self._bucket(address).wait_s(1, self._clock())
        if wait_s > 0:
            sentence = "Too many attempts from your address. Try again in a moment."
            return Refusal(429, "rate", sentence, math.ceil(wait_s))
        if self._by_address[address] >= self._max_per_address:
            return Refusal(429, "address", f"Your address has {self._max_per_address} sessions open already.")
        return None

    def _bucket(self, address: str) -> TokenBucket:
        bucket = self._handshakes.pop(address, None)
        if bucket is None:
            bucket = TokenBucket(HANDSHAKES_PER_S, HANDSHAKES_AT_ONCE, self._clock())
        self._handshakes[address] = bucket
        if len(self._handshakes) > MAX_ADDRESSES:
            self._handshakes.popitem(last=False)
        return bucket
