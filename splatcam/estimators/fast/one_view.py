"""One forward pass for frames that each are a scene of one view: pictures → what the heads say, nothing solved.

Calls the parts of `DepthAnything3Net` in its own order, and leaves out what a live frame does not need: poses, known
cameras, auxiliary features. Nothing here waits for the device, so that the pass can be recorded as a graph. Fixed
sizes in, fixed sizes out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

PIXEL_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, as DA3's input processor has them
PIXEL_STD = (0.229, 0.224, 0.225)
SMALLEST_TANGENT = 1e-6  # of half a field of view, as DA3 has it
HEIGHT_ANGLE, WIDTH_ANGLE = 7, 8  # where the camera's encoding has its fields of view
# float32: as DA3 runs its heads; half: under autocast like the backbone, but for each head's last convolutions.
HeadPrecision = Literal["float32", "half"]


@dataclass(frozen=True, eq=False)
class Raw:
    """What the network says about B frames. Tensors of the device, of float32."""

    depth: Tensor  # [B, H, W]
    confidence: Tensor  # [B, H, W]
    intrinsics: Tensor  # [B, 3, 3], as predicted: not kept in bounds
    planes: Tensor | None = None  # [B, C, H, W], what the Gaussian head says of each pixel, see `head_gaussians.py`
    densities: Tensor | None = None  # [B, H, W]

    def tensors(self) -> tuple[Tensor, ...]:
        """Those that there are."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if value is not None)

    def frame(self, number: int) -> Raw:
        """One of the batch, with a batch axis of one."""
        return Raw(*(tensor[number : number + 1] for tensor in self.tensors()))


def can_be_called_so(net: Any) -> bool:
    """The any-view networks: with a camera decoder, and a head that gives depth and confidence."""
    return getattr(net, "cam_dec", None) is not None and hasattr(net, "backbone")


class OneView(nn.Module):
    """The pass. Holds the network's constants on its device."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: Any, heads: HeadPrecision = "float32") -> None:
        super().__init__()
        self.net = net
        self._heads = heads
        if heads == "half":
            for head in (net.head, getattr(net, "gs_head", None)):
                if head is not None:
                    _keep_last_convolutions_precise(head)
        device = next(net.parameters()).device
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN, device=device), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD, device=device), persistent=False)

    def forward(self, images: Tensor, wants_gaussians: bool) -> Raw:
        """`images` [B, H, W, 3] uint8 on the device, sides multiples of 14. Under the caller's autocast."""
        height, width = images.shape[1:3]
        x = self.normalised(images)
        stages, _ = self.net.backbone(x[:, None], cam_token=None, export_feat_layers=[])
        feats = [stage[0].flatten(0, 1) for stage in stages]
        with self._precision_of_heads(x.device):
            depth = self.net.head._forward_impl(feats, height, width, 0)
            gaussians = self.net.gs_head._forward_impl(feats, height, width, 0, x) if wants_gaussians else None
        with torch.autocast(x.device.type, enabled=False):
            angles = self.net.cam_dec(stages[-1][1])[:, 0, HEIGHT_ANGLE : WIDTH_ANGLE + 1]
            intrinsics = intrinsics_of(angles, (height, width))
        known = (depth["depth"].float(), depth["depth_conf"].float(), intrinsics)
        if gaussians is None:
            return Raw(*known)
        return Raw(*known, gaussians["raw_gs"].float().permute(0, 3, 1, 2), gaussians["raw_gs_conf"].float())

    def normalised(self, images: Tensor) -> Tensor:
        """[B, H, W, 3] uint8 → [B, 3, H, W] f32."""
        return ((images.float() / 255 - self.mean) / self.std).permute(0, 3, 1, 2).contiguous()

    def _precision_of_heads(self, device: torch.device) -> torch.autocast:
        dtype = torch.get_autocast_dtype(device.type)
        return torch.autocast(device.type, dtype=dtype, enabled=self._heads == "half")


def intrinsics_of(angles: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, 2] fields of view in radians, vertical and horizontal → [B, 3, 3], the principal point in the middle."""
    intrinsics = angles.new_zeros(len(angles), 3, 3)
    for axis, side_px in ((1, size[0]), (0, size[1])):
        tangent = torch.clamp(torch.tan(angles[:, 1 - axis] / 2.0), SMALLEST_TANGENT)
        intrinsics[:, axis, axis] = (side_px / 2.0) / tangent
        intrinsics[:, axis, 2] = side_px / 2
    intrinsics[:, 2, 2] = 1.0
    return intrinsics


def _keep_last_convolutions_precise(head: Any) -> None:
    """Depth is the exponential of what the last ones give: eight bits of it would be seen as steps."""
    last = head.scratch.output_conv2
    head.scratch.output_conv2 = _Precise(last)


class _Precise(nn.Module):
    """A module outside of autocast."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.module(x.float())
