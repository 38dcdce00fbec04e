"""One life of the engine's process, seen from the server: a pipe for jobs and words, shared memory for results.

`worker.py` is the other end, `supervised.py` begins the next life. Two threads face the pipe, one each way, so that the
event loop never waits for a process that is busy or hangs. A life ends once; whoever waits for an answer then is told.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import logging
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, cast

from splatcam.engine import EngineFailed, EngineRestarting, EngineStatus, OnStatus
from splatcam.engine.messages import (
    Alive,
    Answer,
    Attach,
    Blob,
    Done,
    Draw,
    Drawn,
    Ending,
    Failed,
    Forget,
    LoadFailed,
    Nothing,
    Refused,
)
from splatcam.engine.watch import Watch
from splatcam.engine.worker import HostBuilder, run
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings
from splatcam.telemetry import RestartCause

logger = logging.getLogger(__name__)
INITIAL_BYTES = 8 * 1024 * 1024
CLOSE_WITHIN_S = 3.0
KILLED_WITHIN_S = 10.0  # a process that waits for a broken driver may stay longer; nobody waits for it
LOOK_EVERY_S = 0.25
GONE = "the engine's process is gone"
SENTENCES: dict[RestartCause, str] = {
    "exit": GONE,
    "hang": "the engine took too long for a frame",
    "silence": "the engine's process gave no sign of life",
    "device": "the device of the engine met a fault",
    "memory": "the engine had no memory for frames",
    "load": "the model did not load",
}


@dataclass(frozen=True)
class End:
    """How a life ended."""

    cause: RestartCause
    sentence: str
    frame: FrameJob | None = None  # that is to blame


class Child:
    """One job at a time crosses the border; callers are served in the order in which they asked."""

    def __init__(self, settings: Settings, build: HostBuilder, silence_s: float, on_status: OnStatus) -> None:
        """`on_status` hears what the process says, and last of all, before anybody who waits, `restarting`."""
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = self._loop.create_future()
        self.exit_code: int | None = None  # known after the burial
        self._settings = settings
        self._build = build
        self._on_status = on_status
        self._watch = Watch(settings.frame_deadline_s, silence_s)
        self._watching: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._job: FrameJob | None = None  # under way, also after its caller has given up
        self._answer: asyncio.Future[FrameResult] | None = None
        self._pictures: dict[int, asyncio.Future[Picture]] = {}  # by number
        self._numbers = itertools.count()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pipe: Connection | None = None
        self._burial: asyncio.Task[None] | None = None
        self._closing = False
        self._shared: SharedMemory | None = None
        self._may_grow = True

    async def load(self) -> None:
        """Returns when the first frame can be processed; raises EngineFailed."""
        try:
            self._begin()
        except Exception as error:  # no descriptor, no memory, no thread: the next try may have them
            raise EngineFailed(f"the engine's process does not start: {error}") from error
        await self._ready

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        arguments = (far_end, self._settings, self._build)
        process = context.Process(target=run, args=arguments, name="splatcam-engine", daemon=True)
        with far_end:  # closed here, so that the process' end is the only one, and its death is seen
            process.start()
        self._process = process
        atexit.register(self._abandon)
        self._allocate(INITIAL_BYTES)
        for work in (self._send, self._listen):
            thread = threading.Thread(target=work, args=(self._pipe,), name=f"engine{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._watching = asyncio.create_task(self._look_after(), name="engine-watch")

    async def process(self, job: FrameJob) -> FrameResult:
        await self._turn.acquire()  # who gives up while waiting leaves nothing behind
        exchange = asyncio.ensure_future(self._exchange(job))
        exchange.add_done_callback(self._end_turn)
        return await asyncio.shield(exchange)  # who gives up later does not: the turn is free when the process is

    async def _exchange(self, job: FrameJob) -> FrameResult:
        self._require_life()
        self._answer = self._loop.create_future()
        self._job, begin_s = job, time.monotonic()
        self._watch.began()
        self._outgoing.put(job)
        try:
            return await self._answer
        finally:
            self._watch.finished(time.monotonic() - begin_s)

    def _end_turn(self, exchange: asyncio.Future[FrameResult]) -> None:
        self._turn.release()
        if not exchange.cancelled():
            exchange.exception()  # looked at, for the case that the caller is gone

    async def draw(self, job: PictureJob) -> Picture:
        self._require_life()
        number = next(self._numbers)
        picture = self._pictures[number] = self._loop.create_future()
        try:
            self._outgoing.put(Draw(number, job))
            return await picture
        finally:
            del self._pictures[number]

    def forget(self, stream_id: str) -> None:
        self._outgoing.put(Forget(stream_id))

    def _require_life(self) -> None:
        if self._closing:
            raise EngineFailed(GONE)
        if self.ended.done():
            raise EngineRestarting(self.ended.result().sentence)

    # ------------------------------------------------------------ its end

    async def close(self) -> None:
        """The process is asked to end, then made to."""
        self._closing = True
        self._outgoing.put(None)
        if self._process is not None and self._burial is None:
            await asyncio.to_thread(self._process.join, CLOSE_WITHIN_S)
        await self.bury()

    async def bury(self) -> None:
        """Gives everything back: process, threads, descriptors, shared memory."""
        if self._burial is None:
            self._burial = asyncio.create_task(self._bury(), name="engine-burial")
        await asyncio.shield(self._burial)

    async def _bury(self) -> None:
        self._die("exit")
        self._outgoing.put(None)
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.to_thread(self._take_leave)
        self._release(self._shared)
        self._shared = None

    def _take_leave(self) -> None:
        """In a thread: it may take a moment."""
        process = self._process
        if process is not None:
            process.kill()
            process.join(KILLED_WITHIN_S)
            self.exit_code = process.exitcode
            if self.exit_code is None:
                logger.error("the engine's process %s does not end", process.pid)
                return
            atexit.unregister(self._abandon)
            process.close()
        for thread in self._threads:
            thread.join()
        if self._pipe is not None:
            self._pipe.close()

    def _abandon(self) -> None:
        """At the end of a Python that did not bury it: it ignores SIGTERM, which it would get now, and shared memory
        outlives everybody."""
        if self._process is not None:
            self._process.kill()
        self._release(self._shared)

    async def _look_after(self) -> None:
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = time.monotonic()
            awake_s = min(now_s - last_s, 2 * LOOK_EVERY_S)  # while we were stopped ourselves, nothing was heard
            last_s = now_s
            if (cause := self._watch.passed(awake_s)) is not None:
                self._die(cause, self._job)  # the burial kills it
                return

    def _die(self, cause: RestartCause, to_blame: FrameJob | None = None) -> None:
        """The first cause counts. Statuses before answers: whoever is told of the end finds the engine restarting."""
        if self.ended.done():
            return
        end = End(cause, SENTENCES[cause], to_blame)
        self.ended.set_result(end)
        if not self._closing:
            self._on_status(EngineStatus("restarting", end.sentence))
        error = EngineFailed(GONE) if self._closing else EngineRestarting(end.sentence)
        for waiting in (self._ready, self._answer, *self._pictures.values()):
            _settle(waiting, error)
        if not self._ready.cancelled():
            self._ready.exception()  # looked at, for the case that nobody waits

    # ------------------------------------------------------------ results

    def _collect(self, done: Done) -> FrameResult:
        """Copies the result out of shared memory: the process may write there again as soon as the next job is sent."""
        if self._shared is not None:
            with memoryview(cast(memoryview, self._shared.buf)) as room:  # a block with a view on it cannot be closed
                for fields in done.fields.values():
                    for name, value in fields.items():
                        if isinstance(value, Blob):
                            fields[name] = bytes(room[value.offset : value.offset + value.size])
        if done.wants_bytes and self._may_grow:
            self._allocate(done.wants_bytes)
        return FrameResult(done.fields, done.timings_ms, done.facts, dropped_nonfinite=done.dropped_nonfinite)

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
            self._call(self._fell_silent)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is closed: nobody is left to tell
            pass

    # ------------------------------------------------------------ back on the loop

    def _heard(self, message: EngineStatus | LoadFailed | Answer | Drawn | Alive | Ending) -> None:
        if self.ended.done():  # said before it was killed
            return
        self._watch.heard()
        match message:
            case EngineStatus():
                self._watch.changed(message.state)
                self._on_status(message)
                if message.state == "ready":
                    _settle(self._ready, None)
            case LoadFailed():
                _settle(self._ready, EngineFailed(message.message))
            case Drawn():
                _settle(self._pictures.get(message.number), _picture_of(message))
            case Answer():
                self._job = None
                _settle(self._answer, self._outcome_of(message))
            case Ending():
                is_to_blame = message.cause == "device" and message.during == "frame"
                self._die(message.cause, self._job if is_to_blame else None)

    def _fell_silent(self) -> None:
        self._die("exit", self._job)

    def _outcome_of(self, answer: Answer) -> FrameResult | Exception:
        match answer.outcome:
            case Refused(code, message):
                return FrameRefused(code, message)
            case Failed(reason):
                return EngineFailed(reason)
            case done:
                return self._collect(done)


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
