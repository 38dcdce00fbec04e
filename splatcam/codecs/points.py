"""Points → the fields of a `pointcloud` message: positions and colours one after the other, 15 bytes a point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from splatcam.codecs.to_host import brought
from splatcam.variants import Variant

if TYPE_CHECKING:
    from splatcam.codecs import Points

POSITION_BYTES = 12  # three float32


def encode(points: Points, variant: Variant) -> dict[str, Any]:
    """`num_points`, `points` (f32 x, y, z, little-endian) and `colors` (u8 r, g, b)."""
    positions = points.positions.contiguous().view(torch.uint8).flatten()
    packed = brought(torch.cat((positions, points.colors.flatten())))  # one copy from the device
    split = POSITION_BYTES * points.count
    return {"num_points": points.count, "points": packed[:split].tobytes(), "colors": packed[split:].tobytes()}
