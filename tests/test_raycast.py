"""Rays against points on them: the nearest primitive is where a fine march first finds itself inside of one."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from training.primitives import (
    CENTRE,
    HALF,
    KIND,
    TAPER,
    TURN,
    Builder,
    Material,
    Shape,
    Table,
    batched,
    pitched,
    product,
    rolled,
    yawed,
)
from training.raycast import Maps, lit, maps_of, nearest

GREY = Material((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
STEP_M = 0.002
FARTHEST_M = 6.0


def scene(shape: Shape, seed: int) -> Table:
    """Some primitives of a shape in a room."""
    rng = random.Random(seed)
    b = Builder(rng)
    b.box((0, 0, 1), (2.5, 2, 3), GREY)
    for _ in range(6):
        turn = product(product(yawed(rng.uniform(-3, 3)), pitched(rng.uniform(-3, 3))), rolled(rng.uniform(-3, 3)))
        half = (rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5))
        at = (rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(1.2, 3))
        b.add(shape, at, half, GREY, turn, rng.uniform(-0.6, 0.6) if shape is Shape.FRUSTUM else 0.0)
    return batched([b])


def inside(row: Tensor, points: Tensor) -> Tensor:
    """Which of the points [N, 3] are inside of a primitive, as the geometry books have it."""
    x, y, z = ((points - row[CENTRE]) @ row[TURN].reshape(3, 3) / row[HALF]).unbind(1)
    if row[KIND] == Shape.BOX:
        return torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs()) < 1
    if row[KIND] == Shape.ELLIPSOID:
        return x * x + y * y + z * z < 1
    return (y.abs() < 1) & (x * x + z * z < (1 - row[TAPER] * y) ** 2)


def rays_of(count: int, seed: int) -> Tensor:
    u, v = torch.rand(2, count, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    return torch.stack((u, v, torch.ones_like(u)))[:, None]


def maps(table: Table) -> Maps:
    return maps_of(table, torch.eye(4)[None])


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_depth_is_where_a_march_along_the_ray_first_gets_inside(shape: Shape, seed: int) -> None:
    table, rays = scene(shape, seed), rays_of(150, seed)
    depth, index = nearest(maps(table), rays)
    things = [row for row in table.rows[0][1:] if row[HALF][0] > 0]
    z = torch.arange(0.05, FARTHEST_M, STEP_M)
    wrong = 0
    for ray, found, number in zip(rays[:, 0].T, depth[0], index[0], strict=True):
        points = z[:, None] * ray
        hits = torch.stack([inside(row, points) for row in things]).any(dim=0)
        if bool(hits.any()):
            wrong += abs(float(z[hits.float().argmax()] - found)) > 2 * STEP_M
        else:
            wrong += int(number) != 0
    assert wrong <= 3, "rays that graze a thing may differ"


def test_a_ray_that_meets_nothing_ends_at_the_wall_of_the_room() -> None:
    b = Builder(random.Random(0))
    b.box((0, 0, 1), (2.5, 2, 3), GREY)
    depth, index = nearest(maps(batched([b])), rays_of(50, 0))
    ray = rays_of(50, 0)[:, 0]
    expected = torch.stack([2.5 / ray[0].abs(), 2 / ray[1].abs(), torch.full_like(ray[0], 4.0)]).amin(dim=0)
    torch.testing.assert_close(depth[0], expected)
    assert not bool(index.any())


def test_a_camera_that_moved_sees_the_same_points() -> None:
    table = scene(Shape.ELLIPSOID, 4)
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor(product(yawed(0.1), pitched(-0.05)))
    pose[:3, 3] = torch.tensor((0.1, -0.05, 0.2))
    rays = rays_of(200, 4)
    depth, index = nearest(maps_of(table, pose[None]), rays)
    points = (rays * depth)[:, 0].T @ pose[:3, :3].T + pose[:3, 3]
    for row_number in index.unique().tolist():
        row = table.rows[0][row_number]
        x = (points[index[0] == row_number] - row[CENTRE]) @ row[TURN].reshape(3, 3) / row[HALF]
        size = x.abs().amax(dim=1) if row_number == 0 else x.norm(dim=1)
        torch.testing.assert_close(size, torch.ones_like(size), atol=1e-3, rtol=0)


def test_a_thing_between_a_point_and_the_lamp_throws_a_shadow() -> None:
    b = Builder(random.Random(0))
    b.box((0, 0, 1), (2.5, 2, 3), GREY)
    b.ellipsoid((0, 0, 2), (0.3, 0.3, 0.3), GREY)
    points = torch.tensor([[0.0, 0.0, 3.5], [1.5, 0.0, 3.5]]).T[:, None]
    lamp = torch.tensor([[0.0, 0.0, 0.5]] * 2).T[:, None]
    assert lit(maps(batched([b])), points, lamp).tolist() == [[0.0, 1.0]]


def test_a_thing_that_the_camera_would_be_inside_of_is_left_out() -> None:
    b = Builder(random.Random(0))
    b.box((0, 0, 1), (2.5, 2, 3), GREY)
    b.box((0, 0, 0), (0.5, 0.5, 0.5), GREY)
    assert len(b.rows[Shape.BOX]) == 1
