"""Who may draw when: one picture at a time, and of each client's wishes only the newest. One event loop, no HTTP.

A wish that a newer one of the same client replaces is refused at once where it waits, and told to stop where it is
being drawn; a drawing stops where it asks (`splatcam.rendering.wanted`). Whoever gives no name replaces nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from splatcam.rendering.camera import Camera
from splatcam.rendering.picture_job import TooManyWaiting
from splatcam.rendering.wanted import Unwanted, drawing_while

T = TypeVar("T")
MOST_WAITING = 32


class Superseded(Exception):
    """A newer wish of the same client took the place of this one."""


class _Turn:
    def __init__(self, client: str) -> None:
        self.client = client
        self.begins: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unwanted = threading.Event()


class RenderTurns:
    """First come, first drawn."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._drawing: _Turn | None = None
        self._waiting: list[_Turn] = []

    async def draw(self, client: str, draw: Callable[[], T]) -> T:
        """What `draw` gives, called in a thread. Raises Superseded, TooManyWaiting, and what `draw` raises.

        Who is cancelled while `draw` runs asks it to stop, and is back when it has: its turn is not another's before.
        """
        if client:
            self._supersede(client)
        if len(self._waiting) >= self._most_waiting:
            raise TooManyWaiting
        turn = _Turn(client)
        self._waiting.append(turn)
        self._begin_next()
        try:
            await turn.begins
            return await _in_thread(turn, draw)
        except Unwanted:
            raise Superseded from None
        finally:
            self._end(turn)

    def _supersede(self, client: str) -> None:
        if self._drawing is not None and self._drawing.client == client:
            self._drawing.unwanted.set()
        for turn in [turn for turn in self._waiting if turn.client == client]:
            self._waiting.remove(turn)
            turn.begins.set_exception(Superseded())

    def _begin_next(self) -> None:
        if self._drawing is None and self._waiting:
            self._drawing = self._waiting.pop(0)
            self._drawing.begins.set_result(None)

    def _end(self, turn: _Turn) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        if turn is self._drawing:
            self._drawing = None
            self._begin_next()


async def _in_thread(turn: _Turn, draw: Callable[[], T]) -> T:
    def draw_while_wanted() -> T:
        with drawing_while(turn.unwanted):
            return draw()

    drawing = asyncio.ensure_future(asyncio.to_thread(draw_while_wanted))
    try:
        return await asyncio.shield(drawing)
    except asyncio.CancelledError:
        turn.unwanted.set()
        await asyncio.wait({drawing})
        drawing.exception()  # looked at: asyncio would complain of it
        raise


class BlockingPictures(Protocol):
    """`splatcam.viewer.viewer.Viewer`."""

    @property
    def modes(self) -> tuple[str, ...]: ...

    @property
    def edition(self) -> str: ...

    def get_info(self) -> dict[str, Any]: ...

    def render_jpeg(self, camera: Camera, quality: int, mode: str, client: str) -> bytes: ...


class DrawnInTurns:
    """A viewer as the router wants it: the loop goes on while a thread draws."""

    def __init__(self, viewer: BlockingPictures) -> None:
        self._viewer = viewer
        self._turns = RenderTurns()
        self.modes = viewer.modes
        self.get_info = viewer.get_info

    @property
    def edition(self) -> str:
        return self._viewer.edition

    async def draw(self, camera: Camera, quality: int, mode: str, client: str) -> bytes:
        """Raises Superseded, TooManyWaiting, and whatever the viewer raises."""
        return await self._turns.draw(client, lambda: self._viewer.render_jpeg(camera, quality, mode, client))
