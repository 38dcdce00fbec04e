from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.deflate import RAW_DEFLATE
from splatcam.timeline import payload as payloads
from splatcam.timeline.block_file import (
    BlockFileError,
    BlockHeader,
    BlockKind,
    BlockReader,
    BlockWriter,
    Codec,
)
from splatcam.timeline.payload import PayloadError

HEADER_BYTES, BLOCK_HEADER_BYTES, TRAILER_BYTES = 16, 32, 16
Payloads = list[dict[str, Any]]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=9)
    | st.binary(max_size=99),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
PAYLOADS = st.lists(st.dictionaries(st.text(max_size=9), VALUES, max_size=4), max_size=5)
SOME: Payloads = [{"number": n, "data": bytes([n]) * 50} for n in range(4)]


def written(given: Payloads, codec: Codec = Codec.DEFLATE) -> tuple[BlockWriter, io.BytesIO]:
    memory = io.BytesIO()
    writer = BlockWriter.into(memory)
    for at, one in enumerate(given):
        writer.append(BlockKind.STEPS, range(at, at + 1), one, codec)
    return writer, memory


def reader_of(data: bytes) -> BlockReader:
    return BlockReader(io.BytesIO(data), "take.scam")


def payloads_of(data: bytes) -> Payloads:
    reader = reader_of(data)
    return [reader.payload(entry) for entry in reader.entries]


def finished(given: Payloads = SOME, codec: Codec = Codec.DEFLATE) -> bytes:
    writer, memory = written(given, codec)
    writer.finish()
    return memory.getvalue()


def offsets(data: bytes) -> list[int]:
    return [entry.offset for entry in reader_of(data).entries]


@given(PAYLOADS, st.sampled_from(Codec))
def test_blocks_come_back_as_they_were_written_with_an_index_and_without(given_: Payloads, codec: Codec) -> None:
    writer, memory = written(given_, codec)
    assert payloads_of(memory.getvalue()) == given_
    writer.finish()
    assert payloads_of(memory.getvalue()) == given_
    assert reader_of(memory.getvalue()).cut_off is None


@given(st.integers(0, len(finished()) - 1))
def test_a_file_that_ends_anywhere_has_all_blocks_before_that_and_tells_what_is_torn(size: int) -> None:
    whole = finished()
    ends = [*offsets(whole)[1:], len(whole) - TRAILER_BYTES - BLOCK_HEADER_BYTES - 17 * len(SOME)]
    if size < HEADER_BYTES:
        with pytest.raises(BlockFileError, match="cut off in its first bytes"):
            reader_of(whole[:size])
        return
    reader = reader_of(whole[:size])
    kept = sum(end <= size for end in ends)
    assert [reader.payload(entry) for entry in reader.entries] == SOME[:kept]
    at = ([HEADER_BYTES, *ends])[kept]
    if size == at or kept == len(SOME) and size >= len(whole) - TRAILER_BYTES:
        assert reader.cut_off is None
    else:
        assert reader.cut_off is not None
        assert (reader.cut_off.offset, reader.cut_off.size_bytes) == (at, size - at)


def read_as_the_page_says(data: bytes) -> list[tuple[int, range, Any]]:
    """docs/scam-format.md and nothing else: kind, steps and payload of every block."""
    magic, version, _, crc = struct.unpack("<8sHHI", data[:16])
    assert (magic, version, crc) == (bytes.fromhex("895343414D0D0A1A"), 1, zlib.crc32(data[:12]))
    at, blocks = 16, []
    while len(header := data[at : at + 32]) == 32 and header[:4] == b"SBLK":
        kind, codec, _, first, count, stored_bytes, raw_bytes, crc, own_crc = struct.unpack("<BBHIIIIII", header[4:])
        stored = data[at + 32 : at + 32 + stored_bytes]
        assert own_crc == zlib.crc32(header[:28]) and crc == zlib.crc32(stored)
        raw = zlib.decompress(stored, wbits=-15) if codec else stored
        assert len(raw) == raw_bytes
        blocks.append((kind, range(first, first + count), list(struct.iter_unpack("<QBII", raw)) if kind == 6 else raw))
        at += 32 + stored_bytes
    if at < len(data):
        index_at, crc, magic = struct.unpack("<QI4s", data[at:])
        assert (crc, magic, data[index_at : index_at + 5]) == (zlib.crc32(data[at : at + 8]), b"macs", b"SBLK\x06")
    return blocks


@pytest.mark.parametrize("codec", Codec)
def test_the_bytes_are_those_that_the_page_describes(codec: Codec) -> None:
    data = finished(SOME, codec)
    *blocks, index = read_as_the_page_says(data)
    assert [msgpack.unpackb(raw) for _, _, raw in blocks] == SOME
    assert [(kind, steps) for kind, steps, _ in blocks] == [(2, range(at, at + 1)) for at in range(len(SOME))]
    assert index == (6, range(0), [(offset, 2, at, 1) for at, offset in enumerate(offsets(data))])


def test_zeros_that_a_lost_machine_leaves_at_the_end_are_left_out() -> None:
    _, memory = written(SOME)
    data = memory.getvalue()
    last = offsets(data)[-1]
    torn = data[: last + BLOCK_HEADER_BYTES + 3] + bytes(len(data) - last - BLOCK_HEADER_BYTES - 3)
    for damaged in (data + bytes(999), torn, data[:last] + bytes(999)):
        reader = reader_of(damaged)
        kept = [reader.payload(entry) for entry in reader.entries]
        assert kept == SOME[: len(kept)] and len(kept) >= len(SOME) - 1
        assert reader.cut_off is not None


def test_a_reader_follows_a_file_that_is_still_written(tmp_path: Path) -> None:
    writer = BlockWriter.create(tmp_path / "take.scam")
    reader = BlockReader.open(tmp_path / "take.scam")
    assert reader.follow() == 0
    for count, one in enumerate(SOME, start=1):
        writer.append(BlockKind.STEPS, range(1), one)
        assert reader.follow() == 1 and len(reader.entries) == count
    writer.finish()
    assert reader.follow() == 0 and reader.cut_off is None
    assert [reader.payload(entry) for entry in reader.entries] == SOME
    reader.close()


def test_a_block_in_the_middle_that_is_damaged_costs_only_itself() -> None:
    data = bytearray(finished())
    data[offsets(bytes(data))[1] + BLOCK_HEADER_BYTES + 5] ^= 1
    reader = reader_of(bytes(data))
    with pytest.raises(BlockFileError, match=r"the block at byte \d+ of take.scam is damaged: its check sum is wrong"):
        reader.payload(reader.entries[1])
    assert [reader.payload(reader.entries[n]) for n in (0, 2, 3)] == [SOME[n] for n in (0, 2, 3)]


def test_an_index_that_lies_is_found_out() -> None:
    data = finished()
    index_at = struct.unpack("<Q", data[-16:-8])[0]
    header = BlockHeader.unpack(data[index_at : index_at + BLOCK_HEADER_BYTES])
    assert header is not None
    rows = bytearray(data[index_at + BLOCK_HEADER_BYTES : -TRAILER_BYTES])
    rows[9] += 1  # the first step of the first block
    lying = BlockHeader(header.kind, 0, 0, 0, len(rows), len(rows), zlib.crc32(rows)).pack()
    reader = reader_of(data[:index_at] + lying + bytes(rows) + data[-TRAILER_BYTES:])
    with pytest.raises(BlockFileError, match="not the block that the index names"):
        reader.payload(reader.entries[0])


@pytest.mark.parametrize("at", [-1, -5, -9, -20, -40, -90])
def test_a_damaged_index_is_as_good_as_none(at: int) -> None:
    data = bytearray(finished())
    data[at] ^= 0xFF
    assert payloads_of(bytes(data)) == SOME


def test_a_version_from_the_future_is_refused_by_its_number() -> None:
    head = struct.pack("<8sHH", b"\x89SCAM\r\n\x1a", 2, 0)
    with pytest.raises(BlockFileError, match="version 2 of the format, this program reads version 1"):
        reader_of(head + struct.pack("<I", zlib.crc32(head)) + finished()[HEADER_BYTES:])


@pytest.mark.parametrize("data", [b"", b"ply\n", b"\x89PNG\r\n\x1a\n" + bytes(90), bytes(90), finished()[1:]])
def test_a_foreign_file_is_refused(data: bytes) -> None:
    with pytest.raises(BlockFileError, match="no .scam file"):
        reader_of(data)


def test_a_damaged_header_is_told() -> None:
    data = finished()
    with pytest.raises(BlockFileError, match="first bytes of take.scam are damaged"):
        reader_of(data[:9] + b"\x07" + data[10:])


def test_an_unknown_codec_is_refused_and_an_unknown_kind_passed_over() -> None:
    head = finished()[:HEADER_BYTES]
    raw = msgpack.packb({})
    block = BlockHeader(77, 9, 0, 0, len(raw), len(raw), zlib.crc32(raw)).pack() + raw
    good = finished(SOME[:1])[HEADER_BYTES:]
    reader = reader_of(head + block + good)
    assert [entry.kind for entry in reader.entries] == [77, BlockKind.STEPS]
    with pytest.raises(BlockFileError, match="codec 9 is not known"):
        reader.payload(reader.entries[0])


def test_a_payload_is_not_inflated_beyond_what_its_header_says() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, RAW_DEFLATE)
    bomb = deflater.compress(bytes(1 << 26)) + deflater.flush()
    block = BlockHeader(2, 1, 0, 1, len(bomb), 1000, zlib.crc32(bomb)).pack() + bomb
    reader = reader_of(finished([])[:HEADER_BYTES] + block + block + finished(SOME[:1])[HEADER_BYTES:])
    tracemalloc.start()
    try:
        with pytest.raises(BlockFileError, match="announced size"):
            reader.payload(reader.entries[0])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


HOSTILE = {
    "cut off": b"\x81\xa1a\x9a",
    "a list": msgpack.packb([1]),
    "deep": b"\x91" * 2000 + b"\xc0",
    "a long list": b"\x81\xa1a\xdd\x00\x10\x00\x00" + b"\xc0" * (1 << 20),
    "many empty maps": b"\x81\xa1a\xdc\x0f\xff" + (b"\xdc\x0f\xff" + b"\x80" * 4095) * 4095,
    "many values": b"\x81\xa1a\xdc\x0f\xff" + (b"\xdc\x0f\xff" + b"\x00" * 4095) * 4095,
    "a key twice": b"\x82\xa1a\x01\xa1a\x02",
    "a number as key": b"\x81\x01\x02",
    "a list as key": b"\x81\x90\x02",
    "an extension": b"\x81\xa1a\xd4\x01\x00",
    "a long text": msgpack.packb({"a": "x" * 1025}),
    "bytes after the end": msgpack.packb({"a": 1}) + b"\x00",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_payload_over_the_limits_is_refused(what: str) -> None:
    with pytest.raises(PayloadError, match="not a msgpack map|expected"):
        payloads.unpack(HOSTILE[what])


def test_a_payload_that_no_reader_would_take_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "MAX_RAW_BYTES", 1000)
    writer, memory = written([])
    with pytest.raises(PayloadError, match="1000"):
        writer.append(BlockKind.STEPS, range(1), {"data": bytes(1000)})
    assert len(memory.getvalue()) == HEADER_BYTES


@given(st.binary(max_size=300))
def test_any_bytes_are_a_payload_or_a_payload_error(raw: bytes) -> None:
    try:
        payloads.unpack(raw)
    except PayloadError as error:
        assert str(error)


def test_a_second_writer_of_a_file_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    writer = BlockWriter.create(path)
    with pytest.raises(BlockFileError, match="is there already"):
        BlockWriter.create(path)
    writer.append(BlockKind.STEPS, range(1), SOME[0])
    writer.finish()
    with pytest.raises(BlockFileError, match="is there already"):
        BlockWriter.create(path)
    reader = BlockReader.open(path)
    assert [reader.payload(entry) for entry in reader.entries] == SOME[:1]
    reader.close()


class FullDisk(io.RawIOBase):
    """A file that takes so many bytes, and of the write that is too much a part."""

    def __init__(self, room_bytes: int) -> None:
        self.data = io.BytesIO()
        self._room_bytes = room_bytes

    def write(self, data: Any) -> int:
        taken = min(len(data), self._room_bytes - self.data.tell(), 7)
        if taken <= 0:
            raise OSError(28, "No space left on device")
        return self.data.write(data[:taken])

    def tell(self) -> int:
        return self.data.tell()

    def truncate(self, size: int | None = None) -> int:
        return self.data.truncate(size)


@given(st.integers(HEADER_BYTES, 700))
def test_on_a_full_disk_the_file_ends_with_the_last_whole_block(room_bytes: int) -> None:
    disk = FullDisk(room_bytes)
    writer = BlockWriter(disk, lambda: None)
    with pytest.raises(OSError, match="No space left"):
        for one in SOME * 10:
            writer.append(BlockKind.STEPS, range(1), one, Codec.STORED)
    reader = reader_of(disk.data.getvalue())
    assert reader.cut_off is None
    assert [reader.payload(entry) for entry in reader.entries] == (SOME * 10)[: len(reader.entries)]
    assert writer.size_bytes == len(disk.data.getvalue())
