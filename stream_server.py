"""The service: settings → objects → app → routes → live session → command line. The only file that composes.

    python stream_server.py --model auto --port 8000

No torch in this process: the model runs behind `Engine`.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket

from splatcam import __version__
from splatcam.access import Access, Gate, access_of, runpod_origin
from splatcam.addresses import Reach, greeting, lan_address, own_names, phone_greeting
from splatcam.engine import Engine, EngineFailed, EngineStatus
from splatcam.engine.child import ChildEngine
from splatcam.engine.inline import InlineEngine
from splatcam.live_pictures import LivePictures
from splatcam.qr import qr_code
from splatcam.routes.headers import SecurityHeaders
from splatcam.routes.health import health_router
from splatcam.routes.live_view import add_live_view
from splatcam.routes.page import WebFiles, page_router
from splatcam.routes.websocket import WebSocketTransport
from splatcam.session import Session
from splatcam.settings import Settings, SettingsError, add_arguments, settings_from, web_folder
from splatcam.streams import StreamHub
from splatcam.telemetry import Telemetry
from splatcam.tls import cache_folder, self_signed, server_context
from splatcam.wire import ModelInfo

logger = logging.getLogger("splatcam")
# uvicorn closes a socket on messages over this; below it ours is an `error` and the session lives.
HARD_MESSAGE_FACTOR = 4
CLOSE_FULL = 1013
GRACE_S = 3
ABOUT_THE_PORT = {errno.EADDRINUSE, errno.EACCES}  # somebody has it; it is below 1024

# ---------------------------------------------------------------- objects


def build_engine(settings: Settings) -> Engine:
    return ChildEngine(settings) if settings.engine == "child" else InlineEngine(settings)


@dataclass(frozen=True)
class FrontDoor:
    """Who may come in and how: settled when the port is known, before anything slow begins."""

    access: Access
    tls: ssl.SSLContext | None
    greeting: str = field(repr=False)  # printed when the service answers; has the token in it


def build_front_door(settings: Settings, host: str, port: int) -> FrontDoor:
    """`host` and `port` are what the service listens on. Raises SettingsError."""
    proxy, lan = runpod_origin(os.environ, port), lan_address()
    access = access_of(settings, host, port, filter(None, [proxy]))
    tls = build_tls(settings, own_names(host, lan))
    # A pod's proxy speaks plain http to us: with https of our own the way in is a TCP port.
    reach = Reach("https" if tls else "http", host, port, access.token, None if tls else proxy, lan)
    lines = [greeting(reach)]
    if settings.https == "self-signed":
        lines += phone_greeting(reach)
        lines += [qr_code(link)] if (link := reach.phone()) else []
    return FrontDoor(access, tls, "\n".join(lines))


def build_tls(settings: Settings, names: Sequence[str]) -> ssl.SSLContext | None:
    if settings.tls_certificate:
        return server_context(Path(settings.tls_certificate), Path(settings.tls_key))
    if settings.https == "off":
        return None
    return server_context(self_signed(names, cache_folder(os.environ)))


# ---------------------------------------------------------------- app


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    hub = StreamHub(engine, Telemetry())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        summaries = asyncio.create_task(log_summaries(hub.telemetry, settings.summary_every_s))
        yield
        summaries.cancel()
        await engine.close()

    app = FastAPI(title="splatcam", version=__version__, lifespan=lifespan, openapi_url=None)
    app.state.hub = hub
    app.include_router(health_router(lambda: engine.status))
    app.include_router(page_router(web_folder()))
    add_websocket(app, hub, settings)
    add_live_view(app, LivePictures(hub), settings.max_sessions)
    app.mount("/", WebFiles(web_folder()), name="web")
    return app


async def log_summaries(telemetry: Telemetry, every_s: float) -> None:
    begin_s = time.monotonic()
    while True:
        await asyncio.sleep(every_s)
        now_s = time.monotonic()
        if line := telemetry.summary(now_s - begin_s):
            logger.info(line)
        begin_s = now_s


# ---------------------------------------------------------------- live session


def add_websocket(app: FastAPI, hub: StreamHub, settings: Settings) -> None:
    open_sessions: set[Session] = set()

    @app.websocket("/ws")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        if len(open_sessions) >= settings.max_sessions:
            await websocket.close(CLOSE_FULL, f"all {settings.max_sessions} places are taken")
            return
        session = Session(WebSocketTransport(websocket), hub, settings)
        open_sessions.add(session)
        try:
            await session.run()
        finally:
            open_sessions.discard(session)


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until interrupted. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="splatcam serve", description="Live 3D Gaussians from a camera, in any browser."
    )
    add_arguments(parser)
    try:
        settings = settings_from(parser.parse_args(arguments))
        listening = bind(settings.host, settings.port)
        with listening:
            return asyncio.run(serve(settings, listening))
    except (SettingsError, EngineFailed) as error:
        print(f"splatcam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def bind(host: str, port: int) -> socket.socket:
    """Raises SettingsError in words: a busy port, a host that is not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as on_failure:
            listening = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if os.name != "nt":  # there it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen()
            on_failure.pop_all()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such host"
        wrong = "port" if isinstance(error, OSError) and error.errno in ABOUT_THE_PORT else "host"
        raise SettingsError(f"cannot listen on {host} port {port}: {why}. Try another with --{wrong}.") from None
    return listening


async def serve(settings: Settings, listening: socket.socket) -> int:
    """The page is there at once, frames are answered when the model is. Raises EngineFailed."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(message)s")
    host, port = listening.getsockname()[:2]
    try:
        door = build_front_door(settings, host, port)
    except ModuleNotFoundError as missing:  # of the extra `https`
        raise SettingsError(f"--https self-signed needs {missing.name}: pip install 'splatcam[https]'") from None
    engine = build_engine(settings)
    app = create_app(settings, engine)
    guarded = SecurityHeaders(Gate(app, door.access))
    server = AnnouncingServer(door.greeting, server_config(guarded, settings, door.tls))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    starting = asyncio.create_task(engine.start(Announcer(app.state.hub)))
    await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
    interrupted = server.should_exit
    failure = starting.exception() if starting.done() else None
    server.should_exit = interrupted or failure is not None
    await serving
    starting.cancel()
    if failure is not None and not interrupted:
        raise failure
    return 0


def server_config(app: SecurityHeaders, settings: Settings, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # it costs many times what the whole frame does
        ws_max_size=settings.max_message_bytes * HARD_MESSAGE_FACTOR,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        access_log=False,
        log_level="warning",  # below it uvicorn logs addresses, tokens and all
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )


class AnnouncingServer(uvicorn.Server):
    """Tells the address when a browser that goes there is answered, not before."""

    def __init__(self, greeting: str, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Beside the log but no part of it: at every log level, somebody has to learn the token.
        print(self._greeting, file=sys.stderr, flush=True)


class Announcer:
    """Every change of the engine: to the log and to the pages."""

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub
        self._model: ModelInfo | None = None

    def __call__(self, status: EngineStatus) -> None:
        logger.info(status.message)
        if status.model is not None and status.model != self._model:
            self._model = status.model
            logger.info(describe_model(status.model))
        self._hub.engine_changed(status)


def describe_model(model: ModelInfo) -> str:
    demonstration = ", a demonstration depth" if model.demonstration else ""
    licence = model.licence + (" (not for commercial use)" if model.non_commercial else "")
    return f"model {model.name} on {model.device}{demonstration}; licence of the weights: {licence}"


if __name__ == "__main__":
    sys.exit(main())
