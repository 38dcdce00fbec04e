"""What the Gaussian head says of each pixel, as Gaussians only of those that somebody wants.

The closed form of DA3's adapter (`gs_adapter.py`) for a camera that is the world: no pose, no matrices to invert for
each pixel, no harmonics to turn. Equal to it up to roundings; a quaternion may have the other sign.

Planes of a pixel, in the head's order: 2 of an offset in pixels, 3 of scale, 4 of a quaternion xyzw, 3 x K of
harmonics, and what is added to the depth. DA3 takes that depth for the length of the ray: see `da3.to_gaussians`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from splatcam.gaussians import Gaussians

SMALLEST_SCALE = 1e-6  # of a Gaussian that its depth offset took behind the camera
OFFSET_X, OFFSET_Y = 0, 1
SCALE, QUATERNION_XYZ, QUATERNION_W, HARMONICS = slice(2, 5), slice(5, 8), slice(8, 9), 9
DEPTH_OFFSET = -1
Bands = Literal["all", "dc"]  # of the harmonics
SIZE_PER_PX = 0.1  # a scale of one is a tenth of a pixel's width and height together


@dataclass(frozen=True, eq=False)
class AdapterConstants:
    """Of DA3's adapter."""

    scale_min: float
    scale_max: float
    band_weights: Tensor  # [K] f32, of each harmonic; on the device, for every upload makes the processor wait

    @classmethod
    def of(cls, adapter: Any) -> AdapterConstants | None:
        """None for an adapter that reads its planes in another way."""
        if not (adapter.pred_offset_depth and adapter.pred_offset_xy) or adapter.pred_color:
            return None
        return cls(adapter.gaussian_scale_min, adapter.gaussian_scale_max, adapter.sh_mask)


@dataclass(frozen=True, eq=False)
class HeadGaussians:
    """One Gaussian for each pixel of `grid`, not yet computed. Behaves like Gaussians where pixels are chosen."""

    planes: Tensor  # [C, N] f32
    densities: Tensor  # [N] f32, the opacities of what lies before the camera
    depth: Tensor  # [N] f32, as the head was given it
    intrinsics: Tensor  # [3, 3] f32
    grid: tuple[int, int]
    constants: AdapterConstants
    ratio: Tensor | None = None  # [N], by which each is moved along its ray; None: not
    wider: Tensor | None = None  # [3], by which all are moved away from the axis; None: not
    bands: Bands = "all"
    pixel_index: None = None  # Gaussian i is pixel i

    @property
    def count(self) -> int:
        return self.densities.shape[0]

    @property
    def device(self) -> torch.device:
        return self.densities.device

    @cached_property
    def distance(self) -> Tensor:
        """[N] along the ray, as the head has it: before anything was moved. Negative behind the camera."""
        return self.depth + self.planes[DEPTH_OFFSET]

    @cached_property
    def opacities(self) -> Tensor:
        """[N] in 0..1; 0 behind the camera."""
        return torch.where(self.distance > 0, self.densities, 0.0)

    def numbers(self) -> list[Tensor]:
        """All that the Gaussians depend on."""
        return [self.planes, self.densities]

    def finite(self) -> Tensor:
        """[N] bool."""
        return self.planes.isfinite().all(dim=0) & self.densities.isfinite()

    def dc_only(self) -> HeadGaussians:
        """Without the harmonics that depend on where one looks from."""
        return replace(self, bands="dc")

    def moved(self, ratio: Tensor, wider: Tensor) -> HeadGaussians:
        """Each along its pixel's ray by `ratio` [N], and away from the axis by `wider` [3]."""
        return replace(
            self,
            ratio=ratio if self.ratio is None else self.ratio * ratio,
            wider=wider if self.wider is None else self.wider * wider,
        )

    def select(self, keep: Tensor) -> Gaussians:
        """The Gaussians of the pixels that `keep` ([N] bool, or [M] int64) names."""
        index = keep.nonzero().squeeze(1) if keep.dtype == torch.bool else keep
        planes, distance = self.planes.index_select(1, index), self.distance.index_select(0, index)
        good = distance > 0
        means = self._rays(planes, index) * torch.where(good, distance, 0.0)
        scales = torch.where(good, self._sizes(planes) * distance, SMALLEST_SCALE)
        if self.ratio is not None:
            by = self.ratio.index_select(0, index)
            means, scales = means * by, scales * by
        if self.wider is not None:
            means, scales = means * self.wider[:, None], scales * self.wider[:2].mean()
        return Gaussians(
            means=means.T,
            scales=scales.T,
            rotations=F.normalize(torch.cat((planes[QUATERNION_W], planes[QUATERNION_XYZ])), dim=0).T,
            opacities=self.opacities.index_select(0, index).clamp(0, 1),
            sh=self._harmonics(planes),
            grid=self.grid,
            pixel_index=index,
        )

    def everything(self) -> Gaussians:
        """Of all pixels."""
        return replace(self.select(torch.arange(self.count, device=self.device)), pixel_index=None)

    def _rays(self, planes: Tensor, index: Tensor) -> Tensor:
        """[3, M] of unit length: through the middle of the pixel, moved by the head's offset."""
        k, width = self.intrinsics, self.grid[1]
        row = torch.div(index, width, rounding_mode="floor")
        x = (index - row * width + 0.5 + planes[OFFSET_X] - k[0, 2]) / k[0, 0]
        y = (row + 0.5 + planes[OFFSET_Y] - k[1, 2]) / k[1, 1]
        rays = torch.stack((x, y, torch.ones_like(x)))
        return rays / rays.norm(dim=0)

    def _sizes(self, planes: Tensor) -> Tensor:
        """[3, M] standard deviations at a distance of one."""
        low, high = self.constants.scale_min, self.constants.scale_max
        per_distance = SIZE_PER_PX * (1 / self.intrinsics[0, 0] + 1 / self.intrinsics[1, 1])
        return (low + (high - low) * planes[SCALE].sigmoid()) * per_distance

    def _harmonics(self, planes: Tensor) -> Tensor:
        """[M, K, 3]: of each colour all bands in the head, of each band all colours in ours."""
        weights = self.constants.band_weights
        bands = len(weights)
        if self.bands == "dc":
            return planes[HARMONICS : HARMONICS + 3 * bands : bands].T[:, None].contiguous()
        by_color = planes[HARMONICS : HARMONICS + 3 * bands].unflatten(0, (3, bands)) * weights[:, None]
        return by_color.permute(2, 1, 0).contiguous()
