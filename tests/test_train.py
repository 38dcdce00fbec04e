"""A training: it learns, and one that was stopped goes on as if it had not been."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from splatcam.estimators.depth_net import load
from training.curve import svg
from training.generator import Wanted, make_batch, render
from training.train import Recipe, Scenes, Training, train

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
RECIPE = Recipe(steps=4, scenes=2, pairs=1, rate=2e-3, seed=5, small_steps=4, minutes=0)


def trained(recipe: Recipe, folder: Path) -> Training:
    folder.mkdir(exist_ok=True)
    training = Training(recipe, folder, CPU)
    training.resume()
    train(training, workers=0, every=2, examined_on=2)
    return training


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    straight = trained(RECIPE, tmp_path / "straight")
    (tmp_path / "stopped").mkdir()
    stopped_after(2, Training(RECIPE, tmp_path / "stopped", CPU))
    resumed = trained(RECIPE, tmp_path / "stopped")
    for name, values in straight.net.state_dict().items():
        torch.testing.assert_close(resumed.net.state_dict()[name], values, msg=name)
    for name, values in straight.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], values, msg=name)


def stopped_after(steps: int, training: Training) -> None:
    scenes = Scenes(training.recipe, 0)
    for number in range(steps):
        training.net.train()
        training.learn(render(scenes[number], CPU))
    training.save()


def test_a_training_leaves_weights_a_table_and_a_picture(tmp_path: Path) -> None:
    trained(replace(RECIPE, steps=2), tmp_path)
    with torch.inference_mode():
        assert bool(load(tmp_path / "builtin.safetensors")(torch.rand(1, 3, 32, 48)).isfinite().all())
    with (tmp_path / "figures.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert int(row["pictures"]) == 2 * 3 and 0 <= float(row["delta1"]) <= 1


def test_a_training_that_ran_away_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    training = Training(RECIPE, tmp_path, CPU)
    training.save()
    good = (tmp_path / "checkpoint.pt").read_bytes(), (tmp_path / "builtin.safetensors").read_bytes()
    training.average.tell.weight.data[:] = torch.nan
    with pytest.raises(ValueError, match="no numbers"):
        training.save()
    assert ((tmp_path / "checkpoint.pt").read_bytes(), (tmp_path / "builtin.safetensors").read_bytes()) == good


def test_steps_that_were_lost_leave_no_line_in_the_table(tmp_path: Path) -> None:
    stopped_after(2, Training(RECIPE, tmp_path, CPU))
    columns = "step", "pictures", "loss", "AbsRel", "delta1", "order"
    lines = (columns, (2, 6, 1, 1, 1, 1), (4, 12, 1, 1, 1, 1))  # the fourth step was not saved
    (tmp_path / "figures.csv").write_text("".join(f"{','.join(map(str, line))}\n" for line in lines))
    trained(RECIPE, tmp_path)
    with (tmp_path / "figures.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4]


def test_the_rate_goes_up_and_then_down(tmp_path: Path) -> None:
    training = Training(replace(RECIPE, steps=1000), tmp_path, CPU)
    rates = []
    for step in (0, 20, 500, 1000):
        training.step = step
        rates.append(training.rate())
    assert rates[0] < rates[1] and rates[1] > rates[2] > rates[3] > 0


def test_a_training_by_the_clock_ends_when_its_time_is_over(tmp_path: Path) -> None:
    training = Training(replace(RECIPE, steps=1_000_000, minutes=1), tmp_path, CPU)
    training.seconds = 30
    assert training.progress == pytest.approx(0.5)
    training.seconds = 90
    assert training.progress == 1


def test_a_curve_names_what_it_shows() -> None:
    picture = svg([1, 2, 3], {"loss": [0.5, 0.4, 0.3]}, "pictures")
    assert "loss 0.300" in picture and picture.count("<polyline") == 1


def test_what_is_seen_again_and_again_is_learned(tmp_path: Path) -> None:
    training = Training(replace(RECIPE, steps=40, rate=5e-3), tmp_path, CPU)
    batch = make_batch(Wanted(7, 2, 0, (96, 64)), CPU)
    costs = [float(training.learn(batch)["loss"]) for _ in range(40)]
    assert sum(costs[-3:]) < 0.6 * sum(costs[:3])
