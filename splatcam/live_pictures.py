"""Pictures of a live camera's newest frame, for clients that draw nothing themselves. Knows streams and the engine,
neither HTTP nor how a picture is drawn.

`LivePictures` is what the viewer's page asks over HTTP; a `PictureSession` pushes: a picture for every new frame and
every new wish, at most two of them not yet seen.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from typing import Any, Protocol

from splatcam import __version__
from splatcam.engine import EngineFailed
from splatcam.rendering.camera import Camera
from splatcam.rendering.orbit_query import MAX_PIXELS, BadQuery, OrbitQuery, parse_query
from splatcam.rendering.picture_job import NothingToShow, PictureJob
from splatcam.rendering.shading import MODES
from splatcam.streams import Stream, StreamHub
from splatcam.wire import Format, WireError

FOV_DEG = 60.0
EMPTY_DISTANCE = 4.0
POLL_MS = 500
FIRST_SCENE_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.5  # for a camera
MAX_UNSEEN = 2
MAX_WAITING_WORDS = 16
LONGEST_ID = 32
NO_CAMERA = "No camera is streaming."
NO_FRAME = "The camera has sent no frame yet."


class LivePictures:
    """The newest camera's newest frame. `routes.viewer.PictureSource`."""

    modes = MODES

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub

    @property
    def edition(self) -> str:
        stream = self.stream()
        return "none" if stream is None or stream.scene is None else f"{stream.stream_id}.{stream.scene.revision}"

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
            **{"theta": math.pi, "phi": 0.0, "up": -1, "radius": distance, "target": [0.0, 0.0, distance]},
            "service": self._service(),
        }

    async def draw(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        """Raises NothingToShow with a sentence, and EngineFailed."""
        stream = self.stream()
        if stream is None:
            raise NothingToShow(NO_CAMERA)
        stream.want_scene(time.monotonic())
        try:
            async with asyncio.timeout(FIRST_SCENE_WITHIN_S):
                await stream.next_scene(-1)
            job = PictureJob(stream.stream_id, camera, quality, mode, client)
            return (await self._hub.engine.draw(job)).jpeg
        except (TimeoutError, NothingToShow):
            raise NothingToShow(NO_FRAME) from None

    def _status(self, stream: Stream | None) -> str:
        if stream is None:
            return NO_CAMERA
        if stream.scene is not None:
            return "live"
        engine = self._hub.engine.status
        return NO_FRAME if engine.state == "ready" else engine.message  # frames wait for the model

    def _service(self) -> dict[str, Any]:
        status = self._hub.engine.status
        model = status.model.model_dump() if status.model is not None else None
        return {
            "name": "splatcam",
            "version": __version__,
            "state": status.state,
            "model": model,
            "cameras": self._hub.count,
            "formats": [str(format) for format in Format],
        }


class PictureTransport(Protocol):
    """A websocket, as much of it as is needed. Both raise session.Disconnected."""

    async def receive(self) -> bytes | str: ...

    async def send(self, data: bytes | str) -> None: ...


class PictureSession:
    """One client. It sends {"type": "look", "id": …, …the query of /render…} and, for each picture, {"type": "seen"};
    it gets {"type": "info", …}, {"type": "error", "message": …} and JPEGs. Before each one goes {"type": "drawn",
    "id": of the look, "ms": that drawing took}: from there on the client sees how long the way is."""

    def __init__(self, transport: PictureTransport, pictures: LivePictures, client: str) -> None:
        self._transport = transport
        self._pictures = pictures
        self._client = client
        self._wish: OrbitQuery | None = None
        self._wish_id = ""
        self._is_new = False  # the wish, or the frame
        self._unseen = 0
        self._words: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING_WORDS)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until the client is gone: raises session.Disconnected."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._read, self._follow, self._write):
                tasks.create_task(work())

    async def _read(self) -> None:
        while True:
            try:
                self._hear(await self._transport.receive())
            except BadQuery as error:
                self._say({"type": "error", "message": str(error)})
            self._wake.set()

    def _hear(self, data: bytes | str) -> None:
        """Raises BadQuery."""
        try:
            message = json.loads(data)
            kind = message.pop("type")
            query = {str(name): str(value) for name, value in message.items()}
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise BadQuery('a message is a JSON map with a "type"') from None
        if kind == "seen":
            self._unseen = max(0, self._unseen - 1)
        elif kind == "look":
            self._wish, self._is_new = parse_query(query, self._pictures.modes), True
            self._wish_id = query.get("id", "")[:LONGEST_ID]
        else:
            raise BadQuery(f"type={str(kind)[:40]!r} is neither look nor seen")

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
            jpeg = await self._pictures.draw(wish.camera, wish.quality, wish.mode, self._client)
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
