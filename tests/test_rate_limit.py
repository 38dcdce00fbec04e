from __future__ import annotations

import pytest

from splatcam.rate_limit import TOO_MUCH_FOR_S, SessionLimit, TokenBucket, Verdict


def judged(limit: SessionLimit, now_s: float, count: int, size_bytes: int = 1) -> list[Verdict]:
    return [limit.judge(size_bytes, now_s) for _ in range(count)]


def test_a_bucket_lets_its_burst_through_at_once_and_then_what_flows_in() -> None:
    bucket = TokenBucket(per_s=2, burst=3, now_s=0)
    assert [bucket.take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(1, 0.0) == 0.5
    assert bucket.take(1, 0.5) and not bucket.take(1, 0.5)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(per_s=2, burst=3, now_s=0)
    assert [bucket.take(1, 1e6) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(1, 1e6 + 10) == 0


def test_twice_a_seconds_messages_pass_at_once_and_the_rest_is_dropped() -> None:
    limit = SessionLimit(messages_per_s=10, bytes_per_s=1e6, now_s=0)
    assert judged(limit, 0.0, 25) == [Verdict.TAKE] * 20 + [Verdict.DROP] * 5
    assert judged(limit, 1.0, 11) == [Verdict.TAKE] * 10 + [Verdict.DROP]


def test_bytes_are_limited_apart_and_a_dropped_message_takes_none() -> None:
    limit = SessionLimit(messages_per_s=100, bytes_per_s=1000, now_s=0)
    assert limit.judge(2001, 0.0) is Verdict.DROP
    assert limit.judge(2000, 0.0) is Verdict.TAKE
    assert limit.judge(1, 0.0) is Verdict.DROP


def test_who_sends_within_the_limits_is_never_dropped() -> None:
    limit = SessionLimit(messages_per_s=500, bytes_per_s=20e6, now_s=0)
    sent = [limit.judge(100_000, i / 190) for i in range(10_000)]  # 19 MB a second for 50 s
    assert set(sent) == {Verdict.TAKE}


@pytest.mark.parametrize("per_s", [11, 1000])
def test_who_sends_too_much_for_ten_seconds_on_end_is_closed_however_much_too_much_it_is(per_s: int) -> None:
    limit = SessionLimit(messages_per_s=10, bytes_per_s=1e6, now_s=0)
    at_s = 0.0
    first_drop_s = None
    while (verdict := limit.judge(1, at_s)) is not Verdict.CLOSE:
        if verdict is Verdict.DROP and first_drop_s is None:
            first_drop_s = at_s
        at_s += 1 / per_s
    assert first_drop_s is not None
    assert at_s - first_drop_s == pytest.approx(TOO_MUCH_FOR_S, abs=1.0)


def test_who_pauses_in_between_begins_anew() -> None:
    limit = SessionLimit(messages_per_s=10, bytes_per_s=1e6, now_s=0)
    verdicts = [verdict for burst in range(20) for verdict in judged(limit, burst * 1.5, 30)]
    assert Verdict.DROP in verdicts and Verdict.CLOSE not in verdicts


def test_a_drop_is_told_once_a_second() -> None:
    limit = SessionLimit(messages_per_s=10, bytes_per_s=1e6, now_s=0)
    assert [limit.may_tell(at_s) for at_s in (0.0, 0.1, 0.99, 1.0, 1.5, 2.1)] == [True, False, False, True, False, True]
