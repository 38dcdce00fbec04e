"""Values → fields of result messages: contract, padding, quantisation, and Spark's own decoder as judge."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from plyfile import PlyData

from gsply_helpers import encode_gaussian_ply, gaussians_from_ply_bytes, rgb_from_dc
from splatcam.codecs import Points, encoder_of
from splatcam.codecs.packed16 import BYTES_PER_SPLAT, ROW_SPLATS, pack_words
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.variants import Variant
from splatcam.wire import RESULTS, Format
from tests.oracles.clouds import awkward_cloud, gaussians, pixel_cloud
from tests.oracles.plain_splat import record, rotation_bytes, unpack
from tests.oracles.readers import spark_records

SPLATS16 = Variant(Format.SPLATS16, "network")
PLY = Variant(Format.GAUSSIAN_PLY, "network")
POINTCLOUD = Variant(Format.POINTCLOUD, "points")


def cloud_of_points(count: int) -> Points:
    make = torch.Generator().manual_seed(count)
    colors = torch.randint(256, (count, 3), generator=make, dtype=torch.uint8)
    return Points(torch.randn(count, 3, generator=make), colors)


def records(cloud: Gaussians) -> np.ndarray:
    """[N, 16] uint8, without the padding."""
    return np.frombuffer(encoder_of(Format.SPLATS16)(cloud, SPLATS16)["data"], np.uint8).reshape(-1, 16)[: cloud.count]


def steps_apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[N, 13]: by how many steps the fields of two records differ; float16 steps for coordinates."""
    bytes_apart = np.abs(one.astype(int) - other)[:, [0, 1, 2, 3, 10, 11, 12, 13, 14, 15]]
    halves_apart = np.abs(one[:, 4:10].copy().view("<i2").astype(int) - other[:, 4:10].copy().view("<i2"))
    return np.concatenate((bytes_apart, halves_apart), axis=1)


def strided(cloud: Gaussians) -> Gaussians:
    """The same values, none of them contiguous."""

    def spread(tensor: torch.Tensor) -> torch.Tensor:
        wide = torch.stack((tensor, torch.full_like(tensor, torch.nan)), dim=-1)
        return torch.stack((wide, wide), dim=1)[:, 0, ..., 0]

    return replace(cloud, **{name: spread(getattr(cloud, name)) for name in TENSORS})


def one_gaussian(**values: list[float]) -> Gaussians:
    given = {"means": [0.0, 0, 1], "scales": [0.1, 0.1, 0.1], "rotations": [1.0, 0, 0, 0], "sh": [0.0, 0, 0], **values}
    tensors = {name: torch.tensor([value]) for name, value in given.items()}
    return Gaussians(opacities=torch.tensor([0.5]), **{**tensors, "sh": tensors["sh"][None]})


# ---------------------------------------------------------------- the contract


@pytest.mark.parametrize(
    ("variant", "value"),
    [(SPLATS16, pixel_cloud(4, 5)), (PLY, pixel_cloud(4, 5)), (POINTCLOUD, cloud_of_points(20))],
    ids=lambda it: it.format if isinstance(it, Variant) else "",
)
def test_an_encoder_gives_the_fields_of_its_message_as_numbers_and_bytes(variant: Variant, value: Gaussians | Points):
    fields = encoder_of(variant.format)(value, variant)
    common = set(RESULTS[Format.SPLATS16].model_fields) & set(RESULTS[Format.POINTCLOUD].model_fields)
    assert set(fields) == set(RESULTS[variant.format].model_fields) - common
    assert all(type(field) in (int, bytes) for field in fields.values())


def test_every_format_has_an_encoder():
    assert all(callable(encoder_of(format)) for format in Format)


# ---------------------------------------------------------------- gaussian_ply


@pytest.mark.parametrize(("sh", "names"), [("dc", 0), ("full", 24)])
@pytest.mark.parametrize(("fields", "normals"), [("minimal", 0), ("inria", 3)])
def test_the_ply_has_what_the_variant_asks_for(sh: str, names: int, fields: str, normals: int):
    message = encoder_of(Format.GAUSSIAN_PLY)(pixel_cloud(4, 5, 9), replace(PLY, sh=sh, ply=fields))
    rows = PlyData.read(io.BytesIO(message["ply_data"]))["vertex"].data
    assert message["num_splats"] == len(rows) == 20
    assert len(rows.dtype.names) == 14 + names + normals


def test_no_gaussians_are_no_ply_at_all():
    nothing = pixel_cloud(1, 1).select(torch.tensor([False]))
    assert encoder_of(Format.GAUSSIAN_PLY)(nothing, PLY) == {"num_splats": 0, "ply_data": b""}


# ---------------------------------------------------------------- pointcloud


def test_points_are_positions_then_colours_unchanged():
    points = cloud_of_points(7)
    fields = encoder_of(Format.POINTCLOUD)(points, POINTCLOUD)
    assert fields["num_points"] == 7
    assert np.array_equal(np.frombuffer(fields["points"], "<f4").reshape(-1, 3), points.positions)
    assert np.array_equal(np.frombuffer(fields["colors"], np.uint8).reshape(-1, 3), points.colors)


def test_points_that_are_not_contiguous_give_the_same_bytes():
    points = cloud_of_points(7)
    apart = Points(points.positions.t().contiguous().t(), points.colors.t().contiguous().t())
    assert encoder_of(Format.POINTCLOUD)(apart, POINTCLOUD) == encoder_of(Format.POINTCLOUD)(points, POINTCLOUD)


def test_no_points_are_an_empty_message():
    fields = encoder_of(Format.POINTCLOUD)(cloud_of_points(0), POINTCLOUD)
    assert fields == {"num_points": 0, "points": b"", "colors": b""}


# ---------------------------------------------------------------- splats16


@pytest.mark.parametrize("count", [0, 1, ROW_SPLATS - 1, ROW_SPLATS, ROW_SPLATS + 1])
def test_splats_are_padded_with_zeros_to_whole_rows_of_the_texture(count: int):
    cloud = pixel_cloud(1, ROW_SPLATS + 1).select(torch.arange(count))
    fields = encoder_of(Format.SPLATS16)(cloud, SPLATS16)
    assert fields["num_splats"] == count
    assert len(fields["data"]) == math.ceil(count / ROW_SPLATS) * ROW_SPLATS * BYTES_PER_SPLAT
    assert not any(fields["data"][count * BYTES_PER_SPLAT :])


@given(gaussians())
def test_records_equal_the_plain_arithmetic_to_one_step(cloud: Gaussians):
    rows = zip(*(getattr(cloud, name).tolist() for name in TENSORS), strict=True)
    plain = b"".join(record(mean, scale, rotation, opacity, sh[0]) for mean, scale, rotation, opacity, sh in rows)
    assert (steps_apart(records(cloud), np.frombuffer(plain, np.uint8).reshape(-1, 16)) <= 1).all()


@pytest.mark.node
@pytest.mark.parametrize("seed", [0, 1])
def test_records_are_what_spark_makes_of_the_ply(tmp_path: Path, seed: int):
    cloud = pixel_cloud(378, 504, seed=seed)
    ours, theirs = records(cloud), spark_records(encode_gaussian_ply(cloud), tmp_path)
    assert ours.shape == theirs.shape
    assert (ours == theirs).all(axis=1).mean() >= 0.9999
    assert (steps_apart(ours, theirs) <= 1).all()


@pytest.mark.node
def test_records_at_the_edges_of_the_format_are_what_spark_makes_of_them(tmp_path: Path):
    cloud = awkward_cloud()
    assert (steps_apart(records(cloud), spark_records(encode_gaussian_ply(cloud), tmp_path)) <= 1).all()


@pytest.mark.node
def test_the_plain_arithmetic_is_what_spark_makes_of_the_ply(tmp_path: Path):
    cloud = pixel_cloud(20, 30)
    rows = zip(*(getattr(cloud, name).tolist() for name in TENSORS), strict=True)
    plain = b"".join(record(mean, scale, rotation, opacity, sh[0]) for mean, scale, rotation, opacity, sh in rows)
    theirs = spark_records(encode_gaussian_ply(cloud), tmp_path)
    assert (steps_apart(np.frombuffer(plain, np.uint8).reshape(-1, 16), theirs) <= 1).all()


@pytest.mark.node
def test_a_ply_read_back_and_packed_is_what_spark_makes_of_it(tmp_path: Path):
    ply = encode_gaussian_ply(pixel_cloud(100, 100))
    ours, theirs = records(gaussians_from_ply_bytes(ply)), spark_records(ply, tmp_path)
    assert (steps_apart(ours, theirs) <= 1).all()


def test_what_is_lost_stays_below_half_a_step_of_each_field():
    cloud = pixel_cloud(40, 50)
    unpacked = [unpack(row.tobytes()) for row in records(cloud)]
    means, scales, rotations, opacities, rgb = (torch.tensor(values) for values in zip(*unpacked, strict=True))
    assert (means - cloud.means).abs().div(cloud.means.abs().clamp(min=6.2e-5)).max() <= 2**-11
    assert (scales / cloud.scales).log().abs().max() <= 21 / 254 / 2 + 1e-5
    assert (opacities - cloud.opacities).abs().max() <= 0.5 / 255 + 1e-6
    assert (rgb - rgb_from_dc(cloud.sh[:, 0])).abs().max() <= 0.5 / 255 + 1e-6
    cosine = (rotations * cloud.rotations).sum(dim=1).abs().clamp(max=1)
    angles_deg = torch.rad2deg(2 * torch.acos(cosine))
    assert angles_deg.max() <= 2.0  # half a step of the angle, and of the axis where the octahedron is coarsest
    assert angles_deg.mean() <= 0.7


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ([1.0, 0, 0, 0], (255, 128, 0)),
        ([-1.0, 0, 0, 0], (255, 128, 0)),
        ([1.0, 1e-9, -1e-5, 1e-5], (255, 128, 0)),
        ([0.0, 0, 0, 1], (128, 128, 255)),
        ([0.0, 0, 0, -1], (255, 255, 255)),
        ([-0.0, 1, 0, 0], (255, 128, 255)),
        ([0.0, -1, 0, 0], (0, 128, 255)),
        ([math.sqrt(0.75), 0, -0.5, 0], (128, 0, 85)),
        ([-math.sqrt(0.75), 0, 0.5, 0], (128, 0, 85)),
    ],
)
def test_rotations_about_axes_have_the_bytes_that_spark_writes(rotation: list[float], expected: tuple[int, int, int]):
    packed = records(one_gaussian(rotations=rotation))[0]
    assert tuple(packed[[10, 11, 15]]) == expected
    assert rotation_bytes(rotation) == expected


def test_either_sign_of_a_quaternion_and_a_length_slightly_off_are_one_rotation():
    cloud = pixel_cloud(40, 50)
    for factor in (-1.0, 0.999, -1.001):
        again = replace(cloud, rotations=factor * cloud.rotations)
        assert (steps_apart(records(cloud), records(again)) <= 1).all()


def test_a_quaternion_of_length_zero_turns_nothing():
    assert np.array_equal(records(one_gaussian(rotations=[0.0, 0, 0, 0])), records(one_gaussian()))


def test_colours_beyond_the_range_are_clipped_and_scales_beyond_it_written_as_its_ends():
    packed = records(one_gaussian(sh=[-9.0, 0, 9], scales=[1e-20, 1.0, 1e20]))[0]
    assert packed[:3].tolist() == [0, 128, 255]
    assert packed[12:15].tolist() == [1, 146, 255]


def test_tensors_that_are_not_contiguous_give_the_same_bytes():
    cloud = pixel_cloud(40, 50)
    apart = strided(cloud)
    assert not apart.means.is_contiguous()
    assert np.array_equal(records(apart), records(cloud))
    assert encode_gaussian_ply(apart) == encode_gaussian_ply(cloud)


def test_only_the_colour_of_the_harmonics_travels():
    cloud = pixel_cloud(4, 5, 9)
    assert np.array_equal(records(cloud), records(replace(cloud, sh=cloud.sh[:, :1])))


def test_packing_leaves_its_input_alone_and_takes_inference_tensors():
    with torch.inference_mode():
        cloud = pixel_cloud(4, 5)
    before = {name: getattr(cloud, name).clone() for name in TENSORS}
    pack_words(cloud)
    encode_gaussian_ply(cloud)
    assert all(torch.equal(getattr(cloud, name), tensor) for name, tensor in before.items())
