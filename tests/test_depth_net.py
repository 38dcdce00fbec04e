"""The built-in model's network: sizes it takes, what its file holds, and that folding changes no answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from splatcam.estimators import EstimatorUnavailable
from splatcam.estimators.depth_net import CELL_PX, WEIGHTS, DepthNet, load
from training.export import folded, save, trained_net


def as_after_training(net: DepthNet) -> DepthNet:
    """With norms that do something."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.3, 0.3), (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2.0),
            ):  # fmt: skip
                assert values is not None
                values.data = low + (high - low) * torch.rand(values.shape, generator=generator)
    return net.eval()


@pytest.mark.parametrize(("height", "width"), [(144, 192), (192, 144), (16, 16), (16, 192)])
def test_the_answer_has_the_size_of_the_picture(height: int, width: int) -> None:
    with torch.inference_mode():
        assert load()(torch.rand(1, 3, height, width)).shape == (1, height, width)


def test_the_weights_take_at_most_four_megabytes_and_say_their_licence() -> None:
    assert WEIGHTS.stat().st_size <= 4_000_000
    with safe_open(WEIGHTS, "pt") as file:
        assert file.metadata()["licence"] == "Apache-2.0"
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}


def test_the_network_has_between_a_fifth_and_two_million_numbers() -> None:
    assert 200_000 < sum(values.numel() for values in DepthNet().parameters()) < 2_000_000


def test_folded_norms_give_the_same_answers() -> None:
    torch.manual_seed(0)
    net = as_after_training(trained_net())
    picture = torch.rand(2, 3, 4 * CELL_PX, 6 * CELL_PX)
    with torch.inference_mode():
        torch.testing.assert_close(folded(net)(picture), net(picture), atol=2e-4, rtol=1e-4)


def test_what_is_saved_answers_as_before_but_for_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = folded(as_after_training(trained_net()))
    save(net, tmp_path / "net.safetensors", 7)
    picture = torch.rand(1, 3, 4 * CELL_PX, 4 * CELL_PX)
    with torch.inference_mode():
        torch.testing.assert_close(load(tmp_path / "net.safetensors")(picture), net(picture), atol=2e-2, rtol=2e-2)


def test_what_float16_cannot_hold_is_not_saved(tmp_path: Path) -> None:
    net = DepthNet()
    net.tell.weight.data[0] = 1e6
    with pytest.raises(ValueError, match="1 tensors are no numbers in float16, the first is tell.weight"):
        save(net, tmp_path / "net.safetensors", 7)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- a file that cannot be used


@pytest.mark.parametrize("size_bytes", [0, 100, 1_000_000])
def test_weights_that_were_cut_short_are_told_in_words(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "builtin.safetensors"
    path.write_bytes(WEIGHTS.read_bytes()[:size_bytes])
    with pytest.raises(EstimatorUnavailable, match="the built-in model's builtin.safetensors cannot be used: "):
        load(path)


def test_weights_that_are_not_there_are_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(EstimatorUnavailable, match="cannot be used: No such file"):
        load(tmp_path / "builtin.safetensors")


def without_one(weights: dict[str, Tensor]) -> None:
    del weights["tell.bias"]


def of_another_shape(weights: dict[str, Tensor]) -> None:
    weights["tell.bias"] = torch.zeros(5, dtype=torch.float16)


def without_a_number(weights: dict[str, Tensor]) -> None:
    weights["tell.bias"][0] = torch.nan


@pytest.mark.parametrize(
    ("change", "told"),
    [(without_one, "tell.bias"), (of_another_shape, "tell.bias"), (without_a_number, "not all of it are numbers")],
)
def test_weights_of_something_else_are_told_in_words(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], None], told: str
) -> None:
    path, weights = tmp_path / "builtin.safetensors", load_file(WEIGHTS)
    change(weights)
    save_file(weights, path)
    with pytest.raises(EstimatorUnavailable, match=told) as raised:
        load(path)
    assert "\n" not in str(raised.value)
