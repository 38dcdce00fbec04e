"""The film: decoded from the file that was written; and what is left when it cannot be written."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from splatcam.gaussians import Gaussians
from splatcam.rendering import BLACK, Color, Image, Rasterizer
from splatcam.rendering.camera import Camera
from splatcam.rendering.framing import scene_bounds
from splatcam.rendering.paths import Shot, orbit
from splatcam.rendering.preview import PreviewFailed, write_preview
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.rendering.stills import STILLS, UnknownPicture, save_picture, still_paths, write_stills
from tests.oracles.clouds import pixel_cloud
from tests.oracles.films import atoms, decode

SMALL = Shot(seconds=0.5, fps=30, width=64, height=48)


class Dots:
    """A rasterizer that is quick: one white pixel for each mean."""

    name = "dots"

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        rgb = np.full((camera.height, camera.width, 3), background, np.float32)
        pixels, depth = camera.project(gaussians.means.numpy())
        inside = (depth > 0) & (pixels >= 0).all(axis=1) & (pixels < (camera.width, camera.height)).all(axis=1)
        x, y = pixels[inside].astype(int).T
        rgb[y, x] = 1.0
        return Image(rgb, np.zeros(rgb.shape[:2], np.float32), np.zeros(rgb.shape[:2], np.float32))


class Failing(Dots):
    """Draws some frames, then raises."""

    def __init__(self, error: BaseException, after: int) -> None:
        self.error, self.left = error, after

    def render(self, *arguments: Any) -> Image:
        if self.left == 0:
            raise self.error
        self.left -= 1
        return super().render(*arguments)


class Plain(Dots):
    """Every picture of one colour."""

    def __init__(self, color: Color) -> None:
        self.color = color

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        nothing = gaussians.select(gaussians.opacities > 2)
        return super().render(nothing, camera, self.color)


@pytest.fixture
def scene() -> Gaussians:
    return pixel_cloud(12, 16)


def small_orbit(scene: Gaussians) -> list[Camera]:
    return orbit(scene_bounds(scene), SMALL)


# ---------------------------------------------------------------- the contract


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default preview of a small scene, drawn by the real rasterizer."""
    path = tmp_path_factory.mktemp("film") / "preview.mp4"
    scene = pixel_cloud(16, 24)
    write_preview(scene, path, orbit(scene_bounds(scene), Shot()), build_rasterizer("auto"), Shot.fps)
    return path


def test_the_default_film_is_150_frames_of_720p_h264_in_5_seconds(film: Path) -> None:
    with av.open(str(film)) as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (1280, 720, 30)
        assert container.duration == 5_000_000  # microseconds
        assert sum(1 for _ in container.decode(stream)) == stream.frames == 150


def test_a_player_can_start_before_it_has_the_whole_film(film: Path) -> None:
    names = atoms(film)
    assert names.count("moov") == names.count("mdat") == 1
    assert names.index("moov") < names.index("mdat")


def test_every_frame_shows_the_scene_from_elsewhere(film: Path) -> None:
    small = [frame[::8, ::8].astype(np.int16) for frame in decode(film)]
    assert all(frame.max() > 60 for frame in small)
    assert all(np.abs(a - b).max() > 10 for a, b in zip(small, small[1:], strict=False))


def test_nothing_is_left_beside_the_film(film: Path) -> None:
    assert [path.name for path in film.parent.iterdir()] == ["preview.mp4"]


def test_frames_come_in_the_order_of_the_cameras(tmp_path: Path, scene: Gaussians) -> None:
    """The scene's dots are where each camera sees them."""
    cameras = small_orbit(scene)
    write_preview(scene, tmp_path / "a.mp4", cameras, Dots())
    for camera, frame in zip(cameras, decode(tmp_path / "a.mp4"), strict=True):
        expected = Dots().render(scene, camera).rgb8()[..., 0].astype(float)
        others = [Dots().render(scene, other).rgb8()[..., 0].astype(float) for other in cameras]
        alike = [np.corrcoef(frame[..., 0].ravel(), other.ravel())[0, 1] for other in others]
        assert np.array_equal(others[int(np.argmax(alike))], expected)


@pytest.mark.parametrize("color", [(1.0, 0.0, 0.0), (0.0, 0.6, 0.2), (0.1, 0.2, 0.9), (1.0, 1.0, 1.0)])
def test_colours_are_those_of_the_scene_and_marked_as_bt709(tmp_path: Path, scene: Gaussians, color: Color) -> None:
    write_preview(scene, tmp_path / "a.mp4", small_orbit(scene)[:2], Plain(color))
    with av.open(str(tmp_path / "a.mp4")) as container:
        context: Any = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        frame = next(container.decode(video=0))
        rgb = frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709").to_ndarray()
    assert np.abs(rgb.mean(axis=(0, 1)) / 255 - color).max() < 0.02


def test_the_background_is_what_was_asked_for(tmp_path: Path, scene: Gaussians) -> None:
    write_preview(scene, tmp_path / "a.mp4", small_orbit(scene)[:1], Dots(), background=(0.5, 0.5, 0.5))
    assert np.abs(decode(tmp_path / "a.mp4")[0][0, 0].astype(int) - 128).max() <= 3


@pytest.mark.parametrize("fps", [24, 29.97, 0.5])
def test_the_film_has_the_rate_that_was_asked_for(tmp_path: Path, scene: Gaussians, fps: float) -> None:
    write_preview(scene, tmp_path / "a.mp4", small_orbit(scene), Dots(), fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(fps, rel=1e-4)
        assert (container.duration or 0) / 1e6 == pytest.approx(15 / fps, rel=1e-3)


def test_progress_counts_every_frame(tmp_path: Path, scene: Gaussians) -> None:
    done: list[int] = []
    write_preview(scene, tmp_path / "a.mp4", small_orbit(scene), Dots(), progress=done.append)
    assert done == list(range(1, 16))


# ---------------------------------------------------------------- failures


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A film of another scene is there already."""
    path = tmp_path / "preview.mp4"
    path.write_bytes(b"another scene")
    return path


def assert_nothing_left(target: Path) -> None:
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("after", [0, 1, 14])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")], ids=["Ctrl-C", "bug"])
def test_an_interrupt_or_a_bug_leaves_no_film(target: Path, scene: Gaussians, error: BaseException, after: int) -> None:
    with pytest.raises(type(error)):
        write_preview(scene, target, small_orbit(scene), Failing(error, after))
    assert_nothing_left(target)


def test_a_disk_that_is_full_is_one_sentence_and_leaves_no_film(target: Path, scene: Gaussians) -> None:
    full = Failing(OSError(errno.ENOSPC, "No space left on device"), after=7)
    with pytest.raises(PreviewFailed, match="preview.mp4 cannot be written: No space left on device"):
        write_preview(scene, target, small_orbit(scene), full)
    assert_nothing_left(target)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to make a file larger, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 40, 3000])
def test_a_file_that_cannot_grow_is_one_sentence_and_leaves_no_film(target: Path, scene: Gaussians, size: int) -> None:
    with files_of_at_most(size), pytest.raises(PreviewFailed):
        write_preview(scene, target, small_orbit(scene), Dots())
    assert_nothing_left(target)


def test_a_film_that_lacks_a_frame_is_not_published(
    target: Path, scene: Gaussians, monkeypatch: pytest.MonkeyPatch
) -> None:
    from splatcam.rendering import preview

    pictures = preview._pictures
    monkeypatch.setattr(preview, "_pictures", lambda *rest: list(pictures(*rest))[:-1])
    with pytest.raises(PreviewFailed, match="only 14 of 15 frames"):
        write_preview(scene, target, small_orbit(scene), Dots())
    assert_nothing_left(target)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, scene: Gaussians) -> None:
    with pytest.raises(PreviewFailed, match="nowhere/preview.mp4 cannot be written: No such file or directory"):
        write_preview(scene, tmp_path / "nowhere" / "preview.mp4", small_orbit(scene), Dots())


def test_a_folder_in_the_place_of_the_film_is_one_sentence(tmp_path: Path, scene: Gaussians) -> None:
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(PreviewFailed, match="cannot be written"):
        write_preview(scene, tmp_path / "film.mp4", small_orbit(scene), Dots())


def test_odd_sides_are_refused(target: Path, scene: Gaussians) -> None:
    odd = [camera.resized(63, 48) for camera in small_orbit(scene)]
    with pytest.raises(PreviewFailed, match="63x48"):
        write_preview(scene, target, odd, Dots())
    assert_nothing_left(target)


def test_a_film_without_cameras_is_refused(target: Path, scene: Gaussians) -> None:
    with pytest.raises(PreviewFailed, match="at least one camera"):
        write_preview(scene, target, [], Dots())


def test_a_missing_encoder_is_one_sentence(target: Path, scene: Gaussians, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatcam.rendering.preview.ENCODER", "libx999")
    with pytest.raises(PreviewFailed, match="no encoder libx999"):
        write_preview(scene, target, small_orbit(scene), Dots())
    assert_nothing_left(target)


# ---------------------------------------------------------------- stills


def test_two_stills_are_beside_the_film_with_the_scene_in_their_middle(tmp_path: Path) -> None:
    from PIL import Image as Picture

    scene, rasterizer = pixel_cloud(24, 32), build_rasterizer("auto")
    paths = write_stills(scene, tmp_path / "preview.mp4", scene_bounds(scene), rasterizer, Shot(width=320, height=180))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["preview_angle.jpg", "preview_top.jpg"]
    for path in paths:
        with Picture.open(path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (320, 180))
            light = np.asarray(picture.convert("L"), float)
        y, x = np.mgrid[:180, :320]
        assert light.max() > 60
        assert (light * x).sum() / light.sum() == pytest.approx(160, abs=30)
        assert (light * y).sum() / light.sum() == pytest.approx(90, abs=20)


def test_the_still_from_the_top_looks_down(tmp_path: Path, scene: Gaussians) -> None:
    seen: list[Camera] = []

    class Spy(Dots):
        def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
            seen.append(camera)
            return super().render(gaussians, camera, background)

    write_stills(scene, tmp_path / "a.mp4", scene_bounds(scene), Spy(), SMALL)
    looks = {name: camera.world_from_camera[1, 2] for name, camera in zip(STILLS, seen, strict=True)}
    assert looks["top"] > 0.999  # down is +y
    assert looks["angle"] == pytest.approx(np.sin(np.radians(35)))


def test_stills_of_another_scene_do_not_remain_after_a_failure(tmp_path: Path, scene: Gaussians) -> None:
    film = tmp_path / "a.mp4"
    for path in still_paths(film).values():
        path.write_bytes(b"another scene")
    rasterizer: Rasterizer = Failing(KeyboardInterrupt(), after=1)
    with pytest.raises(KeyboardInterrupt):
        write_stills(scene, film, scene_bounds(scene), rasterizer, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["a_top.jpg"]  # the one that is done, and of this scene


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "A.JPEG", "a.webp"])
def test_a_picture_is_written_in_the_format_of_its_name(tmp_path: Path, name: str) -> None:
    from PIL import Image as Picture

    rgb = np.full((4, 6, 3), (10, 200, 30), np.uint8)
    save_picture(rgb, tmp_path / name)
    with Picture.open(tmp_path / name) as picture:
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - rgb).max() <= 8
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kept", [0.3, 0.99])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_picture_that_does_not_fit_on_the_disk_is_not_there_in_part(tmp_path: Path, name: str, kept: float) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    save_picture(rgb, tmp_path / name)
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).unlink()
    with files_of_at_most(int(kept * size)), pytest.raises(OSError):
        save_picture(rgb, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownPicture, match=r"a\.tiff.*\.png"):
        save_picture(np.zeros((2, 2, 3), np.uint8), tmp_path / "a.tiff")
    assert list(tmp_path.iterdir()) == []
