"""Disks that are full, slow or broken cost a recording, and never the live stream."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from splatcam.live import recordings as live_recordings
from splatcam.timeline.takes import KEEP_FREE_BYTES
from splatcam.wire import ErrorCode
from tests.fakes import connected, settled
from tests.studio import LARGE, START, STOP, recording, shown, streaming, studio


class HangingDisk:
    """From `begin` on nothing reaches the disk, until it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._hangs, self.may_write, self._fsync = threading.Event(), threading.Event(), os.fsync

    def begin(self) -> None:
        self._monkeypatch.setattr("splatcam.timeline.block_file.os.fsync", self._hanging_fsync)

    async def until_it_hangs(self) -> None:
        assert await asyncio.to_thread(self._hangs.wait, 60)

    def _hanging_fsync(self, descriptor: int) -> None:
        self._hangs.set()
        assert self.may_write.wait(60)
        self._fsync(descriptor)


async def test_where_every_camera_is_recorded_a_full_disk_is_told_now_and_then_and_the_live_stream_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_recordings, "TRY_AGAIN_S", 0.0)
    monkeypatch.setattr(live_recordings, "BEGUN_PER_S", 1e-9)
    async with studio(tmp_path, "always") as it, connected(it.hub) as camera:
        it.free_bytes = KEEP_FREE_BYTES
        await camera.hello("compact")
        for frame_id in range(20):
            await shown(camera, frame_id)
        await it.hub.recordings.close()
        await shown(camera, 20)
        assert 1 <= it.hub.telemetry.recordings["refused"] <= live_recordings.BEGUN_AT_ONCE
        assert it.listed() == []


async def test_a_disk_without_room_is_told_and_the_live_stream_goes_on(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        it.free_bytes = KEEP_FREE_BYTES
        await streaming(camera)
        await camera.send(START)
        error = await camera.until("error")
        assert error["code"] == ErrorCode.RECORDING_REFUSED and "the disk has less than" in error["message"]
        await shown(camera, 1)
        it.free_bytes = LARGE
        await camera.send(START)
        await recording(camera)


async def test_a_disk_that_fills_up_ends_the_recording_and_the_live_stream_goes_on(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        take = await recording(camera)
        await shown(camera, 1)
        while (await recording(camera))["steps"] == 0:
            pass
        it.free_bytes = KEEP_FREE_BYTES - 1
        await shown(camera, 2)
        ended = await recording(camera, "ended")
        assert ended["message"] == "the disk has less than 1.1 GB left"
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == [1]
        await shown(camera, 3)
        assert it.hub.telemetry.recordings == {"ended": 1}
        assert it.hub.telemetry.recordings_running == 0


async def test_a_disk_that_hangs_holds_up_neither_the_stream_nor_other_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, may_write = threading.Event(), threading.Event()

    def free_bytes(folder: Path) -> int:
        if not hangs.is_set():
            hangs.set()
            assert may_write.wait(60)
        return LARGE

    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as other:
        monkeypatch.setattr(it.takes, "_free_bytes", free_bytes)
        await streaming(camera)
        await camera.send(START)
        await settled()
        assert await asyncio.to_thread(hangs.wait, 60)
        for frame_id in range(1, 6):
            await shown(camera, frame_id)
        await streaming(other)
        await other.send(START)
        await recording(other)
        may_write.set()
        take = await recording(camera)
        await shown(camera, 6)
        await camera.send(STOP)
        await recording(camera, "ended")
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == list(range(1, 7)), "what came meanwhile"


async def test_a_disk_that_hangs_in_the_middle_of_a_file_holds_up_nobody_who_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = HangingDisk(monkeypatch)
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        take = await recording(camera)
        disk.begin()
        await shown(camera, 1)
        await disk.until_it_hangs()
        for frame_id in range(2, 10):
            await shown(camera, frame_id)
        assert (await recording(camera))["steps"] == 0
        disk.may_write.set()
        await camera.send(STOP)
        assert (await recording(camera, "ended"))["steps"] == 9
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == list(range(1, 10))


async def test_a_bug_of_the_recorder_costs_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:

        def broken(model: str, room: str) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(it.takes, "begin", broken)
        await streaming(camera)
        await camera.send(START)
        assert (await camera.until("error"))["code"] == ErrorCode.RECORDING_REFUSED
        await shown(camera, 1)
        assert "ZeroDivisionError" in caplog.text
        assert it.hub.telemetry.recordings == {"refused": 1}


async def test_a_disk_that_hangs_when_the_service_ends_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = HangingDisk(monkeypatch)
    monkeypatch.setattr(live_recordings, "END_WITHIN_S", 0.05)
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        await recording(camera)
        disk.begin()
        await shown(camera, 1)
        await disk.until_it_hangs()
        await it.hub.recordings.close()
        await it.hub.recordings.close()  # as the drain and the end of the app do
        disk.may_write.set()
        assert [line for line in caplog.messages if "takes too long" in line] == [
            "1 recordings are not ended: the disk takes too long"
        ]
        await recording(camera, "ended")
