"""Exports of a server over real sockets; what the files hold is in test_export.py."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from splatcam.routes import exports
from splatcam.routes.exports import Busy, Exporter, exports_router
from splatcam.timeline import RecordedTimeline, Recorder
from splatcam.timeline.takes import Takes
from splatcam.timeline.timeline_file import Info
from tests.exported_takes import live_steps, record

ID = "20260102-030405-abcdef"
PATIENCE_S = 300
STEPS = 4


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def until(holds: Callable[[], bool]) -> None:
    for _ in count():
        if holds():
            return
        await asyncio.sleep(0.02)


class Service:
    """The routes on a port of their own."""

    def __init__(self, folder: Path, port: int, exporter: Exporter) -> None:
        self.folder, self.port, self.exporter = folder, port, exporter

    async def get(self, path: str, *headers: str) -> Answer:
        reader, writer = await self.ask(path, *headers)
        head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE_S)).partition(b"\r\n\r\n")
        writer.close()
        lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines[1:])
        return Answer(int(lines[0].split()[1]), {name.lower(): value for name, value in pairs}, body)

    async def ask(self, path: str, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return reader, writer

    def left_over(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir() if file.suffix != ".scam")


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Service]:
    exporter, takes, app = Exporter(), Takes(folder, 1 << 40), FastAPI()
    app.include_router(exports_router(takes, exporter))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=5))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield Service(folder, server.servers[0].sockets[0].getsockname()[1], exporter)
    finally:
        await exporter.close()
        server.should_exit = True
        await serving
        takes.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path / f"{ID}.scam", live_steps(STEPS))
    return tmp_path


async def test_each_form_is_a_download_and_leaves_nothing_beside_the_recording(folder: Path) -> None:
    async with service(folder) as at:
        page = await at.get(f"/recordings/{ID}/export.html")
        assert page.status == 200 and page.body.startswith(b"<!doctype html>")
        assert page.headers["content-disposition"] == f'attachment; filename="{ID}.html"'
        assert page.headers["content-type"] == "application/octet-stream", "it is no page of this server's"
        assert int(page.headers["content-length"]) == len(page.body)
        archive = await at.get(f"/recordings/{ID}/export.zip?first=1&last=2")
        names = zipfile.ZipFile(io.BytesIO(archive.body)).namelist()
        assert names == ["step_00001.ply", "step_00002.ply", "manifest.json"]
        film = await at.get(f"/recordings/{ID}/export.mp4?last=0")
        assert film.status == 200 and film.body[4:8] == b"ftyp"
        assert at.left_over() == []


async def test_a_recording_that_still_runs_is_exported_up_to_now(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / f"{ID}.scam", Info())
    steps = live_steps(STEPS)
    for step in steps:
        recorder.put(step)
    await until(lambda: recorder.report.steps == STEPS)
    async with service(tmp_path) as at:
        archive = await at.get(f"/recordings/{ID}/export.zip")
        assert len(zipfile.ZipFile(io.BytesIO(archive.body)).namelist()) == STEPS + 1
    recorder.put(steps[0])
    assert recorder.stop().steps == STEPS + 1


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        (f"/recordings/{ID}/export.exe", 404, "exported as"),
        (f"/recordings/{ID}/export.zip?first=-1", 400, "numbers of steps"),
        (f"/recordings/{ID}/export.zip?first=1e9", 400, "numbers of steps"),
        (f"/recordings/{ID}/export.zip?last=99999999999999", 400, "numbers of steps"),
        (f"/recordings/{ID}/export.zip?last=%D9%A3", 400, "numbers of steps"),
        (f"/recordings/{ID}/export.html?first=--output", 400, "numbers of steps"),
        ("/recordings/20260102-030405-ffffff/export.zip", 404, "no recording"),
        ("/recordings/..%2f..%2fetc%2fpasswd/export.zip", 404, ""),
        ("/recordings/--help/export.html", 404, "no recording"),
    ],
)
async def test_what_is_no_recording_no_form_and_no_step_is_refused(
    folder: Path, path: str, status: int, why: str
) -> None:
    async with service(folder) as at:
        answer = await at.get(path)
        assert answer.status == status and why in answer.body.decode()


async def test_steps_that_are_not_there_and_damaged_files_are_told_without_our_paths(folder: Path) -> None:
    async with service(folder) as at:
        answer = await at.get(f"/recordings/{ID}/export.html?first=9")
        assert (answer.status, answer.body) == (422, b"steps 9 to 3 are no part of the recording's 0 to 3")
        (folder / f"{ID}.scam").write_bytes(b"no recording")
        answer = await at.get(f"/recordings/{ID}/export.html")
        assert answer.status == 422 and b"no .scam file" in answer.body
        assert str(folder).encode() not in answer.body
        assert at.left_over() == []


async def test_another_site_may_not_start_an_export(folder: Path) -> None:
    async with service(folder) as at:
        assert (await at.get(f"/recordings/{ID}/export.html", "Sec-Fetch-Site: cross-site")).status == 403


SLEEPER = """
import os, sys, time
target = sys.argv[3]
open(target, "wb").write(b"half")
open(os.path.join(os.path.dirname(target), "began"), "w").write(str(os.getpid()))
sys.stdin.read()
"""


@pytest.fixture
def sleeper(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the child: it begins, and goes on until it is ended. The file tells that it has begun."""
    (folder / "modules").mkdir()
    (folder / "modules" / "export_sleeper.py").write_text(SLEEPER)
    monkeypatch.setenv("PYTHONPATH", str(folder / "modules"))
    monkeypatch.setattr(exports, "CHILD", "export_sleeper")
    return folder / "began"


async def began(sleeper: Path) -> int:
    """The process that has begun. The next one tells anew."""
    await until(lambda: sleeper.exists() and sleeper.read_text() != "")
    return take_word(sleeper)


def take_word(sleeper: Path) -> int:
    pid = int(sleeper.read_text())
    sleeper.unlink()
    return pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(at: Service, pid: int) -> None:
    """Until the process and its file are."""
    await until(lambda: not is_alive(pid) and at.left_over() == ["modules"])


async def test_one_film_or_zip_is_made_at_a_time_and_a_page_beside_it(folder: Path, sleeper: Path) -> None:
    async with service(folder) as at:
        _, writer = await at.ask(f"/recordings/{ID}/export.zip")
        pid = await began(sleeper)
        answer = await at.get(f"/recordings/{ID}/export.mp4")
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        _, other = await at.ask(f"/recordings/{ID}/export.html")
        assert await began(sleeper) != pid
        writer.close()
        other.close()
        await gone(at, pid)


async def test_who_leaves_ends_the_export_and_the_next_one_may_begin(folder: Path, sleeper: Path) -> None:
    async with service(folder) as at:
        _, writer = await at.ask(f"/recordings/{ID}/export.zip")
        pid = await began(sleeper)
        writer.close()
        await gone(at, pid)
        _, writer = await at.ask(f"/recordings/{ID}/export.zip")
        await began(sleeper)
        writer.close()


async def test_a_server_that_ends_ends_its_exports_and_takes_no_more(folder: Path, sleeper: Path) -> None:
    async with service(folder) as at:
        asking = asyncio.create_task(at.get(f"/recordings/{ID}/export.zip"))
        pid = await began(sleeper)
        await at.exporter.close()
        await gone(at, pid)
        assert (await asking).status == 500
        with pytest.raises(Busy):
            await at.exporter.export(folder / f"{ID}.scam", "zip", [])


async def test_what_is_just_being_started_when_the_server_ends_is_ended_too(
    folder: Path, sleeper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, start, started = Exporter(), asyncio.create_subprocess_exec, []

    async def start_while_it_closes(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*arguments, **options))
        await exporter.close()
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_while_it_closes)
    with pytest.raises(Busy):
        await asyncio.wait_for(exporter.export(folder / f"{ID}.scam", "zip", []), PATIENCE_S)
    assert started[0].returncode is not None


async def test_an_export_ends_with_the_process_that_started_it(folder: Path) -> None:
    """Killed, a server closes nothing in order: the end of its pipe is the sign."""
    command = [sys.executable, "-c", "from splatcam.commands.export_child import _end_with_parent as f; f()"]
    child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == -15


async def test_what_an_earlier_machine_left_is_removed(folder: Path) -> None:
    old, young = folder / ".export-0123.zip", folder / ".export-4567.zip"
    for file in (old, young):
        file.touch()
    os.utime(old, (0, 0))
    async with service(folder) as at:
        assert (await at.get(f"/recordings/{ID}/export.html")).status == 200
        assert at.left_over() == [young.name]


def test_the_take_is_whole(folder: Path) -> None:
    recorded = RecordedTimeline.open(folder / f"{ID}.scam")
    assert recorded.num_steps == STEPS
    recorded.close()
