"""`splatcam depth`: from pictures and videos to depth in files, and every way to fail."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from splatcam.commands import depth
from splatcam.estimators import Prediction, registry
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.job.depth_files import coloured, ends_of_colour, png_per_unit, to_16_bits
from splatcam.pipeline import to_grid
from splatcam.scenes import render
from splatcam.settings import Settings
from tests.pictures import jpeg, picture
from tests.test_job_parts import noise, write_video
from tests.tiny_da3 import da3_registered, tiny_folder

__all__ = ["da3_registered", "tiny_folder"]
SMALL = ("--process-res", "56")
BUILTIN = ("--model", "builtin", *SMALL)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A wide JPEG and an upright PNG."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "first.jpg").write_bytes(jpeg(112, 84))
    Picture.fromarray(picture(84, 112)).save(folder / "second one.png")
    return folder


def about(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "depth.json").read_text())


def numbers(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / "npy" / f"{name}.npy")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err.strip()
    assert "\n" not in text and text.startswith("splatcam depth: ")
    return text.removeprefix("splatcam depth: ")


def test_each_picture_gives_numbers_a_16_bit_png_and_colours_under_its_own_name(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert depth.main([str(pictures), "-o", str(out), *BUILTIN]) == 0
    kinds = (("npy", "npy"), ("png16", "png"), ("colour", "jpg"))
    names = ("first", "second one")
    assert files(out) == {"depth.json", *(f"{kind}/{name}.{end}" for kind, end in kinds for name in names)}
    for name, shape in zip(names, ((42, 56), (56, 42)), strict=True):
        told = numbers(out, name)
        assert told.shape == shape and told.dtype == np.float32 and (told > 0).all()
        with (
            Picture.open(out / "png16" / f"{name}.png") as png,
            Picture.open(out / "colour" / f"{name}.jpg") as colours,
        ):
            assert png.mode == "I;16" and colours.mode == "RGB"
            assert png.size == colours.size == shape[::-1]
            levels = np.asarray(png)
        assert np.abs(levels / about(out)["png16"]["per_unit"] - told).max() <= 0.5 / about(out)["png16"]["per_unit"]
    assert "depth of 2 pictures by Built-in demonstration depth" in capsys.readouterr().out


def test_the_numbers_are_what_the_model_says_of_the_picture(pictures: Path, tmp_path: Path) -> None:
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    from splatcam.frames import decode_frame

    image = to_grid(decode_frame((pictures / "first.jpg").read_bytes()), 56)
    told = BuiltinEstimator(Settings()).estimate(image, wants_gaussians=False)[0].depth
    assert np.array_equal(numbers(tmp_path / "out", "first"), told.numpy())


def test_depth_json_says_what_the_numbers_mean(pictures: Path, tmp_path: Path) -> None:
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    told = about(tmp_path / "out")
    assert (told["model"], told["demonstration"], told["unit"]) == ("builtin", True, "the model's own")
    first, second = told["pictures"]
    assert (first["name"], first["picture"], first["grid"]) == ("first", [112, 84], [56, 42])
    assert (second["name"], second["picture"], second["grid"]) == ("second one", [84, 112], [42, 56])
    assert first["camera"] == {
        "fx": pytest.approx(48.497, abs=1e-3),
        "fy": pytest.approx(48.497, abs=1e-3),
        "cx": 28,
        "cy": 21,
    }
    depths = numbers(tmp_path / "out", "first")
    assert (first["nearest"], first["farthest"]) == (float(depths.min()), float(depths.max()))
    assert first["pixels_without_number"] == 0


def test_a_model_that_knows_metres_says_metres_and_its_png_has_millimetres(pictures: Path, tmp_path: Path) -> None:
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), "--model", "synthetic", *SMALL]) == 0
    assert about(tmp_path / "out")["unit"] == "metres"
    assert about(tmp_path / "out")["png16"]["per_unit"] == 1000
    assert np.allclose(numbers(tmp_path / "out", "first"), render(0.0, 56, 42)[1])


def test_pictures_stand_each_by_itself_and_frames_of_a_video_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("a", "b"):
        (tmp_path / "pictures" / f"{name}.jpg").write_bytes(jpeg(112, 84))
    write_video(tmp_path / "film.mp4", [picture(112, 84)] * 2)
    for footage in ("pictures", "film.mp4"):
        out = tmp_path / f"{footage} out"
        assert depth.main([str(tmp_path / footage), "-o", str(out), "--model", "synthetic", *SMALL]) == 0
    assert np.array_equal(numbers(tmp_path / "pictures out", "a"), numbers(tmp_path / "pictures out", "b"))
    one, other = (numbers(tmp_path / "film.mp4 out", f"film_0000{number}") for number in (0, 1))
    assert not np.array_equal(one, other)  # the scene has gone on


def test_a_video_at_rest_is_held_still_unless_it_is_asked_for_as_it_comes(tmp_path: Path) -> None:
    still = np.array(noise(0)).repeat(4, axis=0).repeat(4, axis=1)
    trembling = [np.clip(still.astype(int) + noise(n + 1)[0, 0, 0] % 5, 0, 255).astype(np.uint8) for n in range(6)]
    write_video(tmp_path / "film.mp4", trembling)
    changes = {}
    for mode in ("on", "off"):
        out = tmp_path / mode
        assert depth.main([str(tmp_path / "film.mp4"), "-o", str(out), *BUILTIN, "--steady", mode]) == 0
        ln = [np.log(numbers(out, f"film_{number:05d}")) for number in range(6)]
        changes[mode] = np.mean(np.abs(np.diff(ln, axis=0)))
    assert changes["on"] < changes["off"]


def test_a_picture_alone_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(112, 84))
    assert depth.main([str(tmp_path / "a.jpg"), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    assert [one["name"] for one in about(tmp_path / "out")["pictures"]] == ["a"]
    assert "depth of 1 picture by" in capsys.readouterr().out


def test_pictures_are_turned_as_their_camera_wrote_down(tmp_path: Path) -> None:
    turned = Picture.Exif()
    turned[0x0112] = 6  # a quarter
    (tmp_path / "pictures").mkdir()
    for name in ("a.jpg", "b.png"):
        Picture.fromarray(picture(112, 84)).save(tmp_path / "pictures" / name, exif=turned)
    assert depth.main([str(tmp_path / "pictures"), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    for one in about(tmp_path / "out")["pictures"]:
        assert (one["picture"], one["grid"]) == ([84, 112], [42, 56])
        assert numbers(tmp_path / "out", one["name"]).shape == (56, 42)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (600, 2), (2, 600)])
def test_the_smallest_and_the_thinnest_pictures_have_a_depth(tmp_path: Path, width: int, height: int) -> None:
    Picture.fromarray(picture(width, height)).save(tmp_path / "a.png")
    assert depth.main([str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    assert np.isfinite(numbers(tmp_path / "out", "a")).all()


@pytest.mark.da3
def test_depth_anything_3_gives_its_depth_too(tiny_folder: Path, pictures: Path, tmp_path: Path) -> None:
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), "--model", str(tiny_folder), *SMALL]) == 0
    assert about(tmp_path / "out")["model"] == tiny_folder.name
    assert np.isfinite(numbers(tmp_path / "out", "first")).all()


class Holed:
    """The built-in model, but for a corner without numbers."""

    def __init__(self, share: float) -> None:
        self._inner = BuiltinEstimator(Settings())
        self.info, self.holds, self._share = self._inner.info, self._inner.holds, share

    def estimate(self, image: torch.Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        prediction, _ = self._inner.estimate(image, wants_gaussians=False)
        depth = prediction.depth.clone()
        depth[: int(len(depth) * self._share)] = torch.nan
        return replace(prediction, depth=depth), None


def test_pixels_without_a_number_stay_without_one_in_every_file(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "build", lambda *_: Holed(0.25))
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    without = np.isnan(numbers(tmp_path / "out", "first"))
    assert without[:10].all() and not without[10:].any()
    with Picture.open(tmp_path / "out" / "png16" / "first.png") as png:
        assert np.array_equal(np.asarray(png) == 0, without)
    assert about(tmp_path / "out")["pictures"][0]["pixels_without_number"] == 10 * 56


def test_a_picture_mostly_without_numbers_is_a_failure_in_one_sentence(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "build", lambda *_: Holed(0.75))
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 1
    assert "first: " in (told := sentence(capsys)) and "no numbers" in told


def test_a_bar_tells_of_progress_on_a_terminal(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 0
    told = capsys.readouterr().err
    assert "depth" in told and "2/2" in told


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("missing", "-o", "out"), "there is no folder"),
        (("empty", "-o", "out"), "holds no video"),
        (("text.mp4", "-o", "out"), "text.mp4 is no video that can be read"),
        (("text.jpg", "-o", "out"), "text.jpg is no JPEG or PNG picture"),
        (("silent.mp4", "-o", "out"), "silent.mp4 holds no pictures"),
        (("twice", "-o", "out"), "2 pictures are named a"),
        (("pictures", "-o", "text.jpg"), "text.jpg"),
        (("pictures", "-o", "out", "--model", "nothing"), "no model named 'nothing'"),
        (("pictures", "-o", "out", "--process-res", "1"), "--process-res"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...], told: str,
) -> None:  # fmt: skip
    from tests.oracles.films import write_sound

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "twice").mkdir()
    for name in ("twice/a.jpg", "twice/a.jpeg"):
        (tmp_path / name).write_bytes(jpeg())
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "text.jpg").write_text("no picture")
    write_sound(tmp_path / "silent.mp4")
    assert depth.main([*given[:3], *BUILTIN, *given[3:]]) == 1
    assert told in sentence(capsys)


def test_a_folder_that_cannot_be_is_told_before_a_model_is_loaded(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "build", None)
    assert depth.main([str(pictures), "-o", str(pictures / "first.jpg"), *BUILTIN]) == 1
    assert "first.jpg" in sentence(capsys)


class Impatient(Holed):
    """Somebody presses Ctrl-C while it looks at the second picture."""

    def estimate(self, image: torch.Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        if image.shape[0] > image.shape[1]:
            raise KeyboardInterrupt
        return super().estimate(image, wants_gaussians=wants_gaussians, state=state)


def test_an_interrupt_ends_it_and_leaves_nothing_half_written(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "build", lambda *_: Impatient(0.0))
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 130
    assert "interrupted" in sentence(capsys)
    assert files(tmp_path / "out") == {"npy/first.npy"}


def test_a_file_that_cannot_be_is_told_before_a_model_is_loaded(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "build", None)
    (tmp_path / "out" / "depth.json").mkdir(parents=True)
    assert depth.main([str(pictures), "-o", str(tmp_path / "out"), *BUILTIN]) == 1
    assert "depth.json: Is a directory" in sentence(capsys)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("farthest", "metric", "per_unit"),
    [
        (4.5, True, 1000),
        (4.5, False, 10_000),
        (65.0, True, 1000),
        (66.0, True, 100),
        (0.9, False, 10_000),
        (0.6, False, 100_000),
    ],
)
def test_a_16_bit_png_holds_the_farthest_depth_in_a_round_scale(farthest: float, metric: bool, per_unit: float) -> None:
    assert png_per_unit(farthest, metric) == per_unit
    assert to_16_bits(np.float32([[farthest]]), per_unit) == round(farthest * per_unit)


def test_what_is_nearer_than_a_level_is_not_taken_for_a_hole() -> None:
    assert to_16_bits(np.float32([[1e-6, np.nan]]), 1000).tolist() == [[1, 0]]


def test_near_is_warm_far_is_blue_and_a_hole_is_black() -> None:
    near, far, hole = coloured(np.float32([[0.5, 5.0, np.nan]]), (0.5, 5.0))[0].astype(int)
    assert near[0] > near[2] and far[2] > far[0] and (hole == 0).all()


def test_a_wall_has_one_colour() -> None:
    wall = np.float32(2 + np.random.default_rng(0).normal(0, 0.002, (9, 9)))
    assert int(np.ptp(coloured(wall, ends_of_colour(wall)), axis=(0, 1)).max()) < 60
