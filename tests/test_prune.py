"""Which Gaussians stay: against masks written the plain way, and against DA3's own rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from splatcam.gaussians import TENSORS, Gaussians
from splatcam.prune import PruneOptions, PruneReport, border_px, depth_limits, prune
from tests.oracles.clouds import depth_image, pixel_cloud

KEEP_ALL = PruneOptions(min_opacity=0.0, max_depth_percentile=1.0, border_fraction=0.0)


def plain_reasons(cloud: Gaussians, depth: Tensor, options: PruneOptions) -> list[str]:
    """For each pixel the reason to drop it, or "kept": one pixel after the other."""
    height, width = depth.shape
    rows, columns = int(options.border_fraction * height), int(options.border_fraction * width)
    limit = torch.quantile(depth, options.max_depth_percentile) if options.max_depth_percentile < 1 else torch.inf
    reasons = []
    for i in range(height * width):
        y, x = divmod(i, width)
        inside = rows <= y < height - rows and columns <= x < width - columns
        finite = all(getattr(cloud, name)[i].isfinite().all() for name in TENSORS) and bool((cloud.scales[i] > 0).all())
        tests = {
            "border": inside,
            "depth": bool(depth[y, x] <= limit),
            "opacity": bool(cloud.opacities[i] >= options.min_opacity),
            "nonfinite": finite,
        }
        reasons.append(next((reason for reason, passed in tests.items() if not passed), "kept"))
    return reasons


def damaged(cloud: Gaussians, rows: list[int]) -> Gaussians:
    """A value that is not finite, or a scale that is not positive, in each of the rows: a different one in turn."""
    copy = replace(cloud, **{name: getattr(cloud, name).clone() for name in TENSORS})
    faults = [
        (copy.means, torch.nan), (copy.means, torch.inf), (copy.scales, -torch.inf), (copy.scales, 0.0),
        (copy.scales, -1.0), (copy.rotations, torch.nan), (copy.sh[:, 0], torch.inf),
    ]  # fmt: skip
    for turn, row in enumerate(rows):
        tensor, value = faults[turn % len(faults)]
        tensor[row, turn % 3] = value
    return copy


def assert_chosen(kept: Gaussians, cloud: Gaussians, index: list[int]) -> None:
    for name in TENSORS:
        assert torch.equal(getattr(kept, name), getattr(cloud, name)[index]), name


options_drawn = st.builds(
    PruneOptions,
    min_opacity=st.sampled_from((0.0, 0.1, 0.5, 1.0)),
    max_depth_percentile=st.sampled_from((1.0, 0.9, 0.5, 0.01)),
    border_fraction=st.sampled_from((0.0, 8 / 256, 0.25, 0.5)),
)


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    options_drawn,
    st.lists(st.integers(0, 143), max_size=5),
    st.booleans(),
    st.integers(0, 5),
)
def test_pruning_equals_the_plain_rule_pixel_by_pixel(
    height: int, width: int, options: PruneOptions, bad_rows: list[int], opaque: bool, seed: int
):
    cloud = damaged(pixel_cloud(height, width, seed=seed), [row % (height * width) for row in bad_rows])
    if opaque:
        cloud = replace(cloud, opacities=torch.full_like(cloud.opacities, 0.95))
    depth = depth_image(height, width, seed)
    reasons = plain_reasons(cloud, depth, options)
    index = [i for i, reason in enumerate(reasons) if reason == "kept"]
    kept, report = prune(cloud, depth, options)
    assert_chosen(kept, cloud, index)
    dropped = {f"dropped_{reason}": reasons.count(reason) for reason in ("border", "depth", "opacity", "nonfinite")}
    assert report == PruneReport(total=height * width, kept=len(index), **dropped)
    if len(index) < height * width:
        assert kept.pixel_index is not None and kept.pixel_index.tolist() == index


@given(options_drawn, st.integers(0, 5), st.integers(1, 3))
def test_gaussians_of_some_pixels_are_pruned_as_those_of_all_are(options: PruneOptions, seed: int, stride: int):
    cloud, depth = damaged(pixel_cloud(12, 9, seed=seed), [5, 50]), depth_image(12, 9, seed)
    pixels = torch.arange(108).view(12, 9)[::stride, ::stride].flatten()
    some = cloud.select(pixels)
    kept, report = prune(some, depth, options)
    of_all, _ = prune(cloud, depth, options)
    wanted = [i for i in range(108) if i in set(pixels.tolist())]
    survivors = set(of_all.pixel_index.tolist() if of_all.pixel_index is not None else range(108))
    index = [i for i in wanted if i in survivors]
    assert_chosen(kept, cloud, index)
    assert kept.pixel_index is not None and kept.pixel_index.tolist() == index
    drops = report.dropped_border + report.dropped_depth + report.dropped_opacity + report.dropped_nonfinite
    assert report.total == some.count and report.kept == kept.count == report.total - drops


def test_limits_that_nothing_fails_return_the_very_same_gaussians():
    cloud = pixel_cloud(12, 9)
    assert prune(cloud, depth_image(12, 9), KEEP_ALL)[0] is cloud


def test_an_image_too_small_for_a_border_keeps_everything():
    assert border_px(31, 31) == (0, 0)
    assert border_px(32, 64) == (1, 2)
    kept, _ = prune(pixel_cloud(28, 28), depth_image(28, 28), replace(KEEP_ALL, border_fraction=8 / 256))
    assert kept.count == 28 * 28


def test_nothing_left_is_a_report_and_no_gaussians():
    cloud = pixel_cloud(4, 5)
    kept, report = prune(cloud, None, replace(KEEP_ALL, min_opacity=1.0))
    assert (kept.count, report.kept, report.dropped_opacity) == (0, 0, 20)
    assert prune(kept, None, PruneOptions())[0].count == 0
    assert prune(kept, depth_image(4, 5), PruneOptions(max_depth_percentile=0.5))[0].count == 0


def test_without_a_grid_and_depth_only_opacity_and_finiteness_count():
    cloud = replace(damaged(pixel_cloud(64, 64), [0]), grid=None)
    cloud.opacities[0] = 0.5
    _, report = prune(cloud, None, PruneOptions(max_depth_percentile=0.5))
    assert (report.dropped_border, report.dropped_depth, report.dropped_nonfinite) == (0, 0, 1)
    assert report.dropped_opacity == int((cloud.opacities < 0.1).sum()) > 0


def test_an_opacity_that_is_not_a_number_is_dropped_whatever_the_limit():
    cloud = pixel_cloud(4, 5)
    cloud.opacities[7] = torch.nan
    for limit in (0.0, 0.01):
        kept, _ = prune(cloud, None, replace(KEEP_ALL, min_opacity=limit))
        assert kept.count == 19 and kept.opacities.isfinite().all()


def test_values_whose_sum_overflows_are_not_taken_for_infinite():
    cloud = pixel_cloud(4, 5)
    big = replace(cloud, means=torch.full_like(cloud.means, 3e38))
    assert prune(big, None, KEEP_ALL)[0].count == 20


def test_depth_and_gaussians_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="grid"):
        prune(pixel_cloud(4, 5), depth_image(5, 4), PruneOptions())
    with pytest.raises(ValueError, match="pixels"):
        prune(replace(pixel_cloud(4, 5), grid=None), depth_image(5, 5), PruneOptions())
    with pytest.raises(ValueError, match="pixels"):
        prune(replace(pixel_cloud(4, 5), grid=(4, 6)), None, PruneOptions())


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.integers(0, 9))
def test_the_depth_limit_selects_what_torch_quantile_selects(count: int, percentile: float, seed: int):
    depth = torch.rand(1, 1, count, generator=torch.Generator().manual_seed(seed))
    expected = depth <= torch.quantile(depth, percentile)
    assert torch.equal(depth <= depth_limits(depth, percentile), expected)


@pytest.mark.parametrize("percentile", [0.9, 0.5, 0.123456, 0.99999])
def test_the_depth_limit_selects_what_torch_quantile_selects_on_a_full_grid(percentile: float):
    depth = depth_image(378, 504)[None]
    assert torch.equal(depth <= depth_limits(depth, percentile), depth <= torch.quantile(depth, percentile))


def test_equal_depths_stand_and_fall_together():
    depth = torch.tensor([[[1.0, 2.0, 2.0, 2.0, 3.0]]])
    assert (depth <= depth_limits(depth, 0.3)).flatten().tolist() == [True, True, True, True, False]


def test_a_depth_that_is_not_a_number_counts_as_the_farthest():
    depth = depth_image(4, 5)
    depth[0, :3] = torch.nan
    kept, report = prune(pixel_cloud(4, 5), depth, replace(KEEP_ALL, max_depth_percentile=0.8))
    assert report.dropped_depth == 4
    assert kept.pixel_index is not None and min(kept.pixel_index.tolist()) == 3
