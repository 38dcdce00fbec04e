from __future__ import annotations

from splatcam.engine.watch import SLOW_START_FACTOR, USUAL_FACTOR, Watch


def at_work(frames_s: tuple[float, ...] = (0.1,)) -> Watch:
    """Deadline 10 s, silence 15 s; these frames are behind it."""
    watch = Watch(10.0, 15.0)
    watch.changed("ready")
    for took_s in frames_s:
        watch.began()
        watch.finished(took_s)
    return watch


def verdicts(watch: Watch, seconds: int) -> list[str | None]:
    return [watch.passed(1.0) for _ in range(seconds)]


def test_a_frame_that_passes_its_deadline_is_a_hang_though_the_process_speaks() -> None:
    watch = at_work()
    watch.began()
    for _ in range(10):
        assert watch.passed(1.0) is None
        watch.heard()
    assert watch.passed(1.0) == "hang"


def test_between_frames_nothing_hangs() -> None:
    watch = at_work()
    watch.began()
    assert verdicts(watch, 10) == [None] * 10
    watch.finished(10.0)
    watch.heard()
    assert verdicts(watch, 15) == [None] * 15


def test_a_model_whose_frames_are_always_slow_is_given_more_time() -> None:
    watch = at_work((2.0, 2.0, 2.0))
    watch.began()
    for second in range(2 * USUAL_FACTOR):
        assert watch.passed(1.0) is None, second
        watch.heard()
    assert watch.passed(1.0) == "hang"


def test_the_first_frame_of_a_model_may_take_longer() -> None:
    for watch in (at_work(()), at_work()):
        watch.changed("ready")  # another model answers from now on
        watch.began()
        for second in range(10 * SLOW_START_FACTOR):
            assert watch.passed(1.0) is None, second
            watch.heard()
        assert watch.passed(1.0) == "hang"


def test_a_process_that_says_nothing_is_given_up() -> None:
    watch = at_work()
    assert verdicts(watch, 15) == [None] * 15
    watch.heard()
    assert verdicts(watch, 16) == [None] * 15 + ["silence"]


def test_while_it_loads_silence_means_nothing() -> None:
    first = Watch(10.0, 15.0)
    first.changed("loading")
    second = at_work()
    second.changed("loading")  # a better one, beside the frames
    for watch in (first, second):
        assert verdicts(watch, 1000) == [None] * 1000
    second.changed("ready")
    second.heard()
    assert verdicts(second, 16)[-1] == "silence"


def test_a_job_that_was_sent_before_the_model_is_there_waits_for_it() -> None:
    watch = Watch(10.0, 15.0)
    watch.began()
    assert verdicts(watch, 1000) == [None] * 1000
    watch.changed("ready")
    assert watch.passed(1.0) is None
