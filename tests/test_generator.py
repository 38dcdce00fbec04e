"""Scenes without end: exact, seeded, mostly with somebody in them, and as a camera would deliver them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from splatcam.estimators.synthetic import SyntheticEstimator
from splatcam.settings import Settings
from tests.estimator_contract import check_prediction, make_frames, run_stream
from training import losses
from training.camera import through_jpeg
from training.generator import SIZES, Batch, Wanted, make_batch, wanted_for
from training.sampling import scene_of
from training.streams import ProceduralScene

CPU = torch.device("cpu")
SMALL = (96, 64)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return make_batch(Wanted(11, 6, 3, SMALL), CPU)


def test_a_batch_has_pictures_depths_and_cameras_of_every_scene_and_second_view(batch: Batch) -> None:
    count, (width, height) = 9, SMALL
    assert batch.rgb.shape == (count, 3, height, width) and batch.depth.shape == (count, height, width)
    assert batch.intrinsics.shape == (count, 3, 3) and batch.world_from_camera.shape == (count, 4, 4)
    assert bool(((batch.rgb >= 0) & (batch.rgb <= 1)).all()) and bool((batch.depth > 0).all())
    assert bool(batch.depth.isfinite().all() and batch.rgb.isfinite().all())


def test_the_same_seed_gives_the_same_pictures_and_another_one_others(batch: Batch) -> None:
    again, other = (make_batch(Wanted(seed, 6, 3, SMALL), CPU) for seed in (11, 12))
    assert torch.equal(batch.rgb, again.rgb) and torch.equal(batch.depth, again.depth)
    assert not torch.equal(batch.depth, other.depth)


def test_both_views_of_a_scene_agree_about_its_points(batch: Batch) -> None:
    truth = losses.target_of(batch.depth)
    assert float(losses.temporal(truth, batch)) < 0.01
    wrong = torch.cat((truth[: -batch.pairs], truth[-batch.pairs :] + 0.5))
    assert float(losses.temporal(wrong, batch)) > 0.4


def test_at_least_two_scenes_in_five_have_somebody_in_them() -> None:
    people = [scene_of(seed).has_person for seed in range(400)]
    assert 0.4 < sum(people) / len(people) < 0.7


def test_steps_of_training_never_see_a_scene_again_and_see_every_size() -> None:
    wanted = [wanted_for(step, 12, 4) for step in range(60)]
    seeds = [seed for w in wanted for seed in range(w.seed, w.seed + w.scenes)]
    assert len(set(seeds)) == len(seeds)
    assert {w.size for w in wanted} == set(SIZES)


@pytest.mark.parametrize("scale", [1.0, 2 / 3])
def test_every_size_suits_the_network(scale: float) -> None:
    sizes = {wanted_for(step, 12, 4, scale=scale).size for step in range(60)}
    assert all(side % 16 == 0 for size in sizes for side in size)


def test_jpeg_at_full_strength_changes_a_picture_more_than_a_weak_one() -> None:
    picture = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    strength = torch.tensor([0.05, 1.0])[:, None, None, None]
    weak, strong = (through_jpeg(picture, strength) - picture).abs().mean(dim=(1, 2, 3)).tolist()
    assert weak < 0.03 < strong


# ---------------------------------------------------------------- as a stream


def test_a_scene_before_a_camera_that_goes_somewhere_keeps_its_points() -> None:
    scene = ProceduralScene(911)
    width, height = SMALL
    rgb, depth, k = scene.render(0.0, width, height)
    assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8 and rgb.std() > 5
    assert depth.shape == (height, width) and depth.dtype == np.float32 and k.shape == (3, 3)
    nearer = scene.render(0.0, width, height, (0.0, 0.0, 0.2))[1]
    middle = height // 2, width // 2
    assert nearer[middle] == pytest.approx(depth[middle] - 0.2, abs=0.05)


def test_a_scene_at_rest_is_the_same_at_any_time() -> None:
    scene = ProceduralScene(901)
    for one, later in zip(scene.render(0.0, *SMALL), scene.render(1.0, *SMALL), strict=True):
        assert np.array_equal(one, later)


def test_the_synthetic_estimator_shows_a_generated_scene_where_it_is_given_one() -> None:
    scene = ProceduralScene(901)
    estimator = SyntheticEstimator(Settings(), scene.render)
    (prediction,) = run_stream(estimator, make_frames(56, 84, 1))
    check_prediction(prediction, 56, 84)
    assert np.array_equal(prediction.depth.numpy(), scene.render(0.0, 84, 56)[1])
