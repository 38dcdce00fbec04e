"""`splatcam record` against services of a script, and once against the real one."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import websockets

from splatcam import wire
from splatcam.bench.local_service import running
from splatcam.bench.overload_cameras import Rate, connected, listening, picture_of
from splatcam.bench.replay import Plan
from splatcam.commands import record
from splatcam.commands.record import ServerClock, Source, Take, step_of, watch
from splatcam.timeline import RecordedTimeline, Recorder
from splatcam.timeline.block_file import BlockWriter
from splatcam.timeline.nodes import Picture
from tests.golden.cases import COMPACT, JPEG
from tests.test_picture_commands import one_sentence

ROOT = Path(__file__).parent.parent
RESULT = {"timings_ms": {"total": 1.0}, "model": "builtin", "intrinsics": (1.0, 1.0, 0.5, 0.5), "grid": (28, 42)}
WELCOME = {"type": "welcome", "model": {"name": "builtin", "supports_gaussians": False}}
Told = list[dict[str, Any]]
Visit = Callable[[websockets.ServerConnection, Told], Any]


def result(frame_id: int, at_ms: float = 0.0, **fields: Any) -> dict[str, Any]:
    """As a watcher gets it."""
    times = {"frame_id": frame_id, "captured_at_ms": float(frame_id), "received_at_ms": at_ms or 1000.0 + 40 * frame_id}
    return {"type": "compact", **times, **RESULT, **COMPACT, "color": JPEG, **fields}


@asynccontextmanager
async def service(*visits: Visit) -> AsyncIterator[tuple[str, Told]]:
    """Greets who comes; then the n-th visit goes as the n-th function says, and all later ones as the last."""
    told: Told = []
    count = 0

    async def visit(socket: websockets.ServerConnection) -> None:
        nonlocal count
        count += 1
        told.append(msgpack.unpackb(await socket.recv()))
        await socket.send(msgpack.packb(WELCOME))
        told.append(msgpack.unpackb(await socket.recv()))
        await visits[min(count, len(visits)) - 1](socket, told)

    async with websockets.serve(visit, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", told


def sends(*messages: dict[str, Any], then_stays: bool = False) -> Visit:
    """Each when the one before is acknowledged."""

    async def play(socket: websockets.ServerConnection, told: Told) -> None:
        for message in messages:
            await socket.send(msgpack.packb(message))
            if message["type"] == "compact":
                told.append(msgpack.unpackb(await socket.recv()))
        if then_stays:
            await socket.wait_closed()

    return play


def stays(*messages: dict[str, Any]) -> Visit:
    return sends(*messages, then_stays=True)


async def record_from(url: str, path: Path, *more: str) -> int:
    return await asyncio.to_thread(record.main, ["--url", url, "-o", str(path), *more])


class Bar:
    """Where a terminal shows a bar: knows when so many steps were taken."""

    def __init__(self, steps: int) -> None:
        self._missing = steps
        self.is_full = asyncio.Event()

    def set_postfix_str(self, s: str, refresh: bool) -> None: ...

    def update(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.is_full.set()


async def recorded_until(steps: int, url: str, path: Path, camera: str = "newest") -> list[str]:
    """Ended after so many steps, as by Ctrl-C. Returns what was said meanwhile."""
    bar, said = Bar(steps), list[str]()
    take = Take(path, bar)
    watching = asyncio.create_task(watch(Source(url, "", camera), take, said.append))
    async with asyncio.timeout(60):
        await bar.is_full.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    take.end()
    return said


def has_grown(path: Path, size_bytes: int) -> None:
    """Returns when it has."""
    end_s = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < size_bytes:
        assert time.monotonic() < end_s, "the file does not grow"
        time.sleep(0.05)


def is_there(path: Path) -> bool:
    return path.exists()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "take.scam"


@pytest.fixture
def somebodys(path: Path) -> Iterator[Path]:
    path.write_bytes(b"somebody's")
    yield path
    assert path.read_bytes() == b"somebody's"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RETRY_S", 0.01)


def steps_of(path: Path) -> list[tuple[int, float]]:
    """Frame ids, and times in the file."""
    recorded = RecordedTimeline.open(path)
    facts = [recorded.facts_at(step) for step in range(recorded.num_steps)]
    assert recorded.end is not None, "the file was ended in order"
    recorded.close()
    return [(fact.frame_id, fact.received_at_ms) for fact in facts if fact is not None]


# ---------------------------------------------------------------- a step


def test_of_level_a_the_picture_goes_where_the_server_keeps_it() -> None:
    step = step_of(result(7), 5.0)
    assert (step.frame_id, step.captured_at_ms, step.received_at_ms, step.jpeg) == (7, 7.0, 5.0, JPEG)
    message = result(7)
    del message["color"]
    assert step.message == msgpack.packb(message)


def test_what_is_kept_are_the_bytes_that_the_server_would_have_recorded() -> None:
    bounds = wire.Bounds(minimum=(-1.0, -1.0, 0.5), maximum=(1.0, 1.0, 4.0))
    own = wire.Compact(
        **{**RESULT, "frame_id": 3, "captured_at_ms": 0.5, "received_at_ms": 1.25, "bounds": bounds, **COMPACT}
    )
    sent = own.model_copy(update={"color": JPEG})
    assert step_of(wire.decode_server_message(wire.encode(sent)), 1.25).message == wire.encode(own)


def test_level_c_is_kept_as_it_is_for_its_colours_are_not_the_cameras() -> None:
    step = step_of(result(7, shape=b"planes"), 5.0)
    assert step.jpeg == b""
    assert step.message == msgpack.packb(result(7, shape=b"planes"))


def test_times_go_on_over_a_reconnect_to_a_server_with_another_clock() -> None:
    clock = ServerClock()
    clock.reconnected()
    assert [clock.continued(5000.0, 10.0), clock.continued(5040.0, 10.04)] == [5000.0, 5040.0]
    clock.reconnected()
    assert clock.continued(20.0, 13.04) == pytest.approx(8040.0)
    assert clock.continued(60.0, 13.09) == pytest.approx(8080.0), "by the server's clock again"


# ---------------------------------------------------------------- a recording


async def test_what_is_watched_is_in_the_file(path: Path) -> None:
    async with service(stays(*(result(n) for n in range(5)))) as (url, told):
        assert await recorded_until(5, url, path, "kitchen") == []
    assert [frame_id for frame_id, _ in steps_of(path)] == list(range(5))
    recorded = RecordedTimeline.open(path)
    assert recorded.scene_at(2)["camera"] == Picture(jpeg=JPEG)
    assert recorded.info.model == "builtin" and recorded.info.began_at
    recorded.close()
    hello, settings, *acks = told
    assert (hello["watch"], hello["formats"]) == ("kitchen", ["compact"])
    assert (settings["output"], settings["stride"], settings["depth_bits"]) == ("pixel", 1, 12)
    assert [ack["frame_id"] for ack in acks] == list(range(5)), "each was acknowledged"


async def test_a_recording_ends_after_its_seconds_and_says_what_it_has(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with service(stays(result(0))) as (url, _):
        assert await record_from(url, path, "--seconds", "3") == 0
    assert len(steps_of(path)) == 1
    assert "take.scam: 1 steps in 0.0 s" in capsys.readouterr().out


async def test_of_level_c_the_file_has_no_camera(path: Path) -> None:
    async with service(stays(result(0, shape=b"planes"))) as (url, _):
        await recorded_until(1, url, path)
    recorded = RecordedTimeline.open(path)
    assert set(recorded.scene_at(0)) == {"scene"}
    recorded.close()


async def test_steps_go_on_after_the_server_was_away_and_both_are_told(path: Path) -> None:
    first, second = sends(result(0), result(1)), stays(result(50, at_ms=5.0), result(51, at_ms=45.0))
    async with service(first, second) as (url, _):
        lost, back = await recorded_until(4, url, path)
    frame_ids, times_ms = zip(*steps_of(path), strict=True)
    assert frame_ids == (0, 1, 50, 51)
    assert list(times_ms) == sorted(times_ms) and times_ms[3] - times_ms[2] == pytest.approx(40)
    assert "the server hung up" in lost and "trying again" in lost
    assert "back after" in back


async def test_a_camera_that_leaves_and_comes_back_is_recorded_on(path: Path) -> None:
    gone = {"type": "error", "code": "unknown_session", "message": "the camera that you watched has left"}
    async with service(sends(result(0), gone), stays(result(9))) as (url, _):
        lost, _ = await recorded_until(2, url, path)
    assert "the camera that you watched has left" in lost
    assert [frame_id for frame_id, _ in steps_of(path)] == [0, 9]


async def test_another_model_is_asked_for_every_pixel_of_its_own_splats(path: Path) -> None:
    other = {**WELCOME, "model": {"name": "giant", "supports_gaussians": True}}

    async def changes(socket: websockets.ServerConnection, told: Told) -> None:
        await sends(other)(socket, told)
        told.append(msgpack.unpackb(await socket.recv()))
        await stays(result(0, shape=b"planes"))(socket, told)

    async with service(changes) as (url, told):
        await recorded_until(1, url, path)
    settings = [message for message in told if message["type"] == "settings"]
    assert [message["output"] for message in settings] == ["pixel", "network"]


# ---------------------------------------------------------------- what goes wrong


async def test_a_server_that_stays_away_ends_the_file_in_order(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "GIVE_UP_S", 0.0)
    async with service(sends(result(0))) as (url, _):
        assert await record_from(url, path) == 1
    assert len(steps_of(path)) == 1
    assert "the server hung up" in one_sentence(capsys, "record")


async def test_a_server_that_is_not_there_is_one_sentence_and_no_file(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert await record_from(f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws", path) == 1
    assert "no server answers" in one_sentence(capsys, "record")
    assert not is_there(path)


async def test_a_camera_that_is_not_there_is_one_sentence_and_no_file(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"type": "error", "code": "unknown_session", "message": "no camera is streaming as 'x'"}

    async def refuse(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send(msgpack.packb(refusal))
        await socket.wait_closed()

    async with websockets.serve(refuse, "127.0.0.1", 0) as server:
        assert await record_from(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", path) == 1
    assert "no camera is streaming as 'x'" in one_sentence(capsys, "record")
    assert not is_there(path)


async def test_a_file_that_is_there_stays_as_it_is(somebodys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with service(stays(result(0))) as (url, _):
        assert await record_from(url, somebodys) == 1
    assert "is there already" in one_sentence(capsys, "record")


async def test_a_folder_that_is_not_there_is_one_sentence(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with service(stays(result(0))) as (url, _):
        assert await record_from(url, path.parent / "nowhere" / "take.scam") == 1
    assert "No such file or directory" in one_sentence(capsys, "record")


async def test_a_camera_that_shows_nothing_leaves_no_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with service(stays()) as (url, _):
        assert await record_from(url, path, "--seconds", "0.1") == 1
    assert "nothing was recorded" in one_sentence(capsys, "record")
    assert not is_there(path)


async def test_a_full_disk_is_one_sentence_and_what_was_written_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fills_up() -> None:
        if path.stat().st_size > 2000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def create(path: Path, info: Any) -> Recorder:
        return Recorder(BlockWriter(path.open("xb", buffering=0), fills_up), info)

    async def floods(socket: websockets.ServerConnection, told: Told) -> None:
        for number in range(100_000):
            await socket.send(msgpack.packb(result(number, at_ms=1000.0 + 400 * number)))
            await socket.recv()

    monkeypatch.setattr(Recorder, "create", create)
    async with service(floods) as (url, _):
        assert await record_from(url, path) == 1
    assert "the disk took no more" in one_sentence(capsys, "record")
    recorded = RecordedTimeline.open(path)
    assert recorded.num_steps > 0 and recorded.cut_off is None
    recorded.close()


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_seconds_that_are_none_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        record.main(["--url", "ws://127.0.0.1:1/ws", f"--seconds={seconds}"])
    assert "--seconds" in capsys.readouterr().err


# ---------------------------------------------------------------- the real service


async def recorder_of(url: str, path: Path, *more: str) -> asyncio.subprocess.Process:
    command: Sequence[str] = ("-m", "splatcam.cli", "record", "--url", url, "-o", str(path), *more)
    return await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
async def test_a_signal_ends_a_recording_of_the_real_service_in_order(
    path: Path, number: signal.Signals, status: int
) -> None:
    token = "--token=a-token-for-tests"
    with running("--model", "synthetic", "--process-res", "70", token) as real:
        real.wait_for_model("synthetic")
        real.token = token.removeprefix("--token=")
        async with connected(real, 1) as (camera,):
            await camera.greet(Plan(("splats16",)))
            await camera.open_stream(picture_of(70))
            async with listening([camera]), camera.playing([picture_of(70)], Rate(20.0)):
                refused = await recorder_of(real.ws_url, path)
                assert await refused.wait() == 1, "without the token"
                recorder = await recorder_of(real.ws_url, path, token)
                await asyncio.to_thread(has_grown, path, 20_000)
                recorder.send_signal(number)
                assert await recorder.wait() == status
    frame_ids = [frame_id for frame_id, _ in steps_of(path)]
    assert frame_ids and frame_ids == sorted(frame_ids)
