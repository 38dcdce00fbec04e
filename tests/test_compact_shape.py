"""Level C of `compact`: what comes back of a network's Gaussians is off by no more than the format says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gsply_helpers import rgb_from_dc
from splatcam.bench.predicted import Roughness, predict
from splatcam.codecs import compact
from splatcam.codecs.compact import CompactError, decode, inflate
from splatcam.codecs.compact_shape import (
    LN_SCALE_BOUND,
    OFFSET_BOUND_PX,
    OPACITY_BOUND,
    PLANES,
    TURN_BOUND_RAD,
    encode_planes,
)
from splatcam.estimators import Prediction
from splatcam.gaussians import Gaussians
from splatcam.network_splats import NetworkSplats, network_splats
from splatcam.prune import PruneOptions
from splatcam.variants import Variant
from splatcam.wire import Format

HEIGHT, WIDTH = 42, 56
ALL = PruneOptions(min_opacity=0, border_fraction=0)
ROUNDING = 1e-4  # of float32, where values lie in the middle between two steps


def splats_of(prediction: Prediction, stride: int = 1, options: PruneOptions = ALL) -> NetworkSplats:
    return network_splats(prediction, stride, options)


def fields_of(splats: NetworkSplats, prediction: Prediction, bits: Any = 12) -> dict[str, Any]:
    """The fields of a message as a client has them."""
    fields = compact.encode(splats, Variant(Format.COMPACT, "network", depth_bits=bits))
    k = prediction.intrinsics
    intrinsics = [float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])]
    return {**fields, "grid": list(prediction.depth.shape), "intrinsics": intrinsics}


def there_and_back(splats: NetworkSplats, prediction: Prediction) -> Gaussians:
    fields = fields_of(splats, prediction)
    return decode(fields, np.zeros((*fields["window"][2:], 3), np.uint8)).validate()


def turns_rad(one: Tensor, other: Tensor) -> Tensor:
    """Between quaternions [N, 4]."""
    return 2 * (one * other).sum(dim=1).abs().clamp(max=1).double().acos()


def with_changes(prediction: Prediction, **tensors: Tensor) -> Prediction:
    assert prediction.gaussians is not None
    return replace(prediction, gaussians=replace(prediction.gaussians, **tensors))


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("roughness", ["smooth", "noisy"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("options", [ALL, PruneOptions(0.85, 0.9)])
def test_every_value_comes_back_within_its_bound(roughness: Roughness, stride: int, options: PruneOptions) -> None:
    prediction = predict(1.0, WIDTH, HEIGHT, roughness)
    splats = splats_of(prediction, stride, options)
    here, there = splats.gaussians, there_and_back(splats, prediction)
    fields = fields_of(splats, prediction)
    assert torch.equal(
        there.pixel_index, torch.arange(HEIGHT * WIDTH) if here.pixel_index is None else here.pixel_index
    )
    ln_z = (there.means[:, 2] / here.means[:, 2]).log().abs()
    depth_bound = math.log(fields["far"] / fields["near"]) / (2 * 4095)
    assert ln_z.max() <= depth_bound + ROUNDING / 10
    assert (there.opacities - here.opacities).abs().max() <= OPACITY_BOUND + ROUNDING
    ln_scales = (there.scales / here.scales).log() - (there.means[:, 2:] / here.means[:, 2:]).log()
    assert ln_scales.abs().max() <= LN_SCALE_BOUND + ROUNDING
    assert turns_rad(here.rotations, there.rotations).max() <= TURN_BOUND_RAD + ROUNDING
    rays = [gaussians.means[:, :2] / gaussians.means[:, 2:] for gaussians in (here, there)]
    places_px = (rays[1] - rays[0]) * prediction.intrinsics.diagonal()[:2] / stride
    assert places_px.abs().max() <= OFFSET_BOUND_PX + ROUNDING


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=1, max_size=30))
def test_every_rotation_comes_back_within_its_bound(quaternions: list[list[float]]) -> None:
    given_rotations = torch.tensor(quaternions)
    lengths = given_rotations.norm(dim=1, keepdim=True)
    rotations = torch.where(lengths > 0.1, given_rotations / lengths, torch.tensor([0.0, 0.0, 1.0, 0.0]))
    prediction = predict(1.0, len(quaternions), 1, "smooth")
    turned = with_changes(prediction, rotations=rotations)
    there = there_and_back(splats_of(turned), turned)
    assert turns_rad(rotations, there.rotations).max() <= TURN_BOUND_RAD + 1e-3  # acos of float32


def test_what_is_out_of_a_planes_range_is_moved_to_its_end() -> None:
    prediction = predict(1.0, WIDTH, HEIGHT, "smooth")
    assert prediction.gaussians is not None
    means, scales = prediction.gaussians.means.clone(), prediction.gaussians.scales.clone()
    means[5, 0] += 100 * means[5, 2] / prediction.intrinsics[0, 0]
    scales[6], scales[7] = 1e-30, 1e30
    far_off = with_changes(prediction, means=means, scales=scales)
    there = there_and_back(splats_of(far_off), far_off)
    focal_px, centre_px = float(prediction.intrinsics[0, 0]), float(prediction.intrinsics[0, 2])
    x_px = float(there.means[5, 0] / there.means[5, 2]) * focal_px + centre_px
    assert x_px == pytest.approx(5.5 + 127 / 8, abs=1e-3)
    in_px = (there.scales[6:8] * focal_px / there.means[6:8, 2:]).log()
    assert torch.allclose(in_px, torch.tensor([[-16.0], [127 / 8]]).expand(2, 3), atol=1e-4)


def test_the_colours_are_a_picture_of_the_window_a_pixel_for_each_of_its_own() -> None:
    prediction = predict(1.0, WIDTH, HEIGHT, "smooth")
    splats = splats_of(prediction, 2, PruneOptions())
    fields = fields_of(splats, prediction)
    picture = simplejpeg.decode_jpeg(fields["color"])
    assert picture.shape == (*fields["window"][2:], 3)
    wanted = splats.on_window(rgb_from_dc(splats.gaussians.sh[:, 0]) * 255).numpy()
    assert np.abs(picture - wanted).mean() < 4


def test_a_frame_without_splats_has_no_picture_and_decodes_to_nothing() -> None:
    prediction = predict(1.0, WIDTH, HEIGHT, "smooth")
    splats = splats_of(prediction, 1, PruneOptions(min_opacity=1.0))
    assert "color" not in fields_of(splats, prediction)
    assert there_and_back(splats, prediction).count == 0


def test_the_planes_are_differences_to_the_splat_before() -> None:
    planes = encode_planes(splats_of(predict(1.0, WIDTH, HEIGHT, "noisy")))
    assert planes.shape == (PLANES, HEIGHT * WIDTH) and planes.dtype == torch.uint8
    opacities = planes[0].numpy().cumsum(dtype=np.uint8)
    assert set(opacities % 5) == {0}


@pytest.mark.parametrize("roughness", ["smooth", "noisy"])
def test_the_planes_of_a_whole_frame_take_less_than_a_third_of_splats16(roughness: Roughness) -> None:
    prediction = predict(1.0, 504, 378, roughness)
    splats = splats_of(prediction, 1, PruneOptions())
    size = sum(len(value) for value in fields_of(splats, prediction).values() if isinstance(value, bytes))
    assert size < splats.count * 16 / 3


# ---------------------------------------------------------------- what is refused


@pytest.fixture(scope="module")
def message() -> dict[str, Any]:
    prediction = predict(1.0, WIDTH, HEIGHT, "smooth")
    return fields_of(splats_of(prediction, 1, PruneOptions(0.85)), prediction)


MALFORMED = {
    "a shape that is no deflate": (lambda f: b"\xff\xff", "shape is not deflate"),
    "a shape of too few planes": (lambda f: compact.deflate(np.zeros(8 * f["num_splats"], np.uint8)), "shape does not"),
    "a shape that inflates to megabytes": (lambda f: compact.deflate(np.zeros(1 << 24, np.uint8)), "shape does not"),
    "bytes after a shape": (lambda f: f["shape"] + b"x", "shape goes on"),
    "a shape of text": (lambda f: "shape", "shape is not bytes"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_malformed_is_refused_in_words(what: str, message: dict[str, Any]) -> None:
    change, words = MALFORMED[what]
    rgb = np.zeros((*message["window"][2:], 3), np.uint8)
    assert decode(message, rgb).count == message["num_splats"]
    with pytest.raises(CompactError, match=words):
        decode({**message, "shape": change(message)}, rgb)


def test_any_bytes_of_the_right_number_are_sound_gaussians(message: dict[str, Any]) -> None:
    size = PLANES * message["num_splats"]
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    shape = compact.deflate(noise)
    assert (inflate(shape, size, "shape") == noise).all()
    rgb = np.zeros((*message["window"][2:], 3), np.uint8)
    decode({**message, "shape": shape}, rgb).validate()
