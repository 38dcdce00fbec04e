"""The value everything passes on: a set of 3D Gaussians in linear units.

No file format, no logit, no log here; those live in `gsply_helpers` and the codecs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

SH_COEFFICIENTS = (1, 4, 9, 16)  # K for degrees 0 to 3


class InvalidGaussians(ValueError):
    """A tensor has the wrong shape, type or content; the message names it."""


class PixelGaussians(Protocol):
    """One Gaussian for each pixel of a grid, computed or not: those that are chosen are."""

    @property
    def grid(self) -> tuple[int, int] | None: ...

    @property
    def pixel_index(self) -> Tensor | None: ...

    @property
    def count(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def opacities(self) -> Tensor: ...

    def select(self, keep: Tensor) -> Gaussians:
        """Those that `keep` ([N] bool, or [M] int64 indices) names, in that order."""
        ...

    def everything(self) -> Gaussians: ...

    def dc_only(self) -> Self:
        """Without the harmonics that depend on where one looks from."""
        ...

    def moved(self, ratio: Tensor, wider: Tensor) -> Self:
        """Each along its pixel's ray by `ratio` [N], and away from the axis by `wider` [3], x, y and z."""
        ...

    def numbers(self) -> list[Tensor]:
        """All that they depend on."""
        ...

    def finite(self) -> Tensor:
        """[N] bool: those of which all numbers are finite."""
        ...


@dataclass(frozen=True, eq=False)
class Gaussians:
    """N Gaussians, float32, all on one device.

    Frame of reference: OpenCV (x right, y down, z forward), camera at the origin. Length unit: the estimator's
    (metres where it is metric). Colour follows the 3D Gaussian splatting convention: for K = 1,
    `rgb = 0.5 + SH_C0 * sh[:, 0]`, display-referred sRGB.

    `grid` and `pixel_index` keep what makes our Gaussians special: each belongs to one pixel of the estimated image.
    """

    means: Tensor  # [N, 3]
    scales: Tensor  # [N, 3] standard deviations, > 0
    rotations: Tensor  # [N, 4] unit quaternions, wxyz
    opacities: Tensor  # [N] in 0..1
    sh: Tensor  # [N, K, 3] spherical harmonics, K in SH_COEFFICIENTS, DC first
    grid: tuple[int, int] | None = None  # (height, width) of the image the Gaussians come from
    pixel_index: Tensor | None = None  # [N] int64, y * width + x; None with a grid: Gaussian i is pixel i

    @property
    def count(self) -> int:
        return self.means.shape[0]

    @property
    def sh_degree(self) -> int:
        return SH_COEFFICIENTS.index(self.sh.shape[1])

    @property
    def device(self) -> torch.device:
        return self.means.device

    def select(self, keep: Tensor) -> Gaussians:
        """The Gaussians that `keep` ([N] bool, or [M] int64 indices) names, in that order."""
        index = keep.nonzero().squeeze(1) if keep.dtype == torch.bool else keep
        pixel_index = self.pixel_index
        if pixel_index is not None:
            pixel_index = pixel_index.index_select(0, index)
        elif self.grid is not None:
            pixel_index = index
        chosen = {name: getattr(self, name).index_select(0, index) for name in TENSORS}
        return replace(self, **chosen, pixel_index=pixel_index)

    def everything(self) -> Gaussians:
        return self

    def dc_only(self) -> Self:
        """Without the harmonics that depend on where one looks from."""
        return replace(self, sh=self.sh[:, :1])

    def moved(self, ratio: Tensor, wider: Tensor) -> Self:
        """Each along its pixel's ray by `ratio` [N], and away from the axis by `wider` [3], x, y and z.

        Sizes follow the ratio and the mean of `wider` in x and y, which hardly differ: orientations stay.
        """
        by = ratio[:, None]
        return replace(self, means=self.means * by * wider, scales=self.scales * by * wider[:2].mean())

    def numbers(self) -> list[Tensor]:
        return [getattr(self, name) for name in TENSORS]

    def finite(self) -> Tensor:
        """[N] bool: those of which all numbers are finite."""
        rows = [tensor.reshape(self.count, -1).isfinite().all(dim=1) for tensor in self.numbers()]
        return torch.stack(rows).all(dim=0)

    def to(self, device: torch.device | str) -> Gaussians:
        moved = {name: getattr(self, name).to(device) for name in TENSORS}
        pixel_index = None if self.pixel_index is None else self.pixel_index.to(device)
        return replace(self, **moved, pixel_index=pixel_index)

    def validate(self) -> Gaussians:
        """Self, or InvalidGaussians that names the tensor, the fault and the first bad index."""
        n = self.count
        shapes = {"means": (n, 3), "scales": (n, 3), "rotations": (n, 4), "opacities": (n,)}
        for name, shape in shapes.items():
            _require(
                tuple(getattr(self, name).shape) == shape,
                name,
                f"has shape {tuple(getattr(self, name).shape)}, not {shape}",
            )
        sh = tuple(self.sh.shape)
        _require(len(sh) == 3 and sh[0] == n and sh[1] in SH_COEFFICIENTS and sh[2] == 3, "sh", f"has shape {sh}")
        for name in TENSORS:
            tensor = getattr(self, name)
            _require(tensor.dtype == torch.float32, name, f"is {tensor.dtype}, not float32")
            _require_all(tensor.isfinite(), name, "not finite")
        _require_all(self.scales > 0, "scales", "not positive")
        _require_all((self.opacities >= 0) & (self.opacities <= 1), "opacities", "outside 0..1")
        _require_all((self.rotations.norm(dim=1) - 1).abs() < 1e-3, "rotations", "not of unit length")
        return self


TENSORS = ("means", "scales", "rotations", "opacities", "sh")


def _require(condition: bool, name: str, fault: str) -> None:
    if not condition:
        raise InvalidGaussians(f"{name} {fault}")


def _require_all(good: Tensor, name: str, fault: str) -> None:
    rows = good.flatten(1).all(dim=1) if good.ndim > 1 else good
    if not bool(rows.all()):
        bad = (~rows).nonzero().squeeze(1)
        raise InvalidGaussians(f"{name} has {len(bad)} Gaussians that are {fault}, the first at index {int(bad[0])}")
