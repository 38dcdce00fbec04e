"""The orbit viewer over HTTP: its page, `/info`, `/render`. Knows pictures by how they are asked for, not who draws."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from splatcam.rendering.camera import Camera
from splatcam.rendering.orbit_query import BadQuery, OrbitQuery, parse_query
from splatcam.rendering.picture_job import NothingToShow, TooManyWaiting
from splatcam.routes.headers import PagePolicy
from splatcam.routes.render_turns import Superseded
from splatcam.settings import web_folder

logger = logging.getLogger("splatcam")
T = TypeVar("T")
METHODS = ["GET", "HEAD"]
LONGEST_CLIENT = 64
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
REVALIDATE = {"Cache-Control": "no-cache"}
NO_STORE = {"Cache-Control": "no-store"}


class PictureSource(Protocol):
    """What is shown: a viewer's own pictures (`render_turns.DrawnInTurns`), or a live camera's."""

    @property
    def modes(self) -> tuple[str, ...]: ...

    @property
    def edition(self) -> str: ...

    def get_info(self) -> dict[str, Any]: ...

    async def draw(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        """A JPEG. Raises NothingToShow, Superseded, TooManyWaiting; whatever else is said to be a failure."""
        ...


def viewer_router(pictures: PictureSource, folder: Path | None = None) -> APIRouter:
    """The page, and what it asks for. Relative addresses only: it may be put under a prefix. `folder`: its files."""
    files = folder or web_folder() / "viewer"
    router = picture_router(pictures)
    policy = PagePolicy()

    async def page(request: Request) -> Response:
        index = files / "index.html"
        return FileResponse(index, headers=policy.headers(index, request.headers.get("host", ""), []))

    async def page_file(name: str) -> Response:
        """Flat, so a name says it all: what is not in the folder's own list is nothing."""
        file = next((file for file in files.iterdir() if file.name == name and file.suffix in MEDIA_TYPES), None)
        if file is None:
            return _refused(404, "not found")
        return FileResponse(file, media_type=MEDIA_TYPES[file.suffix], headers=REVALIDATE)

    _add(router, {"/": page, "/{name}": page_file})
    return router


def picture_router(pictures: PictureSource) -> APIRouter:
    """`/info` and `/render`, for pages and programs."""
    router = APIRouter()

    async def info() -> Response:
        return JSONResponse(pictures.get_info(), headers=NO_STORE)

    async def render(request: Request) -> Response:
        edition = pictures.edition  # before drawing: a picture may be newer than its tag, never older
        try:
            query = parse_query(dict(request.query_params), pictures.modes)
            tag = _tag(edition, query)
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers={"ETag": tag, **REVALIDATE})
            drawing = pictures.draw(query.camera, query.quality, query.mode, _client(request))
            jpeg = await _while_connected(request, drawing)
            return Response(jpeg, media_type="image/jpeg", headers={"ETag": tag, **REVALIDATE})
        except BadQuery as error:
            return _refused(422, str(error))
        except Superseded:
            return _refused(409, "A newer request took the place of this one.")
        except NothingToShow as error:
            return _refused(503, str(error))
        except TooManyWaiting:
            return _refused(503, "Too many pictures are being waited for. Try again.", {"Retry-After": "1"})
        except Exception as error:  # whatever the viewer's function did: the page says so and asks again
            logger.exception("a picture could not be drawn")
            return _refused(500, f"The picture could not be drawn: {error}")

    _add(router, {"/info": info, "/render": render})
    return router


def _add(router: APIRouter, routes: dict[str, Callable[..., Awaitable[Response]]]) -> None:
    for path, route in routes.items():
        router.add_api_route(path, route, methods=METHODS, include_in_schema=False)


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Gives up when the client has gone. Raises Superseded then: nobody hears the answer."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Superseded
        return await working
    finally:
        leaving.cancel()
        working.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _client(request: Request) -> str:
    """The page makes a name up when it is loaded."""
    return request.query_params.get("client", "")[:LONGEST_CLIENT]


def _tag(edition: str, query: OrbitQuery) -> str:
    return f'"{edition}-{hashlib.blake2b(repr(query).encode(), digest_size=8).hexdigest()}"'


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence, status, headers={**NO_STORE, **(headers or {})})
