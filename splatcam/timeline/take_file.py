"""A recording as a list of blocks, also while it grows: what a page needs to ask for the bytes it wants.

Reads headers, the first block, and of what is new the last block; decodes no step.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from splatcam.timeline.block_file import BlockEntry, BlockFileError, BlockKind, BlockReader
from splatcam.timeline.timeline_file import Info


class BlockRow(NamedTuple):
    """Where a block is, and what it holds."""

    offset: int
    size_bytes: int  # with its header
    kind: int
    first_step: int
    num_steps: int


class TakeFile:
    """One thread at a time. Every method may raise BlockFileError, OSError."""

    def __init__(self, path: Path) -> None:
        self._reader = BlockReader.open(path)
        self.rows: list[BlockRow] = []
        self.num_steps = 0
        self.has_end = False
        self.has_sound = False
        self.info = Info()  # of a file that was cut off before its first block
        try:
            self._look_at_new_blocks()
        except (BlockFileError, OSError):
            self.close()
            raise

    def follow(self) -> None:
        """Takes what was recorded since."""
        self._reader.follow()
        self._look_at_new_blocks()

    def close(self) -> None:
        self._reader.close()

    def _look_at_new_blocks(self) -> None:
        new = self._reader.entries[len(self.rows) :]
        if not new:
            return
        if not self.rows:
            self.info = self._info(new[0])
        end = new[-1].offset + self._reader.stored_bytes(new[-1])
        offsets = [*(entry.offset for entry in new), end]
        for entry, (offset, next_offset) in zip(new, pairwise(offsets), strict=True):
            self.rows.append(BlockRow(offset, next_offset - offset, entry.kind, entry.first_step, entry.num_steps))
            self._note(entry)

    def _note(self, entry: BlockEntry) -> None:
        match entry.kind:
            case BlockKind.STEPS:
                self.num_steps = entry.first_step + entry.num_steps
            case BlockKind.AUDIO:
                self.has_sound = True
            case BlockKind.END:
                self.has_end = True

    def _info(self, entry: BlockEntry) -> Info:
        try:
            return Info.model_validate(self._reader.payload(entry))
        except ValidationError:
            raise BlockFileError("its first block does not say what it is") from None
