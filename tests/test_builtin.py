"""The built-in model as an estimator: limits, sizes, what it is called; and what its network has learned, on scenes
that it has not seen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from splatcam.estimators.builtin import FARTHEST_M, NEAREST_M, BuiltinEstimator, looked_at
from splatcam.estimators.depth_net import CELL_PX
from splatcam.settings import Settings
from tests.estimator_contract import odd_pictures
from training.evaluate import held_out
from training.figures import Figures, judged
from training.predictors import row_prior

HEIGHT, WIDTH = 252, 336


@pytest.fixture(scope="module")
def estimator() -> BuiltinEstimator:
    return BuiltinEstimator(Settings())


def depth_of(estimator: BuiltinEstimator, image: Tensor) -> Tensor:
    return estimator.estimate(image, wants_gaussians=False)[0].depth


@pytest.mark.parametrize("kind", odd_pictures())
def test_any_picture_gives_depths_within_the_limits(estimator: BuiltinEstimator, kind: str) -> None:
    depth = depth_of(estimator, odd_pictures()[kind])
    assert bool(depth.isfinite().all())
    assert NEAREST_M <= float(depth.min()) and float(depth.max()) <= FARTHEST_M


@pytest.mark.parametrize(("height", "width"), [(14, 14), (14, 504), (378, 504), (756, 1008)])
def test_every_grid_has_a_depth(estimator: BuiltinEstimator, height: int, width: int) -> None:
    assert depth_of(estimator, torch.zeros(height, width, 3, dtype=torch.uint8)).shape == (height, width)


@pytest.mark.parametrize(
    ("height", "width", "seen"), [(378, 504, (144, 192)), (504, 378, (192, 144)), (280, 504, (112, 192))]
)
def test_the_network_looks_at_a_small_picture_of_the_same_aspect(
    height: int, width: int, seen: tuple[int, int]
) -> None:
    assert looked_at(height, width) == seen
    assert seen[0] % CELL_PX == seen[1] % CELL_PX == 0


def test_the_camera_is_supposed_to_see_sixty_degrees(estimator: BuiltinEstimator) -> None:
    prediction, _ = estimator.estimate(torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8), wants_gaussians=False)
    assert math.degrees(2 * math.atan(WIDTH / 2 / float(prediction.intrinsics[0, 0]))) == pytest.approx(60, abs=1e-3)


def test_the_built_in_depth_is_called_a_demonstration(estimator: BuiltinEstimator) -> None:
    assert estimator.info.name == "builtin" and estimator.info.demonstration and not estimator.info.non_commercial


def test_the_network_knows_scenes_it_has_not_seen_better_than_the_rows_of_a_picture_do(
    estimator: BuiltinEstimator,
) -> None:
    theirs, ours = [], []
    for image, depth, known in held_out(12):
        theirs.append(judged(row_prior(image), depth, known))
        ours.append(judged(-depth_of(estimator, image).log(), depth, known))
    row, network = Figures.mean(theirs), Figures.mean(ours)
    assert network.abs_rel < row.abs_rel and network.delta1 > row.delta1 and network.edges < row.edges
