"""A live stream on its way into a .scam file: steps are taken without waiting, a thread of its own writes them.

Bounded: what the disk does not take in time is lost, counted, and told in the file. Knows no socket and no engine.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from splatcam.timeline.block_file import MAX_BLOCKS, BlockKind, BlockWriter, Codec
from splatcam.timeline.heard import PARTS_AT_ONCE, HeardPiece, HeardQueue
from splatcam.timeline.nodes import Block, Picture, Result, Step, StepFacts
from splatcam.timeline.timeline_file import BLOCK_BYTES, AudioPart, End, Info
from splatcam.variants import Variant
from splatcam.wire import Format

logger = logging.getLogger(__name__)
QUEUE_BYTES = 64 << 20
BLOCK_S = 1.0  # what a machine that loses its power takes with it, at most, beside what is queued
MAX_STEPS = 1024  # of one block
RESERVED_BLOCKS = 4  # after the last look at how many there are: a block of steps, `end`, the index, and one to spare
CAMERA, SCENE = "camera", "scene"  # the names of a recording's nodes


class Put(StrEnum):
    """What became of a step."""

    TAKEN = "taken"
    LOST = "lost"  # the disk is behind; the file will say so
    ENDED = "ended"  # the recording is over


@dataclass(frozen=True)
class LiveStep:
    """A frame with its result, as the stream sent it to those who watch `recording_variant`."""

    frame_id: int
    captured_at_ms: float
    received_at_ms: float
    jpeg: bytes  # empty where only the result is known
    format: Format
    message: bytes  # of wire.RESULTS[format]

    @property
    def size_bytes(self) -> int:
        return len(self.jpeg) + len(self.message)


@dataclass(frozen=True)
class RecordingReport:
    """How a recording stands, or how it ended."""

    steps: int  # in the file
    lost: int
    size_bytes: int
    has_sound: bool = False
    error: str | None = None  # why it ended before it was stopped: a sentence
    limit: str | None = None  # which limit ended it, in order, before it was stopped: a sentence


@dataclass(frozen=True)
class RecorderOptions:
    queue_bytes: int = QUEUE_BYTES
    block_s: float = BLOCK_S
    block_bytes: int = BLOCK_BYTES
    limit: Callable[[int], str | None] = lambda size_bytes: None  # asked before each block: a sentence ends it there


def recording_variant(supports_gaussians: bool) -> Variant:
    """What is recorded: every pixel, as fine as it travels, and small. Colours of level A are the camera's JPEG, which
    is recorded beside it. Those who watch a default page share its encoding, so that a frame is encoded once."""
    if supports_gaussians:
        return Variant(Format.COMPACT, "network")
    return Variant(Format.COMPACT, "pixel", color="own")


@dataclass(frozen=True)
class _Waiting:
    """What goes to the disk next."""

    steps: list[tuple[LiveStep, int]]  # with how many were lost right before each
    heard: list[AudioPart]


class Recorder:
    """One recording. `put` from any thread; `stop` waits for the disk."""

    def __init__(
        self,
        writer: BlockWriter,
        info: Info,
        options: RecorderOptions | None = None,
        on_end: Callable[[RecordingReport], None] = lambda report: None,
    ) -> None:
        """`on_end` is called once, by the recorder's thread. Raises OSError."""
        self._writer = writer
        self._options = options or RecorderOptions()
        self._on_end = on_end
        self._changed = threading.Condition()
        self._queue: deque[tuple[LiveStep, int]] = deque()  # with how many were lost right before
        self._heard = HeardQueue()
        self._queued_bytes = 0
        self._taken = 0
        self._lost_since = 0
        self._is_over = False
        writer.append(BlockKind.INFO, range(0), info.model_dump(), Codec.STORED)
        self._report = RecordingReport(0, 0, writer.size_bytes)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @classmethod
    def create(
        cls,
        path: Path,
        info: Info,
        options: RecorderOptions | None = None,
        on_end: Callable[[RecordingReport], None] = lambda report: None,
    ) -> Recorder:
        """Raises BlockFileError where there is a file already, OSError where there can be none."""
        writer = BlockWriter.create(path)
        try:
            return cls(writer, info, options, on_end)
        except OSError:
            writer.close()
            path.unlink()
            raise

    @property
    def report(self) -> RecordingReport:
        with self._changed:
            return self._report

    @property
    def has_ended(self) -> bool:
        """Stopped, or by itself: nothing is written any more."""
        return not self._thread.is_alive()

    def put(self, step: LiveStep) -> Put:
        """Never waits for the disk."""
        with self._changed:
            if self._is_over:
                return Put.ENDED
            if self._queue and self._queued_bytes + step.size_bytes > self._options.queue_bytes:
                self._lost_since += 1
                self._tell(lost=self._report.lost + 1)
                return Put.LOST
            self._queue.append((step, self._lost_since))
            self._lost_since = 0
            self._taken += 1
            self._queued_bytes += step.size_bytes
            self._heard.saw(step.captured_at_ms)
            self._changed.notify()
            return Put.TAKEN

    def hear(self, piece: HeardPiece) -> Put:
        """Sound beside the steps. Never waits for the disk."""
        with self._changed:
            if self._is_over:
                return Put.ENDED
            is_taken = self._heard.put(piece)
            self._changed.notify()
            return Put.TAKEN if is_taken else Put.LOST

    def stop(self) -> RecordingReport:
        """Writes what is queued, and ends the file. A second time changes nothing."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()
        return self._report

    # ------------------------------------------------------------ the recorder's thread

    def _run(self) -> None:
        error: str | None = "the recorder met a fault"  # of a bug, which the thread's own hook reports
        try:
            self._write_blocks()
            end = End(lost=self._report.lost, lost_at_end=self._lost_since)
            self._writer.append(BlockKind.END, range(0), end.model_dump(), Codec.STORED)
            self._writer.finish()
            error = None
        except OSError as failure:
            error = f"the disk took no more: {failure.strerror}. The first {self._report.steps} steps are in the file"
            logger.warning("a recording ended: %s", error)
        finally:
            self._end(error)

    def _write_blocks(self) -> None:
        """Until it is stopped and nothing waits any more, or until a limit is reached."""
        while (waiting := self._next_block()) is not None:
            limit = self._limit_reached()
            if limit is not None:
                self._leave_out(waiting.steps, limit)
                return
            for part in waiting.heard:
                self._writer.append(BlockKind.AUDIO, range(0), part.to_map())
                self._tell(has_sound=True)
            if waiting.steps:
                self._write(waiting.steps)

    def _next_block(self) -> _Waiting | None:
        """Waits until there is a block's worth, or nothing came for a while. None: it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._heard or self._is_over)
            self._changed.wait_for(
                lambda: self._is_over or self._block_length() < len(self._queue), self._options.block_s
            )
            steps = [self._queue.popleft() for _ in range(self._block_length())]
            self._queued_bytes -= sum(step.size_bytes for step, _ in steps)
            heard = self._heard.take()
            return _Waiting(steps, heard) if steps or heard else None

    def _limit_reached(self) -> str | None:
        if self._writer.num_blocks >= MAX_BLOCKS - RESERVED_BLOCKS - PARTS_AT_ONCE:
            return "a recording has no more blocks than this"
        return self._options.limit(self._writer.size_bytes)

    def _leave_out(self, steps: list[tuple[LiveStep, int]], limit: str) -> None:
        """What came after the end of a recording is not lost to it."""
        with self._changed:
            self._is_over = True
            self._taken -= len(steps) + len(self._queue)
            self._queue.clear()
            self._tell(limit=limit)

    def _block_length(self) -> int:
        """How many of the queue make the next block."""
        size_bytes = 0
        for count, (step, _) in enumerate(self._queue):
            size_bytes += step.size_bytes
            is_late = step.received_at_ms - self._queue[0][0].received_at_ms >= self._options.block_s * 1e3
            if count and (is_late or size_bytes > self._options.block_bytes or count == MAX_STEPS):
                return count
        return len(self._queue)

    def _write(self, steps: list[tuple[LiveStep, int]]) -> None:
        first = self._report.steps
        block = Block(first, tuple(_step(step, lost_before) for step, lost_before in steps))
        is_packed = all(step.format is Format.COMPACT for step, _ in steps)  # and JPEGs are
        codec = Codec.STORED if is_packed else Codec.DEFLATE
        self._writer.append(BlockKind.STEPS, block.span, block.to_map(), codec)
        self._tell(steps=first + len(steps), size_bytes=self._writer.size_bytes)

    def _end(self, error: str | None) -> None:
        self._writer.close()
        with self._changed:
            self._is_over = True
            self._queue.clear()
            self._heard.clear()
            lost = self._report.lost + self._taken - self._report.steps
            self._tell(lost=lost, size_bytes=self._writer.size_bytes, error=error)
        self._on_end(self._report)

    def _tell(self, **changes: object) -> None:
        with self._changed:
            self._report = replace(self._report, **changes)  # type: ignore[arg-type]


def _step(step: LiveStep, lost_before: int) -> Step:
    facts = StepFacts.model_construct(
        frame_id=step.frame_id,
        captured_at_ms=step.captured_at_ms,
        received_at_ms=step.received_at_ms,
        lost_before=lost_before,
    )
    camera = {CAMERA: Picture.model_construct(jpeg=step.jpeg)} if step.jpeg else {}
    scene = {SCENE: Result.model_construct(format=step.format, message=step.message)}
    return Step({**camera, **scene}, facts)
