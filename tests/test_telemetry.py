from __future__ import annotations

import math

import pytest

from splatcam.telemetry import FrameTimings, Telemetry, percentile


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.95, 4), (1.0, 4)])
def test_a_percentile_is_the_smallest_value_that_covers_the_share(share: float, value: float) -> None:
    assert percentile([3, 1, 4, 2], share) == value


def test_no_values_have_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_stages_keep_their_order_and_add_up() -> None:
    timings = FrameTimings()
    for name in ("decode", "encode", "decode"):
        with timings.stage(name):
            pass
    assert list(timings.ms) == ["decode", "encode"]
    assert all(ms >= 0 for ms in timings.ms.values())


def test_a_stage_that_fails_is_timed_all_the_same() -> None:
    timings = FrameTimings()
    with pytest.raises(ZeroDivisionError), timings.stage("decode"):
        raise ZeroDivisionError
    assert "decode" in timings.ms


def test_the_summary_counts_since_the_last_one() -> None:
    telemetry = Telemetry()
    for _ in range(60):
        telemetry.received()
    for _ in range(30):
        telemetry.made("pixel/splats16", 1000)
        telemetry.ended("delivered")
        telemetry.ended("superseded")
        telemetry.result("sent", 5000)
    telemetry.observe("decode", 1.25)
    summary = telemetry.summary(2.0)
    for part in ("pixel/splats16", "in 30.0 fps", "out 15.0 fps", "dropped 30+0", "decode 1.2/1.2", "5 KB/frame"):
        assert part in str(summary)
    assert telemetry.summary(2.0) is None
    assert telemetry.frames_received == 60
