"""The value that everything passes on."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splatcam.gaussians import TENSORS, Gaussians, InvalidGaussians
from tests.oracles.clouds import awkward_cloud, gaussians, pixel_cloud


@given(gaussians())
def test_valid_gaussians_pass_and_are_returned(cloud: Gaussians):
    assert cloud.validate() is cloud


def test_gaussians_at_the_edges_of_the_formats_are_valid():
    awkward_cloud().validate()


def test_gaussians_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        pixel_cloud(2, 2).grid = None  # type: ignore[misc]


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_mask_and_its_indices_select_the_same(keep: list[bool]):
    cloud = pixel_cloud(3, 4)
    index = [i for i, kept in enumerate(keep) if kept]
    by_mask, by_index = cloud.select(torch.tensor(keep)), cloud.select(torch.tensor(index, dtype=torch.int64))
    for name in TENSORS:
        assert torch.equal(getattr(by_mask, name), getattr(cloud, name)[index])
        assert torch.equal(getattr(by_index, name), getattr(by_mask, name))
    assert by_mask.pixel_index is not None and by_mask.pixel_index.tolist() == index
    assert by_mask.grid == (3, 4) and by_mask.count == len(index)


def test_selecting_twice_still_knows_the_pixels():
    twice = pixel_cloud(3, 4).select(torch.tensor([1, 5, 7, 11])).select(torch.tensor([3, 1]))
    assert twice.pixel_index is not None and twice.pixel_index.tolist() == [11, 5]


def test_without_a_grid_there_are_no_pixels_to_know():
    assert replace(pixel_cloud(3, 4), grid=None).select(torch.tensor([2])).pixel_index is None


def test_moving_to_a_device_moves_every_tensor_and_keeps_the_grid():
    cloud = pixel_cloud(3, 4).select(torch.arange(5)).to("meta")
    assert {getattr(cloud, name).device.type for name in (*TENSORS, "pixel_index")} == {"meta"}
    assert cloud.grid == (3, 4)
    assert cloud.device.type == "meta"


@pytest.mark.parametrize(
    ("name", "shape"),
    [("means", (12, 2)), ("scales", (11, 3)), ("rotations", (12, 3)), ("opacities", (12, 1)), ("sh", (12, 3))],
)
def test_a_wrong_shape_is_named(name: str, shape: tuple[int, ...]):
    with pytest.raises(InvalidGaussians, match=f"{name} has shape"):
        replace(pixel_cloud(3, 4), **{name: torch.ones(shape)}).validate()


def test_a_number_of_harmonics_that_is_no_degree_is_named():
    with pytest.raises(InvalidGaussians, match="sh has shape"):
        replace(pixel_cloud(3, 4), sh=torch.zeros(12, 5, 3)).validate()


@pytest.mark.parametrize("name", TENSORS)
def test_a_wrong_type_is_named(name: str):
    cloud = pixel_cloud(3, 4)
    with pytest.raises(InvalidGaussians, match=f"{name} is torch.float64"):
        replace(cloud, **{name: getattr(cloud, name).double()}).validate()


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        *((name, torch.nan, "not finite") for name in TENSORS),
        ("scales", 0.0, "not positive"),
        ("opacities", 1.5, "outside 0..1"),
        ("opacities", -0.1, "outside 0..1"),
        ("rotations", 2.0, "not of unit length"),
    ],
)
def test_a_bad_value_is_named_with_its_index(name: str, value: float, fault: str):
    cloud = pixel_cloud(3, 4)
    getattr(cloud, name)[7] = value
    with pytest.raises(InvalidGaussians, match=f"{name} has 1 Gaussians that are {fault}, the first at index 7"):
        cloud.validate()
