"""Several views of one scene through a real, tiny Depth Anything 3 of random weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from splatcam.estimators.da3 import Da3Estimator, normalise, to_gaussians
from splatcam.estimators.da3_views import KnownCameras, estimate_scene, first_from_camera, hint, unit_of
from splatcam.estimators.registry import resolve
from splatcam.gaussians import TENSORS
from tests.pictures import picture
from tests.tiny_da3 import da3_registered, metric_folder, nested_folder, tiny_folder

__all__ = ["da3_registered", "metric_folder", "nested_folder", "tiny_folder"]
pytestmark = pytest.mark.da3
GRID = (42, 56)


def load(folder: Path) -> Da3Estimator:
    return Da3Estimator.load(folder, resolve(str(folder)).model, "cpu", 56)


@pytest.fixture(scope="module")
def estimator(tiny_folder: Path) -> Da3Estimator:
    """From three views on DA3 chooses one that the others refer to, which it can do from the second block on."""
    estimator = load(tiny_folder)
    backbone: Any = estimator.net.backbone
    backbone.pretrained.alt_start = 2
    return estimator


def views(count: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(picture(GRID[1], GRID[0], seed=3 * i)) for i in range(count)])


def test_one_view_is_what_the_live_path_estimates(estimator: Da3Estimator) -> None:
    image = views(1)
    gaussians, depth = estimate_scene(estimator, image)
    live, _ = estimator.estimate(image[0], wants_gaussians=True)
    assert live.gaussians is not None
    assert torch.equal(depth[0], live.depth)
    for name in TENSORS:
        torch.testing.assert_close(getattr(gaussians, name), getattr(live.gaussians, name), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 4])
def test_each_views_splats_lie_where_its_own_camera_sees_them(estimator: Da3Estimator, count: int) -> None:
    """Carried back into each camera, they are what the network said about that camera."""
    gaussians, depth = estimate_scene(estimator, views(count))
    gaussians.validate()
    assert gaussians.count == count * GRID[0] * GRID[1] and depth.shape == (count, *GRID)
    raw = estimator.run(torch.cat([normalise(image) for image in views(count)], dim=1), wants_gaussians=True)
    own = to_gaussians(raw["gaussians"], GRID)
    poses = raw["extrinsics"][0].double()
    first = poses[0]
    for view, means in enumerate(gaussians.means.double().split(GRID[0] * GRID[1])):
        world = (means - first[:3, 3]) @ first[:3, :3]  # of the network
        seen = world @ poses[view][:3, :3].T + poses[view][:3, 3]
        mine = own.means.double()[view * len(means) : (view + 1) * len(means)]
        torch.testing.assert_close(seen, mine, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gaussians.scales, own.scales)
    torch.testing.assert_close(gaussians.opacities, own.opacities)


def test_the_first_camera_is_the_origin(estimator: Da3Estimator) -> None:
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[0, :3, 3] = torch.tensor([1.0, 2.0, 3.0])
    poses[1, :3, 3] = torch.tensor([1.0, 2.0, 1.0])  # it sees everything two nearer: it is two ahead
    relative = first_from_camera(poses[:, :3])
    assert torch.equal(relative[0], torch.eye(4, dtype=torch.float64))
    assert relative[1, :3, 3].tolist() == [0, 0, 2]


def test_the_nested_model_gives_a_scene_in_metres(nested_folder: Path) -> None:
    estimator = load(nested_folder)
    gaussians, depth = estimate_scene(estimator, views(2))
    raw = estimator.run(torch.cat([normalise(image) for image in views(2)], dim=1), wants_gaussians=True)
    assert raw["scale_factor"] != 1
    own = to_gaussians(raw["gaussians"], GRID)
    torch.testing.assert_close(gaussians.scales, own.scales * raw["scale_factor"])
    assert torch.equal(depth, raw["depth"][0])


def test_a_model_without_a_gaussian_head_is_refused(metric_folder: Path) -> None:
    with pytest.raises(ValueError, match="no Gaussian head"):
        estimate_scene(load(metric_folder), views(2))


# ---------------------------------------------------------------- known cameras


def known_cameras(count: int) -> KnownCameras:
    """On a line, three apart, each turned a little more about y."""
    poses = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    for i in range(count):
        c, s = math.cos(0.1 * i), math.sin(0.1 * i)
        poses[i, :3, :3] = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        poses[i, :3, 3] = torch.tensor([-3.0 * i, 1.0, 2.0])
    intrinsics = torch.tensor([[50.0, 0, 28], [0, 50, 21], [0, 0, 1]], dtype=torch.float64)
    return KnownCameras(poses, intrinsics.repeat(count, 1, 1))


def test_known_cameras_say_where_each_views_splats_belong(estimator: Da3Estimator) -> None:
    """Carried back into each known camera, they are what the network said, in the known cameras' unit."""
    known = known_cameras(3)
    gaussians, _ = estimate_scene(estimator, views(3), known)
    gaussians.validate()
    x = torch.cat([normalise(image) for image in views(3)], dim=1)
    with torch.no_grad():
        raw = estimator.net(x, hint(known.camera_from_world)[None].float(), known.intrinsics[None].float(), [], True)
    own = to_gaussians(raw["gaussians"], GRID)
    poses = first_from_camera(known.camera_from_world)
    unit = unit_of(first_from_camera(raw["extrinsics"][0]), poses)
    pixels = GRID[0] * GRID[1]
    for pose, means, mine in zip(poses, gaussians.means.split(pixels), own.means.split(pixels), strict=True):
        seen = (means.double() - pose[:3, 3]) @ pose[:3, :3]
        torch.testing.assert_close(seen, unit * mine.double(), atol=1e-4 * unit, rtol=1e-4)


def test_the_unit_of_length_is_that_of_the_known_cameras(estimator: Da3Estimator) -> None:
    known = known_cameras(3)
    larger = known.camera_from_world.clone()
    larger[:, :3, 3] *= 10
    (one, depth), (ten, far) = (
        estimate_scene(estimator, views(3), KnownCameras(poses, known.intrinsics))
        for poses in (known.camera_from_world, larger)
    )
    torch.testing.assert_close(ten.scales, 10 * one.scales, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(far, 10 * depth, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(ten.means, 10 * one.means, rtol=1e-3, atol=1e-3)


def test_known_cameras_reach_the_network(estimator: Da3Estimator) -> None:
    without, _ = estimate_scene(estimator, views(2))
    hinted, _ = estimate_scene(estimator, views(2), known_cameras(2))
    assert not torch.allclose(without.opacities, hinted.opacities)


def test_the_hint_begins_with_the_identity_at_the_usual_distance() -> None:
    poses = hint(known_cameras(5).camera_from_world)
    torch.testing.assert_close(poses[0], torch.eye(4, dtype=torch.float64))
    assert torch.linalg.inv(poses)[:, :3, 3].norm(dim=1).median() == pytest.approx(1)


def test_cameras_at_one_place_tell_no_unit() -> None:
    here = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    there = first_from_camera(known_cameras(3).camera_from_world)
    assert unit_of(here, there) == unit_of(there, here) == unit_of(here, here) == 1
    assert unit_of(there, there) == 1
