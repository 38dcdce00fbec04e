from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

from splatcam.bench.clip import ClipUnreadable, load_clip
from tests.oracles.films import write_sound
from tests.pictures import jpeg, picture

NO_CLIPS = (
    ("missing.mkv", "no clip"),
    ("empty", "no pictures"),
    ("text.mkv", "text.mkv is no video that can be read: Invalid data found when processing input$"),
    ("sound.mp4", "sound.mp4 holds no pictures$"),
)


def write_video(path: Path, frames: int, fps: int = 15) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        for n in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(seed=n), format="rgb24")))
        container.mux(stream.encode())


def write_folder(path: Path, frames: int) -> Path:
    path.mkdir(exist_ok=True)
    for n in range(frames):
        (path / f"{n:03}.jpg").write_bytes(jpeg(seed=n))
    return path


def test_a_video_becomes_jpegs_at_its_own_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", 6)
    clip = load_clip(tmp_path / "clip.mkv")
    assert (len(clip.jpegs), clip.fps, clip.width, clip.height) == (6, 15.0, 96, 72)
    shown = simplejpeg.decode_jpeg(clip.jpegs[3]).astype(int)
    assert np.abs(shown - picture(seed=3)).mean() < 12


def test_a_video_is_made_smaller_where_it_is_larger_than_asked(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", 2)
    for asked, size in ((48, (48, 36)), (96, (96, 72)), (200, (96, 72))):
        clip = load_clip(tmp_path / "clip.mkv", long_side_px=asked)
        assert (clip.width, clip.height) == size
        assert simplejpeg.decode_jpeg(clip.jpegs[1]).shape == (size[1], size[0], 3)


def test_a_folder_is_played_in_the_order_of_its_names_and_unchanged(tmp_path: Path) -> None:
    clip = load_clip(write_folder(tmp_path / "frames", 3))
    assert clip.jpegs == tuple(jpeg(seed=n) for n in range(3))


def test_a_clip_may_be_cut_short(tmp_path: Path) -> None:
    assert len(load_clip(write_folder(tmp_path / "frames", 5), max_frames=2).jpegs) == 2


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    one, same, other = (load_clip(write_folder(tmp_path / n, frames)) for n, frames in (("a", 2), ("b", 2), ("c", 3)))
    assert one.digest == same.digest != other.digest


def test_what_is_no_clip_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mkv").write_text("no video")
    write_sound(tmp_path / "sound.mp4")
    for name, words in NO_CLIPS:
        with pytest.raises(ClipUnreadable, match=words):
            load_clip(tmp_path / name)
