from __future__ import annotations

import pytest

from splatcam.timeline import heard
from splatcam.timeline.heard import PARTS_AT_ONCE, QUEUE_PIECES, HeardPiece, HeardQueue

RATE = 8000
PIECE_MS = 100.0


def piece(at_ms: float, rate: int = RATE, byte: int = 1) -> HeardPiece:
    return HeardPiece(at_ms, rate, bytes([byte, 0]) * round(rate * PIECE_MS / 1e3))


def test_pieces_that_follow_each_other_are_one_part_in_their_order() -> None:
    queue = HeardQueue()
    for number in range(5):
        assert queue.put(piece(1000 + number * PIECE_MS, byte=number))
    (part,) = queue.take()
    assert (part.name, part.sample_rate, part.channels, part.captured_at_ms) == ("microphone", RATE, 1, 1000)
    assert part.samples == b"".join(piece(0, byte=number).samples for number in range(5))
    assert queue.take() == []


def test_clocks_that_differ_a_little_make_no_gap_and_a_pause_begins_a_part_of_its_own() -> None:
    queue = HeardQueue()
    for at_ms in (0.0, 110.0, 195.0, 700.0):
        queue.put(piece(at_ms))
    first, second = queue.take()
    assert (first.captured_at_ms, len(first.samples)) == (0.0, 3 * len(piece(0).samples))
    assert second.captured_at_ms == 700.0


def test_another_sample_rate_begins_a_part_of_its_own() -> None:
    queue = HeardQueue()
    queue.put(piece(0.0))
    queue.put(piece(PIECE_MS, 16_000))
    assert [part.sample_rate for part in queue.take()] == [RATE, 16_000]


def test_a_part_begins_at_the_first_step_that_was_captured_after_it() -> None:
    queue = HeardQueue()
    for step in range(10):
        queue.saw(step * 40.0)
    for at_ms in (100.0, 0.0, 5000.0):
        queue.put(piece(at_ms))
    assert [part.start_step for part in queue.take()] == [3, 0, 10]


def test_before_the_first_step_a_part_begins_at_it() -> None:
    queue = HeardQueue()
    queue.put(piece(123.0))
    assert [part.start_step for part in queue.take()] == [0]


def test_what_finds_no_room_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "QUEUE_BYTES", 2 * len(piece(0).samples))
    queue = HeardQueue()
    assert [queue.put(piece(number * PIECE_MS)) for number in range(3)] == [True, True, False]
    queue.take()
    assert queue.put(piece(3 * PIECE_MS))


def test_a_file_gets_no_more_sound_than_readers_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "MAX_AUDIO_BYTES", 3 * len(piece(0).samples))
    queue = HeardQueue()
    taken = []
    for number in range(5):
        taken.append(queue.put(piece(number * PIECE_MS)))
        queue.take()
    assert taken == [True, True, True, False, False]


def test_times_without_sense_make_a_few_parts_at_a_time_and_no_more_pieces_than_fit() -> None:
    queue = HeardQueue()
    taken = [queue.put(HeardPiece(-1e9 * number, RATE, b"\0\0")) for number in range(QUEUE_PIECES + 10)]
    assert taken.count(True) == QUEUE_PIECES
    assert len(queue.take()) == PARTS_AT_ONCE
    assert len(queue) == QUEUE_PIECES - PARTS_AT_ONCE
