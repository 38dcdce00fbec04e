"""gsplat's `rasterization` where there is no GPU: its signature, its checks of shapes, the reference's pictures.

So that what `splatcam.rendering.cuda` asks of gsplat 1.5 is checked on every machine; only the parameters that we use.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from splatcam.gaussians import Gaussians
from splatcam.rendering.camera import Camera
from splatcam.rendering.reference import ReferenceRasterizer


def rasterization(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, K, 3] where there is a degree
    viewmats: Tensor,  # [C, 4, 4] camera_from_world
    Ks: Tensor,  # [C, 3, 3]
    width: int,
    height: int,
    near_plane: float = 0.01,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    render_mode: Literal["RGB", "D", "ED", "RGB+D", "RGB+ED"] = "RGB",
    rasterize_mode: Literal["classic", "antialiased"] = "classic",
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    count = len(means)
    assert count > 0
    assert means.shape == (count, 3) and quats.shape == (count, 4) and scales.shape == (count, 3)
    assert opacities.shape == (count,) and viewmats.shape == (1, 4, 4) and Ks.shape == (1, 3, 3)
    assert sh_degree is not None and colors.ndim == 3 and (sh_degree + 1) ** 2 <= colors.shape[-2]
    assert all(t.dtype == torch.float32 for t in (means, quats, scales, opacities, colors, viewmats, Ks))
    assert eps2d == 0.3 and render_mode == "RGB+ED"
    fx, fy, cx, cy = (float(Ks[0, row, column]) for row, column in ((0, 0), (1, 1), (0, 2), (1, 2)))
    pose = np.linalg.inv(viewmats[0].double().numpy())
    camera = Camera(pose, fx, fy, cx, cy, width, height, near_plane)
    scene = Gaussians(means, scales, quats, opacities, colors[:, : (sh_degree + 1) ** 2])
    image = ReferenceRasterizer(rasterize_mode).render(scene, camera)
    planes = np.concatenate((image.rgb, image.depth[..., None]), axis=-1)
    return torch.from_numpy(planes)[None], torch.from_numpy(image.alpha[..., None])[None], {}
