from __future__ import annotations

import errno
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatcam.timeline import RecordedTimeline, TimelineServer
from splatcam.timeline.blob_pool import SpillFailed
from splatcam.timeline.nodes import MAX_NAMES, Picture, TimelineError
from splatcam.timeline.store import TimelineStore
from splatcam.timeline.timeline_file import BLOCK_BYTES, block_ranges
from splatcam.wire import JPEG_MAGIC

NAMES = st.sampled_from(["a", "b", "c", "static"])
STEPS = st.integers(0, 79)
LENGTHS = st.integers(1, 80)
FEW_BYTES = 400  # of memory: two or three nodes, all others are spilled


def picture(number: int, size_bytes: int = 100) -> Picture:
    return Picture(jpeg=JPEG_MAGIC + number.to_bytes(4, "little") + bytes(size_bytes))


class Naive:
    """A list of writes, and the scene at a step is what they say one after the other."""

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.writes: dict[int, dict[str, Any]] = {}
        self.static: dict[str, Any] = {}

    def put(self, step: int, name: str, node: Any) -> None:
        self.writes.setdefault(step, {})[name] = node

    def set_steps(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.writes = {step: written for step, written in self.writes.items() if step < num_steps}

    def is_recorded(self, name: str) -> bool:
        return any(name in written for written in self.writes.values())

    def scene_at(self, step: int) -> dict[str, Any]:
        scene = dict(self.static)
        for at in sorted(self.writes):
            if at <= step:
                scene.update(self.writes[at])
        return {name: node for name, node in scene.items() if node is not None}


OPERATIONS = st.one_of(
    st.tuples(st.just("put"), STEPS, NAMES),
    st.tuples(st.just("put"), STEPS, NAMES),
    st.tuples(st.just("remove"), STEPS, NAMES),
    st.tuples(st.just("put_static"), NAMES),
    st.tuples(st.just("remove_static"), NAMES),
    st.tuples(st.just("seek"), STEPS),
    st.tuples(st.just("set_steps"), LENGTHS),
    st.tuples(st.just("clear")),
)


def happens(operation: tuple[Any, ...], number: int, store: TimelineStore, naive: Naive) -> None:
    """One operation to both. What one refuses is refused by the other's rules as well."""
    match operation:
        case ("put" | "remove" as what, step, name):
            node = picture(number) if what == "put" else None
            arguments = (step, name, node) if what == "put" else (step, name)
            if step >= naive.num_steps or name in naive.static:
                with pytest.raises(TimelineError):
                    getattr(store, what)(*arguments)
            else:
                getattr(store, what)(*arguments)
                naive.put(step, name, node)
        case ("put_static", name):
            if naive.is_recorded(name):
                with pytest.raises(TimelineError, match="recorded"):
                    store.put_static(name, picture(number))
            else:
                store.put_static(name, picture(number))
                naive.static[name] = picture(number)
        case ("remove_static", name):
            store.remove_static(name)
            naive.static.pop(name, None)
        case ("seek", step):
            if step >= naive.num_steps:
                with pytest.raises(TimelineError, match="outside"):
                    store.scene_at(step)
            else:
                assert store.scene_at(step) == naive.scene_at(step)
        case ("set_steps", length):
            store.set_steps(length)
            naive.set_steps(length)
        case ("clear",):
            store.clear()
            naive.writes, naive.static = {}, {}


@settings(max_examples=200)
@given(st.lists(OPERATIONS, max_size=60), LENGTHS, st.data())
def test_any_sequence_of_writes_edits_and_seeks_gives_the_scene_of_a_naive_fold(
    operations: list[tuple[Any, ...]], num_steps: int, data: st.DataObject
) -> None:
    naive = Naive(num_steps)
    with closing(TimelineServer(num_steps, memory_bytes=FEW_BYTES)) as server:  # also where a draw ends the example
        for number, operation in enumerate(operations):
            happens(operation, number, server.store, naive)
            assert server.store.memory_bytes <= FEW_BYTES
        scenes = [naive.scene_at(step) for step in range(naive.num_steps)]
        order = data.draw(st.permutations(range(naive.num_steps)))
        assert {step: server.scene_at(step) for step in order} == dict(enumerate(scenes))
        start = data.draw(st.integers(0, naive.num_steps - 1))
        end = data.draw(st.integers(start, naive.num_steps - 1))
        replayed = RecordedTimeline.from_bytes(server.serialize(start, end))
        assert [replayed.scene_at(step) for step in range(replayed.num_steps)] == scenes[start : end + 1]


@given(st.lists(st.tuples(STEPS, NAMES, st.booleans()), max_size=60), st.integers(0, 79), st.integers(1, 80))
def test_a_block_shows_each_of_its_steps_by_itself(
    writes: list[tuple[int, str, bool]], start: int, length: int
) -> None:
    store, naive = TimelineStore(80), Naive(80)
    for number, (step, name, is_removal) in enumerate(writes):
        happens(("remove" if is_removal else "put", step, name), number, store, naive)
    block = store.block(range(start, min(80, start + length)))
    assert [block.scene_at(step) for step in block.span] == [naive.scene_at(step) for step in block.span]


def test_the_blocks_of_a_timeline_hold_every_step_once() -> None:
    store = TimelineStore(100)
    assert [step for steps in block_ranges(store, range(3, 100)) for step in steps] == list(range(3, 100))


def test_large_steps_make_short_blocks() -> None:
    store = TimelineStore(6)
    for step in range(6):
        store.put(step, "a", picture(step, 2 * BLOCK_BYTES // 5))
    assert [len(steps) for steps in block_ranges(store, range(6))] == [2, 2, 2]
    store.close()


def test_an_edit_of_an_early_step_shows_in_all_that_follow_until_the_name_is_written_again() -> None:
    store = TimelineStore(100)
    store.put(0, "a", picture(0))
    store.put(70, "a", picture(70))
    store.block(range(64, 96))
    store.put(1, "a", picture(1))
    assert store.block(range(64, 96)).checkpoint == {"a": picture(1)}
    assert store.scene_at(69) == {"a": picture(1)} and store.scene_at(99) == {"a": picture(70)}


def test_what_does_not_fit_into_memory_comes_back_from_the_disk(tmp_path: Path) -> None:
    store = TimelineStore(50, memory_bytes=10_000, spill_folder=tmp_path)
    for step in range(50):
        store.put(step, "a", picture(step, 1000))
    assert store.memory_bytes <= 10_000 < 50 * 1000 and store.spilled_bytes > 0
    assert [store.scene_at(step) for step in range(50)] == [{"a": picture(step, 1000)} for step in range(50)]
    store.clear()
    assert store.memory_bytes == store.spilled_bytes == 0
    store.close()


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TimelineStore(50, memory_bytes=3000, spill_folder=tmp_path)
    for step in range(2):
        store.put(step, "a", picture(step, 1000))

    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("splatcam.timeline.blob_pool.tempfile.TemporaryFile", full)
    with pytest.raises(SpillFailed, match="No space left"):
        store.put(2, "a", picture(2, 2500))
    assert [store.scene_at(step) for step in (0, 1, 2)] == [{"a": picture(n, 1000)} for n in (0, 1, 1)]
    store.close()


@pytest.mark.parametrize("name", ["", "n" * 201])
def test_a_name_is_neither_empty_nor_long(name: str) -> None:
    with pytest.raises(TimelineError, match="characters"):
        TimelineStore(1).put(0, name, picture(0))


def test_there_are_never_more_names_than_a_block_holds() -> None:
    store = TimelineStore(1)
    for number in range(MAX_NAMES):
        store.put(0, f"{number}", picture(number))
    with pytest.raises(TimelineError, match="names"):
        store.put(0, "one more", picture(0))
    with pytest.raises(TimelineError, match="names"):
        store.put_static("one more", picture(0))


def test_a_timeline_of_all_the_names_there_may_be_fits_into_a_file() -> None:
    server = TimelineServer(3)
    for step in range(3):
        for number in range(MAX_NAMES):
            server.store.put(step, f"{number}", picture(number + step, 0))
    replayed = RecordedTimeline.from_bytes(server.serialize(1, 2))
    assert [replayed.scene_at(step) for step in (1, 0)] == [server.scene_at(step) for step in (2, 1)]


@pytest.mark.parametrize("num_steps", [0, -1, 2**31 + 1])
def test_a_timeline_has_steps_but_not_endlessly_many(num_steps: int) -> None:
    with pytest.raises(TimelineError, match="step"):
        TimelineStore(num_steps)
    with pytest.raises(TimelineError, match="step"):
        TimelineStore(5).set_steps(num_steps)
