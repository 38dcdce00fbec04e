"""Who gets a place, told by a clock of the test. tests/test_stream_server.py asks over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from splatcam.door import admission
from splatcam.door.admission import HANDSHAKES_AT_ONCE, MAX_ADDRESSES, Admission, Place, Refusal
from splatcam.settings import Settings
from splatcam.telemetry import SessionKind

NEAR, FAR = "198.51.100.7", "203.0.113.9"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def admitting(clock: Clock | None = None, **settings: Any) -> Admission:
    return Admission(Settings(**settings), clock or Clock())


def place(house: Admission, address: str | None = None, kind: SessionKind = "live") -> Place:
    given = house.enter(kind, address)
    assert isinstance(given, Place), given
    return given


def refusal(house: Admission, address: str | None = None, kind: SessionKind = "live") -> tuple[int, str]:
    given = house.enter(kind, address)
    assert isinstance(given, Refusal), given
    assert given.sentence.endswith(".") and given.retry_after_s > 0
    return given.status, given.reason


def test_when_every_place_is_taken_the_next_one_is_refused_until_somebody_leaves() -> None:
    house = admitting(max_sessions=2)
    first, _ = place(house), place(house)
    assert house.is_full("live") and refusal(house) == (503, "full")
    house.leave(first)
    assert not house.is_full("live") and place(house)


def test_cameras_and_those_who_look_at_pictures_take_no_place_from_each_other() -> None:
    house = admitting(max_sessions=1)
    place(house, kind="live")
    assert place(house, kind="pictures")
    assert refusal(house, kind="pictures") == (503, "full")


def test_an_address_has_its_share_of_both_kinds_together_and_the_next_address_its_own() -> None:
    house = admitting(max_sessions_per_address=2)
    mine = [place(house, NEAR, "live"), place(house, NEAR, "pictures")]
    assert refusal(house, NEAR) == (429, "address")
    assert place(house, FAR)
    house.leave(mine[1])
    assert place(house, NEAR)


def test_this_machine_is_not_counted_by_address() -> None:
    house = admitting(max_sessions=200, max_sessions_per_address=1)
    assert all(place(house, None) for _ in range(200))


def test_an_address_may_shake_hands_twice_a_second_after_a_burst() -> None:
    clock = Clock()
    house = admitting(clock, max_sessions=1000)
    for _ in range(HANDSHAKES_AT_ONCE):
        house.leave(place(house, NEAR))
    assert refusal(house, NEAR) == (429, "rate")
    assert place(house, FAR)
    clock.now_s = 0.5
    house.leave(place(house, NEAR))
    assert refusal(house, NEAR) == (429, "rate")


def test_a_refused_handshake_counts_as_one() -> None:
    house = admitting(max_sessions_per_address=1)
    place(house, NEAR)
    reasons = [refusal(house, NEAR)[1] for _ in range(HANDSHAKES_AT_ONCE)]
    assert reasons == ["address"] * (HANDSHAKES_AT_ONCE - 1) + ["rate"]


def test_once_it_drains_everybody_is_refused_and_who_is_inside_leaves_as_ever() -> None:
    house = admitting()
    inside = place(house, NEAR)
    house.drain()
    assert refusal(house) == refusal(house, FAR) == refusal(house, NEAR, "pictures") == (503, "draining")
    house.leave(inside)


def test_addresses_that_left_are_not_remembered_and_handshakes_of_so_many_only() -> None:
    house = admitting(max_sessions=10)
    for number in range(MAX_ADDRESSES + 100):
        house.leave(place(house, f"address {number}"))
    assert not house._by_address
    assert len(house._handshakes) == MAX_ADDRESSES


def test_an_address_that_comes_often_is_not_forgotten_for_those_that_come_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MAX_ADDRESSES", 3)
    house = admitting(max_sessions=1000, max_sessions_per_address=1)
    place(house, NEAR)
    reasons = []
    for number in range(HANDSHAKES_AT_ONCE):
        place(house, f"address {number}")
        reasons.append(refusal(house, NEAR)[1])
    assert reasons[-1] == "rate"
