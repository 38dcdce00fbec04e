"""The DA3 estimator on a tiny network with random weights, loaded from disk by the code that loads the real ones."""

from __future__ import annotations

import json
import shutil
import sys
import types
from pathlib import Path

import pytest
import torch

from splatcam.estimators import EstimatorUnavailable, registry
from splatcam.estimators.da3 import Da3Estimator, default_intrinsics, normalise, precision, warm_up
from splatcam.estimators.da3_loading import load_network
from splatcam.settings import Settings
from tests import loopback_hub
from tests.loopback_hub import Shelf
from tests.tiny_da3 import (
    METRIC,
    TINY,
    da3_registered,
    make_net,
    metric_folder,
    nested_folder,
    tiny_folder,
    write_model,
)

pytestmark = [pytest.mark.da3, pytest.mark.usefixtures("one_thread")]

HEIGHT, WIDTH = 98, 126
__all__ = ["da3_registered", "metric_folder", "nested_folder", "tiny_folder"]  # fixtures


def ignore(sentence: str, fraction: float | None) -> None:
    pass


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """A picture whose four corners differ, with noise."""
    torch.manual_seed(3)
    rows, columns = torch.meshgrid(torch.linspace(0, 1, HEIGHT), torch.linspace(0, 1, WIDTH), indexing="ij")
    picture = torch.stack([rows, columns, rows * columns], dim=-1) * 200 + torch.rand(HEIGHT, WIDTH, 3) * 50
    return picture.to(torch.uint8)


def load(folder: Path) -> Da3Estimator:
    estimator = registry.build(str(folder), Settings(device="cpu"), ignore)
    assert isinstance(estimator, Da3Estimator)
    return estimator


def call_directly(folder: Path, image: torch.Tensor):
    """DA3's own network, untouched, under the same precision."""
    net = load_network(folder, "cpu")
    with torch.no_grad(), precision(torch.device("cpu")):
        return net(normalise(image), None, None, [], True)


def quaternion_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Hamilton product of [..., 4] quaternions, real part last."""
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    vector = aw * bv + bw * av + torch.linalg.cross(av.expand_as(bv), bv)
    return torch.cat([vector, aw * bw - (av * bv).sum(-1, keepdim=True)], dim=-1)


def test_the_estimator_equals_a_direct_call_of_the_network(tiny_folder: Path, image: torch.Tensor) -> None:
    """Depth, confidence and intrinsics as they are; Gaussians after taking the direct ones into the camera's frame."""
    from depth_anything_3.model.utils.transform import mat_to_quat

    ours, _ = load(tiny_folder).estimate(image, wants_gaussians=True)
    direct = call_directly(tiny_folder, image)
    close = {"atol": 1e-5, "rtol": 0}
    assert torch.allclose(ours.depth, direct.depth[0, 0], **close)
    assert torch.allclose(ours.confidence, direct.depth_conf[0, 0], **close)
    assert torch.allclose(ours.intrinsics, direct.intrinsics[0, 0], **close)

    gaussians, world = ours.gaussians, direct.gaussians
    camera_from_world = direct.extrinsics[0, 0]  # [3 or 4, 4]
    turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
    assert not torch.allclose(turn, torch.eye(3), atol=0.05), "the pose must not be the identity, or nothing is tested"
    assert torch.allclose(gaussians.means, world.means[0] @ turn.T + shift, **close)
    assert torch.allclose(gaussians.scales, world.scales[0], **close)
    assert torch.allclose(gaussians.opacities, world.opacities[0], **close)
    # DA3 turns quaternions that it reads as scalar-last, so that is how its turn is taken back.
    unturned = quaternion_product(mat_to_quat(turn), world.rotations[0])
    assert torch.allclose((gaussians.rotations * unturned).sum(1).abs(), torch.ones(gaussians.count), **close)
    assert torch.allclose(gaussians.sh[:, 0], world.harmonics[0, :, :, 0], **close)


def test_gaussians_equal_a_direct_call_with_the_identity_camera(tiny_folder: Path, image: torch.Tensor) -> None:
    """Every number of every Gaussian, spherical harmonics included, against DA3's own adapter."""
    ours, _ = load(tiny_folder).estimate(image, wants_gaussians=True)
    net = load_network(tiny_folder, "cpu")
    head = net._process_camera_estimation
    net._process_camera_estimation = lambda feats, h, w, output: _at_the_origin(head(feats, h, w, output))
    with torch.no_grad(), precision(torch.device("cpu")):
        direct = net(normalise(image), None, None, [], True).gaussians
    for name, theirs in (("means", direct.means), ("scales", direct.scales), ("opacities", direct.opacities)):
        assert torch.allclose(getattr(ours.gaussians, name), theirs[0], atol=1e-5, rtol=0), name
    assert torch.allclose(ours.gaussians.rotations, direct.rotations[0], atol=1e-5, rtol=0)
    assert torch.allclose(ours.gaussians.sh, direct.harmonics[0].transpose(1, 2), atol=1e-5, rtol=0)


def _at_the_origin(output):
    output.extrinsics = torch.eye(4).expand(1, 1, 4, 4)
    return output


def test_a_gaussian_lies_on_the_ray_of_its_pixel(tiny_folder: Path, image: torch.Tensor) -> None:
    ours, _ = load(tiny_folder).estimate(image, wants_gaussians=True)
    x, y, z = ours.gaussians.validate().means.T
    column, row = torch.arange(HEIGHT * WIDTH) % WIDTH, torch.arange(HEIGHT * WIDTH) // WIDTH
    focal_x, focal_y = ours.intrinsics[0, 0], ours.intrinsics[1, 1]
    # The head may move a Gaussian by a pixel or so; a flipped or swapped axis is off by dozens.
    assert float((focal_x * x / z + WIDTH / 2 - column - 0.5).abs().max()) < 3
    assert float((focal_y * y / z + HEIGHT / 2 - row - 0.5).abs().max()) < 3


def test_the_public_api_gives_the_same(tiny_folder: Path, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """DA3's `inference()` in fp32 as an oracle: the preprocessing is compared too."""
    api = _public_api(monkeypatch)
    monkeypatch.setattr(api.torch, "autocast", _without_autocast(torch.autocast))
    model = api.DepthAnything3.from_pretrained(str(tiny_folder))
    theirs = model.inference([image.numpy()], infer_gs=True, process_res=WIDTH)
    monkeypatch.undo()
    ours, _ = load(tiny_folder).estimate(image, wants_gaussians=True)
    assert torch.allclose(ours.depth, torch.from_numpy(theirs.depth[0]), atol=1e-5, rtol=0)
    assert torch.allclose(ours.intrinsics, torch.from_numpy(theirs.intrinsics[0]), atol=1e-4, rtol=0)
    assert torch.allclose(ours.gaussians.scales, theirs.gaussians.scales[0], atol=1e-5, rtol=0)
    assert torch.allclose(ours.gaussians.opacities, theirs.gaussians.opacities[0], atol=1e-5, rtol=0)


def _without_autocast(autocast):
    return lambda device_type, dtype=None, enabled=True: autocast(device_type, dtype=torch.bfloat16, enabled=False)


def _public_api(monkeypatch: pytest.MonkeyPatch):
    """depth_anything_3.api without its exporters (moviepy, trimesh, pycolmap …), and torchvision beside a CPU torch."""
    import warnings

    exporters = types.ModuleType("depth_anything_3.utils.export")
    exporters.export = None
    monkeypatch.setitem(sys.modules, exporters.__name__, exporters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _import_torchvision()
        import depth_anything_3.api as api
    return api


def _import_torchvision() -> None:
    """Its compiled part is of the CUDA build; all that DA3 wants of it is `transforms`."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _import_torchvision.library = library = torch.library.Library("torchvision", "DEF")  # kept alive
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401


# ---------------------------------------------------------------- loading


def test_loading_brings_back_every_tensor(tiny_folder: Path) -> None:
    written, loaded = make_net(TINY).state_dict(), load_network(tiny_folder, "cpu").state_dict()
    other = make_net(TINY, seed=1).state_dict()
    assert written.keys() == loaded.keys()
    assert all(torch.equal(written[name], loaded[name]) for name in written)
    assert not all(torch.equal(other[name], loaded[name]) for name in written)


def test_a_loaded_network_is_in_evaluation_mode_and_wants_no_gradients(tiny_folder: Path) -> None:
    net = load_network(tiny_folder, "cpu")
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_building_prints_nothing(tiny_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(tiny_folder)
    assert capfd.readouterr() == ("", "")


def test_a_model_comes_from_the_hub_with_its_weights(
    tiny_folder: Path, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf = Shelf({"somebody/tiny": {file.name: file.read_bytes() for file in tiny_folder.iterdir()}})
    with loopback_hub.serve(shelf) as address:
        loopback_hub.use(monkeypatch, address, tmp_path)
        fetched = registry.build("somebody/tiny", Settings(device="cpu"), ignore)
    offline = registry.build("somebody/tiny", Settings(device="cpu", offline=True), ignore)
    expected, _ = load(tiny_folder).estimate(image, wants_gaussians=False)
    for estimator in (fetched, offline):
        assert estimator.info.name == "somebody/tiny"
        assert torch.equal(estimator.estimate(image, wants_gaussians=False)[0].depth, expected.depth)


def refusal(folder: Path) -> str:
    with pytest.raises(EstimatorUnavailable) as refused:
        load(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def copied(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copied"))


def change_tensors(folder: Path, change) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_weights_that_are_not_there_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    assert "has no model.safetensors" in refusal(copied)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "model.ckpt", "model.pkl"])
def test_weights_that_could_run_code_are_refused_by_name_and_never_opened(copied: Path, name: str) -> None:
    (copied / "model.safetensors").rename(copied / name)
    (copied / name).chmod(0)
    sentence = refusal(copied)
    assert f"has no model.safetensors, and {name} is not read" in sentence and "run code" in sentence


@pytest.mark.parametrize("keep_bytes", [0, 7, 100, 200_000])
def test_truncated_weights_are_refused(copied: Path, keep_bytes: int) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep_bytes])
    assert "model.safetensors is damaged" in refusal(copied)


def test_weights_of_another_architecture_are_refused(copied: Path, metric_folder: Path) -> None:
    shutil.copy(metric_folder / "model.safetensors", copied)
    sentence = refusal(copied)
    assert "does not fit" in sentence or "lacks" in sentence


def test_a_tensor_that_is_missing_is_refused_and_not_left_random(copied: Path) -> None:
    change_tensors(copied, lambda tensors: tensors.pop("model.gs_head.projects.0.weight"))
    assert "lacks 1 tensors of the model, the first is model.gs_head.projects.0.weight" in refusal(copied)


def test_a_tensor_of_another_shape_is_refused(copied: Path) -> None:
    change_tensors(copied, lambda tensors: tensors.update({"model.cam_dec.fc_t.bias": torch.zeros(5)}))
    assert "does not fit" in refusal(copied)


def test_a_tensor_too_many_is_named_in_the_log_and_harms_nothing(
    copied: Path, tiny_folder: Path, image: torch.Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    change_tensors(copied, lambda tensors: tensors.update({"model.extra": torch.zeros(5)}))
    changed, _ = load(copied).estimate(image, wants_gaussians=True)
    plain, _ = load(tiny_folder).estimate(image, wants_gaussians=True)
    assert "1 tensors that the model does not use, the first is model.extra" in caplog.text
    assert torch.equal(changed.gaussians.means, plain.gaussians.means)


def test_an_architecture_that_da3_does_not_know_is_refused(copied: Path) -> None:
    (copied / "config.json").write_text(json.dumps({"model_name": "da3-huge"}))
    sentence = refusal(copied)
    assert "'da3-huge'" in sentence and "da3-giant" in sentence


# ---------------------------------------------------------------- the other architectures


def test_gaussians_asked_of_a_model_without_the_head_are_an_error(metric_folder: Path, image: torch.Tensor) -> None:
    estimator = load(metric_folder)
    assert not estimator.info.supports_gaussians
    with pytest.raises(ValueError, match="has no Gaussian head"):
        estimator.estimate(image, wants_gaussians=True)


def test_the_metric_model_gives_metres_for_a_usual_camera(metric_folder: Path, image: torch.Tensor) -> None:
    ours, _ = load(metric_folder).estimate(image, wants_gaussians=False)
    with torch.no_grad():
        raw = load_network(metric_folder, "cpu")(normalise(image), None, None, [], False)
    usual = default_intrinsics(HEIGHT, WIDTH)
    assert torch.equal(ours.intrinsics, usual) and ours.confidence is None
    assert torch.allclose(ours.depth, raw.depth[0, 0] * usual[0, 0] / 300, atol=1e-5, rtol=0)


def test_the_metric_rule_is_for_the_metric_model_only(
    da3_registered: None, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from depth_anything_3.registry import MODEL_REGISTRY

    monkeypatch.setitem(MODEL_REGISTRY, "da3mono-tiny", MODEL_REGISTRY[METRIC])
    folder = write_model("da3mono-tiny", tmp_path / "mono")
    ours, _ = load(folder).estimate(image, wants_gaussians=False)
    with torch.no_grad():
        raw = load_network(folder, "cpu")(normalise(image), None, None, [], False)
    assert torch.allclose(ours.depth, raw.depth[0, 0], atol=1e-6, rtol=0)


def test_the_nested_models_gaussians_are_in_metres_like_its_depth(nested_folder: Path, image: torch.Tensor) -> None:
    estimator = load(nested_folder)
    ours, _ = estimator.estimate(image, wants_gaussians=True)
    factor = estimator.run(normalise(image), True)["scale_factor"]
    with torch.no_grad():
        unscaled = estimator.net.da3(normalise(image), None, None, [], True)
    assert abs(factor - 1) > 0.1, "a factor of one would test nothing"
    assert torch.allclose(ours.depth, unscaled.depth[0, 0] * factor, atol=1e-5, rtol=0)
    assert torch.allclose(ours.gaussians.means, unscaled.gaussians.means[0] * factor, atol=1e-5, rtol=0)
    assert torch.allclose(ours.gaussians.scales, unscaled.gaussians.scales[0] * factor, atol=1e-6, rtol=0)


def test_a_silly_field_of_view_is_clamped_for_depth_and_gaussians_alike(tiny_folder: Path, image: torch.Tensor) -> None:
    estimator = load(tiny_folder)
    with torch.no_grad():
        estimator.net.cam_dec.fc_fov[0].bias.fill_(-100.0)  # the ReLU behind it makes this zero degrees
    ours, _ = estimator.estimate(image, wants_gaussians=True)
    half_width = WIDTH / 2 / ours.intrinsics[0, 0]
    assert float(half_width) == pytest.approx(0.1763, abs=1e-3)  # tan(10 degrees)
    x, _, z = ours.gaussians.validate().means.T
    assert float((x / z).max()) == pytest.approx(0.1763, rel=0.05)


def test_warming_up_leaves_the_answers_as_they_were(tiny_folder: Path, image: torch.Tensor) -> None:
    estimator = load(tiny_folder)
    before, _ = estimator.estimate(image, wants_gaussians=True)
    warm_up(estimator, process_res=56)
    after, _ = estimator.estimate(image, wants_gaussians=True)
    assert torch.equal(before.gaussians.means, after.gaussians.means)
