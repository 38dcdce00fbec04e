"""`splatcam preview`, `render` and `splat`: from files to files, and every way to fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image as Picture

from gsply_helpers import dc_from_rgb
from splatcam.commands import preview, render, splat
from splatcam.files import load_scene, save_scene
from splatcam.gaussians import Gaussians
from splatcam.rendering import shading
from tests.oracles.clouds import pixel_cloud
from tests.pictures import jpeg, picture

SMALL = ("--seconds", "0.2", "--size", "64x48", "--threads", "1")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """One to three units before the camera; red at the left, blue at the right."""
    cloud = pixel_cloud(24, 32)
    colors = torch.where(cloud.means[:, :1] < 0, torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0, 1.0]]))
    solid = replace(cloud, scales=torch.full_like(cloud.scales, 0.06), opacities=torch.full((cloud.count,), 0.9))
    path = tmp_path / "scene.ply"
    save_scene(replace(solid, sh=dc_from_rgb(colors)[:, None]), path)
    return path


def frames_of(path: Path) -> tuple[int, tuple[int, int], float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.frames, (stream.width, stream.height), float(stream.average_rate or 0)


def one_sentence(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """What stands on stderr, without the command's name."""
    text = capsys.readouterr().err.strip()
    assert "\n" not in text and text.startswith(f"splatcam {command}: ")
    return text.removeprefix(f"splatcam {command}: ")


# ---------------------------------------------------------------- preview


def test_preview_writes_a_film_and_two_stills(scene: Path, tmp_path: Path) -> None:
    film = tmp_path / "out.mp4"
    assert preview.main([str(scene), "-o", str(film), *SMALL]) == 0
    assert frames_of(film) == (6, (64, 48), 30)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"scene.ply", "out.mp4", "out_top.jpg", "out_angle.jpg"}


@pytest.mark.parametrize("path", preview.PATHS)
@pytest.mark.parametrize("up", ["-y", "+y"])
def test_preview_films_along_either_path(scene: Path, tmp_path: Path, path: str, up: str) -> None:
    from splatcam.transform import preset, rotate

    if up == "+y":
        save_scene(rotate(load_scene(scene), preset("y-up")), scene)
    film = tmp_path / "out.mp4"
    assert preview.main([str(scene), "-o", str(film), "--no-stills", "--path", path, f"--up={up}", *SMALL]) == 0
    assert not (tmp_path / "out_top.jpg").exists()
    with av.open(str(film)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    red, blue = (first[:, half, channel].mean() for half, channel in ((slice(0, 32), 0), (slice(32, 64), 2)))
    assert red > 40 and blue > 40  # red is still at the left
    assert first[:, :24, 2].mean() < red / 3


def test_preview_follows_a_camera_path_and_writes_one(scene: Path, tmp_path: Path) -> None:
    film, path = tmp_path / "out.mp4", tmp_path / "path.json"
    assert preview.main([str(scene), "-o", str(film), "--no-stills", "--save-camera-path", str(path), *SMALL]) == 0
    value = json.loads(path.read_text())
    assert (len(value["camera_path"]), value["render_width"], value["fps"]) == (6, 64, 30)
    value["seconds"], value["camera_path"] = 0.5, value["camera_path"][:5]
    path.write_text(json.dumps(value))
    along = ["--no-stills", "--camera-path", str(path)]
    assert preview.main([str(scene), "-o", str(film), *along]) == 0
    assert frames_of(film) == (5, (64, 48), 10)
    assert preview.main([str(scene), "-o", str(film), *along, "--fps", "24", "--size", "32x32"]) == 0
    assert frames_of(film) == (5, (32, 32), 24)


def test_preview_makes_the_stills_when_the_film_fails(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "out.mp4"
    film.write_bytes(b"another scene")
    assert preview.main([str(scene), "-o", str(film), "--size", "63x48"]) == 1
    assert "63x48" in one_sentence(capsys, "preview")
    assert not film.exists() and (tmp_path / "out_top.jpg").exists()


def test_preview_into_a_folder_that_is_not_there_is_one_sentence(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview.main([str(scene), "-o", str(tmp_path / "none" / "out.mp4"), *SMALL]) == 1
    assert "No such file or directory" in one_sentence(capsys, "preview")
    assert list(tmp_path.iterdir()) == [scene]


def test_preview_removes_pictures_of_another_scene_also_when_this_one_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("out.mp4", "out_top.jpg", "out_angle.jpg"):
        (tmp_path / name).write_bytes(b"another scene")
    assert preview.main([str(tmp_path / "none.ply"), "-o", str(tmp_path / "out.mp4")]) == 1
    assert one_sentence(capsys, "preview").endswith("none.ply: No such file or directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["scene.ply", "film", "film.mp4.png"])
def test_preview_refuses_a_name_that_is_no_film_and_leaves_what_is_there(
    scene: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`-o` with the name of the scene would remove the scene."""
    still = scene.with_name(f"{Path(name).stem}_top.jpg")
    still.write_bytes(b"a photograph")
    before = scene.read_bytes()
    assert preview.main([str(scene), "-o", str(scene.with_name(name)), *SMALL]) == 1
    assert one_sentence(capsys, "preview") == f"{name}: a film's name ends in .mp4"
    assert scene.read_bytes() == before
    assert set(scene.parent.iterdir()) == {scene, still}


def test_numbers_may_be_negative_and_have_an_exponent(scene: Path, tmp_path: Path) -> None:
    """argparse takes -1e-3 for an option."""
    assert preview.main([str(scene), "-o", str(tmp_path / "a.mp4"), *SMALL, "--elevation", "-1e1"]) == 0
    near = [str(scene), "--size", "64x48", "-o"]
    assert render.main([*near, str(tmp_path / "a.png"), "--eye", "-1e-1", "0", "-5E-1"]) == 0
    assert render.main([*near, str(tmp_path / "b.png"), "--eye", "-0.1", "0", "-0.5"]) == 0
    assert (rendered(tmp_path / "a.png") == rendered(tmp_path / "b.png")).all()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.ply", b"", "is empty"),
        ("a.ply", b"no scene at all", "a.ply: "),
        ("a.txt", b"no scene", "no format is known"),
    ],
)
def test_preview_says_in_one_sentence_what_is_wrong_with_a_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert preview.main([str(tmp_path / name), "-o", str(tmp_path / "out.mp4")]) == 1
    assert sentence in one_sentence(capsys, "preview")
    assert not (tmp_path / "out.mp4").exists()


def test_preview_says_in_one_sentence_what_is_wrong_with_a_camera_path(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "path.json").write_text("{}")
    assert (
        preview.main([str(scene), "-o", str(tmp_path / "out.mp4"), "--camera-path", str(tmp_path / "path.json")]) == 1
    )
    assert "no list `camera_path`" in one_sentence(capsys, "preview")


def test_preview_ends_with_130_on_ctrl_c_and_leaves_nothing(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("splatcam.rendering.Image.rgb8", interrupt)
    assert preview.main([str(scene), "-o", str(tmp_path / "out.mp4"), *SMALL]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["scene.ply"]


@pytest.mark.parametrize(
    "flags",
    [
        ("--size", "1280"), ("--size", "0x10"), ("--size", "99999x10"), ("--seconds", "0"), ("--seconds", "nan"),
        ("--fps", "1.5"), ("--elevation", "90"), ("--background", "blueish"), ("--path", "spiral"), ("--fov", "x"),
    ],
)  # fmt: skip
def test_a_flag_that_makes_no_sense_ends_with_2(scene: Path, flags: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as end:
        preview.main([str(scene), *flags])
    assert end.value.code == 2


def test_a_bar_is_shown_on_a_terminal_only(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preview.main([str(scene), "-o", str(tmp_path / "out.mp4"), "--no-stills", *SMALL]) == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert preview.main([str(scene), "-o", str(tmp_path / "out.mp4"), "--no-stills", *SMALL]) == 0
    assert "6/6" in capsys.readouterr().err


# ---------------------------------------------------------------- render


def rendered(path: Path) -> np.ndarray:
    with Picture.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_render_shows_what_the_scenes_first_camera_saw(scene: Path, tmp_path: Path) -> None:
    assert render.main([str(scene), "-o", str(tmp_path / "a.png"), "--size", "64x48"]) == 0
    rgb = rendered(tmp_path / "a.png")
    assert rgb.shape == (48, 64, 3)
    assert rgb[24, 10, 0] > 150 > 40 > rgb[24, 10, 2] and rgb[24, 54, 2] > 150 > 40 > rgb[24, 54, 0]


def test_render_looks_from_where_it_is_told(scene: Path, tmp_path: Path) -> None:
    """From behind the scene left and right change places; with up turned over they change once more."""
    behind = [str(scene), "--eye", "0", "0", "8", "--at", "0", "0", "2.5", "--size", "64x48"]
    assert render.main([*behind, "-o", str(tmp_path / "a.png")]) == 0
    assert render.main([*behind, "-o", str(tmp_path / "b.png"), "--up", "0", "1", "0"]) == 0
    one, turned = rendered(tmp_path / "a.png"), rendered(tmp_path / "b.png")
    assert one[:, :32, 2].sum() > 3 * one[:, :32, 0].sum()
    assert np.abs(one - turned[::-1, ::-1]).max() <= 2


def test_a_camera_inside_of_the_scene_draws_a_picture(scene: Path, tmp_path: Path) -> None:
    assert render.main([str(scene), "-o", str(tmp_path / "a.png"), "--size", "64x48", "--eye", "0", "0", "2.5"]) == 0
    assert rendered(tmp_path / "a.png").max() > 100


@pytest.mark.parametrize("mode", render.MODES)
def test_render_shows_every_mode(scene: Path, tmp_path: Path, mode: str) -> None:
    assert render.main([str(scene), "-o", str(tmp_path / "a.png"), "--size", "64x48", "--mode", mode]) == 0
    assert rendered(tmp_path / "a.png").std() > 3
    assert set(render.MODES) == set(shading.MODES)


def test_render_fills_the_background(scene: Path, tmp_path: Path) -> None:
    away = ("--at", "0", "0", "-1", "--size", "8x8", "--background", "#102030")
    assert render.main([str(scene), "-o", str(tmp_path / "a.png"), *away]) == 0
    assert (rendered(tmp_path / "a.png") == (0x10, 0x20, 0x30)).all()


def test_render_refuses_a_name_that_is_no_picture_before_it_draws(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render.main([str(scene), "-o", str(tmp_path / "a.gif")]) == 1
    assert "a.gif" in one_sentence(capsys, "render")


def test_render_into_a_folder_that_is_not_there_is_one_sentence(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render.main([str(scene), "-o", str(tmp_path / "none" / "a.png"), "--size", "8x8"]) == 1
    assert "No such file or directory" in one_sentence(capsys, "render")


def test_a_rasterizer_that_cannot_run_here_is_one_sentence(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert render.main([str(scene), "-o", str(tmp_path / "a.png"), "--rasterizer", "cuda"]) == 1
    assert "CUDA" in one_sentence(capsys, "render")


# ---------------------------------------------------------------- splat


@pytest.mark.parametrize("name", ["a.ply", "a.splat", "a.spz", "a.compressed.ply"])
def test_splat_makes_a_scene_of_a_photograph(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(280, 140))
    flags = ("--model", "builtin", "--process-res", "56")
    assert splat.main([str(tmp_path / "photo.jpg"), "-o", str(tmp_path / name), *flags]) == 0
    scene = load_scene(tmp_path / name)
    assert f"{scene.count} Gaussians" in capsys.readouterr().out
    assert 28 * 56 * 0.8 < scene.count <= 28 * 56
    assert float(scene.means[:, 2].min()) > 0


def wide_and_upright(scene: Gaussians) -> bool:
    x, y = (float(scene.means[:, i].max() - scene.means[:, i].min()) for i in (0, 1))
    return x > y


def test_splat_turns_a_photograph_as_its_exif_says(tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6
    photo = Picture.fromarray(picture(280, 140))
    shapes = {}
    for name, extra in (("flat.jpg", {}), ("turned.jpg", {"exif": exif}), ("turned.png", {"exif": exif})):
        photo.save(tmp_path / name, **extra)
        scene = str(tmp_path / "a.ply")
        assert splat.main([str(tmp_path / name), "-o", scene, "--model", "builtin", "--process-res", "56"]) == 0
        shapes[name] = wide_and_upright(load_scene(Path(scene)))
    assert shapes == {"flat.jpg": True, "turned.jpg": False, "turned.png": False}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--model", "nothing"), "no model named 'nothing'"),
        (("--model", "builtin", "--splats", "network"), "no Gaussians of its own"),
        (("--model", "builtin", "-o", "a.obj"), "no format is known"),
        (("--process-res", "1"), "--process-res"),
    ],
)
def test_splat_says_in_one_sentence_what_it_cannot_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    assert splat.main([str(tmp_path / "photo.jpg"), "-o", str(tmp_path / "a.ply"), *flags]) == 1
    assert sentence in one_sentence(capsys, "splat")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no picture", "no JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n and no more", "photo"),
        (b"\xff\xd8\xff", "photo"),
        (jpeg()[:200], "photo"),
    ],
)
def test_a_photograph_that_is_none_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, sentence: str
) -> None:
    (tmp_path / "photo").write_bytes(data)
    assert splat.main([str(tmp_path / "photo"), "-o", str(tmp_path / "a.ply"), "--model", "builtin"]) == 1
    assert sentence in one_sentence(capsys, "splat")


def test_splat_says_that_it_cannot_write_before_it_loads_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splatcam.job.estimate.build_estimator", None)
    (tmp_path / "photo.jpg").write_bytes(jpeg(64, 48))
    assert splat.main([str(tmp_path / "photo.jpg"), "-o", str(tmp_path / "none" / "scene.ply")]) == 1
    assert "none/scene.ply: No such file or directory" in one_sentence(capsys, "splat")


def test_a_photograph_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert splat.main([str(tmp_path / "none.jpg"), "--model", "builtin"]) == 1
    assert "none.jpg: No such file or directory" in one_sentence(capsys, "splat")
