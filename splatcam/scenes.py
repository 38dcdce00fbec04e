"""A small moving scene, ray traced: pictures with exact depth, for the synthetic estimator, benchmark and tests.

A room with a checkered floor and a back wall, two balls and a box that move. numpy only; knows no model and no wire.
Everything is a function of the time and of where the camera is, and repeats every LOOP_S seconds. Length unit: metres.
OpenCV axes (x right, y down, z forward), the camera looking along z, at the origin unless it is put elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LOOP_S = 4.0
ORIGIN = (0.0, 0.0, 0.0)
FIELD_OF_VIEW_RAD = math.pi / 3  # horizontal
FLOOR_Y_M = 0.85
WALL_Z_M = 4.5
_LIGHT = np.array((-0.45, -0.75, -0.48), np.float32)  # unit vector towards the lamp, behind and above the camera
_UP = np.array([[0], [-1], [0]], np.float32)
_TOWARDS_CAMERA = np.array([[0], [0], [-1]], np.float32)
_AMBIENT = 0.35
_SHADOW_REACH = 1.25  # radius of a shadow, in radii of the thing

Place = tuple[float, float, float]  # metres
Colour = tuple[float, float, float]  # 0..1


class Render(Protocol):
    """A scene with its truth; `render` below is one, `training/streams.py` makes any number of others."""

    def __call__(self, t_s: float, width: int, height: int, camera: Place = ORIGIN) -> tuple[Array, Array, Array]:
        """At time `t_s`: rgb uint8 [H, W, 3], depth f32 [H, W] along the optical axis, intrinsics f32 [3, 3]."""
        ...


@dataclass(frozen=True)
class Ball:
    centre: Place
    radius: float
    rgb: Colour
    turn_rad: float  # about the vertical axis, so that its texture moves


@dataclass(frozen=True)
class Box:
    """Its sides are parallel to the axes."""

    centre: Place
    half: tuple[float, float, float]
    rgb: Colour

    @property
    def radius(self) -> float:
        """Of its shadow."""
        return max(self.half)


@dataclass(frozen=True, eq=False)
class _Rays:
    """x / z and y / z of the rays through the pixel centres, and the focal length."""

    u: Array  # [W] f32
    v: Array  # [H, 1] f32
    focal_px: float

    def through(self, rows: slice, columns: slice) -> _Rays:
        return _Rays(self.u[columns], self.v[rows], self.focal_px)


def render(t_s: float, width: int, height: int, camera: Place = ORIGIN) -> tuple[Array, Array, Array]:
    """The scene at time `t_s`: rgb uint8 [H, W, 3], depth f32 [H, W] along the optical axis, intrinsics f32 [3, 3]."""
    rays = _rays(width, height)
    room_rgb, room_depth = _room(width, height, camera)
    rgb, depth = room_rgb.copy(), room_depth.copy()
    things = [replace(thing, centre=_seen_from(camera, thing.centre)) for thing in things_at(t_s)]
    for thing in things:
        _darken_floor(rgb, room_depth, rays, thing, camera)
    for thing in things:
        _draw(thing, rgb, depth, rays)
    return rgb, depth, intrinsics(width, height)


def intrinsics(width: int, height: int) -> Array:
    """Square pixels, principal point in the middle: f32 [3, 3]."""
    focal_px = width / (2 * math.tan(FIELD_OF_VIEW_RAD / 2))
    return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]], np.float32)


def things_at(t_s: float) -> tuple[Ball | Box, ...]:
    """What moves in the room, where it is at `t_s`."""
    turn = 2 * math.pi * (t_s / LOOP_S % 1.0)
    bounce = abs(math.sin(turn))
    return (
        Ball((0.75 * math.cos(turn), 0.2, 2.5 + 0.75 * math.sin(turn)), 0.34, (0.90, 0.35, 0.20), turn),
        Ball((-1.3, FLOOR_Y_M - 0.28 - 0.7 * bounce, 3.1), 0.28, (0.25, 0.55, 0.90), -turn),
        Box((1.05, FLOOR_Y_M - 0.5, 3.75 + 0.2 * math.cos(turn)), (0.3, 0.5, 0.3), (0.45, 0.75, 0.40)),
    )


@lru_cache(maxsize=4)
def _rays(width: int, height: int) -> _Rays:
    k = intrinsics(width, height)
    u = (np.arange(width, dtype=np.float32) + 0.5 - k[0, 2]) / k[0, 0]
    v = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - k[1, 2]) / k[1, 1]
    return _Rays(u, v, float(k[0, 0]))


@lru_cache(maxsize=4)
def _room(width: int, height: int, camera: Place) -> tuple[Array, Array]:
    """The empty room: rgb uint8 [H, W, 3] and depth f32 [H, W]. It does not move."""
    rays = _rays(width, height)
    _, floor_y, wall_z = _seen_from(camera, (0.0, FLOOR_Y_M, WALL_Z_M))
    floor = floor_y / np.maximum(rays.v, 1e-6)
    depth = np.broadcast_to(np.minimum(floor, wall_z), (height, width)).astype(np.float32)
    x, y, z = rays.u * depth + camera[0], rays.v * depth + camera[1], depth + camera[2]
    floor_rgb = _shade(_checker(x * 2, z * 2, (0.85, 0.82, 0.76), (0.45, 0.42, 0.40)), _UP)
    wall_rgb = _shade(_checker(x, y, (0.62, 0.70, 0.78), (0.56, 0.64, 0.73)), _TOWARDS_CAMERA)
    return np.where((floor < wall_z)[..., None], floor_rgb, wall_rgb), depth


def _draw(thing: Ball | Box, rgb: Array, depth: Array, rays: _Rays) -> None:
    """Put the pixels of a thing that are nearer than what is there into `rgb` and `depth`, in place."""
    part = _extent(thing, depth.shape, rays.focal_px)
    own = rays.through(*part)
    reached = _ball_depth(thing, own) if isinstance(thing, Ball) else _box_depth(thing, own)
    seen = reached < depth[part]
    rows, columns = seen.nonzero()
    z = reached[seen]
    points = np.stack((own.u[columns] * z, own.v[rows, 0] * z, z)) - _column(thing.centre)
    normal, albedo = _ball_surface(thing, points) if isinstance(thing, Ball) else _box_surface(thing, points)
    depth[part][seen] = z
    rgb[part][seen] = _shade(albedo, normal)


def _ball_depth(ball: Ball, rays: _Rays) -> Array:
    """The nearer root of |z r - c|² = radius², z being the depth because r has z = 1; inf where the ray misses."""
    x, y, z = ball.centre
    a = rays.u * rays.u + (rays.v * rays.v + 1)
    b = rays.u * np.float32(x) + (rays.v * np.float32(y) + np.float32(z))
    discriminant = b * b - a * np.float32(x * x + y * y + z * z - ball.radius**2)
    return np.where(discriminant > 0, (b - np.sqrt(np.maximum(discriminant, 0))) / a, np.float32(np.inf))


def _ball_surface(ball: Ball, points: Array) -> tuple[Array, Array]:
    """Normals [3, N] and colours [N, 3] of points [3, N], relative to the centre."""
    normal = points / np.float32(ball.radius)
    longitude = np.arctan2(normal[0], normal[2]) + np.float32(ball.turn_rad)
    return normal, _checker(longitude * np.float32(4 / np.pi), normal[1] * 2.5, ball.rgb, _darker(ball.rgb))


def _box_depth(box: Box, rays: _Rays) -> Array:
    """Slabs (Kay and Kajiya 1986): a ray is inside from its last entry to its first exit; inf where it misses."""
    entry: Array = np.array(box.centre[2] - box.half[2], np.float32)
    leave: Array = np.array(box.centre[2] + box.half[2], np.float32)
    for direction, centre, half in ((rays.u, box.centre[0], box.half[0]), (rays.v, box.centre[1], box.half[1])):
        inverse = 1 / np.where(direction == 0, np.float32(1e-12), direction)
        one, other = np.float32(centre - half) * inverse, np.float32(centre + half) * inverse
        entry, leave = np.maximum(entry, np.minimum(one, other)), np.minimum(leave, np.maximum(one, other))
    return np.where(entry < leave, entry, np.float32(np.inf))


def _box_surface(box: Box, points: Array) -> tuple[Array, Array]:
    """Normals [3, N] and colours [N, 3] of points [3, N], relative to the centre: the face is the nearest one."""
    on_face = points / _column(box.half)
    face = np.abs(on_face).argmax(axis=0)
    normal = np.where(np.arange(3)[:, None] == face, np.sign(on_face), np.float32(0))
    across = np.where(face == 0, points[2], points[0])
    along = np.where(face == 1, points[2], points[1])
    return normal, _checker(across * 5, along * 5, box.rgb, _darker(box.rgb))


def _extent(thing: Ball | Box, shape: tuple[int, ...], focal_px: float) -> tuple[slice, slice]:
    """Rows and columns that can see the thing; all of it lies in front of the camera."""
    half = (thing.radius,) * 3 if isinstance(thing, Ball) else thing.half
    low, high = (tuple(c + sign * h for c, h in zip(thing.centre, half, strict=True)) for sign in (-1, 1))
    return (
        _pixels(low[1], high[1], shape[0], focal_px, low[2], high[2]),
        _pixels(low[0], high[0], shape[1], focal_px, low[2], high[2]),
    )


def _darken_floor(rgb: Array, room_depth: Array, rays: _Rays, thing: Ball | Box, camera: Place) -> None:
    """A soft round shadow where the lamp's light through the thing's centre meets the floor, in place."""
    _, floor_y, wall_z = _seen_from(camera, (0.0, FLOOR_Y_M, WALL_Z_M))
    fall = (floor_y - thing.centre[1]) / _LIGHT[1]
    x, z = thing.centre[0] + fall * _LIGHT[0], thing.centre[2] + fall * _LIGHT[2]
    reach = thing.radius * _SHADOW_REACH
    part = (
        _pixels(floor_y, floor_y, rgb.shape[0], rays.focal_px, z - reach, z + reach),
        _pixels(x - reach, x + reach, rgb.shape[1], rays.focal_px, z - reach, z + reach),
    )
    depth = room_depth[part]
    from_middle = ((rays.u[part[1]] * depth - x) ** 2 + (depth - z) ** 2) / thing.radius**2
    on_floor = depth < wall_z
    light = 1 - 0.55 * np.clip(_SHADOW_REACH**2 - from_middle, 0, 1) * on_floor
    rgb[part] = rgb[part] * light[..., None].astype(np.float32)


def _pixels(low: float, high: float, side_px: int, focal_px: float, near: float, far: float) -> slice:
    """Pixels along one side of the picture that can see low..high (metres off the axis) at depths near..far."""
    bounds = [side_px / 2 + focal_px * at / z for at in (low, high) for z in (near, far)]
    first, last = (min(side_px, max(0, int(edge))) for edge in (min(bounds), max(bounds) + 1))
    return slice(first, last)


def _seen_from(camera: Place, place: Place) -> Place:
    return place[0] - camera[0], place[1] - camera[1], place[2] - camera[2]


def _checker(s: Array, t: Array, light: Colour, dark: Colour) -> Array:
    """Two colours in unit squares of (s, t): f32 [..., 3]."""
    odd = (np.floor(s) + np.floor(t)).astype(np.int32) & 1
    return np.array((light, dark), np.float32)[odd]


def _column(vector: tuple[float, float, float]) -> Array:
    return np.array(vector, np.float32)[:, None]


def _darker(rgb: Colour) -> Colour:
    return rgb[0] * 0.55, rgb[1] * 0.55, rgb[2] * 0.55


def _shade(albedo: Array, normal: Array) -> Array:
    """Lambert's law with one lamp and ambient light: albedo [..., 3], normal [3, N or 1] → uint8 [..., 3]."""
    light = _AMBIENT + (1.1 - _AMBIENT) * np.maximum(_LIGHT @ normal, 0)
    return (np.minimum(albedo * light[:, None], 1) * 255 + 0.5).astype(np.uint8)
