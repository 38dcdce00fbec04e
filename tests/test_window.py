"""The window's logic, on a network that is exact but for a unit of length of its own in every call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from splatcam import wire
from splatcam.estimators import Estimator, Holds, Prediction, registry
from splatcam.estimators.da3 import default_intrinsics
from splatcam.estimators.window import REST, Pair, WindowEstimator, at_rest, rigid
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.pipeline import process_frame
from splatcam.pixel_splats import pixel_splats
from splatcam.rendering.camera import Orbit
from splatcam.settings import Settings, SteadyMode
from splatcam.steady import SteadyOptions, steady
from splatcam.transform import scaled
from splatcam.variants import Variant
from splatcam.wire import Format, Output
from tests.fakes import model
from tests.pictures import jpeg

HEIGHT, WIDTH = 84, 112
ROOM = torch.tensor([3.0, 2.0, 4.0], dtype=torch.float64)  # half its width, height and length; metres
INTRINSICS = default_intrinsics(HEIGHT, WIDTH)


@dataclass(frozen=True, eq=False)
class View:
    """What a camera in the room sees."""

    world_from_camera: Tensor  # [4, 4] f64
    depth: Tensor  # [H, W] f32, metres
    image: Tensor  # [H, W, 3] uint8, coloured by place


def look(turn_rad: float = 0.0, position: Sequence[float] = (0.0, 0.0, 0.0), light: float = 1.0) -> View:
    """From inside a room of six walls, turned about the vertical."""
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)
    pose[:3, 3] = torch.tensor(position, dtype=torch.float64)
    rays = torch.linalg.inv(INTRINSICS.double()) @ pixel_centres()
    directions = pose[:3, :3] @ rays
    depth = ((torch.sign(directions) * ROOM[:, None] - pose[:3, 3:]) / directions).amin(dim=0)
    place = pose[:3, 3:] + directions * depth
    image = (light * (110 + 100 * torch.sin(place / ROOM[:, None] * 2))).clamp(0, 255).to(torch.uint8)
    return View(pose, depth.view(HEIGHT, WIDTH).float(), image.T.reshape(HEIGHT, WIDTH, 3).contiguous())


def pixel_centres() -> Tensor:
    """[3, H·W] f64, homogeneous."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return torch.stack((x, y, torch.ones_like(x))).reshape(3, -1).double()


class ExactViews:
    """Knows the views by their pictures. Every call has another unit of length; `tremble_rad` turns its poses."""

    def __init__(self, views: Sequence[View], tremble_rad: float = 0.0) -> None:
        self.info = model(supports_gaussians=True)
        self.pairs: list[tuple[View, View]] = []
        self._views = {bytes(view.image.numpy().tobytes()): view for view in views}
        self._random = torch.Generator().manual_seed(0)
        self._tremble_rad = tremble_rad

    def estimate_pair(self, key: Tensor, newest: Tensor, *, wants_gaussians: bool) -> Pair:
        known = [self._views[image.numpy().tobytes()] for image in (key, newest)]
        self.pairs.append((known[0], known[1]))
        unit = math.exp(0.4 * float(torch.randn((), generator=self._random)))
        pose = torch.linalg.inv(known[0].world_from_camera) @ known[1].world_from_camera
        pose[:3, 3] *= unit
        pose[:3, :3] = pose[:3, :3] @ small_turn(self._tremble_rad * torch.randn(3, generator=self._random).double())
        of_key, of_newest = (Prediction(view.depth * unit, INTRINSICS, view.image) for view in known)
        if wants_gaussians:
            of_newest = replace(of_newest, gaussians=pixel_splats(of_newest))
        return Pair(of_key, of_newest, pose)


def small_turn(axis_angle: Tensor) -> Tensor:
    """[3, 3] of a rotation vector [3]."""
    x, y, z = axis_angle.tolist()
    return torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


def run(network: ExactViews, views: Sequence[View], wants_gaussians: bool = False) -> list[Prediction]:
    estimator, state, predictions = WindowEstimator(network), None, []
    for view in views:
        prediction, state = estimator.estimate(view.image, wants_gaussians=wants_gaussians, state=state)
        predictions.append(prediction)
    return predictions


def unit_of_world(view: View, prediction: Prediction) -> float:
    return float((prediction.depth / view.depth).median())


def off_the_walls_m(prediction: Prediction, first: View, unit: float) -> Tensor:
    """How far each of a prediction's points is from the nearest wall of the room, metres."""
    assert prediction.world_from_camera is not None
    pose = prediction.world_from_camera.clone()
    pose[:3, 3] /= unit
    rays = torch.linalg.inv(INTRINSICS.double()) @ pixel_centres()
    points = rays * prediction.depth.double().flatten() / unit
    room_from_camera = first.world_from_camera @ pose
    places = room_from_camera[:3, :3] @ points + room_from_camera[:3, 3:]
    return (places.abs() - ROOM[:, None]).abs().amin(dim=0)


def walk(count: int) -> list[View]:
    """All around the room and on: every wall is seen and keyframes go out of sight."""
    return [
        look(2.5 * math.pi * i / count, (1.2 * math.sin(0.06 * i), 0.3 * math.sin(0.1 * i), 0.015 * i))
        for i in range(count)
    ]


def test_the_room_stays_where_it_is_while_the_camera_walks_through_it() -> None:
    views = walk(100)
    network = ExactViews(views)
    predictions = run(network, views)
    unit = unit_of_world(views[0], predictions[0])
    keyframes = {id(key) for key, _ in network.pairs}
    assert 5 < len(keyframes) < 40, "keyframes are replaced, and not with every frame"
    for view, prediction in zip(views, predictions, strict=True):
        assert unit_of_world(view, prediction) == pytest.approx(unit, rel=1e-4)
        assert float(off_the_walls_m(prediction, views[0], unit).quantile(0.99)) < 0.005


@pytest.mark.parametrize("steps", [100, 400])
def test_averaging_what_rests_leaves_the_room_where_it_is(steps: int) -> None:
    """Its smooth walls look at rest from a camera that moves: the pose tells."""
    views, state = walk(steps)[:100], None
    predictions = run(ExactViews(views), views)
    unit = unit_of_world(views[0], predictions[0])
    for prediction in predictions:
        told, state, _ = steady(prediction, state, SteadyOptions("world"))
        assert float(off_the_walls_m(told, views[0], unit).quantile(0.99)) < 0.02


def test_at_the_end_of_a_walk_the_camera_is_told_where_it_is() -> None:
    """What is told rests a little behind; that never adds up."""
    views = [*walk(100), *[walk(100)[-1]] * 10]
    first, *_, last = run(ExactViews(views), views)
    truth = torch.linalg.inv(views[0].world_from_camera) @ views[-1].world_from_camera
    truth[:3, 3] *= unit_of_world(views[0], first)
    assert last.world_from_camera is not None
    torch.testing.assert_close(last.world_from_camera, truth, atol=5e-3, rtol=0)


def test_the_first_frame_is_the_world() -> None:
    view = look(0.3, (1, 0, 0))
    network = ExactViews([view])
    (prediction,) = run(network, [view])
    assert torch.equal(prediction.world_from_camera, torch.eye(4, dtype=torch.float64))
    assert network.pairs == [(view, view)], "it is seen beside itself"


def test_a_camera_that_stands_still_keeps_its_keyframe_its_scale_and_its_place() -> None:
    view = look()
    network = ExactViews([view])
    first, *others = run(network, [view] * 20)
    for prediction in others:
        torch.testing.assert_close(prediction.depth, first.depth)
        torch.testing.assert_close(prediction.world_from_camera, first.world_from_camera)
    assert all(key is view for key, _ in network.pairs)


def test_the_tremble_of_predicted_poses_is_mostly_not_told() -> None:
    view, tremble_rad = look(), 0.0005
    told = [p.world_from_camera for p in run(ExactViews([view], tremble_rad), [view] * 60)]
    raw = [pair.key_from_newest for pair in trembling_pairs(view, tremble_rad, 60)]
    assert steps_rad(told) < 0.35 * steps_rad(raw)


def trembling_pairs(view: View, tremble_rad: float, count: int) -> list[Pair]:
    network = ExactViews([view], tremble_rad)
    return [network.estimate_pair(view.image, view.image, wants_gaussians=False) for _ in range(count)]


def steps_rad(poses: Sequence[Tensor | None]) -> float:
    """How far the view turns from one pose to the next, on the average."""
    matrices = [pose[:3, :3] for pose in poses if pose is not None]
    turns = [
        (a.T @ b - torch.eye(3, dtype=torch.float64)).norm() / math.sqrt(2) for a, b in itertools.pairwise(matrices)
    ]
    return float(torch.stack(turns).mean())


def test_what_is_told_lags_less_than_a_pixel_behind_a_camera_that_turns() -> None:
    views = [look(0.01 * i) for i in range(30)]
    angles = [
        float(torch.atan2(p.world_from_camera[0, 2], p.world_from_camera[0, 0])) for p in run(ExactViews(views), views)
    ]
    radians_per_px = 1 / float(INTRINSICS[0, 0])
    for i, angle in enumerate(angles):
        assert abs(angle - 0.01 * i) <= 0.6 * REST * WIDTH * radians_per_px


def test_gaussians_are_told_in_the_worlds_unit() -> None:
    views = walk(100)[:10]
    network = ExactViews(views)
    predictions = run(network, views, wants_gaussians=True)
    unit = unit_of_world(views[0], predictions[0])
    for view, prediction in zip(views, predictions, strict=True):
        exact = scaled(pixel_splats(Prediction(view.depth, INTRINSICS, view.image)), unit)
        assert prediction.gaussians is not None
        torch.testing.assert_close(prediction.gaussians.means, exact.means, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(prediction.gaussians.scales, exact.scales, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("what", ["a cut", "another size"])
def test_after_a_cut_and_in_another_size_another_world_begins(what: str) -> None:
    before = [look(0.02 * i) for i in range(5)]
    other = look(math.pi / 2, (-1, 1, 0))
    after = View(other.world_from_camera, other.depth, 255 - other.image)
    if what == "another size":
        after = View(other.world_from_camera, other.depth[:, :98], before[-1].image[:, :98].contiguous())
    network = ExactViews([*before, after])
    predictions = run(network, [*before, after, after])
    identity = torch.eye(4, dtype=torch.float64)
    assert not torch.equal(predictions[4].world_from_camera, identity)
    assert torch.equal(predictions[5].world_from_camera, identity)
    assert network.pairs[5] == (after, after) and network.pairs[6] == (after, after)


def test_a_keyframe_of_another_light_is_replaced_and_the_world_stays() -> None:
    """As a camera's exposure settles in its first second."""
    views = [look(light=0.2 + 0.04 * i) for i in range(20)]
    network = ExactViews(views)
    predictions = run(network, views)
    assert network.pairs[-1][0] is not views[0]
    for prediction in predictions:
        torch.testing.assert_close(prediction.depth, predictions[0].depth)
        torch.testing.assert_close(prediction.world_from_camera, predictions[0].world_from_camera)


def test_a_pose_that_is_no_number_begins_another_world() -> None:
    views = [look(0.0), look(0.05)]

    class Lost(ExactViews):
        def estimate_pair(self, key: Tensor, newest: Tensor, *, wants_gaussians: bool) -> Pair:
            pair = super().estimate_pair(key, newest, wants_gaussians=wants_gaussians)
            is_lost = not torch.equal(key, newest)
            return replace(pair, key_from_newest=pair.key_from_newest * math.nan) if is_lost else pair

    for prediction in run(Lost(views), views):
        assert torch.equal(prediction.world_from_camera, torch.eye(4, dtype=torch.float64))
        assert bool(prediction.depth.isfinite().all())


def test_the_same_frames_give_the_same_world_bit_for_bit() -> None:
    views = walk(100)[:12]
    for one, other in zip(*(run(ExactViews(views, 0.002), views) for _ in range(2)), strict=True):
        assert torch.equal(one.depth, other.depth) and torch.equal(one.world_from_camera, other.world_from_camera)


def test_a_thing_that_moves_is_no_cut() -> None:
    before = look(0.1)
    moved = before.image.clone()
    moved[:, : WIDTH // 2] = 255 - moved[:, : WIDTH // 2]
    views = [look(), before, replace(before, image=moved)]
    assert not torch.equal(run(ExactViews(views), views)[-1].world_from_camera, torch.eye(4, dtype=torch.float64))


def test_a_lamp_that_is_switched_is_no_cut_and_the_world_stays() -> None:
    views = [look(0.0), look(0.1), look(0.1, light=0.5), look(0.1)]
    network = ExactViews(views)
    predictions = run(network, views)
    assert all(key is views[0] for key, _ in network.pairs[:3]), "no world begins"
    for prediction in predictions[2:]:
        torch.testing.assert_close(prediction.depth, predictions[1].depth, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(prediction.world_from_camera, predictions[1].world_from_camera, atol=1e-3, rtol=0)


def test_between_two_poses_there_is_a_pose() -> None:
    before, pose = (look(turn).world_from_camera for turn in (0.0, 0.01))
    between = at_rest(before, pose, Prediction(look().depth, INTRINSICS, look().image))
    torch.testing.assert_close(between[:3, :3] @ between[:3, :3].T, torch.eye(3, dtype=torch.float64))
    assert 0 < float(between[0, 2]) < float(pose[0, 2])
    torch.testing.assert_close(rigid(pose), pose)


# ---------------------------------------------------------------- what becomes of the pose


class PlacedEstimator:
    """One wall and a camera that somebody has turned and carried away."""

    info = model()
    holds: Holds = "world"
    pose = look(0.4, (1.0, -0.5, 2.0)).world_from_camera

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        depth = torch.full(image.shape[:2], 3.0)
        return Prediction(depth, default_intrinsics(*image.shape[:2]), image, world_from_camera=self.pose), state


def placed_result(estimator: Estimator) -> FrameResult:
    variants = tuple(Variant(Format(name), output) for name, output in CARRIED)
    job = FrameJob("camera", 0, 0.0, jpeg(), variants, wants_scene=True)
    return process_frame(job, estimator, long_side_px=56)[0]


CARRIED: tuple[tuple[str, Output], ...] = (
    ("splats16", "pixel"),
    ("compact", "pixel"),
    ("gaussian_ply", "pixel"),
    ("pointcloud", "points"),
)


def test_every_format_tells_the_pose_and_holds_the_cameras_own_axes() -> None:
    for variant, fields in placed_result(PlacedEstimator()).fields.items():
        w, x, y, z, *place = fields["pose"]
        assert (w, x, y, z) == pytest.approx((math.cos(0.2), 0, math.sin(0.2), 0))
        assert place == [1.0, -0.5, 2.0]
        assert fields["bounds"].maximum[2] == pytest.approx(3.0), variant


def test_the_scene_that_is_kept_for_pictures_lies_in_the_world() -> None:
    result = placed_result(PlacedEstimator())
    camera_from_world = torch.linalg.inv(PlacedEstimator.pose)
    means = result.scene.means.double()
    seen = means @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    torch.testing.assert_close(seen[:, 2], torch.full((len(seen),), 3.0, dtype=torch.float64), atol=1e-5, rtol=0)
    assert result.facts is not None and result.facts.distance == pytest.approx(3.0), "from the camera"
    home = Orbit.of_pose(result.facts.pose, result.facts.distance)
    assert home.eye == pytest.approx((1.0, -0.5, 2.0)), "who comes later stands where the camera does"
    assert home.target == pytest.approx((PlacedEstimator.pose @ torch.tensor([0, 0, 3.0, 1]).double())[:3].tolist())


def test_without_a_world_no_pose_is_told() -> None:
    result = placed_result(registry.build("builtin", Settings(), lambda sentence, fraction: None))
    for variant, fields in result.fields.items():
        frame = {"frame_id": 0, "captured_at_ms": 0.0, "received_at_ms": 0.0, "timings_ms": {}}
        message = wire.encode(wire.RESULTS[variant.format].model_construct(**frame, **fields))
        assert "pose" not in wire.decode_server_message(message)


@pytest.mark.parametrize("name", ["builtin", "synthetic"])
@pytest.mark.parametrize("steady", ["off", "on", "window"])
def test_who_asks_a_model_without_poses_for_a_window_is_told_that_it_has_none(name: str, steady: SteadyMode) -> None:
    settings = Settings(steady=steady)
    estimator = registry.build(name, settings, lambda sentence, fraction: None)
    assert ("--steady window" in registry.about_window(estimator, settings)) == (steady == "window")
