"""The engine's process: receives jobs, runs them on an EngineHost, writes results into shared memory.

Importing this module imports no torch: the server's process does so to name `run` as the child's entry point.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any, cast

from splatcam.engine import EngineFailed, EngineStatus, did_not_load
from splatcam.engine.heap import keep_freed_memory
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
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings
from splatcam.variants import Variant

if TYPE_CHECKING:
    from splatcam.engine.host import EngineHost

logger = logging.getLogger(__name__)
BLOB_FROM_BYTES = 4096  # smaller values travel through the pipe
_GROWTH = 2


def run(pipe: Connection, settings: Settings) -> None:
    """Entry point of the process. Ends when the server closes the pipe or sends None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server decides when we end
    logging.basicConfig(level=settings.log_level.upper(), format="%(message)s")
    keep_freed_memory()
    outbox = _Outbox(pipe)
    try:
        host = _load(settings, outbox)
        if host is not None:
            _serve(pipe, outbox, host)
    except (EOFError, OSError):
        pass  # the server is gone, and so are we


def _load(settings: Settings, outbox: _Outbox) -> EngineHost | None:
    """The model's host, or None after telling why not."""
    try:
        from splatcam.engine.host import EngineHost

        host = EngineHost(settings, outbox.send)
        host.load()
        return host
    except EngineFailed as error:
        outbox.send(LoadFailed(str(error)))
    except Exception as error:  # a broken driver, too little memory, a library that does not import
        logger.exception("the model did not load")
        outbox.send(LoadFailed(did_not_load(settings.model, error)))
    return None


def _serve(pipe: Connection, outbox: _Outbox, host: EngineHost) -> None:
    with ThreadPoolExecutor(1, "pictures") as pencil:
        _answer(pipe, outbox, host, pencil)


def _answer(pipe: Connection, outbox: _Outbox, host: EngineHost, pencil: ThreadPoolExecutor) -> None:
    """Until the server says None."""
    while (message := pipe.recv()) is not None:
        if isinstance(message, FrameJob):
            outbox.send(Answer(_outcome(host, message, outbox)))
        elif isinstance(message, Draw):
            pencil.submit(_draw, host, message, outbox)
        elif isinstance(message, Forget):
            host.forget(message.stream_id)
        elif isinstance(message, Attach):
            outbox.attach(message.name)


def _outcome(host: EngineHost, job: FrameJob, outbox: _Outbox) -> Done | Refused | Failed:
    try:
        return outbox.place(host.process(job))
    except FrameRefused as error:
        return Refused(error.code, error.message)
    except Exception as error:  # one frame's bug is told and logged, the next frame gets its chance
        logger.exception("frame %d of stream %s failed", job.frame_id, job.stream_id)
        return Failed(f"the frame could not be processed: {type(error).__name__}")


def _draw(host: EngineHost, message: Draw, outbox: _Outbox) -> None:
    try:
        outbox.send(Drawn(message.number, _picture(host, message.job)))
    except OSError:
        pass  # the server is gone; the thread that listens to it ends the process


def _picture(host: EngineHost, job: PictureJob) -> Picture | Nothing | Failed:
    try:
        return host.draw(job)
    except NothingToShow:
        return Nothing()
    except Exception as error:
        logger.exception("a picture of stream %s failed", job.stream_id)
        return Failed(f"the picture could not be drawn: {type(error).__name__}")


class _Outbox:
    """The way back: words through the pipe (from three threads), large bytes through shared memory."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._shared: SharedMemory | None = None

    def send(self, message: EngineStatus | LoadFailed | Answer | Drawn) -> None:
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
            return Done(_with_values(result, _by_pipe), result.timings_ms, needed * _GROWTH, result.facts)
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
            return Done(_with_values(result, put), result.timings_ms, facts=result.facts)


def _with_values(result: FrameResult, change: Callable[[Any], Any]) -> dict[Variant, dict[str, Any]]:
    return {variant: {n: change(value) for n, value in fields.items()} for variant, fields in result.fields.items()}


def _by_pipe(value: Any) -> Any:
    """Memory views cannot be pickled, bytes can."""
    return bytes(value) if _size(value) else value


def _size(value: Any) -> int:
    """Bytes of a bytes-like value, 0 for everything else."""
    return memoryview(value).nbytes if isinstance(value, (bytes, bytearray, memoryview)) else 0
