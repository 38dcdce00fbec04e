from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from splatcam.timeline import RecordedTimeline
from splatcam.timeline.block_file import BlockFileError, BlockKind, BlockReader
from splatcam.timeline.heard import HeardPiece
from splatcam.timeline.takes import (
    FILES_OPEN,
    KEEP_FREE_BYTES,
    MAX_RUNNING,
    TAKE_ID,
    Take,
    TakeRefused,
    TakeRuns,
    Takes,
    UnknownTake,
)
from tests.recording_child import step

LARGE = 1 << 40


class Disk:
    """How much is free on it, as a test wishes."""

    def __init__(self) -> None:
        self.free_bytes = LARGE
        self.asked = threading.Semaphore(0)

    def __call__(self, folder: Path) -> int:
        self.asked.release()
        return self.free_bytes


made: list[Takes] = []


def takes_in(folder: Path, max_bytes: int = LARGE, disk: Disk | None = None) -> Takes:
    made.append(Takes(folder, max_bytes, disk or Disk()))
    return made[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The files that were looked at."""
    yield
    while made:
        made.pop().close()


def recorded(takes: Takes, steps: int, room: str = "") -> str:
    take = takes.begin("small", room)
    for number in range(steps):
        take.put(step(number))
    take.end()
    return take.id


def until_it_ends(take: Take) -> None:
    number = 0
    while not take.has_ended:
        take.put(step(number))
        number += 1


def test_a_recording_is_a_file_named_by_its_id_in_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    takes = takes_in(tmp_path / "not" / "yet")
    take_id = recorded(takes, 30, "stage")
    assert TAKE_ID.fullmatch(take_id)
    assert takes.find(take_id) == tmp_path / "not" / "yet" / f"{take_id}.scam"
    timeline = RecordedTimeline.open(takes.find(take_id))
    assert (timeline.num_steps, timeline.info.model, timeline.info.room) == (30, "small", "stage")
    assert timeline.info.began_at
    timeline.close()


def test_the_list_tells_what_is_there_newest_first(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    silent = recorded(takes, 3)
    take = takes.begin("base", "stage")
    take.put(step(0))
    take.hear(HeardPiece(0.0, 8000, bytes(1000)))
    running = take.id
    listed = {facts.id: facts for facts in takes.listed()}
    assert [*listed] == sorted((silent, running), reverse=True)
    assert (listed[silent].state, listed[silent].steps, listed[silent].sound) == ("ended", 3, False)
    assert listed[silent].size_bytes == takes.find(silent).stat().st_size
    assert (listed[running].state, listed[running].model, listed[running].room) == ("recording", "base", "stage")
    take.end()
    again = {facts.id: facts for facts in takes.listed()}
    assert (again[running].state, again[running].steps, again[running].sound) == ("ended", 1, True)
    assert again[silent] == listed[silent]


def test_a_model_named_by_a_long_path_can_be_recorded(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    take = takes.begin("/a" * 1000, "")
    take.put(step(0))
    take.end()
    assert len(takes.listed()[0].model) == 200


def test_there_is_nothing_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert takes_in(tmp_path / "nowhere").listed() == []


def test_other_files_and_those_that_cannot_be_read_are_not_listed(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    take_id = recorded(takes, 1)
    (tmp_path / "take.scam").write_bytes(takes.find(take_id).read_bytes())
    (tmp_path / "20260101-000000-abcdef.scam").write_bytes(b"")
    (tmp_path / "20260101-000000-abcdee.scam").write_bytes(b"no recording at all")
    (tmp_path / "20260101-000000-abcded.scam").mkdir()
    assert [facts.id for facts in takes.listed()] == [take_id]


def test_a_file_whose_writer_died_is_cut_off_and_opens_up_to_there(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    whole = takes.find(recorded(takes, 60)).read_bytes()
    reader = BlockReader.open(next(tmp_path.glob("*.scam")))
    second = [entry for entry in reader.entries if entry.kind == BlockKind.STEPS][1]
    reader.close()
    (tmp_path / "20260101-000000-abcdef.scam").write_bytes(whole[: second.offset + 100])
    assert [(facts.state, facts.steps) for facts in takes.listed()] == [("ended", 60), ("cut_off", second.first_step)]
    index = takes.index("20260101-000000-abcdef")
    assert (index.state, index.num_steps, len(index.rows)) == ("cut_off", second.first_step, 2)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "20260101-000000-ABCDEF", "20260101-000000-abcdef.scam", "20260101-000000-abcdef\n",
     "20260101-000000-abcdef/../../secret", "２0260101-000000-abcdef", "20260101-000000-abcde\0", "x" * 100_000],
)  # fmt: skip
def test_what_is_no_id_is_unknown_whatever_lies_there(tmp_path: Path, name: str) -> None:
    takes = takes_in(tmp_path / "recordings")
    (tmp_path / "secret.scam").write_bytes(b"secret")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / ".scam").write_bytes(b"secret")
    for ask in (takes.find, takes.index, takes.remove):
        with pytest.raises(UnknownTake):
            ask(name)


def test_the_index_tells_where_each_block_is_also_while_it_grows(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    take = takes.begin("small", "")
    known = []
    for number in range(120):
        take.put(step(number))
        index = takes.index(take.id)
        assert index.state == "recording"
        assert list(index.rows[: len(known)]) == known, "what was told once stays so"
        known = list(index.rows)
    take.end()
    index = takes.index(take.id)
    assert (index.state, index.num_steps) == ("ended", 120)
    reader = BlockReader.open(takes.find(take.id))
    assert [(row.offset, row.kind, row.first_step, row.num_steps) for row in index.rows] == [
        (entry.offset, entry.kind, entry.first_step, entry.num_steps) for entry in reader.entries
    ]
    assert [row.size_bytes for row in index.rows] == [reader.stored_bytes(entry) for entry in reader.entries]
    reader.close()


def test_more_files_than_are_kept_open_are_told_of_all_the_same(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    ids = [recorded(takes, 1) for _ in range(FILES_OPEN + 3)]
    for _ in range(2):
        assert {takes.index(take_id).num_steps for take_id in ids} == {1}


def test_a_damaged_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "20260101-000000-abcdef.scam").write_bytes(b"no recording at all")
    with pytest.raises(BlockFileError, match=r"is no \.scam file"):
        takes_in(tmp_path).index("20260101-000000-abcdef")


def test_a_recording_is_removed_but_not_while_it_runs(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    take = takes.begin("small", "")
    take.put(step(0))
    with pytest.raises(TakeRuns):
        takes.remove(take.id)
    take.end()
    takes.index(take.id)
    takes.listed()
    takes.remove(take.id)
    assert takes.listed() == [] and not [*tmp_path.iterdir()]
    with pytest.raises(UnknownTake):
        takes.remove(take.id)


def test_nothing_begins_where_the_disk_has_hardly_any_room(tmp_path: Path) -> None:
    disk = Disk()
    takes = takes_in(tmp_path, disk=disk)
    disk.free_bytes = KEEP_FREE_BYTES
    with pytest.raises(TakeRefused, match="the disk has less than 1.1 GB left"):
        takes.begin("small", "")
    assert takes.listed() == []
    disk.free_bytes = LARGE
    recorded(takes, 1)


def test_a_recording_ends_in_order_before_the_disk_is_full(tmp_path: Path) -> None:
    disk = Disk()
    takes = takes_in(tmp_path, disk=disk)
    take = takes.begin("small", "")
    for number in range(60):
        take.put(step(number))
    assert disk.asked.acquire(timeout=60) and disk.asked.acquire(timeout=60), "as it begins, and before a block"
    disk.free_bytes = KEEP_FREE_BYTES - 1
    until_it_ends(take)
    report = take.end()
    assert report.limit == "the disk has less than 1.1 GB left" and report.error is None
    timeline = RecordedTimeline.open(takes.find(take.id))
    assert timeline.end is not None and timeline.num_steps == report.steps
    assert timeline.end.lost == report.lost
    timeline.close()


def test_a_recording_ends_in_order_when_it_is_large_enough(tmp_path: Path) -> None:
    takes = takes_in(tmp_path, max_bytes=10_000_000)
    take = takes.begin("small", "")
    until_it_ends(take)
    report = take.end()
    assert report.limit == "it has 10 MB, as much as a recording may have"
    assert 10_000_000 <= report.size_bytes < 10_000_000 + (20 << 20), "a block more at most"
    (facts,) = takes.listed()
    assert (facts.state, facts.steps) == ("ended", report.steps)


def test_a_folder_that_cannot_be_written_to_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TakeRefused) as refusal:
        takes_in(tmp_path / "file" / "recordings").begin("small", "")
    assert str(refusal.value).startswith("nothing can be written where recordings are kept: ")
    assert str(tmp_path) not in str(refusal.value)


def test_only_so_many_run_at_once(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    running = [takes.begin("small", "") for _ in range(MAX_RUNNING)]
    with pytest.raises(TakeRefused, match="8 recordings run already"):
        takes.begin("small", "")
    running[0].end()
    running[0] = takes.begin("small", "")
    for take in running:
        take.put(step(0))
        take.end()
    assert len(takes.listed()) == MAX_RUNNING


def test_recordings_that_begin_at_the_same_moment_have_a_file_each(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    with ThreadPoolExecutor(MAX_RUNNING) as pool:
        running = list(pool.map(lambda _: takes.begin("small", ""), range(MAX_RUNNING)))
    assert len({take.id for take in running}) == len([*tmp_path.iterdir()]) == MAX_RUNNING
    for take in running:
        take.end()


def test_a_recording_to_which_no_step_came_leaves_no_file(tmp_path: Path) -> None:
    takes = takes_in(tmp_path)
    take = takes.begin("small", "")
    take.hear(HeardPiece(0.0, 8000, bytes(1000)))
    takes.index(take.id)
    take.end()
    assert not [*tmp_path.iterdir()]
    removed = takes.begin("small", "")
    takes.find(removed.id).unlink()
    removed.end()
