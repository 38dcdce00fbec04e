"""What holds still and what does not, against scenes whose truth is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from splatcam import scenes
from splatcam.bench.steady_streams import CUT_AT, at_rest, measure, recovery_frames, summarised, swaying, with_cut
from splatcam.bench.unsteady import disturbed
from splatcam.engine import EngineStatus
from splatcam.engine.host import EngineHost
from splatcam.estimators import Holds, Prediction, registry
from splatcam.estimators.models import MODELS
from splatcam.frame_job import FrameJob
from splatcam.motion import brought, cells_of
from splatcam.pixel_splats import pixel_splats
from splatcam.settings import Settings, SteadyMode
from splatcam.steady import (
    FOV_FAR,
    FOV_FRAMES,
    LEAST_GAIN,
    SteadyOptions,
    SteadyReport,
    SteadyState,
    options_for,
    running,
    steady,
)
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.pictures import jpeg

POINTS = Variant(Format.POINTCLOUD, "points")
SIZE = 126, 98
ALONE = SteadyOptions("nothing")


def scene(t_s: float = 0.0, size: tuple[int, int] = SIZE) -> Prediction:
    rgb, depth, k = map(torch.from_numpy, scenes.render(t_s, *size))
    return Prediction(depth, k, rgb)


def play(
    predictions: list[Prediction], options: SteadyOptions = ALONE
) -> tuple[list[Prediction], SteadyState, list[SteadyReport]]:
    state, told, reports = None, [], []
    for prediction in predictions:
        held, state, report = steady(prediction, state, options)
        told.append(held)
        reports.append(report)
    assert state is not None
    return told, state, reports


def apart(one: Tensor, other: Tensor) -> float:
    """Mean |ln| of the ratio."""
    return float((one / other).log().abs().mean())


def remembered(state: SteadyState) -> dict[str, np.ndarray]:
    """All that is in a state, by its name."""
    flat = {field.name: getattr(state, field.name) for field in fields(state)}
    watched = flat.pop("watched")
    flat |= {field.name: getattr(watched, field.name) for field in fields(watched)}
    return {name: v.numpy() if isinstance(v, Tensor) else np.asarray(v) for name, v in flat.items() if v is not None}


def trembling(frames: int) -> list[Prediction]:
    """Of a scene in which nothing moves."""
    return [disturbed(scene(), number) for number in range(frames)]


# ---------------------------------------------------------------- the gauges, small


def test_what_rests_changes_by_less_than_a_quarter_and_things_that_move_leave_no_ghosts() -> None:
    figures = summarised(measure(at_rest(90, SIZE), ALONE))
    assert figures.change_ratio < 0.25 / 2
    assert figures.error is not None and figures.error[1] < figures.error[0]
    assert figures.lag_frames is not None and figures.lag_frames <= 1
    assert figures.ghosts is not None and figures.ghosts < 0.02
    assert figures.cuts == []


def test_a_camera_in_a_hand_is_followed_and_the_world_does_not_pump() -> None:
    figures = summarised(measure(swaying(120, SIZE), ALONE))
    assert figures.change_ratio < 0.4
    assert figures.error is not None and figures.error[1] < 0.75 * figures.error[0]
    assert figures.lag_frames is not None and figures.lag_frames <= 1
    assert figures.cuts == []


def test_after_a_cut_the_world_is_right_within_three_frames() -> None:
    figures = measure(with_cut(CUT_AT + 20, SIZE), ALONE)
    assert summarised(figures).cuts == [CUT_AT]
    assert recovery_frames(figures, CUT_AT) <= 3


def test_exact_depth_is_not_harmed() -> None:
    frames = [scene(number / 30) for number in range(40)]
    told, _, _ = play(frames)
    assert max(apart(held.depth, exact.depth) for held, exact in zip(told, frames, strict=True)) < 0.005
    assert all(torch.allclose(held.intrinsics, exact.intrinsics) for held, exact in zip(told, frames, strict=True))


# ---------------------------------------------------------------- scale and shift


@examples(max_examples=10)
@given(st.floats(-6, 6))
def test_another_unit_of_length_gives_the_same_scene_in_that_unit(ln_unit: float) -> None:
    unit = math.exp(ln_unit)
    frames = trembling(6)
    told, _, _ = play(frames)
    in_unit, _, _ = play([replace(frame, depth=frame.depth * unit) for frame in frames])
    assert apart(in_unit[-1].depth / unit, told[-1].depth) < 1e-4


def test_a_scale_and_a_shift_of_one_frame_are_undone() -> None:
    still = [scene()] * 60
    odd = replace(scene(), depth=scene().depth * 1.1 + 0.2)
    told, _, reports = play([*still, odd])
    assert apart(told[-1].depth, scene().depth) < 0.003
    assert float(reports[-1].scale) < 1 / 1.1


def test_a_wall_without_depth_has_a_scale_and_no_shift() -> None:
    wall = replace(scene(), depth=torch.full_like(scene().depth, 2.0))
    told, _, reports = play([*[wall] * 60, replace(wall, depth=wall.depth * 1.3)])
    assert apart(told[-1].depth, wall.depth) < 0.01
    assert float(told[-1].depth.max() - told[-1].depth.min()) < 1e-4
    assert float(reports[-1].scale) == pytest.approx(1 / 1.3, rel=0.01)


def test_a_model_that_holds_its_scale_is_not_given_another() -> None:
    near = replace(scene(), depth=scene().depth * 1.5)
    for holds in ("scale", "world"):
        told, _, reports = play([*[scene()] * 20, *[near] * 3], SteadyOptions(holds))
        assert all(float(report.scale) == 1 for report in reports)
        assert apart(told[-1].depth, near.depth) < 0.01, "two frames agree that the world is larger now"


def test_what_a_thing_in_front_of_a_resting_wall_does_is_no_change_of_scale() -> None:
    nearer = replace(scene(), depth=scene().depth.clone(), image=scene().image.clone())
    nearer.depth[30:, 40:90] = 0.8
    nearer.image[30:, 40:90] = 255 - nearer.image[30:, 40:90]
    told, _, _ = play([*[scene()] * 30, nearer])
    assert apart(told[-1].depth[:, :20], scene().depth[:, :20]) < 1e-3
    assert apart(told[-1].depth[40:, 50:80], nearer.depth[40:, 50:80]) < 1e-3


# ---------------------------------------------------------------- pixels


def test_a_still_scene_comes_to_rest_at_its_mean() -> None:
    frames = trembling(80)
    told, _, _ = play(frames)
    estimated, held = (
        [apart(now.depth, before.depth) for before, now in zip(all_of_it, all_of_it[1:], strict=False)]
        for all_of_it in (frames, told)
    )
    assert max(held[-20:]) < 0.003 < max(estimated[-20:]) / 10
    assert apart(told[-1].depth, scene().depth) < 0.01


def test_a_pixel_that_rests_is_not_moved_by_one_frame_but_by_two_that_agree() -> None:
    hole = replace(scene(), depth=scene().depth.clone())
    hole.depth[20:30, 20:30] *= 2
    told, _, _ = play([*[scene()] * 20, hole, scene(), hole, hole], SteadyOptions("scale"))
    once, between, again, twice = (apart(held.depth[20:30, 20:30], scene().depth[20:30, 20:30]) for held in told[20:])
    assert max(once, between, again) < 0.01
    assert twice == pytest.approx(math.log(2), rel=0.05)


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf, 0.0, -1.0])
@pytest.mark.parametrize("first", [0, 12])
def test_depths_that_are_none_poison_nothing(nothing: float, first: int) -> None:
    broken = replace(scene(), depth=scene().depth.clone())
    broken.depth[10:20, 10:20] = nothing
    told, state, _ = play([*[scene()] * first, broken, *[scene()] * 20])
    assert all(np.isfinite(value).all() for value in remembered(state).values())
    assert all(bool((held.depth > 0).all() and held.depth.isfinite().all()) for held in told)
    assert apart(told[-1].depth, scene().depth) < 0.01


@pytest.mark.parametrize("nothing", [math.nan, math.inf, 0.0])
def test_a_stream_that_begins_without_any_depth_goes_on_with_the_first_that_has_one(nothing: float) -> None:
    none = replace(scene(), depth=torch.full_like(scene().depth, nothing))
    told, _, _ = play([none, none, *[scene()] * 40])
    assert all(bool((held.depth > 0).all() and held.depth.isfinite().all()) for held in told)
    assert apart(told[-1].depth, scene().depth) < 1e-4


def test_a_grid_of_another_shape_begins_anew() -> None:
    other = scene(size=(98, 126))
    told, state, _ = play([*trembling(5), other])
    assert torch.equal(told[-1].depth, other.depth)
    assert state.watched.frames == 1


def test_the_same_frames_give_the_same_world_and_nothing_that_went_in_is_changed() -> None:
    frames = trembling(8)
    kept = [frame.depth.clone() for frame in frames]
    one, other = play(frames)[0], play(frames)[0]
    assert all(torch.equal(a.depth, b.depth) for a, b in zip(one, other, strict=True))
    assert all(torch.equal(a.depth, b) for a, b in zip(frames, kept, strict=True))
    state = play(frames[:4])[1]
    before = {name: value.copy() for name, value in remembered(state).items()}
    steady(frames[4], state, ALONE)
    assert all(np.array_equal(value, before[name]) for name, value in remembered(state).items())


def test_depths_stay_where_they_are_but_for_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is brought to the CPU has to be waited for."""
    sizes: list[int] = []

    def counted(tensor: Tensor) -> Any:
        sizes.append(tensor.numel())
        return brought(tensor)

    monkeypatch.setattr("splatcam.steady.brought", counted)
    monkeypatch.setattr("splatcam.motion.brought", counted)
    _, state, _ = play([scene(size=(504, 378))] * 2)
    sizes.clear()
    steady(scene(size=(504, 378)), state, ALONE)
    depths = 504 * 378
    assert len(sizes) == 3 and sum(sizes) < depths / 2, "colours of the cells, sampled depths, their limits"


def test_cells_are_the_mean_colours_of_squares() -> None:
    image = torch.zeros(28, 56, 3, dtype=torch.uint8)
    image[:, 28:, 1] = 255
    left, right = torch.from_numpy(cells_of(image)).chunk(2, dim=2)
    assert torch.equal(left, torch.zeros_like(left))
    assert torch.allclose(right.mean(dim=(1, 2)), torch.tensor([0.0, 1.0, 0.0])) and right[1].min() == 1


def test_where_all_rests_a_new_depth_counts_by_its_smallest_share() -> None:
    moved = replace(scene(), depth=scene().depth * 1.01)
    told, _, _ = play([*[scene()] * 30, *[moved] * 2], SteadyOptions("scale"))
    first = apart(told[-1].depth, scene().depth) / math.log(1.01)
    assert 0 < first < 2.5 * LEAST_GAIN


# ---------------------------------------------------------------- field of view


def test_the_field_of_view_is_the_median_of_the_first_second_and_then_hardly_moves() -> None:
    told, _, _ = play(trembling(FOV_FRAMES + 20))
    focals = torch.stack([held.intrinsics[0, 0] for held in told])
    assert float((focals[-1] / scene().intrinsics[0, 0]).log().abs()) < 0.02
    assert float(focals[FOV_FRAMES:].log().diff().abs().max()) < 3e-4


def test_a_field_of_view_that_changed_for_good_is_reached_at_a_slow_pace() -> None:
    wide = replace(scene(), intrinsics=scene().intrinsics.clone())
    wide.intrinsics.diagonal()[:2] *= 0.97
    told, _, _ = play([*[scene()] * FOV_FRAMES, *[wide] * 300])
    focals = torch.stack([held.intrinsics[0, 0] for held in told]).log()
    assert float(focals.diff().abs().max()) < 3e-4
    assert float((focals[-1] - wide.intrinsics[0, 0].log()).abs()) < 0.01


@pytest.mark.parametrize("holds", ["nothing", "scale", "world"])
def test_a_known_field_of_view_is_told_from_the_first_frame_on_and_depth_stays(holds: Holds) -> None:
    told, _, _ = play([scene()] * 3, SteadyOptions(holds, fov_deg=90.0))
    for held in told:
        assert held.intrinsics.diagonal()[:2].tolist() == pytest.approx([SIZE[0] / 2] * 2, rel=1e-5)
        assert held.intrinsics[:, 2].tolist() == [SIZE[0] / 2, SIZE[1] / 2, 1]
        assert apart(held.depth, scene().depth) < 1e-5


def test_a_zoom_is_followed_and_the_rest_of_the_way_is_slow() -> None:
    zoomed = replace(scene(), intrinsics=scene().intrinsics.clone())
    zoomed.intrinsics.diagonal()[:2] *= 2
    told, _, _ = play([*[scene()] * FOV_FRAMES, *[zoomed] * 20])
    focals = torch.stack([held.intrinsics[0, 0] for held in told]).log()
    assert float(focals[: FOV_FRAMES + 10].diff().abs().max()) < 3e-4, (
        "half a second of another focal length may be noise"
    )
    assert float((focals[-1] - zoomed.intrinsics[0, 0].log()).abs()) <= FOV_FAR


def test_a_cut_does_not_set_the_field_of_view_trembling() -> None:
    told, _, reports = play([shot.estimated for shot in with_cut(CUT_AT + 20, SIZE)])
    focals = torch.stack([held.intrinsics[0, 0] for held in told]).log()
    assert reports[CUT_AT].is_cut
    assert float((focals[CUT_AT:] - focals[CUT_AT - 1]).abs().max()) < 0.02


# ---------------------------------------------------------------- light


def in_light(prediction: Prediction, light: float | Tensor) -> Prediction:
    image = prediction.image * torch.as_tensor(light)
    return replace(prediction, image=image.round().clamp(0, 255).to(torch.uint8))


@pytest.mark.parametrize("light", [0.5, 1.4, torch.tensor([1.2, 1.0, 0.7])], ids=["dark", "bright", "warm"])
def test_another_light_is_neither_motion_nor_a_cut(light: float | Tensor) -> None:
    frames = trembling(60)
    told, _, reports = play([*frames[:40], *(in_light(frame, light) for frame in frames[40:])])
    assert not any(report.is_cut for report in reports)
    assert all(report.rest_share > 0.5 for report in reports[40:]), "colours are whole numbers"
    assert max(apart(now.depth, before.depth) for before, now in itertools.pairwise(told[38:])) < 0.003


def test_a_thing_that_moves_while_the_exposure_changes_is_told_where_it_is() -> None:
    frames = [in_light(scene(number / 30), 1 + 0.15 * math.sin(number / 10)) for number in range(60)]
    told, _, _ = play(frames)
    assert max(apart(held.depth, exact.depth) for held, exact in zip(told, frames, strict=True)) < 0.005


# ---------------------------------------------------------------- another grid


def test_on_a_coarser_grid_the_world_keeps_its_scale_and_its_field_of_view_and_on_the_way_back() -> None:
    """As when memory is short: `engine.memory`."""
    fine, coarse = trembling(40), [disturbed(scene(size=(112, 84)), 40 + number) for number in range(4)]
    told, _, _ = play([*fine, *coarse, *[disturbed(scene(), 50 + number) for number in range(4)]])
    wall = [float(held.depth[: held.depth.shape[0] // 4].log().mean()) for held in told]
    width = [float(held.intrinsics[0, 0]) / held.depth.shape[1] for held in told]
    assert max(abs(after - before) for before, after in itertools.pairwise(wall[38:])) < 0.005
    assert max(abs(after / before - 1) for before, after in itertools.pairwise(width[38:])) < 0.001
    assert all(held.depth.shape == (84, 112) for held in told[40:44])


# ---------------------------------------------------------------- Gaussians


def test_a_networks_gaussians_move_along_their_rays_with_the_depth() -> None:
    frames = [replace(frame, gaussians=pixel_splats(frame)) for frame in trembling(12)]
    told, _, _ = play(frames)
    held = told[-1].gaussians
    assert held is not None
    again = pixel_splats(told[-1])
    assert torch.allclose(held.means, again.means, rtol=1e-4, atol=1e-5)
    assert torch.allclose(held.scales[:, 2], again.scales[:, 2], rtol=1e-3)
    assert torch.equal(held.rotations, frames[-1].gaussians.rotations)
    held.validate()


def test_gaussians_of_some_pixels_move_as_those_of_all_do() -> None:
    frames = trembling(4)
    splats = [pixel_splats(frame) for frame in frames]
    some = torch.arange(0, SIZE[0] * SIZE[1], 7)
    whole, _, _ = play([replace(f, gaussians=g) for f, g in zip(frames, splats, strict=True)])
    part, _, _ = play([replace(f, gaussians=g.select(some)) for f, g in zip(frames, splats, strict=True)])
    assert torch.equal(part[-1].gaussians.means, whole[-1].gaussians.means[some])


def test_a_gaussian_whose_pixel_has_no_depth_stays_where_it_is() -> None:
    broken = replace(scene(), depth=scene().depth.clone(), gaussians=pixel_splats(scene()))
    broken.depth[5, 5] = math.nan
    told, _, _ = play([broken])
    assert torch.allclose(told[0].gaussians.means, broken.gaussians.means, rtol=1e-5)


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("mode", "holds", "runs"),
    [
        ("off", "nothing", "off"),
        ("on", "nothing", "on"),
        ("on", "all", "off"),
        ("window", "all", "off"),
        ("window", "scale", "on"),
        ("window", "nothing", "on"),
        ("window", "world", "window"),
    ],
)
def test_what_runs_follows_from_the_wish_and_from_what_the_model_holds(mode: str, holds: Holds, runs: str) -> None:
    assert running(mode, holds) == runs
    options = options_for(mode, holds, 60.0)
    assert (options is None) == (runs == "off")
    assert options is None or options == SteadyOptions(holds, 60.0)


def test_no_field_of_view_in_the_settings_is_none_that_is_known() -> None:
    assert options_for("on", "nothing", 0.0) == SteadyOptions("nothing", None)


# ---------------------------------------------------------------- in the live path


class TremblingEstimator:
    """A scene in which nothing moves, as a network that sees each frame alone would tell it."""

    info = MODELS["builtin"].info("cpu")
    holds: Holds = "nothing"

    def __init__(self, settings: Settings) -> None:
        pass

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        number = state or 0
        height, width, _ = image.shape
        return disturbed(scene(size=(width, height)), number), number + 1


def far_sides(results: list[dict[str, Any]]) -> list[float]:
    """The far side of the box around each result."""
    return [fields["bounds"].maximum[2] for fields in results]


@pytest.mark.parametrize("mode", ["off", "on"])
def test_frames_of_a_stream_are_held_still_and_a_stream_that_ended_is_forgotten(
    mode: SteadyMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[EngineStatus] = []
    monkeypatch.setattr(registry, "build", lambda name, settings, *rest: TremblingEstimator(settings))
    host = EngineHost(Settings(model="builtin", steady=mode, process_res=126, threads=1), said.append)
    host.load()
    assert said[-1].model is not None and said[-1].model.steady == mode

    def play_stream(frames: int) -> list[dict[str, Any]]:
        jobs = [FrameJob("camera", number, 0.0, jpeg(126, 98), (POINTS,)) for number in range(frames)]
        return [host.process(job).fields[POINTS] for job in jobs]

    first = far_sides(play_stream(40))
    late = [abs(math.log(b / a)) for a, b in zip(first[30:], first[31:], strict=False)]
    assert (max(late) < 0.01) == (mode == "on"), late
    host.forget("camera")
    assert far_sides(play_stream(3)) == first[:3]


def test_a_known_field_of_view_reaches_the_results() -> None:
    host = EngineHost(Settings(model="builtin", fov=90.0, process_res=126, threads=1), lambda status: None)
    host.load()
    fields = host.process(FrameJob("camera", 0, 0.0, jpeg(126, 98), (POINTS,))).fields[POINTS]
    assert fields["intrinsics"] == pytest.approx((63, 63, 63, 49), rel=1e-5)


@pytest.mark.parametrize(("name", "holds"), [("builtin", "nothing"), ("synthetic", "all")])
def test_models_say_what_they_hold(name: str, holds: Holds) -> None:
    assert registry.build(name, Settings(model=name), lambda sentence, share: None).holds == holds
