"""Gaussians → the planes of `shape` in a `compact` message of level C, and back: 9 bytes a splat before deflate.

Planes of one byte for every splat, in the order of the splats. All but the opacity are signed, b / per_unit:

    0        opacity, b / 255 of the message's
    1 2 3    ln of a scale in pixels of the window: scale fx / (z stride)
    4 5 6    x, y, z of p = (x, y, z) / (1 + w), the rotation as the quaternion wxyz with w >= 0
    7 8      x and y of the mean in pixels of the window, from the middle of its own pixel

so that none of them depends on how far away a splat is, and all change slowly over a surface. p ("modified Rodrigues
parameters") has steps of an even size on the sphere of rotations, which x, y, z alone have not: there a half turn is
off by ten degrees. Each plane travels as differences to the splat before, modulo 256.

The steps bound the errors: an opacity OPACITY_BOUND, ln of a scale LN_SCALE_BOUND, a rotation TURN_BOUND_RAD, a place
OFFSET_BOUND_PX. They are as coarse as pictures allow: each costs less than the JPEG of the colours. What is out of a
byte's range is moved to its end: scales beyond e^±16 pixels, and means 16 pixels away from their own.

Knows neither deflate nor messages.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatcam.network_splats import NetworkSplats
from splatcam.pixel_splats import Window

PLANES = 9
OPACITY_STEPS = 51  # bytes 0, 5, 10 … 255: a decoder takes all of them
LN_SCALE_PER_UNIT = 8
TURN_PER_UNIT = 64
OFFSET_PER_PX = 8

OPACITY_BOUND = 0.5 / OPACITY_STEPS
LN_SCALE_BOUND = 0.5 / LN_SCALE_PER_UNIT
TURN_BOUND_RAD = 4 * math.asin(math.sqrt(3) * 0.5 / TURN_PER_UNIT)  # 3.1 degrees; about 1 is usual
OFFSET_BOUND_PX = 0.5 / OFFSET_PER_PX

Array = np.ndarray[Any, Any]


def encode_planes(splats: NetworkSplats) -> Tensor:
    """[9, N] uint8: differences. One column at a time, as in packed16."""
    gaussians, window = splats.gaussians, splats.window
    x, y, z = gaussians.means.unbind(1)
    width, height = window.focal_px.tolist()
    planes = torch.empty((PLANES, splats.count), dtype=torch.uint8, device=gaussians.device)
    planes[0] = gaussians.opacities.mul(OPACITY_STEPS).round_().clamp_(0, OPACITY_STEPS).mul_(255 // OPACITY_STEPS)
    signed = planes.view(torch.int8)
    per_px = width / z
    for axis in range(3):
        signed[1 + axis] = _steps((gaussians.scales[:, axis] * per_px).log_(), LN_SCALE_PER_UNIT)
    w = gaussians.rotations[:, 0]
    per_part = torch.copysign(w.abs().add_(1).reciprocal_(), w)
    for axis in range(3):
        signed[4 + axis] = _steps(gaussians.rotations[:, 1 + axis] * per_part, TURN_PER_UNIT)
    u, v = _rays(window, splats.kept)
    signed[7] = _steps((x / z).sub_(u), OFFSET_PER_PX * width)
    signed[8] = _steps((y / z).sub_(v), OFFSET_PER_PX * height)
    differences = planes.clone()
    differences[:, 1:] -= planes[:, :-1]
    return differences


def _steps(values: Tensor, per_unit: float) -> Tensor:
    """In place: the nearest whole numbers of steps that fit a byte."""
    return values.mul_(per_unit).round_().clamp_(-128, 127)


def _rays(window: Window, kept: Tensor | None) -> tuple[Tensor, Tensor]:
    """x / z and y / z of the rays of the kept pixels, [N] each."""
    shape = len(window.rows), len(window.columns)
    u, v = window.u.expand(shape), window.v.expand(shape)
    return (u.reshape(-1), v.reshape(-1)) if kept is None else (u[kept], v[kept])


def decode_planes(
    differences: Array, depth: Tensor, window: Window, kept: Tensor | None, opacity: float
) -> dict[str, Tensor]:
    """[9 N] uint8 and z of the means [N] → means, scales, rotations and opacities as in Gaussians."""
    planes = differences.reshape(PLANES, -1).cumsum(axis=1, dtype=np.uint8)
    signed = torch.from_numpy(planes.view(np.int8).astype(np.float32))
    u, v = _rays(window, kept)
    width, height = window.focal_px
    x, y = (u + signed[7] / (OFFSET_PER_PX * width)) * depth, (v + signed[8] / (OFFSET_PER_PX * height)) * depth
    p = signed[4:7] / TURN_PER_UNIT
    squared = (p * p).sum(dim=0)
    return {
        "means": torch.stack((x, y, depth), dim=1),
        "scales": ((signed[1:4] / LN_SCALE_PER_UNIT).exp() * (depth / width)).T.contiguous(),
        "rotations": (torch.stack((1 - squared, *(2 * p))) / (1 + squared)).T.contiguous(),
        "opacities": torch.from_numpy(planes[0].astype(np.float32)) * (opacity / 255),
    }
