"""Gaussians or points → the fields of a result message. One file per wire format, one line in the registry.

An encoder takes tensors on any device and copies packed bytes to the host once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from splatcam.gaussians import Gaussians
from splatcam.variants import Variant
from splatcam.wire import Format


@dataclass(frozen=True, eq=False)
class Points:
    """A point cloud, OpenCV axes."""

    positions: Tensor  # [N, 3] f32
    colors: Tensor  # [N, 3] uint8, sRGB

    @property
    def count(self) -> int:
        return self.positions.shape[0]


Fields = dict[str, Any]  # of wire.RESULTS[format], without those that every result has; bytes-like or numbers
Encode = Callable[[Any, Variant], Fields]


def encoder_of(format: Format) -> Encode:
    return _REGISTRY[format]


def _registry() -> dict[Format, Encode]:
    from splatcam.codecs import compact, packed16, ply, points

    return {
        Format.GAUSSIAN_PLY: ply.encode,
        Format.SPLATS16: packed16.encode,
        Format.POINTCLOUD: points.encode,
        Format.COMPACT: compact.encode,
    }


_REGISTRY = _registry()

__all__ = ["Encode", "Fields", "Gaussians", "Points", "encoder_of"]
