"""Values under a budget of bytes, the least recently used of them first. Knows not what becomes of those that go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteLru(Generic[K, V]):
    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, from now on the most recently used."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: K, value: V, size_bytes: int) -> None:
        """Makes no room: that is asked for before."""
        self.pop(key)
        self._values[key] = value, size_bytes
        self.used_bytes += size_bytes

    def pop(self, key: K) -> None:
        if key in self._values:
            self.used_bytes -= self._values.pop(key)[1]

    def excess(self, size_bytes: int) -> tuple[K, V] | None:
        """What has to go first before so many bytes more fit; None where they do, or nothing is left."""
        if not self._values or self.used_bytes + size_bytes <= self._budget_bytes:
            return None
        key = next(iter(self._values))
        return key, self._values[key][0]

    def clear(self) -> None:
        self._values.clear()
        self.used_bytes = 0
