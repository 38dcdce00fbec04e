"""`splatcam convert`, `rotate` and `info`: what they write, and how they end when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gsply_helpers import encode_gaussian_ply
from splatcam.commands import convert, info, rotate
from splatcam.files import FORMATS, load_scene, save_scene
from tests.oracles.clouds import pixel_cloud

Captured = pytest.CaptureFixture[str]
SUFFIXES = [format.suffix for format in FORMATS]
Y_UP = "1 0 0 0 -1 0 0 0 -1".split()


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.ply"
    save_scene(pixel_cloud(6, 7, 4), path)
    return path


def the_only_line(told: str) -> str:
    assert told.count("\n") == 1
    return told.strip()


# ---------------------------------------------------------------- convert


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_every_format_becomes_every_other(source: str, target: str, tmp_path: Path, capsys: Captured):
    given, wanted = tmp_path / f"given{source}", tmp_path / f"wanted{target}"
    save_scene(pixel_cloud(6, 7), given)
    assert convert.main([str(given), str(wanted)]) == 0
    assert load_scene(wanted).count == 42
    assert the_only_line(capsys.readouterr().out) == f"{wanted}: 42 splats, {wanted.stat().st_size} bytes"
    assert set(tmp_path.iterdir()) == {given, wanted}


def test_harmonics_that_a_format_does_not_keep_are_told_of(scene: Path, capsys: Captured):
    assert convert.main([str(scene), str(scene.with_suffix(".splat"))]) == 0
    assert "scene.splat has the plain colours" in capsys.readouterr().out
    assert convert.main([str(scene), str(scene.with_suffix(".spz"))]) == 0
    assert "plain colours" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [convert.main, lambda files: rotate.main([*files, "--preset", "y-up"])])
def test_a_file_is_not_written_over_itself(command: Callable[[list[str]], int], scene: Path, capsys: Captured):
    before = scene.read_bytes()
    link = scene.with_name("link.ply")
    link.symlink_to(scene)
    for target in (scene, scene.parent / "." / scene.name, link):
        assert command([str(scene), str(target)]) == 1
        assert "are the same file" in the_only_line(capsys.readouterr().err)
    assert scene.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("missing.ply", "out.splat", "missing.ply: No such file"),
        ("scene.ply", "out.glb", "out.glb: no format is known by this name"),
        ("scene.obj", "out.splat", "scene.obj: no format is known by this name"),
        ("scene.ply", "nowhere/out.splat", "nowhere/out.splat: No such file"),
        ("scene.ply", "scene.ply/out.splat", "scene.ply/out.splat: Not a directory"),
        ("empty.ply", "out.splat", "empty.ply: holds no splats"),
        ("cut.ply", "out.splat", "cut.ply: is truncated: 42 rows of vertex need"),
        ("wrong.spz", "out.splat", "wrong.spz: is PLY (.ply), not SPZ as its name says"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(
    source: str, target: str, complaint: str, scene: Path, capsys: Captured
):
    folder = scene.parent
    folder.joinpath("scene.obj").write_bytes(b"v 0 0 0\n")
    folder.joinpath("empty.ply").write_bytes(encode_gaussian_ply(pixel_cloud(1, 1).select(torch.zeros(1).bool())))
    folder.joinpath("cut.ply").write_bytes(scene.read_bytes()[:-1])
    folder.joinpath("wrong.spz").write_bytes(scene.read_bytes())
    before = set(folder.iterdir())
    assert convert.main([str(folder / source), str(folder / target)]) == 1
    sentence = the_only_line(capsys.readouterr().err)
    assert sentence.startswith("splatcam convert: ")
    assert complaint in sentence
    assert set(folder.iterdir()) == before


def half_written(failure: BaseException) -> Callable[[Path, bytes], int]:
    """A disk that takes half of a file and then fails."""
    whole = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        whole(path, data[: len(data) // 2])
        raise failure

    return write


@pytest.mark.parametrize(
    ("failure", "status", "complaint"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, "out.splat: No space left on device"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), 1, "out.splat: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_write_that_fails_half_way_leaves_the_old_file(
    failure: BaseException, status: int, complaint: str, scene: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
):
    old = scene.with_name("out.splat")
    old.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", half_written(failure))
    assert convert.main([str(scene), str(old)]) == status
    assert complaint in the_only_line(capsys.readouterr().err.lstrip("\n"))
    assert old.read_bytes() == b"old"
    assert set(scene.parent.iterdir()) == {scene, old}


@pytest.mark.parametrize("command", [convert.main, rotate.main, info.main])
def test_wrong_usage_ends_with_2(command: Callable[[list[str]], int], capsys: Captured):
    with pytest.raises(SystemExit) as ended:
        command([])
    assert ended.value.code == 2
    assert "usage: splatcam" in capsys.readouterr().err


# ---------------------------------------------------------------- rotate


@pytest.mark.parametrize("turn", [["--preset", "y-up"], ["--matrix", *Y_UP]])
def test_preset_and_matrix_turn_the_scene(turn: list[str], scene: Path):
    turned = scene.with_name("turned.ply")
    assert rotate.main([str(scene), str(turned), *turn]) == 0
    before, after = load_scene(scene), load_scene(turned)
    np.testing.assert_allclose(after.means, before.means * torch.tensor([1, -1, -1]), atol=1e-6)
    assert after.sh_degree == 1


def test_a_matrix_may_hold_very_small_negative_numbers_and_come_before_the_files(scene: Path):
    matrix = "6e-17 -1 0 1 -6.1e-17 0 0 0 1".split()
    assert rotate.main(["--matrix", *matrix, str(scene), str(scene.with_name("turned.spz"))]) == 0
    turned = load_scene(scene.with_name("turned.spz"))
    np.testing.assert_allclose(turned.means[:, 0], -load_scene(scene).means[:, 1], atol=2e-4)


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [("1 0 0 0 1 0 0 0 -1", "reflection"), ("2 0 0 0 2 0 0 0 2", "no rotation"), ("nan 0 0 0 1 0 0 0 1", "finite")],
)
def test_a_matrix_that_is_no_rotation_is_refused(matrix: str, complaint: str, scene: Path, capsys: Captured):
    assert rotate.main([str(scene), str(scene.with_name("turned.ply")), "--matrix", *matrix.split()]) == 1
    assert complaint in the_only_line(capsys.readouterr().err)
    assert list(scene.parent.iterdir()) == [scene]


@pytest.mark.parametrize(
    "turn", [[], ["--preset", "sideways"], ["--matrix", "1", "2"], ["--preset", "y-up", "--matrix", *Y_UP]]
)
def test_there_is_one_turn_and_it_is_known(turn: list[str], scene: Path, capsys: Captured):
    with pytest.raises(SystemExit) as ended:
        rotate.main([str(scene), str(scene.with_name("turned.ply")), *turn])
    assert ended.value.code == 2
    assert capsys.readouterr().err


# ---------------------------------------------------------------- info


def test_info_tells_a_program_what_is_in_the_file(scene: Path, capsys: Captured):
    assert info.main([str(scene), "--json"]) == 0
    facts, cloud = json.loads(capsys.readouterr().out), load_scene(scene)
    assert facts["file"] == "scene.ply"
    assert facts["format"] == "PLY"
    assert (facts["splats"], facts["sh_degree"], facts["bytes"]) == (42, 1, scene.stat().st_size)
    assert facts["bounds"] == {"min": cloud.means.amin(0).tolist(), "max": cloud.means.amax(0).tolist()}
    assert facts["opacity"]["p50"] == pytest.approx(float(np.median(cloud.opacities)))
    assert list(facts["scale"]) == ["p1", "p25", "p50", "p75", "p99"]
    assert sorted(facts["scale"].values()) == list(facts["scale"].values())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_info_tells_a_person_the_same_in_lines(suffix: str, tmp_path: Path, capsys: Captured):
    path = tmp_path / f"scene{suffix}"
    save_scene(pixel_cloud(6, 7), path)
    assert info.main([str(path)]) == 0
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["file", "format", "bytes", "splats", "sh degree", "bounds", "opacity", "scale"]


def test_info_of_what_is_no_scene_is_a_sentence(tmp_path: Path, capsys: Captured):
    path = tmp_path / "scene.spz"
    path.write_bytes(b"\x1f\x8b\x08 nothing")
    assert info.main([str(path)]) == 1
    assert the_only_line(capsys.readouterr().err).startswith("splatcam info: scene.spz: cannot be inflated")


# ---------------------------------------------------------------- all


@pytest.mark.parametrize("command", ["convert", "rotate", "info"])
def test_help_loads_nothing_heavy(command: str):
    code = (
        f"import sys\nfrom splatcam.commands import {command}\ntry:\n    {command}.main(['--help'])\nfinally:\n"
        "    assert not {'torch', 'numpy', 'fastapi'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"splatcam {command}" in done.stdout
