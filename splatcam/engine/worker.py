"""The engine's process: receives jobs, runs them on an EngineHost, writes results into shared memory.

Importing this module imports no torch: the server's process does so to name `run` as the child's entry point.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Literal, Protocol, cast

from splatcam import log_format
from splatcam.engine import EngineFailed, EngineStatus, OnStatus, did_not_load
from splatcam.engine.heap import keep_freed_memory
from splatcam.engine.messages import (
    Alive,
    Announce,
    Answer,
    Attach,
    Blob,
    Companions,
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
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings
from splatcam.telemetry import RestartCause

logger = logging.getLogger(__name__)
BEAT_EVERY_S = 1.0
BLOB_FROM_BYTES = 4096  # smaller values travel through the pipe
_GROWTH = 2


class Host(Protocol):
    """What answers in this process: engine.host.EngineHost, or a stand-in for tests."""

    must_end: RestartCause | None
    tell_companions: Callable[[tuple[str, ...]], None]  # called with the streams that share the pass of the frame

    def load(self) -> None: ...

    def announce(self, job: FrameJob) -> None: ...

    def process(self, job: FrameJob) -> FrameResult: ...

    def draw(self, job: PictureJob) -> Picture: ...

    def forget(self, stream_id: str) -> None: ...


HostBuilder = Callable[[Settings, OnStatus], Host]  # travels to the process: a function of a module, or a value


def build_host(settings: Settings, on_status: OnStatus) -> Host:
    from splatcam.engine.host import EngineHost

    return EngineHost(settings, on_status)


def run(pipe: Connection, settings: Settings, build: HostBuilder) -> None:
    """Entry point of the process. Ends when the server closes the pipe or sends None, and with the server."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # they may go to the whole group; the server decides
        signal.signal(signal_number, signal.SIG_IGN)
    log_format.configure(settings)
    keep_freed_memory()
    outbox = _Outbox(pipe)
    threading.Thread(target=_beat, args=(outbox,), name="heartbeat", daemon=True).start()
    try:
        host = _load(settings, outbox, build)
        if host is not None:
            _serve(pipe, outbox, host)
    except (EOFError, OSError):
        pass  # the server is gone, and so are we


def _beat(outbox: _Outbox) -> None:
    """A sign of life each second. Without a server the process ends here, whatever its other threads are doing."""
    server = parent_process()
    assert server is not None, "the engine's process is started by the server's"
    while not wait([server.sentinel], BEAT_EVERY_S):
        try:
            outbox.send(Alive())
        except OSError:
            break
    os._exit(0)


def _load(settings: Settings, outbox: _Outbox, build: HostBuilder) -> Host | None:
    """The model's host, or None after telling why not."""
    try:
        host = build(settings, outbox.send)
        host.tell_companions = lambda stream_ids: outbox.send(Companions(stream_ids))
        host.load()
        return host
    except EngineFailed as error:
        outbox.send(LoadFailed(str(error)))
    except Exception as error:  # a broken driver, too little memory, a library that does not import
        logger.exception("the model did not load")
        outbox.send(LoadFailed(did_not_load(settings.model, error)))
    return None


def _serve(pipe: Connection, outbox: _Outbox, host: Host) -> None:
    with ThreadPoolExecutor(1, "pictures") as pencil:
        _answer(pipe, outbox, host, pencil)


def _answer(pipe: Connection, outbox: _Outbox, host: Host, pencil: ThreadPoolExecutor) -> None:
    """Until the server says None."""
    inbox = _Inbox(pipe)
    while (message := inbox.next()) is not None:
        if isinstance(message, FrameJob):
            inbox.read_announcements(host)
            _answer_frame(host, message, outbox)
        elif isinstance(message, Announce):
            host.announce(message.job)
        elif isinstance(message, Draw):
            pencil.submit(_draw, host, message, outbox)
        elif isinstance(message, Forget):
            host.forget(message.stream_id)
        elif isinstance(message, Attach):
            outbox.attach(message.name)


class _Inbox:
    """The way in. Frames that wait may be looked at ahead of what came before them."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._later: deque[Any] = deque()

    def next(self) -> Any:
        return self._later.popleft() if self._later else self._pipe.recv()

    def read_announcements(self, host: Host) -> None:
        """All that have come by now."""
        while self._pipe.poll():
            message = self._pipe.recv()
            if isinstance(message, Announce):
                host.announce(message.job)
            else:
                self._later.append(message)


def _answer_frame(host: Host, job: FrameJob, outbox: _Outbox) -> None:
    outcome = _outcome(host, job, outbox)
    if host.must_end != "device":  # with the device the frame is lost
        outbox.send(Answer(outcome))
    _end_if_it_must(host, outbox, "frame")


def _end_if_it_must(host: Host, outbox: _Outbox, during: Literal["frame", "picture"]) -> None:
    """At once: what a broken device would do while everything is taken down in order, nobody knows."""
    if host.must_end is not None:
        logger.error("the engine's process ends: %s", host.must_end)
        outbox.send(Ending(host.must_end, during))
        os._exit(1)


def _outcome(host: Host, job: FrameJob, outbox: _Outbox) -> Done | Refused | Failed:
    try:
        return outbox.place(host.process(job))
    except FrameRefused as error:
        return Refused(error.code, error.message)
    except Exception as error:  # one frame's bug is told and logged, the next frame gets its chance
        logger.exception("frame %d of stream %s failed", job.frame_id, job.stream_id)
        return Failed(f"the frame could not be processed: {type(error).__name__}")


def _draw(host: Host, message: Draw, outbox: _Outbox) -> None:
    try:
        outbox.send(Drawn(message.number, _picture(host, message.job)))
        _end_if_it_must(host, outbox, "picture")
    except OSError:
        pass  # the server is gone; the thread that listens to it ends the process


def _picture(host: Host, job: PictureJob) -> Picture | Nothing | Failed:
    try:
        return host.draw(job)
    except NothingToShow:
        return Nothing()
    except Exception as error:
        logger.exception("a picture of stream %s failed", job.stream_id)
        return Failed(f"the picture could not be drawn: {type(error).__name__}")


class _Outbox:
    """The way back: words through the pipe (from four threads), large bytes through shared memory."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._shared: SharedMemory | None = None

    def send(self, message: EngineStatus | LoadFailed | Answer | Companions | Drawn | Alive | Ending) -> None:
        with self._lock:
            self._pipe.send(message)

    def attach(self, name: str) -> None:
        if self._shared is not None:
            self._shared.close()
        self._shared = SharedMemory(name)

    def place(self, result: FrameResult) -> Done:
        """Bytes to shared memory, where they fit; else through the pipe, with a wish for more room."""
        values = [value for fields in result.fields.values() for value in fields.values()]
        needed = sum(size for size in map(_size, values) if size >= BLOB_FROM_BYTES)
        if self._shared is None or needed > self._shared.size:
            return _done(result, _by_pipe, wants_bytes=needed * _GROWTH)
        offset = 0

        def put(value: Any) -> Any:
            nonlocal offset
            if (size := _size(value)) < BLOB_FROM_BYTES:
                return _by_pipe(value)
            blob = Blob(offset, size)
            room[offset : offset + size] = memoryview(value).cast("B")
            offset += size
            return blob

        with memoryview(cast(memoryview, self._shared.buf)) as room:  # a block with a view on it cannot be closed
            return _done(result, put)


def _done(result: FrameResult, change: Callable[[Any], Any], wants_bytes: int = 0) -> Done:
    """The result with each value of its fields changed."""
    fields = {variant: {name: change(value) for name, value in of.items()} for variant, of in result.fields.items()}
    return Done(fields, result.timings_ms, wants_bytes, result.facts, result.dropped_nonfinite)


def _by_pipe(value: Any) -> Any:
    """Memory views cannot be pickled, bytes can."""
    return bytes(value) if _size(value) else value


def _size(value: Any) -> int:
    """Bytes of a bytes-like value, 0 for everything else."""
    return memoryview(value).nbytes if isinstance(value, (bytes, bytearray, memoryview)) else 0
