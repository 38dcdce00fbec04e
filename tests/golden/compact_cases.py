"""The golden `compact` messages: surfaces small enough to look at, and what the reference decoder makes of them.

NAME.msgpack is the message, NAME.rgb the colours of its window (so that no JPEG decoder has a say), NAME.words Spark's
words of the splats. Another build of deflate makes other bytes, so what is compared is what they inflate to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatcam import wire
from splatcam.codecs import compact, packed16
from splatcam.estimators import Prediction
from splatcam.pixel_splats import pixel_surface
from splatcam.prune import PruneOptions
from splatcam.variants import Variant

FOLDER = Path(__file__).resolve().parent / "compact"
FOCAL_PX = 40.0


def _variant(depth_bits: wire.DepthBits = 10, **wishes: Any) -> Variant:
    return Variant(wire.Format.COMPACT, "pixel", depth_bits=depth_bits, **wishes)


@dataclass(frozen=True)
class CompactCase:
    """`depth` of the rays' u and v, both [height, width] → [height, width] f32."""

    depth: Callable[[Tensor, Tensor], Tensor]
    grid: tuple[int, int] = (28, 42)
    variant: Variant = _variant()
    border_fraction: float = PruneOptions.border_fraction

    def prediction(self) -> Prediction:
        height, width = self.grid
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        intrinsics = torch.tensor([[FOCAL_PX, 0, width / 2], [0, FOCAL_PX * 1.125, height / 2], [0, 0, 1]])
        u, v = ((at + 0.5 - intrinsics[i, 2]) / intrinsics[i, i] for i, at in enumerate((x, y)))
        image = torch.stack((x * 255 // (width - 1), 255 - y * 7 % 256, (x // 7 + y // 7) % 2 * 255), dim=2)
        return Prediction(self.depth(u, v), intrinsics, image.to(torch.uint8))


def flat(u: Tensor, v: Tensor) -> Tensor:
    return torch.full_like(u, 2.0)


def slanted(u: Tensor, v: Tensor) -> Tensor:
    return 2 / (1 + 0.9 * u - 0.5 * v)


def steps(u: Tensor, v: Tensor) -> Tensor:
    """A near square before a slope before a far wall; one pixel that is no depth."""
    behind = torch.where(u > 0.25, torch.full_like(u, 6.5), 3 + 1.5 * u)
    depth = torch.where((u.abs() < 0.2) & (v.abs() < 0.15), torch.full_like(u, 0.8), behind)
    depth[5, 7] = torch.nan
    return depth


def waves(u: Tensor, v: Tensor) -> Tensor:
    return 1.5 + 0.4 * torch.sin(9 * u) * torch.cos(7 * v) + 0.3 * u


COMPACT_CASES = {
    "flat_wall": CompactCase(flat),
    "slanted_plane": CompactCase(slanted),
    "steps_with_mask": CompactCase(steps, variant=_variant(max_depth_percentile=0.7)),
    "stride_2": CompactCase(waves, grid=(42, 56), variant=_variant(stride=2)),
    "twelve_bits": CompactCase(waves, variant=_variant(depth_bits=12)),
    "nothing_kept": CompactCase(waves, variant=_variant(min_opacity=1.0)),
    "one_row": CompactCase(slanted, grid=(1, 42), border_fraction=0.0),
}


def compact_fields(case: CompactCase) -> dict[str, Any]:
    """The fields of the case's message, as they leave the codec."""
    return compact.encode(_surface(case), case.variant)


def compact_files() -> dict[str, bytes]:
    """File name → content, for every case."""
    files = {}
    for name, case in COMPACT_CASES.items():
        prediction = case.prediction()
        rgb = _surface(case).window.cut(prediction.image).numpy()
        message = wire.encode(_message(case, prediction))
        words = words_of(wire.decode_server_message(message), rgb)
        files |= {f"{name}.msgpack": message, f"{name}.rgb": rgb.tobytes(), f"{name}.words": words.tobytes()}
    return files


def words_of(fields: dict[str, Any], rgb: np.ndarray) -> np.ndarray:
    """[N, 16] uint8: what the reference makes of a message, without padding."""
    gaussians = compact.decode(fields, rgb)
    words = packed16.pack_words(gaussians)[: gaussians.count].numpy().astype("<i4", copy=False)
    return words.view(np.uint8).reshape(-1, packed16.BYTES_PER_SPLAT)


def _surface(case: CompactCase) -> Any:
    wishes = case.variant
    options = PruneOptions(wishes.min_opacity, wishes.max_depth_percentile, case.border_fraction)
    return pixel_surface(case.prediction(), wishes.stride, options)


def _message(case: CompactCase, prediction: Prediction) -> wire.Compact:
    k = prediction.intrinsics
    return wire.Compact(
        frame_id=7,
        captured_at_ms=1234.5,
        received_at_ms=90_210.25,
        timings_ms={"total": 14.0},
        bounds=None,
        model="builtin",
        intrinsics=(float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])),
        grid=case.grid,
        **compact_fields(case),
    )
