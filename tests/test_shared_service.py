"""Cameras of a running service whose frames wait at the same moment: over real sockets, with the tiny network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from splatcam.bench.local_service import Service, running
from splatcam.codecs.packed16 import unpack_words
from tests.faults.clients import ANSWER_WITHIN_S, Camera, camera
from tests.pictures import jpeg
from tests.sharing_service import LEFT, PASSES, noted, together
from tests.tiny_da3 import da3_registered, tiny_folder

pytestmark = pytest.mark.da3
__all__ = ["da3_registered", "tiny_folder"]  # fixtures

FLAGS = ("--device", "cpu", "--process-res", "56", "--threads", "1", "--steady", "off")
Passes = Callable[[], list[str]]
RESTARTED = "error engine_restarting"


def deadly() -> bytes:
    """A black picture."""
    import simplejpeg

    return simplejpeg.encode_jpeg(np.zeros((72, 96, 3), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture
def passes(folder: Path) -> Passes:
    """How many frames each pass of the network had since the test began."""
    before = len(noted(folder / PASSES))
    return lambda: noted(folder / PASSES)[before:]


@pytest.fixture(scope="module")
def service(tiny_folder: Path, folder: Path) -> Iterator[Service]:
    flags = (*FLAGS, "--model", str(tiny_folder), "--share-within-ms", "60000")
    with running(*flags, program=("-m", "tests.sharing_service", str(folder))) as started:
        started.wait_for_model("tiny")
        yield started


async def frames(*shown: tuple[Camera, bytes]) -> list[str]:
    """What became of frames that are sent at once."""
    return await asyncio.gather(*(one.frame(picture) for one, picture in shown))


def wait_until_noted(path: Path) -> None:
    until_s = time.monotonic() + ANSWER_WITHIN_S
    while not noted(path):
        assert time.monotonic() < until_s, f"nothing in {path.name}"
        time.sleep(0.05)


async def alone(one: Camera, picture: bytes) -> dict[str, Any]:
    """Its result, while nobody else sends anything."""
    assert await one.frame(picture) == "result"
    return one.newest


def assert_same_splats(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """But for numbers that round to the next step."""
    assert found["num_splats"] == wanted["num_splats"] > 0
    splats = [unpack_words(message["data"], message["num_splats"]) for message in (found, wanted)]
    for name in ("means", "scales", "opacities", "sh"):
        ours, theirs = (getattr(one, name) for one in splats)
        assert torch.allclose(ours, theirs, atol=5e-3, rtol=0.1), name
        assert float((ours != theirs).float().mean()) < 0.01, name


async def test_two_cameras_share_a_pass_and_each_gets_its_own_frame(service: Service, passes: Passes) -> None:
    async with camera(service) as left, camera(service) as right:
        pictures = [jpeg(seed=seed) for seed in (1, 2)]
        expected = [await alone(one, picture) for one, picture in zip((left, right), pictures, strict=True)]
        assert expected[0]["data"] != expected[1]["data"]
        told = await frames(*((one, together(p, 2)) for one, p in zip((left, right), pictures, strict=True)))
        assert told == ["result", "result"] and passes() == ["1", "1", "2"]
        for one, wanted in zip((left, right), expected, strict=True):
            assert one.newest["frame_id"] == wanted["frame_id"] + 1
            assert_same_splats(one.newest, wanted)


async def test_who_leaves_while_it_waits_takes_nobody_with_it(service: Service, folder: Path, passes: Passes) -> None:
    async with camera(service) as first, camera(service) as last:
        wanted = await alone(first, jpeg(seed=1))
        waits = asyncio.create_task(first.frame(together(jpeg(seed=1), 3)))
        async with camera(service) as leaving:
            await leaving.put(together(jpeg(seed=2), 3))
            await leaving.send(b"nonsense")  # answered after the frame has been taken
            assert (await leaving.told()).startswith("error")
        await asyncio.to_thread(wait_until_noted, folder / LEFT)
        assert await last.frame(together(jpeg(seed=3), 3)) == "result" and await waits == "result"
        assert passes() == ["1", "2"]
        assert_same_splats(first.newest, wanted)


async def test_a_frame_that_is_refused_takes_nobody_with_it(service: Service, passes: Passes) -> None:
    async with camera(service) as good, camera(service) as broken:
        wanted = await alone(good, jpeg(seed=1))
        torn = jpeg(seed=2)[:200]
        told = await frames((good, together(jpeg(seed=1), 2)), (broken, together(torn, 2)))
        assert told == ["result", "error bad_jpeg"]
        assert_same_splats(good.newest, wanted)
        told = await frames((good, together(jpeg(seed=1), 2)), (broken, together(jpeg(seed=2), 2)))
        assert told == ["result", "result"] and passes() == ["1", "1", "2"]


async def test_of_a_pass_that_was_not_survived_only_the_deadly_frame_is_blamed_in_the_end(
    service: Service, passes: Passes
) -> None:
    async with camera(service) as honest, camera(service) as other:
        assert await honest.frame(jpeg(seed=1)) == "result"
        assert await frames((honest, together(jpeg(seed=1), 2)), (other, together(jpeg(seed=2), 2))) == ["result"] * 2
        both = ((honest, together(jpeg(seed=3), 2)), (other, together(deadly(), 2)))
        assert await frames(*both) == [RESTARTED, RESTARTED], "nobody can tell which one it was"
        assert passes() == ["1", "2", "2"]
        assert await honest.frame(jpeg(seed=3)) == "result", "nobody is blamed for it"
        assert await frames(*both) == ["result", RESTARTED], "now each goes alone"
        assert await frames(*both) == ["result", "error quarantined"]
        assert [await one.frame(jpeg(seed=1)) for one in (honest, other)] == ["result", "result"]
        assert set(passes()[3:]) == {"1"}
