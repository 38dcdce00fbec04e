"""The values of the last few keys. What depends on a frame's size alone is kept here, and no more than a few sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

MOST = 32  # a head has five maps for each size
Value = TypeVar("Value")
_held: list[list[object]] = []  # a list for each `holding` that is under way


class Recent(Generic[Value]):
    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made where there is none; the one unused for longest makes room."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        for held in _held:
            held.append(self._values[key])
        return self._values[key]

    def clear(self) -> None:
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)


@contextmanager
def holding() -> Iterator[list[object]]:
    """All values that are asked for meanwhile. A recorded graph knows their addresses and does not own them."""
    held: list[object] = []
    _held.append(held)
    try:
        yield held
    finally:
        _held.pop()
