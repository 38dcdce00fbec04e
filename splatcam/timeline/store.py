"""A timeline in the making: any step can be written, changed and shown in any order. Knows no file, viewer and clock.

Each write is kept whole, in a pool that spills to disk; of each name the steps at which it was written are known. So a
scene costs one read for each of its names, wherever it is, and an edit spoils nothing that was prepared for later
steps. Blocks with checkpoints are made of that when a block is to leave the process.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import msgpack

from splatcam.timeline.blob_pool import Blob, BlobPool
from splatcam.timeline.block_file import MAX_STEP
from splatcam.timeline.nodes import MAX_NAME, MAX_NAMES, Block, Scene, Step, TimelineError, node_from_map, node_to_map

DEFAULT_MEMORY_BYTES = 64 << 20


@dataclass
class _History:
    """The writes of one name, in the order of their steps. None: from here on it is not there."""

    steps: list[int] = field(default_factory=list)
    blobs: list[Blob | None] = field(default_factory=list)

    def write(self, step: int, blob: Blob | None) -> Blob | None:
        """Returns what the step held before."""
        at = bisect_left(self.steps, step)
        if at < len(self.steps) and self.steps[at] == step:
            replaced, self.blobs[at] = self.blobs[at], blob
            return replaced
        self.steps.insert(at, step)
        self.blobs.insert(at, blob)
        return None

    def last_until(self, step: int) -> Blob | None:
        at = bisect_right(self.steps, step)
        return self.blobs[at - 1] if at else None

    def within(self, steps: range) -> Iterator[tuple[int, Blob | None]]:
        first, last = bisect_left(self.steps, steps.start), bisect_left(self.steps, steps.stop)
        return zip(self.steps[first:last], self.blobs[first:last], strict=True)

    def cut(self, num_steps: int) -> list[Blob | None]:
        """Forgets the writes from that step on, and returns them."""
        at = bisect_left(self.steps, num_steps)
        gone = self.blobs[at:]
        del self.steps[at:], self.blobs[at:]
        return gone


class TimelineStore:
    """Threads may share it."""

    def __init__(
        self, num_steps: int, memory_bytes: int = DEFAULT_MEMORY_BYTES, spill_folder: Path | None = None
    ) -> None:
        self._lock = RLock()
        self._pool = BlobPool(memory_bytes, spill_folder)
        self._histories: dict[str, _History] = {}
        self._static: dict[str, Blob] = {}
        self._num_steps = _checked_length(num_steps)

    @property
    def num_steps(self) -> int:
        return self._num_steps

    @property
    def memory_bytes(self) -> int:
        """Of what is written; the index beside it takes about a hundred bytes a write."""
        return self._pool.memory_bytes

    @property
    def spilled_bytes(self) -> int:
        return self._pool.spilled_bytes

    # ------------------------------------------------------------ writing

    def put(self, step: int, name: str, node: Any) -> None:
        """From this step on, until a later step writes the name again. Raises TimelineError, SpillFailed."""
        with self._lock:
            self._require_writable(step, name)
            self._write(step, name, self._pool.add(_packed(node)))

    def remove(self, step: int, name: str) -> None:
        """From this step on the name is not there, until a later step writes it again."""
        with self._lock:
            self._require_writable(step, name)
            self._write(step, name, None)

    def put_static(self, name: str, node: Any) -> None:
        """In every step, from now on."""
        with self._lock:
            self._require_name(name)
            if name in self._histories:
                raise TimelineError(f"{name!r} was recorded into steps: it cannot be static as well")
            blob = self._pool.add(_packed(node))
            self._drop(self._static.get(name))
            self._static[name] = blob

    def remove_static(self, name: str) -> None:
        with self._lock:
            self._drop(self._static.pop(name, None))

    def set_steps(self, num_steps: int) -> None:
        """Longer: the new steps show what the last one did. Shorter: what was written beyond the end is gone."""
        with self._lock:
            self._num_steps = _checked_length(num_steps)
            for name, history in list(self._histories.items()):
                for blob in history.cut(num_steps):
                    self._drop(blob)
                if not history.steps:
                    del self._histories[name]

    def clear(self) -> None:
        """Static nodes go too; the number of steps stays."""
        with self._lock:
            self._histories.clear()
            self._static.clear()
            self._pool.clear()

    def close(self) -> None:
        self._pool.close()

    def add_bytes(self, data: bytes) -> Blob:
        """Bytes of somebody else's under the same budget: sound."""
        with self._lock:
            return self._pool.add(data)

    def bytes_of(self, blob: Blob) -> bytes:
        with self._lock:
            return self._pool.get(blob)

    def drop_bytes(self, blob: Blob) -> None:
        with self._lock:
            self._pool.drop(blob)

    # ------------------------------------------------------------ reading

    def scene_at(self, step: int) -> Scene:
        """What is shown at a step: its names and nodes, static ones too. Raises TimelineError."""
        with self._lock:
            self._require_step(step)
            return {**self.static_scene(), **self._recorded_at(step)}

    def static_scene(self) -> Scene:
        with self._lock:
            return {name: self._node(blob) for name, blob in self._static.items()}

    def block(self, steps: range) -> Block:
        """Those steps, with the scene before them. Static nodes are in no block."""
        with self._lock:
            if not steps or steps.start < 0 or steps.stop > self._num_steps:
                raise TimelineError(f"steps {steps.start} to {steps.stop} are not within the timeline's")
            changes: list[dict[str, Any]] = [{} for _ in steps]
            for name, history in self._histories.items():
                for step, blob in history.within(steps):
                    changes[step - steps.start][name] = None if blob is None else self._node(blob)
            checkpoint = self._recorded_at(steps.start - 1, without=changes[0].keys())
            return Block(steps.start, tuple(Step(written) for written in changes), checkpoint)

    def written_sizes(self, steps: range) -> dict[int, list[int]]:
        """Step → the bytes of each node that it wrote, of those that wrote any, for who cuts blocks."""
        sizes: dict[int, list[int]] = {}
        with self._lock:
            for history in self._histories.values():
                for step, blob in history.within(steps):
                    if blob is not None:
                        sizes.setdefault(step, []).append(self._pool.size_bytes(blob))
        return sizes

    # ------------------------------------------------------------ inside

    def _recorded_at(self, step: int, without: Any = ()) -> Scene:
        blobs = {name: h.last_until(step) for name, h in self._histories.items() if name not in without}
        return {name: self._node(blob) for name, blob in blobs.items() if blob is not None}

    def _write(self, step: int, name: str, blob: Blob | None) -> None:
        self._drop(self._histories.setdefault(name, _History()).write(step, blob))

    def _node(self, blob: Blob) -> Any:
        return node_from_map(msgpack.unpackb(self._pool.get(blob)))

    def _drop(self, blob: Blob | None) -> None:
        if blob is not None:
            self._pool.drop(blob)

    def _require_writable(self, step: int, name: str) -> None:
        self._require_step(step)
        self._require_name(name)
        if name in self._static:
            raise TimelineError(f"{name!r} is static: it cannot be recorded into steps as well")

    def _require_name(self, name: str) -> None:
        if not 1 <= len(name) <= MAX_NAME:
            raise TimelineError(f"a name has 1 to {MAX_NAME} characters, not {len(name)}")
        is_new = name not in self._histories and name not in self._static
        if is_new and len(self._histories) + len(self._static) >= MAX_NAMES:
            raise TimelineError(f"a timeline has at most {MAX_NAMES} names")

    def _require_step(self, step: int) -> None:
        if not 0 <= step < self._num_steps:
            raise TimelineError(f"step {step} is outside the timeline's 0 to {self._num_steps - 1}")


def _packed(node: Any) -> bytes:
    return msgpack.packb(node_to_map(node))


def _checked_length(num_steps: int) -> int:
    if not 1 <= num_steps <= MAX_STEP:
        raise TimelineError(f"a timeline has at least one step and at most {MAX_STEP}, not {num_steps}")
    return num_steps
