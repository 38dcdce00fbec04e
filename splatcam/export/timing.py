"""When the steps of a recording are shown, and what is heard meanwhile. Times in seconds from the first step on.

A program's timeline has its own rate. A camera's steps are shown as they came in, at the rate that most of them had.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatcam.export.decoded import ExportFailed
from splatcam.rendering.soundtrack import FilmSound
from splatcam.timeline import RecordedTimeline
from splatcam.timeline.audio import Sound
from splatcam.timeline.nodes import StepFacts

MAX_FPS = 120.0
MIN_FPS = 0.2
ROUNDING_S = 1e-6
LONGEST_FILM_S = 24 * 3600.0
MAX_SAMPLES = 1 << 27  # of a film: two hours of a microphone, half a gigabyte while they are mixed

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Timing:
    """Of some steps, one after the other."""

    times_s: Array  # [N] f64, from 0 on, never falling
    fps: float
    captured_ms: Array | None  # [N] f64, by the camera's clock; None: a program wrote the steps

    @property
    def seconds(self) -> float:
        """Until the last step has been seen as long as the others."""
        return float(self.times_s[-1]) + 1 / self.fps

    def shown_at(self, seconds: float) -> int:
        """Which of the steps: the last one from its time on."""
        return max(0, bisect_right(self.times_s, seconds + ROUNDING_S) - 1)

    def heard_at(self, captured_ms: float) -> float:
        """When something is heard that was captured at that time."""
        assert self.captured_ms is not None
        at = max(0, bisect_right(self.captured_ms, captured_ms) - 1)
        return float(self.times_s[at] + (captured_ms - self.captured_ms[at]) / 1e3)


def timing_of(recorded: RecordedTimeline, steps: range) -> Timing:
    facts = [recorded.facts_at(step) for step in steps]
    known = [each for each in facts if each is not None]
    if len(known) < len(facts):
        fps = recorded.info.fps
        return Timing(np.arange(len(steps)) / fps, min(fps, MAX_FPS), None)
    return _of_camera(known, recorded.info.fps)


def _of_camera(facts: list[StepFacts], fps: float) -> Timing:
    """A clock that jumped back, as after a restart, counts as a usual pause."""
    pauses_s = np.diff(np.array([each.received_at_ms for each in facts])) / 1e3
    usual = pauses_s[pauses_s > 0]
    usual_s = float(np.median(usual)) if len(usual) else 1 / fps
    rate = float(np.clip(1 / usual_s, MIN_FPS, MAX_FPS))
    pauses_s = np.where((pauses_s < 0) | (pauses_s > LONGEST_FILM_S), 1 / rate, pauses_s)
    captured = np.maximum.accumulate([each.captured_at_ms for each in facts])
    return Timing(np.concatenate(([0.0], np.cumsum(pauses_s))), rate, captured)


# ---------------------------------------------------------------- sound


def sound_of(recorded: RecordedTimeline, steps: range, timing: Timing) -> FilmSound | None:
    """All that is heard while the steps are shown, mixed; None for silence. Raises ExportFailed."""
    tracks = [*_timed_tracks(recorded, timing), *_plain_tracks(recorded, steps)]
    if not tracks:
        return None
    rate = max(track.sample_rate for _, track in tracks)
    channels = max(track.samples.shape[1] for _, track in tracks)
    count = round(timing.seconds * rate)
    if count * channels > MAX_SAMPLES:
        raise ExportFailed("its sound is too long for a film: take some of the steps, with --first and --last")
    mix = np.zeros((count, channels), np.float32)
    for at_s, track in tracks:
        first = round(at_s * rate)
        _add(mix, first, _resampled(track, rate, count - first) * track.volume)
    return FilmSound(rate, np.clip(np.round(mix, out=mix), -32768, 32767, out=mix).astype(np.int16))


def _timed_tracks(recorded: RecordedTimeline, timing: Timing) -> list[tuple[float, Sound]]:
    """Pieces that tell when they were captured, each with its own time in the film."""
    if timing.captured_ms is None:
        return []
    found = []
    for part in recorded.audio_parts():
        if part.captured_at_ms is None:
            continue
        samples = np.frombuffer(part.samples[: len(part.samples) // (2 * part.channels) * 2 * part.channels], "<i2")
        sound = Sound(part.name, part.sample_rate, 0, part.volume, samples.reshape(-1, part.channels))
        at_s = timing.heard_at(part.captured_at_ms)
        if len(samples) and -len(sound.samples) / sound.sample_rate < at_s < timing.seconds:
            found.append((at_s, sound))
    return found


def _plain_tracks(recorded: RecordedTimeline, steps: range) -> list[tuple[float, Sound]]:
    """Sounds that begin at a step and go on without a pause."""
    timed = {part.name for part in recorded.audio_parts() if part.captured_at_ms is not None}
    fps = recorded.info.fps
    cuts = (sound.cut(steps.start, steps.stop - 1, fps) for sound in recorded.sounds() if sound.name not in timed)
    return [(cut.start_step / fps, cut) for cut in cuts if cut is not None]


def _resampled(sound: Sound, rate: int, most: int) -> Array:
    """[N, channels] f32 at another rate, between neighbours: enough where rates differ at all. At `most` so many."""
    samples = sound.samples.astype(np.float32)
    if sound.sample_rate == rate:
        return samples
    at = np.arange(min(int(len(samples) * rate / sound.sample_rate), most)) * (sound.sample_rate / rate)
    columns = [np.interp(at, np.arange(len(samples)), column) for column in samples.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _add(mix: Array, first: int, samples: Array) -> None:
    """In place, as far as they overlap. One channel is heard in all."""
    begin, end = max(first, 0), min(first + len(samples), len(mix))
    if begin < end:
        mix[begin:end] += samples[begin - first : end - first]
