"""Scene bounds, distances and camera paths."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splatcam.commands import arguments
from splatcam.commands import preview as command
from splatcam.gaussians import Gaussians
from splatcam.rendering.camera import NEAR, Camera
from splatcam.rendering.framing import (
    AXES,
    MARGIN,
    NothingToFrame,
    SceneBounds,
    outlook_from_origin,
    scene_bounds,
)
from splatcam.rendering.paths import WOBBLE, PathName, Shot, around, orbit, wobble
from tests.oracles.clouds import pixel_cloud

UPS = tuple(AXES)


def cloud(means: torch.Tensor, opacities: torch.Tensor | None = None) -> Gaussians:
    count = len(means)
    return Gaussians(
        means=means.float(),
        scales=torch.full((count, 3), 0.01),
        rotations=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        opacities=torch.ones(count) if opacities is None else opacities,
        sh=torch.zeros(count, 1, 3),
    )


def uniform(count: int = 5000) -> torch.Tensor:
    """In the cube from 0 to 1."""
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0))


def elevation_deg(camera: Camera, bounds: SceneBounds, up: tuple[float, float, float]) -> float:
    towards = camera.position - np.array(bounds.center)
    return math.degrees(math.asin(towards @ np.array(up) / np.linalg.norm(towards)))


def azimuths_deg(cameras: list[Camera], bounds: SceneBounds, up: tuple[float, float, float]) -> np.ndarray:
    """Measured from the first camera on, unwrapped."""
    away = np.array([camera.position for camera in cameras]) - np.array(bounds.center)
    level = away - np.outer(away @ np.array(up), up)
    first = level[0] / np.linalg.norm(level[0])
    angles = np.arctan2(level @ np.cross(np.array(up), first), level @ first)
    return np.degrees(np.unwrap(angles))


# ---------------------------------------------------------------- bounds


def test_strays_and_ghosts_do_not_widen_the_bounds() -> None:
    strays = torch.tensor([[1000.0, 0.0, 0.0], [0.0, -1000.0, 500.0]])
    ghosts = 50 + uniform()
    opacities = torch.cat((torch.ones(5002), torch.zeros(5000)))
    bounds = scene_bounds(cloud(torch.cat((uniform(), strays, ghosts)), opacities))
    assert np.allclose(bounds.minimum, 0.02, atol=0.01)
    assert np.allclose(bounds.maximum, 0.98, atol=0.01)


def test_opacity_counts_in_the_bounds() -> None:
    left, right = torch.zeros(100, 3), torch.ones(100, 3)
    faint = scene_bounds(cloud(torch.cat((left, right)), torch.cat((torch.ones(100), torch.full((100,), 0.001)))))
    assert faint.maximum == (0.0, 0.0, 0.0)
    solid = scene_bounds(cloud(torch.cat((left, right))))
    assert solid.maximum == (1.0, 1.0, 1.0)


def test_the_corners_of_the_bounds_are_eight_different_points() -> None:
    corners = SceneBounds((0, 1, 2), (3, 4, 5)).corners
    assert len({tuple(corner) for corner in corners}) == 8
    assert corners.min(axis=0).tolist() == [0, 1, 2] and corners.max(axis=0).tolist() == [3, 4, 5]


@pytest.mark.parametrize("scene", [cloud(torch.zeros(0, 3)), cloud(uniform(), torch.zeros(5000))])
def test_a_scene_without_splats_that_show_cannot_be_framed(scene: Gaussians) -> None:
    with pytest.raises(NothingToFrame, match="no splats that show"):
        scene_bounds(scene)


def test_a_large_scene_is_sampled_and_has_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = cloud(uniform())
    whole = scene_bounds(scene)
    monkeypatch.setattr("splatcam.rendering.framing.LARGEST_SAMPLE", 1000)
    assert np.allclose(scene_bounds(scene).corners, whole.corners, atol=0.03)


# ---------------------------------------------------------------- orbit

_coordinate = st.integers(-10_000, 10_000).map(lambda hundredths: hundredths / 100)
boxes = st.tuples(*[st.tuples(_coordinate, _coordinate)] * 3).map(
    lambda sides: SceneBounds(*(tuple(pick(side) for side in sides) for pick in (min, max)))  # type: ignore[arg-type]
)


@given(boxes, st.sampled_from(UPS), st.floats(-80, 80), st.sampled_from([(1280, 720), (480, 640)]), st.floats(10, 110))
def test_all_corners_are_inside_every_picture_of_an_orbit(bounds, up, elevation, size, fov) -> None:
    shot = Shot(seconds=1, fps=9, width=size[0], height=size[1], fov_deg=fov, up=up)
    for camera in orbit(bounds, shot, elevation):
        pixels, depth = camera.project(bounds.corners)
        edge = np.array(size) * MARGIN / 2
        assert (depth > camera.near).all()
        assert (pixels >= edge - 1e-3).all() and (pixels <= np.array(size) - edge + 1e-3).all()


def test_an_orbit_comes_as_near_as_the_margin_allows() -> None:
    bounds, shot = scene_bounds(cloud(uniform())), Shot()
    pixels = np.concatenate([camera.project(bounds.corners)[0] for camera in orbit(bounds, shot)])
    half = np.array([shot.width, shot.height]) / 2
    assert np.abs((pixels - half) / half).max() == pytest.approx(1 - MARGIN)


@pytest.mark.parametrize("up", UPS)
def test_an_orbit_has_150_cameras_at_35_degrees_all_around(up) -> None:
    bounds = SceneBounds((1, 2, 3), (2, 4, 6))
    cameras = orbit(bounds, Shot(up=up))
    assert len(cameras) == 150
    assert np.allclose([elevation_deg(camera, bounds, AXES[up].up) for camera in cameras], 35)
    angles = azimuths_deg(cameras, bounds, AXES[up].up)
    assert np.allclose(np.diff(angles), 360 / 150)  # and 2.4 degrees are left from the last to the first


@pytest.mark.parametrize("up", UPS)
def test_an_orbit_begins_where_the_scenes_first_camera_was(up) -> None:
    axes = AXES[up]
    front = np.array(axes.forward) * 5
    bounds = SceneBounds(tuple(front - 1), tuple(front + 1))
    first, quarter = (orbit(bounds, Shot(up=up))[i] for i in (0, 38))
    assert first.position @ np.array(axes.forward) < 5 - 1
    assert np.linalg.norm(np.cross(first.position - front, axes.forward) @ np.cross(axes.up, axes.forward)) > 0
    right = np.cross(axes.forward, axes.up)
    assert quarter.position @ right > 1


def test_part_of_a_turn_has_the_front_in_its_middle() -> None:
    bounds = SceneBounds((-1, -1, 4), (1, 1, 6))
    cameras = orbit(bounds, Shot(seconds=1, fps=31), sweep_deg=270)
    angles = azimuths_deg(cameras, bounds, AXES["-y"].up)
    assert angles[-1] - angles[0] == pytest.approx(270)
    assert cameras[15].position[0] == pytest.approx(0) and cameras[15].position[2] < 4


@pytest.mark.parametrize("up", UPS)
def test_up_is_up_in_the_picture(up) -> None:
    bounds = SceneBounds((1, 2, 3), (2, 4, 6))
    above = np.array(bounds.center) + 0.1 * np.array(AXES[up].up)
    for camera in (*orbit(bounds, Shot(up=up)), *around(bounds, Shot(up=up), [(20, 89)])):
        (x, y), (_, middle) = camera.project(np.stack((above, np.array(bounds.center))))[0]
        assert y < middle and x == pytest.approx(camera.cx)


def test_a_scene_that_is_one_point_can_be_filmed() -> None:
    point = SceneBounds((0.0, 0.0, 3.0), (0.0, 0.0, 3.0))
    (pixel,), (depth,) = orbit(point, Shot())[0].project(np.array([[0.0, 0.0, 3.0]]))
    assert pixel == pytest.approx((640, 360)) and depth > NEAR


def test_a_tiny_scene_is_not_cut_off_by_the_near_plane() -> None:
    bounds = SceneBounds((0.0, 0.0, 0.0), (1e-4, 1e-4, 1e-4))
    camera = orbit(bounds, Shot())[0]
    assert camera.project(bounds.corners)[1].min() > camera.near


# ---------------------------------------------------------------- wobble


@pytest.mark.parametrize("up", UPS)
def test_a_wobble_stays_near_the_place_of_the_first_camera_and_looks_at_the_middle(up) -> None:
    scene, axes = pixel_cloud(30, 40), AXES[up]
    turn = torch.tensor(np.stack((np.cross(axes.forward, axes.up), -np.array(axes.up), axes.forward)))
    scene = replace(scene, means=scene.means @ turn.float())
    outlook = outlook_from_origin(scene, axes)
    cameras = wobble(scene, Shot(up=up))
    assert len(cameras) == 150
    distances = [np.linalg.norm(camera.position) for camera in cameras]
    assert np.allclose(distances, WOBBLE * outlook.distance)
    for camera in cameras:
        assert camera.project(np.array([outlook.middle]))[0] == pytest.approx(np.array([[640, 360]]))
        assert camera.world_from_camera[:3, 2] @ np.array(axes.forward) > 0.97
    steps = [np.linalg.norm(b.position - a.position) for a, b in itertools.pairwise([*cameras, cameras[0]])]
    assert np.allclose(steps, steps[0])  # one even circle, closed


@pytest.mark.parametrize("size", [(1280, 720), (400, 400), (300, 600)])
def test_a_wobble_shows_the_whole_frame(size: tuple[int, int]) -> None:
    scene = pixel_cloud(30, 40)  # focal length of one width: half tangents of 0.5 and 0.375
    camera = wobble(scene, Shot(width=size[0], height=size[1]))[0]
    tan_y = math.tan(math.radians(camera.fov_deg) / 2)
    assert min(tan_y / 0.375, tan_y * size[0] / size[1] / 0.5) == pytest.approx(1, abs=0.07)


def test_a_wobble_takes_the_field_of_view_that_it_is_given() -> None:
    assert wobble(pixel_cloud(30, 40), Shot(), fov_deg=20)[0].fov_deg == pytest.approx(20)


def test_splats_behind_the_first_camera_do_not_count_for_a_wobble_and_alone_cannot_be_filmed() -> None:
    before = pixel_cloud(30, 40)
    behind = replace(before, means=-before.means)
    both = cloud(torch.cat((before.means, behind.means)), torch.cat((before.opacities, before.opacities)))
    assert outlook_from_origin(both, AXES["-y"]) == outlook_from_origin(before, AXES["-y"])
    with pytest.raises(NothingToFrame, match="before the origin"):
        wobble(behind, Shot())


# ---------------------------------------------------------------- what the commands offer


def test_the_commands_offer_what_there_is() -> None:
    assert arguments.UPS == UPS
    assert command.PATHS == PathName.__args__  # type: ignore[attr-defined]
