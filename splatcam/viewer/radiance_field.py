"""A radiance field in the viewer: volume rendering of any torch callable, coarse then fine. Knows no network.

NeRF (Mildenhall et al. 2020): the fine pass samples where the coarse one met something. Nothing is random here: the
same camera gives the same picture. Each sample stands for an interval of its ray, and the intervals fill near to far,
so that a constant density is integrated exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatcam.rendering import Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.shading import MODES
from splatcam.rendering.wanted import check_wanted
from splatcam.viewer.viewer import HOST, PORT, Viewer

# points [N, 3], directions [N, 3] of length 1, f32 → colours [N, 3] in 0..1, densities [N] or [N, 1]
Field = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_LEAST_WEIGHT = 1e-5  # of every interval, so that no part of the ray stays unseen
_LEAST_ALPHA = 1e-6


@dataclass(frozen=True)
class Sampling:
    """Where on its ray a field is asked. Distances from the camera, along the ray."""

    near: float = 2.0
    far: float = 6.0
    num_coarse: int = 64
    num_fine: int = 64  # 0: the coarse pass is the picture
    white_background: bool = True
    chunk: int = 16384  # points asked at a time, or one ray's where those are more
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far:
            raise ValueError(f"near {self.near:g} and far {self.far:g} are no interval in front of the camera")
        if self.num_coarse < 1 or self.num_fine < 0 or self.chunk < 1:
            raise ValueError("num_coarse and chunk are at least 1, num_fine at least 0")


def view_nerf(
    model: Field,
    near: float = 2.0,
    far: float = 6.0,
    num_coarse: int = 64,
    num_fine: int = 64,
    white_background: bool = True,
    chunk: int = 16384,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = True,
    serve: bool = True,
    device: str = "cpu",
) -> Viewer:
    """The page of a radiance field, y up. Serves it until Ctrl-C; with `serve` False it is only made."""
    sampling = Sampling(near, far, num_coarse, num_fine, white_background, chunk, device)

    def draw(camera: Camera) -> Image:
        return render_field(model, camera, sampling)

    info = {"mode": "radiance field", "heavy": True}
    viewer = Viewer(draw, info, dict.fromkeys(MODES, draw), initial_radius=(near + far) / 2)
    if serve:
        viewer.serve(host, port, open_browser)
    return viewer


@torch.inference_mode()
def render_field(model: Field, camera: Camera, sampling: Sampling) -> Image:
    """Raises Unwanted between two chunks."""
    directions, cosines = _rays(camera, sampling.device)
    origin = torch.as_tensor(camera.position, dtype=torch.float32, device=sampling.device)
    rays_at_a_time = max(1, sampling.chunk // (sampling.num_coarse + sampling.num_fine))
    parts = []
    for some in directions.split(rays_at_a_time):
        check_wanted()
        parts.append(_render_rays(model, origin, some, sampling))
    rgb, distance, alpha = (torch.cat(part) for part in zip(*parts, strict=True))
    background = 1.0 if sampling.white_background else 0.0
    shape = (camera.height, camera.width)
    return Image(
        rgb=_array((rgb + (1 - alpha[:, None]) * background).clamp(0, 1), *shape, 3),
        depth=_array(distance * cosines, *shape),
        alpha=_array(alpha, *shape),
    )


def _rays(camera: Camera, device: str) -> tuple[Tensor, Tensor]:
    """Per pixel, row by row: directions [H · W, 3] in the world, cosines [H · W] of their angles to the axis."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    grid = np.stack((*np.meshgrid(x, y), np.ones((camera.height, camera.width))), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(grid, axis=1)
    directions = (grid / lengths[:, None]) @ camera.world_from_camera[:3, :3].T
    as_tensor = [torch.as_tensor(array, dtype=torch.float32, device=device) for array in (directions, 1 / lengths)]
    return as_tensor[0], as_tensor[1]


def _render_rays(model: Field, origin: Tensor, directions: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [R, 3] over black, mean distance [R] of what is seen, alpha [R]."""
    edges = torch.linspace(sampling.near, sampling.far, sampling.num_coarse + 1, device=directions.device)
    edges = edges.expand(len(directions), -1)
    distances = (edges[:, 1:] + edges[:, :-1]) / 2
    colors, weights = _integrate(model, origin, directions, distances, edges)
    if sampling.num_fine > 0:
        fine = _importance(edges, weights, sampling.num_fine)
        distances = torch.cat((distances, fine), dim=1).sort(dim=1).values
        between = (distances[:, 1:] + distances[:, :-1]) / 2
        edges = torch.cat((edges[:, :1], between, edges[:, -1:]), dim=1)
        colors, weights = _integrate(model, origin, directions, distances, edges)
    alpha = weights.sum(dim=1)
    mean_distance = (weights * distances).sum(dim=1) / alpha.clamp(min=_LEAST_ALPHA)
    return (weights[..., None] * colors).sum(dim=1), mean_distance, alpha


def _integrate(
    model: Field, origin: Tensor, directions: Tensor, distances: Tensor, edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours [R, S, 3] at the distances, and how much of each reaches the camera, [R, S]."""
    points = origin + directions[:, None] * distances[..., None]
    colors, densities = model(points.reshape(-1, 3), directions[:, None].expand_as(points).reshape(-1, 3))
    optical = densities.reshape(distances.shape).clamp(min=0) * edges.diff(dim=1)
    passed = torch.exp(-(optical.cumsum(dim=1) - optical))  # what the intervals in front let through
    return colors.reshape(*distances.shape, 3), passed * -torch.expm1(-optical)


def _importance(edges: Tensor, weights: Tensor, count: int) -> Tensor:
    """Distances [R, count], spread as the weights of the intervals are: at equal steps of their cumulative share."""
    shares = weights + _LEAST_WEIGHT
    cumulative = torch.cat((torch.zeros_like(shares[:, :1]), shares.cumsum(dim=1)), dim=1)
    cumulative = cumulative / cumulative[:, -1:]
    wanted = (torch.arange(count, device=edges.device) + 0.5) / count
    wanted = wanted.expand(len(edges), -1).contiguous()
    upper = torch.searchsorted(cumulative.contiguous(), wanted).clamp(1, edges.shape[1] - 1)
    low, high = cumulative.gather(1, upper - 1), cumulative.gather(1, upper)
    begin, end = edges.gather(1, upper - 1), edges.gather(1, upper)
    return begin + (wanted - low) / (high - low) * (end - begin)


def _array(tensor: Tensor, *shape: int) -> np.ndarray[Any, Any]:
    return tensor.reshape(shape).float().cpu().numpy()
