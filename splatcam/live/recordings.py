"""What is recorded of the live streams: begun, told about and ended, on the event loop. The disk is touched in threads.

Knows no websocket and no frame: a stream gives steps, and hears how its recording stands.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from splatcam import wire
from splatcam.rate_limit import TokenBucket
from splatcam.settings import RecordMode
from splatcam.telemetry import Telemetry
from splatcam.timeline.heard import HeardPiece
from splatcam.timeline.recording import LiveStep, RecordingReport
from splatcam.timeline.takes import MAX_RUNNING, Take, TakeRefused, Takes
from splatcam.wire import ErrorCode, WireError

logger = logging.getLogger(__name__)
TELL_EVERY_S = 1.0
EARLY_BYTES = 16 << 20  # of steps that came before the file was there: of more the newest
BEGUN_AT_ONCE = 5  # by one camera; then
BEGUN_PER_S = 0.2  # each makes a file
TRY_AGAIN_S = 60.0  # where every camera is recorded and the disk is full
END_WITHIN_S = 8.0  # what a slow disk has to take 64 MB: who ends us waits 15 s

NOTHING_CAME = "no picture came to be recorded: nothing is kept"

Word = wire.Recording | wire.Error
Tell = Callable[[Word], None]


class Recordings:
    """All recordings of the service, with threads of their own: a disk that hangs holds up nobody else's."""

    def __init__(self, takes: Takes | None, mode: RecordMode, telemetry: Telemetry) -> None:
        """`takes`: None where nothing is recorded."""
        self.mode = mode
        self._takes = takes
        self._telemetry = telemetry
        self._threads = ThreadPoolExecutor(MAX_RUNNING, "recordings")
        self._running: dict[LiveTake, asyncio.Task[None]] = {}
        self._is_closed = False

    @classmethod
    def none(cls, telemetry: Telemetry) -> Recordings:
        return cls(None, "off", telemetry)

    def begin(self, model: str, room: str, tell: Tell) -> LiveTake:
        """What becomes of it is told. Raises WireError."""
        takes = self._takes
        if self.mode == "off" or takes is None:
            raise WireError(ErrorCode.RECORDING_REFUSED, "this service records nothing")
        if self._is_closed:
            raise WireError(ErrorCode.RECORDING_REFUSED, "the service is ending")
        take = LiveTake(lambda: takes.begin(model, room), self._threads, tell, self._telemetry)
        task = self._running[take] = asyncio.create_task(take.run(), name="recording")
        task.add_done_callback(lambda _: self._running.pop(take, None))
        return take

    async def close(self) -> None:
        """Ends all of them in order. Returns when their files are whole, or the disk takes too long. A second time it
        waits for nothing more."""
        if self._is_closed:
            return
        self._is_closed = True
        tasks = list(self._running.values())
        for take in list(self._running):
            take.end()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=END_WITHIN_S)
            if late:
                logger.warning("%d recordings are not ended: the disk takes too long", len(late))
        self._threads.shutdown(wait=False, cancel_futures=True)


class LiveTake:
    """One recording, from the wish to the last word about it."""

    def __init__(
        self, begin: Callable[[], Take], threads: ThreadPoolExecutor, tell: Tell, telemetry: Telemetry
    ) -> None:
        self._begin = begin
        self._threads = threads
        self._tell = tell
        self._telemetry = telemetry
        self._began_s = time.monotonic()
        self._take: Take | None = None
        self._early: deque[LiveStep] = deque()
        self._early_bytes = 0
        self._end_wanted = asyncio.Event()
        self._counted = RecordingReport(0, 0, 0)
        self._is_over = False
        self.present: wire.Recording | None = None  # the newest word about it

    @property
    def is_running(self) -> bool:
        """Not from the moment on when it shall end, or has ended by itself."""
        has_ended = self._is_over or self._end_wanted.is_set()
        return not has_ended and (self._take is None or not self._take.has_ended)

    def put(self, step: LiveStep) -> None:
        """Never waits."""
        if self._take is not None:
            self._take.put(step)
            return
        self._early.append(step)
        self._early_bytes += step.size_bytes
        while self._early_bytes > EARLY_BYTES:
            self._early_bytes -= self._early.popleft().size_bytes

    def hear(self, piece: HeardPiece) -> None:
        if self._take is not None:
            self._take.hear(piece)

    def end(self) -> None:
        self._end_wanted.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            take = await loop.run_in_executor(self._threads, self._begin)
        except TakeRefused as refusal:
            self._refused(str(refusal))
            return
        except Exception:  # a bug costs one recording, and it is told so
            logger.exception("a recording could not begin")
            self._refused("a fault of the server, which is in its log")
            return
        self._telemetry.recording_began()
        self._take = take
        while self._early:
            take.put(self._early.popleft())
        while not self._end_wanted.is_set() and not take.has_ended:
            self._say(take, take.report)
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_EVERY_S):
                    await self._end_wanted.wait()
        self._over(take, await loop.run_in_executor(self._threads, take.end))

    def _refused(self, why: str) -> None:
        self._is_over = True
        self._early.clear()
        self._telemetry.recording_ended("refused")
        self._tell(wire.Error(code=ErrorCode.RECORDING_REFUSED, message=why))

    def _over(self, take: Take, report: RecordingReport) -> None:
        self._is_over = True
        self._telemetry.recording_ended("failed" if report.error else "ended")
        self._say(take, report)
        why = report.error or report.limit or "it was ended"
        logger.info("recording %s: %d steps, %d bytes; %s", take.id, report.steps, report.size_bytes, why)

    def _say(self, take: Take, report: RecordingReport) -> None:
        before, self._counted = self._counted, report
        self._telemetry.recorded(
            report.steps - before.steps, report.size_bytes - before.size_bytes, report.lost - before.lost
        )
        self.present = wire.Recording(
            id=take.id,
            state="recording" if not self._is_over else "failed" if report.error else "ended",
            steps=report.steps,
            seconds=round(time.monotonic() - self._began_s, 1),
            size_bytes=report.size_bytes,
            lost=report.lost,
            sound=report.has_sound,
            message=report.error or report.limit or (NOTHING_CAME if self._is_over and not report.steps else ""),
        )
        self._tell(self.present)


class StreamRecording:
    """What one stream has to do with recordings: one at a time."""

    def __init__(self, recordings: Recordings, tell: Tell) -> None:
        self._recordings = recordings
        self._tell = tell
        self._take: LiveTake | None = None  # that runs, or the last one
        self._not_before_s = -math.inf
        self._beginnings = TokenBucket(BEGUN_PER_S, BEGUN_AT_ONCE, time.monotonic())

    @property
    def is_running(self) -> bool:
        return self._take is not None and self._take.is_running

    @property
    def present(self) -> wire.Recording | None:
        """The newest word about it, or the last about the one before."""
        return self._take.present if self._take is not None else None

    def start(self, model: str, room: str) -> None:
        """Where none runs. Raises WireError."""
        if self.is_running:
            return
        if not self._beginnings.take(1, time.monotonic()):
            raise WireError(ErrorCode.RECORDING_REFUSED, "too many recordings began just now: wait a few seconds")
        self._take = self._recordings.begin(model, room, self._tell)

    @property
    def is_due(self) -> bool:
        """Every camera is recorded, and this one is not. What ended by itself is tried again, but not all the time."""
        return self._recordings.mode == "always" and not self.is_running and time.monotonic() >= self._not_before_s

    def start_unasked(self, model: str, room: str) -> None:
        self._not_before_s = time.monotonic() + TRY_AGAIN_S
        with suppress(WireError):  # nobody asked
            self.start(model, room)

    def stop(self) -> None:
        """Where one runs. Raises WireError."""
        if self._recordings.mode == "always":
            raise WireError(ErrorCode.RECORDING_REFUSED, "this service records every camera: it goes on")
        self.end()

    def end(self) -> None:
        """Its last word comes when the file is whole."""
        if self._take is not None:
            self._take.end()

    def put(self, step: LiveStep) -> None:
        if self._take is not None:
            self._take.put(step)

    def hear(self, piece: HeardPiece) -> None:
        if self._take is not None:
            self._take.hear(piece)
