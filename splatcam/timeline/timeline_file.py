"""Timelines as .scam files: what each kind of block says, written and read. docs/scam-format.md has the fields.

A file that is read is shown step by step from the block that holds the step, and from no other. Knows nothing of who
records and who watches.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from splatcam.timeline.audio import MAX_CHANNELS, MAX_RATE, MAX_VOLUME, Sound
from splatcam.timeline.block_file import BlockEntry, BlockFileError, BlockKind, BlockReader, BlockWriter, CutOff
from splatcam.timeline.lru import ByteLru
from splatcam.timeline.nodes import (
    MAX_NAMES,
    Block,
    Name,
    Scene,
    StepFacts,
    TimelineError,
    scene_from_map,
    scene_to_map,
)
from splatcam.timeline.payload import Map, PayloadError
from splatcam.timeline.store import TimelineStore

BLOCK_STEPS = 32
BLOCK_BYTES = 4 << 20  # a block ends before it grows beyond; one step may be larger: a seek waits for one block
AUDIO_BLOCK_BYTES = 4 << 20
MAX_AUDIO_BYTES = 1 << 29  # of all tracks of a file
DEFAULT_CACHE_BYTES = 96 << 20  # of decoded blocks
Source = Literal["recording", "timeline"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Info(_Part):
    """The first block of a file."""

    source: Source = "recording"  # of a camera, or made by a program
    fps: float = Field(30.0, gt=0, le=1000)  # of a timeline; the steps of a recording say when they came
    model: str = Field("", max_length=200)  # that saw the camera's frames
    began_at: str = Field("", max_length=64)  # ISO 8601
    room: str = Field("", max_length=64)  # the name under which its camera was watched


class End(_Part):
    """The last block of a file that was ended in order."""

    lost: int = Field(0, ge=0)  # frames that could not be recorded, of the whole file
    lost_at_end: int = Field(0, ge=0)  # those after the last step


class AudioPart(_Part):
    """A piece of a track. Pieces of one name follow each other."""

    name: Name
    sample_rate: Annotated[int, Field(ge=1, le=MAX_RATE)]
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
    start_step: Annotated[int, Field(ge=0)]
    volume: Annotated[float, Field(ge=0, le=MAX_VOLUME)]
    samples: bytes
    captured_at_ms: float | None = None  # of its first sample, by the clock of the steps' facts; None: right after

    def to_map(self) -> Map:
        return {name: value for name, value in self.__dict__.items() if value is not None}


# ---------------------------------------------------------------- writing


def write_timeline(writer: BlockWriter, store: TimelineStore, sounds: list[Sound], steps: range, fps: float) -> None:
    """The given steps, counted from 0 in the file. Raises TimelineError for what is too large for a file."""
    try:
        _write_blocks(writer, store, sounds, steps, fps)
    except PayloadError as error:
        raise TimelineError(f"this does not fit into a file: {error}") from None


def _write_blocks(writer: BlockWriter, store: TimelineStore, sounds: list[Sound], steps: range, fps: float) -> None:
    writer.append(BlockKind.INFO, range(0), Info(source="timeline", fps=fps).model_dump())
    if static := store.static_scene():
        writer.append(BlockKind.STATIC, range(0), scene_to_map(static))
    heard = [cut for sound in sounds if (cut := sound.cut(steps.start, steps.stop - 1, fps)) is not None]
    if sum(sound.samples.nbytes for sound in heard) > MAX_AUDIO_BYTES:
        raise TimelineError(f"a file holds at most {MAX_AUDIO_BYTES} bytes of sound")
    for sound in heard:
        write_sound(writer, sound)
    for part in block_ranges(store, steps):
        first = part.start - steps.start
        writer.append(BlockKind.STEPS, range(first, first + len(part)), store.block(part).to_map())
    writer.append(BlockKind.END, range(0), End().model_dump())


def block_ranges(store: TimelineStore, steps: range) -> Iterator[range]:
    """`steps` in blocks: a few dozen steps, less where they are large. Also what a page fetches at a time."""
    written = store.written_sizes(steps)
    first, size_bytes, nodes = steps.start, 0, 0
    for step in steps:
        sizes = written.get(step, [])
        is_full = size_bytes + sum(sizes) > BLOCK_BYTES or nodes + len(sizes) > MAX_NAMES or step - first >= BLOCK_STEPS
        if step > first and is_full:
            yield range(first, step)
            first, size_bytes, nodes = step, 0, 0
        size_bytes, nodes = size_bytes + sum(sizes), nodes + len(sizes)
    yield range(first, steps.stop)


def write_sound(writer: BlockWriter, sound: Sound) -> None:
    for part in parts_of(sound):
        writer.append(BlockKind.AUDIO, range(0), part.to_map())


def parts_of(sound: Sound) -> Iterator[AudioPart]:
    """A track in pieces that fit into blocks."""
    data = sound.samples.tobytes()
    for at in range(0, len(data), AUDIO_BLOCK_BYTES):
        yield AudioPart(
            name=sound.name, sample_rate=sound.sample_rate, channels=sound.samples.shape[1],
            start_step=sound.start_step, volume=sound.volume, samples=data[at : at + AUDIO_BLOCK_BYTES],
        )  # fmt: skip


# ---------------------------------------------------------------- reading


class RecordedTimeline:
    """A .scam file, any step in any order. Threads may share it. Every method may raise BlockFileError, OSError.

    `follow` makes it longer while the file is still being recorded.
    """

    def __init__(self, reader: BlockReader, name: str, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._reader = reader
        self._name = name
        self._lock = Lock()
        self._blocks: ByteLru[int, Block] = ByteLru(cache_bytes)
        self.info = Info()  # of a file that was cut off before its first block
        self.end: End | None = None  # None: it was not ended in order, or is still being recorded
        self._audio: list[BlockEntry] = []
        self._static: Scene = {}
        self._steps: list[BlockEntry] = []
        self._starts: list[int] = []
        self._seen = 0
        self._look_at_new_blocks()

    @classmethod
    def open(cls, path: Path, cache_bytes: int = DEFAULT_CACHE_BYTES) -> RecordedTimeline:
        reader = BlockReader.open(path)
        try:
            return cls(reader, path.name, cache_bytes)
        except (BlockFileError, OSError):
            reader.close()
            raise

    @classmethod
    def from_bytes(cls, data: bytes, cache_bytes: int = DEFAULT_CACHE_BYTES) -> RecordedTimeline:
        return cls(BlockReader(io.BytesIO(data), "the file"), "the file", cache_bytes)

    def close(self) -> None:
        self._reader.close()

    @property
    def num_steps(self) -> int:
        return self._steps[-1].first_step + self._steps[-1].num_steps if self._steps else 0

    @property
    def cut_off(self) -> CutOff | None:
        """What lies torn at the end, if anything does."""
        return self._reader.cut_off

    @property
    def block_ranges(self) -> list[range]:
        """The steps of each block."""
        return [range(entry.first_step, entry.first_step + entry.num_steps) for entry in self._steps]

    def follow(self) -> int:
        """Takes what was recorded since. Returns the number of new blocks."""
        new = self._reader.follow()
        self._look_at_new_blocks()
        return new

    def scene_at(self, step: int) -> Scene:
        """Raises TimelineError for a step outside the file."""
        return {**self._static, **self.block_of(step).scene_at(step)}

    def facts_at(self, step: int) -> StepFacts | None:
        block = self.block_of(step)
        return block.steps[step - block.first_step].facts

    def block_of(self, step: int) -> Block:
        """The block that holds a step: read at most once while it stays among those used last."""
        if not 0 <= step < self.num_steps:
            raise TimelineError(f"step {step} is outside the {self.num_steps} steps of {self._name}")
        return self._block(bisect_right(self._starts, step) - 1)

    def static_scene(self) -> Scene:
        """What is there in every step."""
        return dict(self._static)

    def audio_parts(self) -> Iterator[AudioPart]:
        """The pieces of all sounds, one by one as they lie in the file."""
        for entry in self._audio:
            yield self._understood(entry, AudioPart.model_validate)

    def sounds(self) -> list[Sound]:
        parts: dict[str, list[AudioPart]] = {}
        left_bytes = MAX_AUDIO_BYTES
        for part in self.audio_parts():
            parts.setdefault(part.name, []).append(part)
            left_bytes -= len(part.samples)
            if left_bytes < 0:
                raise BlockFileError(f"{self._name} has more than {MAX_AUDIO_BYTES} bytes of sound")
        return [self._sound(pieces) for pieces in parts.values()]

    def _sound(self, pieces: list[AudioPart]) -> Sound:
        first = pieces[0]
        data = b"".join(piece.samples for piece in pieces)
        if any(piece.channels != first.channels for piece in pieces) or len(data) % (2 * first.channels):
            raise BlockFileError(f"the pieces of the sound {first.name!r} in {self._name} do not fit each other")
        samples = np.frombuffer(data, "<i2").reshape(-1, first.channels)
        return Sound(first.name, first.sample_rate, first.start_step, first.volume, samples)

    def _block(self, index: int) -> Block:
        with self._lock:
            block = self._blocks.get(index)
            if block is None:
                entry = self._steps[index]
                steps = range(entry.first_step, entry.first_step + entry.num_steps)
                block = self._understood(entry, lambda fields: Block.from_map(fields, steps))
                size_bytes = _size_of(block)
                while (oldest := self._blocks.excess(size_bytes)) is not None:
                    self._blocks.pop(oldest[0])
                self._blocks.put(index, block, size_bytes)
            return block

    def _look_at_new_blocks(self) -> None:
        entries = self._reader.entries
        for at in range(self._seen, len(entries)):
            entry = entries[at]
            if (at == 0) != (entry.kind == BlockKind.INFO):
                raise BlockFileError(f"{self._name} does not begin with what it is, or says so twice")
            self._look_at(entry)
        self._seen = len(entries)

    def _look_at(self, entry: BlockEntry) -> None:
        match entry.kind:
            case BlockKind.INFO:
                self.info = self._understood(entry, Info.model_validate)
            case BlockKind.END:
                self.end = self._understood(entry, End.model_validate)
            case BlockKind.STATIC:
                if self._static:
                    raise BlockFileError(f"{self._name} has more than one block of what is static")
                self._static = self._understood(entry, scene_from_map)
            case BlockKind.AUDIO:
                self._audio.append(entry)
            case BlockKind.STEPS:
                if entry.first_step != self.num_steps or entry.num_steps < 1:
                    raise BlockFileError(f"the steps of {self._name} do not follow each other")
                self._starts.append(entry.first_step)
                self._steps.append(entry)  # last: from now on other threads see its steps

    def _understood(self, entry: BlockEntry, read: Any) -> Any:
        fields: Map = self._reader.payload(entry)
        try:
            return read(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except ValueError as error:
            why = str(error)
        raise BlockFileError(f"the block at byte {entry.offset} of {self._name} says nothing that is known: {why}")


def _size_of(block: Block) -> int:
    """About the bytes that a decoded block takes."""
    scenes = [block.checkpoint, *(step.changes for step in block.steps)]
    nodes = (node for scene in scenes for node in scene.values() if node is not None)
    return sum(1000 + sum(len(v) for v in node.__dict__.values() if isinstance(v, bytes)) for node in nodes)
