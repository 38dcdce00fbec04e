"""The built-in model's network: a picture in 0..1 → ln disparity on the same grid.

Owns its shape and how its weights are read and kept. Knows no frames, no metres of a camera and no training. A U-Net of
depthwise blocks; attention among the cells of 1/16 of the picture sees the whole. What is kept on disk has its
normalisation folded into the convolutions, in float16.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from splatcam.estimators import EstimatorUnavailable

CELL_PX = 16  # sides of pictures are multiples of it
WIDTHS = (24, 48, 96, 192)  # channels at 1/2, 1/4, 1/8 and 1/16
ENCODER_BLOCKS = (0, 1, 3)
DECODER_BLOCKS = (1, 1, 1)
ATTENTION_BLOCKS = 3
HEADS = 4
MIDDLE = 0.7  # ln disparity of 2 m, negated: what an untrained network answers about
WEIGHTS = Path(__file__).parent / "builtin.safetensors"

Norm = Callable[[int], nn.Module]


class _Block(nn.Module):
    """Depthwise convolution, then two layers over channels, around which the input goes by."""

    def __init__(self, width: int, norm: Norm, kernel_px: int = 5) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, kernel_px, padding=kernel_px // 2, groups=width), norm(width)
        )
        self.wide = nn.Sequential(nn.Conv2d(width, 2 * width, 1), norm(2 * width))
        self.narrow = nn.Sequential(nn.Conv2d(2 * width, width, 1), norm(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.wide(self.spatial(x)), inplace=True))


class _Attention(nn.Module):
    """Every cell looks at every other one."""

    def __init__(self, width: int, norm: Norm) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(width, width, 5, padding=2, groups=width), norm(width))
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.answer = nn.Sequential(nn.Conv2d(width, width, 1), norm(width))
        self.block = _Block(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, rows, columns = x.shape
        asked = self.ask(self.enter(x)).reshape(batch, 3, HEADS, width // HEADS, rows * columns)
        q, k, v = asked.transpose(3, 4).unbind(1)
        seen = F.scaled_dot_product_attention(q, k, v)
        return self.block(x + self.answer(seen.transpose(2, 3).reshape(batch, width, rows, columns)))


def _blocks(count: int, width: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(*(_Block(width, norm) for _ in range(count)))


class DepthNet(nn.Module):
    """[B, 3, H, W] f32 in 0..1, H and W multiples of CELL_PX → ln disparity [B, H, W], disparity in 1/m."""

    def __init__(self, norm: Norm = lambda width: nn.Identity()) -> None:
        super().__init__()
        half, quarter, eighth, deep = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(14, half, 3, padding=1), norm(half))
        self.encode = nn.ModuleList(
            _blocks(count, width, norm) for count, width in zip(ENCODER_BLOCKS, WIDTHS, strict=False)
        )
        self.shrink = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 2, stride=2), norm(b)) for a, b in zip(WIDTHS, WIDTHS[1:], strict=False)
        )
        self.context = nn.Sequential(*(_Attention(deep, norm) for _ in range(ATTENTION_BLOCKS)))
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, a, 1), norm(a)) for a, b in zip(WIDTHS, WIDTHS[1:], strict=False)
        )
        self.decode = nn.ModuleList(
            _blocks(count, width, norm) for count, width in zip(DECODER_BLOCKS, (half, quarter, eighth), strict=True)
        )
        self.tell = nn.Conv2d(half, 4, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        x = torch.cat((F.pixel_unshuffle(picture * 4 - 2, 2), _places(picture)), dim=1)
        x = self.stem(x)
        skips = []
        for encode, shrink in zip(self.encode, self.shrink, strict=True):
            x = encode(x)
            skips.append(x)
            x = shrink(x)
        x = self.context(x)
        for level in reversed(range(len(skips))):
            x = F.interpolate(self.grow[level](x), scale_factor=2.0, mode="bilinear") + skips[level]
            x = self.decode[level](x)
        return F.pixel_shuffle(self.tell(x), 2)[:, 0] - MIDDLE


def _places(picture: Tensor) -> Tensor:
    """Where each pixel is, from the middle and in long sides: [B, 2, H / 2, W / 2]."""
    batch, _, height, width = picture.shape
    long = max(height, width)
    x = (torch.arange(width // 2, device=picture.device, dtype=picture.dtype) * 2 + 1 - width / 2) * (2 / long)
    y = (torch.arange(height // 2, device=picture.device, dtype=picture.dtype) * 2 + 1 - height / 2) * (2 / long)
    return torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x)))).expand(batch, -1, -1, -1)


def load(path: Path = WEIGHTS) -> DepthNet:
    """The network as it is kept, ready to answer. Raises EstimatorUnavailable for a file that cannot be used."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    net = DepthNet()
    try:
        net.load_state_dict({name: values.float() for name, values in load_file(path).items()})
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = str(error).strip().rsplit("\n", 1)[-1].strip()
        raise EstimatorUnavailable(f"the built-in model's {path.name} cannot be used: {reason}") from error
    if not all(bool(values.isfinite().all()) for values in net.parameters()):
        raise EstimatorUnavailable(f"the built-in model's {path.name} is damaged: not all of it are numbers")
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def about(path: Path = WEIGHTS) -> dict[str, str]:
    """What the file says of itself: its licence, and the steps that it was trained for."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata() or {}
