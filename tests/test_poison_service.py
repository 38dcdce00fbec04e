"""The named poison over a real websocket: each is answered by its own error, and the service goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from splatcam.bench.local_service import Service, running
from tests.hostile import jpegs, service
from tests.hostile.service import RESULT, Camera, answers


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    with running(*service.FLAGS) as started:
        started.wait_for_model("builtin")
        yield started


async def test_each_poison_is_answered_by_its_error_and_the_good_frame_after_it_by_splats(server: Service) -> None:
    found = await answers(server.ws_url, jpegs.poison())
    assert len(found) == 1 + 2 * len(jpegs.poison()) > 120
    assert [f"{one.name}: {one.got}" for one in found if one.got != one.expected] == []


async def test_odd_pictures_are_answered_by_splats(server: Service) -> None:
    found = await answers(server.ws_url, (), jpegs.odd())
    assert [f"{one.name}: {one.got}" for one in found if one.got != RESULT] == []


async def test_somebody_elses_poison_does_not_disturb_a_session(server: Service) -> None:
    async with Camera(server.ws_url) as honest, Camera(server.ws_url) as other:
        for poison in jpegs.poison()[:10]:
            assert (await other.answer_to(poison.name, poison.data, poison.code)).got == poison.code
            assert (await honest.answer_to("a good frame", service.GOOD, RESULT)).got == RESULT
