"""The pure steps of the DA3 estimator, without Depth Anything 3."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splatcam.estimators import da3
from splatcam.gaussians import SH_COEFFICIENTS
from splatcam.transform import scaled

HEIGHT, WIDTH = 4, 6


def raw_gaussians(count: int = HEIGHT * WIDTH, sh: int = 9) -> SimpleNamespace:
    """As DA3's specs.Gaussians has them: a batch axis, harmonics [1, N, 3, K]."""
    torch.manual_seed(1)
    return SimpleNamespace(
        means=torch.randn(1, count, 3),
        scales=torch.rand(1, count, 3) + 0.01,
        rotations=torch.nn.functional.normalize(torch.randn(1, count, 4), dim=-1),
        harmonics=torch.randn(1, count, 3, sh),
        opacities=torch.rand(1, count),
    )


def intrinsics(focal_x_px: float, focal_y_px: float) -> torch.Tensor:
    return torch.tensor([[focal_x_px, 0, WIDTH / 2], [0, focal_y_px, HEIGHT / 2], [0, 0, 1]])


def degrees(focal_px: torch.Tensor, side_px: float) -> float:
    return math.degrees(2 * math.atan(side_px / 2 / float(focal_px)))


@pytest.mark.parametrize("sh", SH_COEFFICIENTS)
def test_good_gaussians_keep_their_numbers_and_their_pixel(sh: int) -> None:
    raw = raw_gaussians(sh=sh)
    ours = da3.to_gaussians(raw, (HEIGHT, WIDTH)).validate()
    assert ours.grid == (HEIGHT, WIDTH) and ours.pixel_index is None
    assert torch.equal(ours.means, raw.means[0]) and torch.equal(ours.scales, raw.scales[0])
    assert torch.equal(ours.opacities, raw.opacities[0])
    assert torch.allclose(ours.rotations, raw.rotations[0], atol=1e-6)
    assert torch.equal(ours.sh[5, :, 2], raw.harmonics[0, 5, 2, :])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("means", math.nan),
        ("means", math.inf),
        ("scales", -0.1),
        ("scales", 0.0),
        ("rotations", math.nan),
        ("opacities", math.nan),
    ],
)
def test_a_gaussian_that_cannot_be_used_stays_in_its_place_unseen(field: str, value: float) -> None:
    raw = raw_gaussians()
    before = da3.to_gaussians(raw, (HEIGHT, WIDTH))
    getattr(raw, field)[0, 7] = value
    ours = da3.to_gaussians(raw, (HEIGHT, WIDTH))
    assert ours.count == HEIGHT * WIDTH
    if math.isfinite(value):
        assert ours.validate().opacities[7] == 0
    else:
        assert ours.opacities[7].isnan(), "nobody can count what the model gave no numbers for"
    others = torch.arange(ours.count) != 7
    assert torch.equal(ours.means[others], before.means[others])
    assert torch.equal(ours.opacities[others], before.opacities[others])


def test_scaling_changes_means_and_sizes_and_nothing_else() -> None:
    ours = da3.to_gaussians(raw_gaussians(), (HEIGHT, WIDTH))
    metres = scaled(ours, 2.5)
    assert torch.equal(metres.means, ours.means * 2.5) and torch.equal(metres.scales, ours.scales * 2.5)
    assert torch.equal(metres.rotations, ours.rotations) and torch.equal(metres.sh, ours.sh)
    assert torch.equal(metres.opacities, ours.opacities) and metres.grid == ours.grid


@pytest.mark.parametrize(("given_factor", "used"), [(2.5, 2.5), (math.nan, 1.0), (0.0, 1.0), (-3.0, 1.0)])
def test_only_a_usable_factor_scales_gaussians(given_factor: float, used: float) -> None:
    assert da3.scale_factor({"scale_factor": given_factor}) == used
    assert da3.scale_factor({}) == 1.0


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_depth_is_positive_and_finite_whatever_comes(values: list[float]) -> None:
    depth = torch.tensor([values])
    usable = da3.usable_depth(depth)
    assert bool((usable > 0).all() and usable.isfinite().all())
    good = depth.isfinite() & (depth > 0)
    assert torch.equal(usable[good], depth[good])


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_a_depth_that_is_no_number_is_told_and_all_others_are_positive(values: list[float]) -> None:
    depth = torch.tensor([values])
    told = da3.positive_depth(depth)
    assert torch.equal(told.isfinite(), depth.isfinite())
    assert bool((told[depth.isfinite()] > 0).all())


@given(focal_x_px=st.floats(width=32), focal_y_px=st.floats(width=32))
def test_the_field_of_view_stays_in_bounds_whatever_comes(focal_x_px: float, focal_y_px: float) -> None:
    clamped = da3.clamp_field_of_view(intrinsics(focal_x_px, focal_y_px), (HEIGHT, WIDTH))
    for focal_px, side_px in ((clamped[0, 0], WIDTH), (clamped[1, 1], HEIGHT)):
        assert 19.99 <= degrees(focal_px, side_px) <= 120.01
    assert (clamped[0, 2], clamped[1, 2]) == (WIDTH / 2, HEIGHT / 2)


def test_a_believable_field_of_view_is_left_alone() -> None:
    believable = intrinsics(5.0, 4.5)
    assert torch.equal(da3.clamp_field_of_view(believable, (HEIGHT, WIDTH)), believable)
    assert believable[0, 0] == 5.0


def test_without_a_predicted_camera_the_field_of_view_is_sixty_degrees() -> None:
    usual = da3.default_intrinsics(378, 504)
    assert degrees(usual[0, 0], 504) == pytest.approx(60)
    assert usual[0, 0] == usual[1, 1] and (usual[0, 2], usual[1, 2]) == (252, 189)


def test_metric_depth_is_in_proportion_to_the_focal_length() -> None:
    depth = torch.full((HEIGHT, WIDTH), 2.0)
    assert torch.allclose(da3.to_metres(depth, intrinsics(300.0, 300.0)), depth)
    assert torch.allclose(da3.to_metres(depth, intrinsics(500.0, 700.0)), depth * 2)


def test_an_image_is_normalised_as_imagenet_asks() -> None:
    image = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    image[1, 2] = torch.tensor([255, 0, 128], dtype=torch.uint8)
    x = da3.normalise(image)
    assert x.shape == (1, 1, 3, HEIGHT, WIDTH) and x.dtype == torch.float32
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (128 / 255 - 0.406) / 0.225]
    assert x[0, 0, :, 1, 2].tolist() == pytest.approx(expected, rel=1e-6)


def test_a_cpu_runs_in_full_precision() -> None:
    with da3.precision(torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
