"""Depth Anything 3 through the window: the tiny model of random weights beside direct calls of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from splatcam.engine import EngineStatus
from splatcam.engine.host import EngineHost
from splatcam.estimators import Estimator, Prediction, registry
from splatcam.estimators.da3 import Da3Estimator, normalise, scale_factor, to_gaussians
from splatcam.estimators.da3_views import first_from_camera
from splatcam.estimators.da3_window import Da3TwoViews, sees_two_views
from splatcam.estimators.window import WindowEstimator
from splatcam.frame_job import FrameJob
from splatcam.gaussians import TENSORS
from splatcam.pipeline import process_frame
from splatcam.settings import Settings, SteadyMode
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.estimator_contract import check_gaussians, check_prediction
from tests.pictures import jpeg, picture
from tests.tiny_da3 import da3_registered, metric_folder, nested_folder, tiny_folder

__all__ = ["da3_registered", "metric_folder", "nested_folder", "tiny_folder"]
pytestmark = pytest.mark.da3
HEIGHT, WIDTH = 42, 56


def build(folder: Path, steady: SteadyMode = "window") -> Estimator:
    settings = Settings(device="cpu", steady=steady, process_res=56)
    return registry.build(str(folder), settings, lambda sentence, fraction: None)


def image(seed: int) -> torch.Tensor:
    return torch.from_numpy(picture(WIDTH, HEIGHT, seed=seed))


def both(network: Da3Estimator, first: torch.Tensor, second: torch.Tensor) -> Any:
    """The network's own answer about two views."""
    return network.run(torch.cat([normalise(first), normalise(second)], dim=1), wants_gaussians=True)


def alike(seed: int) -> torch.Tensor:
    """Pictures between which there is no cut."""
    base = image(0).float()
    return (0.95 * base + 0.05 * image(seed).float()).to(torch.uint8)


@pytest.mark.parametrize("which", ["tiny_folder", "nested_folder"])
def test_the_newest_view_is_what_the_network_says_of_it_in_the_keyframes_unit(
    which: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(which)
    network = build(folder, "off")
    assert isinstance(network, Da3Estimator)
    window = build(folder)
    first, state = window.estimate(alike(1), wants_gaussians=True)
    second, _ = window.estimate(alike(2), wants_gaussians=True, state=state)
    raw = both(network, alike(1), alike(2))
    step = 7
    unit = float((first.depth / raw["depth"][0, 0].float())[::step, ::step].median())
    torch.testing.assert_close(second.depth, unit * raw["depth"][0, 1].float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.intrinsics, raw["intrinsics"][0, 1].float(), rtol=1e-4, atol=1e-4)
    own = to_gaussians(raw["gaussians"], (HEIGHT, WIDTH)).select(torch.arange(HEIGHT * WIDTH, 2 * HEIGHT * WIDTH))
    assert second.gaussians is not None
    in_world = unit * scale_factor(raw)
    torch.testing.assert_close(second.gaussians.means, own.means * in_world, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(second.gaussians.opacities, own.opacities, rtol=1e-4, atol=1e-5)
    assert torch.equal(second.image, alike(2))


def test_the_pose_between_two_views_is_the_networks_own(tiny_folder: Path) -> None:
    network = build(tiny_folder, "off")
    assert isinstance(network, Da3Estimator)
    pair = Da3TwoViews(network).estimate_pair(image(1), image(4), wants_gaussians=False)
    raw = both(network, image(1), image(4))
    poses = first_from_camera(raw["extrinsics"][0])
    torch.testing.assert_close(pair.key_from_newest, poses[1], rtol=1e-4, atol=1e-5)
    assert pair.key.gaussians is None and pair.newest.gaussians is None
    torch.testing.assert_close(pair.key.depth, raw["depth"][0, 0].float())


def test_the_first_frame_is_seen_beside_itself(tiny_folder: Path) -> None:
    network = build(tiny_folder, "off")
    assert isinstance(network, Da3Estimator)
    ours, _ = build(tiny_folder).estimate(image(3), wants_gaussians=True)
    raw = both(network, image(3), image(3))
    torch.testing.assert_close(ours.depth, raw["depth"][0, 1].float())
    assert torch.equal(ours.world_from_camera, torch.eye(4, dtype=torch.float64))


def test_two_views_of_the_same_are_near_to_one_view(tiny_folder: Path) -> None:
    """Only near: the network tells the first view from the others."""
    alone, _ = build(tiny_folder, "off").estimate(image(3), wants_gaussians=False)
    beside_itself, _ = build(tiny_folder).estimate(image(3), wants_gaussians=False)
    torch.testing.assert_close(
        beside_itself.depth / beside_itself.depth.median(), alone.depth / alone.depth.median(), rtol=0.1, atol=0
    )


def test_a_stream_through_the_window_keeps_every_estimators_contract(tiny_folder: Path) -> None:
    window = build(tiny_folder)
    assert window.holds == "world"
    state: Any = None
    for seed in range(3):
        prediction, state = window.estimate(alike(seed), wants_gaussians=True, state=state)
        check_prediction(prediction, HEIGHT, WIDTH)
        check_gaussians(prediction, HEIGHT, WIDTH)
        check_pose(prediction)


def check_pose(prediction: Prediction) -> None:
    pose = prediction.world_from_camera
    assert pose is not None and pose.dtype == torch.float64 and pose.device.type == "cpu"
    torch.testing.assert_close(pose[:3, :3] @ pose[:3, :3].T, torch.eye(3, dtype=torch.float64))
    assert pose[3].tolist() == [0, 0, 0, 1] and bool(pose.isfinite().all())


def test_a_model_that_predicts_no_poses_runs_as_without_a_window(metric_folder: Path) -> None:
    estimator = build(metric_folder)
    assert isinstance(estimator, Da3Estimator) and not sees_two_views(estimator)
    prediction, _ = estimator.estimate(image(0), wants_gaussians=False)
    assert prediction.world_from_camera is None


@pytest.mark.parametrize("steady", ["off", "on"])
def test_the_window_is_only_there_where_it_was_asked_for(tiny_folder: Path, steady: SteadyMode) -> None:
    assert not isinstance(build(tiny_folder, steady), WindowEstimator)


def test_a_stream_through_the_window_tells_its_poses(tiny_folder: Path) -> None:
    window, state = build(tiny_folder), None
    variant = Variant(Format.COMPACT, "pixel")
    for frame_id in range(2):
        job = FrameJob("camera", frame_id, 0.0, jpeg(seed=frame_id), (variant,))
        result, state = process_frame(job, window, state, long_side_px=56)
        pose = result.fields[variant]["pose"]
        assert len(pose) == 7 and sum(q * q for q in pose[:4]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("which", "steady", "is_said"),
    [("tiny_folder", "window", False), ("metric_folder", "window", True), ("metric_folder", "on", False)],
)
def test_who_asks_a_model_for_what_it_cannot_is_told_so(
    which: str, steady: SteadyMode, is_said: bool, request: pytest.FixtureRequest
) -> None:
    said: list[EngineStatus] = []
    folder = request.getfixturevalue(which)
    EngineHost(Settings(model=str(folder), device="cpu", steady=steady, process_res=56, threads=1), said.append).load()
    assert ("--steady window" in said[-1].message) == is_said and said[-1].state == "ready"


def test_a_gaussian_tensor_of_each_view_is_its_own(tiny_folder: Path) -> None:
    """The two views' Gaussians are not mixed up, whichever comes first."""
    network = build(tiny_folder, "off")
    assert isinstance(network, Da3Estimator)
    pair = Da3TwoViews(network).estimate_pair(image(1), image(4), wants_gaussians=True)
    own = to_gaussians(both(network, image(1), image(4))["gaussians"], (HEIGHT, WIDTH))
    of_newest = own.select(torch.arange(HEIGHT * WIDTH, 2 * HEIGHT * WIDTH))
    assert pair.newest.gaussians is not None
    for name in TENSORS:
        torch.testing.assert_close(getattr(pair.newest.gaussians, name), getattr(of_newest, name))
