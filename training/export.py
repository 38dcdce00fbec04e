"""A trained network → what is kept of it: normalisation folded, float16, safetensors; and ONNX for other runtimes.

python -m training.export CHECKPOINT SAFETENSORS [--onnx FILE]        (--onnx needs the extra `train`)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from splatcam.estimators.depth_net import DepthNet, load

ONNX_SIZE = 192, 144  # width, height
ONNX_OPSET = 20
MOST_OFF = 1e-3  # of ln disparity
LICENCE = "Apache-2.0"


def trained_net() -> DepthNet:
    """The network while it learns. At first the four pixels of a cell get one answer, so that no chequers are learned
    away (Aitken et al. 2017)."""
    net = DepthNet(nn.BatchNorm2d)
    for values in (net.tell.weight, net.tell.bias):
        assert values is not None
        values.data = values.data[:1].expand_as(values).clone()
    return net


def folded(net: DepthNet) -> DepthNet:
    """The same answers without normalisation, as those of a network that does not learn any more."""
    values = dict(net.state_dict())
    for name, module in net.named_modules():
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            weight, bias, gain, shift, mean, variance = (
                values[f"{name}.{key}"]
                for key in ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
            )
            gain = gain / (variance + module[1].eps).sqrt()
            values[f"{name}.0.weight"] = weight * gain[:, None, None, None]
            values[f"{name}.0.bias"] = (bias - mean) * gain + shift
    kept = DepthNet()
    kept.load_state_dict({name: values[name].detach() for name in kept.state_dict()})
    return kept.eval()


def save(net: DepthNet, path: Path, steps: int) -> None:
    """`net` folded already, after so many steps. Raises ValueError for what float16 cannot hold."""
    half: dict[str, Tensor] = {name: value.to(torch.float16).contiguous() for name, value in net.state_dict().items()}
    lost = [name for name, value in half.items() if not bool(value.isfinite().all())]
    if lost:
        raise ValueError(f"{len(lost)} tensors are no numbers in float16, the first is {lost[0]}")
    save_file(half, path, metadata={"licence": LICENCE, "steps": str(steps)})
    path.chmod(0o644)  # safetensors writes for the owner alone, and wheels keep that


def save_onnx(net: DepthNet, path: Path) -> None:
    """[1, 3, H, W] → [1, H, W] at ONNX_SIZE."""
    picture = torch.rand(1, 3, ONNX_SIZE[1], ONNX_SIZE[0])
    torch.onnx.export(
        net, (picture,), str(path), input_names=["picture"], output_names=["ln_disparity"],
        opset_version=ONNX_OPSET, dynamo=True, external_data=False,
    )  # fmt: skip


def off_in_onnxruntime(net: DepthNet, path: Path) -> float:
    """The largest difference of ln disparity between torch and onnxruntime, on noise."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    picture = torch.rand(1, 3, ONNX_SIZE[1], ONNX_SIZE[0], generator=torch.Generator().manual_seed(0))
    (theirs,) = session.run(None, {"picture": picture.numpy()})
    with torch.inference_mode():
        return float((net(picture) - torch.from_numpy(theirs)).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("safetensors", type=Path)
    parser.add_argument("--onnx", type=Path)
    given = parser.parse_args()
    checkpoint = torch.load(given.checkpoint, map_location="cpu", weights_only=True)
    net = trained_net()
    net.load_state_dict(checkpoint["average"])
    save(folded(net), given.safetensors, checkpoint["step"])
    if given.onnx:
        net = load(given.safetensors)
        save_onnx(net, given.onnx)
        off = off_in_onnxruntime(net, given.onnx)
        print(f"onnxruntime differs by {off:.1e} at most")
        if off > MOST_OFF:
            raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
