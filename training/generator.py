"""Seeds → pictures with exact depth, cameras and, for some, a neighbouring view. Any device, no end.

Joins the rooms of this folder into batches; owns the size of pictures and what a batch carries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from training import raycast, shading
from training.camera import Faults
from training.patterns import Bank, bank_of
from training.primitives import Table, batched
from training.sampling import Light, View, scene_of

SIZES = ((192, 144), (192, 112), (144, 192))  # width, height; multiples of 16
SIZE_WEIGHTS = (5, 3, 2)
GRID_PX = 16
BANKS = 64  # different ones, in turns


@dataclass(frozen=True, eq=False)
class Batch:
    """B pictures; the last `pairs` of them are second views of the first `pairs`."""

    rgb: Tensor  # [B, 3, H, W] f32 in 0..1
    depth: Tensor  # [B, H, W] f32, metres along the optical axis
    intrinsics: Tensor  # [B, 3, 3]
    world_from_camera: Tensor  # [B, 4, 4]
    pairs: int


@dataclass(frozen=True)
class Wanted:
    """A batch is a function of this."""

    seed: int
    scenes: int
    pairs: int = 0
    size: tuple[int, int] = SIZES[0]


@dataclass(frozen=True, eq=False)
class Packed:
    """Sampled scenes as tensors on the CPU, made by whichever process has time."""

    wanted: Wanted
    table: Table
    poses: Tensor  # [2, B, 4, 4]
    half_width: Tensor  # [B], of the long side at depth 1
    lights: Tensor  # [B, 12], see _numbers; in world axes


def wanted_for(step: int, scenes: int, pairs: int, seed: int = 0, scale: float = 1.0) -> Wanted:
    """The batch of a step of training: sizes change, seeds never come back."""
    weights = torch.tensor(SIZE_WEIGHTS, dtype=torch.float32)
    chosen = int(torch.multinomial(weights, 1, generator=torch.Generator().manual_seed(step + seed)))
    width, height = (round(side * scale / GRID_PX) * GRID_PX for side in SIZES[chosen])
    return Wanted((seed << 40) + step * scenes, scenes, pairs, (width, height))


def make_batch(wanted: Wanted, device: torch.device) -> Batch:
    return render(pack(wanted), device)


def pack(wanted: Wanted) -> Packed:
    scenes = [scene_of(wanted.seed + number) for number in range(wanted.scenes)]
    return Packed(
        wanted,
        batched([scene.builder for scene in scenes]),
        torch.stack([torch.stack([_pose(scene.views[view]) for scene in scenes]) for view in (0, 1)]),
        torch.tensor([math.tan(scene.fov_rad / 2) for scene in scenes]),
        torch.tensor([_numbers(scene.light) for scene in scenes]),
    )


def render(packed: Packed, device: torch.device) -> Batch:
    wanted = packed.wanted
    width, height = wanted.size
    generator = torch.Generator(device).manual_seed(wanted.seed & 0x7FFFFFFF)
    views = [(packed.poses[0], wanted.scenes), (packed.poses[1], wanted.pairs)]
    poses = [poses[:count].to(device) for poses, count in views if count]
    seen = [look(packed, pose, generator) for pose in poses]
    light, depth, focal = (torch.cat(values) for values in zip(*seen, strict=True))
    rgb = Faults(generator, device).develop(light, depth)
    return Batch(rgb, depth, intrinsics_of(focal, width, height), torch.cat(poses), wanted.pairs)


def look(packed: Packed, poses: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The first N scenes from poses [N, 4, 4], without a camera's faults: linear light [N, 3, H, W], depth [N, H, W]
    and focal lengths [N] in pixels, where the poses lie."""
    width, height = packed.wanted.size
    count, device = len(poses), poses.device
    bank = _bank((packed.wanted.seed // 997) % BANKS, device)
    table = packed.table.first(count).to(device)
    focal = max(packed.wanted.size) / 2 / packed.half_width[:count].to(device)
    lamps = _lights(packed.lights[:count].to(device), poses)
    light, depth = _view(table, lamps, poses, focal, bank, (height, width), generator)
    return light, depth, focal


@lru_cache(maxsize=BANKS)
def _bank(seed: int, device: torch.device) -> Bank:
    return bank_of(seed, device)


def _pose(view: View) -> Tensor:
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor(view.turn)
    pose[:3, 3] = torch.tensor(view.place)
    return pose


def intrinsics_of(focal_px: Tensor, width: int, height: int) -> Tensor:
    k = torch.zeros(len(focal_px), 3, 3, device=focal_px.device)
    k[:, 0, 0] = k[:, 1, 1] = focal_px
    k[:, 0, 2], k[:, 1, 2], k[:, 2, 2] = width / 2, height / 2, 1
    return k


def _rays(focal_px: Tensor, height: int, width: int, step: int = 1) -> Tensor:
    """Through the middles of pixels, or of squares of `step` pixels: [3, B, P], z = 1."""
    x = torch.arange(0, width, step, device=focal_px.device) + step / 2 - width / 2
    y = torch.arange(0, height, step, device=focal_px.device) + step / 2 - height / 2
    v, u = torch.meshgrid(y, x, indexing="ij")
    u, v = (axis.reshape(1, -1) / focal_px[:, None] for axis in (u, v))
    return torch.stack((u, v, torch.ones_like(u)))


def _view(
    table: Table, lights: shading.Lights, pose: Tensor, focal_px: Tensor, bank: Bank, size: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Linear light [B, 3, H, W] and depth [B, H, W]."""
    height, width = size
    maps = raycast.maps_of(table, pose)
    rays = _rays(focal_px, height, width)
    depth, index = raycast.nearest(maps, rays)
    shadow = _shadow(maps, lights, focal_px, size, generator)
    light = _shaded()(maps, table.rows, rays, depth, index, bank, lights, shadow, focal_px)
    return light.permute(1, 0, 2).reshape(-1, 3, height, width), depth.reshape(-1, height, width)


def _numbers(light: Light) -> list[float]:
    return [
        *light.lamp, *light.lamp_rgb, light.softness_m, *light.ambient_rgb, light.fill, light.corners,
    ]  # fmt: skip


def _lights(numbers: Tensor, pose: Tensor) -> shading.Lights:
    """World → camera axes."""
    lamp, lamp_rgb, softness_m, ambient_rgb, fill, corners = numbers.split((3, 3, 1, 3, 1, 1), dim=1)
    turn, place = pose[:, :3, :3], pose[:, :3, 3]
    lamp = ((lamp - place)[:, None] @ turn)[:, 0]
    up = -turn[:, 1]
    return shading.Lights(lamp, lamp_rgb, softness_m[:, 0], ambient_rgb, fill[:, 0], corners[:, 0], up)


def _shadow(
    maps: raycast.Maps, lights: shading.Lights, focal_px: Tensor, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """[B, P]. Of every fourth pixel, each asking another place of the lamp, then smoothed: soft shadows."""
    height, width = size
    rays = _rays(focal_px, height, width, 2)
    depth, _ = raycast.nearest(maps, rays)
    points = rays * (depth * 0.995)
    spread = torch.randn(points.shape, generator=generator, device=points.device) * lights.softness_m[None, :, None]
    light = raycast.lit(maps, points, lights.lamp.T[:, :, None] + spread)
    planes = F.avg_pool2d(light.reshape(-1, 1, height // 2, width // 2), 3, 1, 1, count_include_pad=False)
    return F.interpolate(planes, size, mode="bilinear").reshape(-1, height * width)


def _shade(
    maps: raycast.Maps, rows: Tensor, rays: Tensor, depth: Tensor, index: Tensor, bank: Bank, lights: shading.Lights,
    shadow: Tensor, focal_px: Tensor,
) -> Tensor:  # fmt: skip
    surface = shading.surface_of(maps, rows, rays, depth, index)
    return shading.colours(surface, rows, bank, lights, shadow, focal_px)


@lru_cache(maxsize=1)
def _shaded():  # type: ignore[no-untyped-def]
    return torch.compile(_shade, dynamic=True) if _compiles else _shade


_compiles = False


def compile_generator(wanted: bool) -> None:
    """See raycast.compile_kernels."""
    global _compiles
    _compiles = wanted
    _shaded.cache_clear()
    raycast.compile_kernels(wanted)
