"""Recordings of a running service: over real sockets, behind its door, and when it is killed."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import websockets
from starlette.responses import Response

from splatcam import wire
from splatcam.bench.local_service import Service, ServiceFailed, running
from splatcam.routes.recordings import answered
from splatcam.timeline import RecordedTimeline
from splatcam.timeline.nodes import Picture, Result, StepFacts
from tests.raw_clients import address_of

KILLS = int(os.environ.get("SPLATCAM_KILLS", "12"))
TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAPER = ("-m", "tests.paper_service")
WITHIN_S = 60.0
A_FRAME_S = 1 / 30
START, STOP = wire.encode(wire.Record(action="start")), wire.encode(wire.Record(action="stop"))


class Camera:
    """One frame after the other, and what came back for it."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self.results: dict[int, bytes] = {}  # frame_id → message, as it came
        self.words: list[dict[str, Any]] = []  # of recordings

    async def greet(self, **fields: Any) -> None:
        await self.send(wire.encode(wire.Hello(protocol=1, formats=["compact"], **fields)))
        await self.until("welcome")

    async def send(self, message: bytes) -> None:
        await self._connection.send(message)

    async def until(self, *kinds: str) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                data = await self._connection.recv()
                assert isinstance(data, bytes)
                message = wire.decode_server_message(data)
                if message["type"] == "compact":
                    self.results[message["frame_id"]] = data
                    await self.send(wire.encode(wire.Ack(frame_id=message["frame_id"])))
                elif message["type"] == "recording":
                    self.words.append(message)
                assert message["type"] != "error", message
                if message["type"] in kinds:
                    return message

    async def show(self, frame_id: int) -> None:
        """Returns when its result is there."""
        await self.send(
            wire.encode(wire.FrameMessage(frame_id=frame_id, captured_at_ms=frame_id * 40.5, jpeg=jpeg(frame_id)))
        )
        while frame_id not in self.results:
            await self.until("compact")

    async def recording(self, state: str) -> dict[str, Any]:
        while (word := await self.until("recording"))["state"] != state:
            pass
        return word


def jpeg(frame_id: int) -> bytes:
    return wire.JPEG_MAGIC + frame_id.to_bytes(4, "little") + bytes(50_000)


def steps_of(path: Path) -> dict[int, tuple[bytes, bytes]]:
    """frame_id → JPEG and message."""
    timeline = RecordedTimeline.open(path)
    found = {}
    for step in range(timeline.num_steps):
        facts, scene = timeline.facts_at(step), timeline.scene_at(step)
        picture, result = scene["camera"], scene["scene"]
        assert facts is not None and isinstance(picture, Picture) and isinstance(result, Result)
        found[facts.frame_id] = picture.jpeg, result.message
    timeline.close()
    return found


def untold_gaps(path: Path) -> list[StepFacts]:
    """The steps before which frames are missing of which the file says nothing."""
    timeline = RecordedTimeline.open(path)
    facts = [facts for step in range(timeline.num_steps) if (facts := timeline.facts_at(step)) is not None]
    timeline.close()
    return [each for last, each in pairwise(facts) if each.frame_id != last.frame_id + 1 + each.lost_before]


def ask(
    service: Service, path: str, method: str = "GET", headers: Mapping[str, str] = BEARER
) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection(*address_of(service), timeout=WITHIN_S)) as connection:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with running("--token", TOKEN, "--recordings", str(folder), program=PAPER) as started:
        started.wait_for_model("small")
        yield started


@pytest.fixture(scope="module")
def take(service: Service, folder: Path) -> tuple[str, dict[int, bytes]]:
    """A recording, and what a watcher saw meanwhile."""
    return asyncio.run(record_a_take(service))


async def record_a_take(service: Service) -> tuple[str, dict[int, bytes]]:
    async with (
        websockets.connect(service.ws_url, max_size=None, additional_headers=BEARER) as first,
        websockets.connect(service.ws_url, max_size=None, additional_headers=BEARER) as second,
    ):
        camera, viewer = Camera(first), Camera(second)
        await camera.greet(room="stage")
        await camera.show(0)
        await camera.send(START)
        await camera.recording("recording")
        await viewer.greet(watch="stage")
        assert (await viewer.recording("recording"))["steps"] == 0
        for frame_id in range(1, 40):
            await camera.show(frame_id)
            if frame_id % 3 == 0:
                sound = wire.Sound(captured_at_ms=frame_id * 40.5, sample_rate=8000, samples=bytes(1944))
                await camera.send(wire.encode(sound))
        await camera.send(STOP)
        ended = await camera.recording("ended")
        assert await viewer.recording("ended") == ended
        assert ended["steps"] == 39 and ended["sound"]
        return ended["id"], camera.results


async def test_what_was_recorded_is_what_the_watcher_of_the_stream_got(
    take: tuple[str, dict[int, bytes]], folder: Path
) -> None:
    take_id, seen = take
    steps = steps_of(folder / f"{take_id}.scam")
    assert steps == {frame_id: (jpeg(frame_id), seen[frame_id]) for frame_id in range(1, 40)}


def test_the_list_and_the_index_tell_what_is_in_the_file(
    service: Service, take: tuple[str, dict[int, bytes]], folder: Path
) -> None:
    path = folder / f"{take[0]}.scam"
    status, headers, body = ask(service, "/recordings")
    (facts,) = [facts for facts in json.loads(body) if facts["id"] == take[0]]
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert facts.pop("began_at")
    assert facts == {
        "id": take[0], "state": "ended", "steps": 39, "size_bytes": path.stat().st_size, "model": "small",
        "room": "stage", "sound": True,
    }  # fmt: skip
    status, headers, body = ask(service, f"/recordings/{take[0]}/index")
    index = json.loads(body)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert (index["state"], index["num_steps"], index["num_blocks"]) == ("ended", 39, len(index["blocks"]))
    assert (index["info"]["source"], index["info"]["model"]) == ("recording", "small")
    assert [kind for _, _, kind, _, _ in index["blocks"]][::-1][0] == 5, "the index block itself is left out"
    _, _, body = ask(service, f"/recordings/{take[0]}/index?after=2")
    assert json.loads(body)["blocks"] == index["blocks"][2:]
    _, _, body = ask(service, f"/recordings/{take[0]}/index?after=9999999999")
    assert json.loads(body)["blocks"] == []


def test_a_block_is_fetched_by_its_range(service: Service, take: tuple[str, dict[int, bytes]], folder: Path) -> None:
    whole = (folder / f"{take[0]}.scam").read_bytes()
    address = f"/recordings/{take[0]}/take.scam"
    index = json.loads(ask(service, f"/recordings/{take[0]}/index")[2])
    for offset, size_bytes, *_ in index["blocks"]:
        status, headers, body = ask(
            service, address, headers={**BEARER, "Range": f"bytes={offset}-{offset + size_bytes - 1}"}
        )
        assert (status, body[:4]) == (206, b"SBLK") and body == whole[offset : offset + size_bytes]
        assert headers["content-range"] == f"bytes {offset}-{offset + size_bytes - 1}/{len(whole)}"
    status, headers, body = ask(service, address)
    assert (status, body, headers["accept-ranges"]) == (200, whole, "bytes")
    assert headers["content-disposition"] == f'attachment; filename="{take[0]}.scam"'
    assert (headers["content-type"], headers["x-content-type-options"]) == ("application/octet-stream", "nosniff")
    status, headers, body = ask(service, address, "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(whole)))


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-15", 206, slice(0, 16)),
        ("bytes=-16", 206, slice(-16, None)),
        ("bytes=-999999999999", 206, slice(None)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=0-999999999999", 206, slice(None)),
        ("BYTES=0-0", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=" + "9" * 4000 + "-", 200, slice(None)),
        ("bytes=999999999999-", 416, None),
        ("bytes=9-8", 416, None),
        ("bytes=-0", 416, None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_any_range_is_answered_as_the_rules_say(
    service: Service, take: tuple[str, dict[int, bytes]], folder: Path, wanted: str, status: int, part: slice | None
) -> None:
    whole = (folder / f"{take[0]}.scam").read_bytes()
    found, headers, body = ask(service, f"/recordings/{take[0]}/take.scam", headers={**BEARER, "Range": wanted})
    assert found == status
    if part is None:
        assert headers["content-range"] == f"bytes */{len(whole)}"
    else:
        assert body == whole[part]


@pytest.mark.parametrize(
    "path",
    [
        "/recordings/20260101-000000-abcdef/index",
        "/recordings/20260101-000000-abcdef/take.scam",
        "/recordings/..%2f..%2fsecret/take.scam",
        "/recordings/%2e%2e/take.scam",
        "/recordings/../secret.scam",
        "/recordings/secret/take.scam",
        "/recordings/secret.scam",
        "/recordings/%00/index",
        "/recordings/20260101-000000-abcdef%0a/index",
        "/recordings//index",
    ],
)
def test_nothing_but_recordings_can_be_asked_for(service: Service, folder: Path, path: str) -> None:
    (folder / "secret.scam").write_bytes(b"secret")
    status, _, body = ask(service, path)
    assert status == 404 and b"secret" not in body


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "9" * 5000, "%D9%A3"])
def test_an_index_after_what_is_no_number_is_refused(
    service: Service, take: tuple[str, dict[int, bytes]], after: str
) -> None:
    assert ask(service, f"/recordings/{take[0]}/index?after={after}")[0] == 400


@pytest.mark.parametrize("path", ["/recordings", "/recordings/20260101-000000-abcdef/take.scam"])
def test_strangers_are_told_nothing_of_recordings(service: Service, path: str) -> None:
    for method in ("GET", "DELETE"):
        assert ask(service, path, method, headers={})[0] == 401


def test_a_damaged_recording_is_told_in_a_sentence(service: Service, folder: Path) -> None:
    (folder / "20200101-000000-abcdef.scam").write_bytes(b"not what it seems")
    status, _, body = ask(service, "/recordings/20200101-000000-abcdef/index")
    assert status == 422 and b"is no .scam file" in body
    assert ask(service, "/recordings/20200101-000000-abcdef", "DELETE")[0] == 204


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "/hidden/take.scam"), 404),  # removed in this moment
        (PermissionError(errno.EACCES, "Permission denied", "/hidden/take.scam"), 503),
        (OSError(errno.EIO, "Input/output error", "/hidden/take.scam"), 503),
    ],
)
def test_a_disk_that_fails_is_told_in_a_sentence_without_its_paths(failure: OSError, status: int) -> None:
    def fails() -> Response:
        raise failure

    response = answered(fails)
    assert response.status_code == status and b"hidden" not in response.body and response.body.count(b" ") > 3


async def test_a_recording_that_runs_can_be_fetched_and_followed_but_not_removed(service: Service) -> None:
    async with websockets.connect(service.ws_url, max_size=None, additional_headers=BEARER) as connection:
        camera = Camera(connection)
        await camera.greet()
        await camera.show(0)
        await camera.send(START)
        take_id = (await camera.recording("recording"))["id"]
        frame_id = 1
        while not camera.words[-1]["steps"]:  # a slow disk takes seconds
            await camera.show(frame_id)
            await asyncio.sleep(A_FRAME_S)  # without it the service would take us for a flood
            frame_id += 1
        index = json.loads((await asyncio.to_thread(ask, service, f"/recordings/{take_id}/index"))[2])
        assert index["state"] == "recording" and index["num_steps"] >= camera.words[-1]["steps"]
        status, _, body = await asyncio.to_thread(ask, service, f"/recordings/{take_id}/take.scam")
        timeline = RecordedTimeline.from_bytes(body)
        assert status == 200 and timeline.num_steps >= camera.words[-1]["steps"]
        status, _, body = await asyncio.to_thread(ask, service, f"/recordings/{take_id}", "DELETE")
        assert status == 409 and b"end it first" in body
        await camera.send(STOP)
        await camera.recording("ended")
        assert (await asyncio.to_thread(ask, service, f"/recordings/{take_id}", "DELETE"))[0] == 204
        assert (await asyncio.to_thread(ask, service, f"/recordings/{take_id}/index"))[0] == 404


async def test_a_service_that_is_ended_ends_its_recordings_in_order(tmp_path: Path) -> None:
    with running("--record", "always", "--recordings", str(tmp_path), "--drain-s", "0", program=PAPER) as service:
        service.wait_for_model("small")
        async with websockets.connect(service.ws_url, max_size=None) as connection:
            camera = Camera(connection)
            await camera.greet()
            for frame_id in range(20):
                await camera.show(frame_id)
            await asyncio.to_thread(service.stop)
    timeline = RecordedTimeline.open(only_file_in(tmp_path))
    assert timeline.end is not None and timeline.cut_off is None
    assert timeline.num_steps == 20
    timeline.close()


def only_file_in(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


async def test_killed_at_any_moment_the_service_leaves_recordings_that_open(tmp_path: Path) -> None:
    """SPLATCAM_KILLS=100 for the long form. A file holds what was shown, without a gap but where it says that the disk
    was too slow, and all that it was told to."""
    make = random.Random(11)
    cut_off = missing = 0
    for turn in range(KILLS):
        folder = tmp_path / str(turn)
        camera = await kill_while_it_records(folder, make.random() * 2.5)
        for path in folder.glob("*"):  # none where it was killed before it began
            timeline = RecordedTimeline.open(path)
            assert timeline.num_steps >= max((word["steps"] for word in camera.words), default=0)
            assert timeline.end is None
            cut_off += timeline.cut_off is not None
            timeline.close()
            steps = steps_of(path)
            first = next(iter(steps), 0)  # above 0 where the disk was so slow that the file came late
            assert not untold_gaps(path)
            for frame_id, (picture, message) in steps.items():
                assert picture == jpeg(frame_id)
                assert message == camera.results.get(frame_id, message)
            missing += len(camera.results) - first - len(steps)
            path.unlink()
    print(f"{cut_off} of {KILLS} files ended with a torn block; {missing / KILLS:.0f} steps were missing of each")


async def kill_while_it_records(folder: Path, after_s: float) -> Camera:
    flags = ("--record", "always", "--recordings", str(folder))
    flood = ("--max-messages-per-s", "1e6", "--max-bytes-per-s", "1e9")
    with suppress(ServiceFailed), running(*flags, *flood, program=PAPER) as service:
        service.wait_for_model("small")
        async with websockets.connect(service.ws_url, max_size=None) as connection:
            camera = Camera(connection)
            await camera.greet()
            killing = asyncio.get_running_loop().call_later(after_s, service.process.kill)
            with suppress(websockets.ConnectionClosed):
                for frame_id in range(1_000_000):
                    await camera.show(frame_id)
            killing.cancel()
    return camera
