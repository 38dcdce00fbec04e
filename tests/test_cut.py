from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest

from splatcam.timeline import BlockFileError, RecordedTimeline, TimelineError, TimelineServer
from splatcam.timeline.block_file import BlockWriter
from splatcam.timeline.cut import steps_between, write_cut
from tests.exported_takes import RATE, live_steps, record, record_with_tone

JPEG = b"\xff\xd8\xff"


def cut(recorded: RecordedTimeline, steps: range) -> RecordedTimeline:
    memory = io.BytesIO()
    writer = BlockWriter.into(memory)
    write_cut(writer, recorded, steps)
    writer.finish()
    return RecordedTimeline.from_bytes(memory.getvalue())


def program_timeline(steps: int) -> RecordedTimeline:
    """Names come, change and go."""
    choose = random.Random(1)
    server = TimelineServer(steps, fps=10)
    server.scene.add_image("still", JPEG + b"still")
    for step in range(steps):
        with server.at(step):
            for name in "abc":
                if choose.random() < 0.2:
                    server.scene.add_image(name, JPEG + f"{name}{step}".encode())
                elif choose.random() < 0.1:
                    server.scene.remove(name)
    server.audio.add_track("tone", np.arange(steps * 100, dtype=np.int16), 1000)
    return RecordedTimeline.from_bytes(server.serialize())


@pytest.mark.parametrize("steps", [range(100), range(1), range(99, 100), range(31, 33), range(40, 77)], ids=str)
def test_a_cut_shows_the_same_scenes_from_step_0_on(steps: range) -> None:
    whole = program_timeline(100)
    part = cut(whole, steps)
    assert part.num_steps == len(steps)
    assert [part.scene_at(at) for at in range(len(steps))] == [whole.scene_at(step) for step in steps]
    assert part.end is not None and part.cut_off is None


def test_a_cut_of_a_program_has_what_is_heard_meanwhile() -> None:
    (sound,) = cut(program_timeline(100), range(40, 60)).sounds()
    assert sound.samples[:, 0].tolist() == list(range(4000, 6000))


def test_a_cut_of_a_recording_has_the_pieces_of_sound_of_its_time(tmp_path: Path) -> None:
    steps = live_steps(12)
    whole = RecordedTimeline.open(record_with_tone(tmp_path / "a.scam", steps))
    part = cut(whole, range(6, 9))
    facts = part.facts_at(0)
    assert facts is not None and facts.frame_id == 6
    pieces = list(part.audio_parts())
    begin, end = steps[6].captured_at_ms, steps[8].captured_at_ms + 100
    for piece in pieces:
        assert piece.captured_at_ms is not None and piece.start_step in range(3)
        assert piece.captured_at_ms < end and piece.captured_at_ms + len(piece.samples) / 2 / RATE * 1e3 > begin
    assert 0.3 <= sum(len(piece.samples) / 2 / RATE for piece in pieces) < 0.9
    whole.close()


def test_steps_are_all_of_them_unless_they_are_named(tmp_path: Path) -> None:
    recorded = RecordedTimeline.open(record(tmp_path / "a.scam", live_steps(5)))
    assert steps_between(recorded, None, None) == range(5)
    assert steps_between(recorded, 2, None) == range(2, 5)
    assert steps_between(recorded, None, 2) == range(3)
    for first, last in ((3, 2), (0, 5), (-1, 2), (7, None)):
        with pytest.raises(TimelineError, match="no part of the recording's 0 to 4"):
            steps_between(recorded, first, last)
    recorded.close()


def test_a_recording_without_steps_is_told(tmp_path: Path) -> None:
    recorded = RecordedTimeline.open(record(tmp_path / "a.scam", []))
    with pytest.raises(TimelineError, match="has no steps"):
        steps_between(recorded, None, None)
    recorded.close()


def test_a_damaged_block_is_told_and_not_cut_over(tmp_path: Path) -> None:
    path = record(tmp_path / "a.scam", live_steps(5))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(BlockFileError, match="check sum"):
        cut(RecordedTimeline.from_bytes(bytes(damaged)), range(5))
