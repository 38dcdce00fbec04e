"""A program's timeline over HTTP: its index, its blocks as in a .scam file, and a websocket for playing, both ways.

A tab has its own clock. It tells where it is whenever it does something; the program's wishes come back the same way,
with a word when what it has fetched is no longer so. Of everything the newest waits: a tab that is slow costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from splatcam.timeline import TimelineError, TimelineServer
from splatcam.timeline.block_file import BlockKind, block_bytes
from splatcam.timeline.lru import ByteLru
from splatcam.timeline.nodes import scene_to_map
from splatcam.timeline.payload import PayloadError
from splatcam.timeline.playback import MAX_SPEED, MIN_SPEED, Motion, Playback
from splatcam.timeline.timeline_file import BLOCK_STEPS, AudioPart, Info, block_ranges, parts_of

NO_STORE = {"Cache-Control": "no-store"}
MEDIA_TYPE = "application/octet-stream"
MAX_TABS = 64
MAX_WORD_BYTES = 1024  # of a tab's
GATHERED_S = 0.05  # what changes within is told once
CACHE_BYTES = 32 << 20  # of blocks as they are sent
CLOSE_NOT_ALLOWED, CLOSE_FULL = 1008, 1013
TICKS_PER_S = (4.0, 60.0)


class _Told(BaseModel):
    """What a tab says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    step: float = Field(ge=0)  # between two steps: how far the next one is
    speed: float = Field(ge=MIN_SPEED, le=MAX_SPEED)
    is_playing: bool


class TabLink:
    """What waits for a tab: of each kind the newest. A timeline's ClientLink, for any thread."""

    def __init__(self, timeline: TimelineServer) -> None:
        self._timeline = timeline
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._waiting: dict[str, Any] = {}
        self._is_there = asyncio.Event()

    def playback_changed(self, playback: Playback) -> None:
        self._put("playback", playback)

    def scene_changed(self, first_step: int | None) -> None:
        self._put("changed", True)

    def sound_changed(self) -> None:
        self._put("changed", True)

    def refresh(self) -> None:
        self._put("refresh", True)

    async def next(self) -> dict[str, Any]:
        """What is to be told, as one word; waits for it, and a moment longer for what comes along."""
        await self._is_there.wait()
        await asyncio.sleep(GATHERED_S)
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._is_there.clear()
        if "playback" in waiting:
            waiting["playback"] = self._now(waiting["playback"])
        return waiting

    def _now(self, playback: Playback) -> dict[str, Any]:
        track, now_s = self._timeline.track, self._timeline.now_s()
        position, is_playing = playback.position(now_s, track), playback.is_playing(now_s, track)
        return {"step": position, "speed": playback.speed, "is_playing": is_playing}

    def _put(self, kind: str, what: Any) -> None:
        with self._lock:
            self._waiting[kind] = what
        with suppress(RuntimeError):  # the loop has ended, and the tab with it
            self._loop.call_soon_threadsafe(self._is_there.set)


class Tabs:
    """The websockets of a timeline, and the beat by which callbacks hear of steps."""

    def __init__(self, timeline: TimelineServer) -> None:
        self._timeline = timeline
        self._open = 0

    async def let_in(self, websocket: WebSocket) -> None:
        if self._open >= MAX_TABS:
            await websocket.close(CLOSE_FULL)
            return
        self._open += 1
        client_id = secrets.token_hex(4)
        try:
            await websocket.accept()
            await self._serve(websocket, client_id)
        finally:
            self._open -= 1
            self._timeline.disconnect(client_id)

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(1 / min(max(self._timeline.fps, TICKS_PER_S[0]), TICKS_PER_S[1]))
            self._timeline.tick()

    async def _serve(self, websocket: WebSocket, client_id: str) -> None:
        link = TabLink(self._timeline)
        playback = self._timeline.connect(client_id, link)
        telling = asyncio.create_task(_tell(websocket, link))
        try:
            while True:
                told = _Told.model_validate_json(await websocket.receive_text())
                motion = Motion.PLAYING if told.is_playing else Motion.PAUSED
                playback.told(Playback(self._timeline.now_s(), told.step, told.speed, motion))
        except WebSocketDisconnect:
            return
        except (ValidationError, KeyError):  # KeyError: a binary message
            with suppress(RuntimeError):
                await websocket.close(CLOSE_NOT_ALLOWED)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(websocket: WebSocket, link: TabLink) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: closed from this side
        while True:
            await websocket.send_text(json.dumps(await link.next()))


# ---------------------------------------------------------------- blocks


class Blocks:
    """Blocks as they lie in a .scam file, made when they are asked for. Threads may share it."""

    def __init__(self, timeline: TimelineServer) -> None:
        self._timeline = timeline
        self._lock = Lock()  # one is made at a time: each may have tens of megabytes
        self._made: ByteLru[tuple[range, int], bytes] = ByteLru(CACHE_BYTES)

    def index(self) -> dict[str, Any]:
        timeline = self._timeline
        revisions, steps = timeline.revisions, range(timeline.num_steps)
        ranges = block_ranges(timeline.store, steps)
        return {
            "info": Info(source="timeline", fps=timeline.fps).model_dump(),
            "num_steps": len(steps),
            "blocks": [[part.start, len(part), revisions.of(part)] for part in ranges],
            "static": revisions.of_static if timeline.store.static_scene() else None,
            "sounds": [_about(part) for part in self._sounds()],
        }

    def steps(self, first: int, count: int) -> bytes:
        """Raises TimelineError, PayloadError."""
        steps = range(first, first + count)
        with self._lock:
            if not 1 <= count <= BLOCK_STEPS or len(list(block_ranges(self._timeline.store, steps))) != 1:
                raise TimelineError("this is no block of the index, or is none any more")
            key = steps, self._timeline.revisions.of(steps)
            made = self._made.get(key)
            if made is None:
                made = block_bytes(BlockKind.STEPS, steps, self._timeline.store.block(steps).to_map())
                while (oldest := self._made.excess(len(made))) is not None:
                    self._made.pop(oldest[0])
                self._made.put(key, made, len(made))
            return made

    def static(self) -> bytes:
        """Raises PayloadError."""
        return block_bytes(BlockKind.STATIC, range(0), scene_to_map(self._timeline.store.static_scene()))

    def sound(self, number: int) -> bytes:
        """Raises TimelineError."""
        for at, part in enumerate(self._sounds()):
            if at == number:
                return block_bytes(BlockKind.AUDIO, range(0), part.to_map())
        raise TimelineError(f"there is no sound {number}")

    def _sounds(self) -> list[AudioPart]:
        return [part for sound in self._timeline.audio.sounds() for part in parts_of(sound)]


def _about(part: AudioPart) -> str:
    """Differs where the piece does."""
    fields = (part.name, part.sample_rate, part.channels, part.start_step, part.volume, hash(part.samples))
    return f"{hash(fields) & 0xFFFFFFFF:08x}"


def timeline_router(timeline: TimelineServer, tabs: Tabs) -> APIRouter:
    """Plain functions for what makes blocks: each call is given a thread."""
    router = APIRouter(prefix="/timeline", include_in_schema=False)
    blocks = Blocks(timeline)

    @router.get("/index")
    def index() -> Response:
        return JSONResponse(blocks.index(), headers=NO_STORE)

    @router.get("/blocks/{first}")
    def steps(first: int, steps: int) -> Response:
        return _sent(lambda: blocks.steps(first, steps))

    @router.get("/static")
    def static() -> Response:
        return _sent(blocks.static)

    @router.get("/sounds/{number}")
    def sound(number: int) -> Response:
        return _sent(lambda: blocks.sound(number))

    @router.websocket("/ws")
    async def play(websocket: WebSocket) -> None:
        await tabs.let_in(websocket)

    return router


def _sent(make: Callable[[], bytes]) -> Response:
    try:
        return Response(make(), media_type=MEDIA_TYPE, headers=NO_STORE)
    except (TimelineError, PayloadError) as error:
        return PlainTextResponse(str(error), 404, NO_STORE)
