"""A program's timeline as a server of its own: app, front door and a thread that serves until it is told to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from splatcam import __version__
from splatcam.routes.page import WebFiles, package_router
from splatcam.routes.timeline import MAX_WORD_BYTES, Tabs, timeline_router
from splatcam.routes.viewer_app import listen, viewer_server
from splatcam.settings import web_folder
from splatcam.timeline import TimelineServer

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 10.0


def timeline_app(timeline: TimelineServer) -> FastAPI:
    tabs = Tabs(timeline)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beating = asyncio.create_task(tabs.beat())
        yield
        beating.cancel()

    app = FastAPI(title="splatcam timeline", version=__version__, lifespan=lifespan, openapi_url=None)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> Response:
        return RedirectResponse("./player.html?timeline")

    app.include_router(timeline_router(timeline, tabs))
    app.include_router(package_router(web_folder()))
    app.mount("/", WebFiles(web_folder()), name="web")
    return app


class Serving:
    """A timeline's page, from its thread."""

    def __init__(self, timeline: TimelineServer, host: str, port: int) -> None:
        """Answers when it returns. Raises CannotListen."""
        self._listening = listen(host, port)
        self.address = ""
        self._is_ready = threading.Event()
        app = timeline_app(timeline)
        self._server = viewer_server(app, self._listening, self._ready, WebSocketsSansIOProtocol, MAX_WORD_BYTES)
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)
        self._thread.start()
        self._is_ready.wait(STARTS_WITHIN_S)

    def stop(self) -> None:
        """Tabs are closed. A second time changes nothing."""
        self._server.should_exit = True
        self._thread.join(ENDS_WITHIN_S)

    def wait(self) -> None:
        """Until it is stopped."""
        while self._thread.is_alive():
            self._thread.join(1.0)  # in pieces: so Ctrl-C is heard

    def _ready(self, address: str) -> None:
        self.address = address
        self._is_ready.set()

    def _run(self) -> None:
        with self._listening:
            self._server.run(sockets=[self._listening])
        self._is_ready.set()


def serve(timeline: TimelineServer, host: str, port: int) -> Serving:
    """`port` 0 takes a free one. As everywhere, visitors from outside need the token in the printed link."""
    return Serving(timeline, host, port)
