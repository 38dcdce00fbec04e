"""The estimator of live frames against the plain one: same network, same precision, the whole way to packed bytes."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from splatcam.codecs.packed16 import unpack_words
from splatcam.engine import pass_planner
from splatcam.engine.host import EngineHost
from splatcam.estimators import da3_live, registry
from splatcam.estimators.da3 import Da3Estimator, autocast, normalise, to_prediction
from splatcam.estimators.da3_live import LiveDa3, LiveOptions
from splatcam.estimators.da3_loading import load_network, read_da3_name
from splatcam.estimators.fast import EXACT, SAFE, Optimisation
from splatcam.estimators.fast.head_gaussians import HeadGaussians
from splatcam.estimators.fast.uploads import uploads_to
from splatcam.estimators.window import WindowEstimator
from splatcam.finite import only_finite
from splatcam.frame_job import FrameJob, FrameRefused
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.pipeline import process_frame
from splatcam.prune import PruneOptions, prune
from splatcam.settings import Settings
from splatcam.steady import SteadyOptions, steady
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.estimator_contract import GRIDS, assert_same, check_gaussians, check_prediction, make_frames, run_stream
from tests.pictures import jpeg
from tests.tiny_da3 import da3_registered, metric_folder, nested_folder, one_thread_of_full_precision, tiny_folder

pytestmark = pytest.mark.da3
# fixtures
__all__ = ["da3_registered", "metric_folder", "nested_folder", "one_thread_of_full_precision", "tiny_folder"]

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]  # the same is true of both
PRECISIONS = (torch.float32, torch.bfloat16)
HEIGHT, WIDTH = 56, 84
LIVE_FRAMES = int(os.environ.get("SPLATCAM_FRAMES", "120"))
WARM_UP_FRAMES = {"cpu": 12, "cuda": 360}  # there sizes are recorded after a while, and what is recorded stays
SPLATS, NETWORK = Variant(Format.SPLATS16, "network"), Variant(Format.COMPACT, "network")


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


def live(folder: Path, device: str = "cpu", **options: Any) -> LiveDa3:
    model = registry.resolve(str(folder)).model
    return LiveDa3(load_network(folder, "cpu"), model, device, LiveOptions(**options))


def plain_prediction(folder: Path, image: torch.Tensor, device: str, dtype: torch.dtype) -> Any:
    """By the estimator that calls DA3's own forward pass and adapter, in the precision asked for."""
    estimator = Da3Estimator.load(folder, registry.resolve(str(folder)).model, device, 56)
    image = image.to(device)
    with torch.no_grad(), autocast(estimator.device, dtype):
        raw = estimator.net(normalise(image), None, None, [], True)
    return to_prediction(raw, image, read_da3_name(folder))


def image(height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return make_frames(height, width, count=1)[0]


def assert_close(ours: Gaussians, theirs: Gaussians, atol: float = 2e-6) -> None:
    """Every number; a quaternion may have the other sign."""
    for name in ("means", "scales", "opacities", "sh"):
        found, wanted = getattr(ours, name), getattr(theirs, name)
        assert torch.allclose(found, wanted, atol=atol, rtol=1e-5), f"{name}: {(found - wanted).abs().max()}"
    same = (ours.rotations * theirs.rotations).sum(dim=1).abs()
    assert torch.allclose(same, torch.ones_like(same), atol=1e-6)


# ---------------------------------------------------------------- the same answers


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_frames_are_answered_as_by_the_plain_estimator(tiny_folder: Path, device: str, dtype: torch.dtype) -> None:
    theirs = plain_prediction(tiny_folder, image(), device, dtype)
    ours, _ = live(tiny_folder, device, dtype=dtype).estimate(image(), wants_gaussians=True)
    assert torch.equal(ours.depth, theirs.depth)
    assert torch.equal(ours.intrinsics, theirs.intrinsics)
    assert torch.equal(ours.confidence, theirs.confidence) and torch.equal(ours.image, theirs.image)
    assert_close(ours.gaussians.everything().validate(), theirs.gaussians)


def test_with_das_own_adapter_every_gaussian_has_the_same_bits(tiny_folder: Path, device: str) -> None:
    theirs = plain_prediction(tiny_folder, image(), device, torch.float32)
    ours, _ = live(tiny_folder, device, optimisations=EXACT, dtype=torch.float32).estimate(
        image(), wants_gaussians=True
    )
    assert isinstance(ours.gaussians, Gaussians)
    for name in ("scales", "rotations", "sh", "means"):
        assert torch.equal(getattr(ours.gaussians, name), getattr(theirs.gaussians, name)), name
    assert torch.allclose(ours.gaussians.opacities, theirs.gaussians.opacities, atol=1e-7, rtol=0)


def test_what_leaves_the_pipeline_are_the_same_splats(tiny_folder: Path, device: str) -> None:
    job = FrameJob("camera", 0, 0.0, jpeg(), (SPLATS, NETWORK))
    plain = Da3Estimator.load(tiny_folder, registry.resolve(str(tiny_folder)).model, device, 56)
    fast = live(tiny_folder, device, dtype=torch.float32 if device == "cpu" else None)
    ours, theirs = (process_frame(job, e, long_side_px=84)[0].fields for e in (fast, plain))
    assert ours[SPLATS]["num_splats"] == theirs[SPLATS]["num_splats"] > 0
    splats = [unpack_words(fields[SPLATS]["data"], fields[SPLATS]["num_splats"]) for fields in (ours, theirs)]
    for name in ("means", "scales", "opacities", "sh"):
        found, wanted = (getattr(one, name) for one in splats)
        assert torch.allclose(found, wanted, atol=5e-3, rtol=0.1), name  # a number may round to the next step
        assert float((found != wanted).float().mean()) < 0.01, name
    assert ours[NETWORK]["num_splats"] == theirs[NETWORK]["num_splats"] == ours[SPLATS]["num_splats"]


def test_a_pass_is_shared_without_mixing_frames_up(tiny_folder: Path, device: str) -> None:
    estimator = live(tiny_folder, device, dtype=torch.float32)
    frames = make_frames(HEIGHT, WIDTH, count=3)
    together = estimator.estimate_many(frames, wants_gaussians=True)
    for frame, shared in zip(frames, together, strict=True):
        alone, _ = estimator.estimate(frame, wants_gaussians=True)
        assert torch.allclose(shared.depth, alone.depth, rtol=1e-5) and torch.equal(shared.image.cpu(), frame)
        assert_close(shared.gaussians.everything(), alone.gaussians.everything())


def test_recorded_it_gives_the_same_answers(tiny_folder: Path, device: str) -> None:
    """Where nothing can be recorded it runs as before."""
    eager, recorded = (live(tiny_folder, device, dtype=torch.float32, mode=mode) for mode in ("eager", "graph"))
    frames = make_frames(HEIGHT, WIDTH, count=4)
    assert recorded.record_now(recorded.upload(frames[:1]), True) == (device == "cuda")
    answers = [recorded.estimate(frame, wants_gaussians=True)[0] for frame in frames]
    for frame, found in zip(frames, answers, strict=True):
        wanted, _ = eager.estimate(frame, wants_gaussians=True)
        assert torch.allclose(found.depth, wanted.depth, rtol=1e-5) and torch.equal(found.image, wanted.image)
        assert_close(found.gaussians.everything(), wanted.gaussians.everything())


@pytest.mark.parametrize(("has_units", "dtype"), [(lambda: True, torch.bfloat16), (lambda: False, torch.float32)])
def test_a_cpu_multiplies_in_bfloat16_where_it_has_units_for_it(
    monkeypatch: pytest.MonkeyPatch, has_units: Any, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", has_units)
    assert da3_live.live_dtype(torch.device("cpu")) == dtype


def test_a_torch_that_cannot_tell_of_such_units_is_taken_for_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert da3_live.live_dtype(torch.device("cpu")) == torch.float32


# ---------------------------------------------------------------- the contract of every estimator


def test_it_keeps_the_contract_of_estimators(tiny_folder: Path) -> None:
    estimator = live(tiny_folder)
    for height, width in GRIDS:
        (prediction,) = run_stream(estimator, make_frames(height, width, count=1), wants_gaussians=True)
        check_prediction(prediction, height, width)
        check_gaussians(prediction, height, width)


def test_the_same_frames_give_the_same_predictions(tiny_folder: Path) -> None:
    estimator, frames = live(tiny_folder), make_frames(HEIGHT, WIDTH)
    for first, second in zip(run_stream(estimator, frames), run_stream(estimator, frames), strict=True):
        assert_same(first, second)


def test_the_engine_serves_with_it_and_can_be_told_not_to(tiny_folder: Path) -> None:
    for way, kind in (("fast", LiveDa3), ("plain", Da3Estimator)):
        settings = Settings(model=str(tiny_folder), device="cpu", process_res=56, threads=1, da3_pass=way)
        host = EngineHost(settings, lambda status: None)
        host.load()
        assert isinstance(host._estimator, kind)
        assert host.process(FrameJob("camera", 0, 0.0, jpeg(), (SPLATS,))).fields[SPLATS]["num_splats"] > 0


def test_whoever_wants_scenes_gets_the_network_as_it_is(tiny_folder: Path) -> None:
    estimator = registry.build(str(tiny_folder), Settings(device="cpu"), lambda sentence, share: None)
    assert isinstance(estimator, Da3Estimator) and estimator.net.cam_enc is not None


@pytest.mark.parametrize("which", ["metric_folder", "nested_folder"])
def test_models_that_it_is_not_made_for_are_served_as_before(which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which)
    model = registry.resolve(str(folder)).model
    estimator = da3_live.load(folder, model, "cpu", 56)
    before = Da3Estimator.load(folder, model, "cpu", 56)
    assert isinstance(estimator, Da3Estimator)
    for one, other in zip(*(run_stream(e, make_frames(HEIGHT, WIDTH)) for e in (estimator, before)), strict=True):
        assert torch.equal(one.depth, other.depth)


def test_a_window_of_two_frames_sees_the_same_with_the_optimisations(tiny_folder: Path) -> None:
    settings = Settings(device="cpu", process_res=56, steady="window")
    windows = [registry.build(str(tiny_folder), settings, lambda s, f: None, use) for use in ("frames", "scenes")]
    assert all(isinstance(window, WindowEstimator) for window in windows)
    frames = make_frames(HEIGHT, WIDTH)
    for one, other in zip(*(run_stream(window, frames, wants_gaussians=True) for window in windows), strict=True):
        assert torch.equal(one.depth, other.depth) and torch.equal(one.gaussians.means, other.gaussians.means)


def test_gaussians_asked_of_a_model_without_the_head_are_an_error(tiny_folder: Path) -> None:
    net = load_network(tiny_folder, "cpu")
    net.gs_head = net.gs_adapter = None
    estimator = LiveDa3(net, registry.resolve(str(tiny_folder)).model, "cpu", LiveOptions())
    assert not estimator.info.supports_gaussians
    with pytest.raises(ValueError, match="has no Gaussian head"):
        estimator.estimate(image(), wants_gaussians=True)


# ---------------------------------------------------------------- Gaussians that wait to be chosen


@pytest.fixture
def waiting(tiny_folder: Path) -> tuple[Any, HeadGaussians]:
    """A prediction whose Gaussians are not computed, some of them behind the camera."""
    prediction, _ = live(tiny_folder, dtype=torch.float32).estimate(image(), wants_gaussians=True)
    assert isinstance(prediction.gaussians, HeadGaussians)
    prediction.gaussians.planes[-1, ::7] = -1e3
    return prediction, prediction.gaussians


@pytest.mark.parametrize(
    "options",
    [PruneOptions(), PruneOptions(min_opacity=0.47), PruneOptions(max_depth_percentile=0.6), PruneOptions(0, 1, 0)],
)
def test_pruned_first_and_computed_after_they_are_the_same(waiting: Any, options: PruneOptions) -> None:
    prediction, gaussians = waiting
    late, report = prune(gaussians, prediction.depth, options)
    early, expected = prune(gaussians.everything(), prediction.depth, options)
    assert report == expected and 0 < late.count
    assert torch.equal(
        late.pixel_index, early.pixel_index if early.pixel_index is not None else torch.arange(late.count)
    )
    for name in TENSORS:
        assert torch.allclose(getattr(late, name), getattr(early, name), atol=1e-7), name


def test_what_is_behind_the_camera_is_not_seen(waiting: Any) -> None:
    everything = waiting[1].everything().validate()
    assert float(everything.opacities[::7].amax()) == 0 and float(everything.opacities[1::7].amin()) > 0


def test_they_are_held_still_like_any_others(waiting: Any) -> None:
    prediction, gaussians = waiting
    options, frame = SteadyOptions("nothing", fov_deg=70.0), prediction
    told, state, _ = steady(frame, None, options)
    told, _, _ = steady(
        type(frame)(frame.depth * 1.3, frame.intrinsics, frame.image, gaussians=gaussians), state, options
    )
    computed = type(frame)(frame.depth, frame.intrinsics, frame.image, gaussians=gaussians.everything())
    same, state, _ = steady(computed, None, options)
    again = type(frame)(frame.depth * 1.3, frame.intrinsics, frame.image, gaussians=gaussians.everything())
    same, _, _ = steady(again, state, options)
    assert_close(told.gaussians.everything(), same.gaussians)
    assert not torch.allclose(told.gaussians.everything().means, gaussians.everything().means)


def test_moved_twice_is_moved_by_both(waiting: Any) -> None:
    _, gaussians = waiting
    ratio, wider = torch.full((gaussians.count,), 2.0), torch.tensor([1.5, 1.0, 1.0])
    twice = gaussians.moved(ratio, wider).moved(ratio, wider).everything()
    assert_close(twice, gaussians.everything().moved(ratio * ratio, wider * wider))


def test_without_the_higher_harmonics_the_colour_stays(waiting: Any) -> None:
    _, gaussians = waiting
    only, everything = gaussians.dc_only().everything(), gaussians.everything()
    assert only.sh.shape == (gaussians.count, 1, 3) and torch.equal(only.sh[:, 0], everything.sh[:, 0])
    assert torch.equal(everything.dc_only().sh, only.sh)


def test_pixels_without_numbers_are_found_before_anything_is_computed(waiting: Any) -> None:
    prediction, gaussians = waiting
    gaussians.planes[3, 5] = float("nan")
    gaussians.densities[9] = float("inf")
    found, missing = only_finite(prediction)
    assert missing == 2 and not found.usable.flatten()[[5, 9]].any()


# ---------------------------------------------------------------- buffers and memory


def test_a_picture_may_change_once_it_is_uploaded(device: str) -> None:
    upload, picture = uploads_to(torch.device(device)), image()
    there = []
    for shade in range(5):
        picture[:] = shade
        there.append(upload([picture, picture + 100]))
    assert [[int(one.cpu().unique()) for one in batch] for batch in there] == [[s, s + 100] for s in range(5)]


def living_tensors() -> int:
    return living()[0]


def living() -> tuple[int, int, int]:
    """Tensors, other objects, bytes of the device."""
    gc.collect()
    things = gc.get_objects()
    tensors = sum(issubclass(type(thing), torch.Tensor) for thing in things)
    device_bytes = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    return tensors, len(things) - tensors, device_bytes


def test_frames_leave_nothing_behind(tiny_folder: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From JPEG to packed bytes, of two sizes, three cameras that share passes: what lives after many frames are as
    many tensors as after the first ones, and hardly more of anything else."""
    monkeypatch.setattr(pass_planner, "TRIES", 10**9)  # they share however long it takes
    settings = Settings(model=str(tiny_folder), device=device, process_res=56, threads=1, share_within_ms=60_000)
    host = EngineHost(settings, lambda status: None)
    host.load()
    pictures = [jpeg(96, 64), jpeg(64, 96)]

    def frames(count: int) -> None:
        for number in range(0, count, 3):
            jobs = [FrameJob(name, number, 0.0, pictures[number % 2], (SPLATS, NETWORK)) for name in "abc"]
            for one in jobs:
                host.announce(one)
            for one in jobs:
                assert host.process(one).fields[SPLATS]["num_splats"] > 0

    frames(WARM_UP_FRAMES[device])
    before = living()
    frames(LIVE_FRAMES)
    tensors, others, device_bytes = (now - then for now, then in zip(living(), before, strict=True))
    assert tensors == 0 and device_bytes < 1e6
    assert others < LIVE_FRAMES / 4, "not even one thing of every fourth frame"


def test_without_memory_the_next_smaller_grid_serves_and_nothing_is_left_behind(tiny_folder: Path) -> None:
    """The network fails in its middle, with maps of the backbone in memory."""
    host = EngineHost(Settings(model=str(tiny_folder), device="cpu", process_res=84, threads=1), lambda status: None)
    host.load()
    head = host._estimator.net.head
    whole, room_px = head._forward_impl, 10**6

    def short_of_memory(feats: Any, height: int, width: int, first: int) -> Any:
        if max(height, width) > room_px:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(feats, height, width, first)

    head._forward_impl = short_of_memory

    def grids(count: int) -> set[int]:
        jobs = [FrameJob("camera", number, 0.0, jpeg(), (SPLATS,)) for number in range(count)]
        return {max(host.process(one).fields[SPLATS]["grid"]) for one in jobs}

    assert grids(2) == {84}
    room_px = 60
    assert grids(2) == {56}
    before = living_tensors()
    assert grids(20) == {56} and living_tensors() == before
    room_px = 0
    with pytest.raises(FrameRefused) as refused:
        grids(1)
    assert refused.value.code == "out_of_memory"
    room_px = 10**6
    assert grids(1) == {56}


def test_with_any_one_of_the_optimisations_left_out_it_serves_the_same(tiny_folder: Path) -> None:
    expected, _ = live(tiny_folder, dtype=torch.float32).estimate(image(), wants_gaussians=True)
    for left_out in sorted(SAFE):
        one_less = live(tiny_folder, optimisations=SAFE - {left_out}, dtype=torch.float32)
        found, _ = one_less.estimate(image(), wants_gaussians=True)
        assert torch.equal(found.depth, expected.depth), left_out
        assert_close(found.gaussians.everything(), expected.gaussians.everything())
    assert Optimisation.ONE_VIEW in SAFE and np.isfinite(float(expected.depth.sum()))
