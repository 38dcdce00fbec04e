"""The network's own splats: thinned out, pruned, and still on their pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from splatcam.bench.predicted import Roughness, predict
from splatcam.estimators import Prediction
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.network_splats import NetworkSplats, network_gaussians, network_splats
from splatcam.prune import PruneOptions, prune

HEIGHT, WIDTH = 42, 56
NO_BORDER = PruneOptions(border_fraction=0)


@pytest.fixture
def prediction() -> Prediction:
    return predict(1.0, WIDTH, HEIGHT, "noisy")


def gaussians_of(prediction: Prediction) -> Gaussians:
    assert prediction.gaussians is not None
    return prediction.gaussians


def pixels_of(splats: NetworkSplats) -> torch.Tensor:
    """[N] int64, as `pixel_index`, from the window and `kept` alone."""
    on_grid = splats.window.cut(torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH))
    return on_grid.flatten() if splats.kept is None else on_grid[splats.kept]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    "options", [NO_BORDER, PruneOptions(), PruneOptions(0.85), PruneOptions(0.0, 0.6), PruneOptions(1.0)]
)
def test_the_splats_are_those_that_prune_keeps_and_stand_on_their_pixels(
    prediction: Prediction, stride: int, options: PruneOptions
) -> None:
    splats = network_splats(prediction, stride, options)
    wanted, _ = prune(network_gaussians(prediction, stride), prediction.depth, options)
    for name in TENSORS:
        assert torch.equal(getattr(splats.gaussians, name), getattr(wanted, name)), name
    index = torch.arange(HEIGHT * WIDTH) if wanted.pixel_index is None else wanted.pixel_index
    assert torch.equal(pixels_of(splats), index)


def test_where_every_pixel_is_kept_there_is_no_mask(prediction: Prediction) -> None:
    assert network_splats(prediction, 1, PruneOptions(min_opacity=0)).kept is None
    assert network_splats(prediction, 1, PruneOptions(min_opacity=0.85)).kept is not None


def test_with_a_stride_splats_are_as_much_larger(prediction: Prediction) -> None:
    every, third = gaussians_of(prediction), network_gaussians(prediction, 3)
    assert torch.equal(third.scales, every.scales[third.pixel_index] * 3)
    assert third.count == 14 * 19


@pytest.mark.parametrize("z", [0.0, -2.0, 1e13, torch.nan, torch.inf])
def test_a_splat_without_a_place_before_the_camera_is_left_out(prediction: Prediction, z: float) -> None:
    means = gaussians_of(prediction).means.clone()
    means[100, 2] = z
    moved = replace(prediction, gaussians=replace(gaussians_of(prediction), means=means))
    splats = network_splats(moved, 1, PruneOptions(min_opacity=0, border_fraction=0))
    assert splats.count == HEIGHT * WIDTH - 1
    assert 100 not in pixels_of(splats)


def test_a_pixel_without_a_splat_repeats_the_one_before_it(prediction: Prediction) -> None:
    splats = network_splats(prediction, 1, PruneOptions(min_opacity=0.85))
    assert splats.kept is not None
    depth, kept = splats.depth.flatten(), splats.kept.flatten()
    assert torch.equal(depth[kept], splats.gaussians.means[:, 2])
    gaps = (~kept[1:]).nonzero().squeeze(1) + 1
    assert torch.equal(depth[gaps], depth[gaps - 1])


def test_where_nothing_is_kept_the_planes_still_have_their_size(prediction: Prediction) -> None:
    clear = replace(gaussians_of(prediction), opacities=torch.zeros(HEIGHT * WIDTH))
    splats = network_splats(replace(prediction, gaussians=clear), 2, PruneOptions())
    assert splats.count == 0
    assert splats.depth.shape == (len(splats.window.rows), len(splats.window.columns))


def test_other_harmonics_than_the_colour_are_left_out(prediction: Prediction) -> None:
    sh = torch.cat((gaussians_of(prediction).sh, torch.ones(HEIGHT * WIDTH, 8, 3)), dim=1)
    rich = replace(prediction, gaussians=replace(gaussians_of(prediction), sh=sh))
    kept = network_splats(rich, 1, NO_BORDER)
    assert torch.equal(kept.gaussians.sh, network_splats(prediction, 1, NO_BORDER).gaussians.sh)


def test_a_model_that_broke_its_promise_is_a_fault(prediction: Prediction) -> None:
    with pytest.raises(ValueError, match="promised"):
        network_splats(replace(prediction, gaussians=None), 1, NO_BORDER)


@pytest.mark.parametrize("roughness", ["smooth", "noisy"])
def test_the_stand_in_for_a_network_is_sound_and_the_same_every_time(roughness: Roughness) -> None:
    ours, again = (gaussians_of(predict(2.0, WIDTH, HEIGHT, roughness)) for _ in range(2))
    ours.validate()
    assert all(torch.equal(getattr(ours, name), getattr(again, name)) for name in TENSORS)
