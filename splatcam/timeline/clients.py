"""Who watches a timeline: each client with a playback of its own, and the callbacks that hear of all of them.

Knows no socket: a client's link is what takes its playback to the tab and back.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from splatcam.timeline.nodes import TimelineError
from splatcam.timeline.playback import Playback, Track

logger = logging.getLogger(__name__)

OnTimestep = Callable[["ClientPlayback", int], Awaitable[None] | None]
OnPlayback = Callable[["ClientPlayback", bool], Awaitable[None] | None]


class ClientLink(Protocol):
    """What a timeline wants of the connection to a tab. Returns at once, raises nothing."""

    def playback_changed(self, playback: Playback) -> None:
        """The program moved it: the tab follows."""
        ...

    def scene_changed(self, first_step: int | None) -> None:
        """Scenes from that step on differ from what it may have fetched; None: what is static does."""
        ...

    def sound_changed(self) -> None:
        """Something else is heard than what it may have fetched."""
        ...

    def refresh(self) -> None:
        """Forget what was fetched, and show the step again."""
        ...


class Callbacks:
    """Plain functions are called at once; coroutines become tasks of the running loop, or run to their end here."""

    def __init__(self) -> None:
        self.on_timestep: list[OnTimestep] = []
        self.on_playback: list[OnPlayback] = []
        self._tasks: set[asyncio.Future[None]] = set()

    def timestep(self, client: ClientPlayback, step: int) -> None:
        for callback in list(self.on_timestep):
            self._call(partial(callback, client, step))

    def playback(self, client: ClientPlayback, is_playing: bool) -> None:
        for callback in list(self.on_playback):
            self._call(partial(callback, client, is_playing))

    def _call(self, call: Callable[[], Awaitable[None] | None]) -> None:
        """Somebody else's code: what it raises is logged, and harms no other."""
        try:
            answer = call()
            if inspect.isawaitable(answer):
                self._run(_logged(answer))
        except Exception:
            logger.exception("a callback of the timeline")

    def _run(self, answer: Awaitable[None]) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(_as_coroutine(answer))
            return
        task = asyncio.ensure_future(answer, loop=loop)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)


async def _as_coroutine(answer: Awaitable[None]) -> None:
    await answer


async def _logged(answer: Awaitable[None]) -> None:
    try:
        await answer
    except Exception:
        logger.exception("a callback of the timeline")


class ClientPlayback:
    """One tab. Begins paused at step 0 with speed 1."""

    def __init__(
        self,
        client_id: str,
        link: ClientLink,
        callbacks: Callbacks,
        track: Callable[[], Track],
        clock: Callable[[], float],
    ) -> None:
        self.client_id = client_id
        self.link = link
        self._callbacks = callbacks
        self._track = track
        self._clock = clock
        self._playback = Playback()
        self._told_step = 0
        self._told_playing = False

    @property
    def current_timestep(self) -> int:
        return self._playback.timestep(self._clock(), self._track())

    @property
    def is_playing(self) -> bool:
        return self._playback.is_playing(self._clock(), self._track())

    @property
    def speed(self) -> float:
        return self._playback.speed

    def seek(self, step: int) -> None:
        """Raises TimelineError for a step outside the timeline."""
        self._become(self._playback.seek(step, self._clock(), self._track()))

    def play(self) -> None:
        self._become(self._playback.play(self._clock(), self._track()))

    def pause(self) -> None:
        self._become(self._playback.pause(self._clock(), self._track()))

    def set_speed(self, speed: float) -> None:
        self._become(self._playback.at_speed(speed, self._clock(), self._track()))

    def refresh(self) -> None:
        self.link.refresh()

    def told(self, playback: Playback) -> None:
        """What the tab itself did, by this side's clock: it is not sent back."""
        self._playback = playback
        self.tick()

    def tick(self) -> None:
        """Tells callbacks what has become of it by now. A late tick tells the newest step only."""
        now_s, track = self._clock(), self._track()
        step, is_playing = self._playback.timestep(now_s, track), self._playback.is_playing(now_s, track)
        if is_playing != self._told_playing:
            self._told_playing = is_playing
            self._callbacks.playback(self, is_playing)
        if step != self._told_step:
            self._told_step = step
            self._callbacks.timestep(self, step)

    def _become(self, playback: Playback) -> None:
        self._playback = playback
        self.link.playback_changed(playback)
        self.tick()


class Clients:
    """By id, in the order in which they came."""

    def __init__(self, callbacks: Callbacks, track: Callable[[], Track], clock: Callable[[], float]) -> None:
        self._callbacks = callbacks
        self._track = track
        self._clock = clock
        self._clients: dict[str, ClientPlayback] = {}

    def connect(self, client_id: str, link: ClientLink) -> ClientPlayback:
        client = ClientPlayback(client_id, link, self._callbacks, self._track, self._clock)
        self._clients[client_id] = client
        return client

    def disconnect(self, client_id: str) -> None:
        self._clients.pop(client_id, None)

    def find(self, client_id: str) -> ClientPlayback:
        if client_id not in self._clients:
            raise TimelineError(f"no client {client_id!r} is here")
        return self._clients[client_id]

    def all(self) -> dict[str, ClientPlayback]:
        return dict(self._clients)
