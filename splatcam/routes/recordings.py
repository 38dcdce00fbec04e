"""The recordings of this server over HTTP: their list, where the blocks of one are, its bytes, and its end.

Known by ids alone: no path can be asked for, and nothing else of the folder is told.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from splatcam.timeline.block_file import BlockFileError
from splatcam.timeline.takes import TakeRuns, Takes, UnknownTake

logger = logging.getLogger("splatcam")
NO_STORE = {"Cache-Control": "no-store"}
MEDIA_TYPE = "application/octet-stream"
CHUNK_BYTES = 256 << 10
# One range (RFC 9110, section 14.1.2). Of several, or what is none, the whole file is the answer, as it may be.
RANGE = re.compile(r"bytes=(?=\d|-\d)(\d{0,18})-(\d{0,18})", re.ASCII)
BLOCK_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


def recordings_router(takes: Takes) -> APIRouter:
    """Plain functions: they touch the disk, so each call is given a thread."""
    router = APIRouter(prefix="/recordings", include_in_schema=False)

    @router.get("")
    def listed() -> Response:
        return answered(lambda: JSONResponse([facts.__dict__ for facts in takes.listed()], headers=NO_STORE))

    @router.get("/{take_id}/index")
    def index(take_id: str, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not BLOCK_NUMBER.fullmatch(after):
            return refused(400, "after is the number of a block")
        return answered(lambda: JSONResponse(index_of(takes, take_id, int(after)), headers=NO_STORE))

    @router.api_route("/{take_id}/take.scam", methods=["GET", "HEAD"])
    def take(take_id: str, request: Request) -> Response:
        return answered(lambda: file_response(takes.find(take_id), request))

    @router.delete("/{take_id}")
    def remove(take_id: str) -> Response:
        return answered(lambda: removed(takes, take_id))

    return router


def index_of(takes: Takes, take_id: str, after: int) -> dict[str, Any]:
    found = takes.index(take_id)
    return {
        "state": found.state,
        "num_steps": found.num_steps,
        "num_blocks": len(found.rows),
        "info": found.info.model_dump(),
        "blocks": found.rows[after:],
    }


def removed(takes: Takes, take_id: str) -> Response:
    takes.remove(take_id)
    return Response(status_code=204, headers=NO_STORE)


def answered(make: Callable[[], Response]) -> Response:
    """What `make` answers, or in words why it does not."""
    try:
        return make()
    except (UnknownTake, FileNotFoundError):  # the latter: removed in this moment
        return refused(404, "there is no recording of that name")
    except TakeRuns:
        return refused(409, "this is being recorded: end it first")
    except BlockFileError as error:
        return refused(422, str(error))
    except OSError as error:
        logger.warning("the recordings' folder: %s", error)
        return refused(503, f"the disk with the recordings does not do it now: {error.strerror}")


def refused(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence, status, NO_STORE)


# ---------------------------------------------------------------- a file, whole or in part


@dataclass(frozen=True)
class Part:
    """Bytes of a file from `begin` up to, and without, `end`."""

    begin: int
    end: int

    def chunks(self, path: Path) -> Iterator[bytes]:
        """No more than was promised, also of a file that grows."""
        with path.open("rb") as file:
            file.seek(self.begin)
            left = self.end - self.begin
            while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk


def file_response(path: Path, request: Request) -> Response:
    """What is there now of a file that only ever grows: so a part of it never changes, and needs no tag."""
    size_bytes = path.stat().st_size
    headers = {
        **NO_STORE,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{path.name}"',
    }
    wanted = RANGE.fullmatch(request.headers.get("range", ""))
    part = part_of(wanted[1], wanted[2], size_bytes) if wanted else Part(0, size_bytes)
    if part is None:
        return PlainTextResponse("no such part", 416, {**NO_STORE, "Content-Range": f"bytes */{size_bytes}"})
    headers["Content-Length"] = str(part.end - part.begin)
    if wanted:
        headers["Content-Range"] = f"bytes {part.begin}-{part.end - 1}/{size_bytes}"
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Response(None, status, headers, MEDIA_TYPE)
    return StreamingResponse(part.chunks(path), status, headers, MEDIA_TYPE)


def part_of(first: str, last: str, size_bytes: int) -> Part | None:
    """The range FIRST-LAST of bytes; without a first one the LAST so many. None: there are none of them."""
    if first:
        begin, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    else:
        begin, end = max(0, size_bytes - int(last)), size_bytes
    return Part(begin, end) if begin < end else None
