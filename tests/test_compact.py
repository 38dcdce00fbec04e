"""`compact`: depth in steps, a mask and a picture travel; what they decode to is what `pixel_splats` makes of them."""

from __future__ import annotations

import math
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splatcam import wire
from splatcam.codecs import compact
from splatcam.codecs.compact import CompactError, decode, inflate
from splatcam.estimators import Prediction
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.pixel_splats import OPACITY, PixelSurface, pixel_splats, pixel_surface
from splatcam.prune import PruneOptions, prune
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.golden.compact_cases import COMPACT_CASES, FOLDER

MUTATIONS = int(os.environ.get("SPLATCAM_MUTATIONS", "10000"))
NO_BORDER = PruneOptions(border_fraction=0)


def prediction_of(depth: np.ndarray, focal_px: float = 40.0) -> Prediction:
    height, width = depth.shape
    intrinsics = torch.tensor([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    image = torch.arange(depth.size * 3).remainder(256).to(torch.uint8).reshape(height, width, 3)
    return Prediction(torch.from_numpy(depth.astype(np.float32)), intrinsics, image)


def hills(height: int = 28, width: int = 42) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return 2 + np.sin(x / 5) * np.cos(y / 4) + 0.02 * x


def encoded(
    prediction: Prediction, options: PruneOptions = NO_BORDER, stride: int = 1, bits: int = 12
) -> dict[str, Any]:
    """The fields of a message as a client has them."""
    surface = pixel_surface(prediction, stride, options)
    k = prediction.intrinsics
    return {
        **compact.encode(surface, Variant(Format.COMPACT, "pixel", depth_bits=bits)),
        "grid": list(prediction.depth.shape),
        "intrinsics": [float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])],
    }


def colors_of(fields: dict[str, Any], prediction: Prediction) -> np.ndarray:
    row0, column0, rows, columns = fields["window"]
    stride = fields["stride"]
    return prediction.image[row0::stride, column0::stride][:rows, :columns].numpy()


def decoded(fields: dict[str, Any], prediction: Prediction) -> Gaussians:
    return decode(fields, colors_of(fields, prediction)).validate()


def planes_by_the_layouts_words(steps: list[list[int]]) -> bytes:
    """Pixel by pixel: left difference, zigzag, low bytes before high bytes."""
    numbers = []
    for r, row in enumerate(steps):
        for c, q in enumerate(row):
            before = row[c - 1] if c else (steps[r - 1][0] if r else 0)
            d = q - before
            numbers.append(2 * d if d >= 0 else -2 * d - 1)
    return bytes(u % 256 for u in numbers) + bytes(u // 256 for u in numbers)


# ---------------------------------------------------------------- what travels


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(2**-20, 2**20, width=32),
    ),
    st.sampled_from(compact.DEPTH_BITS),
)
def test_a_depth_comes_back_within_half_a_step_of_its_logarithm(depth: np.ndarray, bits: int) -> None:
    prediction = prediction_of(depth)
    fields = encoded(prediction, bits=bits)
    z = decoded(fields, prediction).means[:, 2].double().numpy()
    step = math.log(fields["far"] / fields["near"]) / (2**bits - 1)
    float32_adds = 1e-6 + 1e-6 * 2**bits * step
    assert np.abs(np.log(z) - np.log(depth.astype(np.float64).ravel())).max() <= step / 2 + float32_adds


@pytest.mark.parametrize("bits", compact.DEPTH_BITS)
def test_in_a_narrow_range_the_steps_are_as_even_as_in_a_wide_one(bits: int) -> None:
    depth = np.linspace(3, 3.003, 500, dtype=np.float32)[None]
    steps = compact.depth_steps(torch.from_numpy(depth), 3.0, float(depth.max()), bits).numpy()[0]
    exact = np.log(depth[0].astype(float) / 3) / np.log(float(depth.max()) / 3) * (2**bits - 1)
    assert np.abs(steps - exact).max() < 0.51


@given(st.lists(st.lists(st.integers(0, 4095), min_size=5, max_size=5), min_size=1, max_size=6))
def test_the_planes_are_laid_out_as_the_protocol_says(steps: list[list[int]]) -> None:
    planes = compact.depth_planes(torch.tensor(steps, dtype=torch.int16))
    assert planes.numpy().tobytes() == planes_by_the_layouts_words(steps)


def test_where_every_pixel_is_kept_there_is_no_mask() -> None:
    fields = encoded(prediction_of(hills()), PruneOptions())
    assert "mask" not in fields and "color" not in fields
    assert (fields["num_splats"], fields["window"]) == (28 * 40, (0, 1, 28, 40))
    assert fields["opacity"] == OPACITY


def test_the_mask_has_the_first_pixel_in_the_highest_bit_and_ends_in_zeros() -> None:
    depth = np.full((1, 11), 2.0)
    depth[0, [0, 9]] = 5.0
    fields = encoded(prediction_of(depth), PruneOptions(max_depth_percentile=0.5, border_fraction=0))
    assert inflate(fields["mask"], 2, "mask").tolist() == [0b01111111, 0b10100000]
    assert fields["num_splats"] == 9


def test_a_wall_that_faces_the_camera_still_has_a_range() -> None:
    prediction = prediction_of(np.full((14, 14), 2.5))
    fields = encoded(prediction)
    assert fields["near"] == 2.5 and fields["far"] == pytest.approx(2.5025)
    assert (decoded(fields, prediction).means[:, 2] == 2.5).all()


def test_the_same_planes_come_out_of_either_deflate(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = prediction_of(hills())
    installed = encoded(prediction)
    monkeypatch.setattr(compact, "fast_zlib", zlib)
    pixels = math.prod(installed["window"][2:])
    ours, plain = (inflate(fields["depth"], 2 * pixels, "depth") for fields in (installed, encoded(prediction)))
    assert (ours == plain).all()


# ---------------------------------------------------------------- what it decodes to


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_what_is_decoded_is_what_pixel_splats_makes_of_the_same_depth(stride: int) -> None:
    prediction = prediction_of(hills())
    fields = encoded(prediction, PruneOptions(), stride)
    there = decoded(fields, prediction)
    depth = prediction.depth.clone()
    depth.view(-1)[there.pixel_index] = there.means[:, 2]
    same = Prediction(depth, prediction.intrinsics, prediction.image)
    here = pixel_splats(same, stride, PruneOptions.border_fraction)
    assert there.grid == here.grid and torch.equal(there.pixel_index, here.pixel_index)
    for name in TENSORS:
        assert torch.allclose(getattr(there, name), getattr(here, name), rtol=1e-6, atol=0), name


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("min_opacity", [0.0, OPACITY, 0.96])
@pytest.mark.parametrize("max_depth_percentile", [0.3, 0.9, 1.0])
def test_the_pixels_that_are_kept_are_those_that_prune_keeps(
    stride: int, min_opacity: float, max_depth_percentile: float
) -> None:
    prediction = prediction_of(hills(42, 70))
    options = PruneOptions(min_opacity, max_depth_percentile)
    kept, _ = prune(pixel_splats(prediction, stride), prediction.depth, options)
    there = decoded(encoded(prediction, options, stride), prediction)
    assert torch.equal(there.pixel_index, kept.pixel_index)
    assert torch.equal(there.sh, kept.sh)


def test_the_axes_of_a_surface_are_the_means_of_its_splats() -> None:
    prediction = prediction_of(hills())
    options = PruneOptions(max_depth_percentile=0.6)
    kept, _ = prune(pixel_splats(prediction), prediction.depth, options)
    assert torch.equal(torch.stack(list(pixel_surface(prediction, 1, options).axes()), dim=1), kept.means)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_a_depth_that_is_none_costs_its_own_pixel_only(bad: float) -> None:
    depth = hills()
    depth[3, 5] = bad
    prediction = prediction_of(depth)
    fields = encoded(prediction)
    there = decoded(fields, prediction)
    assert fields["num_splats"] == depth.size - 1
    assert set(range(depth.size)) - set(there.pixel_index.tolist()) == {3 * 42 + 5}
    assert (fields["near"], fields["far"]) == (np.float32(hills().min()), np.float32(hills().max()))


def test_of_a_frame_without_a_single_depth_nothing_is_kept() -> None:
    prediction = prediction_of(np.full((14, 14), np.nan))
    fields = encoded(prediction)
    assert fields["num_splats"] == 0
    assert decoded(fields, prediction).count == 0


def test_a_window_without_pixels_decodes_to_nothing() -> None:
    nothing = compact.deflate(np.zeros(0, np.uint8))
    fields = {**encoded(prediction_of(hills())), "window": [0, 0, 0, 5], "num_splats": 0, "depth": nothing}
    assert decode(fields, np.zeros((0, 5, 3), np.uint8)).count == 0


def test_a_surface_seen_from_its_edge_has_splats_like_any_other() -> None:
    noise = np.random.default_rng(0).uniform(1, 30, (42, 70))
    prediction = prediction_of(noise, focal_px=20)
    assert decoded(encoded(prediction), prediction).count == noise.size
    pixel_splats(prediction).validate()


# ---------------------------------------------------------------- what is refused


def valid() -> tuple[dict[str, Any], np.ndarray]:
    prediction = prediction_of(hills(14, 21))
    fields = encoded(prediction, PruneOptions(max_depth_percentile=0.8, border_fraction=0.1))
    return fields, colors_of(fields, prediction)


def deflated(size: int) -> bytes:
    return compact.deflate(np.zeros(size, np.uint8))


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "a plane cut short": ({"depth": valid()[0]["depth"][:-4]}, "depth does not have the size"),
    "a plane that is no deflate": ({"depth": b"\xff\xff\xff"}, "depth is not deflate"),
    "a plane of one byte too few": ({"depth": deflated(2 * 12 * 17 - 1)}, "depth does not have the size"),
    "a plane that inflates to megabytes": ({"depth": deflated(1 << 24)}, "depth does not have the size"),
    "bytes after a plane": ({"depth": valid()[0]["depth"] + b"x"}, "depth goes on after its end"),
    "no plane": ({"depth": None}, "depth is not bytes"),
    "a plane of text": ({"depth": "plane"}, "depth is not bytes"),
    "a step beyond the last": ({"depth_bits": 10}, "a depth step is out of range"),
    "no mask where pixels are missing": ({"mask": None}, "without a mask"),
    "a mask of another window": ({"mask": deflated(3)}, "mask does not have the size"),
    "a mask with too few pixels": ({"mask": deflated(26)}, "as many pixels as there are splats"),
    "a mask with bits past its end": (
        {"mask": compact.deflate(np.full(26, 255, np.uint8)), "num_splats": 204}, "past its end",
    ),
    "more splats than pixels": ({"num_splats": 10_000}, "more splats than pixels"),
    "fewer than no splats": ({"num_splats": -1}, "num_splats is no count"),
    "near behind far": ({"near": 5.0, "far": 4.0}, "no range of depths"),
    "near at the camera": ({"near": 0.0}, "no range of depths"),
    "far that is not a number": ({"far": math.nan}, "far is not finite"),
    "far of text": ({"far": "far"}, "far is no number"),
    "eleven bits": ({"depth_bits": 11}, "depth_bits"),
    "an opacity above one": ({"opacity": 1.5}, "opacity"),
    "a flag for a number": ({"opacity": True}, "opacity is no number"),
    "a window with rows outside": ({"window": [3, 2, 12, 17]}, "rows outside the grid"),
    "a window with columns outside": ({"window": [1, 5, 12, 17]}, "columns outside the grid"),
    "a window of three numbers": ({"window": [1, 2, 12]}, "window is no list of 4"),
    "a window of no list": ({"window": 7}, "window is no list of 4"),
    "a window of fractions": ({"window": [1.5, 2, 12, 17]}, "window is no count"),
    "a window of another picture": ({"window": [1, 2, 11, 17]}, "the colours fit no window"),
    "a stride of nothing": ({"stride": 0}, "stride"),
    "a grid without rows": ({"grid": [0, 21]}, "the grid is empty"),
    "a grid without end": ({"grid": [1 << 30, 1 << 30]}, "too large"),
    "a focal length of nothing": ({"intrinsics": [0.0, 40.0, 10.5, 7.0]}, "a focal length is not one"),
    "a camera that sees sideways": ({"intrinsics": [0.01, 40.0, 10.5, 7.0]}, "the field of view is too wide"),
    "intrinsics of three numbers": ({"intrinsics": [40.0, 40.0, 10.5]}, "intrinsics is no list of 4"),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_malformed_is_refused_in_words(what: str) -> None:
    changes, words = MALFORMED[what]
    fields, rgb = valid()
    decode(fields, rgb)
    with pytest.raises(CompactError, match=words):
        decode({**fields, **changes}, rgb)


@pytest.mark.parametrize("name", sorted(wire.Compact.model_fields.keys() & valid()[0].keys() - {"mask"}))
def test_a_missing_field_is_refused(name: str) -> None:
    fields, rgb = valid()
    del fields[name]
    with pytest.raises(CompactError):
        decode(fields, rgb)


def test_a_plane_is_not_inflated_beyond_its_size() -> None:
    bomb = zlib.compress(bytes(1 << 26), 9, wbits=compact.RAW_DEFLATE)
    tracemalloc.start()
    try:
        with pytest.raises(CompactError, match="size"):
            inflate(bomb, 1000, "depth")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def _another_value(make: random.Random, value: Any) -> Any:
    numbers = (0, 1, -1, 7, 10, 12, 2**31, 2**53, 2**64 - 1, 0.5, -0.0, 1e-300, 1e12, 1e300, math.inf, math.nan)
    return make.choice((*numbers, None, True, "text", b"", b"\x03\x00", [], [1, 2], {}, value))


def _mutate_plane(make: random.Random, data: bytes) -> bytes:
    """Damage inside the deflate, where no check of a size sees it."""
    raw = bytearray(zlib.decompress(data, wbits=compact.RAW_DEFLATE) or b"x")
    for _ in range(make.randint(1, 4)):
        raw[make.randrange(len(raw))] ^= 1 << make.randrange(8)
    return zlib.compress(raw, 1, wbits=compact.RAW_DEFLATE)


def _mutate_bytes(make: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(make.randint(1, 3)):
        match make.randrange(3):
            case 0:
                damaged[make.randrange(len(damaged))] = make.randrange(256)
            case 1:
                del damaged[make.randrange(len(damaged)) :]
            case _:
                damaged.insert(make.randrange(len(damaged) + 1), make.randrange(256))
        if not damaged:
            break
    return bytes(damaged)


def _mutate(make: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    name = make.choice([name for name in fields if name not in ("type", "model", "timings_ms")])
    value = fields[name]
    if isinstance(value, bytes):
        change: Callable[[random.Random, bytes], Any] = make.choice((_mutate_bytes, _mutate_plane, _another_value))
        return {**fields, name: change(make, value)}
    if isinstance(value, list) and make.random() < 0.8:
        changed = list(value)
        changed[make.randrange(len(changed))] = _another_value(make, changed[0])
        return {**fields, name: changed}
    if isinstance(value, (int, float)) and make.random() < 0.5:
        return {**fields, name: value + make.choice((-2, -1, 1, 2, 0.25))}
    return {**fields, name: _another_value(make, value)}


def test_a_damaged_message_is_refused_or_decodes_to_sound_gaussians() -> None:
    """SPLATCAM_MUTATIONS=1000000 for the long form."""
    make = random.Random(7)
    names = list(COMPACT_CASES)
    messages = [wire.decode_server_message((FOLDER / f"{name}.msgpack").read_bytes()) for name in names]
    pictures = [np.zeros((*fields["window"][2:], 3), np.uint8) for fields in messages]
    refused = 0
    for _ in range(MUTATIONS):
        case = make.randrange(len(names))
        fields = _mutate(make, messages[case])
        try:
            assert decode(fields, pictures[case]).validate().count == fields["num_splats"]
        except CompactError:
            refused += 1
    assert MUTATIONS / 2 < refused < MUTATIONS


def test_a_surface_knows_how_many_of_its_pixels_are_kept() -> None:
    surface = pixel_surface(prediction_of(hills()), 1, PruneOptions(max_depth_percentile=0.5))
    assert isinstance(surface, PixelSurface) and surface.kept is not None
    assert surface.count == len(surface.axes()[2])
