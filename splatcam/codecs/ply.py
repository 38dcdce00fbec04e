"""Gaussians → the fields of a `gaussian_ply` message. The file itself is written by gsply_helpers."""

from __future__ import annotations

from typing import Any

from gsply_helpers import encode_gaussian_ply
from splatcam.gaussians import Gaussians
from splatcam.variants import Variant


def encode(gaussians: Gaussians, variant: Variant) -> dict[str, Any]:
    """`num_splats` and `ply_data`, which is empty for no Gaussians: many readers refuse a file of 0 vertices."""
    if gaussians.count == 0:
        return {"num_splats": 0, "ply_data": b""}
    ply_data = encode_gaussian_ply(gaussians, sh=variant.sh, ply_fields=variant.ply)
    return {"num_splats": gaussians.count, "ply_data": ply_data}
