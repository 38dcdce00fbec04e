"""Gaussians to test with. No randomness that is not seeded."""

from __future__ import annotations

import math
from itertools import product

import torch
from hypothesis import strategies as st
from torch import Tensor

from gsply_helpers import dc_from_rgb
from splatcam.gaussians import Gaussians


def depth_image(height: int, width: int, seed: int = 0) -> Tensor:
    """[H, W] f32: hills between 1 and 4, a little rough, no two values alike to speak of."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    rough = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    return 2.5 + torch.sin(7 * x) + 0.5 * torch.cos(5 * y) + 0.02 * rough


def pixel_cloud(height: int, width: int, coefficients: int = 1, seed: int = 0) -> Gaussians:
    """One Gaussian for each pixel of a grid, with values as a camera's frame has them, none of them saturated."""
    make = torch.Generator().manual_seed(seed)
    count = height * width
    depth = depth_image(height, width, seed)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rays = torch.stack(((x + 0.5 - width / 2) / width, (y + 0.5 - height / 2) / width, torch.ones_like(depth)), -1)
    rotations = torch.randn(count, 4, generator=make)
    sh = 0.1 * torch.randn(count, coefficients, 3, generator=make)
    sh[:, 0] = dc_from_rgb(torch.rand(count, 3, generator=make))
    return Gaussians(
        means=(rays * depth[..., None]).reshape(-1, 3),
        scales=torch.exp(torch.randn(count, 3, generator=make) - 5),
        rotations=rotations / rotations.norm(dim=1, keepdim=True),
        opacities=0.02 + 0.97 * torch.rand(count, generator=make),
        sh=sh,
        grid=(height, width),
    )


def awkward_cloud() -> Gaussians:
    """Values at and beyond the edges of what the formats hold: axes, half turns, signed zeros, saturated everything."""
    parts = (0.0, -0.0, 1e-9, -1e-9, 1e-5, -1e-5, 0.3, -0.3, 1.0, -1.0)
    rotations = torch.tensor([q for q in product(parts, repeat=4) if max(map(abs, q)) > 0.2])
    count = len(rotations)
    make = torch.Generator().manual_seed(1)
    scales = torch.tensor([1e-20, 1e-13, 6.1e-6, 6.2e-6, 1e-5, 1.0, 8000.0, 8200.0, 1e6])
    opacities = torch.tensor([0.0, 1e-7, 0.5, 0.999, 1.0])
    return Gaussians(
        means=10 * torch.randn(count, 3, generator=make),
        scales=scales[torch.randint(len(scales), (count, 3), generator=make)],
        rotations=rotations / rotations.norm(dim=1, keepdim=True),
        opacities=opacities[torch.randint(len(opacities), (count,), generator=make)],
        sh=3 * torch.randn(count, 1, 3, generator=make),
    )


def _floats(smallest: float, largest: float) -> st.SearchStrategy[float]:
    return st.floats(smallest, largest, width=32, allow_subnormal=False)


_quaternions = st.lists(_floats(-1, 1), min_size=4, max_size=4).filter(lambda q: max(map(abs, q)) > 0.125)


@st.composite
def gaussians(draw: st.DrawFn, max_count: int = 8) -> Gaussians:
    """Any valid Gaussians without a grid, zero of them included."""
    count = draw(st.integers(0, max_count))
    coefficients = draw(st.sampled_from((1, 4, 9, 16)))

    def tensor(values: st.SearchStrategy[float], *shape: int) -> Tensor:
        size = count * math.prod(shape)
        numbers = draw(st.lists(values, min_size=size, max_size=size))
        return torch.tensor(numbers, dtype=torch.float32).view(count, *shape)

    quaternions = draw(st.lists(_quaternions, min_size=count, max_size=count))
    rotations = torch.tensor(quaternions, dtype=torch.float32).view(count, 4)
    return Gaussians(
        means=tensor(_floats(-1000, 1000), 3),
        scales=tensor(_floats(2.0**-30, 2.0**20), 3),
        rotations=rotations / rotations.norm(dim=1, keepdim=True),
        opacities=tensor(_floats(0, 1)),
        sh=tensor(_floats(-4, 4), coefficients, 3),
    )
