"""The gauge on scenes whose numbers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from splatcam.bench import fidelity
from splatcam.commands import fidelity as command
from splatcam.estimators import Prediction
from splatcam.estimators.synthetic import SyntheticEstimator
from splatcam.pipeline import live_scene
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.settings import Settings
from tests.pictures import jpeg

RASTERIZER = build_rasterizer("reference")


def wall(depth_m: float = 2.0, step: float = 0.0) -> Prediction:
    """A smooth picture on a wall; its right half nearer by `step` of its distance."""
    height, width = 56, 70
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    depth = torch.full((height, width), depth_m)
    depth[:, width // 2 :] *= 1 - step
    k = torch.tensor([[60.0, 0, width / 2], [0, 60.0, height / 2], [0, 0, 1]])
    image = torch.stack((3 * x, 4 * y, 2 * (x + y)), dim=2).clamp(0, 255).to(torch.uint8)
    return Prediction(depth=depth, intrinsics=k, image=image)


def test_a_picture_on_a_wall_comes_back_from_where_it_was_taken() -> None:
    measured = fidelity.frame_fidelity(wall(), live_scene(wall()), RASTERIZER)
    assert measured.psnr_db > 30 and measured.ssim > 0.95
    assert measured.holes[0] == 0.0
    assert measured.depth == 2.0 and measured.fov_deg == pytest.approx(2 * np.degrees(np.arctan(28 / 60)))


def test_from_beside_a_step_in_depth_is_a_hole_and_a_flat_wall_is_none() -> None:
    flat, stepped = (
        fidelity.frame_fidelity(prediction, live_scene(prediction), RASTERIZER)
        for prediction in (wall(), wall(step=0.5))
    )
    assert stepped.holes[0] == 0.0
    assert stepped.holes[2] > flat.holes[2] + 0.02


def test_beside_the_camera_the_same_point_stays_in_the_middle() -> None:
    camera = fidelity.camera_of(wall())
    for angle in fidelity.ANGLES_DEG:
        (pixel,), (depth,) = fidelity.beside(camera, 2.0, angle).project(np.array([[0.0, 0.0, 2.0]]))
        assert pixel == pytest.approx((35, 28)) and depth == pytest.approx(2)
    turned = fidelity.beside(camera, 2.0, 10)
    assert np.degrees(np.arccos(turned.world_from_camera[2, 2])) == pytest.approx(10)


def test_jitter_is_what_changes_from_one_frame_to_the_next() -> None:
    assert fidelity.jitter([1.0]) == 0
    assert fidelity.jitter([1.0, 1.0, 1.0]) == 0
    assert fidelity.jitter([1.0, 3.0, 1.0, 3.0]) == 2


def test_a_clip_becomes_a_row_of_its_medians() -> None:
    estimator = SyntheticEstimator(Settings())
    done: list[int] = []
    measured = fidelity.measure("clip", [jpeg()] * 3, estimator, RASTERIZER, 70, done.append)
    assert (measured.clip, measured.model, measured.frames, done) == ("clip", "synthetic", 3, [1, 2, 3])
    assert measured.psnr_db > 15 and len(measured.holes) == 3
    assert fidelity.table([measured]).count("\n") == 2


def test_the_command_prints_the_table_and_writes_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip = tmp_path / "clip"
    clip.mkdir()
    for number in range(2):
        (clip / f"{number}.jpg").write_bytes(jpeg(seed=number))
    numbers = tmp_path / "numbers.json"
    arguments = [str(clip), "--model", "builtin", "--process-res", "70", "--rasterizer", "reference"]
    assert command.main([*arguments, "--json", str(numbers)]) == 0
    assert "| clip | builtin | 2 |" in capsys.readouterr().out
    assert json.loads(numbers.read_text())[0]["frames"] == 2


def test_a_report_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    nowhere = tmp_path / "none" / "numbers.json"
    assert command.main([str(tmp_path / "none.mp4"), "--model", "builtin", "--json", str(nowhere)]) == 1
    assert capsys.readouterr().err == f"splatcam fidelity: {nowhere}: No such file or directory\n"


def test_a_clip_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert command.main([str(tmp_path / "none.mp4"), "--model", "builtin"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
