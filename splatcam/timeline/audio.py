"""Sound beside the steps: tracks of 16-bit samples that begin at a step. Knows no file, no player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatcam.timeline.blob_pool import Blob
from splatcam.timeline.nodes import MAX_NAME, TimelineError
from splatcam.timeline.store import TimelineStore

MAX_RATE = 384_000
MAX_CHANNELS = 2
MAX_VOLUME = 4.0

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sound:
    """A track as a value."""

    name: str
    sample_rate: int
    start_step: int
    volume: float
    samples: Array  # [N, channels] int16

    def cut(self, first_step: int, last_step: int, fps: float) -> Sound | None:
        """What is heard while those steps are played, counted from the first of them; None for silence."""
        begin_s = (first_step - self.start_step) / fps
        end_s = (last_step + 1 - self.start_step) / fps
        first, last = (max(0, round(at_s * self.sample_rate)) for at_s in (begin_s, end_s))
        heard = self.samples[first:last]
        start_step = max(0, self.start_step - first_step)
        return Sound(self.name, self.sample_rate, start_step, self.volume, heard) if len(heard) else None


class AudioTrack:
    """A track of a timeline. Its samples live where the timeline's nodes do."""

    def __init__(
        self,
        name: str,
        sample_rate: int,
        start_step: int,
        store: TimelineStore,
        owner: dict[str, AudioTrack],
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.start_step = start_step
        self._store = store
        self._owner = owner
        self._changed = changed
        self._volume = 1.0
        self._channels = 0
        self._chunks: list[Blob] = []

    @property
    def volume(self) -> float:
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        if not 0 <= volume <= MAX_VOLUME:
            raise TimelineError(f"a volume is within 0 and {MAX_VOLUME:g}, not {volume}")
        self._volume = volume
        self._changed()

    @property
    def samples(self) -> Array:
        """[N, channels] int16."""
        data = b"".join(self._store.bytes_of(chunk) for chunk in self._chunks)
        return np.frombuffer(data, "<i2").reshape(-1, max(self._channels, 1))

    def append(self, samples: Array) -> None:
        """Right after what is there. [N] or [N, channels]: int16, uint8, or floats in -1..1."""
        plain = as_int16(samples)
        if self._channels and plain.shape[1] != self._channels:
            raise TimelineError(f"{self.name!r} has {self._channels} channel(s), not {plain.shape[1]}")
        self._chunks.append(self._store.add_bytes(plain.tobytes()))
        self._channels = plain.shape[1]
        self._changed()

    def remove(self) -> None:
        """It is heard no longer. A second time changes nothing."""
        if self._owner.get(self.name) is self:
            del self._owner[self.name]
        for chunk in self._chunks:
            self._store.drop_bytes(chunk)
        self._chunks = []
        self._changed()

    def sound(self) -> Sound:
        return Sound(self.name, self.sample_rate, self.start_step, self._volume, self.samples)


class AudioTracks:
    """The tracks of a timeline, by name."""

    def __init__(
        self, store: TimelineStore, current_step: Callable[[], int | None], changed: Callable[[], None]
    ) -> None:
        """`changed` is told that something else is heard."""
        self._store = store
        self._current_step = current_step
        self._changed = changed
        self._tracks: dict[str, AudioTrack] = {}

    def add_track(self, name: str, samples: Array, sample_rate: int, volume: float = 1.0) -> AudioTrack:
        """Begins at the step that is being recorded, else at 0. Replaces a track of that name. Raises TimelineError."""
        if not 1 <= len(name) <= MAX_NAME:
            raise TimelineError(f"a name has 1 to {MAX_NAME} characters, not {len(name)}")
        if not 1 <= sample_rate <= MAX_RATE:
            raise TimelineError(f"a sample rate is within 1 and {MAX_RATE}, not {sample_rate}")
        track = AudioTrack(name, sample_rate, self._current_step() or 0, self._store, self._tracks, self._changed)
        track.volume = volume
        track.append(samples)
        if name in self._tracks:
            self._tracks[name].remove()
        self._tracks[name] = track
        self._changed()  # once more: whoever looked when it was told before found it missing
        return track

    def sounds(self) -> list[Sound]:
        return [track.sound() for track in list(self._tracks.values())]

    def clear(self) -> None:
        for track in list(self._tracks.values()):
            track.remove()


def as_int16(samples: Array) -> Array:
    """[N] or [N, channels] → [N, channels] little-endian int16. Raises TimelineError."""
    given = np.asarray(samples)
    rows = given[:, None] if given.ndim == 1 else given
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= MAX_CHANNELS:
        raise TimelineError(f"samples are [N] or [N, channels] with {MAX_CHANNELS} channels at most, not {given.shape}")
    if rows.dtype == np.int16:
        return np.ascontiguousarray(rows, "<i2")
    if rows.dtype == np.uint8:
        return ((rows.astype(np.int16) - 128) * 256).astype("<i2")
    if not np.issubdtype(rows.dtype, np.floating):
        raise TimelineError(f"samples are int16, uint8 or floats, not {rows.dtype}")
    if not np.isfinite(rows).all():
        raise TimelineError("samples that are no numbers")
    return np.round(np.clip(rows, -1, 1) * 32767).astype("<i2")
