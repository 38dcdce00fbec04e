from __future__ import annotations

from splatcam.engine.restarts import Pause, RestartPolicy, Restarts

USUAL = RestartPolicy()
SELDOM = RestartPolicy(most_restarts=100)  # gives up


def restarts(policy: RestartPolicy = USUAL) -> Restarts:
    history = Restarts(policy)
    history.ready(0.0)
    return history


def test_the_first_restart_comes_at_once_and_each_further_one_waits_twice_as_long_up_to_a_limit() -> None:
    history = restarts(SELDOM)
    delays = [history.ended(float(second)).delay_s for second in range(10)]
    assert delays == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_work_is_a_new_beginning() -> None:
    history = restarts(SELDOM)
    assert [history.ended(10.0).delay_s, history.ended(11.0).delay_s] == [0, 0.5]
    history.ready(20.0)
    assert history.ended(79.0).delay_s == 1, "not yet a minute"
    history.ready(80.0)
    assert history.ended(140.0).delay_s == 0


def test_the_fourth_end_within_a_minute_opens_the_breaker() -> None:
    history = restarts()
    assert [history.ended(t).state for t in (0.0, 20.0, 40.0, 59.0)] == ["restarting"] * 3 + ["failed"]


def test_ends_that_are_far_apart_never_open_it() -> None:
    history = restarts()
    assert {history.ended(30.0 * n).state for n in range(50)} == {"restarting"}


def test_the_breaker_stays_open_after_a_try_that_fails_and_closes_after_one_that_does_not() -> None:
    history = restarts()
    for _ in range(4):
        pause = history.ended(0.0)
    assert pause == Pause(60.0, "failed")
    assert history.ended(61.0) == Pause(60.0, "failed"), "one try, not three"
    history.ready(125.0)
    assert history.ended(126.0).state == "restarting"


def test_after_thousands_of_ends_the_delay_is_still_the_longest() -> None:
    history = restarts(SELDOM)
    for n in range(5000):
        delay_s = history.ended(60.0 * n).delay_s
    assert delay_s == SELDOM.longest_delay_s
