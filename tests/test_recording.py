from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from splatcam.timeline import BlockFileError, RecordedTimeline, recording_variant
from splatcam.timeline.block_file import BlockReader, BlockWriter
from splatcam.timeline.heard import HeardPiece
from splatcam.timeline.nodes import Picture, Result
from splatcam.timeline.recording import Put, Recorder, RecorderOptions, RecordingReport
from splatcam.timeline.timeline_file import Info
from splatcam.variants import Client, ViewerSettings, choose_variant
from tests.recording_child import SIZE_BYTES, STEPS_PER_BLOCK, step

KILLS = int(os.environ.get("SPLATCAM_KILLS", "15"))
ROOT = Path(__file__).parent.parent


class Disk:
    """A file that writes a block when it may, and says when it has."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self.may_write = threading.Event()
        self.may_write.set()
        self.written = threading.Semaphore(0)
        self.writer = BlockWriter(self._file, self._sync)

    def _sync(self) -> None:
        self.may_write.wait()
        self.written.release()


def recorded_steps(path: Path) -> list[int]:
    recorded = RecordedTimeline.open(path)
    numbers = []
    for at in range(recorded.num_steps):
        facts = recorded.facts_at(at)
        assert facts is not None
        expected = step(facts.frame_id)
        scene = recorded.scene_at(at)
        assert scene["camera"] == Picture(jpeg=expected.jpeg)
        assert scene["scene"] == Result(format=expected.format, message=expected.message)
        numbers.append(facts.frame_id)
    recorded.close()
    return numbers


def test_what_is_put_is_in_the_file_with_pictures_results_and_times(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    recorder = Recorder.create(path, Info(fps=25.0, model="small"))
    assert {recorder.put(step(number)) for number in range(60)} == {Put.TAKEN}
    report = recorder.stop()
    assert (report.steps, report.lost, report.error) == (60, 0, None)
    assert report.size_bytes == path.stat().st_size
    assert recorded_steps(path) == list(range(60))
    recorded = RecordedTimeline.open(path)
    assert (recorded.info.fps, recorded.info.model, recorded.info.source) == (25.0, "small", "recording")
    assert recorded.end is not None
    assert [len(steps) for steps in recorded.block_ranges] == [25, 25, 10], "about a second each"
    recorded.close()


def test_a_recording_can_be_watched_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    disk = Disk(path)
    recorder = Recorder(disk.writer, Info(), RecorderOptions(block_s=0.01))
    recorded = RecordedTimeline.open(path)
    assert recorded.num_steps == 0
    recorder.put(step(0))
    for _ in ("header", "info", "block"):  # nothing more comes, and the block is written all the same
        disk.written.acquire()
    recorded.follow()
    assert recorded.scene_at(0)["camera"] == Picture(jpeg=step(0).jpeg)
    assert recorded.end is None
    recorder.stop()
    recorded.follow()
    assert recorded.end is not None
    recorded.close()


def test_steps_that_the_disk_cannot_take_are_counted_and_told_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    disk = Disk(path)
    room = 10 * step(0).size_bytes
    recorder = Recorder(disk.writer, Info(), RecorderOptions(queue_bytes=room, block_bytes=1))
    disk.may_write.clear()
    outcomes = [recorder.put(step(number)) for number in range(40)]
    lost = outcomes.count(Put.LOST)
    assert lost >= 40 - 10 - 2, "what is queued, and what is being written"
    assert recorder.report.lost == lost
    disk.may_write.set()
    while recorder.put(step(40)) is Put.LOST:
        lost += 1
    assert recorder.stop().lost == lost
    recorded = RecordedTimeline.open(path)
    facts = [recorded.facts_at(at) for at in range(recorded.num_steps)]
    assert sum(fact.lost_before for fact in facts if fact) == lost
    assert recorded.end is not None and recorded.end.lost == lost
    assert recorded_steps(path) == sorted({n for n, outcome in enumerate(outcomes) if outcome is Put.TAKEN} | {40})
    recorded.close()


def test_steps_lost_after_the_last_one_are_told_at_the_end(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "take.scam")
    recorder = Recorder(disk.writer, Info(), RecorderOptions(queue_bytes=1, block_bytes=1))
    disk.may_write.clear()
    while recorder.put(step(0)) is Put.TAKEN:
        pass
    disk.may_write.set()
    recorder.stop()
    recorded = RecordedTimeline.open(tmp_path / "take.scam")
    assert recorded.end is not None and (recorded.end.lost, recorded.end.lost_at_end) == (1, 1)
    recorded.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from splatcam.timeline import Info, Put, Recorder
from tests.recording_child import step
path, limit = Path(sys.argv[1]), int(sys.argv[2])
told = []
recorder = Recorder.create(path, Info(), on_end=told.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # the kernel takes a part of a write, then none
number = 0
while (put := recorder.put(step(number))) is not Put.ENDED:
    number += put is Put.TAKEN
report = recorder.stop()
assert told == [report] and path.stat().st_size == report.size_bytes <= limit
assert report.steps > 0 and report.steps + report.lost >= number
print(report.steps, report.error)
"""


def test_a_disk_that_fills_up_ends_the_recording_in_words_and_leaves_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), "6000000"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr
    steps, _, error = child.stdout.strip().partition(" ")
    assert error == f"the disk took no more: File too large. The first {steps} steps are in the file"
    recorded = RecordedTimeline.open(path)
    assert recorded.cut_off is None and recorded.end is None
    assert recorded_steps(path) == list(range(int(steps)))
    recorded.close()


def test_a_recording_that_ended_takes_no_more_and_stops_again(tmp_path: Path) -> None:
    told: list[RecordingReport] = []
    recorder = Recorder.create(tmp_path / "take.scam", Info(), on_end=told.append)
    recorder.put(step(0))
    report = recorder.stop()
    assert recorder.put(step(1)) is Put.ENDED
    assert recorder.stop() == report and told == [report]


def test_sound_is_written_beside_the_steps_in_the_order_in_which_it_came(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    recorder = Recorder.create(path, Info())
    assert not recorder.report.has_sound
    pieces = [HeardPiece(at_ms, 8000, bytes([number, 0]) * 80) for number, at_ms in enumerate((0.0, 10.0, 500.0))]
    for number in range(30):
        recorder.put(step(number))
    for piece in pieces:
        assert recorder.hear(piece) is Put.TAKEN
    report = recorder.stop()
    assert recorder.hear(pieces[0]) is Put.ENDED
    assert report.has_sound and recorded_steps(path) == list(range(30))
    recorded = RecordedTimeline.open(path)
    parts = list(recorded.audio_parts())
    assert [part.captured_at_ms for part in parts] == [0.0, 500.0]
    assert b"".join(part.samples for part in parts) == b"".join(piece.samples for piece in pieces)
    assert recorded.end is not None
    recorded.close()


def test_sound_alone_is_written_as_well(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "take.scam", Info())
    recorder.hear(HeardPiece(0.0, 8000, bytes(100)))
    report = recorder.stop()
    assert (report.steps, report.has_sound, report.error) == (0, True, None)


def test_a_limit_ends_the_recording_in_order_and_what_came_after_it_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    full = threading.Event()
    options = RecorderOptions(block_bytes=1, limit=lambda size_bytes: "it is enough" if full.is_set() else None)
    recorder = Recorder.create(path, Info(), options)
    recorder.put(step(0))
    while recorder.report.steps == 0:
        time.sleep(0.01)
    full.set()
    for number in range(1, 4):
        recorder.put(step(number))
    while not recorder.has_ended:
        time.sleep(0.01)
    report = recorder.stop()
    assert (report.limit, report.error, report.lost) == ("it is enough", None, 0)
    assert recorder.has_ended
    recorded = RecordedTimeline.open(path)
    assert recorded.end is not None and recorded.end.lost == 0
    assert recorded_steps(path) == [0]
    recorded.close()


def test_a_file_gets_no_more_blocks_than_readers_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatcam.timeline.recording.MAX_BLOCKS", 100)
    recorder = Recorder.create(tmp_path / "take.scam", Info(), RecorderOptions(block_bytes=1))
    number = 0
    while recorder.put(step(number)) is not Put.ENDED:
        number += 1
    report = recorder.stop()
    assert report.limit == "a recording has no more blocks than this"
    reader = BlockReader.open(tmp_path / "take.scam")
    assert 80 < len(reader.entries) < 100
    reader.close()


def test_a_file_that_is_being_recorded_is_not_recorded_over(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    recorder = Recorder.create(path, Info())
    with pytest.raises(BlockFileError, match="is there already, finished or still being recorded"):
        Recorder.create(path, Info())
    recorder.put(step(0))
    recorder.stop()
    assert recorded_steps(path) == [0]


def test_a_folder_that_is_not_there_is_told_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Recorder.create(tmp_path / "nowhere" / "take.scam", Info())


def test_a_viewer_of_the_default_page_shares_the_encoding_of_a_recording() -> None:
    viewer = Client(["compact", "splats16"], color="own")
    for supports_gaussians in (True, False):
        watched = choose_variant(viewer, ViewerSettings(), supports_gaussians)
        assert recording_variant(supports_gaussians).encoding == watched.encoding


def test_killed_at_any_moment_a_recording_opens_and_misses_its_last_block_at_most(tmp_path: Path) -> None:
    """SPLATCAM_KILLS=100 for the long form."""
    make = random.Random(7)
    torn = 0
    for turn in range(KILLS):
        path = tmp_path / f"{turn}.scam"
        told_steps = kill_a_recording(path, make.random() * 0.3)
        recorded = RecordedTimeline.open(path)
        assert told_steps <= recorded.num_steps and recorded.num_steps % STEPS_PER_BLOCK == 0
        assert recorded.end is None
        if recorded.cut_off is not None:
            torn += 1
            assert recorded.cut_off.size_bytes < STEPS_PER_BLOCK * (SIZE_BYTES + 1000), "less than a block"
        recorded.close()
        assert recorded_steps(path) == list(range(recorded.num_steps))
        path.unlink()
    print(f"{torn} of {KILLS} files ended with a torn block")


def kill_a_recording(path: Path, after_s: float) -> int:
    """Returns how many steps were in the file by its own account."""
    command = [sys.executable, "-m", "tests.recording_child", str(path)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"0\n"
    time.sleep(after_s)
    child.kill()
    rest, _ = child.communicate(timeout=30)
    return int(rest.split()[-1]) if rest.endswith(b"\n") else 0
