"""The recordings of this server: a folder of .scam files that are begun, listed, found and removed by their ids.

Touches the disk: on an event loop its methods are called in threads. Knows no stream, no client and no route.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal

from splatcam.timeline.block_file import BlockFileError
from splatcam.timeline.heard import HeardPiece
from splatcam.timeline.nodes import MAX_NAME
from splatcam.timeline.recording import LiveStep, Recorder, RecorderOptions, RecordingReport
from splatcam.timeline.take_file import BlockRow, TakeFile
from splatcam.timeline.timeline_file import Info

logger = logging.getLogger(__name__)
SUFFIX = ".scam"
TAKE_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}", re.ASCII)
MAX_RUNNING = 8  # at once: each may hold 64 MB for a disk that is behind
KEEP_FREE_BYTES = 1 << 30  # of the disk: a full one harms the log, the weights' cache and whoever else writes there
ROOM_TO_BEGIN_BYTES = 64 << 20  # beside those: a recording of a few seconds is none
FILES_OPEN = 16  # that somebody plays: their blocks need not be looked for again

TakeState = Literal["recording", "ended", "cut_off"]  # cut_off: its writer died, or its disk was full


class TakeRefused(Exception):
    """No recording can begin now. A sentence for clients: it names no path."""


class UnknownTake(KeyError):
    """There is no recording of that id."""


class TakeRuns(Exception):
    """It is being recorded: it cannot be removed now."""


@dataclass(frozen=True)
class TakeFacts:
    """A recording in the list."""

    id: str
    state: TakeState
    began_at: str
    steps: int
    size_bytes: int
    model: str
    room: str
    sound: bool


@dataclass(frozen=True)
class TakeIndex:
    """What is in a recording now, and where."""

    state: TakeState
    info: Info
    num_steps: int
    rows: tuple[BlockRow, ...]  # without the file's own index


class Take:
    """A recording that runs. `put` and `hear` never wait."""

    def __init__(self, take_id: str, recorder: Recorder, on_end: Callable[[str, int], None]) -> None:
        self.id = take_id
        self._recorder = recorder
        self._on_end = on_end

    @property
    def report(self) -> RecordingReport:
        return self._recorder.report

    @property
    def has_ended(self) -> bool:
        """By itself, or because it was ended."""
        return self._recorder.has_ended

    def put(self, step: LiveStep) -> None:
        self._recorder.put(step)

    def hear(self, piece: HeardPiece) -> None:
        self._recorder.hear(piece)

    def end(self) -> RecordingReport:
        """Waits for the disk. A recording without a step is removed."""
        report = self._recorder.stop()
        self._on_end(self.id, report.steps)
        return report


def free_bytes_of(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Takes:
    """Threads may share it. A file has one writer: its id is new, and it is made only where no file is (O_EXCL)."""

    def __init__(self, folder: Path, max_bytes: int, free_bytes: Callable[[Path], int] = free_bytes_of) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._free_bytes = free_bytes
        self._lock = Lock()
        self._running: set[str] = set()
        self._files: OrderedDict[str, TakeFile] = OrderedDict()  # open, used last at the end
        self._known: dict[str, TakeFacts] = {}  # of files that nobody writes, valid while their size is the same

    # ------------------------------------------------------------ writing

    def begin(self, model: str, room: str) -> Take:
        """Raises TakeRefused."""
        began_at = datetime.now(UTC)
        take_id = f"{began_at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        info = Info(model=model[:MAX_NAME], began_at=began_at.isoformat(timespec="milliseconds"), room=room)
        with self._lock:
            if len(self._running) >= MAX_RUNNING:
                raise TakeRefused(f"{MAX_RUNNING} recordings run already")
            self._running.add(take_id)
        try:
            return Take(take_id, self._recorder(take_id, info), self._ended)
        except BaseException:
            self._running.discard(take_id)
            raise

    def _recorder(self, take_id: str, info: Info) -> Recorder:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._free_bytes(self._folder) < KEEP_FREE_BYTES + ROOM_TO_BEGIN_BYTES:
                raise TakeRefused(f"the disk has less than {_size(KEEP_FREE_BYTES + ROOM_TO_BEGIN_BYTES)} left")
            return Recorder.create(self._path(take_id), info, RecorderOptions(limit=self._limit))
        except (OSError, BlockFileError) as error:
            logger.warning("no recording can begin: %s", error)
            why = error.strerror if isinstance(error, OSError) else "another one has its name"
            raise TakeRefused(f"nothing can be written where recordings are kept: {why}") from None

    def _limit(self, size_bytes: int) -> str | None:
        if size_bytes >= self._max_bytes:
            return f"it has {_size(self._max_bytes)}, as much as a recording may have"
        if self._free_bytes(self._folder) < KEEP_FREE_BYTES:
            return f"the disk has less than {_size(KEEP_FREE_BYTES)} left"
        return None

    def _ended(self, take_id: str, steps: int) -> None:
        with self._lock:
            self._running.discard(take_id)
        if steps == 0:
            with suppress(UnknownTake, OSError):  # somebody was faster, or the disk is broken: then it stays
                self.remove(take_id)

    # ------------------------------------------------------------ reading

    def listed(self) -> list[TakeFacts]:
        """Newest first. Files that cannot be read, and such as are not ours, are not in it."""
        names = (path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))
        ids = sorted((name for name in names if TAKE_ID.fullmatch(name)), reverse=True)
        found = {take_id: facts for take_id in ids if (facts := self._facts_of(take_id)) is not None}
        self._known = {take_id: facts for take_id, facts in found.items() if facts.state != "recording"}
        return [*found.values()]

    def find(self, take_id: str) -> Path:
        """Raises UnknownTake: also for whatever is no id, so that no path can be asked for."""
        if TAKE_ID.fullmatch(take_id) and (path := self._path(take_id)).is_file():
            return path
        raise UnknownTake(take_id)

    def index(self, take_id: str) -> TakeIndex:
        """How it stands now. Raises UnknownTake, BlockFileError, OSError."""
        path = self.find(take_id)
        with self._lock:
            is_running = take_id in self._running  # before its blocks are read: who is told so asks for its end as well
            file = self._file(take_id, path)
            return TakeIndex(_state(is_running, file), file.info, file.num_steps, tuple(file.rows))

    def remove(self, take_id: str) -> None:
        """Raises UnknownTake, TakeRuns, OSError."""
        path = self.find(take_id)
        with self._lock:
            if take_id in self._running:
                raise TakeRuns(take_id)
            self._forget(take_id)
            path.unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            for take_id in list(self._files):
                self._forget(take_id)

    def _path(self, take_id: str) -> Path:
        return self._folder / f"{take_id}{SUFFIX}"

    def _facts_of(self, take_id: str) -> TakeFacts | None:
        path = self._path(take_id)
        try:
            is_running = take_id in self._running
            size_bytes, known = path.stat().st_size, self._known.get(take_id)
            if known is not None and known.size_bytes == size_bytes:
                return known
            file = TakeFile(path)
        except (OSError, BlockFileError):  # removed in this moment, cut off in its first bytes, or damaged
            return None
        file.close()
        state, info = _state(is_running, file), file.info
        return TakeFacts(
            take_id, state, info.began_at, file.num_steps, size_bytes, info.model, info.room, file.has_sound
        )

    def _file(self, take_id: str, path: Path) -> TakeFile:
        """The file, with all its blocks of now: opened once, and read on from where it was."""
        if (file := self._files.get(take_id)) is None:
            file = TakeFile(path)
            self._files[take_id] = file
            while len(self._files) > FILES_OPEN:
                self._forget(next(iter(self._files)))
        else:
            file.follow()
        self._files.move_to_end(take_id)
        return file

    def _forget(self, take_id: str) -> None:
        if (file := self._files.pop(take_id, None)) is not None:
            file.close()


def _state(is_running: bool, file: TakeFile) -> TakeState:
    if is_running:
        return "recording"
    return "ended" if file.has_end else "cut_off"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
