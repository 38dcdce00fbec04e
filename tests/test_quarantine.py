from __future__ import annotations

from splatcam.engine.quarantine import MAX_GOOD, MAX_SUSPECTS, Quarantine


def test_a_frame_that_was_never_survived_is_blamed_at_once() -> None:
    quarantine = Quarantine()
    quarantine.blame(b"deadly")
    assert quarantine.holds(b"deadly") and not quarantine.holds(b"another")


def test_a_frame_that_was_survived_before_is_blamed_for_the_second_end_only() -> None:
    quarantine = Quarantine()
    quarantine.survived(b"photo")
    quarantine.blame(b"photo")
    assert not quarantine.holds(b"photo")
    quarantine.blame(b"photo")
    assert quarantine.holds(b"photo")


def test_a_photo_that_goes_on_being_processed_is_never_blamed() -> None:
    quarantine = Quarantine()
    for _ in range(20):
        quarantine.survived(b"photo")
        quarantine.blame(b"photo")
    assert not quarantine.holds(b"photo")


def test_what_is_remembered_is_bounded_and_what_comes_again_stays() -> None:
    quarantine = Quarantine()
    quarantine.blame(b"stubborn")
    for n in range(2 * MAX_SUSPECTS):
        quarantine.blame(b"%d" % n)
        assert quarantine.holds(b"stubborn")
    assert not quarantine.holds(b"0") and quarantine.holds(b"%d" % (2 * MAX_SUSPECTS - 1))
    for n in range(2 * MAX_GOOD):
        quarantine.survived(b"good %d" % n)
    assert len(quarantine._good) == MAX_GOOD and len(quarantine._suspects) == MAX_SUSPECTS
