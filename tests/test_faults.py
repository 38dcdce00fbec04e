"""Every kind of fault once; `make faults` repeats them and reports how long it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from splatcam.bench.local_service import Service
from tests.faults.ends import ENDS, End
from tests.faults.kinds import KINDS, Kind
from tests.faults.suite import repeat_end, repeat_kind, service_under_test


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with service_under_test() as started:
        yield started


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_the_victim_is_told_and_the_others_are_served(kind: Kind, service: Service) -> None:
    tally = await repeat_kind(kind, service, 1)
    assert not tally.wrong


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
async def test_a_service_ends_in_order_or_says_why_it_does_not_start(end: End) -> None:
    tally = await repeat_end(end, 1)
    assert not tally.wrong
