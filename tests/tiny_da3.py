"""A real Depth Anything 3 with a Gaussian head, a million random weights, on disk as DA3 keeps its models.

Imports DA3 only when one is made. Random heads are steered by a few biases, so that the camera is a believable one
(a field of view of about 55 degrees, a pose that is not the identity) and the sky does not cover everything.

Three architectures are registered with DA3 under names of their own: `da3-tiny`, `da3metric-tiny` and
`da3nested-tiny`, which joins the two as DA3NESTED joins giant and metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

SEED = 0
TINY, METRIC, NESTED = "da3-tiny", "da3metric-tiny", "da3nested-tiny"


@pytest.fixture(autouse=True, scope="module")
def one_thread_of_full_precision() -> Iterator[None]:
    """Where it is imported. A GPU's convolutions drop half of the digits otherwise, in one way for one frame or order
    of axes, in another for two."""
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_num_threads(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


class TinyDino(nn.Module):
    """DA3's own wrapper knows the sizes s, b, l and g only."""

    def __init__(self, embed_dim: int, alternating: bool) -> None:
        super().__init__()
        from depth_anything_3.model.dinov2.vision_transformer import DinoVisionTransformer

        start = 1 if alternating else -1
        self.pretrained = DinoVisionTransformer(
            img_size=518,
            patch_size=14,
            embed_dim=embed_dim,
            depth=4,
            num_heads=2,
            mlp_ratio=4,
            ffn_layer="mlp",
            alt_start=start,
            qknorm_start=start,
            rope_start=start,
            cat_token=alternating,
        )

    def forward(self, x: torch.Tensor, **options: Any) -> Any:
        return self.pretrained.get_intermediate_layers(x, [0, 1, 2, 3], **options)


def _object(path: str, name: str, **parameters: Any) -> dict[str, Any]:
    return {"__object__": {"path": path, "name": name, "args": "as_params"}, **parameters}


def _architectures() -> dict[str, dict[str, Any]]:
    head = {"features": 32, "out_channels": [16, 16, 16, 16]}
    model = "depth_anything_3.model"
    tiny = _object(
        f"{model}.da3",
        "DepthAnything3Net",
        net=_object(__name__, "TinyDino", embed_dim=64, alternating=True),
        head=_object(f"{model}.dualdpt", "DualDPT", dim_in=128, output_dim=2, **head),
        cam_enc=_object(f"{model}.cam_enc", "CameraEnc", dim_out=64),
        cam_dec=_object(f"{model}.cam_dec", "CameraDec", dim_in=128),
        gs_head=_object(f"{model}.gsdpt", "GSDPT", dim_in=128, output_dim=38, **head),
        gs_adapter=_object(
            f"{model}.gs_adapter",
            "GaussianAdapter",
            sh_degree=2,
            pred_color=False,
            pred_offset_depth=True,
            pred_offset_xy=True,
            gaussian_scale_min=1e-5,
            gaussian_scale_max=30.0,
        ),
    )
    metric = _object(
        f"{model}.da3",
        "DepthAnything3Net",
        net=_object(__name__, "TinyDino", embed_dim=64, alternating=False),
        head=_object(f"{model}.dpt", "DPT", dim_in=64, output_dim=1, **head),
    )
    nested = {
        "__object__": {"path": f"{model}.da3", "name": "NestedDepthAnything3Net", "args": "as_params"},
        "anyview": tiny,
        "metric": metric,
    }
    return {TINY: tiny, METRIC: metric, NESTED: nested}


@pytest.fixture(scope="session")
def da3_registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """DA3 knows the tiny architectures."""
    from depth_anything_3.registry import MODEL_REGISTRY

    register(tmp_path_factory.mktemp("architectures"))
    yield
    for name in _architectures():
        MODEL_REGISTRY.pop(name, None)  # each test module that imports these fixtures has its own


def register(folder: Path) -> None:
    """For as long as this process lives, or until they are taken out again. Other processes do it for themselves."""
    from splatcam.estimators.da3_loading import quiet_da3

    with quiet_da3():
        from depth_anything_3.registry import MODEL_REGISTRY
    for name, architecture in _architectures().items():
        path = folder / f"{name}.yaml"
        path.write_text(json.dumps(architecture))  # JSON is YAML
        MODEL_REGISTRY[name] = str(path)


@pytest.fixture(scope="session")
def tiny_folder(da3_registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """config.json and model.safetensors of a tiny DA3 with a Gaussian head."""
    return write_model(TINY, tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="session")
def metric_folder(da3_registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """... of a tiny DA3METRIC: no camera, no confidence, a sky head."""
    return write_model(METRIC, tmp_path_factory.mktemp("weights") / "metric")


@pytest.fixture(scope="session")
def nested_folder(da3_registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """... of a tiny DA3NESTED."""
    return write_model(NESTED, tmp_path_factory.mktemp("weights") / "nested")


def make_net(name: str, seed: int = SEED) -> nn.Module:
    """The network, built by DA3 itself, with steered random weights."""
    from splatcam.estimators.da3_loading import build_architecture, quiet_da3

    torch.manual_seed(seed)
    with quiet_da3():
        net = build_architecture(name, Path("."))
    for part in (net, getattr(net, "da3", None), getattr(net, "da3_metric", None)):
        if part is not None:
            _steer(part)
    return net.eval()


def _steer(net: nn.Module) -> None:
    camera, head = getattr(net, "cam_dec", None), getattr(net, "head", None)
    with torch.no_grad():
        if camera is not None:
            camera.fc_fov[0].bias.copy_(torch.tensor([0.75, 0.95]))  # radians, height and width
            camera.fc_qvec.bias.copy_(torch.tensor([0.05, -0.12, 0.03, 1.0]))  # xyzw, about 15 degrees
            camera.fc_t.bias.copy_(torch.tensor([0.3, -0.2, 0.1]))
        if hasattr(getattr(head, "scratch", None), "sky_output_conv2"):
            head.scratch.sky_output_conv2[-1].bias.fill_(-1.0)


def write_model(name: str, folder: Path, seed: int = SEED) -> Path:
    """As `DepthAnything3.save_pretrained` does: keys start with `model.`, shared tensors are stored once."""
    from safetensors.torch import save_model

    folder.mkdir(parents=True)
    holder = nn.Module()
    holder.model = make_net(name, seed)
    save_model(holder, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps({"model_name": name}))
    return folder
