"""A recording as a download: /recordings/{id}/export.html, .zip and .mp4. Another process makes it, of low priority.

One page and one of the others at a time. What is made is a file beside the recordings, without a name from when it is
sent on: however that ends, nothing is left. Who goes away, or a server that ends, ends the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from splatcam.timeline.takes import Takes, UnknownTake

logger = logging.getLogger("splatcam")
T = TypeVar("T")
MEDIA_TYPES = {"html": "application/octet-stream", "zip": "application/zip", "mp4": "video/mp4"}  # no page of ours
LANES = {"html": "page", "zip": "drawn", "mp4": "drawn"}
CHILD = "splatcam.commands.export_child"
REFUSED = 1  # the command's status where it says why
STEP = re.compile(r"\d{1,10}", re.ASCII)
CHUNK_BYTES = 1 << 20
PREFIX = ".export-"
FORGOTTEN_AFTER_S = 86_400  # what a machine that lost its power left
KILLED_AFTER_S = 2.0
RETRY_AFTER_S = 10
NO_STORE = {"Cache-Control": "no-store"}


class Busy(Exception):
    """Another one is being made."""


class NotExported(Exception):
    """It cannot be made; the message is a sentence."""


class ChildFailed(Exception):
    """A bug, a lack of memory, or somebody ended it."""


class Exporter:
    """The processes. To be closed before the loop ends."""

    def __init__(self) -> None:
        self._running: dict[str, Process | None] = {}  # by lane; None: just being started
        self._is_closed = False

    async def export(self, take: Path, form: str, arguments: list[str]) -> BinaryIO:
        """The finished file, open and without a name. Raises Busy, NotExported, ChildFailed.

        Cancelled, it leaves nothing.
        """
        target = take.with_name(f"{PREFIX}{secrets.token_hex(8)}.{form}")
        await asyncio.to_thread(_remove_forgotten, take.parent)  # a slow disk holds up no stream
        try:
            async with self._lane(LANES[form]):
                await self._make(LANES[form], [str(take), "-o", str(target), *arguments])
                return target.open("rb")
        finally:
            target.unlink(missing_ok=True)

    async def close(self) -> None:
        """Ends what is being made."""
        self._is_closed = True
        await asyncio.gather(*(_end(process) for process in self._running.values() if process is not None))

    @asynccontextmanager
    async def _lane(self, lane: str) -> AsyncIterator[None]:
        if lane in self._running or self._is_closed:
            raise Busy
        self._running[lane] = None
        try:
            yield
        finally:
            del self._running[lane]

    async def _make(self, lane: str, arguments: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", CHILD, *arguments, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, env=_environment()
        )  # fmt: skip
        self._running[lane] = process
        try:
            if self._is_closed:  # while it was being started
                raise Busy
            assert process.stderr is not None
            told = await process.stderr.read()
            status = await process.wait()
        finally:
            await _end(process)
        if status == REFUSED:
            raise NotExported(_sentence(told, Path(arguments[0]).parent))
        if status:
            logger.error("an export ended with %d: %s", status, told.decode(errors="replace"))
            raise ChildFailed


async def _end(process: Process) -> None:
    """In order where it can; its own temporary file goes with it."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), KILLED_AFTER_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """The same package as here, also where it is not installed."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def _sentence(told: bytes, folder: Path) -> str:
    """Its last word, without where our files are."""
    lines = told.decode(errors="replace").strip().splitlines()
    return (
        lines[-1].removeprefix("splatcam export: ").replace(f"{folder}{os.sep}", "") if lines else "it cannot be made"
    )


def _remove_forgotten(folder: Path) -> None:
    for file in folder.glob(f".*{PREFIX[1:]}*"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > FORGOTTEN_AFTER_S:
                file.unlink()


# ---------------------------------------------------------------- routes


def exports_router(takes: Takes, exporter: Exporter) -> APIRouter:
    router = APIRouter(prefix="/recordings", include_in_schema=False)

    @router.get("/{take_id}/export.{form}")
    async def export(take_id: str, form: str, request: Request) -> Response:
        if form not in MEDIA_TYPES:
            return _refused(404, "a recording is exported as .html, .zip or .mp4")
        if request.headers.get("sec-fetch-site") == "cross-site":
            return _refused(403, "another site may not have recordings exported")
        arguments = _steps_in(request)
        if arguments is None:
            return _refused(400, "first and last are numbers of steps")
        try:
            take = await asyncio.to_thread(takes.find, take_id)
            file = await _while_connected(request, exporter.export(take, form, arguments))
        except UnknownTake:
            return _refused(404, "there is no recording of that name")
        except Busy:
            return _refused(503, "another export is being made: try again", {"Retry-After": str(RETRY_AFTER_S)})
        except NotExported as error:
            return _refused(422, str(error))
        except ChildFailed:
            return _refused(500, "the export failed; the server's log says why")
        if file is None:
            return Response(status_code=499)  # nobody is there to read it
        return _download(file, f"{take_id}.{form}", MEDIA_TYPES[form])

    return router


def _steps_in(request: Request) -> list[str] | None:
    """first and last as the command's flags; None where they are no numbers."""
    arguments: list[str] = []
    for name in ("first", "last"):
        value = request.query_params.get(name)
        if value is not None and not STEP.fullmatch(value):
            return None
        arguments += [] if value is None else [f"--{name}", value]
    return arguments


def _download(file: BinaryIO, name: str, media_type: str) -> Response:
    headers = {
        **NO_STORE,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(os.fstat(file.fileno()).st_size),
    }
    return StreamingResponse(_chunks(file), headers=headers, media_type=media_type)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """None where the client has gone first; the work is cancelled then."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence, status, {**NO_STORE, **(headers or {})})
