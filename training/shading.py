"""What a ray meets → its colour in linear light: pattern, face, lamp, ambient light, gloss, corners.

Knows the rows of the table and the bank of patterns; shadows are given. One pure function of tensors over pixels, so
that it can be compiled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.patterns import CLOUDY, SIDES_PX, Bank
from training.primitives import (
    BUMP,
    EMISSION,
    GLOSS,
    HALF,
    HIGH,
    KIND,
    LOW,
    OFFSET,
    PAINT,
    PATTERN,
    TILES,
    Paint,
    Shape,
)
from training.raycast import Maps

IS_BOX, IS_ELLIPSOID, HAS_FACE = int(Shape.BOX), int(Shape.ELLIPSOID), int(Paint.FACE)  # plain, for the compiler

BUMP_TILES_PER_M = 2.5


@dataclass(frozen=True, eq=False)
class Lights:
    """Of a batch, in camera axes."""

    lamp: Tensor  # [B, 3], metres
    lamp_rgb: Tensor  # [B, 3]
    softness_m: Tensor  # [B]
    ambient_rgb: Tensor  # [B, 3]
    fill: Tensor  # [B]
    corners: Tensor  # [B]
    up: Tensor  # [B, 3]


@dataclass(frozen=True, eq=False)
class Surface:
    """What each ray meets, planes [B, P]."""

    points: Tensor  # [3, B, P], camera axes
    normal: Tensor  # [3, B, P], towards the camera
    own: list[Tensor]  # the place in the primitive's own axes, three of [B, P]
    room: list[Tensor]  # the same in the room's
    index: Tensor  # [B, P] int64
    depth: Tensor  # [B, P]


def surface_of(maps: Maps, rows: Tensor, rays: Tensor, depth: Tensor, index: Tensor) -> Surface:
    flat = maps.matrix.flatten(2).transpose(1, 2)  # [B, 9, N]
    start = maps.origin.transpose(1, 2)
    points = rays * depth
    matrix = [[torch.gather(flat[:, 3 * i + j], 1, index) for j in range(3)] for i in range(3)]
    own = [
        torch.gather(start[:, i], 1, index) + m[0] * points[0] + m[1] * points[1] + m[2] * points[2]
        for i, m in enumerate(matrix)
    ]
    kind = torch.gather(rows[..., KIND], 1, index)
    local = _local_normal(own, kind, torch.gather(maps.taper, 1, index))
    normal = torch.stack([m[0] * local[0] + m[1] * local[1] + m[2] * local[2] for m in zip(*matrix, strict=True)])
    normal = normal * normal.square().sum(dim=0).clamp(min=1e-12).rsqrt()
    normal = torch.where((normal * rays).sum(dim=0) > 0, -normal, normal)
    walls, corner = maps.matrix[:, 0, :, :, None], maps.origin[:, 0, :, None]
    room = [
        corner[:, i] + walls[:, i, 0] * points[0] + walls[:, i, 1] * points[1] + walls[:, i, 2] * points[2]
        for i in range(3)
    ]
    return Surface(points, normal, own, room, index, depth)


def _local_normal(own: list[Tensor], kind: Tensor, taper: Tensor) -> list[Tensor]:
    x, y, z = own
    largest = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
    box = [torch.where(axis.abs() >= largest, axis.sign(), 0.0) for axis in own]
    on_lid = y.abs() > 0.999
    radius = 1 - taper * y
    side = [x, taper * radius, z]
    frustum = [torch.where(on_lid, lid, s) for lid, s in zip((0 * x, y.sign(), 0 * z), side, strict=True)]
    return [
        torch.where(kind == IS_BOX, b, torch.where(kind == IS_ELLIPSOID, e, f))
        for b, e, f in zip(box, own, frustum, strict=True)
    ]


def colours(s: Surface, rows: Tensor, bank: Bank, lights: Lights, shadow: Tensor, focal_px: Tensor) -> Tensor:
    """Linear light [3, B, P]. `shadow` [B, P]: 1 where the lamp shines. `focal_px` [B]."""
    columns = rows.transpose(1, 2)

    def take(column: int) -> Tensor:
        return torch.gather(columns[:, column], 1, s.index)

    u, v = _surface_metres(s, [take(HALF.start + i) for i in range(3)], take(KIND))
    tiles = take(TILES)
    to_eye = -s.points * s.points.square().sum(dim=0).clamp(min=1e-12).rsqrt()
    slant = (s.normal * to_eye).sum(dim=0).clamp(min=0.1)
    covered_px = s.depth / (focal_px[:, None] * slant) * tiles * SIDES_PX[0]
    texels = _texels(
        bank, take(PATTERN), u * tiles + take(OFFSET.start), v * tiles + take(OFFSET.start + 1), covered_px
    )
    albedo = [take(LOW.start + i) + (take(HIGH.start + i) - take(LOW.start + i)) * texels[i] for i in range(3)]
    albedo = _with_face(albedo, s.own, take(PAINT))

    waves = _texels(bank, 0 * u + CLOUDY, u * BUMP_TILES_PER_M, v * BUMP_TILES_PER_M, covered_px)
    normal = s.normal + torch.stack([(wave - 0.5) * take(BUMP) for wave in waves])
    normal = normal * normal.square().sum(dim=0).clamp(min=1e-12).rsqrt()
    to_lamp = lights.lamp.T[:, :, None] - s.points
    away = to_lamp.square().sum(dim=0).clamp(min=1e-4)
    to_lamp = to_lamp * away.rsqrt()
    facing = (normal * to_lamp).sum(dim=0).clamp(min=0) * shadow * (3 / (2 + away))
    fill = lights.fill[:, None] * (normal * to_eye).sum(dim=0).clamp(min=0)
    above = 0.75 + 0.25 * (normal * lights.up.T[:, :, None]).sum(dim=0)
    half = to_lamp + to_eye
    glint = (normal * half).sum(dim=0).clamp(min=0) * half.square().sum(dim=0).clamp(min=1e-12).rsqrt()
    gloss = take(GLOSS) * glint**24 * shadow
    dim = _corner_light(s.room, lights.corners) * above

    emission, planes = take(EMISSION), []
    for i in range(3):
        lamp = lights.lamp_rgb[:, i, None]
        light = lamp * facing + lights.ambient_rgb[:, i, None] * dim + fill
        planes.append(albedo[i] * (light * (1 - emission) + emission) + gloss * lamp)
    return torch.stack(planes)


def _surface_metres(s: Surface, half: list[Tensor], kind: Tensor) -> tuple[Tensor, Tensor]:
    """Two coordinates along the surface in metres."""
    x, y, z = s.own
    qx, qy, qz = x * half[0], y * half[1], z * half[2]
    largest = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
    box_u = torch.where(x.abs() >= largest, qz, qx)
    box_v = torch.where(y.abs() >= largest, qz, qy)
    around = torch.atan2(x, -z) * half[0]
    is_box = kind == IS_BOX
    return torch.where(is_box, box_u, around), torch.where(is_box, box_v, qy)


def _texels(bank: Bank, pattern: Tensor, u: Tensor, v: Tensor, covered_px: Tensor) -> list[Tensor]:
    """Three planes [B, P]. The smaller a pattern looks, the smaller the picture it is taken from."""
    # Sides shrink by four from size to size
    level = (covered_px.clamp(min=1e-6).log2() / 2 + 0.25).round().clamp(0, len(SIDES_PX) - 1)
    side = SIDES_PX[0] * torch.exp2(-2 * level)
    row = ((v - v.floor()) * side).long().clamp(min=0)
    column = ((u - u.floor()) * side).long().clamp(min=0)
    width = side.long()
    first = torch.where(level == 0, bank.firsts[0], torch.where(level == 1, bank.firsts[1], bank.firsts[2]))
    at = first + (pattern.long() * width + row.minimum(width - 1)) * width + column.minimum(width - 1)
    return [bank.texels[i][at] for i in range(3)]


def _with_face(albedo: list[Tensor], own: list[Tensor], paint: Tensor) -> list[Tensor]:
    """Eyes, brows, nostrils' shade and a mouth on the front (-z) of a unit ball that is a head."""
    x, y, z = own
    front = (paint == HAS_FACE) & (z < 0)

    def spot(at_x: float, at_y: float, wide: float, high: float) -> Tensor:
        return torch.exp(-(((x.abs() - at_x) / wide) ** 2 + ((y - at_y) / high) ** 2))

    dark = 0.8 * spot(0.4, -0.08, 0.13, 0.045) + 0.55 * spot(0.4, -0.27, 0.2, 0.035) + 0.3 * spot(0.4, -0.1, 0.25, 0.1)
    dark = dark + 0.35 * spot(0.0, 0.27, 0.15, 0.05)
    lips = 0.55 * spot(0.0, 0.52, 0.28, 0.05)
    shade = torch.where(front, 1 - dark.clamp(0, 0.9), 1.0)
    red = torch.where(front, lips, 0.0)
    return [albedo[0] * shade * (1 - 0.25 * red), albedo[1] * shade * (1 - red), albedo[2] * shade * (1 - 0.9 * red)]


def _corner_light(room: list[Tensor], corners: Tensor) -> Tensor:
    """Less where walls, floor and ceiling meet."""
    light = torch.ones_like(room[0])
    for axis in room:
        light = light * (1 - 0.5 * corners[:, None] * torch.exp((axis.abs() - 1) * 7).clamp(max=1))
    return light
