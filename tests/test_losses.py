"""What is asked of an answer: the truth costs nothing, scale and shift little, wrong order and blurred edges much."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training import losses
from training.figures import Figures, judged
from training.generator import Batch, Wanted, make_batch

SMALL = (96, 64)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return make_batch(Wanted(3, 4, 2, SMALL), torch.device("cpu"))


def cost(answer: Tensor, batch: Batch) -> dict[str, float]:
    named = losses.terms(answer, batch, torch.Generator().manual_seed(0))
    return {name: float(value) for name, value in named.items()}


def test_the_truth_costs_next_to_nothing(batch: Batch) -> None:
    assert all(value < 0.02 for value in cost(losses.target_of(batch.depth), batch).values())


def test_scale_and_shift_cost_metres_only(batch: Batch) -> None:
    truth = losses.target_of(batch.depth)
    changed = cost(0.5 * truth + 0.3, batch)
    assert changed["metric"] > 0.2
    assert changed["aligned"] < 0.02 and changed["gradient"] < 0.04


def test_blurred_edges_cost_more_than_sharp_ones(batch: Batch) -> None:
    truth = losses.target_of(batch.depth)
    blurred = torch.nn.functional.avg_pool2d(truth[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
    assert cost(blurred, batch)["gradient"] > 10 * cost(truth, batch)["gradient"]


def test_near_for_far_is_the_worst_order(batch: Batch) -> None:
    truth = losses.target_of(batch.depth)
    right, flat, wrong = (cost(answer, batch)["ranking"] for answer in (truth, 0 * truth, -truth))
    assert right < flat < wrong


def test_every_term_has_a_weight(batch: Batch) -> None:
    named = losses.terms(losses.target_of(batch.depth), batch, torch.Generator())
    assert float(losses.total(named, losses.Weights())) < 0.05


# ---------------------------------------------------------------- figures


def depths() -> Tensor:
    ramp = torch.linspace(1, 4, 60)[:, None].expand(60, 80).clone()
    ramp[20:50, 30:50] = 0.8
    return ramp


def test_the_truth_is_judged_to_be_perfect_in_any_scale_and_shift_of_its_disparity() -> None:
    for scale, shift in ((1.0, 0.0), (3.0, 0.0), (0.5, 0.2)):
        figures = judged((scale / depths() + shift).log(), depths())
        assert figures.abs_rel < 0.01 and figures.delta1 > 0.99
        assert figures.order == 1 and figures.edges < 0.01


def test_who_says_nothing_orders_pairs_by_chance() -> None:
    assert judged(torch.zeros(60, 80), depths()).order == 0.5


def test_a_silhouette_in_the_wrong_place_costs_edges() -> None:
    shifted = depths().roll(4, dims=1)
    assert judged(-shifted.log(), depths()).edges > 0.3


def test_what_is_not_known_does_not_count() -> None:
    known = torch.ones(60, 80, dtype=torch.bool)
    known[:, :10] = False
    told = depths()
    told[:, :10] = 100
    assert judged(-told.log(), depths(), known).abs_rel < 0.01


def test_the_mean_leaves_out_pictures_without_steps() -> None:
    mean = Figures.mean([Figures(0.1, 0.9, 0.8, 0.2), Figures(0.3, 0.7, 0.6, math.nan)])
    assert mean.abs_rel == pytest.approx(0.2) and mean.edges == pytest.approx(0.2)
