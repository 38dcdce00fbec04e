"""Cameras and scenes → a film: H.264 in an MP4 that players can start before they have all of it.

A scene for each frame: whether it is the same one all the time is not known here. Owns the encoder and what is on
disk: the whole film under its name, or nothing. A film that is there already goes first of all, because after a
failure it would show another scene. Knows no paths (`paths.py`) and no scene files.

One frame is drawn while the one before it is encoded: PyAV lets go of the interpreter, and so do the rasterizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from splatcam.atomic import published
from splatcam.gaussians import Gaussians
from splatcam.rendering import BLACK, Color, Rasterizer
from splatcam.rendering.camera import Array, Camera
from splatcam.rendering.soundtrack import FilmSound, Soundtrack

SUFFIX = ".mp4"
ENCODER = "libx264"
ENCODER_OPTIONS = {"crf": "20", "preset": "medium"}
CONTAINER_OPTIONS = {"movflags": "+faststart"}  # moov before mdat; needs a real file, since FFmpeg opens it again
BT709 = 1  # ITU-T H.273 gives its matrix, its primaries and its curve the same number
LIMITED_RANGE = 1  # 16 to 235, as players expect it
LARGEST_RATE_DENOMINATOR = 1001  # 29.97 is 30000 / 1001

Progress = Callable[[int], None]  # how many frames are drawn


class PreviewFailed(RuntimeError):
    """The film cannot be written; the message is one sentence."""


def write_preview(
    gaussians: Gaussians,
    path: Path,
    cameras: Sequence[Camera],
    rasterizer: Rasterizer,
    fps: float = 30,
    background: Color = BLACK,
    progress: Progress = lambda frames: None,
) -> None:
    """One frame of a scene for each camera, all of one size. Raises PreviewFailed; then there is no film at `path`."""
    write_film(repeat(gaussians), path, cameras, rasterizer, fps, background, progress)


def write_film(
    scenes: Iterable[Gaussians],
    path: Path,
    cameras: Sequence[Camera],
    rasterizer: Rasterizer,
    fps: float = 30,
    background: Color = BLACK,
    progress: Progress = lambda frames: None,
    sound: FilmSound | None = None,
) -> None:
    """One frame for each camera, all of one size, each of a scene of its own: as many of them are taken.

    Raises PreviewFailed, and what `scenes` raises; then there is no film at `path`.
    """
    require_film(path)
    try:
        path.unlink(missing_ok=True)
        _require_encoder(cameras)
        with published(path) as beside, _plain_errors():
            pictures = _pictures(scenes, cameras, rasterizer, background, progress)
            _film(beside, pictures, cameras[0], fps, sound)
            _require_complete(beside, len(cameras))
    except OSError as error:
        raise PreviewFailed(f"{path} cannot be written: {error.strerror or error}") from error


def require_film(path: Path) -> None:
    """To be asked before anything is removed: a file of another name is no earlier film. Raises PreviewFailed."""
    if path.suffix.lower() != SUFFIX:
        raise PreviewFailed(f"{path.name}: a film's name ends in {SUFFIX}")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """FFmpeg's errors have a file name that cannot be changed, and not all of them are an OSError."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def _require_encoder(cameras: Sequence[Camera]) -> None:
    if not cameras:
        raise PreviewFailed("a film needs at least one camera")
    width, height = cameras[0].width, cameras[0].height
    if width % 2 or height % 2:
        raise PreviewFailed(f"a film of {width}x{height} cannot be encoded: H.264 players want even sides")
    try:
        av.codec.Codec(ENCODER, "w")
    except UnknownCodecError:
        raise PreviewFailed(f"this build of PyAV has no encoder {ENCODER}: install the wheel of `av`") from None


def _pictures(
    scenes: Iterable[Gaussians],
    cameras: Sequence[Camera],
    rasterizer: Rasterizer,
    background: Color,
    progress: Progress,
) -> Iterator[Array]:
    """[H, W, 3] uint8, one by one as they are asked for."""
    for done, (camera, scene) in enumerate(zip(cameras, scenes, strict=False), start=1):
        yield rasterizer.render(scene, camera, background).rgb8()
        progress(done)


def _film(path: Path, pictures: Iterator[Array], camera: Camera, fps: float, sound: FilmSound | None) -> None:
    rate = Fraction(fps).limit_denominator(LARGEST_RATE_DENOMINATOR)
    # the pool ends before the container is closed, so that nothing is encoded into a closed one
    with av.open(str(path), "w", format="mp4", options=CONTAINER_OPTIONS) as container:
        stream = _add_stream(container, camera, rate)
        soundtrack = None if sound is None else Soundtrack(container, sound)
        with ThreadPoolExecutor(1, thread_name_prefix="encoder") as encoder:
            before: Future[None] | None = None
            for index, picture in enumerate(pictures):
                if before is not None:
                    before.result()
                before = encoder.submit(_encode, container, stream, picture, index, soundtrack)
            if before is not None:
                before.result()
        container.mux(stream.encode(None))
        if soundtrack is not None:
            soundtrack.finish()


def _add_stream(container: OutputContainer, camera: Camera, rate: Fraction) -> VideoStream:
    """Marked as BT.709, which players take a film of this size for anyway."""
    stream = container.add_stream(ENCODER, rate=rate, options=ENCODER_OPTIONS)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = camera.width, camera.height, "yuv420p"
    context: Any = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    return stream


def _encode(
    container: OutputContainer, stream: VideoStream, picture: Array, index: int, soundtrack: Soundtrack | None
) -> None:
    """A picture, and what is heard while it is seen: so that neither has to wait for the other in memory."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
    frame.pts, frame.time_base = index, 1 / Fraction(stream.codec_context.framerate)
    container.mux(stream.encode(frame))
    if soundtrack is not None:
        soundtrack.write_until(float((index + 1) * frame.time_base))


def _require_complete(path: Path, frames: int) -> None:
    """A disk that is full at the very end is told by nobody else."""
    with av.open(str(path)) as container:
        written = container.streams.video[0].frames
    if written != frames:
        raise PreviewFailed(f"only {written} of {frames} frames could be written")
