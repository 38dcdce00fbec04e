"""Bytes by number: what was used last in memory, up to a budget, everything else deflated in a temporary file.

Knows not what the bytes mean. The room of bytes that were dropped is used again when nothing is left in the file.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from splatcam.deflate import deflate, inflate
from splatcam.timeline.lru import ByteLru

Blob = int  # the number of some bytes


class SpillFailed(OSError):
    """The temporary file takes no more. What was kept before is still there."""


@dataclass(frozen=True)
class _Spilled:
    offset: int
    stored_bytes: int


class BlobPool:
    """One thread at a time."""

    def __init__(self, budget_bytes: int, folder: Path | None = None) -> None:
        self._recent: ByteLru[Blob, bytes] = ByteLru(budget_bytes)
        self._spilled: dict[Blob, _Spilled] = {}
        self._sizes: dict[Blob, int] = {}
        self._folder = folder
        self._file: IO[bytes] | None = None  # without a name: it ends with the process
        self._end = 0
        self._next: Blob = 0

    @property
    def memory_bytes(self) -> int:
        return self._recent.used_bytes

    @property
    def spilled_bytes(self) -> int:
        return self._end

    def add(self, data: bytes) -> Blob:
        """Raises SpillFailed, and then has changed nothing."""
        self._make_room(len(data))
        blob = self._next
        self._next += 1
        self._recent.put(blob, data, len(data))
        self._sizes[blob] = len(data)
        return blob

    def get(self, blob: Blob) -> bytes:
        data = self._recent.get(blob)
        if data is None:
            data = self._read(self._spilled[blob], self._sizes[blob])
            with suppress(SpillFailed):  # a full disk does not keep anybody from reading
                self._make_room(len(data))
                self._recent.put(blob, data, len(data))
        return data

    def size_bytes(self, blob: Blob) -> int:
        return self._sizes[blob]

    def drop(self, blob: Blob) -> None:
        self._recent.pop(blob)
        self._sizes.pop(blob)
        if self._spilled.pop(blob, None) and not self._spilled:
            self._empty_file()

    def clear(self) -> None:
        self._recent.clear()
        self._spilled.clear()
        self._sizes.clear()
        self._empty_file()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _make_room(self, size_bytes: int) -> None:
        while (oldest := self._recent.excess(size_bytes)) is not None:
            blob, data = oldest
            if blob not in self._spilled:
                self._spilled[blob] = self._write(data)
            self._recent.pop(blob)

    def _write(self, data: bytes) -> _Spilled:
        stored = deflate(data)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)
            self._file.seek(self._end)
            self._file.write(stored)
            self._file.flush()
        except OSError as error:
            raise SpillFailed(error.errno, f"the timeline's temporary file takes no more: {error.strerror}") from error
        spilled = _Spilled(self._end, len(stored))
        self._end += len(stored)
        return spilled

    def _read(self, spilled: _Spilled, size_bytes: int) -> bytes:
        assert self._file is not None
        self._file.seek(spilled.offset)
        return inflate(self._file.read(spilled.stored_bytes), size_bytes)

    def _empty_file(self) -> None:
        self._end = 0
        if self._file is not None:
            self._file.truncate(0)
