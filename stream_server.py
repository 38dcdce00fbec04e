"""The service: settings → objects → app → routes → live session → command line. The only file that composes.

    python stream_server.py --model auto --port 8000

No torch in this process: the model runs behind `Engine`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, WebSocket

from splatcam import __version__, log_format
from splatcam.door.access import Access, Gate, access_of, runpod_origin
from splatcam.door.addresses import Reach, greeting, lan_address, own_names, phone_greeting
from splatcam.door.admission import Admission
from splatcam.door.client_address import trusted_networks
from splatcam.door.qr import qr_code
from splatcam.door.serving import OrderlyServer, bind, leave_no_child, server_config, terminated_like_interrupted
from splatcam.door.tls import cache_folder, self_signed, server_context
from splatcam.engine import Engine, EngineFailed, EngineStatus
from splatcam.engine.heap import keep_freed_memory
from splatcam.engine.inline import InlineEngine
from splatcam.engine.supervised import SupervisedEngine
from splatcam.live.live_pictures import LivePictures
from splatcam.live.recordings import Recordings
from splatcam.live.session import Session
from splatcam.live.streams import StreamHub
from splatcam.loop_lag import LoopLag
from splatcam.metrics import Service
from splatcam.routes.exports import Exporter, exports_router
from splatcam.routes.headers import SecurityHeaders
from splatcam.routes.health import health_router
from splatcam.routes.live_view import add_live_view
from splatcam.routes.metrics import metrics_router
from splatcam.routes.page import WebFiles, page_router
from splatcam.routes.recordings import recordings_router
from splatcam.routes.socket_counts import SocketCounts
from splatcam.routes.websocket import SocketDoor
from splatcam.settings import Settings, SettingsError, add_arguments, settings_from, web_folder
from splatcam.telemetry import Telemetry
from splatcam.timeline.takes import Takes
from splatcam.wire import ModelInfo

logger = logging.getLogger("splatcam")
LIMITS = {  # of the settings, those that a client may run into
    "max_sessions",
    "max_sessions_per_address",
    "max_messages_per_s",
    "max_bytes_per_s",
    "max_message_bytes",
    "max_frame_pixels",
}

# ---------------------------------------------------------------- objects


def build_engine(settings: Settings, telemetry: Telemetry) -> Engine:
    if settings.engine == "inline":
        return InlineEngine(settings)
    return SupervisedEngine(settings, telemetry.engine_restarted)


@dataclass(frozen=True)
class FrontDoor:
    """Who may come in and how: settled when the port is known, before anything slow begins."""

    access: Access
    tls: ssl.SSLContext | None
    greeting: str = field(repr=False)  # printed when the service answers; has the token in it


def build_front_door(settings: Settings, host: str, port: int) -> FrontDoor:
    """`host` and `port` are what the service listens on. Raises SettingsError."""
    proxy, lan = runpod_origin(os.environ, port), lan_address()
    names = own_names(host, lan)
    access = access_of(settings, host, port, filter(None, [proxy]), names)
    tls = build_tls(settings, names)
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


def create_app(settings: Settings, engine: Engine, telemetry: Telemetry) -> FastAPI:
    takes = Takes(Path(settings.recordings), settings.max_recording_bytes)
    hub = StreamHub(engine, telemetry, Recordings(takes, settings.record, telemetry))
    exporter = Exporter()
    loop_lag = LoopLag(telemetry.lagged)
    admission, proxies = Admission(settings), trusted_networks(settings.trusted_proxies, os.environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = [
            asyncio.create_task(log_summaries(telemetry, settings.summary_every_s)),
            asyncio.create_task(loop_lag.watch()),
        ]
        yield
        for task in watching:
            task.cancel()
        await exporter.close()
        await hub.recordings.close()
        await engine.close()
        takes.close()

    app = FastAPI(title="splatcam", version=__version__, lifespan=lifespan, openapi_url=None)
    app.state.hub = hub
    app.include_router(health_router(lambda: engine.status, admission, lambda: loop_lag.is_alive))
    app.include_router(metrics_router(Service(telemetry, lambda: engine.status)))
    app.add_middleware(SocketCounts, telemetry=telemetry)
    app.include_router(page_router(web_folder()))
    app.include_router(recordings_router(takes))
    app.include_router(exports_router(takes, exporter))
    live = SocketDoor("live", admission, telemetry, proxies)
    pictures = SocketDoor("pictures", admission, telemetry, proxies)
    add_websocket(app, hub, live, settings)
    add_live_view(app, LivePictures(hub, service_facts(settings)), pictures, settings)
    app.mount("/", WebFiles(web_folder()), name="web")

    async def drain() -> None:
        """Nobody comes in any more; after a moment in which others can learn it, everybody is told to leave."""
        logger.info("ending: no more sessions from now on")
        admission.drain()
        await asyncio.sleep(settings.drain_s)
        await asyncio.gather(live.close(), pictures.close(), exporter.close())
        await hub.recordings.close()

    app.state.drain = drain
    return app


def service_facts(settings: Settings) -> dict[str, Any]:
    """What /info tells of this service beside what changes."""
    return {"up_since": datetime.now(UTC).isoformat(timespec="seconds"), "limits": settings.model_dump(include=LIMITS)}


async def log_summaries(telemetry: Telemetry, every_s: float) -> None:
    begin_s = time.monotonic()
    while True:
        await asyncio.sleep(every_s)
        now_s = time.monotonic()
        if summary := telemetry.summary(now_s - begin_s):
            logger.info(summary, extra={"event": "summary", "summary": summary.fields()})
        begin_s = now_s


# ---------------------------------------------------------------- live session


def add_websocket(app: FastAPI, hub: StreamHub, door: SocketDoor, settings: Settings) -> None:
    @app.websocket("/ws")
    async def live(websocket: WebSocket) -> None:
        await door.let_in(websocket, lambda transport: Session(transport, hub, settings))

    app.add_api_route("/ws", door.answer, methods=["GET"], include_in_schema=False)


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until interrupted. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="splatcam serve", description="Live 3D Gaussians from a camera, in any browser."
    )
    add_arguments(parser)
    try:
        settings = settings_from(parser.parse_args(arguments))
        with terminated_like_interrupted(), bind(settings) as listening:
            return asyncio.run(serve(settings, listening))
    except (SettingsError, EngineFailed) as error:
        print(f"splatcam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


async def serve(settings: Settings, listening: socket.socket) -> int:
    """The page is there at once, frames are answered when the model is. Raises EngineFailed."""
    log_format.configure(settings)
    keep_freed_memory()  # a result is copied a few times on its way: fresh pages each time would hold up the loop
    host, port = listening.getsockname()[:2]
    try:
        door = build_front_door(settings, host, port)
    except ModuleNotFoundError as missing:  # of the extra `https`
        raise SettingsError(f"--https self-signed needs {missing.name}: pip install 'splatcam[https]'") from None
    telemetry = Telemetry()
    engine = build_engine(settings, telemetry)
    app = create_app(settings, engine, telemetry)
    guarded = SecurityHeaders(Gate(app, door.access, telemetry.connection_refused))
    server = OrderlyServer(server_config(guarded, settings, door.tls), door.greeting, app.state.drain)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    starting = asyncio.create_task(engine.start(Announcer(app.state.hub)))
    await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
    failure = starting.exception() if starting.done() and not server.is_ending else None
    if failure is not None:
        server.should_exit = True
    await serving
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)  # looked at: a load that our end has stopped is no news
    if server.force_exit:
        leave_no_child()
    if failure is not None:
        raise failure
    return 0


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
