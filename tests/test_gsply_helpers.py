"""3DGS PLY bytes: the layout, what other programs read, and what hostile bytes do."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plyfile import PlyData, PlyElement

from gsply_helpers import (
    OPACITY_MARGIN,
    SH_C0,
    InvalidPly,
    dc_from_rgb,
    encode_gaussian_ply,
    gaussians_from_ply_bytes,
    logit,
    property_names,
    rgb_from_dc,
    save_gaussian_ply_bytes,
)
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.prune import PruneOptions, prune
from tests.oracles.clouds import awkward_cloud, depth_image, gaussians, pixel_cloud
from tests.oracles.readers import splat_transform_columns


@dataclass
class LikeDa3:
    """The fields of depth_anything_3.specs.Gaussians."""

    means: torch.Tensor  # [1, N, 3]
    scales: torch.Tensor  # [1, N, 3]
    rotations: torch.Tensor  # [1, N, 4]
    harmonics: torch.Tensor  # [1, N, 3, K]
    opacities: torch.Tensor  # [1, N]


def as_da3(ours: Gaussians, kind: Callable[..., LikeDa3] = LikeDa3) -> LikeDa3:
    return kind(
        means=ours.means[None],
        scales=ours.scales[None],
        rotations=ours.rotations[None],
        harmonics=ours.sh.transpose(1, 2).contiguous()[None],
        opacities=ours.opacities[None],
    )


def vertices(ply: bytes) -> np.ndarray:
    """Read by plyfile."""
    return PlyData.read(io.BytesIO(ply))["vertex"].data


def stack(rows: np.ndarray, *names: str) -> np.ndarray:
    return np.stack([rows[name] for name in names], axis=-1)


def ply_of(rows: np.ndarray, byte_order: str = "<", comments: tuple[str, ...] = ()) -> bytes:
    """Written by plyfile."""
    file = io.BytesIO()
    elements = [PlyElement.describe(rows, "vertex")]
    PlyData(elements, byte_order=byte_order, comments=list(comments)).write(file)
    return file.getvalue()


def assert_same(one: Gaussians, other: Gaussians, tolerance: float = 0.0) -> None:
    for name in TENSORS:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance, msg=name)


# ---------------------------------------------------------------- units


def test_colour_and_first_harmonic_are_inverse_and_black_and_white_are_where_the_reference_puts_them():
    rgb = torch.tensor([0.0, 0.25, 0.5, 1.0])
    torch.testing.assert_close(rgb_from_dc(dc_from_rgb(rgb)), rgb)
    assert dc_from_rgb(1.0) == pytest.approx(0.5 / 0.28209479177387814)
    assert SH_C0 == pytest.approx(0.5 / np.sqrt(np.pi), abs=1e-16)


def test_logit_is_finite_and_monotonous_over_all_opacities():
    values = logit(torch.tensor([0.0, 1e-9, 0.1, 0.5, 0.9, 1.0]))
    assert values.isfinite().all()
    assert (values.diff() >= 0).all()
    assert float(values[3]) == 0.0


# ---------------------------------------------------------------- writing


def test_the_minimal_file_has_14_floats_and_the_inria_file_17_with_zero_normals():
    cloud = pixel_cloud(4, 5)
    minimal, inria = (vertices(encode_gaussian_ply(cloud, ply_fields=fields)) for fields in ("minimal", "inria"))
    assert minimal.dtype.itemsize == 14 * 4
    assert inria.dtype.itemsize == 17 * 4
    assert not stack(inria, "nx", "ny", "nz").any()
    assert all(np.array_equal(minimal[name], inria[name]) for name in minimal.dtype.names)


def test_plyfile_reads_back_the_values_that_went_in():
    cloud = pixel_cloud(8, 9)
    rows = vertices(encode_gaussian_ply(cloud))
    assert np.array_equal(stack(rows, "x", "y", "z"), cloud.means)
    assert np.array_equal(stack(rows, "f_dc_0", "f_dc_1", "f_dc_2"), cloud.sh[:, 0])
    assert np.array_equal(stack(rows, "rot_0", "rot_1", "rot_2", "rot_3"), cloud.rotations)
    np.testing.assert_allclose(np.exp(stack(rows, "scale_0", "scale_1", "scale_2")), cloud.scales, rtol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-rows["opacity"])), cloud.opacities, rtol=1e-6)


@pytest.mark.node
def test_splat_transform_reads_back_the_values_of_the_file(tmp_path: Path):
    ply = encode_gaussian_ply(pixel_cloud(8, 9))
    rows, columns = vertices(ply), splat_transform_columns(ply, tmp_path)
    assert set(columns) == set(rows.dtype.names)
    for name in rows.dtype.names:
        assert np.array_equal(columns[name].astype(np.float32), rows[name]), name


@pytest.mark.parametrize("coefficients", [4, 9, 16])
def test_full_harmonics_are_written_one_colour_after_the_other(coefficients: int):
    cloud = pixel_cloud(3, 4, coefficients)
    rows = vertices(encode_gaussian_ply(cloud, sh="full"))
    bands = coefficients - 1
    for i in range(3 * bands):
        colour, band = divmod(i, bands)
        assert np.array_equal(rows[f"f_rest_{i}"], cloud.sh[:, 1 + band, colour])
    assert f"f_rest_{3 * bands}" not in rows.dtype.names


def test_dc_only_leaves_the_higher_harmonics_out():
    assert vertices(encode_gaussian_ply(pixel_cloud(3, 4, 9))).dtype.names == property_names()


def test_saturated_opacities_and_zero_quaternions_give_finite_values():
    cloud = pixel_cloud(2, 3)
    opacities = torch.tensor([0.0, 1.0, 0.5, 1e-12, 1.0, 0.0])
    rotations = cloud.rotations.clone()
    rotations[1] = 0
    rows = vertices(encode_gaussian_ply(replace(cloud, opacities=opacities, rotations=rotations)))
    assert np.isfinite(rows["opacity"]).all()
    np.testing.assert_allclose(1 / (1 + np.exp(-rows["opacity"].astype(float))), opacities, atol=2 * OPACITY_MARGIN)
    assert stack(rows, "rot_0", "rot_1", "rot_2", "rot_3")[1].tolist() == [1, 0, 0, 0]


def test_gaussians_that_are_not_finite_never_get_into_the_file():
    cloud = pixel_cloud(4, 5)
    cloud.means[1, 2] = torch.nan
    cloud.scales[6, 0] = -0.5
    cloud.rotations[11, 3] = torch.nan
    cloud.sh[16, 0, 1] = torch.inf
    rows = vertices(save_gaussian_ply_bytes(cloud, None, prune_by_opacity=0.0))
    assert len(rows) == 16
    assert all(np.isfinite(rows[name]).all() for name in rows.dtype.names)


def test_no_survivors_give_a_valid_file_of_no_vertices():
    ply = save_gaussian_ply_bytes(pixel_cloud(4, 5), None, prune_by_opacity=1.0)
    assert b"element vertex 0\n" in ply
    assert ply.endswith(b"end_header\n")
    assert gaussians_from_ply_bytes(ply).count == 0


def test_metadata_goes_into_comment_lines_that_plyfile_reads():
    ply = encode_gaussian_ply(pixel_cloud(2, 2), metadata={"model": "da3-small", "frame_id": 7})
    assert PlyData.read(io.BytesIO(ply)).comments == ["model da3-small", "frame_id 7"]
    assert gaussians_from_ply_bytes(ply).count == 4


@pytest.mark.parametrize("value", ["two\nlines", "end_header", "element vertex 9", "naïve", "x" * 20_000])
def test_metadata_that_would_break_a_header_is_refused(value: str):
    with pytest.raises(ValueError, match="metadata"):
        encode_gaussian_ply(pixel_cloud(2, 2), metadata={"note": value})


# ---------------------------------------------------------------- the drop-in for DA3's writer


def test_pruning_takes_border_depth_and_opacity_as_prune_does():
    cloud, depth = pixel_cloud(64, 96), depth_image(64, 96)
    kept, _ = prune(cloud, depth, PruneOptions(min_opacity=0.3, max_depth_percentile=0.9))
    ply = save_gaussian_ply_bytes(cloud, depth, prune_by_opacity=0.3, prune_by_depth_percent=0.9)
    assert ply == encode_gaussian_ply(kept)


def test_border_pruning_can_be_switched_off():
    cloud, depth = pixel_cloud(64, 96), depth_image(64, 96)
    rows = vertices(save_gaussian_ply_bytes(cloud, depth, prune_by_opacity=0.0, prune_border_gs=False))
    assert len(rows) == cloud.count


@pytest.mark.parametrize("sh_dc_only", [True, False])
def test_gaussians_of_da3s_shape_give_the_same_bytes_as_ours(sh_dc_only: bool):
    cloud, depth = pixel_cloud(64, 96, 9), depth_image(64, 96)
    expected = save_gaussian_ply_bytes(cloud, depth, sh_dc_only)
    assert save_gaussian_ply_bytes(as_da3(cloud), depth[None, ..., None], sh_dc_only) == expected
    assert save_gaussian_ply_bytes(as_da3(cloud), depth.numpy(), sh_dc_only) == expected


def test_several_views_are_pruned_each_by_its_own_depth():
    near, far = pixel_cloud(64, 64, seed=1), pixel_cloud(64, 64, seed=2)
    depths = torch.stack((depth_image(64, 64, 1), 100 * depth_image(64, 64, 2)))
    both = Gaussians(*(torch.cat((getattr(near, name), getattr(far, name))) for name in TENSORS))
    one_by_one = [
        vertices(save_gaussian_ply_bytes(cloud, depth, prune_by_depth_percent=0.7))
        for cloud, depth in zip((near, far), depths, strict=True)
    ]
    together = vertices(save_gaussian_ply_bytes(both, depths[..., None], prune_by_depth_percent=0.7))
    assert np.array_equal(together, np.concatenate(one_by_one))


def test_depth_that_does_not_belong_to_the_gaussians_is_refused():
    with pytest.raises(ValueError, match="pixels"):
        save_gaussian_ply_bytes(as_da3(pixel_cloud(4, 5)), depth_image(5, 5))
    with pytest.raises(ValueError, match="ctx_depth"):
        save_gaussian_ply_bytes(pixel_cloud(4, 5), torch.ones(20))


def test_a_batch_of_two_scenes_is_refused():
    pair = LikeDa3(**{name: torch.cat((tensor, tensor)) for name, tensor in vars(as_da3(pixel_cloud(4, 5))).items()})
    with pytest.raises(ValueError, match="batch of 2"):
        save_gaussian_ply_bytes(pair, None)


@pytest.mark.da3
@pytest.mark.parametrize("percent", [1.0, 0.9, 0.333])
@pytest.mark.parametrize("prune_border", [True, False])
@pytest.mark.parametrize("sh_dc_only", [True, False])
def test_the_bytes_are_those_of_da3s_own_writer(tmp_path: Path, percent: float, prune_border: bool, sh_dc_only: bool):
    from depth_anything_3.specs import Gaussians as Da3Gaussians
    from depth_anything_3.utils.gsply_helpers import save_gaussian_ply

    cloud, depth = as_da3(pixel_cloud(98, 126, 9), Da3Gaussians), depth_image(98, 126)[None, ..., None]
    path = tmp_path / "da3.ply"
    save_gaussian_ply(
        cloud,
        str(path),
        depth,
        save_sh_dc_only=sh_dc_only,
        prune_border_gs=prune_border,
        prune_by_depth_percent=percent,
    )
    ours = save_gaussian_ply_bytes(
        cloud,
        depth,
        save_sh_dc_only=sh_dc_only,
        prune_by_opacity=0.0,
        prune_border_gs=prune_border,
        prune_by_depth_percent=percent,
        ply_fields="inria",
    )
    assert ours == path.read_bytes()


# ---------------------------------------------------------------- reading


@given(gaussians(), st.sampled_from(("minimal", "inria")))
def test_reading_gives_what_was_written(cloud: Gaussians, fields: str):
    again = gaussians_from_ply_bytes(encode_gaussian_ply(cloud, sh="full", ply_fields=fields)).validate()
    assert torch.equal(again.means, cloud.means)
    assert torch.equal(again.sh, cloud.sh)
    torch.testing.assert_close(again.scales, cloud.scales, rtol=2e-6, atol=0)
    torch.testing.assert_close(again.rotations, cloud.rotations, rtol=0, atol=1e-6)
    torch.testing.assert_close(again.opacities, cloud.opacities, rtol=0, atol=2 * OPACITY_MARGIN)


def test_the_awkward_cloud_survives_a_round_trip_as_valid_gaussians():
    cloud = awkward_cloud()
    again = gaussians_from_ply_bytes(encode_gaussian_ply(cloud)).validate()
    assert again.count == cloud.count
    torch.testing.assert_close(again.scales, cloud.scales, rtol=1e-5, atol=0)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_order_of_properties_their_types_and_further_ones_make_no_difference(byte_order: str, kind: str):
    cloud = pixel_cloud(4, 5, 4)
    rows = vertices(encode_gaussian_ply(cloud, sh="full"))
    names = sorted(rows.dtype.names, reverse=True)
    foreign = np.zeros(len(rows), [("flags", "u1"), *((name, kind) for name in names), ("label", "i2")])
    for name in names:
        foreign[name] = rows[name]
    data = ply_of(foreign, byte_order, comments=("made elsewhere",))
    assert_same(gaussians_from_ply_bytes(data), gaussians_from_ply_bytes(encode_gaussian_ply(cloud, sh="full")))


def test_elements_around_the_vertices_are_passed_over():
    rows = vertices(encode_gaussian_ply(pixel_cloud(4, 5)))
    before, after = np.zeros(3, [("a", "u1"), ("b", "f8")]), np.zeros(2, [("width", "i4")])
    file = io.BytesIO()
    elements = [PlyElement.describe(e, n) for e, n in ((before, "camera"), (rows, "vertex"), (after, "image_size"))]
    PlyData(elements, byte_order="<").write(file)
    assert_same(gaussians_from_ply_bytes(file.getvalue()), gaussians_from_ply_bytes(ply_of(rows)))


def test_crlf_headers_are_read():
    ply = encode_gaussian_ply(pixel_cloud(2, 3))
    at = ply.index(b"end_header\n") + len(b"end_header\n")
    assert gaussians_from_ply_bytes(ply[:at].replace(b"\n", b"\r\n") + ply[at:]).count == 6


def test_rotations_of_any_length_come_out_of_unit_length():
    rows = vertices(encode_gaussian_ply(pixel_cloud(2, 2))).copy()
    for i, length in enumerate((0.0, 1e-30, 1e30, 7.0)):
        for name in ("rot_0", "rot_1", "rot_2", "rot_3"):
            rows[name][i] = length
    read = gaussians_from_ply_bytes(ply_of(rows)).validate()
    assert read.rotations.tolist() == [[1, 0, 0, 0], *3 * [[0.5, 0.5, 0.5, 0.5]]]


def test_infinite_logarithms_are_read_and_rows_that_are_not_numbers_left_out():
    rows = vertices(encode_gaussian_ply(pixel_cloud(2, 4))).copy()
    rows["opacity"][:2] = np.inf, -np.inf
    rows["scale_0"][2:4] = np.inf, -np.inf
    rows["x"][4], rows["f_dc_1"][5], rows["rot_2"][6], rows["opacity"][7] = np.inf, np.nan, np.inf, np.nan
    read = gaussians_from_ply_bytes(ply_of(rows)).validate()
    assert read.count == 4
    assert read.opacities[:2].tolist() == [1, 0]


def edited(old: bytes, new: bytes) -> bytes:
    ply = encode_gaussian_ply(pixel_cloud(2, 3))
    assert old in ply
    return ply.replace(old, new, 1)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a PLY"),
        (b"ply\n", "not a PLY"),
        (b"ply\nformat binary_little_endian 1.0\nend_header\n", "no vertices"),
        (b"glTF" + encode_gaussian_ply(pixel_cloud(2, 3)), "not a PLY"),
        (edited(b"binary_little_endian", b"ascii"), "ascii"),
        (edited(b"vertex 6", b"vertex 7"), "7 rows"),
        (edited(b"vertex 6", b"vertex 999999999999"), "999999999999 rows"),
        (edited(b"vertex 6", b"vertex -6"), "vertex -6"),
        (edited(b"vertex 6", b"vertex 99999999999999999999"), "header line"),
        (edited(b"property float x\n", b"property list uchar int x\n"), "list"),
        (edited(b"property float x\n", b"property float y\n"), "element vertex"),
        (edited(b"property float x\n", b"property float q\n"), "lack x"),
        (edited(b"property float opacity\n", b"property float q\n"), "lack opacity"),
        (edited(b"property float x\n", b"property float f_rest_0\n"), "f_rest"),
        (encode_gaussian_ply(pixel_cloud(2, 3))[:-1], "335 are left"),
        (b"ply\n" + b"comment x\n" * 10_000 + b"end_header\n", "not a PLY"),
    ],
)
def test_what_is_no_file_of_gaussians_is_refused_by_name(data: bytes, complaint: str):
    with pytest.raises(InvalidPly, match=complaint):
        gaussians_from_ply_bytes(data)


def test_nine_rest_properties_with_wrong_names_are_refused():
    ply = encode_gaussian_ply(pixel_cloud(2, 3, 4), sh="full").replace(b"f_rest_0\n", b"f_rest_9\n")
    with pytest.raises(InvalidPly, match="lack f_rest_0"):
        gaussians_from_ply_bytes(ply)


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 600))
def test_hostile_bytes_raise_the_named_error_or_give_valid_gaussians(head: bytes, tail: bytes, cut: int):
    whole = encode_gaussian_ply(pixel_cloud(2, 3))
    headed, overwritten = b"ply\n" + head + b"\nend_header\n" + tail, whole[:cut] + head + whole[cut + len(head) :]
    for data in (head + tail, headed, overwritten):
        try:
            gaussians_from_ply_bytes(data).validate()
        except InvalidPly:
            pass


_words = st.sampled_from(
    ["element", "vertex", "property", "float", "list", "uchar", "x", "0", "3", "-1", "1e9", "format", "comment", "٣",
     "binary_little_endian", "1.0", "f_rest_0", "opacity", "end_header", "\n", "\n", "\n"]
)  # fmt: skip


@given(st.lists(_words, max_size=60), st.binary(max_size=64))
def test_hostile_headers_raise_the_named_error(words: list[str], body: bytes):
    data = b"ply\n" + " ".join(words).replace(" \n ", "\n").encode() + b"\nend_header\n" + body
    with pytest.raises(InvalidPly):
        gaussians_from_ply_bytes(data)
