"""Linear light → what a webcam delivers: lens, exposure, white balance, curve, noise, sharpening, JPEG.

Batched and seeded by a generator on the pictures' device. Knows no scene but the depth, for what is out of focus.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

Q_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
BLOCK_PX = 8


class Faults:
    """Draws from one generator; [B, 3, H, W] in, [B, 3, H, W] out."""

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self._generator = generator
        self._device = device

    def develop(self, light: Tensor, depth: Tensor) -> Tensor:
        """Linear light and depth [B, H, W] → picture in 0..1."""
        picture = self._lens(light, depth)
        picture = self._exposed(picture)
        picture = self._noisy(picture)
        return self._compressed(self._sharpened(picture))

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        """[B, 1, 1, 1]."""
        values = torch.rand(count, 1, 1, 1, generator=self._generator, device=self._device)
        return low + (high - low) * values

    def _normal(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)

    def _some(self, count: int, share: float) -> Tensor:
        return (self._uniform(count, 0, 1) < share).float()

    def _lens(self, light: Tensor, depth: Tensor) -> Tensor:
        """Always a little soft, for a pixel sees more than its middle; out of focus or moving at times."""
        count = len(light)
        soft = blurred(light, 0.6)
        picture = torch.lerp(light, soft, self._uniform(count, 0.6, 1.0))
        picture = torch.lerp(picture, blurred(light, 1.2), self._some(count, 0.2) * self._uniform(count, 0.2, 1))
        nearness = 1 / depth[:, None]
        focus = nearness.flatten(2).quantile(0.8, dim=2)[..., None, None] * self._uniform(count, 0.6, 1.1)
        out_of_focus = ((nearness - focus).abs() * self._uniform(count, 0.2, 1.2)).clamp(max=1)
        picture = torch.lerp(picture, blurred(light, 2.2), out_of_focus * self._some(count, 0.25))
        return torch.lerp(picture, self._moved(picture), self._some(count, 0.15))

    def _moved(self, picture: Tensor) -> Tensor:
        """Motion blur along one direction for the whole batch, of some pixels."""
        way = float(self._uniform(1, 0, math.pi))
        reach = float(self._uniform(1, 0.5, 2.5))
        shifts = [
            torch.roll(picture, (round(math.sin(way) * reach * s), round(math.cos(way) * reach * s)), dims=(2, 3))
            for s in (-1, -0.5, 0, 0.5, 1)
        ]
        return torch.stack(shifts).mean(dim=0)

    def _exposed(self, light: Tensor) -> Tensor:
        """By the mean, as cameras do it, more or less well; then white balance, vignette and a curve."""
        count, _, height, width = light.shape
        mean = light.clamp(max=2).mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
        gain = (self._uniform(count, 0.12, 0.36) / mean) * (0.3 * self._normal((count, 1, 1, 1))).exp()
        balance = (0.07 * self._normal((count, 3, 1, 1))).exp()
        x = torch.linspace(-1, 1, width, device=self._device)
        y = torch.linspace(-1, 1, height, device=self._device)[:, None]
        vignette = 1 - self._uniform(count, 0, 0.35) * (x * x + y * y) / 2
        haze = self._uniform(count, 0, 0.06) * self._some(count, 0.4)
        picture = light * gain * balance * vignette + haze
        power = 1 / self._uniform(count, 1.8, 2.5)
        curve = picture.clamp(min=1e-5) ** power
        shoulder = 1 - torch.exp(-1.6 * curve)
        picture = torch.lerp(curve, shoulder / (1 - math.exp(-1.6)), self._uniform(count, 0, 0.6))
        middle = picture.mean(dim=(1, 2, 3), keepdim=True)
        picture = middle + (picture - middle) * self._uniform(count, 0.9, 1.6)
        grey = picture.mean(dim=1, keepdim=True)
        return torch.lerp(grey, picture, self._uniform(count, 0.6, 1.6)).clamp(0, 1)

    def _noisy(self, picture: Tensor) -> Tensor:
        """Finer and coarser noise, more of it in the dark."""
        count = len(picture)
        level = 0.035 * self._uniform(count, 0, 1) ** 2
        noise = self._normal(picture.shape)
        coarse = blurred(self._normal(picture.shape), 0.8) * 2
        mixed = torch.lerp(noise, coarse, self._uniform(count, 0, 1))
        return picture + level * mixed * (1.3 - picture.detach())

    def _sharpened(self, picture: Tensor) -> Tensor:
        """Halos along edges, as most webcams draw them."""
        amount = self._uniform(len(picture), 0, 1.2) * self._some(len(picture), 0.6)
        return (picture + amount * (picture - blurred(picture, 1.0))).clamp(0, 1)

    def _compressed(self, picture: Tensor) -> Tensor:
        """JPEG's blocks, of a part of the batch."""
        count = len(picture)
        strength = self._uniform(count, 0.1, 1.0) * self._some(count, 0.4)
        rounded = (picture * 255).round() / 255
        return torch.where(strength > 0, through_jpeg(picture, strength.clamp(min=0.1)), rounded).clamp(0, 1)


def blurred(planes: Tensor, sigma_px: float) -> Tensor:
    """Gaussian, [B, C, H, W]."""
    radius = max(1, math.ceil(2 * sigma_px))
    at = torch.arange(-radius, radius + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-(at**2) / (2 * sigma_px**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(planes, (radius, radius, radius, radius), mode="replicate")
    width, height = planes.shape[3], planes.shape[2]
    rows = sum(kernel[i] * padded[:, :, :, i : i + width] for i in range(2 * radius + 1))
    assert isinstance(rows, Tensor)
    result = sum(kernel[i] * rows[:, :, i : i + height] for i in range(2 * radius + 1))
    assert isinstance(result, Tensor)
    return result


@cache
def _cosines(device: torch.device) -> Tensor:
    """The 8-point DCT as a matrix."""
    k = torch.arange(BLOCK_PX, dtype=torch.float32)
    matrix = torch.cos(math.pi * (k[None] + 0.5) * k[:, None] / BLOCK_PX) * math.sqrt(2 / BLOCK_PX)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def through_jpeg(picture: Tensor, strength: Tensor) -> Tensor:
    """The loss of JPEG: DCT, quantisation, and back. `strength` 1 is the standard's example table (quality 50)."""
    luma = picture[:, 0:1] * 0.299 + picture[:, 1:2] * 0.587 + picture[:, 2:3] * 0.114
    planes = torch.cat((luma, picture[:, 2:3] - luma, picture[:, 0:1] - luma), dim=1) * 255
    count, _, height, width = planes.shape
    cosines = _cosines(picture.device)
    blocks = planes.reshape(count, 3, height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX).transpose(3, 4)
    steps = torch.tensor(Q_LUMA, dtype=torch.float32, device=picture.device) * strength[..., None, None]
    weight = torch.tensor([1.0, 1.7, 1.7], device=picture.device)[:, None, None, None, None]
    steps = steps * weight
    spectrum = cosines @ blocks @ cosines.T
    spectrum = (spectrum / steps).round() * steps
    planes = (cosines.T @ spectrum @ cosines).transpose(3, 4).reshape(count, 3, height, width) / 255
    luma, blue, red = planes[:, 0], planes[:, 1] + planes[:, 0], planes[:, 2] + planes[:, 0]
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return torch.stack((red, green, blue), dim=1)
