"""Scene files: what a round trip costs in each format, what others read of them, and what hostile bytes do."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from scipy.optimize import linear_sum_assignment

from gsply_helpers import OPACITY_MARGIN, SH_C0
from splatcam.files import (
    FORMATS,
    MAX_FILE_BYTES,
    Format,
    SceneUnreadable,
    SceneUnwritable,
    UnknownFormat,
    detect,
    format_of,
    load_scene,
    save_scene,
)
from splatcam.gaussians import Gaussians, InvalidGaussians
from tests.oracles.clouds import awkward_cloud, gaussians, pixel_cloud
from tests.oracles.plain_splat import unpack
from tests.oracles.readers import spark_records, splat_transform_columns, splat_transform_file

COMPRESSED, PLY, SPLAT, SPZ = FORMATS
every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.suffix)
BIG = 1e30


@dataclass(frozen=True)
class Loss:
    """What one round trip may change: by how much, and beyond which values all is cut off."""

    means: float
    ln_scales: float
    rotations: float  # the chord between unit quaternions, half the angle in radians
    opacities: float
    colors: float  # of the first harmonic
    harmonics: tuple[float, float, float]  # of bands 1 to 3
    ln_scale_range: tuple[float, float] = (-87, 88)
    color_range: tuple[float, float] = (-BIG, BIG)
    harmonics_range: tuple[float, float] = (-BIG, BIG)


HALF_BYTE = 0.51 / 255
LOSS_OF_PLY = Loss(0, 2e-6, 1e-6, 2 * OPACITY_MARGIN, 0, (0, 0, 0))
LOSS_OF_SPLAT = Loss(
    means=0,
    ln_scales=1e-6,
    rotations=0.016,
    opacities=HALF_BYTE,
    colors=HALF_BYTE / SH_C0,
    harmonics=(0, 0, 0),
    color_range=(-0.5 / SH_C0, 0.5 / SH_C0),
)
LOSS_OF_SPZ = Loss(
    means=2**-13,
    ln_scales=1.01 / 32,
    rotations=0.004,
    opacities=HALF_BYTE,
    colors=HALF_BYTE / 0.15,
    harmonics=(4.5 / 128, 8.5 / 128, 8.5 / 128),
    ln_scale_range=(-10, 95 / 16),
    color_range=(-0.5 / 0.15, 0.5 / 0.15),
    harmonics_range=(-1, 1),
)


def loss_of(format: Format, cloud: Gaussians) -> Loss:
    if format is not COMPRESSED:
        return {PLY: LOSS_OF_PLY, SPLAT: LOSS_OF_SPLAT, SPZ: LOSS_OF_SPZ}[format]

    def step(values: torch.Tensor, levels: int) -> float:
        """Half of one, in a box around all of them; a chunk's is smaller."""
        return 0.51 * float((values.amax(dim=0) - values.amin(dim=0)).max()) / (levels - 1) + 1e-5

    return Loss(
        means=step(cloud.means, 1024),
        ln_scales=step(cloud.scales.log(), 1024),
        rotations=0.004,
        opacities=HALF_BYTE,
        colors=step(cloud.sh[:, 0], 256),
        harmonics=(8 / 255, 8 / 255, 8 / 255),
        ln_scale_range=(-20, 20),
        harmonics_range=(-4, 4),
    )


def differences(one: Gaussians, other: Gaussians, loss: Loss) -> np.ndarray:
    """[N, N] bool: whether Gaussian i of one is not, within the loss, Gaussian j of the other."""

    def apart(a: torch.Tensor, b: torch.Tensor, allowed: float) -> np.ndarray:
        return ((a.double()[:, None] - b.double()[None]).abs().flatten(2) > allowed).any(dim=2).numpy()

    chords = [(one.rotations[:, None] - sign * other.rotations[None]).norm(dim=2).numpy() for sign in (1, -1)]
    found = apart(one.means, other.means, loss.means) | (np.minimum(*chords) > loss.rotations)
    found |= apart(one.scales.log().clamp(*loss.ln_scale_range), other.scales.log(), loss.ln_scales)
    found |= apart(one.opacities[:, None], other.opacities[:, None], loss.opacities)
    found |= apart(one.sh[:, :1].clamp(*loss.color_range), other.sh[:, :1], loss.colors)
    for band, allowed in zip((slice(1, 4), slice(4, 9), slice(9, 16)), loss.harmonics, strict=True):
        if other.sh.shape[1] >= band.stop:
            found |= apart(one.sh[:, band].clamp(*loss.harmonics_range), other.sh[:, band], allowed)
    return found


def assert_same_scene(one: Gaussians, other: Gaussians, loss: Loss) -> None:
    """Both hold the same Gaussians within the loss, in any order: they can be paired."""
    assert one.count == other.count
    found = differences(one, other, loss)
    rows, columns = linear_sum_assignment(found)
    assert not found[rows, columns].any(), f"{found[rows, columns].sum()} of {one.count} are nowhere to be found"


def truncated_to(cloud: Gaussians, degree: int) -> Gaussians:
    return replace(cloud, sh=cloud.sh[:, : (degree + 1) ** 2])


def empty() -> Gaussians:
    return pixel_cloud(2, 2).select(torch.zeros(4, dtype=torch.bool))


# ---------------------------------------------------------------- round trips


@every_format
@given(cloud=gaussians())
def test_a_round_trip_changes_no_more_than_the_format_says(format: Format, cloud: Gaussians):
    assume(cloud.count > 0)
    again = format.decode(format.encode(cloud)).validate()
    assert again.sh_degree == min(cloud.sh_degree, format.max_sh_degree)
    assert_same_scene(truncated_to(cloud, again.sh_degree), again, loss_of(format, cloud))


@every_format
@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_scenes_of_more_than_one_chunk_come_back(format: Format, coefficients: int):
    cloud = pixel_cloud(20, 30, coefficients)
    again = format.decode(format.encode(cloud)).validate()
    assert_same_scene(truncated_to(cloud, again.sh_degree), again, loss_of(format, cloud))


@every_format
def test_the_awkward_cloud_comes_back_as_valid_gaussians(format: Format):
    cloud = awkward_cloud()
    assert format.decode(format.encode(cloud)).validate().count == cloud.count


@every_format
def test_a_second_round_trip_changes_nothing_to_speak_of(format: Format):
    once = format.decode(format.encode(pixel_cloud(20, 30, 16)))
    twice = format.decode(format.encode(once))
    assert_same_scene(once, twice, Loss(1e-5, 1e-5, 0.008, 1e-6, 1e-5, (1e-6,) * 3))


@every_format
def test_the_same_gaussians_give_the_same_bytes(format: Format):
    assert format.encode(pixel_cloud(4, 5, 4)) == format.encode(pixel_cloud(4, 5, 4))


@every_format
def test_a_single_gaussian_is_a_scene(format: Format):
    cloud = pixel_cloud(1, 1)
    assert_same_scene(cloud, format.decode(format.encode(cloud)), loss_of(format, cloud))


def test_harmonics_bring_the_62_floats_of_the_reference_code_and_plain_colours_14():
    sizes = [len(PLY.encode(pixel_cloud(2, 2, k)).split(b"end_header\n", 1)[1]) / 4 / 4 for k in (1, 16)]
    assert sizes == [14, 62]


def test_splat_files_begin_with_what_is_large_and_opaque():
    cloud = pixel_cloud(5, 6)
    again = SPLAT.decode(SPLAT.encode(cloud))
    weight = (cloud.scales.log().sum(dim=1).exp() * cloud.opacities).sort(descending=True).indices
    assert torch.equal(again.means, cloud.means[weight])


def test_a_splat_files_quaternions_come_out_of_unit_length_and_its_scales_of_zero_positive():
    row = struct.pack("<6f8B", 1, 2, 3, 0, 0.5, 0, 255, 128, 0, 51, 128, 128, 255, 128)
    read = SPLAT.decode(row + row[:28] + bytes((128, 128, 128, 128))).validate()
    assert read.rotations.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    assert read.opacities.tolist() == pytest.approx([0.2, 0.2])


def test_spz_takes_fewer_bits_behind_the_point_for_a_larger_scene():
    cloud = pixel_cloud(4, 5)
    far = replace(cloud, means=cloud.means * 1e5)
    again = SPZ.decode(SPZ.encode(far))
    step = 2.0 ** (np.floor(np.log2((2**23 - 1) / float(far.means.abs().max()))))
    torch.testing.assert_close(again.means, far.means, rtol=0, atol=0.5 / step)


def test_spz_refuses_what_is_farther_than_its_numbers_go(tmp_path: Path):
    cloud = pixel_cloud(2, 2)
    with pytest.raises(SceneUnwritable, match=r"far\.spz: a coordinate of .* does not fit into SPZ"):
        save_scene(replace(cloud, means=cloud.means * 1e8), tmp_path / "far.spz")
    assert not list(tmp_path.iterdir())


def test_spz_of_version_2_is_read():
    header = struct.pack("<4sIIBBBB", b"NGSP", 2, 1, 0, 8, 1, 0)
    mean = b"".join(int(v * 256).to_bytes(3, "little", signed=True) for v in (1.5, -2, 3))
    rest = bytes((51, 255, 128, 0, 160, 128, 192, 255, 128, 128))  # opacity, colour, ln scale 0 -2 2, turned about x
    read = SPZ.decode(gzip.compress(header + mean + rest)).validate()
    assert read.means.tolist() == [[1.5, 2, -3]]
    assert read.opacities.tolist() == pytest.approx([0.2])
    assert read.scales.log()[0].tolist() == pytest.approx([0, -2, 2], abs=1e-6)
    assert read.rotations[0].abs().tolist() == pytest.approx([0, 1, 0, 0], abs=0.005)
    assert read.sh[0, 0].tolist() == pytest.approx([0.5 / 0.15, 0.01307, -0.5 / 0.15], abs=1e-4)


# ---------------------------------------------------------------- what others make of them


def assert_columns(columns: dict[str, np.ndarray], cloud: Gaussians) -> None:
    """What splat-transform read is what we read."""

    def stacked(*names: str) -> np.ndarray:
        return np.stack([columns[name] for name in names], axis=-1)

    rotations = stacked("rot_0", "rot_1", "rot_2", "rot_3")
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    np.testing.assert_allclose(stacked("x", "y", "z"), cloud.means, atol=1e-6)
    np.testing.assert_allclose(stacked("scale_0", "scale_1", "scale_2"), cloud.scales.log(), atol=1e-5)
    np.testing.assert_allclose(np.abs((rotations * cloud.rotations.numpy()).sum(axis=1)), 1, atol=1e-4)
    np.testing.assert_allclose(1 / (1 + np.exp(-columns["opacity"])), cloud.opacities, atol=1e-6)
    np.testing.assert_allclose(stacked("f_dc_0", "f_dc_1", "f_dc_2"), cloud.sh[:, 0], atol=1e-5)
    bands = cloud.sh.shape[1] - 1
    assert f"f_rest_{3 * bands}" not in columns
    for i in range(3 * bands):
        np.testing.assert_allclose(columns[f"f_rest_{i}"], cloud.sh[:, 1 + i % bands, i // bands], atol=1e-6)


@pytest.mark.node
@every_format
@pytest.mark.parametrize("coefficients", [1, 9, 16])
def test_splat_transform_reads_the_values_that_we_read(format: Format, coefficients: int, tmp_path: Path):
    data = format.encode(pixel_cloud(16, 20, coefficients))
    assert_columns(splat_transform_columns(data, tmp_path, format.suffix), format.decode(data))


@pytest.mark.node
@pytest.mark.parametrize("format", [COMPRESSED, SPZ], ids=lambda format: format.suffix)
@pytest.mark.parametrize("coefficients", [1, 4, 16])
def test_what_splat_transform_writes_is_read_with_the_right_values(format: Format, coefficients: int, tmp_path: Path):
    cloud = pixel_cloud(16, 20, coefficients)
    data = splat_transform_file(PLY.encode(cloud), tmp_path, ".ply", format.suffix)
    assert_same_scene(cloud, format.decode(data).validate(), loss_of(format, cloud))


@pytest.mark.node
@every_format
@pytest.mark.parametrize("coefficients", [1, 16])
def test_spark_shows_the_values_that_we_read(format: Format, coefficients: int, tmp_path: Path):
    data = format.encode(pixel_cloud(16, 20, coefficients))
    cloud = format.decode(data)
    shown = [unpack(record.tobytes()) for record in spark_records(data, tmp_path, format.suffix)]
    means, scales, rotations, opacities, rgb = (np.array(part) for part in zip(*shown, strict=True))
    if format is SPZ:  # Spark leaves the axes as they are in the file
        means, rotations = means * (1, -1, -1), rotations * (1, 1, -1, -1)
    np.testing.assert_allclose(means, cloud.means, atol=0.0011)
    np.testing.assert_allclose(np.log(scales), cloud.scales.log(), atol=0.042)
    assert np.abs((rotations * cloud.rotations.numpy()).sum(axis=1)).min() > np.cos(np.radians(1.5))
    np.testing.assert_allclose(opacities, cloud.opacities, atol=0.51 / 255)
    np.testing.assert_allclose(rgb, (0.5 + SH_C0 * cloud.sh[:, 0]).clamp(0, 1), atol=0.51 / 255)


# ---------------------------------------------------------------- names and contents


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.ply", PLY), ("a.compressed.ply", COMPRESSED), ("A.COMPRESSED.PLY", COMPRESSED), ("a.b.splat", SPLAT),
     ("a.Spz", SPZ)],
)  # fmt: skip
def test_the_end_of_a_name_says_the_format(name: str, format: Format):
    assert format_of(Path(name)) is format


@pytest.mark.parametrize("name", ["scene", "scene.glb", "ply", "scene.ply.txt", "spz"])
def test_a_name_that_says_nothing_is_refused_with_the_names_that_do(name: str, tmp_path: Path):
    for act in (lambda: load_scene(tmp_path / name), lambda: save_scene(pixel_cloud(1, 1), tmp_path / name)):
        with pytest.raises(UnknownFormat, match=rf"{name}: .*\.compressed\.ply, \.ply, \.splat, \.spz"):
            act()
    assert not list(tmp_path.iterdir())


@every_format
def test_saved_scenes_are_loaded(format: Format, tmp_path: Path):
    path, cloud = tmp_path / f"scene{format.suffix}", pixel_cloud(3, 4)
    save_scene(cloud, path)
    assert_same_scene(cloud, load_scene(path), loss_of(format, cloud))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("contents", FORMATS, ids=lambda format: f"is{format.suffix}")
@pytest.mark.parametrize("name", FORMATS, ids=lambda format: f"named{format.suffix}")
def test_a_file_that_is_not_what_its_name_says_is_an_error_that_names_both(
    contents: Format, name: Format, tmp_path: Path
):
    path = tmp_path / f"scene{name.suffix}"
    data = contents.encode(pixel_cloud(3, 5))
    path.write_bytes(data)
    if contents is name:
        assert load_scene(path).count == 15
        return
    with pytest.raises(SceneUnreadable) as told:
        load_scene(path)
    assert path.name in str(told.value)
    assert name.name in str(told.value)
    assert detect(data) is None or f"is {contents.name} (" in str(told.value)


@every_format
def test_no_gaussians_and_values_that_are_not_finite_are_not_saved(format: Format, tmp_path: Path):
    broken = pixel_cloud(2, 2)
    broken.means[1, 1] = torch.nan
    with pytest.raises(SceneUnwritable, match=r"scene.*: there are no splats to write"):
        save_scene(empty(), tmp_path / f"scene{format.suffix}")
    with pytest.raises(InvalidGaussians, match="not finite"):
        save_scene(broken, tmp_path / f"scene{format.suffix}")
    assert not list(tmp_path.iterdir())


@every_format
def test_what_is_no_file_is_not_opened(format: Format, tmp_path: Path):
    folder, pipe = tmp_path / f"folder{format.suffix}", tmp_path / f"pipe{format.suffix}"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        with pytest.raises(SceneUnreadable, match=rf"{path.name}: is not a file"):
            load_scene(path)
    with pytest.raises(FileNotFoundError):
        load_scene(tmp_path / f"missing{format.suffix}")


@every_format
def test_a_file_larger_than_any_scene_is_not_read(format: Format, tmp_path: Path):
    path = tmp_path / f"large{format.suffix}"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(SceneUnreadable, match=f"large.*: has {MAX_FILE_BYTES + 1} bytes"):
        load_scene(path)
