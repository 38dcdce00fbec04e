"""Frames that the engine's process did not survive: they are not tried again. Knows their hashes only."""

from __future__ import annotations

from collections import OrderedDict

MAX_SUSPECTS = 256
MAX_GOOD = 4096  # of live cameras no frame comes twice; those of a photo or a test picture are always among the newest


class Quarantine:
    """A frame is blamed for the end that it saw, unless the very same bytes have been processed before: then it was
    something else that killed the process. That excuse holds once, until they are processed again.

    Python's own hash: 64 bits by a key of this process, and nobody outside can make two frames share one.
    """

    def __init__(self) -> None:
        self._suspects: OrderedDict[int, None] = OrderedDict()
        self._good: OrderedDict[int, None] = OrderedDict()

    def holds(self, jpeg: bytes) -> bool:
        if not self._suspects or hash(jpeg) not in self._suspects:
            return False
        self._suspects.move_to_end(hash(jpeg))
        return True

    def survived(self, jpeg: bytes) -> None:
        """The process has dealt with it."""
        _remember(self._good, hash(jpeg), MAX_GOOD)

    def blame(self, jpeg: bytes) -> None:
        """The process ended while it had this frame."""
        if hash(jpeg) in self._good:
            del self._good[hash(jpeg)]
        else:
            _remember(self._suspects, hash(jpeg), MAX_SUSPECTS)


def _remember(known: OrderedDict[int, None], value: int, most: int) -> None:
    known[value] = None
    known.move_to_end(value)
    if len(known) > most:
        known.popitem(last=False)
