"""Turning Gaussians: everything that has a direction turns, nothing else changes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from splatcam.commands import rotate as command
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering.camera import Camera
from splatcam.rendering.harmonics import colors
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.transform import PRESETS, NotARotation, preset, require_rotation, rotate, wigner
from tests.oracles.clouds import gaussians, pixel_cloud

RIGHT, DOWN, FORWARD = np.eye(3)
OBLIQUE = Rotation.from_rotvec((0.3, -1.2, 2.0)).as_matrix()


@st.composite
def rotations(draw: st.DrawFn) -> np.ndarray:
    """Any, half turns and no turn at all included."""
    quaternion = draw(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: math.hypot(*q) > 0.1))
    return Rotation.from_quat(quaternion).as_matrix()


def assert_close(one: Gaussians, other: Gaussians, tolerance: float) -> None:
    """Quaternions may have the other sign: the same rotation."""
    signs = torch.where((one.rotations * other.rotations).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    same_sign = replace(other, rotations=signs * other.rotations)
    for name in TENSORS:
        scale = max(1.0, float(getattr(one, name).abs().max())) if one.count else 1.0
        torch.testing.assert_close(getattr(one, name), getattr(same_sign, name), rtol=0, atol=tolerance * scale)


def covariances(cloud: Gaussians) -> np.ndarray:
    """[N, 3, 3]."""
    axes = Rotation.from_quat(cloud.rotations.double().numpy(), scalar_first=True).as_matrix()
    return np.einsum("nij,nj,nkj->nik", axes, cloud.scales.double().numpy() ** 2, axes)


@given(gaussians(), rotations())
def test_there_and_back_is_where_it_began(cloud: Gaussians, rotation: np.ndarray):
    assert_close(rotate(rotate(cloud, rotation), rotation.T).validate(), cloud, 1e-5)


@given(rotations(), rotations())
def test_two_turns_are_the_turn_of_their_product(first: np.ndarray, second: np.ndarray):
    cloud = pixel_cloud(3, 4, 16)
    assert_close(rotate(rotate(cloud, first), second), rotate(cloud, second @ first), 1e-5)


@given(rotations())
def test_means_and_shapes_turn_and_the_rest_stays(rotation: np.ndarray):
    cloud = pixel_cloud(4, 5)
    turned = rotate(cloud, rotation).validate()
    np.testing.assert_allclose(turned.means, cloud.means.double().numpy() @ rotation.T, atol=1e-6)
    np.testing.assert_allclose(covariances(turned), rotation @ covariances(cloud) @ rotation.T, atol=1e-5)
    assert torch.equal(turned.scales, cloud.scales)
    assert torch.equal(turned.opacities, cloud.opacities)
    assert torch.equal(turned.sh, cloud.sh)
    assert turned.grid == cloud.grid


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
@given(rotation=rotations())
def test_a_colour_seen_along_a_direction_is_the_one_seen_before_along_the_direction_turned_back(
    coefficients: int, rotation: np.ndarray
):
    cloud = pixel_cloud(8, 9, coefficients)
    cloud = replace(cloud, sh=cloud.sh + torch.eye(coefficients, 3)[None])  # nothing is dark enough to be cut off at 0
    turned = rotate(cloud, rotation)
    directions = Rotation.random(cloud.count, rng=1).apply(FORWARD)
    before = colors(cloud.sh.numpy(), directions @ rotation)
    np.testing.assert_allclose(colors(turned.sh.numpy(), directions), before, atol=1e-5)


@given(rotations(), st.sampled_from((1, 2, 3)))
def test_what_happens_to_a_band_is_itself_a_rotation(rotation: np.ndarray, degree: int):
    matrix = wigner(rotation, degree)
    assert matrix.shape == (2 * degree + 1, 2 * degree + 1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2 * degree + 1), atol=1e-12)


@pytest.mark.parametrize("rasterizer", ["reference", "cpu"])
def test_a_turned_scene_before_a_turned_camera_gives_the_same_picture(rasterizer: str):
    cloud = pixel_cloud(12, 16, 16)
    cloud = replace(cloud, scales=cloud.scales + 0.02)
    camera = Camera.look_at((0.3, -0.2, -0.5), (0, 0, 2), (0, -1, 0), 60, 64, 48)
    motion = np.eye(4)
    motion[:3, :3] = OBLIQUE
    draw = build_rasterizer(rasterizer).render
    before = draw(cloud, camera)
    after = draw(rotate(cloud, OBLIQUE), replace(camera, world_from_camera=motion @ camera.world_from_camera))
    assert before.alpha.max() > 0.9
    assert np.abs(before.rgb - after.rgb).max() < 2 / 255
    assert np.abs(before.depth - after.depth).max() < 0.05


# ---------------------------------------------------------------- presets and matrices


@pytest.mark.parametrize(
    ("name", "right", "down", "forward"),
    [
        ("y-up", RIGHT, -DOWN, -FORWARD),
        ("z-up", RIGHT, -FORWARD, DOWN),
        ("from-z-up", RIGHT, FORWARD, -DOWN),
        ("upside-down", -RIGHT, -DOWN, FORWARD),
        ("turn-around", -RIGHT, DOWN, -FORWARD),
        ("quarter-left", -DOWN, RIGHT, FORWARD),
        ("quarter-right", DOWN, -RIGHT, FORWARD),
    ],
)
def test_a_preset_is_a_rotation_that_takes_the_axes_where_it_says(
    name: str, right: np.ndarray, down: np.ndarray, forward: np.ndarray
):
    matrix = require_rotation(preset(name))
    np.testing.assert_allclose(matrix, np.stack((right, down, forward), axis=1), atol=1e-12)


def test_the_command_tells_of_every_preset():
    assert list(command.PRESETS) == list(PRESETS)


def test_from_z_up_is_the_way_back_from_z_up():
    np.testing.assert_array_equal(preset("from-z-up") @ preset("z-up"), np.eye(3))


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        (np.diag((1, 1, -1)), "a reflection"),
        (2 * np.eye(3), "no rotation"),
        (np.zeros((3, 3)), "no rotation"),
        ([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]], "no rotation"),
        (np.full((3, 3), np.nan), "finite"),
        (np.full((3, 3), np.inf), "finite"),
        (np.eye(4), "three rows of three"),
    ],
)
def test_a_matrix_that_does_more_than_turn_is_refused(matrix: np.ndarray, complaint: str):
    with pytest.raises(NotARotation, match=complaint):
        rotate(pixel_cloud(2, 2), matrix)


def test_a_matrix_printed_with_five_digits_is_taken_for_the_rotation_it_was():
    rounded = np.round(OBLIQUE, 5)
    exact = require_rotation(rounded)
    np.testing.assert_allclose(exact @ exact.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(exact, OBLIQUE, atol=1e-5)
