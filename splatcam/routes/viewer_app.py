"""The orbit viewer as a server of its own: app, front door, port, browser. Blocks until Ctrl-C."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import Literal

import uvicorn
from fastapi import FastAPI

from splatcam import __version__
from splatcam.door.access import Gate, access_of
from splatcam.door.addresses import Reach, greeting, lan_address, own_names
from splatcam.routes.headers import SecurityHeaders
from splatcam.routes.render_turns import BlockingPictures, DrawnInTurns
from splatcam.routes.viewer import viewer_router
from splatcam.settings import Settings

GRACE_S = 3


class CannotListen(OSError):
    """The port is somebody's, or the host is not ours; the message says so in a sentence."""


class ViewerServer(uvicorn.Server):
    """Says that it is ready when a browser that comes is answered, not before."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def viewer_app(viewer: BlockingPictures) -> FastAPI:
    app = FastAPI(title="splatcam viewer", version=__version__, openapi_url=None)
    app.include_router(viewer_router(DrawnInTurns(viewer)))
    return app


def serve(viewer: BlockingPictures, host: str, port: int, open_browser: bool) -> None:
    """`port` 0 takes a free one. As everywhere, visitors from outside need the token in the printed link."""
    with listen(host, port) as listening:
        server = viewer_server(viewer_app(viewer), listening, webbrowser.open if open_browser else None)
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            return  # how one leaves a viewer


def viewer_server(
    app: FastAPI,
    listening: socket.socket,
    show: Callable[[str], object] | None,
    websockets: type[asyncio.Protocol] | Literal["none"] = "none",
    max_message_bytes: int = 0,
) -> ViewerServer:
    """`show` gets the address when it is answered; it may block. `websockets`: the protocol, where there are any."""
    host, port = listening.getsockname()[:2]
    access = access_of(Settings(), host, port, own_names=own_names(host, lan_address()))
    reach = Reach("http", host, port, access.token, None, lan_address())

    def on_ready() -> None:
        print(greeting(reach), file=sys.stderr, flush=True)
        if show is not None:
            threading.Thread(target=show, args=(reach.here(),), daemon=True).start()

    config = uvicorn.Config(
        SecurityHeaders(Gate(app, access)),
        ws=websockets,
        ws_max_size=max_message_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        access_log=False,
        log_level="warning",
    )
    return ViewerServer(config, on_ready)


def listen(host: str, port: int) -> socket.socket:
    """Raises CannotListen."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError, OverflowError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "no such place"
        raise CannotListen(f"cannot listen on {host} port {port}: {why}. Try another with --host or --port.") from None
