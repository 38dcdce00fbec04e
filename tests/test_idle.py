from __future__ import annotations

from splatcam.live.idle import Idle


def idle() -> Idle:
    return Idle(first_message_s=15, idle_s=120, now_s=100)


def test_who_never_begins_is_idle_after_the_first_seconds_whatever_else_it_does() -> None:
    client = idle()
    client.used(110)
    assert (client.left_s(110), client.left_s(114), client.left_s(115)) == (5, 1, 0)
    assert client.reason == "neither a hello nor a frame came for 15 s"


def test_who_has_begun_may_be_silent_for_longer() -> None:
    client = idle()
    client.began(110)
    assert (client.left_s(200), client.left_s(230), client.left_s(300)) == (30, 0, 0)
    assert client.reason == "nothing was sent or watched for 120 s"


def test_every_use_begins_the_time_anew_and_another_hello_does_not() -> None:
    client = idle()
    client.began(110)
    client.used(200)
    client.began(300)
    assert client.left_s(300) == 20
