"""Cameras put points where the pinhole model says, and orbits stand where the viewer's parameters say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.rendering.camera import LEAST_RADIUS, Camera, Orbit, look_at_pose

coordinates = st.floats(-50, 50)
vectors = st.tuples(coordinates, coordinates, coordinates)
angles = st.floats(-4, 4)
ups = st.sampled_from((1, -1))


def assert_rotation(pose: np.ndarray) -> None:
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert pose[3].tolist() == [0, 0, 0, 1]


# ---------------------------------------------------------------- pinhole


def test_the_camera_of_a_live_frame_is_at_the_origin_and_looks_along_z() -> None:
    camera = Camera.pinhole(640, 480, 60)
    pixels, depths = camera.project(np.array([(0.0, 0.0, 3.0), (1.0, 0.0, 3.0), (0.0, 1.0, 3.0)]))
    assert depths.tolist() == [3, 3, 3]
    assert pixels[0].tolist() == [320, 240]
    assert pixels[1][0] > 320 and pixels[1][1] == 240  # x is to the right
    assert pixels[2][1] > 240 and pixels[2][0] == 320  # y is down


@pytest.mark.parametrize("fov_deg", [20.0, 60.0, 110.0])
def test_the_field_of_view_is_the_vertical_one(fov_deg: float) -> None:
    camera = Camera.pinhole(300, 200, fov_deg)
    top = np.array([(0.0, -math.tan(math.radians(fov_deg) / 2), 1.0)])
    assert camera.project(top)[0][0] == pytest.approx((150, 0))
    assert camera.fov_deg == pytest.approx(fov_deg)
    assert camera.fx == camera.fy


def test_what_lies_behind_the_camera_has_a_depth_below_zero() -> None:
    _, depths = Camera.pinhole(64, 48, 60).project(np.array([(0.0, 0.0, -1.0), (0.0, 0.0, 0.0)]))
    assert depths.tolist() == [-1, 0]


def test_another_grid_shows_the_same_view() -> None:
    camera = replace(Camera.pinhole(64, 48, 60), cx=20.0, cy=30.0)
    points = np.random.default_rng(0).normal(size=(9, 3)) + (0, 0, 4)
    small, large = camera.project(points)[0], camera.resized(128, 240).project(points)[0]
    np.testing.assert_allclose(large, small * (2, 5))
    assert camera.resized(128, 240).fov_deg == pytest.approx(60)


@given(vectors, vectors, vectors)
def test_camera_from_world_undoes_world_from_camera(
    eye: tuple[float, float, float], at: tuple[float, float, float], up: tuple[float, float, float]
) -> None:
    camera = Camera.look_at(eye, at, up, 60, 64, 48)
    np.testing.assert_allclose(camera.camera_from_world @ camera.world_from_camera, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(camera.position, eye)


# ---------------------------------------------------------------- looking at


@given(vectors, vectors, vectors)
def test_every_way_of_looking_is_a_rotation(
    eye: tuple[float, float, float], at: tuple[float, float, float], up: tuple[float, float, float]
) -> None:
    assert_rotation(look_at_pose(eye, at, up))


def test_what_is_looked_at_is_in_the_middle_and_up_is_up() -> None:
    camera = Camera.look_at((1, 2, -3), (0.5, -1, 4), (0, -1, 0), 50, 64, 48)
    pixels, depths = camera.project(np.array([(0.5, -1.0, 4.0), (0.5, -2.0, 4.0)]))
    assert pixels[0] == pytest.approx((32, 24))
    assert depths[0] == pytest.approx(math.dist((1, 2, -3), (0.5, -1, 4)))
    assert pixels[1][1] < 24 and pixels[1][0] == pytest.approx(32)


@pytest.mark.parametrize("up", [(0, 0, 1), (0, 0, -2), (0, 0, 0)], ids=["along", "against", "none"])
def test_where_up_is_no_help_another_is_taken(up: tuple[float, float, float]) -> None:
    camera = Camera.look_at((0, 0, 0), (0, 0, 5), up, 60, 64, 48)
    assert_rotation(camera.world_from_camera)
    assert camera.project(np.array([(0.0, 0.0, 5.0)]))[0][0] == pytest.approx((32, 24))


def test_where_nothing_is_looked_at_the_view_is_along_z() -> None:
    pose = look_at_pose((1, 2, 3), (1, 2, 3), (0, -1, 0))
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)


# ---------------------------------------------------------------- orbits


def test_an_orbit_begins_in_front_of_the_target_along_z() -> None:
    assert Orbit(0, 0, 4, (1, 2, 3)).eye == pytest.approx((1, 2, 7))
    assert Orbit(0, 0, 4, (1, 2, 3), up=-1).eye == pytest.approx((1, 2, 7))


def test_theta_turns_towards_x_and_phi_rises_towards_up() -> None:
    assert Orbit(math.pi / 2, 0, 2).eye == pytest.approx((2, 0, 0))
    assert Orbit(0, math.pi / 6, 2).eye == pytest.approx((0, 1, math.sqrt(3)))


def test_up_below_zero_turns_the_height_of_the_eye_around() -> None:
    above, below = Orbit(0.4, 0.6, 3).eye, Orbit(0.4, 0.6, 3, up=-1).eye
    assert below == pytest.approx((above[0], -above[1], above[2])) and above[1] > 0


@given(angles, st.floats(-1.5, 1.5), st.floats(0.01, 100), vectors, ups)
def test_the_target_is_in_the_middle_at_the_distance_of_the_radius(
    theta: float, phi: float, radius: float, target: tuple[float, float, float], up: int
) -> None:
    camera = Orbit(theta, phi, radius, target, up).camera(60, 64, 48)  # type: ignore[arg-type]
    pixels, depths = camera.project(np.array([target]))
    assert pixels[0] == pytest.approx((32, 24), abs=1e-3)
    assert depths[0] == pytest.approx(radius, rel=1e-6)
    assert_rotation(camera.world_from_camera)


@given(angles, st.floats(-1.5, 1.5), ups)
def test_up_is_up_in_every_picture_of_an_orbit(theta: float, phi: float, up: int) -> None:
    camera = Orbit(theta, phi, 3, up=up).camera(60, 64, 48)  # type: ignore[arg-type]
    pixels, _ = camera.project(np.array([(0.0, 0.1 * up, 0.0)]))
    assert pixels[0][1] < 24 and pixels[0][0] == pytest.approx(32, abs=1e-6)


def test_the_eye_never_comes_into_the_target() -> None:
    assert Orbit(0, 0, 0).eye == (0, 0, LEAST_RADIUS)
    assert Orbit(0, 0, -5).eye == (0, 0, LEAST_RADIUS)


@pytest.mark.parametrize("phi", [math.pi / 2, -math.pi / 2])
def test_straight_from_above_and_below_the_target_is_still_in_the_middle(phi: float) -> None:
    camera = Orbit(0.3, phi, 2).camera(60, 64, 48)
    assert_rotation(camera.world_from_camera)
    assert camera.project(np.zeros((1, 3)))[0][0] == pytest.approx((32, 24), abs=1e-6)
