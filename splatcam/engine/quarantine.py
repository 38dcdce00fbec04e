"""Frames that the engine's process did not survive: they are not tried again, and a camera that sends another one is
kept out. Knows their hashes only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
MAX_SUSPECTS = 256
MAX_GOOD = 4096  # of live cameras no frame comes twice; those of a photo or a test picture are always among the newest
MAX_OFFENDERS = 256
DEADLY_FRAMES = 2  # of one camera, and it is kept out until it leaves: frames that differ by a byte are easily made
PARDON_AFTER = 1000  # good frames; an honest camera may have been there when something else killed the process

THIS_FRAME = "this very frame brought the model down before, and is not tried again"
THIS_CAMERA = "frames of this camera brought the model down again and again: no more of them are tried"


@dataclass
class _Record:
    """Of a camera that was blamed."""

    deadly: int = 0
    good: int = 0  # frames since


class Quarantine:
    """A frame is blamed for the end that it saw, unless the very same bytes have been processed before: then it was
    something else that killed the process. That excuse holds once, until they are processed again.

    Python's own hash: 64 bits by a key of this process, and nobody outside can make two frames share one.
    """

    def __init__(self) -> None:
        self._suspects: OrderedDict[int, None] = OrderedDict()
        self._good: OrderedDict[int, None] = OrderedDict()
        self._offenders: OrderedDict[str, _Record] = OrderedDict()

    def reason(self, stream_id: str, jpeg: bytes) -> str | None:
        """Why this frame is not tried; None: it is."""
        record = self._offenders.get(stream_id)
        if record is not None and record.deadly >= DEADLY_FRAMES:
            return THIS_CAMERA
        if not self._suspects or hash(jpeg) not in self._suspects:
            return None
        self._suspects.move_to_end(hash(jpeg))
        return THIS_FRAME

    def survived(self, stream_id: str, jpeg: bytes) -> None:
        """The process has dealt with it."""
        _remember(self._good, hash(jpeg), None, MAX_GOOD)
        record = self._offenders.get(stream_id)
        if record is not None:
            record.good += 1
            if record.good >= PARDON_AFTER:
                del self._offenders[stream_id]

    def blame(self, stream_id: str, jpeg: bytes) -> None:
        """The process ended while it had this frame."""
        if hash(jpeg) in self._good:
            del self._good[hash(jpeg)]
            return
        _remember(self._suspects, hash(jpeg), None, MAX_SUSPECTS)
        record = self._offenders.get(stream_id, _Record())
        _remember(self._offenders, stream_id, _Record(record.deadly + 1), MAX_OFFENDERS)

    def forget(self, stream_id: str) -> None:
        """The camera left."""
        self._offenders.pop(stream_id, None)


def _remember(known: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > most:
        known.popitem(last=False)
