"""Each optimisation of Depth Anything 3's network against a direct call of the untouched one, alone and together."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch

from splatcam.estimators.da3 import autocast, normalise
from splatcam.estimators.fast import EXACT, OF_ANY_VIEWS, Optimisation, optimise
from splatcam.estimators.fast.one_view import OneView, Raw, can_be_called_so
from splatcam.estimators.fast.recent import Recent, holding
from tests.tiny_da3 import METRIC, NESTED, TINY, da3_registered, make_net, one_thread_of_full_precision

pytestmark = pytest.mark.da3
__all__ = ["da3_registered", "one_thread_of_full_precision"]  # fixtures

HEIGHT, WIDTH = 56, 98
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]  # the same is true of both
PRECISIONS = (torch.float32, torch.bfloat16)
CHANGES = sorted(EXACT - {Optimisation.ONE_VIEW})  # of the network; the other ones are ways to call it


@pytest.fixture(scope="module", params=DEVICES)
def plain(request: pytest.FixtureRequest, da3_registered: None) -> torch.nn.Module:
    """The untouched network. Nothing changes it."""
    return make_net(TINY).requires_grad_(False).to(request.param)


def device_of(net: Any) -> torch.device:
    return next(net.parameters()).device


def pictures(count: int = 1, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """[B, H, W, 3] uint8."""
    make = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (count, height, width, 3), generator=make, dtype=torch.uint8)


def changed(net: torch.nn.Module, chosen: Any, dtype: torch.dtype) -> Any:
    other = copy.deepcopy(net)
    optimise(other, chosen, dtype)
    return other


def direct(net: torch.nn.Module, images: torch.Tensor, dtype: torch.dtype, wants_gaussians: bool = True) -> Any:
    """DA3's own forward pass, of independent scenes of one view."""
    x = torch.cat([normalise(image) for image in images.to(device_of(net))])
    with torch.no_grad(), autocast(x.device, dtype):
        return net(x, None, None, [], wants_gaussians)


def one_view(
    net: torch.nn.Module, images: torch.Tensor, dtype: torch.dtype, heads: Any = "float32", waits: str = "allowed"
) -> Raw:
    device = device_of(net)
    forward, images = OneView(net, heads), images.to(device)
    with torch.no_grad(), autocast(device, dtype), forbidden_waits(device) if waits == "forbidden" else nullcontext():
        return forward(images, True)


@contextmanager
def forbidden_waits(device: torch.device) -> Iterator[None]:
    """Each look at a value waits for the device. On a CPU it is only seen by whoever forbids it."""

    def forbidden(*arguments: Any) -> Any:
        raise AssertionError("a value was asked for")

    names = ("item", "tolist", "__int__", "__float__", "__bool__", "cpu", "nonzero")
    with pytest.MonkeyPatch.context() as patched:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        for name in names:
            patched.setattr(torch.Tensor, name, forbidden)
        try:
            yield
        finally:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("default")


def assert_same_answer(ours: Any, theirs: Any) -> None:
    """Bit for bit, everything that both give."""
    for name in ("depth", "depth_conf", "extrinsics", "intrinsics"):
        assert torch.equal(ours[name], theirs[name]), name
    for name in ("means", "scales", "rotations", "harmonics", "opacities"):
        assert torch.equal(getattr(ours.gaussians, name), getattr(theirs.gaussians, name)), name


# ---------------------------------------------------------------- bit for bit


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("optimisation", CHANGES)
def test_an_exact_optimisation_alone_changes_no_bit(
    plain: torch.nn.Module, optimisation: Optimisation, dtype: torch.dtype
) -> None:
    images = pictures()
    assert_same_answer(direct(changed(plain, {optimisation}, dtype), images, dtype), direct(plain, images, dtype))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_all_exact_optimisations_together_change_no_bit(plain: torch.nn.Module, dtype: torch.dtype) -> None:
    together = changed(plain, EXACT, dtype)
    for height, width in ((HEIGHT, WIDTH), (56, 84), (HEIGHT, WIDTH), (84, 56)):
        images = pictures(height=height, width=width)
        assert_same_answer(direct(together, images, dtype), direct(plain, images, dtype))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("chosen", [frozenset(), EXACT])
def test_the_pass_for_single_views_gives_the_same_bits(plain: Any, chosen: Any, dtype: torch.dtype) -> None:
    images = pictures()
    theirs = direct(plain, images, dtype)
    ours = one_view(changed(plain, chosen, dtype), images, dtype)
    assert torch.equal(ours.depth, theirs.depth[:, 0])
    assert torch.equal(ours.confidence, theirs.depth_conf[:, 0])
    assert torch.equal(ours.intrinsics, theirs.intrinsics[:, 0])
    heard = heads_of(plain, images, dtype)
    assert ours.planes is not None and ours.densities is not None
    assert torch.equal(ours.planes, heard["raw_gaussians"][:, 0].permute(0, 3, 1, 2))
    assert torch.allclose(ours.densities, heard["opacities"][:, 0], atol=1e-7, rtol=0)  # DA3 maps them to themselves


def heads_of(net: Any, images: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """What the Gaussian head hands to the adapter."""
    heard: dict[str, torch.Tensor] = {}
    hook = net.gs_adapter.register_forward_pre_hook(lambda module, args, kwargs: heard.update(kwargs), with_kwargs=True)
    direct(net, images, dtype)
    hook.remove()
    return heard


def test_without_gaussians_the_rest_is_the_same(plain: torch.nn.Module) -> None:
    with torch.no_grad():
        both = [OneView(plain)(pictures().to(device_of(plain)), wants) for wants in (False, True)]
    assert both[0].planes is None and both[0].densities is None
    assert all(torch.equal(getattr(both[0], name), getattr(both[1], name)) for name in ("depth", "intrinsics"))


def test_two_views_of_a_scene_are_not_disturbed(plain: torch.nn.Module) -> None:
    x = torch.cat([normalise(image) for image in pictures(2).to(device_of(plain))], dim=1)
    with torch.no_grad():
        ours, theirs = (net(x, None, None, [], True) for net in (changed(plain, OF_ANY_VIEWS, torch.float32), plain))
    assert_same_answer(ours, theirs)


@pytest.mark.parametrize("name", [METRIC, NESTED])
def test_the_other_architectures_change_no_bit(da3_registered: None, name: str) -> None:
    net = make_net(name).requires_grad_(False)
    x = normalise(pictures()[0])
    with torch.no_grad():
        ours, theirs = (n(x, None, None, [], False) for n in (changed(net, OF_ANY_VIEWS, torch.float32), net))
    assert torch.equal(ours.depth, theirs.depth)


# ---------------------------------------------------------------- within a tolerance


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_channels_last_is_within_a_few_millionths(plain: torch.nn.Module, dtype: torch.dtype) -> None:
    images = pictures()
    ours = one_view(changed(plain, EXACT | {Optimisation.CHANNELS_LAST}, dtype), images, dtype)
    for found, wanted in zip(ours.tensors(), one_view(plain, images, dtype).tensors(), strict=True):
        assert relative(found, wanted) < 5e-6


def test_heads_in_half_precision_are_within_a_hundredth_and_without_steps(plain: torch.nn.Module) -> None:
    images, dtype = pictures(), torch.bfloat16
    wanted = one_view(plain, images, dtype)
    ours = one_view(changed(plain, EXACT, dtype), images, dtype, "half")
    for found, expected in zip(ours.tensors(), wanted.tensors(), strict=True):
        assert relative(found, expected) < 1e-2 and found.dtype == torch.float32
    assert len(ours.depth.unique()) > 0.5 * len(wanted.depth.unique()), "eight bits of depth would be bands"


def test_frames_that_share_a_pass_are_those_that_come_alone(plain: torch.nn.Module) -> None:
    images = pictures(4)
    net = changed(plain, EXACT, torch.float32)
    together = one_view(net, images, torch.float32)
    for number in range(4):
        alone = one_view(net, images[number : number + 1], torch.float32)
        for found, wanted in zip(together.frame(number).tensors(), alone.tensors(), strict=True):
            assert relative(found, wanted) < 5e-6


# ---------------------------------------------------------------- what they are for


def test_nothing_in_the_pass_waits_for_the_device(plain: Any) -> None:
    net = changed(plain, EXACT, torch.float32)
    one_view(net, pictures(), torch.float32)  # maps of this size are there
    assert one_view(net, pictures(), torch.float32, waits="forbidden").planes is not None
    with pytest.raises((AssertionError, RuntimeError)):
        one_view(plain, pictures(), torch.float32, waits="forbidden")


def test_the_pass_is_one_graph_without_breaks(plain: torch.nn.Module) -> None:
    net = OneView(changed(plain, EXACT, torch.float32))
    images = pictures(height=56, width=56).to(device_of(plain))
    with torch.no_grad():
        net(images, True)
        try:
            compiled = torch.compile(net, fullgraph=True, dynamic=False, backend="eager")
            found, wanted = compiled(images, True), net(images, True)
        finally:
            torch.compiler.reset()
    assert all(torch.equal(a, b) for a, b in zip(found.tensors(), wanted.tensors(), strict=True))


def test_the_ray_branch_the_camera_encoder_and_half_of_the_backbone_are_not_in_memory(plain: Any) -> None:
    def size_of(net: Any) -> int:
        return sum(p.numel() * p.element_size() for p in net.parameters())

    net = changed(plain, EXACT, torch.bfloat16)
    assert net.cam_enc is None and not any("aux" in name for name, _ in net.named_parameters())
    blocks, before = (n.backbone.pretrained.blocks for n in (net, plain))
    assert size_of(blocks) < 0.55 * size_of(before)
    assert size_of(net.head) < 0.75 * size_of(plain.head)


def test_what_autocast_does_not_round_stays_float32(plain: Any) -> None:
    net = changed(plain, {Optimisation.STORED_WEIGHTS}, torch.bfloat16)
    kept = {name for name, p in net.named_parameters() if p.dtype == torch.float32}
    rounded = {name for name, p in net.named_parameters() if p.dtype == torch.bfloat16}
    assert {"backbone.pretrained.pos_embed", "backbone.pretrained.norm.weight"} <= kept
    assert (
        all(name.startswith("backbone.") for name in rounded) and "backbone.pretrained.blocks.0.mlp.fc1.bias" in rounded
    )


def test_changing_one_network_leaves_another_one_alone(plain: Any) -> None:
    before = direct(plain, pictures(), torch.float32)
    classes = [type(m) for m in plain.modules()]
    attributes = [set(vars(kind)) for kind in classes]
    changed(plain, set(Optimisation), torch.bfloat16)
    other = make_net(TINY).requires_grad_(False)
    assert_same_answer(direct(plain, pictures(), torch.float32), before)
    assert_same_answer(direct(other, pictures(), torch.float32), before)
    assert [set(vars(kind)) for kind in classes] == attributes


def test_only_any_view_networks_are_called_part_by_part(da3_registered: None, plain: torch.nn.Module) -> None:
    assert can_be_called_so(plain)
    assert not can_be_called_so(make_net(METRIC)) and not can_be_called_so(make_net(NESTED))


def test_what_a_recording_reads_outlives_it_in_the_cache() -> None:
    recent: Recent[object] = Recent(1)
    recent.get("before", object)
    with holding() as held:
        first = recent.get("a", object)
        assert recent.get("a", object) is first
    recent.get("b", object)
    assert held == [first, first]


def test_no_more_than_the_last_few_are_remembered() -> None:
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return -key

    recent: Recent[int] = Recent(2)
    assert [recent.get(key, lambda key=key: make(key)) for key in (1, 2, 1, 3, 1, 2)] == [-1, -2, -1, -3, -1, -2]
    assert made == [1, 2, 3, 2] and len(recent) == 2
