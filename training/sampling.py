"""A seed → a scene and where its camera stands: in front of somebody, in a room, at a table, outdoors, in clutter.

Owns what is likely in front of a webcam. Each scene is a function of its seed alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from training import furniture, materials
from training.people import POSES, Looks, Pose, add_hand, add_person
from training.primitives import Builder, Material, Matrix, Shape, Vector, pitched, product, rolled, yawed

SKY_M = 60.0


@dataclass(frozen=True)
class Light:
    """A lamp that throws shadows, what comes from everywhere, and a lamp without shadows behind the camera."""

    lamp: Vector  # place, metres
    lamp_rgb: Vector
    softness_m: float  # radius of the lamp
    ambient_rgb: Vector
    fill: float
    corners: float  # how much darker a room's corners are


@dataclass(frozen=True)
class View:
    turn: Matrix  # world from camera
    place: Vector


@dataclass(frozen=True)
class Scene:
    builder: Builder
    views: tuple[View, View]  # two neighbouring ones
    fov_rad: float  # of the long side
    light: Light
    has_person: bool


@dataclass(frozen=True)
class _Room:
    """Walls around the camera at the origin, and the turn of the whole."""

    left: float
    right: float
    front: float
    back: float
    floor: float  # y
    ceiling: float
    yaw_rad: float

    @property
    def centre(self) -> Vector:
        return (self.right - self.left) / 2, (self.floor + self.ceiling) / 2, (self.front - self.back) / 2


def scene_of(seed: int) -> Scene:
    rng = random.Random(seed)
    b = Builder(rng)
    kinds, weights = zip(*KINDS, strict=True)
    pitch_rad, has_person = rng.choices(kinds, weights)[0](b)
    fov_rad = math.radians(rng.uniform(50, 80))
    turn = product(product(yawed(rng.gauss(0, 0.05)), pitched(pitch_rad)), rolled(rng.gauss(0, 0.02)))
    return Scene(b, (View(turn, (0.0, 0.0, 0.0)), _beside(rng, turn)), fov_rad, _light(rng), has_person)


def _beside(rng: random.Random, turn: Matrix) -> View:
    shake = product(product(yawed(rng.gauss(0, 0.02)), pitched(rng.gauss(0, 0.015))), rolled(rng.gauss(0, 0.01)))
    return View(product(turn, shake), (rng.gauss(0, 0.03), rng.gauss(0, 0.02), rng.gauss(0, 0.03)))


def _light(rng: random.Random) -> Light:
    lamp = (rng.uniform(-2.5, 2.5), rng.uniform(-2.2, 0.2), rng.uniform(-2.0, 2.5))
    warmth = rng.gauss(0, 0.12)
    strength = rng.uniform(0.2, 1.6)
    lamp_rgb = (strength * (1 + warmth), strength, strength * (1 - warmth))
    cold = rng.gauss(0, 0.08)
    level = rng.uniform(0.15, 0.6)
    ambient = (level * (1 - cold), level, level * (1 + cold))
    return Light(lamp, lamp_rgb, rng.uniform(0.02, 0.5), ambient, 0.35 * rng.random() ** 2, rng.uniform(0.2, 0.9))


# ---------------------------------------------------------------- rooms


def _room(b: Builder, front: float, camera_height: float) -> _Room:
    """The walls, with floor and ceiling; the front wall `front` metres away, turned at random."""
    rng = b.rng
    yaw_rad = rng.gauss(0, 0.12) if rng.random() < 0.55 else rng.uniform(-0.8, 0.8)
    room = _Room(
        rng.uniform(0.8, 3.5), rng.uniform(0.8, 3.5), front, rng.uniform(0.5, 2.0), camera_height,
        camera_height - rng.uniform(2.2, 3.0), yaw_rad,
    )  # fmt: skip
    half = (room.left + room.right) / 2, (room.floor - room.ceiling) / 2, (room.front + room.back) / 2
    with b.placed((0, 0, 0), yawed(yaw_rad)):
        b.box(room.centre, half, materials.wall(rng))
        x, _, z = room.centre
        b.box((x, room.floor + 0.04, z), (half[0] + 0.1, 0.05, half[2] + 0.1), materials.ground(rng))
        if rng.random() < 0.8:
            low = rng.uniform(0.7, 1.0)
            white = materials.plain(rng, (low, low, low))
            b.box((x, room.ceiling - 0.04, z), (half[0] + 0.1, 0.05, half[2] + 0.1), white)
        if rng.random() < 0.35:
            b.box((x, room.floor - 0.05, room.front - 0.01), (half[0], 0.05, 0.012), materials.plain(rng))
        if rng.random() < 0.25:  # a wall of another colour
            b.box((x, room.centre[1], room.front), (half[0], half[1], 0.01), materials.wall(rng))
    return room


def _furnish(b: Builder, room: _Room, hung: int, stood: int) -> None:
    """Things on and along the walls in front of the camera and at its sides."""
    rng = b.rng
    with b.placed((0, 0, 0), yawed(room.yaw_rad)):
        for number in range(hung + stood):
            wall = rng.choices(("front", "left", "right"), (5, 2, 2))[0]
            if wall == "front":
                place, turn = (rng.uniform(-room.left, room.right), room.front), 0.0
            else:
                side = -room.left if wall == "left" else room.right
                place, turn = (side, rng.uniform(0.4, room.front)), math.pi / 2 * (-1 if wall == "left" else 1)
            level = room.floor if number >= hung else rng.uniform(-0.7, 0.3)
            with b.placed((place[0], level, place[1]), yawed(turn)):
                furniture.hanging(b) if number < hung else furniture.standing(b)


def _empty_room(b: Builder) -> tuple[float, bool]:
    rng = b.rng
    height = rng.uniform(0.8, 1.8)
    room = _room(b, rng.uniform(1.5, 6), height)
    _furnish(b, room, rng.randint(1, 5), rng.randint(2, 5))
    with b.placed((0, 0, 0), yawed(room.yaw_rad)):
        for _ in range(rng.randint(0, 3)):  # in the middle of the room
            at = (rng.uniform(-1.5, 1.5), room.floor, rng.uniform(1.0, max(1.2, room.front - 0.5)))
            with b.placed(at, yawed(rng.uniform(-3, 3))):
                furniture.standing(b)
    return rng.uniform(-0.1, 0.6), False


# ---------------------------------------------------------------- in front of a webcam


def _webcam(b: Builder) -> tuple[float, bool]:
    """Somebody who sits or stands before the camera, sometimes two, in a room."""
    rng = b.rng
    stands = rng.random() < 0.35
    away = rng.uniform(1.3, 3.0) if stands else 0.42 + 0.75 * rng.random() ** 1.3
    wall = away + rng.uniform(0.35, 1.0) if rng.random() < 0.5 else away + rng.uniform(0.5, 4.0)
    room = _room(b, wall / max(0.6, math.cos(0.4)), rng.uniform(0.9, 1.6))
    _person_at(b, away, 0.0, stands, room)
    if rng.random() < 0.12:
        _person_at(b, away + rng.uniform(-0.2, 1.0), rng.choice((-1, 1)) * rng.uniform(0.5, 0.9), stands, room)
    if not stands:
        _around_a_seat(b, away)
    if rng.random() < 0.25:
        _large_and_near(b)
    _furnish(b, room, rng.randint(0, 4), rng.randint(0, 3))
    return rng.uniform(-0.15, 0.2), True


def _person_at(b: Builder, away: float, aside: float, stands: bool, room: _Room) -> None:
    """The collarbones below the middle of the picture, so that the head is in its upper half."""
    rng = b.rng
    collar = (aside + rng.gauss(0, 0.12) * away, rng.gauss(0.14, 0.09) * away, away)
    if stands:
        collar = (collar[0], max(collar[1] - 0.1, room.floor - 1.42), away)
    add_person(b, collar, rng.gauss(0, 0.3), stands, _poses(rng))


def _poses(rng: random.Random) -> tuple[Pose, Pose]:
    """Mostly the same for both arms."""
    one = rng.choices(POSES, (5, 3, 4, 1.5, 1.5, 1))[0]
    other = one if rng.random() < 0.6 else rng.choices(POSES, (5, 3, 4, 0, 1, 1))[0]
    return one, other


def _around_a_seat(b: Builder, away: float) -> None:
    """The back of a chair behind the shoulders, the edge of a desk below."""
    rng = b.rng
    if rng.random() < 0.45:
        back, top = materials.anything(rng), rng.uniform(-0.1, 0.25)
        half = (rng.uniform(0.2, 0.3), 0.35, 0.05)
        at = (rng.gauss(0, 0.08), 0.14 * away + top + half[1], away + 0.22)
        b.box(at, half, back) if rng.random() < 0.5 else b.ellipsoid(at, (*half[:2], 0.08), back)
    if rng.random() < 0.3:
        level = rng.uniform(0.3, 0.5)
        b.box((0, level + 0.02, away * 0.45), (1.2, 0.02, 0.4 * away), materials.wood(rng))
        for _ in range(rng.randint(0, 3)):
            with b.placed((rng.uniform(-0.5, 0.5), level, rng.uniform(0.3, 0.8) * away)):
                furniture.small_thing(b, 0.8)


def _large_and_near(b: Builder) -> None:
    """At an edge of the picture: another chair, a screen, a cupboard."""
    rng = b.rng
    side, away = rng.choice((-1, 1)), rng.uniform(0.5, 1.6)
    with b.placed(
        (side * away * rng.uniform(0.5, 0.8), rng.uniform(-0.1, 0.3), away), yawed(-side * rng.uniform(0, 1.2))
    ):
        kind = rng.random()
        if kind < 0.4:
            furniture.screen(b)
        elif kind < 0.7:
            b.ellipsoid((0, 0.4, 0), (0.26, 0.4, 0.08), materials.clothes(rng))
        else:
            b.box((0, 0.3, 0), (rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.9), 0.2), materials.anything(rng))


# ---------------------------------------------------------------- tables, outdoors, clutter


def _table_top(b: Builder) -> tuple[float, bool]:
    """Things on a table before a wall or a sheet, sometimes with a hand that reaches in."""
    rng = b.rng
    level, backdrop = rng.uniform(0.06, 0.5), rng.uniform(0.7, 2.5)
    room = _room(b, backdrop, level + rng.uniform(0.6, 0.9))
    edge = backdrop if rng.random() < 0.5 else rng.uniform(0.5, backdrop)
    b.box((0, level + 0.02, edge / 2 - 0.2), (rng.uniform(0.6, 2.0), 0.02, edge / 2 + 0.2), materials.ground(rng))
    thing = rng.choice((furniture.small_thing, furniture.bottle, furniture.package, furniture.cup))
    for _ in range(rng.randint(1, 8)):
        away = rng.uniform(0.3, min(1.3, edge))
        with b.placed((rng.uniform(-0.5, 0.5) * away, level, away), yawed(rng.uniform(-1, 1))):
            (thing if rng.random() < 0.6 else furniture.small_thing)(b, rng.uniform(0.8, 1.4))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1))
        away = rng.uniform(0.35, 0.9)
        with b.placed((side * 0.55 * away, level - rng.uniform(0.2, 0.4), away)):
            _reaching_arm(b, -side)
    if rng.random() < 0.3:
        _furnish(b, room, 2, 1)
    return math.atan2(level * rng.uniform(0.3, 1), 0.8), False


def _reaching_arm(b: Builder, way: int) -> None:
    rng, looks = b.rng, Looks.of(b.rng)
    elbow = (0.0, rng.uniform(-0.25, 0.0), rng.uniform(-0.1, 0.1))
    wrist = (way * rng.uniform(0.15, 0.3), rng.uniform(-0.05, 0.2), rng.uniform(-0.1, 0.1))
    b.rod(elbow, wrist, (0.045, 0.03), looks.top if looks.sleeves == "long" else looks.skin)
    add_hand(b, looks.skin, elbow, wrist)


def _outdoors(b: Builder) -> tuple[float, bool]:
    """A sky, a ground, houses, trees, posts; in half of them somebody."""
    rng = b.rng
    height = rng.uniform(1.0, 2.0)
    blue = (rng.uniform(0.4, 0.9), rng.uniform(0.6, 0.95), 1.0)
    sky = Material(blue, (1.0, 1.0, 1.0), 0, 0.02, emission=rng.uniform(0.8, 1.0))
    b.box((0, 0, 0), (SKY_M, SKY_M, SKY_M), sky)
    ground = materials.leaf(rng) if rng.random() < 0.5 else materials.ground(rng)
    b.box((0, height + 1, 0), (SKY_M, 1, SKY_M), ground)
    for _ in range(rng.randint(1, 6)):
        away, aside = 3 + 22 * rng.random() ** 2, rng.uniform(-0.9, 0.9)
        with b.placed((aside * away, height, away), yawed(rng.uniform(-0.8, 0.8))):
            (_house if rng.random() < 0.4 else _tree)(b)
    for _ in range(rng.randint(0, 4)):
        with b.placed((rng.uniform(-4, 4), height, rng.uniform(1.5, 8))):
            rng.choice((furniture.pole, furniture.box, furniture.chair))(b)
    with_person = rng.random() < 0.5
    if with_person:
        away = rng.uniform(0.5, 3.0)
        add_person(b, (rng.gauss(0, 0.15) * away, rng.gauss(0.14, 0.08) * away, away), rng.gauss(0, 0.4), away > 1.5,
                   _poses(rng))  # fmt: skip
    return rng.uniform(-0.15, 0.25), with_person


def _house(b: Builder) -> None:
    rng = b.rng
    half = (rng.uniform(1.5, 6), rng.uniform(1.5, 6), 2.0)
    b.box((0, -half[1], half[2]), half, materials.wall(rng))
    glass = materials.plain(rng, (0.15, 0.18, 0.22), gloss=0.7)
    for _ in range(rng.randint(1, 6)):
        at = (rng.uniform(-0.8, 0.8) * half[0], -rng.uniform(0.2, 1.8) * half[1], 0.0)
        b.box(at, (0.4, 0.6, 0.03), glass)


def _tree(b: Builder) -> None:
    rng = b.rng
    trunk = rng.uniform(0.8, 3)
    b.rod((0, 0, 0), (rng.uniform(-0.3, 0.3), -trunk - 1, 0), (0.18, 0.08), materials.wood(rng))
    leaves = materials.leaf(rng)
    for _ in range(rng.randint(2, 5)):
        radius = rng.uniform(0.5, 1.5)
        at = (rng.uniform(-1, 1), -trunk - rng.uniform(0.3, 2), rng.uniform(-1, 1))
        b.ellipsoid(at, (radius, radius * 0.8, radius), leaves)


def _clutter(b: Builder) -> tuple[float, bool]:
    """Anything anywhere: for what no other kind of scene has thought of."""
    rng = b.rng
    _room(b, rng.uniform(1.5, 5), rng.uniform(0.4, 1.8))
    for _ in range(rng.randint(5, 25)):
        away = rng.uniform(0.4, 4)
        at = (rng.uniform(-0.7, 0.7) * away, rng.uniform(-0.5, 0.5) * away, away)
        half = tuple(rng.uniform(0.02, 0.25) * away**0.5 * rng.choice((0.3, 1)) for _ in range(3))
        turn = product(yawed(rng.uniform(-3, 3)), pitched(rng.uniform(-3, 3)))
        shape, taper = rng.choice(tuple(Shape)), rng.uniform(-0.4, 0.4)
        b.add(shape, at, half, materials.anything(rng), turn, taper if shape is Shape.FRUSTUM else 0.0)
    return rng.uniform(-0.2, 0.4), False


KINDS: tuple[tuple[Callable[[Builder], tuple[float, bool]], float], ...] = (
    (_webcam, 45), (_empty_room, 22), (_table_top, 16), (_outdoors, 10), (_clutter, 7),
)  # fmt: skip
