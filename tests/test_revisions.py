from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from splatcam.timeline.revisions import Revisions

STEPS = 12
CHANGES = st.lists(st.one_of(st.none(), st.integers(0, STEPS - 1)), max_size=30)


@given(CHANGES, st.integers(0, STEPS - 1), st.integers(1, STEPS))
def test_a_blocks_number_rises_exactly_when_a_step_up_to_its_last_one_changes(
    changes: list[int | None], start: int, length: int
) -> None:
    revisions, steps = Revisions(first=0), range(start, start + length)
    for first_step in changes:
        before, static = revisions.of(steps), revisions.of_static
        revisions.changed(first_step)
        assert (revisions.of(steps) > before) == (first_step is not None and first_step < steps.stop)
        assert (revisions.of_static > static) == (first_step is None)


def test_steps_that_are_written_in_order_take_a_number_each_and_an_edit_hides_the_later_ones() -> None:
    revisions = Revisions(first=0)
    for step in range(1000):
        revisions.changed(step)
    revisions.changed(10)
    assert len(revisions._first_steps) <= 11


def test_a_program_that_begins_later_has_greater_numbers() -> None:
    first = Revisions()
    assert Revisions().of(range(1)) >= first.of(range(1)) > 1_600_000_000_000
