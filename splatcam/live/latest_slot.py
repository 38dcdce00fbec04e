"""A mailbox of one: the newest value wins, and what it replaced is handed back. One event loop, no locks."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Many may put, one takes."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._filled = asyncio.Event()

    def put(self, value: T) -> T | None:
        """Returns the value that was pushed out, if one was."""
        pushed_out = self._value
        self._value = value
        self._filled.set()
        return pushed_out

    def take(self) -> T | None:
        """The value now, or None."""
        value, self._value = self._value, None
        self._filled.clear()
        return value

    async def get(self) -> T:
        """Waits for a value."""
        while (value := self.take()) is None:
            await self._filled.wait()
        return value
