"""Gaussians + camera → picture. One file per rasterizer, one contract, one registry (`rasterizers.py`).

Conventions of 3D Gaussian splatting (Kerbl et al. 2023), the same in every rasterizer: covariances are projected with
the Jacobian at the mean, whose x / z and y / z are first brought within LIMIT_FOV times the field of view (EWA, Zwicker
2001); 0.3 pixels² are added to the variance; a Gaussian's weight is opacity · exp(-d² / 2) at pixel centres (+0.5),
at most 0.99, nothing below 1/255; front to back by the depth of the mean, until less than 1e-4 shines through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from splatcam.rendering.camera import Camera

if TYPE_CHECKING:  # the server's process shades and answers, and imports no torch
    from splatcam.gaussians import Gaussians

BLUR_PX2 = 0.3  # added to the variance of every Gaussian on the screen
MAX_ALPHA = 0.99
MIN_ALPHA = 1 / 255
MIN_TRANSMITTANCE = 1e-4
LIMIT_FOV = 1.3  # of the field of view: beyond it the Jacobian is taken at its edge

Color = tuple[float, float, float]  # sRGB, 0 to 1
BLACK: Color = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture and what is behind it."""

    rgb: np.ndarray[Any, Any]  # [H, W, 3] f32, 0..1, display-referred sRGB, over the background
    depth: np.ndarray[Any, Any]  # [H, W] f32, z along the optical axis weighted by alpha; 0 where nothing is
    alpha: np.ndarray[Any, Any]  # [H, W] f32, 0..1

    def rgb8(self) -> np.ndarray[Any, Any]:
        """[H, W, 3] uint8."""
        return np.round(self.rgb * 255).clip(0, 255).astype(np.uint8)


class Rasterizer(Protocol):
    """One way to draw. May keep memory between calls; calls come one at a time."""

    name: str

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        """All Gaussians in front of the camera. None at all gives the background, with depth and alpha 0."""
        ...
