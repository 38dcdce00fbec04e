"""Every rasterizer keeps the conventions of `splatcam.rendering`, and the fast ones draw what the reference draws."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gsply_helpers import dc_from_rgb
from splatcam.bench.render_speed import blob
from splatcam.estimators import Prediction
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.pixel_splats import pixel_splats
from splatcam.rendering import (
    BLUR_PX2,
    LIMIT_FOV,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    Image,
    Rasterizer,
    harmonics,
    kernels,
)
from splatcam.rendering.camera import Camera
from splatcam.rendering.cpu import CpuRasterizer
from splatcam.rendering.rasterizers import RasterizerUnavailable, build_rasterizer
from splatcam.rendering.reference import Filter, ReferenceRasterizer
from tests.oracles import gsplat_stand_in
from tests.oracles.clouds import awkward_cloud, depth_image

Build = Callable[..., Rasterizer]

RED, GREEN, BLUE, GREY = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.25, 0.5, 0.75)
CAMERA = Camera.pinhole(33, 25, 60)  # its axis goes through the middle of pixel (16, 12)
MIDDLE = (12, 16)


@pytest.fixture
def gsplat(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """CudaRasterizer on a GPU where there is one, or on this processor with gsplat stood in for."""
    if torch.cuda.is_available():
        yield
        return
    package, module = ModuleType("gsplat"), ModuleType("gsplat.rendering")
    module.rasterization = gsplat_stand_in.rasterization  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gsplat", package)
    monkeypatch.setitem(sys.modules, "gsplat.rendering", module)
    monkeypatch.setattr(import_module("splatcam.rendering.cuda"), "DEVICE", "cpu")
    yield
    sys.modules.pop("splatcam.rendering.cuda", None)  # what was imported here is of no use without the stand-in


@pytest.fixture(params=["reference", "cpu", "cpu on 2 threads", "cuda"])
def build(request: pytest.FixtureRequest) -> Build:
    match request.param:
        case "reference":
            return ReferenceRasterizer
        case "cpu":
            return lambda filter="classic": CpuRasterizer(1, filter)
        case "cpu on 2 threads":
            return lambda filter="classic": CpuRasterizer(2, filter)
    request.getfixturevalue("gsplat")
    return import_module("splatcam.rendering.cuda").CudaRasterizer


@pytest.fixture
def rasterizer(build: Build) -> Rasterizer:
    return build()


def ball(
    mean: tuple[float, float, float],
    rgb: tuple[float, float, float] = GREY,
    opacity: float = 0.8,
    scale: float | tuple[float, float, float] = 0.2,
    rotation: tuple[float, float, float, float] = (1, 0, 0, 0),
) -> Gaussians:
    turn = torch.tensor([rotation], dtype=torch.float32)
    return Gaussians(
        means=torch.tensor([mean], dtype=torch.float32),
        scales=torch.tensor([scale if isinstance(scale, tuple) else (scale,) * 3], dtype=torch.float32),
        rotations=turn / turn.norm(),
        opacities=torch.tensor([opacity], dtype=torch.float32),
        sh=dc_from_rgb(torch.tensor([[rgb]], dtype=torch.float32)),
    )


def together(*parts: Gaussians) -> Gaussians:
    return Gaussians(**{name: torch.cat([getattr(part, name) for part in parts]) for name in TENSORS})


def nothing() -> Gaussians:
    return ball((0, 0, 1)).select(torch.zeros(0, dtype=torch.int64))


def assert_same(image: Image, other: Image) -> None:
    for name in ("rgb", "depth", "alpha"):
        assert getattr(image, name).tobytes() == getattr(other, name).tobytes(), name


# ---------------------------------------------------------------- the contract


def test_the_conventions_are_those_of_3dgs() -> None:
    """diff-gaussian-rasterization's forward.cu; both sides of all other tests take them from one place."""
    assert (BLUR_PX2, MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, LIMIT_FOV) == (0.3, 0.99, 1 / 255, 1e-4, 1.3)


def test_an_empty_scene_is_the_background(rasterizer: Rasterizer) -> None:
    image = rasterizer.render(nothing(), CAMERA, GREY)
    assert image.rgb.shape == (25, 33, 3) and image.depth.shape == image.alpha.shape == (25, 33)
    assert {plane.dtype for plane in (image.rgb, image.depth, image.alpha)} == {np.dtype(np.float32)}
    assert (image.rgb == np.float32(GREY)).all() and not image.depth.any() and not image.alpha.any()


def test_a_splat_lies_where_the_camera_projects_its_mean(rasterizer: Rasterizer) -> None:
    posed = Camera.look_at((1, -0.5, -2), (0.2, 0.1, 1), (0, -1, 0), 50, 64, 40)
    camera = replace(posed, cx=22.0, cy=26.5, fx=posed.fx * 1.2)
    mean = (0.35, -0.1, 1.1)
    image = rasterizer.render(ball(mean, scale=0.05, opacity=0.9), camera)
    y, x = np.indices(image.alpha.shape) + 0.5
    centre = (x * image.alpha).sum() / image.alpha.sum(), (y * image.alpha).sum() / image.alpha.sum()
    expected, depth = camera.project(np.array([mean]))
    assert centre == pytest.approx(expected[0], abs=0.1)
    assert image.depth.max() == pytest.approx(depth[0], rel=1e-5)


def test_alpha_in_the_middle_is_the_opacity_and_the_background_shines_through(rasterizer: Rasterizer) -> None:
    image = rasterizer.render(ball((0, 0, 2), RED, opacity=0.75), CAMERA, BLUE)
    assert image.alpha[MIDDLE] == pytest.approx(0.75, abs=1e-5)
    assert image.rgb[MIDDLE] == pytest.approx((0.75, 0, 0.25), abs=1e-5)
    assert image.depth[MIDDLE] == pytest.approx(2, abs=1e-5)
    assert image.rgb[0, 0] == pytest.approx(BLUE) and image.depth[0, 0] == 0


@pytest.mark.parametrize("mean", [(0.1, -0.05, 2.0), (1.6, 0.3, 1.0), (-1.3, 0.4, 1.0)], ids=["middle", "edge", "past"])
def test_alpha_is_the_gaussian_of_the_textbook(rasterizer: Rasterizer, mean: tuple[float, float, float]) -> None:
    """Kerbl et al. 2023, with matrices: J W R S Sᵀ Rᵀ Wᵀ Jᵀ + 0.3 I, its inverse, the limits of the Jacobian."""
    scale, turn = (0.5, 0.2, 0.35), (0.8, 0.3, -0.4, 0.33)
    image = rasterizer.render(ball(mean, scale=scale, rotation=turn, opacity=0.9), CAMERA)
    w, x, y, z = np.array(turn) / np.linalg.norm(turn)
    cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    rotation = np.eye(3) + 2 * w * cross + 2 * cross @ cross  # Rodrigues' formula, of a quaternion
    limits = LIMIT_FOV * 0.5 * CAMERA.width / CAMERA.fx, LIMIT_FOV * 0.5 * CAMERA.height / CAMERA.fy
    u, v = (np.clip(mean[axis] / mean[2], -limits[axis], limits[axis]) for axis in range(2))
    jacobian = np.array(((CAMERA.fx, 0, -CAMERA.fx * u), (0, CAMERA.fy, -CAMERA.fy * v))) / mean[2]
    shape = jacobian @ rotation @ np.diag(scale)
    inverse = np.linalg.inv(shape @ shape.T + BLUR_PX2 * np.eye(2))
    rows, columns = np.indices(image.alpha.shape) + 0.5
    offsets = np.stack((columns, rows), axis=-1) - CAMERA.project(np.array([mean]))[0]
    alpha = 0.9 * np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", offsets, inverse, offsets))
    np.testing.assert_allclose(image.alpha, np.where(alpha >= MIN_ALPHA, alpha, 0), atol=2e-5)
    assert image.alpha.max() > 0.05


def test_what_lies_behind_the_camera_or_before_its_near_plane_is_not_drawn(rasterizer: Rasterizer) -> None:
    camera = replace(CAMERA, near=0.5)
    for z in (-2.0, 0.0, 0.499):
        assert not rasterizer.render(ball((0, 0, z)), camera).alpha.any()
    assert rasterizer.render(ball((0, 0, 0.5)), camera).alpha[MIDDLE] > 0.7


def test_what_lies_beside_the_picture_is_not_drawn(rasterizer: Rasterizer) -> None:
    for mean in ((40, 0, 2), (-40, 0, 2), (0, 40, 2), (0, -40, 2), (1e30, 0, 1), (-1e30, -1e30, 1)):
        assert not rasterizer.render(ball(mean), CAMERA).alpha.any()


def test_the_nearer_hides_the_farther_whatever_their_order(rasterizer: Rasterizer) -> None:
    near, far = ball((0, 0, 2), RED, 0.9), ball((0, 0, 3), GREEN, 0.9, 0.5)
    for scene in (together(near, far), together(far, near)):
        image = rasterizer.render(scene, CAMERA)
        assert image.rgb[MIDDLE] == pytest.approx((0.9, 0.09, 0), abs=1e-4)
        assert image.alpha[MIDDLE] == pytest.approx(0.99, abs=1e-4)
        assert image.depth[MIDDLE] == pytest.approx((0.9 * 2 + 0.09 * 3) / 0.99, abs=1e-4)


def test_of_two_at_the_same_depth_the_first_is_in_front(rasterizer: Rasterizer) -> None:
    red, green = ball((0, 0, 2), RED, 0.9), ball((0, 0, 2), GREEN, 0.9)
    assert rasterizer.render(together(red, green), CAMERA).rgb[MIDDLE] == pytest.approx((0.9, 0.09, 0), abs=1e-4)
    assert rasterizer.render(together(green, red), CAMERA).rgb[MIDDLE] == pytest.approx((0.09, 0.9, 0), abs=1e-4)


def test_no_splat_hides_all_that_is_behind_it(rasterizer: Rasterizer) -> None:
    image = rasterizer.render(ball((0, 0, 2), BLUE, opacity=1), CAMERA, RED)
    assert image.alpha[MIDDLE] == pytest.approx(MAX_ALPHA, abs=1e-5)
    assert image.rgb[MIDDLE] == pytest.approx((0.01, 0, 0.99), abs=1e-5)


def test_what_covers_less_than_a_255th_of_a_pixel_is_not_drawn(rasterizer: Rasterizer) -> None:
    assert not rasterizer.render(ball((0, 0, 2), opacity=1 / 256), CAMERA).alpha.any()
    alpha = rasterizer.render(ball((0, 0, 2)), CAMERA).alpha
    assert alpha[alpha > 0].min() >= MIN_ALPHA - 1e-6 and (alpha == 0).any()


def test_behind_a_closed_pixel_nothing_is_drawn(rasterizer: Rasterizer) -> None:
    wall = [ball((0, 0, 2 + 0.01 * layer), RED, 0.95) for layer in range(6)]
    image = rasterizer.render(together(*wall, ball((0, 0, 3), GREEN, 0.95)), CAMERA, GREEN)
    assert image.rgb[MIDDLE] == pytest.approx(RED, abs=2e-4)
    assert 1 - 2e-4 < image.alpha[MIDDLE] <= 1


def test_colours_are_never_outside_of_0_to_1(rasterizer: Rasterizer) -> None:
    scene = together(ball((-0.5, 0, 2), (40.0, 0.5, -40.0)), ball((0.5, 0, 2), (-3.0, 2.0, 0.5)))
    image = rasterizer.render(scene, CAMERA, GREY)
    assert image.rgb.min() >= 0 and image.rgb.max() == 1


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_colour_depends_on_the_direction_from_the_camera_to_the_mean(rasterizer: Rasterizer, degree: int) -> None:
    sh = 0.12 * torch.randn(1, (degree + 1) ** 2, 3, generator=torch.Generator().manual_seed(degree))
    scene = replace(ball((0.3, -0.2, 0.5), opacity=0.99, scale=0.1), sh=sh)
    for eye in ((0, 0, -1), (1.2, 0.4, 1.3), (-0.5, 1.4, 0.2)):
        camera = Camera.look_at(eye, (0.3, -0.2, 0.5), (0, -1, 0), 40, 33, 25)
        direction = np.array((0.3, -0.2, 0.5)) - eye
        weights = [harmonic(band, order, direction) for band in range(degree + 1) for order in range(-band, band + 1)]
        expected = 0.99 * np.maximum(0, 0.5 + np.array(weights) @ sh[0].double().numpy())
        assert rasterizer.render(scene, camera).rgb[MIDDLE] == pytest.approx(expected.clip(0, 1), abs=2e-4)


@pytest.mark.parametrize("scale", [0.0005, 0.02, 0.2])
def test_antialiased_keeps_the_integral_of_a_splat(build: Build, scale: float) -> None:
    image = build("antialiased").render(ball((0, 0, 2), scale=scale), CAMERA)
    variance_px2 = (CAMERA.fx * scale / 2) ** 2
    assert image.alpha[MIDDLE] == pytest.approx(_visible(0.8 * variance_px2 / (variance_px2 + BLUR_PX2)), abs=1e-5)
    assert build("classic").render(ball((0, 0, 2), scale=scale), CAMERA).alpha[MIDDLE] == pytest.approx(0.8, abs=1e-5)


def _visible(alpha: float) -> float:
    return alpha if alpha >= MIN_ALPHA else 0.0


def test_the_depth_of_a_wall_is_its_depth(rasterizer: Rasterizer) -> None:
    image = rasterizer.render(pixel_splats(frame(torch.full((25, 33), 2.5))), CAMERA)
    assert image.alpha.min() > 0.9
    np.testing.assert_allclose(image.depth, 2.5, rtol=1e-5)


@pytest.mark.parametrize("scale", [(0.3, 0.2, 0.0), (0.3, 0.0, 0.0), (0.0, 0.0, 0.0), (1e-30, 1e-30, 1e-30)])
def test_what_has_no_thickness_is_as_wide_as_the_blur(
    rasterizer: Rasterizer, scale: tuple[float, float, float]
) -> None:
    edge_on = rasterizer.render(ball((0, 0, 2), scale=scale[::-1]), CAMERA)
    assert edge_on.alpha[MIDDLE] == pytest.approx(0.8, abs=1e-5)
    widest_px = np.count_nonzero(edge_on.alpha[MIDDLE[0]])
    assert widest_px == 3 if scale[2] == scale[1] else widest_px >= 3


def test_a_gaussian_that_is_not_finite_is_left_out_and_the_others_are_drawn(rasterizer: Rasterizer) -> None:
    good = ball((0, 0, 2))
    alone = rasterizer.render(good, CAMERA, GREY)
    for name in TENSORS:
        for value in (math.nan, math.inf, -math.inf):
            bad = ball((0.1, 0, 1.5))
            getattr(bad, name).view(-1)[0] = value
            assert_same(rasterizer.render(together(bad, good), CAMERA, GREY), alone)
    turned_by_nothing = replace(ball((0, 0, 1)), rotations=torch.zeros(1, 4))
    assert_same(rasterizer.render(together(turned_by_nothing, good), CAMERA, GREY), alone)


def test_every_picture_of_awkward_gaussians_is_finite(rasterizer: Rasterizer) -> None:
    scene = awkward_cloud().select(torch.arange(0, awkward_cloud().count, 16))
    for eye in ((0, 0, 0), (0, 0, -30), (5, 5, 5)):
        image = rasterizer.render(scene, Camera.look_at(eye, (0, 0, 1), (0, -1, 0), 90, 33, 25))
        assert all(np.isfinite(plane).all() for plane in (image.rgb, image.depth, image.alpha))
        assert 0 <= image.alpha.min() and image.alpha.max() <= 1 and image.depth.min() >= 0


def test_the_largest_numbers_make_a_finite_picture(rasterizer: Rasterizer) -> None:
    huge = float(np.finfo(np.float32).max) / 4
    parts = [ball((x, 0, z), scale=s) for x in (0, huge) for z in (0.02, huge) for s in (1e-38, 1.0, huge)]
    image = rasterizer.render(together(*parts), CAMERA)
    assert all(np.isfinite(plane).all() for plane in (image.rgb, image.depth, image.alpha))


def test_the_same_scene_gives_the_same_picture_and_leaves_earlier_ones_alone(rasterizer: Rasterizer) -> None:
    scene = pixel_splats(frame(depth_image(25, 33)))
    first = rasterizer.render(scene, CAMERA, GREY)
    kept = Image(first.rgb.copy(), first.depth.copy(), first.alpha.copy())
    rasterizer.render(ball((0, 0, 1), RED, 0.9, 2.0), CAMERA, BLUE)
    rasterizer.render(together(scene, scene), Camera.pinhole(70, 90, 30), BLUE)
    assert_same(first, kept)
    assert_same(rasterizer.render(scene, CAMERA, GREY), kept)


def frame(depth: torch.Tensor) -> Prediction:
    """What an estimator says of a picture that CAMERA took."""
    height, width = depth.shape
    image = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    focal_px = CAMERA.fx * width / CAMERA.width
    intrinsics = torch.tensor([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    return Prediction(depth=depth, intrinsics=intrinsics, image=image)


@pytest.mark.parametrize("build", [ReferenceRasterizer, CpuRasterizer])
@pytest.mark.parametrize("length", [1e2, 1e4, 1e6, 1e8])
def test_a_needle_is_as_wide_as_the_blur_however_long_it_is(build: Build, length: float) -> None:
    """gsplat, which computes in float32, is not asked."""
    turn = math.cos(math.pi / 8), 0.0, 0.0, math.sin(math.pi / 8)  # by 45 degrees, in the plane of the picture
    alpha = build().render(ball((0, 0, 2), scale=(length, 1e-6, 1e-6), rotation=turn), CAMERA).alpha
    rows, columns = np.indices(alpha.shape)
    distance_px = np.abs((rows - MIDDLE[0]) - (columns - MIDDLE[1])) / math.sqrt(2)
    expected = 0.8 * np.exp(-(distance_px**2) / (2 * BLUR_PX2))
    np.testing.assert_allclose(alpha, np.where(expected >= MIN_ALPHA, expected, 0), atol=1e-3)


# ---------------------------------------------------------------- against the reference


KINDS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "ordinary": lambda rng: {},
    "flat": lambda rng: {"scales": rng.permutation([0.3, 0.2, rng.choice([0.0, 1e-20, 1e-6])])},
    "needle": lambda rng: {
        "scales": rng.permutation([rng.choice([1.0, 1e2, 1e4, 1e6]), 1e-4, rng.choice([0.0, 1e-4])])
    },
    "dot": lambda rng: {"scales": np.full(3, rng.choice([0.0, 1e-30, 1e-8, 1e-3]))},
    "huge": lambda rng: {"scales": 10 ** rng.uniform(0, 6, 3)},
    "faint": lambda rng: {"opacities": rng.choice([0.0, 1e-9, 1 / 256, 1 / 255, 1 / 254, 0.02])},
    "opaque": lambda rng: {"opacities": rng.choice([0.989, 0.99, 0.991, 1.0])},
    "stacked": lambda rng: {"means": np.array((0.1, 0.1, 2.0)), "opacities": rng.choice([0.5, 1.0])},
    "layer": lambda rng: {"means": np.array((*rng.normal(size=2), 2.0))},
    "near": lambda rng: {"means": rng.normal(size=3) * 0.05},
    "behind": lambda rng: {"means": np.array((0, 0, -3.0)) + rng.normal(size=3)},
    "far": lambda rng: {"means": rng.normal(size=3) * 1e4, "scales": 10 ** rng.uniform(0, 3, 3)},
    "aside": lambda rng: {"means": rng.normal(size=3) * (8, 8, 1) + (0, 0, 1), "scales": 10 ** rng.uniform(-2, 1, 3)},
    "not finite": lambda rng: {rng.choice(["means", "scales"]): rng.choice([np.nan, np.inf, 1.0], 3)},
}


@st.composite
def scenes(draw: st.DrawFn) -> Gaussians:
    """Up to 40 Gaussians of all kinds, and colours of any degree."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=40))
    coefficients = draw(st.sampled_from((1, 4, 9, 16)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = [_ordinary(rng, coefficients) | KINDS[kind](rng) for kind in kinds]
    shapes = {"means": (3,), "scales": (3,), "rotations": (4,), "opacities": (), "sh": (coefficients, 3)}
    columns = {name: np.array([row[name] for row in rows]).reshape(-1, *shape) for name, shape in shapes.items()}
    return Gaussians(**{name: torch.tensor(column, dtype=torch.float32) for name, column in columns.items()})


def _ordinary(rng: np.random.Generator, coefficients: int) -> dict[str, Any]:
    return {
        "means": rng.normal(size=3) * (1, 0.7, 0.7) + (0, 0, 2),
        "scales": np.exp(rng.normal(-2.5, 1.0, 3)),
        "rotations": rng.normal(size=4),
        "opacities": rng.uniform(),
        "sh": rng.normal(0, 0.7, (coefficients, 3)) / np.sqrt(coefficients),
    }


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    eye = draw(st.sampled_from([(0.0, 0.0, 0.0), tuple(rng.normal(size=3)), tuple(rng.normal(size=3) * 4)]))
    camera = Camera.look_at(eye, (0, 0, 2), (0, -1, 0), float(rng.uniform(15, 120)), width, height)
    return replace(camera, cx=width * rng.uniform(0.2, 0.8), cy=height * rng.uniform(0.2, 0.8), fx=camera.fx * 1.1)


ON_THREADS = {threads: {f: CpuRasterizer(threads, f) for f in ("classic", "antialiased")} for threads in (1, 2)}


def assert_alike(fast: Image, exact: Image, most: float) -> None:
    """`most`: in rgb, alpha, and in depth as a share of the farthest."""
    assert np.abs(fast.rgb - exact.rgb).max() <= most
    assert np.abs(fast.alpha - exact.alpha).max() <= most
    weighted = np.abs(fast.depth * fast.alpha - exact.depth * exact.alpha)
    assert weighted.max() <= most * max(exact.depth.max(), 1e-9)
    assert all(np.isfinite(plane).all() for plane in (fast.rgb, fast.depth, fast.alpha))


@settings(max_examples=200)
@given(scenes(), cameras(), st.sampled_from(("classic", "antialiased")), st.sampled_from((1, 2)))
def test_cpu_and_reference_differ_by_two_255ths_at_most(
    scene: Gaussians, camera: Camera, filter: Filter, threads: int
) -> None:
    fast = ON_THREADS[threads][filter].render(scene, camera, GREY)
    assert_alike(fast, ReferenceRasterizer(filter).render(scene, camera, GREY), 2 / 255)


@pytest.mark.parametrize("size", [(60, 45), (131, 70)])
def test_cpu_draws_a_frame_as_the_reference_does(size: tuple[int, int]) -> None:
    scene = pixel_splats(frame(depth_image(50, 66)))
    camera = Camera.look_at((0.3, 0.1, -0.2), (0, 0, 2), (0, -1, 0), 60, *size)
    fast = CpuRasterizer().render(scene, camera, GREY)
    assert_alike(fast, ReferenceRasterizer().render(scene, camera, GREY), 1e-4)


def test_cpu_draws_a_scene_of_many_layers_as_the_reference_does() -> None:
    """Most of its pixels are closed long before the last splat of a band."""
    scene = replace(blob(3 * kernels.LOOK_EVERY), opacities=torch.full((3 * kernels.LOOK_EVERY,), 0.97))
    camera = Camera.look_at((0.2, 0.1, 1.5), (0, 0, 4), (0, -1, 0), 50, 50, kernels.ROWS_PER_BAND + 3)
    exact = ReferenceRasterizer().render(scene, camera, GREY)
    assert 0.1 < (exact.alpha > 0.9999).mean() < 1
    assert_alike(CpuRasterizer().render(scene, camera, GREY), exact, 1e-3)


def test_two_threads_draw_to_the_bit_what_one_does() -> None:
    scene = pixel_splats(frame(depth_image(75, 99)))
    camera = Camera.pinhole(150, 110, 60)
    assert_same(CpuRasterizer(2).render(scene, camera, GREY), CpuRasterizer(1).render(scene, camera, GREY))


# ---------------------------------------------------------------- kernels


keys = st.one_of(st.sampled_from([0x3F800000, 0x3F800001, 0x3F7FFFFF, int(kernels.HIDDEN)]), st.integers(0, 0x7F7FFFFF))


@given(arrays.arrays(np.uint32, st.integers(0, 300), elements=keys))
def test_the_order_is_that_of_a_stable_sort_without_what_is_hidden(keys: np.ndarray) -> None:
    order = kernels.sort_by_depth(keys, np.empty(len(keys), np.int32), np.empty(len(keys), np.int32))
    expected = np.argsort(keys, kind="stable")
    assert order.tolist() == expected[keys[expected] != kernels.HIDDEN].tolist()


@pytest.mark.parametrize(("cause", "comes_out"), [(KeyboardInterrupt(), KeyboardInterrupt), (None, SystemError)])
def test_ctrl_c_within_a_kernel_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, cause: BaseException | None, comes_out: type[BaseException]
) -> None:
    def as_numba_does(*arguments: Any) -> None:
        raise SystemError("CPUDispatcher returned a result with an exception set") from cause

    rasterizer = CpuRasterizer()
    monkeypatch.setattr("splatcam.rendering.kernels.deal_out", as_numba_does)
    with pytest.raises(comes_out):
        rasterizer.warm_up()


def test_a_kernel_that_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    nowhere: dict[str, Any] = {}
    exec(compile("def twice(x):\n    return 2 * x", "<no file>", "exec"), nowhere)
    assert kernels.compiled()(nowhere["twice"])(21) == 42


# ---------------------------------------------------------------- harmonics


def harmonic(band: int, order: int, direction: np.ndarray) -> float:
    """A real spherical harmonic from the associated Legendre function, with the sign of Condon and Shortley."""
    x, y, z = direction / np.linalg.norm(direction)
    m = abs(order)
    legendre = np.polynomial.Legendre.basis(band).deriv(m)(z) * (-math.hypot(x, y)) ** m
    norm = math.sqrt((2 * band + 1) / (4 * math.pi) * math.factorial(band - m) / math.factorial(band + m))
    turn = m * math.atan2(y, x)
    if order == 0:
        return norm * legendre
    return math.sqrt(2) * norm * legendre * (math.cos(turn) if order > 0 else math.sin(turn))


def test_the_basis_is_the_real_spherical_harmonics() -> None:
    for direction in np.random.default_rng(3).normal(size=(20, 3)):
        expected = [harmonic(band, order, direction) for band in range(4) for order in range(-band, band + 1)]
        assert harmonics.basis(*(direction / np.linalg.norm(direction))) == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------- which one draws


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_rasterizer_is_had_by_its_name(name: Any) -> None:
    rasterizer = build_rasterizer(name, threads=2, filter="antialiased")
    assert rasterizer.name == name and rasterizer.filter == "antialiased"  # type: ignore[attr-defined]


def without(monkeypatch: pytest.MonkeyPatch, package: str, *ours: str) -> None:
    """As if `package` were not installed; `ours` forget that they have it."""
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    for module in ours:
        monkeypatch.delitem(sys.modules, module, raising=False)


def with_device(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def test_without_numba_cpu_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "numba", "splatcam.rendering.cpu", "splatcam.rendering.kernels")
    monkeypatch.delattr("splatcam.rendering.kernels", raising=False)
    with pytest.raises(RasterizerUnavailable, match=r"needs numba .*splatcam\[render\]"):
        build_rasterizer("cpu")


def test_without_a_device_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with_device(monkeypatch, False)
    with pytest.raises(RasterizerUnavailable, match="torch sees none"):
        build_rasterizer("cuda")


def test_without_gsplat_cuda_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with_device(monkeypatch, True)
    without(monkeypatch, "gsplat", "gsplat.rendering", "splatcam.rendering.cuda")
    with pytest.raises(RasterizerUnavailable, match=r"needs gsplat .*splatcam\[gsplat\]"):
        build_rasterizer("cuda")


def test_a_gsplat_that_cannot_draw_is_no_rasterizer(monkeypatch: pytest.MonkeyPatch, gsplat: None) -> None:
    with_device(monkeypatch, True)

    def broken(**_: Any) -> None:
        raise TypeError("'NoneType' object is not callable")

    monkeypatch.setattr(import_module("splatcam.rendering.cuda"), "rasterization", broken)
    with pytest.raises(RasterizerUnavailable, match="cannot draw on this machine's CUDA device: TypeError"):
        build_rasterizer("cuda")


def test_auto_takes_the_device_where_gsplat_draws(monkeypatch: pytest.MonkeyPatch, gsplat: None) -> None:
    with_device(monkeypatch, True)
    assert build_rasterizer().name == "cuda"


def test_auto_takes_the_processor_where_there_is_no_device(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_device(monkeypatch, False)
    assert build_rasterizer().name == "cpu"
    assert not caplog.records


def test_auto_without_anything_draws_slowly_and_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_device(monkeypatch, False)
    without(monkeypatch, "numba", "splatcam.rendering.cpu", "splatcam.rendering.kernels")
    monkeypatch.delattr("splatcam.rendering.kernels", raising=False)
    with caplog.at_level(logging.INFO):
        assert build_rasterizer().name == "reference"
    (record,) = caplog.records
    assert "slowly" in record.message and "splatcam[render]" in record.message
