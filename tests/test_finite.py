"""Numbers that are none, in every place of a prediction, and what of them reaches each output and format: nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gsply_helpers
from splatcam.bench.predicted import predict
from splatcam.codecs import compact, packed16
from splatcam.estimators import Prediction
from splatcam.estimators.models import MODELS
from splatcam.finite import NotFinite, only_finite
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.gaussians import TENSORS
from splatcam.pipeline import BORDER_FRACTION, live_scene, process_frame
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.pictures import jpeg

WIDTH, HEIGHT = 70, 56
INSIDE = (20, 30)  # a pixel inside the border
BAD = (math.nan, math.inf, -math.inf)
VARIANTS = [
    Variant(format, output)
    for output in ("network", "pixel")
    for format in (Format.COMPACT, Format.SPLATS16, Format.GAUSSIAN_PLY)
] + [Variant(Format.POINTCLOUD, "points")]


def sound() -> Prediction:
    prediction = predict(1.0, WIDTH, HEIGHT, "smooth")
    return replace(prediction, confidence=torch.ones(HEIGHT, WIDTH))


def with_bad(name: str, value: float, pixels: Any = INSIDE) -> Prediction:
    """The same, of some pixels one plane or one tensor of the Gaussians being no number."""
    prediction = sound()
    if name in TENSORS:
        assert prediction.gaussians is not None
        tensor = getattr(prediction.gaussians, name).clone()
        tensor.view(HEIGHT, WIDTH, -1)[pixels + (0,)] = value
        return replace(prediction, gaussians=replace(prediction.gaussians, **{name: tensor}))
    plane = getattr(prediction, name).clone()
    plane[pixels] = value
    return replace(prediction, **{name: plane})


@pytest.mark.parametrize("value", BAD)
def test_a_depth_that_is_none_becomes_the_nearest_of_the_others(value: float) -> None:
    depth = only_finite(with_bad("depth", value))[0].depth
    others = sound().depth.flatten().tolist()
    del others[INSIDE[0] * WIDTH + INSIDE[1]]
    assert float(depth[INSIDE]) == min(others) != 1.0


class Oracle:
    """An estimator that says what it was given, and remembers how often it was asked."""

    info = MODELS["giant"].info("cpu")

    def __init__(self, prediction: Prediction) -> None:
        self._prediction = prediction

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        return self._prediction, (state or 0) + 1


def process(prediction: Prediction, *variants: Variant, state: Any = None) -> tuple[FrameResult, Any]:
    job = FrameJob("camera", 3, 1.5, jpeg(), variants)
    return process_frame(job, Oracle(prediction), state, long_side_px=WIDTH)


def count_of(fields: dict[str, Any]) -> int:
    return fields.get("num_splats", fields.get("num_points"))


PLACES = ("depth", "confidence", *TENSORS)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("place", PLACES)
def test_a_pixel_without_numbers_is_missing_from_every_output_and_format(place: str, value: float) -> None:
    for variant in VARIANTS:  # one at a time: more than four are never asked for at once
        for one in (variant, replace(variant, stride=2), replace(variant, max_depth_percentile=0.9)):
            whole, _ = process(sound(), one)
            result, _ = process(with_bad(place, value), one)
            assert result.dropped_nonfinite == 1 and whole.dropped_nonfinite == 0
            missing = count_of(whole.fields[one]) - count_of(result.fields[one])
            assert missing == 1 or (missing == 0 and one.max_depth_percentile < 1), one


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_is_sent_is_no_number(place: str) -> None:
    for variant in VARIANTS:
        result, _ = process(with_bad(place, math.nan), variant)
        fields = result.fields[variant]
        assert all(
            math.isfinite(number) for side in ("minimum", "maximum") for number in getattr(fields["bounds"], side)
        )
        assert all(map(math.isfinite, fields["intrinsics"]))
        READERS[variant.format](fields)


def read_points(fields: dict[str, Any]) -> None:
    assert np.isfinite(np.frombuffer(fields["points"], "<f4")).all()


def read_ply(fields: dict[str, Any]) -> None:
    gsply_helpers.gaussians_from_ply_bytes(bytes(fields["ply_data"])).validate()


def read_packed(fields: dict[str, Any]) -> None:
    packed16.unpack_words(bytes(fields["data"]), fields["num_splats"]).validate()


def read_compact(fields: dict[str, Any]) -> None:
    rows, columns = fields["window"][2:]
    compact.decode(fields, np.zeros((rows, columns, 3), np.uint8)).validate()


READERS: dict[Format, Callable[[dict[str, Any]], None]] = {
    Format.POINTCLOUD: read_points,
    Format.GAUSSIAN_PLY: read_ply,
    Format.SPLATS16: read_packed,
    Format.COMPACT: read_compact,
}


def test_a_hole_in_the_depth_does_not_spoil_its_neighbours() -> None:
    whole, _ = process(sound(), *VARIANTS[3:6])
    for value in BAD:
        result, _ = process(with_bad("depth", value), *VARIANTS[3:6])
        assert {count_of(fields) for fields in result.fields.values()} == {count_of(whole.fields[VARIANTS[4]]) - 1}


def test_sound_numbers_cost_no_copy() -> None:
    prediction = sound()
    assert only_finite(prediction) == (prediction, 0)


def test_numbers_whose_sum_is_none_are_numbers() -> None:
    prediction = sound()
    huge = prediction.depth.clone()
    huge[:2] = 3e38
    kept, missing = only_finite(replace(prediction, depth=huge))
    assert missing == 0 and kept.usable is None


def test_a_pixel_counts_once_whatever_it_lacks() -> None:
    both = with_bad("means", math.nan)
    kept, missing = only_finite(replace(both, depth=with_bad("depth", math.inf).depth))
    assert missing == 1 and kept.usable is not None and not kept.usable[INSIDE]
    assert bool(kept.depth.isfinite().all())


@pytest.mark.parametrize("place", ["depth", "opacities"])
def test_half_a_frame_is_shown_and_less_is_refused(place: str) -> None:
    half = with_bad(place, math.nan, (slice(0, HEIGHT // 2), slice(None)))
    assert process(half, VARIANTS[1])[0].dropped_nonfinite == HEIGHT * WIDTH // 2
    more = with_bad(place, math.nan, (slice(0, HEIGHT // 2 + 1), slice(None)))
    with pytest.raises(FrameRefused) as refused:
        process(more, VARIANTS[1])
    assert refused.value.code == "not_finite"


@pytest.mark.parametrize("value", [*BAD, 0.0, -1.0])
@pytest.mark.parametrize("at", [(0, 0), (1, 1)])
def test_a_camera_without_a_focal_length_is_refused(at: tuple[int, int], value: float) -> None:
    prediction = sound()
    camera = prediction.intrinsics.clone()
    camera[at] = value
    with pytest.raises(NotFinite, match="camera"):
        only_finite(replace(prediction, intrinsics=camera))


def test_a_principal_point_that_is_no_number_is_refused() -> None:
    prediction = sound()
    camera = prediction.intrinsics.clone()
    camera[0, 2] = math.nan
    with pytest.raises(FrameRefused) as refused:
        process(replace(prediction, intrinsics=camera), VARIANTS[0])
    assert refused.value.code == "not_finite"


def test_a_refused_frame_leaves_the_memory_of_the_one_before() -> None:
    _, before = process(sound(), VARIANTS[0])
    with pytest.raises(FrameRefused):
        process(with_bad("depth", math.nan, (slice(None), slice(None))), VARIANTS[0], state=before)
    _, after = process(sound(), VARIANTS[0], state=before)
    assert after.estimator == before.estimator + 1 == 2


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.output}-{v.format}")
def test_no_survivors_are_an_empty_result(variant: Variant) -> None:
    prediction = sound()
    assert prediction.gaussians is not None
    unseen = replace(prediction.gaussians, opacities=torch.zeros(HEIGHT * WIDTH))
    if (
        variant.output == "points"
    ):  # they have no opacity: what is inside the border has no numbers, and nothing is left
        rows, columns = (int(BORDER_FRACTION * side) for side in (HEIGHT, WIDTH))
        usable = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
        usable[rows : HEIGHT - rows, columns : WIDTH - columns] = False
        prediction = replace(prediction, usable=usable)
    else:
        prediction, variant = replace(prediction, gaussians=unseen), replace(variant, min_opacity=1.0)
    result, _ = process(prediction, variant)
    assert count_of(result.fields[variant]) == 0 and result.fields[variant]["bounds"] is None


def test_the_scene_that_is_kept_for_pictures_has_numbers_only() -> None:
    for place in PLACES:
        kept, _ = only_finite(with_bad(place, math.nan))
        live_scene(kept).validate()
