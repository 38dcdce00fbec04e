"""A server that serves the page and plays scripts: `python -m tests.e2e.scripted_server [PORT]` prints its address.

A page with a camera gets its own pictures back, one splat a pixel; `compact` without the picture. A page that watches
gets the script that `watch` names, STORY.FORMAT.COUNT.PACE: COUNT results of that story, each sent when the page has
acknowledged (`ack`) or drawn (`shown`) the one before. FORMAT may be several, A-B-C, which take turns; `adapted` tells
of the first and of each that is another, and answers `settings`. `error.CODE` is refused with that code;
`error.CODE.welcome` is welcomed all the same. `close.CODE` is shown the door, `status.STATE` is told what the engine
does, with a CODE after it what a frame met then, `starting` the same before there is a model and so without a welcome,
`garbage` gets what is no message, `silence` a welcome and nothing else. A page that says hello again gets one marker in
the format that it now wants.
`restarting.STORY.FORMAT.COUNT.PACE` plays that, then says that the model restarts, and when POST /test/go
comes that it is ready, and plays it once more.
POST /test/refuse?status=503&reason=full&retry_after=1 closes every websocket with 1012 and refuses them from then on,
and a plain GET of /ws answers as the service would; without a query they are let in again.
Every page can also be had under a policy that forbids WebAssembly (/no-wasm.html) or workers (/no-workers.html).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from splatcam import wire
from splatcam.frames import decode_frame
from tests.e2e.results import Array, result_of, turned_jpeg

WEB = Path(__file__).resolve().parents[2] / "web"
GRID = (30, 40)  # height, width
MAX_MESSAGE_BYTES = 1 << 20
GREEN, MAGENTA, GREY = (20, 200, 40), (220, 30, 200), (90, 90, 90)
CLOSE_RESTARTING = 1012
FORMATS = tuple(wire.Format)
PINNABLE = ("format", "output", "stride", "depth_bits", "max_fps")
POLICIES = {
    "/no-wasm.html": "script-src 'self' 'unsafe-inline'; worker-src blob:",
    "/no-workers.html": "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'none'",
}
STATUSES = {
    "loading": wire.Status(state="loading", message="Loading the model.", progress=0.42),
    "restarting": wire.Status(state="restarting", message="The model is starting again."),
    "ready": wire.Status(state="ready", message="Ready."),
    "failed": wire.Status(state="failed", message="The model could not be loaded: no memory left."),
}


def plain(color: tuple[int, int, int], rows: int = GRID[0]) -> Array:
    """One colour, four pixels wide for three high."""
    return np.full((rows, rows * 4 // 3, 3), color, np.uint8)


def marker() -> Array:
    """Grey, with a red block top-left and a blue one bottom-right."""
    rgb = plain(GREY)
    rgb[:10, :10] = (230, 20, 20)
    rgb[-10:, -10:] = (20, 40, 230)
    return rgb


def story_of(name: str) -> Iterator[Array]:
    """Pictures without end."""
    return {
        "broken": lambda: cycle([marker()]),
        "marker": lambda: cycle([marker()]),
        "swaps": lambda: cycle([plain(GREEN), plain(MAGENTA)]),
        "empties": lambda: cycle([plain(GREEN), plain(GREEN, rows=0)]),
        "small": lambda: cycle([plain(GREEN, rows=18), plain(MAGENTA, rows=18)]),
        "growing": lambda: cycle([plain(GREEN), plain(MAGENTA, rows=51)]),
    }[name]()


def results_of(story: str, format: str, count: str) -> Iterator[Any]:
    """COUNT results of the story. Several formats take turns, `mixed` stands for all."""
    formats = cycle(FORMATS if format == "mixed" else [wire.Format(name) for name in format.split("-")])
    pictures = zip(range(int(count)), story_of(story), formats, strict=False)
    results = (result_of(rgb, kind, frame_id, color=turned_jpeg(rgb)) for frame_id, rgb, kind in pictures)
    return map(spoil, results) if story == "broken" else results


def spoil(result: Any) -> Any:
    """The same result with a file that no reader takes."""
    return result.model_copy(update={"ply_data": b"ply\nformat ascii 1.0\nend_header\n"})


WELCOME = wire.Welcome(
    protocol=wire.PROTOCOL_VERSION,
    session_id="scripted",
    model=wire.ModelInfo(
        name="scripted",
        title="Scripted",
        supports_gaussians=False,
        licence="Apache-2.0",
        non_commercial=False,
        demonstration=True,
    ),
    formats=list(FORMATS),
    format=FORMATS[0],
    limits=wire.Limits(max_message_bytes=MAX_MESSAGE_BYTES, max_frame_pixels=1 << 21, frame_long_side_px=GRID[1]),
    recording="off",
)


def adapted(format: wire.Format, wishes: wire.SettingsMessage) -> wire.Adapted:
    """What a server would choose for a link of 9 Mbit/s."""
    pinned = [name for name in PINNABLE if getattr(wishes, name) not in (None, "auto")]
    bits: wire.DepthBits = 10 if wishes.depth_bits == 10 else 12
    return wire.Adapted(
        format=format,
        output="points" if format is wire.Format.POINTCLOUD else "pixel",
        stride=wishes.stride if isinstance(wishes.stride, int) else 2,
        depth_bits=bits if format is wire.Format.COMPACT else None,
        pinned=pinned,
        reason="the link carries about 9 Mbit/s",
        link_mbit_s=9.0,
    )


@dataclass
class Doors:
    """What the tests opened and shut. `refusal`: the query of /test/refuse."""

    refusal: dict[str, str] = field(default_factory=dict)
    open: set[WebSocket] = field(default_factory=set)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self) -> Response:
        wait = self.refusal.get("retry_after")
        headers = {} if wait is None else {"Retry-After": wait}
        return JSONResponse({"reason": self.refusal.get("reason")}, int(self.refusal.get("status", "426")), headers)


DOORS = Doors()


async def refuse(request: Request) -> Response:
    DOORS.refusal = dict(request.query_params)
    if DOORS.refusal:
        await asyncio.gather(*(websocket.close(CLOSE_RESTARTING) for websocket in DOORS.open))
    return Response()


async def go(_: Request) -> Response:
    DOORS.go.set()
    return Response()


async def why(_: Request) -> Response:
    return DOORS.answer()


async def live(websocket: WebSocket) -> None:
    if DOORS.refusal:
        await websocket.close()  # before it is accepted
        return
    await websocket.accept()
    DOORS.open.add(websocket)
    try:
        hello = await receive(websocket)
        if hello.watch is None:
            await send(websocket, WELCOME)
            await echo(websocket, wire.Format(hello.formats[0]))
        else:
            await tell(websocket, *hello.watch.split("."))
    except WebSocketDisconnect:
        return
    finally:
        DOORS.open.discard(websocket)


async def tell(websocket: WebSocket, name: str, *rest: str) -> None:
    """The scripts by name; any other name is a story."""
    if name == "error":
        await send(websocket, wire.Error(code=wire.ErrorCode(rest[0]), message="the scripted server says so"))
    elif name == "close":
        await websocket.close(int(rest[0]))
        return
    elif name == "starting":
        await send(websocket, STATUSES["loading"])
    if name not in ("error", "starting") or rest[1:] == ("welcome",):
        await send(websocket, WELCOME)
    if name == "status":
        await send(websocket, STATUSES[rest[0]])
        for code in rest[1:]:
            await send(websocket, wire.Error(code=wire.ErrorCode(code), message="the scripted server says so"))
    elif name == "garbage":
        await websocket.send_bytes(b"no msgpack map")
    elif name == "restarting":
        await play(websocket, *rest)
        await send(websocket, STATUSES["restarting"])
        await DOORS.go.wait()
        await send(websocket, STATUSES["ready"])
        await play(websocket, *rest)
    elif name not in ("error", "starting", "silence"):
        await play(websocket, name, *rest)
    await listen(websocket)


async def echo(websocket: WebSocket, format: wire.Format) -> None:
    while True:
        message = await receive(websocket)
        if isinstance(message, wire.Hello):
            format = wire.Format(message.formats[0])
            await send(websocket, WELCOME)
        elif isinstance(message, wire.SettingsMessage):
            await send(websocket, adapted(format, message))
        elif isinstance(message, wire.FrameMessage):
            frame = decode_frame(message.jpeg)
            await send(websocket, result_of(frame.rgb, format, message.frame_id, message.captured_at_ms))


async def play(websocket: WebSocket, story: str, formats: str, count: str, pace: str) -> None:
    wishes, told = wire.SettingsMessage(), ""
    for result in results_of(story, formats, count):
        format = wire.Format(result.type)
        if format != told:
            await send(websocket, adapted(format, wishes))
        told = format
        await send(websocket, result)
        while (message := await receive(websocket)).type != pace or message.frame_id != result.frame_id:
            if isinstance(message, wire.SettingsMessage):
                wishes = message
                await send(websocket, adapted(format, wishes))


async def listen(websocket: WebSocket) -> None:
    while True:
        message = await receive(websocket)
        if isinstance(message, wire.Hello):
            await send(websocket, WELCOME)
            await play(websocket, "marker", message.formats[0], "1", "shown")


async def receive(websocket: WebSocket) -> Any:
    """The next message that is no ping; those are answered."""
    while True:
        message = wire.parse_client_message(await websocket.receive_bytes(), MAX_MESSAGE_BYTES)
        if not isinstance(message, wire.Ping):
            return message
        await send(websocket, wire.Pong(t=message.t))


async def send(websocket: WebSocket, message: Any) -> None:
    await websocket.send_bytes(wire.encode(message))


async def page(request: Request) -> Response:
    policy = POLICIES.get(request.url.path)
    headers = {} if policy is None else {"Content-Security-Policy": policy}
    return FileResponse(WEB / "index.html", headers=headers)


APP = Starlette(
    routes=[
        WebSocketRoute("/ws", live),
        Route("/", page),
        Route("/ws", why),
        Route("/test/refuse", refuse, methods=["POST"]),
        Route("/test/go", go, methods=["POST"]),
        *(Route(path, page) for path in POLICIES),
        Mount("/", StaticFiles(directory=WEB)),
    ]
)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(APP, log_level="warning", ws_per_message_deflate=False)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
