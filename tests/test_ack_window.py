from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.live.ack_window import LOST_AFTER_S, MAX_QUEUED_S, MAX_WINDOW, MIN_WINDOW, AckWindow


def simulate(
    *, size_bytes: int, bytes_per_s: float, round_trip_s: float, fps: float = 30.0, for_s: float = 20.0
) -> tuple[float, float]:
    """A camera at `fps` behind a link with a queue. Returns results per second and the worst age at arrival.

    Both are of the second half. The newest result replaces the one that waits, as in a session.
    """
    window = AckWindow()
    events: list[tuple[float, int, str]] = [(i / fps, i, "result") for i in range(int(for_s * fps))]
    heapq.heapify(events)
    made: dict[int, float] = {}
    waiting: int | None = None
    link_free_s, wake_at_s, arrivals = 0.0, 0.0, []
    while events:
        now, frame_id, kind = heapq.heappop(events)
        if kind == "result":
            made[frame_id], waiting = now, frame_id
            window.offered(now)
        elif kind == "arrived":
            arrivals.append((now, now - made[frame_id]))
            heapq.heappush(events, (now + round_trip_s / 2, frame_id, "ack"))
        elif kind == "ack":
            window.acknowledged(frame_id, now)
        if waiting is not None:
            wait_s = window.wait_s(now)
            if wait_s == 0:
                window.sent(waiting, size_bytes, now)
                link_free_s = max(link_free_s, now) + size_bytes / bytes_per_s
                heapq.heappush(events, (link_free_s + round_trip_s / 2, waiting, "arrived"))
                waiting = None
            elif now < for_s and not now < wake_at_s <= now + wait_s:
                wake_at_s = now + max(wait_s, 1e-4)
                heapq.heappush(events, (wake_at_s, -1, "wake"))
    late = [age for at, age in arrivals if for_s / 2 < at <= for_s]
    return len(late) / (for_s / 2), max(late)


def test_a_fast_link_carries_every_frame() -> None:
    fps, age_s = simulate(size_bytes=2_700_000, bytes_per_s=1e9, round_trip_s=0.001)
    assert fps == pytest.approx(30, abs=0.1)
    assert age_s < 0.01


@pytest.mark.parametrize("round_trip_s", [0.05, 0.1, 0.2])
def test_a_far_client_gets_every_frame_too(round_trip_s: float) -> None:
    fps, age_s = simulate(size_bytes=120_000, bytes_per_s=12.5e6, round_trip_s=round_trip_s)
    assert fps > 29
    assert age_s < round_trip_s / 2 + 0.02, "frames age in a queue although the link is faster than the camera"


@pytest.mark.parametrize(
    ("size_bytes", "bytes_per_s", "round_trip_s"),
    [
        (2_700_000, 12.5e6, 0.005),
        (2_700_000, 12.5e6, 0.1),
        (9_400_000, 12.5e6, 0.05),
        (800_000, 12.5e6, 0.3),  # several results are on the way at once
        (120_000, 2.5e6, 0.2),
        (720_000, 6e6, 0.08),
    ],
)
def test_a_slow_link_gets_fewer_frames_instead_of_older_ones(
    size_bytes: int, bytes_per_s: float, round_trip_s: float
) -> None:
    carry_s = size_bytes / bytes_per_s
    fps, age_s = simulate(size_bytes=size_bytes, bytes_per_s=bytes_per_s, round_trip_s=round_trip_s)
    assert fps > 0.9 / carry_s, "the link is not kept busy"
    waited_s = 1 / 30  # for a newer one to take its place
    assert age_s < carry_s + round_trip_s / 2 + MAX_QUEUED_S + waited_s + 0.02, "frames age in the queue"


def test_a_result_that_is_never_acknowledged_holds_nothing_up_for_ever() -> None:
    window = AckWindow()
    for frame_id in range(MIN_WINDOW):
        window.sent(frame_id, 1000, 0.0)
    assert 0 < window.wait_s(0.1) <= LOST_AFTER_S
    assert window.wait_s(LOST_AFTER_S) == 0


def test_an_ack_pays_for_everything_before_it_and_unknown_ones_for_nothing() -> None:
    window = AckWindow()
    window.sent(1, 1000, 0.0)
    window.sent(2, 1000, 0.0)
    window.acknowledged(99, 0.1)
    assert window.in_flight == 2
    window.acknowledged(2, 0.1)
    assert window.in_flight == 0


def test_acknowledgements_that_come_in_bunches_do_not_make_the_link_look_faster() -> None:
    """A busy page answers every 100 ms: five results of 10 KB then, as a link of 500 KB/s carries them."""
    window, now_s, frame_id = AckWindow(), 0.0, 0
    for _ in range(10):
        for _ in range(5):
            frame_id += 1
            window.sent(frame_id, 10_000, now_s)
        now_s += 0.1
        for acknowledged in range(frame_id - 4, frame_id + 1):
            window.acknowledged(acknowledged, now_s)
    for _ in range(5):
        frame_id += 1
        window.offered(now_s)
        window.sent(frame_id, 10_000, now_s)
    window.acknowledged(frame_id - 4, now_s + 0.02)
    assert window._seconds_per_byte == pytest.approx(1 / 500_000, rel=0.3)


@given(st.lists(st.tuples(st.sampled_from(["sent", "ack"]), st.integers(0, 5), st.floats(0, 3)), max_size=60))
def test_whatever_a_client_acknowledges_the_window_stays_in_its_bounds(steps: list[tuple[str, int, float]]) -> None:
    window, now = AckWindow(), 0.0
    for kind, frame_id, step_s in steps:
        now += step_s
        window.offered(now)
        if kind == "ack":
            window.acknowledged(frame_id, now)
        elif window.wait_s(now) == 0:
            window.sent(frame_id, 1000 * frame_id, now)
        assert window.in_flight <= MAX_WINDOW
        assert MIN_WINDOW <= window.size <= MAX_WINDOW
        assert window.wait_s(now) >= 0
