"""The ray-traced scene: its depth against intersections worked out point by point, its pictures against its depth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splatcam.scenes import FLOOR_Y_M, LOOP_S, WALL_Z_M, Ball, Box, intrinsics, render, things_at

TIMES_S = [0.0, 0.4, 1.3, 2.2, 3.7]


def depth_along(u: float, v: float, t_s: float) -> float:
    """z of the nearest thing on the ray (u, v, 1), in float64, written as the geometry books have it."""
    found = [WALL_Z_M]
    if v > 0:
        found.append(FLOOR_Y_M / v)
    ray = np.array((u, v, 1.0))
    for thing in things_at(t_s):
        centre = np.array(thing.centre)
        if isinstance(thing, Ball):
            roots = np.roots((ray @ ray, -2 * ray @ centre, centre @ centre - thing.radius**2))
            found += [] if np.iscomplex(roots).any() else [roots.real.min()]
        else:
            found += list(_faces_hit(thing, centre, ray))
    return min(found)


def _faces_hit(box: Box, centre: np.ndarray, ray: np.ndarray) -> list[float]:
    hits = []
    for axis in range(3):
        for side in (-1, 1):
            z = (centre[axis] + side * box.half[axis]) / ray[axis]
            inside = np.abs(ray * z - centre) <= np.array(box.half) + 1e-9
            if inside.all():
                hits.append(z)
    return hits


@pytest.mark.parametrize("t_s", TIMES_S)
def test_every_pixel_has_the_depth_of_the_nearest_thing_on_its_ray(t_s: float) -> None:
    width, height = 84, 70
    _, depth, k = render(t_s, width, height)
    expected = np.array(
        [
            [depth_along((x + 0.5 - k[0, 2]) / k[0, 0], (y + 0.5 - k[1, 2]) / k[1, 1], t_s) for x in range(width)]
            for y in range(height)
        ]
    )
    wrong = np.abs(depth - expected) > 1e-3
    assert wrong.sum() <= 2, "one or two pixels may lie on a silhouette to the last bit"


@pytest.mark.parametrize(("width", "height"), [(504, 378), (378, 504), (14, 14)])
def test_a_picture_has_the_size_and_the_types_asked_for(width: int, height: int) -> None:
    rgb, depth, k = render(1.0, width, height)
    assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8
    assert depth.shape == (height, width) and depth.dtype == np.float32
    assert k.shape == (3, 3) and k.dtype == np.float32


def test_the_camera_sees_sixty_degrees() -> None:
    k = intrinsics(504, 378)
    assert math.degrees(2 * math.atan(252 / k[0, 0])) == pytest.approx(60, abs=1e-3)
    assert k[0, 0] == k[1, 1] and (k[0, 2], k[1, 2]) == (252, 189)


def test_the_scene_repeats_itself_and_moves_in_between() -> None:
    rgb, depth, _ = render(0.7, 84, 70)
    again, depth_again, _ = render(0.7 + LOOP_S, 84, 70)
    later, depth_later, _ = render(1.7, 84, 70)
    assert np.array_equal(rgb, again) and np.array_equal(depth, depth_again)
    assert (np.abs(depth - depth_later) > 0.1).mean() > 0.05
    assert (rgb != later).any(axis=-1).mean() > 0.05


def test_a_frame_is_the_callers_own() -> None:
    rgb, depth, _ = render(0.0, 84, 70)
    kept_rgb, kept_depth = rgb.copy(), depth.copy()
    rgb[:], depth[:] = 0, 0
    rgb, depth, _ = render(0.0, 84, 70)
    assert np.array_equal(rgb, kept_rgb) and np.array_equal(depth, kept_depth)


def test_things_stay_in_the_room_and_out_of_each_other() -> None:
    for t_s in np.arange(0, LOOP_S, 0.05):
        for thing in things_at(t_s):
            half = (thing.radius,) * 3 if isinstance(thing, Ball) else thing.half
            assert thing.centre[1] + half[1] <= FLOOR_Y_M + 1e-6
            assert 1.0 < thing.centre[2] - half[2] and thing.centre[2] + half[2] < WALL_Z_M
        one, other, box = things_at(t_s)
        assert math.dist(one.centre, other.centre) > one.radius + other.radius
        inside = np.clip(np.array(one.centre) - box.centre, -np.array(box.half), box.half)
        assert np.linalg.norm(np.array(one.centre) - box.centre - inside) > one.radius


@pytest.mark.parametrize("t_s", TIMES_S)
def test_colour_changes_where_a_thing_stands_before_the_wall(t_s: float) -> None:
    """What is nearer than the empty room has the colour of a thing, and nothing else is saturated."""
    rgb, depth, _ = render(t_s, 126, 98)
    room = np.minimum(WALL_Z_M, FLOOR_Y_M / np.maximum(1e-6, (np.arange(98) + 0.5 - 49) / intrinsics(126, 98)[1, 1]))
    before_it = room[:, None] - depth
    is_thing, is_room = before_it > 1e-3, before_it < 1e-5
    saturation = np.ptp(rgb.astype(int), axis=-1) / rgb.max(axis=-1).clip(1)
    assert is_thing.mean() > 0.02
    assert saturation[is_thing].min() > 0.3 > saturation[is_room].max()
