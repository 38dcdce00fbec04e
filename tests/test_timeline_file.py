from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.timeline import BlockFileError, RecordedTimeline, TimelineError, TimelineServer
from splatcam.timeline.block_file import BlockHeader, BlockKind, BlockReader, BlockWriter, Codec
from splatcam.timeline.nodes import Block, Picture, Step, StepFacts
from splatcam.timeline.timeline_file import End, Info
from splatcam.wire import JPEG_MAGIC, Format

BLOCK_HEADER_BYTES = 32
JPEG = JPEG_MAGIC + b"a picture"


@cache
def timeline() -> bytes:
    """Of everything a little, in three blocks of steps."""
    server = TimelineServer(70, fps=10)
    server.scene.add_points("floor", np.zeros((5, 3), np.float32), np.zeros((5, 3), np.uint8))
    for step in range(0, 70, 3):
        with server.at(step):
            server.scene.add_image("picture", JPEG)
            server.scene.add_result("live", Format.COMPACT, f"message {step}".encode())
    with server.at(40):
        server.scene.add_packed_splats("ball", 3, bytes(2048 * 16))
        server.audio.add_track("voice", np.arange(900, dtype=np.int16), 100)
    with server.at(41):
        server.scene.remove("ball")
    return server.serialize()


def blocks_of(data: bytes) -> list[bytes]:
    """The header of the file, then its blocks, then the trailer."""
    reader = BlockReader(io.BytesIO(data), "it")
    starts = [0, *(entry.offset for entry in reader.entries), len(data) - 16]
    index = int.from_bytes(data[-16:-8], "little")
    starts.insert(-1, index)
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def read_everything(data: bytes) -> int:
    """Every step, every sound. Returns the number of steps."""
    recorded = RecordedTimeline.from_bytes(data)
    for step in range(recorded.num_steps):
        recorded.scene_at(step)
        recorded.facts_at(step)
    recorded.sounds()
    return recorded.num_steps


def is_read_or_refused(data: bytes) -> bool:
    """True: read. Anything but a BlockFileError with a sentence is an offence."""
    try:
        read_everything(data)
    except BlockFileError as error:
        assert str(error)
        return False
    return True


def test_a_seek_reads_one_block_at_most_and_none_that_was_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = RecordedTimeline.from_bytes(timeline())
    reads = count_reads(monkeypatch)
    for step, expected in ((69, 1), (68, 1), (0, 2), (31, 2), (40, 3), (69, 3)):
        recorded.scene_at(step)
        assert len(reads) == expected, f"at step {step}"


def test_blocks_over_the_budget_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = RecordedTimeline.from_bytes(timeline(), cache_bytes=1)
    reads = count_reads(monkeypatch)
    for step in (0, 69, 0, 1):
        recorded.scene_at(step)
    assert len(reads) == 3


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    reads: list[int] = []
    payload = BlockReader.payload

    def counted(reader: BlockReader, entry: Any) -> Any:
        reads.append(entry.offset)
        return payload(reader, entry)

    monkeypatch.setattr(BlockReader, "payload", counted)
    return reads


def test_a_name_is_absent_before_it_was_added_and_after_it_was_removed() -> None:
    recorded = RecordedTimeline.from_bytes(timeline())
    names = [set(recorded.scene_at(step)) for step in (39, 40, 41)]
    assert names == [{"floor", "picture", "live"}, {"floor", "picture", "live", "ball"}, {"floor", "picture", "live"}]


@pytest.mark.parametrize("step", [-1, 70, 10**12])
def test_a_seek_out_of_range_is_refused_in_a_sentence(step: int) -> None:
    with pytest.raises(TimelineError, match=f"step {step} is outside the 70 steps"):
        RecordedTimeline.from_bytes(timeline()).scene_at(step)


def test_the_sound_of_a_part_begins_with_the_part() -> None:
    server = TimelineServer(100, fps=10)
    with server.at(20):
        server.audio.add_track("voice", np.arange(500, dtype=np.int16), 100, volume=0.5)
    (whole,) = RecordedTimeline.from_bytes(server.serialize()).sounds()
    assert (whole.start_step, whole.volume, whole.samples[:, 0].tolist()) == (20, 0.5, list(range(500)))
    (late,) = RecordedTimeline.from_bytes(server.serialize(30, 39)).sounds()
    assert (late.start_step, late.samples[:, 0].tolist()) == (0, list(range(100, 200)))
    (early,) = RecordedTimeline.from_bytes(server.serialize(15, 24)).sounds()
    assert (early.start_step, early.samples[:, 0].tolist()) == (5, list(range(50)))
    assert RecordedTimeline.from_bytes(server.serialize(0, 19)).sounds() == []


def test_a_file_that_was_cut_off_before_its_first_block_opens_without_a_step() -> None:
    recorded = RecordedTimeline.from_bytes(timeline()[:30])
    assert recorded.num_steps == 0 and recorded.cut_off is not None and recorded.end is None


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_by_the_named_error(data: bytes) -> None:
    assert not is_read_or_refused(data)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_by_the_named_error(data: st.DataObject) -> None:
    damaged = bytearray(timeline())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    is_read_or_refused(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.lists(st.integers(0, len(blocks_of(timeline())) - 1), max_size=12))
def test_blocks_in_any_order_are_read_or_refused_by_the_named_error(order: list[int]) -> None:
    blocks = blocks_of(timeline())
    is_read_or_refused(blocks[0] + b"".join(blocks[at] for at in order))


def _plain_parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a payload."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _plain_parts(inner, (*path, key))


def _with(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = _with(copied[path[0]], path[1:], change)
    return copied


OTHER_VALUES = st.sampled_from(
    [None, True, 0, -1, 1, 2**31, 2**53, 2**64 - 1, 0.5, -1.0, 1e300, float("nan"), float("inf"), "", "text", "compact",
     "splats16", "pointcloud", b"", JPEG, b"odd", [], [1], {}, {"a": 1}, {"kind": "picture"}]
)  # fmt: skip


@given(st.data())
def test_damage_that_no_check_sum_sees_is_read_or_refused_by_the_named_error(data: st.DataObject) -> None:
    blocks = blocks_of(timeline())[:-2]
    at = data.draw(st.integers(1, len(blocks) - 1))
    header = BlockHeader.unpack(blocks[at][:BLOCK_HEADER_BYTES])
    assert header is not None
    stored = blocks[at][BLOCK_HEADER_BYTES:]
    fields = msgpack.unpackb(zlib.decompress(stored, wbits=-15))
    if paths := sorted(_plain_parts(fields), key=str):
        fields = _with(fields, data.draw(st.sampled_from(paths)), lambda _: data.draw(OTHER_VALUES))
    raw = msgpack.packb(fields)
    first, count = (data.draw(st.sampled_from([n, n, n, 0, 1, 99])) for n in (header.first_step, header.num_steps))
    kind = data.draw(st.sampled_from([header.kind, header.kind, *BlockKind]))
    changed = BlockHeader(kind, Codec.STORED, first, count, len(raw), len(raw), zlib.crc32(raw)).pack() + raw
    is_read_or_refused(b"".join([*blocks[:at], changed, *blocks[at + 1 :]]))


def file_of(*blocks: tuple[BlockKind, range, dict[str, Any]]) -> bytes:
    memory = io.BytesIO()
    writer = BlockWriter.into(memory)
    for kind, steps, fields in blocks:
        writer.append(kind, steps, fields)
    writer.finish()
    return memory.getvalue()


INFO = (BlockKind.INFO, range(0), Info().model_dump())
STEP = {"nodes": {"a": {"kind": "picture", "jpeg": JPEG}}}
SOUND = {"name": "v", "sample_rate": 100, "channels": 1, "start_step": 0, "volume": 1.0, "samples": bytes(4)}
MALFORMED: dict[str, tuple[list[tuple[BlockKind, range, dict[str, Any]]], str]] = {
    "no info": ([(BlockKind.STEPS, range(1), {"steps": [STEP]})], "does not begin with what it is"),
    "info twice": ([INFO, INFO], "says so twice"),
    "a gap": ([INFO, (BlockKind.STEPS, range(1, 2), {"steps": [STEP]})], "do not follow each other"),
    "a block of no step": ([INFO, (BlockKind.STEPS, range(0), {"steps": []})], "do not follow each other"),
    "steps missing": ([INFO, (BlockKind.STEPS, range(2), {"steps": [STEP]})], "1 steps, its header says 2"),
    "no such node": (
        [INFO, (BlockKind.STEPS, range(1), {"steps": [{"nodes": {"a": {"kind": "mesh"}}}]})], "'mesh' found",
    ),
    "splats of another size": (
        [INFO, (BlockKind.STATIC, range(0), {"a": {"kind": "splats16", "num_splats": 1, "data": b"x"}})],
        "data does not have the size",
    ),
    "static twice": (
        [INFO, *[(BlockKind.STATIC, range(0), STEP["nodes"])] * 2], "more than one block of what is static",
    ),
    "no frames a second": ([(BlockKind.INFO, range(0), {"fps": 0.0})], "fps"),
    "half a sample": ([INFO, (BlockKind.AUDIO, range(0), {**SOUND, "samples": b"abc"})], "do not fit each other"),
    "channels change": (
        [INFO, (BlockKind.AUDIO, range(0), SOUND), (BlockKind.AUDIO, range(0), {**SOUND, "channels": 2})],
        "do not fit each other",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_malformed_is_named(what: str) -> None:
    blocks, words = MALFORMED[what]
    with pytest.raises(BlockFileError, match=words):
        read_everything(file_of(*blocks))


def test_more_sound_than_a_file_may_hold_is_neither_written_nor_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sounding = file_of(INFO, (BlockKind.AUDIO, range(0), SOUND), (BlockKind.AUDIO, range(0), SOUND))
    monkeypatch.setattr("splatcam.timeline.timeline_file.MAX_AUDIO_BYTES", 7)
    with pytest.raises(BlockFileError, match="7 bytes of sound"):
        RecordedTimeline.from_bytes(sounding).sounds()
    server = TimelineServer(10)
    server.audio.add_track("voice", np.zeros(4, np.int16), 100)
    with pytest.raises(TimelineError, match="7 bytes of sound"):
        server.serialize()


def test_random_seeks_of_many_threads_see_the_right_steps(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    path.write_bytes(timeline())
    recorded = RecordedTimeline.open(path, cache_bytes=1)
    expected = [recorded.scene_at(step) for step in range(70)]
    order = random.Random(7).choices(range(70), k=200)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(recorded.scene_at, order)) == [expected[step] for step in order]
    recorded.close()


@given(
    st.lists(st.tuples(st.integers(0, 2**53 - 1), st.floats(0, 1e15), st.integers(0, 99)), min_size=1, max_size=20),
    st.binary(max_size=50),
)
def test_facts_of_steps_come_back(frames: list[tuple[int, float, int]], body: bytes) -> None:
    facts = [StepFacts(frame_id=n, captured_at_ms=at, received_at_ms=at, lost_before=k) for n, at, k in frames]
    block = Block(0, tuple(Step({"camera": Picture(jpeg=JPEG + body)}, fact) for fact in facts))
    end = (BlockKind.END, range(0), End(lost=3).model_dump())
    recorded = RecordedTimeline.from_bytes(file_of(INFO, (BlockKind.STEPS, block.span, block.to_map()), end))
    assert [recorded.facts_at(step) for step in range(len(frames))] == facts
    assert recorded.end == End(lost=3)
