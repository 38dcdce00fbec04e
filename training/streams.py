"""A scene of the generator before a camera that goes where it is put: exact depth of every frame.

`ProceduralScene(seed).render` takes the place of `splatcam.scenes.render` in the synthetic estimator, in benchmarks and
in tests: one scene with nothing but balls and a box tells little about a room with somebody in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from splatcam.scenes import ORIGIN, Array, Place
from training.generator import Wanted, intrinsics_of, look, pack

MEAN_LIGHT = 0.25  # what the camera makes of a scene's mean, and keeps
CURVE = 1 / 2.2


class ProceduralScene:
    """The scene of a seed. It rests; a camera may move in it."""

    def __init__(self, seed: int) -> None:
        self._packed = pack(Wanted(seed, 1))
        self._gain: float | None = None  # found in the first frame, so that exposure does not tremble

    def render(self, t_s: float, width: int, height: int, camera: Place = ORIGIN) -> tuple[Array, Array, Array]:
        """See `splatcam.scenes.render`. `camera` is in the axes of the scene's own first view; both sides even."""
        packed = replace(self._packed, wanted=replace(self._packed.wanted, size=(width, height)))
        pose = packed.poses[0].clone()
        pose[:, :3, 3] += pose[:, :3, :3] @ torch.tensor(camera)
        light, depth, focal_px = look(packed, pose, torch.Generator().manual_seed(0))
        if self._gain is None:
            self._gain = MEAN_LIGHT / float(light.clamp(max=2).mean().clamp(min=1e-3))
        rgb = ((light[0] * self._gain).clamp(0, 1) ** CURVE * 255).round().to(torch.uint8)
        k = intrinsics_of(focal_px, width, height)[0]
        return np.ascontiguousarray(rgb.permute(1, 2, 0).numpy()), depth[0].numpy(), k.numpy()
