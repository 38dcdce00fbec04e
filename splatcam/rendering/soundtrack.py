"""The sound of a film: samples → AAC beside the pictures. Knows an open container, no film and no recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from splatcam.rendering.camera import Array

ENCODER = "aac"
FRAME_SAMPLES = 1024  # of AAC
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # that AAC knows and films use
LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True, eq=False)
class FilmSound:
    """From the film's first frame on."""

    sample_rate: int
    samples: Array  # [N, channels] int16, 1 or 2 channels


class Soundtrack:
    def __init__(self, container: OutputContainer, sound: FilmSound) -> None:
        rate = next((rate for rate in RATES if rate >= sound.sample_rate), RATES[-1])
        layout = LAYOUTS[sound.samples.shape[1]]
        stream = container.add_stream(ENCODER, rate=rate)
        assert isinstance(stream, AudioStream)
        stream.layout = layout
        self._container = container
        self._stream = stream
        self._sound = sound
        self._layout = layout
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=FRAME_SAMPLES)
        self._written = 0

    def write_until(self, seconds: float) -> None:
        """What is heard until then, a little more or less."""
        while self._written < min(len(self._sound.samples), round(seconds * self._sound.sample_rate)):
            for frame in self._next_frames():
                self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """What the encoder still holds. Sound that goes on after the last picture is left out."""
        for frame in self._resampler.resample(None):
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))

    def _next_frames(self) -> Iterator[av.AudioFrame]:
        samples = self._sound.samples[self._written : self._written + FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._sound.sample_rate
        frame.pts, frame.time_base = self._written, Fraction(1, self._sound.sample_rate)
        self._written += len(samples)
        yield from self._resampler.resample(frame)
