from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from splatcam.bench.overload import markdown, write_json
from splatcam.bench.overload_figures import Flood, FreeLoop, NewestWins, Report, Turns, goals
from splatcam.bench.scrape import Scrape

GOOD = Report(
    NewestWins(480, 232, 248, unaccounted=0, p50_ms=45.0, p95_ms=60.0, engine_busy=0.98, engine_works=0.95),
    Turns((28, 28, 27, 27, 28, 28, 27, 27)),
    Flood(flooder_sent=8000, flooder_results=27, others_before=193, others=190),
    FreeLoop(30.0, 81.6, 2.72, lag_p50_ms=1.0, lag_p99_ms=12.0, rest_lag_p99_ms=2.0),
)


def histogram(**counts: float) -> Scrape:
    """Cumulative counts by bound: `le_5` is 5."""
    bounds = {key.removeprefix("le_"): value for key, value in counts.items()}
    return Scrape({("lag_bucket", frozenset({("le", bound)})): value for bound, value in bounds.items()})


@pytest.mark.parametrize(("share", "value"), [(0.5, 1.0), (0.75, 3.0), (1.0, 5.0)])
def test_a_quantile_lies_straight_between_two_bounds(share: float, value: float) -> None:
    lag = histogram(le_1=50, le_5=100, le_inf=100)
    assert lag.quantile("lag", share) == pytest.approx(value)


def test_beyond_the_last_bound_a_quantile_is_that_bound() -> None:
    assert histogram(le_1=1, le_5=2, le_inf=100).quantile("lag", 0.99) == 5.0


def test_of_no_values_the_quantile_is_nothing() -> None:
    assert histogram(le_1=0, le_inf=0).quantile("lag", 0.99) == 0.0


def test_what_grew_since_is_the_difference() -> None:
    before = Scrape({("frames", frozenset({("outcome", "failed")})): 2.0})
    after = Scrape({("frames", frozenset({("outcome", "failed")})): 5.0, ("new", frozenset()): 1.0})
    grown = after.since(before)
    assert grown.value("frames", outcome="failed") == 3.0
    assert grown.by("frames", "outcome") == {"failed": 3.0}
    assert grown.value("new") == 1.0


def test_every_goal_is_met_by_good_figures() -> None:
    assert all(goal.is_met for goal in goals(GOOD))


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, newest_wins=replace(GOOD.newest_wins, p95_ms=101.0)),
        replace(GOOD, newest_wins=replace(GOOD.newest_wins, engine_busy=0.94)),
        replace(GOOD, newest_wins=replace(GOOD.newest_wins, unaccounted=1)),
        replace(GOOD, turns=Turns((28, 20))),
        replace(GOOD, flood=replace(GOOD.flood, others=100)),
        replace(GOOD, free_loop=replace(GOOD.free_loop, lag_p99_ms=21.0)),
    ],
    ids=["latency", "an idle engine", "a lost frame", "unequal turns", "the flood", "a loop that is held up"],
)
def test_one_bad_figure_misses_one_goal(bad: Report) -> None:
    assert [goal.is_met for goal in goals(bad)].count(False) == 1
    assert markdown(bad).count("missed") == 1


def test_the_values_are_written_with_machine_and_goals(tmp_path: Path) -> None:
    write_json(GOOD, tmp_path / "overload.json")
    record = json.loads((tmp_path / "overload.json").read_text())
    assert record["newest_wins"]["results"] == 232
    assert record["machine"]["cores"] >= 1
    assert [goal["is_met"] for goal in record["goals"]] == [True] * 6
