"""Image → bytes for eyes: what each mode shows, and a depth range that holds still."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from splatcam.rendering import Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.shading import MODES, DepthRange, Mode, follow, shade

CAMERA = Camera.pinhole(24, 16, 60.0)
HEIGHT, WIDTH = CAMERA.height, CAMERA.width


def image_of(depth: Any, alpha: Any = 1.0) -> Image:
    """A green scene of that depth."""
    shape = (HEIGHT, WIDTH)
    rgb = np.broadcast_to(np.float32([0.0, 1.0, 0.0]), (*shape, 3))
    return Image(rgb, np.broadcast_to(np.float32(depth), shape), np.broadcast_to(np.float32(alpha), shape))


def left_and_right(left: float, right: float) -> np.ndarray[Any, Any]:
    values = np.full((HEIGHT, WIDTH), left, np.float32)
    values[:, WIDTH // 2 :] = right
    return values


def slope(tangent_x: float, tangent_y: float, distance: float = 4.0) -> np.ndarray[Any, Any]:
    """The depth of the plane z = distance + tangent_x · x + tangent_y · y."""
    x = (np.arange(WIDTH) + 0.5 - CAMERA.cx) / CAMERA.fx
    y = (np.arange(HEIGHT) + 0.5 - CAMERA.cy) / CAMERA.fy
    return distance / (1 - tangent_x * x[None, :] - tangent_y * y[:, None])


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_bytes_of_the_pictures_own_size(mode: Mode) -> None:
    picture = shade(image_of(3.0), mode, CAMERA)
    assert (picture.shape, picture.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)


def test_rgb_is_the_picture_itself() -> None:
    assert (shade(image_of(3.0), "rgb", CAMERA) == [0, 255, 0]).all()


@pytest.mark.parametrize("mode", ["depth", "mesh", "normal"])
def test_where_nothing_is_the_others_are_black(mode: Mode) -> None:
    alpha = left_and_right(1.0, 0.0)
    picture = shade(image_of(3.0 * alpha, alpha), mode, CAMERA)
    assert (picture[:, WIDTH // 2 :] == 0).all()
    assert (picture[:, 1 : WIDTH // 2 - 1] > 0).all()
    assert (shade(image_of(0.0, 0.0), mode, CAMERA) == 0).all()


@pytest.mark.parametrize("mode", ["depth", "mesh"])
def test_what_is_nearer_is_brighter_and_grey(mode: Mode) -> None:
    picture = shade(image_of(left_and_right(2.0, 5.0)), mode, CAMERA)
    near, far = picture[5, 3], picture[5, -4]
    assert near[0] > far[0] + 50 and far[0] > 0
    assert (picture == picture[..., :1]).all()


def test_mesh_has_a_dark_contour_at_a_step_of_depth_and_where_the_scene_ends() -> None:
    edge = WIDTH // 2 - 1
    for image in (image_of(left_and_right(2.0, 5.0)), image_of(3.0, left_and_right(1.0, 0.0))):
        row = shade(image, "mesh", CAMERA)[8, :, 0].astype(int)
        assert row[edge] < row[edge - 2] - 20
    inside = shade(image_of(left_and_right(2.0, 5.0)), "mesh", CAMERA)[8, :, 0].astype(int)
    assert inside[edge] < inside[edge + 3]


def test_mesh_has_the_brightness_that_is_promised() -> None:
    picture = shade(image_of(2.0), "mesh", CAMERA, DepthRange(1.0, 3.0))
    assert (picture == round(255 * (0.18 + 0.70 * 0.5))).all()


def test_a_wall_that_faces_the_camera_is_the_blue_of_normal_maps() -> None:
    assert (shade(image_of(4.0), "normal", CAMERA) == [128, 128, 255]).all()


@pytest.mark.parametrize(
    "tangents, normal",
    [((1.0, 0.0), (1.0, 0.0, 1.0)), ((-1.0, 0.0), (-1.0, 0.0, 1.0)), ((0.0, 1.0), (0.0, -1.0, 1.0))],
)
def test_a_slope_has_its_own_normal_in_every_pixel(
    tangents: tuple[float, float], normal: tuple[float, float, float]
) -> None:
    """x right, y up, z towards the camera: what falls away to the right looks to the right."""
    picture = shade(image_of(slope(*tangents)), "normal", CAMERA).astype(float) / 255 * 2 - 1
    expected = np.broadcast_to(np.array(normal) / math.sqrt(2), (HEIGHT - 4, WIDTH - 4, 3))
    np.testing.assert_allclose(picture[2:-2, 2:-2], expected, atol=0.02)


def test_at_a_step_of_depth_a_normal_is_that_of_its_own_surface() -> None:
    assert (shade(image_of(left_and_right(2.0, 5.0)), "normal", CAMERA) == [128, 128, 255]).all()


def test_a_picture_of_one_pixel_has_no_slope() -> None:
    image = Image(np.zeros((1, 1, 3), np.float32), np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
    assert shade(image, "normal", Camera.pinhole(1, 1, 60.0)).tolist() == [[[128, 128, 255]]]


# ---------------------------------------------------------------- the range


def test_a_flat_wall_is_a_middle_grey_and_not_noise() -> None:
    noisy = 3.0 + 1e-4 * np.random.default_rng(0).standard_normal((HEIGHT, WIDTH))
    picture = shade(image_of(noisy), "depth", CAMERA)
    assert 100 < picture.min() and int(picture.max()) - int(picture.min()) < 10


def test_a_faint_scene_has_a_range_too() -> None:
    found = DepthRange.of(image_of(left_and_right(2.0, 5.0), 0.2))
    assert found is not None and (found.near, found.far) == pytest.approx((2.0, 5.0))


def test_one_pixel_far_away_does_not_darken_the_scene() -> None:
    depth = left_and_right(2.0, 5.0)
    depth[0, 0] = 1000.0
    found = DepthRange.of(image_of(depth))
    assert found is not None and found.far == pytest.approx(5.0)


def test_the_range_holds_still_while_the_scene_moves_a_little() -> None:
    begun = follow(None, image_of(left_and_right(2.0, 5.0)))
    pictures = []
    known = begun
    for shift in (0.0, 0.1, -0.1, 0.2, -0.2):
        image = image_of(left_and_right(2.0 + shift, 5.0 - shift))
        known = follow(known, image)
        pictures.append(known)
    assert pictures == [begun] * 5


def test_the_range_follows_when_the_scene_leaves_it_or_shrinks_in_it() -> None:
    begun = follow(None, image_of(left_and_right(2.0, 5.0)))
    for near, far in ((1.0, 5.0), (2.0, 9.0), (3.0, 3.5), (20.0, 50.0)):
        now = follow(begun, image_of(left_and_right(near, far)))
        assert now is not None and now != begun
        assert now.near < near and far < now.far and now.far - now.near < 1.5 * (far - near)


def test_an_empty_picture_changes_no_range() -> None:
    known = DepthRange(1.0, 2.0)
    assert follow(known, image_of(0.0, 0.0)) is known
    assert follow(None, image_of(0.0, 0.0)) is None
