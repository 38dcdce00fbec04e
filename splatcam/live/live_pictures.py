"""Pictures of a live camera's newest frame, for clients that draw nothing themselves. Knows streams and the engine,
neither HTTP nor how a picture is drawn.

`LivePictures` is what the viewer's page asks over HTTP; a `PictureSession` pushes: a picture for every new frame and
every new wish, at most two of them not yet seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

from splatcam import __version__
from splatcam.engine import EngineFailed
from splatcam.live.connection import IDLE, Disconnected, HangUp, read_within, until_first_ends
from splatcam.live.idle import Idle
from splatcam.live.streams import Stream, StreamHub
from splatcam.rate_limit import TOO_MUCH, SessionLimit
from splatcam.rendering.camera import Camera, Orbit
from splatcam.rendering.orbit_query import MAX_PIXELS, BadQuery, OrbitQuery, parse_query
from splatcam.rendering.picture_job import NothingToShow, PictureJob, TooManyWaiting
from splatcam.rendering.shading import MODES
from splatcam.settings import Settings
from splatcam.wire import PROTOCOL_VERSION, Format, WireError

FOV_DEG = 60.0
EMPTY_DISTANCE = 4.0
POLL_MS = 500
FIRST_SCENE_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.5  # for a camera
MOST_ASKED = 8  # requests for pictures at once
MAX_UNSEEN = 2
MAX_WAITING_WORDS = 16
MAX_WORD_BYTES = 4096  # of a client: a look takes 300
LONGEST_ID = 32
AWAY = ("restarting", "failed")  # states of an engine that draws nothing
NO_CAMERA = "No camera is streaming."
NO_FRAME = "The camera has sent no frame yet."


class LivePictures:
    """The newest camera's newest frame. `routes.viewer.PictureSource`."""

    modes = MODES

    def __init__(self, hub: StreamHub, service_facts: Mapping[str, Any] = MappingProxyType({})) -> None:
        """`service_facts`: what stays as it is while the service runs, told with the rest."""
        self._hub = hub
        self._service_facts = service_facts
        self._turn = asyncio.Lock()  # of requests
        self._asked = 0  # of them, how many have no answer yet

    @property
    def edition(self) -> str:
        stream = self.stream()
        return "none" if stream is None or stream.scene is None else f"{stream.stream_id}.{stream.scene.revision}"

    @property
    def has_model(self) -> bool:
        return self._hub.engine.status.model is not None

    def stream(self) -> Stream | None:
        try:
            return self._hub.find("newest")
        except WireError:
            return None

    def get_info(self) -> dict[str, Any]:
        """The viewer's facts, and the service's under `service`. Whoever asks is taken to look."""
        stream = self.stream()
        if stream is not None:
            stream.want_scene(time.monotonic())
        scene = stream.scene if stream is not None else None
        distance = (scene.facts.distance if scene else 0.0) or EMPTY_DISTANCE
        home = Orbit.of_pose(scene.facts.pose if scene else None, distance)
        return {
            "mode": "live camera",
            "live": True,
            "socket": "./ws",
            "status": self._status(stream),
            "revision": self.edition,
            "gaussians": scene.facts.gaussians if scene else 0,
            "poll_info_ms": POLL_MS,
            "heavy": False,
            "display_modes": list(self.modes),
            "max_pixels": MAX_PIXELS,
            "fov": FOV_DEG,
            # where the camera stands, looking at the middle of what it sees
            **{"theta": home.theta_rad, "phi": home.phi_rad, "up": home.up},
            **{"radius": home.radius, "target": [*home.target]},
            "service": self._service(),
        }

    async def draw(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        """For a request, which needs no place: few wait, one of them is drawn, beside the sessions' pictures. Whoever
        gives up leaves its turn when the engine does. Raises as `draw_at_once`, and TooManyWaiting."""
        if self._asked >= MOST_ASKED:
            raise TooManyWaiting
        self._asked += 1
        drawing = asyncio.ensure_future(self._draw_in_turn(camera, quality, mode, client))
        drawing.add_done_callback(self._end_request)
        return await asyncio.shield(drawing)

    async def _draw_in_turn(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        job = await self._job(camera, quality, mode, client)
        async with self._turn:
            return await self._drawn(job)

    def _end_request(self, drawing: asyncio.Future[bytes]) -> None:
        self._asked -= 1
        if not drawing.cancelled():
            drawing.exception()  # looked at, for the case that the caller is gone

    async def draw_at_once(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        """For a session, which waits for one before it asks for another. Raises NothingToShow with a sentence, and
        EngineFailed."""
        return await self._drawn(await self._job(camera, quality, mode, client))

    async def _job(self, camera: Camera, quality: int, mode: str, client: str) -> PictureJob:
        """When the newest camera has left a scene."""
        stream = self.stream()
        if stream is None:
            raise NothingToShow(NO_CAMERA)
        stream.want_scene(time.monotonic())
        try:
            async with asyncio.timeout(FIRST_SCENE_WITHIN_S):
                await stream.next_scene(-1)
        except TimeoutError:
            raise NothingToShow(NO_FRAME) from None
        return PictureJob(stream.stream_id, camera, quality, mode, client)

    async def _drawn(self, job: PictureJob) -> bytes:
        try:
            return (await self._hub.engine.draw(job)).jpeg
        except NothingToShow:
            raise NothingToShow(NO_FRAME) from None
        except EngineFailed:
            engine = self._hub.engine.status
            if engine.state in AWAY:  # no fault of this picture: there is none until the next frame
                raise NothingToShow(engine.message) from None
            raise

    def _status(self, stream: Stream | None) -> str:
        if stream is None:
            return NO_CAMERA
        engine = self._hub.engine.status
        if engine.state in AWAY:
            return engine.message
        if stream.scene is not None:
            return "live"
        return NO_FRAME if engine.state == "ready" else engine.message  # frames wait for the model

    def _service(self) -> dict[str, Any]:
        status, telemetry = self._hub.engine.status, self._hub.telemetry
        model = status.model.model_dump() if status.model is not None else None
        return {
            "name": "splatcam",
            "version": __version__,
            "state": status.state,
            "model": model,
            "protocol": PROTOCOL_VERSION,
            "engine_restarts": telemetry.engine_restarts.total(),
            "cameras": self._hub.count,
            "sessions": dict(telemetry.sessions),
            "formats": [str(format) for format in Format],
            **self._service_facts,
        }


class PictureTransport(Protocol):
    """A websocket, as much of it as is needed. Both raise Disconnected."""

    async def receive(self) -> bytes | str: ...

    async def send(self, data: bytes | str) -> None: ...


class PictureSession:
    """One client. It sends {"type": "look", "id": …, …the query of /render…} and, for each picture, {"type": "seen"};
    it gets {"type": "info", …}, {"type": "error", "message": …} and JPEGs. Before each one goes {"type": "drawn",
    "id": of the look, "ms": that drawing took}: from there on the client sees how long the way is. {"type": "ping"}
    is answered with {"type": "pong"}."""

    def __init__(self, transport: PictureTransport, pictures: LivePictures, client: str, settings: Settings) -> None:
        self._transport = transport
        self._pictures = pictures
        self._client = client
        self._wish: OrbitQuery | None = None
        self._wish_id = ""
        self._is_new = False  # the wish, or the frame
        self._unseen = 0
        self._words: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING_WORDS)
        self._wake = asyncio.Event()
        now_s = time.monotonic()
        self._limit = SessionLimit(settings.max_messages_per_s, settings.max_bytes_per_s, now_s)
        self._idle = Idle(settings.first_message_s, settings.idle_s, now_s)

    async def run(self) -> None:
        """Until the client is gone. Raises HangUp when it has to go."""
        with suppress(Disconnected):
            await until_first_ends(self._read(), self._follow(), self._write(), self._watch_use())

    async def _watch_use(self) -> None:
        while (left_s := self._idle.left_s(time.monotonic())) > 0:
            await asyncio.sleep(left_s)
            if not self._pictures.has_model:
                self._idle.used(time.monotonic())  # it waits for us
        raise HangUp(IDLE, self._idle.reason)

    async def _read(self) -> None:
        await read_within(self._limit, self._transport.receive, self._take, self._drop)

    def _drop(self, data: bytes | str, now_s: float) -> None:
        if self._limit.may_tell(now_s):
            self._say({"type": "error", "message": TOO_MUCH})

    def _take(self, data: bytes | str) -> None:
        try:
            self._hear(data)
        except BadQuery as error:
            self._say({"type": "error", "message": str(error)})
        self._wake.set()

    def _hear(self, data: bytes | str) -> None:
        """Raises BadQuery."""
        kind, query = _parse(data)
        now_s = time.monotonic()
        if kind == "seen":
            if self._unseen > 0:
                self._idle.used(now_s)
            self._unseen = max(0, self._unseen - 1)
        elif kind == "ping":
            self._say({"type": "pong"})
            self._idle.used(now_s)  # a page that somebody sees; a hidden one holds no socket
        elif kind == "look":
            self._wish, self._is_new = parse_query(query, self._pictures.modes), True
            self._wish_id = query.get("id", "")[:LONGEST_ID]
            self._idle.began(now_s)
            self._idle.used(now_s)
        else:
            raise BadQuery(f"type={kind[:40]!r} is neither look nor seen nor ping")

    async def _follow(self) -> None:
        """New frames, and the camera that brings them."""
        told, revision, watched = None, -1, None
        while True:
            info = self._pictures.get_info()
            facts = {name: info[name] for name in ("status", "gaussians", "service", "radius")}
            if facts != told:
                told = facts
                self._say({"type": "info", **info})
            stream = self._pictures.stream()
            if stream is not watched:
                watched, revision = stream, -1
            if stream is None:
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    revision = (await stream.next_scene(revision)).revision
            except TimeoutError:
                continue
            self._is_new = True
            self._wake.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._words:
                await self._transport.send(json.dumps(self._words.popleft()))
            if self._is_new and self._wish is not None and self._unseen < MAX_UNSEEN:
                self._is_new = False
                await self._show(self._wish)

    async def _show(self, wish: OrbitQuery) -> None:
        wish_id, begun_s = self._wish_id, time.monotonic()
        try:
            jpeg = await self._pictures.draw_at_once(wish.camera, wish.quality, wish.mode, self._client)
        except NothingToShow:
            return  # `info` says so, and the first frame wakes us
        except EngineFailed as error:
            self._say({"type": "error", "message": str(error)})
            return
        self._unseen += 1
        drawn_ms = round(1000 * (time.monotonic() - begun_s), 1)
        await self._transport.send(json.dumps({"type": "drawn", "id": wish_id, "ms": drawn_ms}))
        await self._transport.send(jpeg)
        self._wake.set()  # for what came meanwhile

    def _say(self, message: dict[str, Any]) -> None:
        self._words.append(message)
        self._wake.set()


def _parse(data: bytes | str) -> tuple[str, dict[str, str]]:
    """A client's message → its type, and its other fields as they would stand in an address. Raises BadQuery."""
    if len(data) > MAX_WORD_BYTES:
        raise BadQuery(f"a message of {len(data)} bytes is over the limit of {MAX_WORD_BYTES}")
    try:
        message = json.loads(data)
        kind = message.pop("type")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise BadQuery('a message is a JSON map with a "type"') from None
    if any(isinstance(value, (dict, list)) for value in (kind, *message.values())):
        raise BadQuery("a field is a number or a text")
    return str(kind), {name: str(value) for name, value in message.items()}
