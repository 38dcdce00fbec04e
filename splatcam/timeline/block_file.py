"""The .scam file: a header, then blocks that are only ever appended, each whole by itself.

docs/scam-format.md has the bytes. Knows where a block lies and whether it is whole, not what its payload means.
One writer, and any number of readers, also while it writes. A program that is killed leaves a torn block at the end
at most: readers tell of it and leave it out.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from splatcam.deflate import InflateError, deflate, inflate
from splatcam.timeline import payload as payloads
from splatcam.timeline.payload import MAX_RAW_BYTES, Map, PayloadError

VERSION = 1
FILE_MAGIC = b"\x89SCAM\r\n\x1a"  # like PNG's: what takes the file for a text damages these bytes
BLOCK_MAGIC = b"SBLK"
TRAILER_MAGIC = b"macs"
MAX_BLOCKS = 1 << 20
MAX_BLOCK_STEPS = 1 << 12
MAX_STEP = 1 << 31
_FILE_HEADER = struct.Struct("<8sHHI")  # magic, version, 0, crc32 of the 12 bytes before
_BLOCK_HEADER = struct.Struct("<4sBBHIIIIII")
_TRAILER = struct.Struct("<QI4s")  # where the index block begins, crc32 of that, magic
_INDEX_ROW = struct.Struct("<QBII")  # offset, kind, first step, number of steps
_CRC = struct.Struct("<I")


class BlockFileError(ValueError):
    """No .scam file that this program can read; or one whose bytes are damaged. A sentence."""


class BlockKind(IntEnum):
    """Readers skip kinds that they do not know."""

    INFO = 1
    STEPS = 2
    STATIC = 3
    AUDIO = 4
    END = 5
    INDEX = 6


class Codec(IntEnum):
    STORED = 0
    DEFLATE = 1


@dataclass(frozen=True)
class BlockHeader:
    kind: int
    codec: int
    first_step: int
    num_steps: int
    stored_bytes: int
    raw_bytes: int
    crc: int  # of the stored payload

    def pack(self) -> bytes:
        body = _BLOCK_HEADER.pack(
            BLOCK_MAGIC, self.kind, self.codec, 0, self.first_step, self.num_steps, self.stored_bytes, self.raw_bytes,
            self.crc, 0,
        )[: -_CRC.size]  # fmt: skip
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> BlockHeader | None:
        """None for bytes that are none, or whose numbers are beyond all limits."""
        if len(data) != _BLOCK_HEADER.size:
            return None
        magic, kind, codec, _, first, count, stored, raw, crc, own_crc = _BLOCK_HEADER.unpack(data)
        if magic != BLOCK_MAGIC or own_crc != zlib.crc32(data[: -_CRC.size]):
            return None
        if count > MAX_BLOCK_STEPS or first > MAX_STEP or max(stored, raw) > MAX_RAW_BYTES:
            return None
        return cls(kind, codec, first, count, stored, raw, crc)


@dataclass(frozen=True)
class BlockEntry:
    """Where a block is."""

    offset: int
    kind: int
    first_step: int
    num_steps: int


@dataclass(frozen=True)
class CutOff:
    """Bytes at the end of a file that are no whole block: the writer was stopped in the middle of one."""

    offset: int
    size_bytes: int


# ---------------------------------------------------------------- writing


def block_bytes(kind: BlockKind, steps: range, payload: Map, codec: Codec = Codec.DEFLATE) -> bytes:
    """One block as it lies in a file. Raises PayloadError for a payload that is too large."""
    return b"".join(_block_parts(kind, steps, payloads.pack(payload), codec))


def _block_parts(kind: BlockKind, steps: range, raw: bytes, codec: Codec) -> tuple[bytes, bytes]:
    """Header and payload."""
    stored = deflate(raw) if codec is Codec.DEFLATE else raw
    header = BlockHeader(kind, codec, steps.start, len(steps), len(stored), len(raw), zlib.crc32(stored))
    return header.pack(), stored


class BlockWriter:
    """Appends blocks, each to the disk before the next: what was appended survives the program and the machine.

    After an OSError the file ends with the last whole block, and nothing more can be appended.
    """

    def __init__(self, file: io.RawIOBase | BinaryIO, sync: Callable[[], None]) -> None:
        self._file = file
        self._sync = sync
        self._entries: list[BlockEntry] = []
        self._end = 0
        body = _FILE_HEADER.pack(FILE_MAGIC, VERSION, 0, 0)[: -_CRC.size]
        self._write([body + _CRC.pack(zlib.crc32(body))])

    @classmethod
    def create(cls, path: Path) -> BlockWriter:
        """Raises BlockFileError where there is a file already: so a file has one writer, once. Raises OSError."""
        try:
            file = path.open("xb", buffering=0)
        except FileExistsError:
            raise BlockFileError(
                f"{path} is there already, finished or still being recorded: choose another name"
            ) from None
        try:
            return cls(file, lambda: os.fsync(file.fileno()))
        except OSError:
            file.close()
            path.unlink()
            raise

    @classmethod
    def into(cls, memory: io.BytesIO) -> BlockWriter:
        return cls(memory, lambda: None)

    @property
    def size_bytes(self) -> int:
        return self._end

    @property
    def num_blocks(self) -> int:
        return len(self._entries)

    def append(self, kind: BlockKind, steps: range, payload: Map, codec: Codec = Codec.DEFLATE) -> None:
        """Raises PayloadError for a payload that is too large, OSError for a disk that takes no more."""
        self._append(kind, steps, payloads.pack(payload), codec)

    def finish(self) -> None:
        """Writes the index, and closes the file. Without an index a file opens as well, block by block."""
        index_at = self._end
        rows = b"".join(_INDEX_ROW.pack(e.offset, e.kind, e.first_step, e.num_steps) for e in self._entries)
        self._append(BlockKind.INDEX, range(0), rows, Codec.STORED)
        at = struct.pack("<Q", index_at)
        self._write([_TRAILER.pack(index_at, zlib.crc32(at), TRAILER_MAGIC)])
        self.close()

    def close(self) -> None:
        if isinstance(self._file, io.RawIOBase):  # memory stays with the caller
            self._file.close()

    def _append(self, kind: BlockKind, steps: range, raw: bytes, codec: Codec) -> None:
        at = self._end
        self._write(_block_parts(kind, steps, raw, codec))
        self._entries.append(BlockEntry(at, kind, steps.start, len(steps)))

    def _write(self, parts: Iterable[bytes]) -> None:
        try:
            for part in parts:
                view = memoryview(part)
                while view:  # a raw file may take less than it is given
                    view = view[self._file.write(view) or 0 :]
            self._sync()
        except OSError:
            with suppress(OSError):  # where even that fails, readers leave the torn block out
                self._file.truncate(self._end)
            raise
        self._end = self._file.tell()


# ---------------------------------------------------------------- reading


class BlockReader:
    """The blocks of a file: by its index, or by walking from block to block. Threads may share it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Raises BlockFileError for anything but a .scam file of a version that is known here."""
        self._file = file
        self._name = name
        self._lock = Lock()
        self._size = file.seek(0, os.SEEK_END)
        self._require_header()
        self.cut_off: CutOff | None = None
        self.entries: list[BlockEntry] = []
        indexed = self._indexed()
        if indexed is None:
            self.follow()
        else:
            self.entries = indexed

    @classmethod
    def open(cls, path: Path) -> BlockReader:
        """Raises OSError, BlockFileError."""
        file = path.open("rb", buffering=0)
        try:
            return cls(file, path.name)
        except (BlockFileError, OSError):
            file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def follow(self) -> int:
        """Finds the blocks that were appended since. Returns how many."""
        self._size = self._file.seek(0, os.SEEK_END)
        known = len(self.entries)
        at = self._end_of(self.entries[-1]) if self.entries else _FILE_HEADER.size
        self.cut_off = None
        while at < self._size and (header := self._whole_header(at)) and header.kind != BlockKind.INDEX:
            self.entries.append(BlockEntry(at, header.kind, header.first_step, header.num_steps))
            if len(self.entries) > MAX_BLOCKS:
                raise BlockFileError(f"{self._name} has more than {MAX_BLOCKS} blocks")
            at += _BLOCK_HEADER.size + header.stored_bytes
        if len(self.entries) > known and not self._is_sound(self.entries[-1]):
            at = self.entries.pop().offset  # as a machine that lost its power may leave it
        if at < self._size and not self._is_index(at):
            self.cut_off = CutOff(at, self._size - at)
        return len(self.entries) - known

    def payload(self, entry: BlockEntry) -> Map:
        """Raises BlockFileError, nothing else but OSError."""
        raw = self._raw(entry)
        try:
            return payloads.unpack(raw)
        except PayloadError as error:
            raise self._damaged(entry, str(error)) from None

    def stored_bytes(self, entry: BlockEntry) -> int:
        """What the block takes in the file, with its header."""
        return self._end_of(entry) - entry.offset

    def _raw(self, entry: BlockEntry) -> bytes:
        header = self._whole_header(entry.offset)
        if header is None:
            raise self._damaged(entry, "its header is not whole")
        if (header.kind, header.first_step, header.num_steps) != (entry.kind, entry.first_step, entry.num_steps):
            raise self._damaged(entry, "it is not the block that the index names")
        stored = self._read(entry.offset + _BLOCK_HEADER.size, header.stored_bytes)
        if zlib.crc32(stored) != header.crc:
            raise self._damaged(entry, "its check sum is wrong")
        if header.codec == Codec.STORED:
            return stored
        if header.codec != Codec.DEFLATE:
            raise self._damaged(entry, f"codec {header.codec} is not known here")
        try:
            return inflate(stored, header.raw_bytes)
        except InflateError as error:
            raise self._damaged(entry, str(error)) from None

    def _damaged(self, entry: BlockEntry, why: str) -> BlockFileError:
        return BlockFileError(f"the block at byte {entry.offset} of {self._name} is damaged: {why}")

    def _require_header(self) -> None:
        head = self._read(0, _FILE_HEADER.size)
        if not head.startswith(FILE_MAGIC):
            raise BlockFileError(f"{self._name} is no .scam file, or was cut off in its first bytes")
        if len(head) < _FILE_HEADER.size:
            raise BlockFileError(f"{self._name} was cut off in its first bytes")
        _, version, _, crc = _FILE_HEADER.unpack(head)
        if crc != zlib.crc32(head[: -_CRC.size]):
            raise BlockFileError(f"the first bytes of {self._name} are damaged")
        if version != VERSION:
            raise BlockFileError(
                f"{self._name} is of version {version} of the format, this program reads version {VERSION}"
            )

    def _indexed(self) -> list[BlockEntry] | None:
        """The blocks as the index at the end tells; None where there is none, or none that can be believed."""
        trailer = self._read(self._size - _TRAILER.size, _TRAILER.size) if self._size > _TRAILER.size else b""
        if len(trailer) < _TRAILER.size:
            return None
        at, crc, magic = _TRAILER.unpack(trailer)
        if magic != TRAILER_MAGIC or crc != zlib.crc32(trailer[:8]) or not self._is_index(at):
            return None
        entry = BlockEntry(at, BlockKind.INDEX, 0, 0)
        try:
            rows = self._raw(entry)
        except BlockFileError:
            return None
        if len(rows) % _INDEX_ROW.size or len(rows) > MAX_BLOCKS * _INDEX_ROW.size:
            return None
        return [BlockEntry(*row) for row in _INDEX_ROW.iter_unpack(rows)]

    def _is_index(self, at: int) -> bool:
        header = self._whole_header(at)
        return header is not None and header.kind == BlockKind.INDEX

    def _is_sound(self, entry: BlockEntry) -> bool:
        try:
            self._raw(entry)
        except BlockFileError:
            return False
        return True

    def _end_of(self, entry: BlockEntry) -> int:
        header = self._whole_header(entry.offset)
        if header is None:
            raise self._damaged(entry, "its header is not whole")
        return entry.offset + _BLOCK_HEADER.size + header.stored_bytes

    def _whole_header(self, at: int) -> BlockHeader | None:
        """Of a block that ends within the file."""
        header = BlockHeader.unpack(self._read(at, _BLOCK_HEADER.size))
        if header is None or at + _BLOCK_HEADER.size + header.stored_bytes > self._size:
            return None
        return header

    def _read(self, at: int, size: int) -> bytes:
        if at >= self._size:
            return b""
        with self._lock:
            self._file.seek(at)
            parts = []
            while size and (part := self._file.read(size)):  # a raw file may give less than it is asked for
                parts.append(part)
                size -= len(part)
        return b"".join(parts)
