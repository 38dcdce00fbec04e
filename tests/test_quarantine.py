from __future__ import annotations

from splatcam.engine.quarantine import (
    MAX_GOOD,
    MAX_OFFENDERS,
    MAX_SUSPECTS,
    PARDON_AFTER,
    THIS_CAMERA,
    THIS_FRAME,
    Quarantine,
)


def test_a_frame_that_was_never_survived_is_blamed_at_once() -> None:
    quarantine = Quarantine()
    quarantine.blame("a stream", b"deadly")
    assert quarantine.reason("a stream", b"deadly") and not quarantine.reason("a stream", b"another")


def test_a_frame_that_was_survived_before_is_blamed_for_the_second_end_only() -> None:
    quarantine = Quarantine()
    quarantine.survived("a stream", b"photo")
    quarantine.blame("a stream", b"photo")
    assert not quarantine.reason("a stream", b"photo")
    quarantine.blame("a stream", b"photo")
    assert quarantine.reason("a stream", b"photo")


def test_a_photo_that_goes_on_being_processed_is_never_blamed() -> None:
    quarantine = Quarantine()
    for _ in range(20):
        quarantine.survived("a stream", b"photo")
        quarantine.blame("a stream", b"photo")
    assert not quarantine.reason("a stream", b"photo")


def test_what_is_remembered_is_bounded_and_what_comes_again_stays() -> None:
    quarantine = Quarantine()
    quarantine.blame("a stream", b"stubborn")
    for n in range(2 * MAX_SUSPECTS):
        quarantine.blame(f"stream {n}", b"%d" % n)
        assert quarantine.reason("a stream", b"stubborn")
    assert not quarantine.reason("a stream", b"0") and quarantine.reason("a stream", b"%d" % (2 * MAX_SUSPECTS - 1))
    for n in range(2 * MAX_GOOD):
        quarantine.survived("a stream", b"good %d" % n)
    assert len(quarantine._good) == MAX_GOOD and len(quarantine._suspects) == MAX_SUSPECTS


def test_a_camera_whose_frames_kill_again_is_kept_out_until_it_leaves() -> None:
    quarantine = Quarantine()
    quarantine.blame("a stream", b"deadly")
    assert quarantine.reason("a stream", b"deadly") == THIS_FRAME
    assert quarantine.reason("a stream", b"good") is None
    quarantine.survived("a stream", b"good")
    quarantine.blame("a stream", b"deadly, too")
    assert quarantine.reason("a stream", b"another good one") == THIS_CAMERA
    assert quarantine.reason("another stream", b"another good one") is None
    quarantine.forget("a stream")
    assert quarantine.reason("a stream", b"another good one") is None


def test_a_camera_that_goes_on_for_long_is_pardoned() -> None:
    quarantine = Quarantine()
    quarantine.blame("a stream", b"deadly")
    for n in range(PARDON_AFTER):
        quarantine.survived("a stream", b"good %d" % n)
    quarantine.blame("a stream", b"deadly, too")
    assert quarantine.reason("a stream", b"the next") is None


def test_cameras_that_are_blamed_are_bounded() -> None:
    quarantine = Quarantine()
    for n in range(2 * MAX_OFFENDERS):
        quarantine.blame(f"stream {n}", b"deadly %d" % n)
    assert len(quarantine._offenders) == MAX_OFFENDERS
