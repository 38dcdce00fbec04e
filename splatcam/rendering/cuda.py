"""Pictures on a CUDA device, by gsplat (Ye et al. 2024): our values in its words, nothing more.

Needs gsplat (the extra `gsplat`), which compiles its kernels at the first picture where it came without them.
It differs from `reference.py` by less than is seen: it caps alpha at 0.999, so opacities are capped before; and the
Gaussian that would close a pixel is not drawn, which leaves up to 0.01 of what is behind.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
import torch
from gsplat.rendering import rasterization
from torch import Tensor

from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering import BLACK, BLUR_PX2, MAX_ALPHA, Color, Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.reference import Filter

DEVICE = "cuda"


class CudaRasterizer:
    """See Rasterizer."""

    name = "cuda"

    def __init__(self, filter: Filter = "classic") -> None:
        self.filter = filter
        self._device = torch.device(DEVICE)

    def warm_up(self) -> None:
        """Loads or compiles gsplat's kernels; raises what they raise where they cannot run."""
        one = torch.ones(1, 3)
        self.render(Gaussians(one, one, torch.ones(1, 4), one[0, :1], one[None]), Camera.pinhole(8, 8, 60))

    @torch.no_grad()
    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        drawn = _finite(gaussians.to(self._device))
        if drawn.count == 0:  # gsplat wants one at least
            return _image(torch.zeros(camera.height, camera.width, 5), background)
        planes, alphas, _ = rasterization(
            means=drawn.means,
            quats=drawn.rotations,
            scales=drawn.scales,
            opacities=drawn.opacities.clamp(max=MAX_ALPHA),
            colors=drawn.sh,
            viewmats=self._tensor(camera.camera_from_world)[None],
            Ks=self._tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])[None],
            width=camera.width,
            height=camera.height,
            near_plane=camera.near,
            eps2d=BLUR_PX2,
            sh_degree=isqrt(drawn.sh.shape[1]) - 1,
            render_mode="RGB+ED",
            rasterize_mode=self.filter,
        )
        return _image(torch.cat((planes[0], alphas[0]), dim=-1), background)

    def _tensor(self, values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=self._device)


def _finite(gaussians: Gaussians) -> Gaussians:
    """Without those that have no place in a picture, see `reference.py`."""
    good = gaussians.rotations.norm(dim=1) > 0
    for name in TENSORS:
        finite = getattr(gaussians, name).isfinite()
        good &= finite.flatten(1).all(dim=1) if finite.ndim > 1 else finite
    return gaussians.select(good)


def _image(planes: Tensor, background: Color) -> Image:
    """[H, W, 5] rgb, depth, alpha → Image."""
    rgb, depth, alpha = planes.cpu().split((3, 1, 1), dim=-1)
    over = (rgb + (1 - alpha) * torch.tensor(background)).clamp(0, 1)
    return Image(over.numpy(), depth[..., 0].contiguous().numpy(), alpha[..., 0].contiguous().numpy())
