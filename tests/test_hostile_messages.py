"""A short form of `python -m tests.hostile.websockets`, and each deadly kind of message by its name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from splatcam.bench.local_service import Service, running
from tests.hostile.websockets import DEADLY, FLAGS, HARMLESS, Enemy, Kind, besieged, frame
from tests.raw_clients import readiness

COUNT = 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with running(*FLAGS, "--recordings", str(folder)) as started:
        started.wait_for_model("synthetic")
        yield started


async def test_thousands_of_hostile_messages_end_nothing_but_their_own_sockets(service: Service) -> None:
    report = await besieged(service, COUNT, seed=1)
    assert report.surprises == []
    assert report.sent.total() >= COUNT and set(report.sent) == {kind.name for kind in (*HARMLESS, *DEADLY)}
    assert report.good_frames >= 2, "the good client beside them was not served"
    assert report.descriptors_after <= report.descriptors_before
    assert report.growth_mb <= 20, "MB are kept of what was refused"
    noise = [line for line in service.lines if "Traceback" in line or "socket.send() raised" in line]
    assert noise == [], "whoever likes can fill the log"


@pytest.mark.parametrize("kind", [kind for kind in DEADLY if kind.ends.startswith("close")], ids=lambda kind: kind.name)
async def test_a_deadly_message_ends_its_socket_with_the_code_that_it_deserves(service: Service, kind: Kind) -> None:
    enemy = await Enemy.of(service)
    await enemy.send(kind.make(random.Random(0)))
    assert await enemy.end() in (kind.ends, "gone")  # gone: what was still to be sent took the word with it
    await enemy.leave()


@pytest.mark.parametrize("kind", HARMLESS, ids=lambda kind: kind.name)
async def test_after_a_harmless_one_the_socket_goes_on(service: Service, kind: Kind) -> None:
    enemy = await Enemy.of(service)
    await enemy.send(kind.make(random.Random(0)))
    await enemy.send(frame(8, b"\x03\xe8bye"))
    assert await enemy.end() == "close 1000"
    await enemy.leave()


def test_what_was_recorded_of_nothing_leaves_nothing(service: Service, folder: Path) -> None:
    assert not [*folder.iterdir()]


async def test_afterwards_the_service_is_ready(service: Service) -> None:
    assert await asyncio.to_thread(readiness, service) == (200, None)
