from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.timeline.nodes import TimelineError
from splatcam.timeline.playback import Motion, Playback, Track

TRACK = Track(num_steps=100, fps=10.0)
TIMES = st.floats(0, 1e4)


def test_it_begins_paused_at_step_0_with_speed_1() -> None:
    assert Playback() == Playback(0.0, 0.0, 1.0, Motion.PAUSED)
    assert Playback().timestep(1e6, TRACK) == 0 and not Playback().is_playing(1e6, TRACK)


@given(st.floats(0, 1e6), st.floats(0, 99), st.floats(0.05, 16), TIMES)
def test_a_position_follows_from_start_step_and_speed_alone(
    start_s: float, step: float, speed: float, passed_s: float
) -> None:
    playback = Playback(start_s, step, speed, Motion.PLAYING)
    expected = min(99.0, step + (start_s + passed_s - start_s) * 10 * speed)
    assert playback.position(start_s + passed_s, TRACK) == pytest.approx(expected)


def test_it_stops_at_the_last_step_and_plays_from_the_beginning_then() -> None:
    playback = Playback().play(0.0, TRACK)
    assert playback.is_playing(9.8, TRACK) and playback.timestep(9.8, TRACK) == 98
    assert not playback.is_playing(9.9, TRACK) and playback.timestep(1e9, TRACK) == 99
    assert playback.play(20.0, TRACK).timestep(20.0, TRACK) == 0


@given(TIMES, TIMES, st.floats(0.05, 16))
def test_a_change_of_speed_leaves_it_where_it_is(at_s: float, later_s: float, speed: float) -> None:
    playback = Playback().play(0.0, TRACK)
    changed = playback.at_speed(speed, at_s, TRACK)
    assert changed.position(at_s, TRACK) == playback.position(at_s, TRACK)
    assert changed.position(at_s + later_s, TRACK) >= changed.position(at_s, TRACK)


@given(TIMES, TIMES)
def test_a_pause_keeps_the_place_between_two_steps(at_s: float, later_s: float) -> None:
    playback = Playback().play(0.0, TRACK)
    paused = playback.pause(at_s, TRACK)
    assert paused.position(at_s + later_s, TRACK) == playback.position(at_s, TRACK)


def test_a_seek_goes_on_playing_if_it_did() -> None:
    playing = Playback().play(0.0, TRACK).seek(50, 3.0, TRACK)
    assert playing.timestep(3.5, TRACK) == 55
    assert Playback().seek(50, 3.0, TRACK).timestep(3.5, TRACK) == 50


def test_a_timeline_that_became_shorter_holds_it_at_its_end() -> None:
    assert Playback().seek(80, 0.0, TRACK).timestep(0.0, Track(10, 10.0)) == 9


@pytest.mark.parametrize("step", [-1, 100])
def test_a_seek_outside_is_refused(step: int) -> None:
    with pytest.raises(TimelineError, match="outside the timeline's 0 to 99"):
        Playback().seek(step, 0.0, TRACK)


@pytest.mark.parametrize("speed", [0.0, -1.0, 17.0, float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(TimelineError, match="speed"):
        Playback().at_speed(speed, 0.0, TRACK)
