"""Gaussians from depth: each splat is a round dot of its own pixel that lies in the surface."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gsply_helpers import dc_from_rgb
from splatcam.estimators import Prediction
from splatcam.gaussians import Gaussians
from splatcam.pixel_splats import OPACITY, SIGMA_PX, STEEPEST_SLOPE, THICKNESS_PX, pixel_points, pixel_splats


def intrinsics_of(height: int, width: int, focal_px: float = 40.0, pixel_aspect: float = 1.0) -> Tensor:
    return torch.tensor([[focal_px, 0, width / 2], [0, focal_px * pixel_aspect, height / 2], [0, 0, 1]])


def rays_of(height: int, width: int, intrinsics: Tensor) -> np.ndarray:
    """[H, W, 3] float64, z = 1, by the contract's sentence."""
    k = intrinsics.double().numpy()
    y, x = np.mgrid[:height, :width]
    return np.stack(((x + 0.5 - k[0, 2]) / k[0, 0], (y + 0.5 - k[1, 2]) / k[1, 1], np.ones((height, width))), axis=-1)


def prediction_of(depth: np.ndarray, intrinsics: Tensor) -> Prediction:
    image = torch.arange(depth.size * 3).remainder(256).to(torch.uint8).reshape(*depth.shape, 3)
    return Prediction(torch.from_numpy(depth).float(), intrinsics, image)


def plane(normal: tuple[float, float, float], height: int = 24, width: int = 32, **camera: float) -> Prediction:
    """The plane n · p = 2 n_z, seen whole."""
    intrinsics = intrinsics_of(height, width, **camera)
    return prediction_of(2 * normal[2] / (rays_of(height, width, intrinsics) @ np.array(normal)), intrinsics)


def axes_of(gaussians: Gaussians) -> np.ndarray:
    """[N, 3, 3] float64: the splats' axes as columns, by the textbook formula for wxyz."""
    w, x, y, z = gaussians.rotations.double().numpy().T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def covariances_of(gaussians: Gaussians) -> np.ndarray:
    stretched = axes_of(gaussians) * gaussians.scales.double().numpy()[:, None, :]
    return stretched @ stretched.transpose(0, 2, 1)


def minmod(before: float, after: float) -> float:
    return 0.0 if before * after <= 0 else min(before, after, key=abs)


def reference_covariances(prediction: Prediction) -> np.ndarray:
    """Pixel by pixel in float64: sigma² J Jᵀ + thickness² n nᵀ, J the columns ∂(z r)/∂x and ∂(z r)/∂y."""
    z, k = prediction.depth.double().numpy(), prediction.intrinsics.double().numpy()
    height, width = z.shape
    rays = rays_of(height, width, prediction.intrinsics)
    covariances = []
    for y in range(height):
        for x in range(width):
            slope = []
            for axis, at, side in ((1, x, width), (0, y, height)):
                line = 1 / (z[y] if axis == 1 else z[:, x])
                before = line[at] - line[at - 1] if at > 0 else line[1] - line[0]
                after = line[at + 1] - line[at] if at < side - 1 else line[-1] - line[-2]
                slope.append(-minmod(before, after) * z[y, x] * k[1 - axis, 1 - axis])
            slope = np.array(slope)
            slope *= np.clip(2 - np.linalg.norm(slope) / STEEPEST_SLOPE, 0, 1)
            tangents = [z[y, x] / k[i, i] * (slope[i] * rays[y, x] + np.eye(3)[i]) for i in (0, 1)]
            normal = np.cross(*tangents)
            normal *= THICKNESS_PX * z[y, x] / k[0, 0] / np.linalg.norm(normal)
            covariances.append(SIGMA_PX**2 * sum(np.outer(t, t) for t in tangents) + np.outer(normal, normal))
    return np.array(covariances)


def coverage_at(points: np.ndarray, gaussians: Gaussians) -> np.ndarray:
    """What share of the light from straight behind each surface point [M, 3] the splats together hold back."""
    inverse = np.linalg.inv(covariances_of(gaussians))
    offset = points[:, None, :] - gaussians.means.double().numpy()
    alpha = OPACITY * np.exp(-0.5 * np.einsum("mni,nij,mnj->mn", offset, inverse, offset))
    return 1 - np.prod(1 - alpha, axis=1)


SLANTS = [(0.0, 0.0, 1.0), (0.7, 0.0, 1.0), (0.0, -2.0, 1.0), (0.6, 0.6, 1.0), (-0.5, 1.5, 1.0)]


@pytest.mark.parametrize("pixel_aspect", [1.0, 0.5, 1.7])
@pytest.mark.parametrize("shape", ["plane", "waves", "noise"])
def test_covariances_agree_with_the_pixel_by_pixel_reference(shape: str, pixel_aspect: float) -> None:
    generator = np.random.default_rng(3)
    intrinsics = intrinsics_of(18, 23, pixel_aspect=pixel_aspect)
    y, x = np.mgrid[:18, :23]
    depth = {
        "plane": plane((0.4, -1.2, 1.0), 18, 23, pixel_aspect=pixel_aspect).depth.double().numpy(),
        "waves": 2 + 0.3 * np.sin(x / 3) + 0.2 * np.cos(y / 2),
        "noise": generator.uniform(0.5, 5.0, (18, 23)),
    }[shape]
    prediction = prediction_of(depth, intrinsics)
    expected = reference_covariances(prediction)
    scale = np.trace(expected, axis1=1, axis2=2)[:, None, None]
    assert np.abs((covariances_of(pixel_splats(prediction)) - expected) / scale).max() < 1e-4


@pytest.mark.parametrize("normal", SLANTS)
def test_the_thin_axis_of_a_splat_is_the_normal_of_its_plane(normal: tuple[float, float, float]) -> None:
    thin = axes_of(pixel_splats(plane(normal)))[:, :, 2]
    cosine = np.abs(thin @ np.array(normal)) / math.hypot(*normal)
    assert np.degrees(np.arccos(cosine.clip(max=1))).max() < 1


@pytest.mark.parametrize("normal", SLANTS)
def test_a_slanted_plane_has_no_holes_when_seen_from_any_side(normal: tuple[float, float, float]) -> None:
    prediction = plane(normal)
    k = prediction.intrinsics.double().numpy()
    corners = np.random.default_rng(1).uniform((4, 4, 0), (28, 20, 0), (400, 3))  # pixel x, y of points on the plane
    corners[:200] = corners[:200].round()  # where four pixels meet: the worst place
    rays = np.stack(((corners[:, 0] - 16) / k[0, 0], (corners[:, 1] - 12) / k[1, 1], np.ones(400)), axis=1)
    points = rays * (2 * normal[2] / (rays @ np.array(normal)))[:, None]
    assert coverage_at(points, pixel_splats(prediction)).min() > 0.9


def test_a_wall_that_faces_the_camera_gets_discs_that_face_the_camera() -> None:
    gaussians = pixel_splats(plane((0.0, 0.0, 1.0)))
    footprint = 2.0 / 40.0
    expected = torch.tensor([SIGMA_PX, SIGMA_PX, THICKNESS_PX]) * footprint
    assert torch.allclose(gaussians.scales, expected.expand(24 * 32, 3), rtol=1e-5)
    assert torch.allclose(gaussians.rotations, torch.tensor([1.0, 0, 0, 0]).expand(24 * 32, 4), atol=1e-4)


@pytest.mark.parametrize("far_m", [1.5, 3.0, 50.0])
def test_no_splat_reaches_across_a_step_in_depth(far_m: float) -> None:
    intrinsics = intrinsics_of(24, 32, focal_px=436.0)
    near = plane((0.0, -0.5, 1.0), focal_px=436.0).depth.double().numpy() / 2
    depth = np.where((np.mgrid[:24, :32][1] > 10) & (np.mgrid[:24, :32][1] < 20), near, far_m)
    gaussians = pixel_splats(prediction_of(depth, intrinsics))
    longest = gaussians.scales.max(dim=1).values.reshape(24, 32).numpy() / (depth / 436.0 * SIGMA_PX)
    assert longest.max() < 1.15  # the slope of the near plane, sqrt(1 + 0.5²), and no more


def test_a_smeared_step_is_not_bridged_by_long_splats() -> None:
    depth = np.broadcast_to(np.interp(np.arange(32), [12, 16], [1.0, 3.0]), (24, 32)).copy()
    gaussians = pixel_splats(prediction_of(depth, intrinsics_of(24, 32, focal_px=436.0)))
    longest = gaussians.scales.max(dim=1).values.reshape(24, 32).numpy() / (depth / 436.0 * SIGMA_PX)
    assert longest.max() < 1.01


def test_a_single_pixel_thing_gets_a_disc() -> None:
    depth = np.full((14, 14), 3.0)
    depth[7, 7] = 1.0
    gaussians = pixel_splats(prediction_of(depth, intrinsics_of(14, 14)))
    disc = torch.tensor([SIGMA_PX, SIGMA_PX, THICKNESS_PX]) / 40
    assert torch.allclose(gaussians.scales[7 * 14 + 7], disc, rtol=1e-5)


def test_means_lie_on_the_rays_through_the_pixel_centres() -> None:
    prediction = plane((0.3, -0.4, 1.0), pixel_aspect=1.3)
    expected = rays_of(24, 32, prediction.intrinsics) * prediction.depth.double().numpy()[..., None]
    assert np.allclose(pixel_splats(prediction).means.numpy(), expected.reshape(-1, 3), rtol=1e-6)


@pytest.mark.parametrize("stride", [2, 3, 16])
def test_a_stride_keeps_every_nth_pixel_and_widens_it(stride: int) -> None:
    prediction = plane((0.0, 0.0, 1.0))
    whole, strided = pixel_splats(prediction), pixel_splats(prediction, stride=stride)
    index = torch.arange(24 * 32).reshape(24, 32)[::stride, ::stride].reshape(-1)
    assert strided.pixel_index is not None and torch.equal(strided.pixel_index, index)
    assert strided.grid == (24, 32)
    assert torch.allclose(strided.means, whole.means[index])
    assert torch.allclose(strided.scales, whole.scales[index] * stride, rtol=1e-5)
    assert torch.equal(strided.sh, whole.sh[index])


def test_a_strided_slanted_plane_keeps_its_normals() -> None:
    thin = axes_of(pixel_splats(plane((0.5, -1.5, 1.0)), stride=3))[:, :, 2]
    cosine = np.abs(thin @ np.array((0.5, -1.5, 1.0))) / math.hypot(0.5, 1.5, 1.0)
    assert np.degrees(np.arccos(cosine.clip(max=1))).max() < 1


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_the_border_is_left_out_as_if_it_had_been_pruned(stride: int) -> None:
    prediction = plane((0.3, -0.4, 1.0), height=70, width=98)
    whole = pixel_splats(prediction, stride=stride)
    inner = pixel_splats(prediction, stride=stride, border_fraction=8 / 256)
    index = whole.pixel_index if whole.pixel_index is not None else torch.arange(70 * 98)
    y, x = index // 98, index % 98
    kept = whole.select((y >= 2) & (y < 68) & (x >= 3) & (x < 95))
    assert torch.equal(inner.pixel_index, kept.pixel_index)
    assert torch.allclose(inner.means, kept.means)
    assert torch.allclose(inner.scales, kept.scales, rtol=1e-4)  # a slope at the rim comes from other neighbours


@pytest.mark.parametrize(("stride", "border_fraction"), [(1, 0.0), (3, 0.0), (2, 0.1)])
def test_points_are_the_means_and_the_pixels_of_the_splats(stride: int, border_fraction: float) -> None:
    prediction = plane((0.3, -0.4, 1.0))
    splats = pixel_splats(prediction, stride, border_fraction)
    positions, colors = pixel_points(prediction, stride, border_fraction)
    assert torch.equal(positions, splats.means) and colors.dtype == torch.uint8
    assert torch.allclose(splats.sh[:, 0], dc_from_rgb(colors.float() / 255))


def test_colours_and_opacities_are_those_of_the_image_and_the_constant() -> None:
    prediction = plane((0.0, 0.0, 1.0))
    gaussians = pixel_splats(prediction)
    assert torch.allclose(gaussians.sh[:, 0], dc_from_rgb(prediction.image.reshape(-1, 3).float() / 255))
    assert bool((gaussians.opacities == OPACITY).all())
    assert gaussians.pixel_index is None and gaussians.grid == (24, 32)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    stride=st.integers(1, 16),
    focal_px=st.floats(5, 2000),
    pixel_aspect=st.floats(0.25, 4),
    seed=st.integers(0, 2**16),
    spread=st.floats(0, 8),
)
def test_any_positive_depth_gives_valid_gaussians_of_bounded_length(
    rows: int, columns: int, stride: int, focal_px: float, pixel_aspect: float, seed: int, spread: float
) -> None:
    depth = np.exp(np.random.default_rng(seed).uniform(-spread / 2, spread / 2, (rows, columns)))
    prediction = prediction_of(depth, intrinsics_of(rows, columns, focal_px, pixel_aspect))
    gaussians = pixel_splats(prediction, stride=stride).validate()
    rays = rays_of(rows, columns, prediction.intrinsics)[::stride, ::stride].reshape(-1, 3)
    footprint = depth[::stride, ::stride].reshape(-1) * stride / focal_px * max(1, 1 / pixel_aspect) * SIGMA_PX
    steepest = 1 + STEEPEST_SLOPE * np.linalg.norm(rays, axis=1)
    assert (gaussians.scales.double().numpy().max(axis=1) <= footprint * steepest * 1.001).all()
