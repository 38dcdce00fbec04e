"""The engine in a process of its own, seen from the server: a pipe for jobs and words, shared memory for results.

A crash or a sticky CUDA error takes the child down and not the service. `worker.py` is the other end. Two threads
face the pipe, one each way, so that the event loop never waits for a child that is busy or hangs.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import os
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, cast

from splatcam.engine import EngineFailed, EngineStatus, OnStatus
from splatcam.engine.messages import (
    Answer,
    Attach,
    Blob,
    Done,
    Draw,
    Drawn,
    Failed,
    Forget,
    LoadFailed,
    Nothing,
    Refused,
)
from splatcam.engine.worker import run
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings

logger = logging.getLogger(__name__)
INITIAL_BYTES = 8 * 1024 * 1024
CLOSE_WITHIN_S = 3.0
GONE = "the engine's process is gone"


class ChildEngine:
    """One job at a time crosses the border; callers are served in the order in which they asked."""

    def __init__(self, settings: Settings) -> None:
        self.status = EngineStatus("starting", "starting")
        self._settings = settings
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[Any] | None = None
        self._pictures: dict[int, asyncio.Future[Picture]] = {}  # by number
        self._numbers = itertools.count()
        self._ready: asyncio.Future[None] | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closing = False
        self._dead = False
        self._shared: SharedMemory | None = None
        self._may_grow = True

    async def start(self, on_status: OnStatus) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_status = on_status
        self._ready = self._loop.create_future()
        context = multiprocessing.get_context("spawn")
        pipe, far_end = context.Pipe()
        self._process = context.Process(target=run, args=(far_end, self._settings), name="splatcam-engine", daemon=True)
        self._process.start()
        far_end.close()  # so that the child's end is the only one, and its death is seen here
        self._allocate(INITIAL_BYTES)
        threading.Thread(target=self._send, args=(pipe,), name="engine-sender", daemon=True).start()
        threading.Thread(target=self._listen, args=(pipe,), name="engine-listener", daemon=True).start()
        await self._ready

    async def process(self, job: FrameJob) -> FrameResult:
        await self._turn.acquire()  # who gives up while waiting leaves nothing behind
        exchange = asyncio.ensure_future(self._exchange(job))
        exchange.add_done_callback(self._end_turn)
        return await asyncio.shield(exchange)  # who gives up later does not: the turn is free when the child is

    async def _exchange(self, job: FrameJob) -> FrameResult:
        if self._dead:
            raise EngineFailed(GONE)
        self._answer = self._loop.create_future()
        self._outgoing.put(job)
        return self._collect(await self._answer)

    def _end_turn(self, exchange: asyncio.Future[FrameResult]) -> None:
        self._turn.release()
        if not exchange.cancelled():
            exchange.exception()  # looked at, for the case that the caller is gone

    async def draw(self, job: PictureJob) -> Picture:
        if self._dead or self._closing:
            raise EngineFailed(GONE)
        number = next(self._numbers)
        picture = self._pictures[number] = self._loop.create_future()
        try:
            self._outgoing.put(Draw(number, job))
            return await picture
        finally:
            del self._pictures[number]

    def forget(self, stream_id: str) -> None:
        self._outgoing.put(Forget(stream_id))

    async def close(self) -> None:
        self._closing = True
        self._outgoing.put(None)
        if self._process is not None:
            await asyncio.to_thread(self._process.join, CLOSE_WITHIN_S)
            if self._process.is_alive():
                self._process.kill()
                await asyncio.to_thread(self._process.join)
        self._release(self._shared)
        self._shared = None

    # ------------------------------------------------------------ results

    def _collect(self, answer: Done | Refused) -> FrameResult:
        """Copies the result out of shared memory: the child may write there again as soon as the next job is sent."""
        if self._closing:
            raise EngineFailed(GONE)
        if isinstance(answer, Refused):
            raise FrameRefused(answer.code, answer.message)
        if self._shared is not None:
            with memoryview(cast(memoryview, self._shared.buf)) as room:  # a block with a view on it cannot be closed
                for fields in answer.fields.values():
                    for name, value in fields.items():
                        if isinstance(value, Blob):
                            fields[name] = bytes(room[value.offset : value.offset + value.size])
        if answer.wants_bytes and self._may_grow:
            self._allocate(answer.wants_bytes)
        return FrameResult(answer.fields, answer.timings_ms, answer.facts)

    def _allocate(self, size: int) -> None:
        """A larger block for results. Where the machine has no room for it, large results go on by the pipe."""
        try:
            block = SharedMemory(create=True, size=size)
        except OSError as error:
            self._refuse_to_grow(size, error)
            return
        try:
            _reserve(block)
        except OSError as error:
            self._release(block)
            self._refuse_to_grow(size, error)
            return
        self._release(self._shared)
        self._shared = block
        self._outgoing.put(Attach(block.name))

    def _refuse_to_grow(self, size: int, error: OSError) -> None:
        self._may_grow = False
        logger.warning(
            "no shared memory of %.0f MB (%s): large results take the slower way", size / 1e6, error.strerror
        )

    @staticmethod
    def _release(block: SharedMemory | None) -> None:
        if block is not None:
            block.close()
            block.unlink()

    # ------------------------------------------------------------ the two threads

    def _send(self, pipe: Connection) -> None:
        """Ends after None."""
        try:
            while (message := self._outgoing.get()) is not None:
                pipe.send(message)
            pipe.send(None)
        except OSError:
            pass  # gone: the listener tells

    def _listen(self, pipe: Connection) -> None:
        try:
            while True:
                self._call(self._heard, pipe.recv())
        except (EOFError, OSError):
            pass
        finally:  # whatever it was: nobody listens any more
            self._call(self._died)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is closed: nobody is left to tell
            pass

    # ------------------------------------------------------------ back on the loop

    def _heard(self, message: EngineStatus | LoadFailed | Answer | Drawn) -> None:
        if isinstance(message, EngineStatus):
            if message.state == "ready":
                _settle(self._ready, None)
            self._publish(message)
        elif isinstance(message, LoadFailed):
            _settle(self._ready, EngineFailed(message.message))
        elif isinstance(message, Drawn):
            _settle(self._pictures.get(message.number), _picture_of(message))
        else:
            outcome = message.outcome
            _settle(self._answer, EngineFailed(outcome.message) if isinstance(outcome, Failed) else outcome)

    def _died(self) -> None:
        self._dead = True
        error = EngineFailed(GONE)
        for waiting in (self._answer, *self._pictures.values()):
            _settle(waiting, error)
        if self._closing:
            _settle(self._ready, error)
            return
        self._publish(EngineStatus("failed", GONE))
        _settle(self._ready, error)

    def _publish(self, status: EngineStatus) -> None:
        self.status = status
        self._on_status(status)


def _picture_of(message: Drawn) -> Picture | Exception:
    match message.outcome:
        case Nothing():
            return NothingToShow()
        case Failed(reason):
            return EngineFailed(reason)
        case picture:
            return picture


def _reserve(block: SharedMemory) -> None:
    """Raises OSError now where the memory is not there, instead of a bus error in the child when it is written."""
    descriptor = getattr(block, "_fd", -1)
    if descriptor >= 0 and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, block.size)


def _settle(future: asyncio.Future[Any] | None, outcome: object) -> None:
    """Give a waiting future its result, or its exception; nobody may be waiting any more."""
    if future is None or future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
