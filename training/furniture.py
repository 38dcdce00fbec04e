"""What stands in rooms, hangs on walls and lies on tables. Each thing is built at a given place of the builder's frame.

Things against a wall are built with the wall behind them at z = 0 and themselves at z < 0; y = 0 is the floor for what
stands, and the height of the eyes for what hangs. Knows no camera.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from training import materials
from training.primitives import Builder, Material, Matrix, product, rolled, yawed


def shelf(b: Builder) -> None:
    """Boards with books and things, open or closed."""
    rng = b.rng
    wide, high, deep = rng.uniform(0.3, 0.9), rng.uniform(0.4, 1.1), rng.uniform(0.12, 0.25)
    wood = materials.wood(rng)
    if rng.random() < 0.35:
        b.box((0, -high, -deep), (wide, high, deep), wood)
        for side in (-1, 1):
            b.box((side * wide / 2, -high, -2 * deep), (wide / 2 - 0.01, high - 0.03, 0.012), wood)
        return
    b.box((0, -high, -0.01), (wide, high, 0.01), wood)
    for side in (-1, 1):
        b.box((side * wide, -high, -deep), (0.015, high, deep), wood)
    boards = rng.randint(2, 5)
    for number in range(boards + 1):
        level = -2 * high * number / boards
        b.box((0, level, -deep), (wide, 0.013, deep), wood)
        if number < boards and rng.random() < 0.85:
            _load(b, level, wide, deep, high / boards)


def _load(b: Builder, level: float, wide: float, deep: float, room: float) -> None:
    rng = b.rng
    if rng.random() < 0.6:
        half = room * rng.uniform(0.6, 0.9)
        reach = wide * rng.uniform(0.4, 0.95)
        books = materials.picture(rng, "spines", rng.uniform(0.8, 2))
        b.box((rng.uniform(-1, 1) * (wide - reach), level - half, -deep * 0.9), (reach, half, deep * 0.75), books)
        return
    for _ in range(rng.randint(1, 3)):
        with b.placed((rng.uniform(-0.8, 0.8) * wide, level, -deep)):
            small_thing(b, min(1.0, room / 0.12))


def sofa(b: Builder) -> None:
    rng = b.rng
    cloth = materials.clothes(rng)
    wide, seat = rng.uniform(0.6, 1.1), rng.uniform(0.18, 0.24)
    b.box((0, -seat, -0.45), (wide, seat, 0.4), cloth)
    b.box((0, -0.42, -0.12), (wide, 0.42, 0.11), cloth)
    for side in (-1, 1):
        b.box((side * wide, -0.3, -0.45), (0.1, 0.3, 0.42), cloth)
    for _ in range(rng.randint(0, 3)):
        at = (rng.uniform(-0.8, 0.8) * wide, -2 * seat - 0.18, -0.3)
        b.ellipsoid(at, (0.2, 0.2, 0.09), materials.clothes(rng), rolled(rng.uniform(-0.5, 0.5)))


def bed(b: Builder) -> None:
    rng = b.rng
    cloth = materials.clothes(rng)
    b.box((0, -0.25, -1.0), (0.8, 0.25, 1.0), cloth)
    b.box((0, -0.5, -0.04), (0.82, 0.5, 0.04), materials.wood(rng))
    for side in (-1, 1):
        b.ellipsoid((side * 0.38, -0.56, -0.25), (0.32, 0.1, 0.2), materials.clothes(rng))


def table(b: Builder, things: int = 3) -> None:
    rng = b.rng
    wide, deep, high = rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.45), rng.uniform(0.6, 0.78)
    wood = materials.wood(rng)
    b.box((0, -high, -deep), (wide, 0.02, deep), wood)
    for x in (-1, 1):
        for z in (-1, 1):
            b.rod((x * wide * 0.9, -high, -deep + z * deep * 0.9), (x * wide * 0.9, 0, -deep + z * deep * 0.9),
                  (0.025, 0.02), wood)  # fmt: skip
    for _ in range(things):
        with b.placed((rng.uniform(-0.85, 0.85) * wide, -high - 0.02, -rng.uniform(0.3, 1.7) * deep)):
            small_thing(b)


def chair(b: Builder) -> None:
    rng = b.rng
    seat, body = rng.uniform(0.4, 0.5), materials.anything(rng)
    b.box((0, -seat, -0.25), (0.21, 0.025, 0.21), body)
    b.box((0, -seat - 0.3, -0.05), (0.2, rng.uniform(0.12, 0.3), 0.02), body)
    leg = materials.metal(rng)
    for x in (-0.18, 0.18):
        for z in (-0.07, -0.43):
            b.rod((x, -seat, z), (x, 0, z), (0.015, 0.012), leg)


def lamp(b: Builder) -> None:
    rng = b.rng
    high = rng.uniform(1.2, 1.7)
    b.rod((0, -high, -0.3), (0, 0, -0.3), (0.012, 0.012), materials.metal(rng))
    b.column((0, -0.02, -0.3), (0.14, 0.02, 0.14), materials.metal(rng))
    glow = rng.choice((0.0, 0.6, 1.0))
    shade = Material((0.9, 0.85, 0.7), (1, 0.97, 0.9), emission=glow)
    b.column((0, -high - 0.1, -0.3), (0.17, 0.13, 0.17), shade, taper=rng.uniform(-0.4, -0.1))


def plant(b: Builder) -> None:
    rng = b.rng
    leaves, high = materials.leaf(rng), rng.uniform(0.3, 1.0)
    b.column((0, -0.15, -0.3), (0.14, 0.15, 0.14), materials.anything(rng), taper=0.2)
    b.rod((0, -0.3, -0.3), (0, -0.3 - high, -0.3), (0.015, 0.01), materials.wood(rng))
    for _ in range(rng.randint(5, 10)):
        way, up = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 1.15)
        reach = rng.uniform(0.05, 0.3)
        at = (math.cos(way) * reach, -0.3 - high * up, -0.3 + math.sin(way) * reach)
        b.ellipsoid(at, (rng.uniform(0.08, 0.2), 0.02, rng.uniform(0.03, 0.09)), leaves, _any_turn(rng, way))


def _any_turn(rng: random.Random, way: float) -> Matrix:
    return product(yawed(way), rolled(rng.uniform(-1.2, 1.2)))


def box(b: Builder) -> None:
    rng = b.rng
    half = (rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.4))
    b.box((0, -half[1], -half[2]), half, materials.anything(rng, 1 / max(half)))


def pole(b: Builder) -> None:
    """Thin things: pipes, stands, cables that hang down."""
    rng = b.rng
    radius = rng.choice((0.004, 0.008, 0.02, 0.04))
    top, foot = rng.uniform(-2.4, -0.6), rng.uniform(-0.5, 0.3)
    lean = rng.uniform(-0.2, 0.2) if rng.random() < 0.4 else 0.0
    b.rod((0, foot, -0.15), (lean, top, -0.15 + lean * 0.3), (radius, radius), materials.metal(rng))


STANDING: tuple[tuple[Callable[[Builder], None], float], ...] = (
    (shelf, 5), (sofa, 3), (bed, 1.5), (table, 3), (chair, 3), (lamp, 2), (plant, 3), (box, 3), (pole, 2),
)  # fmt: skip


def standing(b: Builder) -> None:
    """Any of the things that stand on the floor."""
    things, weights = zip(*STANDING, strict=True)
    b.rng.choices(things, weights)[0](b)


# ---------------------------------------------------------------- on walls


def window(b: Builder) -> None:
    """Shines; with a frame and bars, sometimes with curtains or blinds."""
    rng = b.rng
    wide, high = rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.8)
    kind = rng.choice(("view", "view", "plain view"))
    glass = materials.picture(rng, kind, 0.5 / max(wide, high), emission=rng.uniform(0.7, 1.0))
    b.box((0, 0, -0.005), (wide, high, 0.01), glass)
    frame = materials.plain(rng, (0.85, 0.85, 0.85) if rng.random() < 0.6 else None)
    _border(b, wide, high, 0.04, 0.05, frame)
    if rng.random() < 0.6:
        b.box((0, 0, -0.03), (0.025, high, 0.025), frame)
    curtain = rng.random()
    if curtain < 0.25:
        cloth = materials.clothes(rng)
        for side in (-1, 1):
            at = wide * rng.uniform(0.7, 1.1)
            b.box((side * at, 0.1, -0.1), (0.22, high + 0.35, 0.04), cloth)
    elif curtain < 0.4:
        for number in range(rng.randint(5, 10)):
            b.box((0, -high + number * 0.08, -0.06), (wide, 0.004, 0.02), frame)


def _border(b: Builder, wide: float, high: float, thick: float, deep: float, frame: Material) -> None:
    for side in (-1, 1):
        b.box((side * (wide + thick), 0, -deep / 2), (thick, high + 2 * thick, deep / 2), frame)
        b.box((0, side * (high + thick), -deep / 2), (wide, thick, deep / 2), frame)


def painting(b: Builder) -> None:
    rng = b.rng
    wide, high = rng.uniform(0.12, 0.6), rng.uniform(0.12, 0.5)
    kind = rng.choice(("photo", "screen", "view"))
    b.box((0, 0, -0.012), (wide, high, 0.012), materials.picture(rng, kind, 0.5 / max(wide, high)))
    if rng.random() < 0.7:
        _border(b, wide, high, rng.uniform(0.008, 0.03), 0.03, materials.wood(rng))


def board(b: Builder) -> None:
    """A plain panel in one colour: a pin board, a white board, a poster, a door of a cupboard."""
    rng = b.rng
    wide, high = rng.uniform(0.25, 1.0), rng.uniform(0.3, 1.0)
    b.box((0, 0, -0.01), (wide, high, 0.01), materials.plain(rng, gloss=rng.choice((0, 0.4))))
    if rng.random() < 0.5:
        _border(b, wide, high, 0.015, 0.03, materials.metal(rng))
    for _ in range(rng.randint(0, 4)):
        at = (rng.uniform(-0.8, 0.8) * wide, rng.uniform(-0.8, 0.8) * high, -0.022)
        b.box(at, (0.08, 0.11, 0.002), materials.picture(rng, "screen", 4))


def screen(b: Builder) -> None:
    """A television or a large monitor that is on or off."""
    rng = b.rng
    wide = rng.uniform(0.3, 0.8)
    high, deep = wide * rng.uniform(0.5, 0.7), rng.uniform(0.02, 0.08)
    frame = materials.plain(rng, (0.04, 0.04, 0.05), gloss=0.5)
    b.box((0, 0, -deep), (wide, high, deep), frame)
    shown = materials.picture(rng, "screen", 0.5 / wide, emission=rng.uniform(0.6, 1.0), gloss=0.2)
    if rng.random() < 0.75:
        b.box((0, 0, -2 * deep), (wide * 0.93, high * 0.9, 0.004), shown)


def door(b: Builder) -> None:
    rng = b.rng
    wood = materials.plain(rng) if rng.random() < 0.5 else materials.wood(rng)
    b.box((0, 0.55, -0.02), (0.43, 1.02, 0.02), wood)
    _border(b, 0.43, 1.02, 0.05, 0.06, materials.wood(rng))
    b.ellipsoid((0.35, 0.6, -0.08), (0.05, 0.015, 0.02), materials.metal(rng))


def wall_shelf(b: Builder) -> None:
    rng = b.rng
    wide, wood = rng.uniform(0.25, 0.6), materials.wood(rng)
    b.box((0, 0, -0.1), (wide, 0.012, 0.1), wood)
    _load(b, -0.012, wide, 0.1, rng.uniform(0.1, 0.16))


def trunking(b: Builder) -> None:
    """A rail or a cable duct along the wall."""
    level = b.rng.uniform(-0.8, 1.2)
    b.box((0, level, -0.025), (3.0, b.rng.uniform(0.01, 0.05), 0.025), materials.plain(b.rng))


HANGING: tuple[tuple[Callable[[Builder], None], float], ...] = (
    (window, 4), (painting, 5), (board, 4), (screen, 2.5), (door, 2), (wall_shelf, 2), (trunking, 1),
)  # fmt: skip


def hanging(b: Builder) -> None:
    """Any of the things that hang on a wall."""
    things, weights = zip(*HANGING, strict=True)
    b.rng.choices(things, weights)[0](b)


# ---------------------------------------------------------------- on tables


def bottle(b: Builder, scale: float = 1.0) -> None:
    """Standing on y = 0."""
    rng = b.rng
    body = materials.anything(rng, 4) if rng.random() < 0.5 else materials.plain(rng, gloss=0.7)
    radius, high = rng.uniform(0.028, 0.05) * scale, rng.uniform(0.07, 0.12) * scale
    b.column((0, -high, 0), (radius, high, radius), body)
    b.ellipsoid((0, -2 * high, 0), (radius, radius * 1.3, radius), body)
    neck = rng.uniform(0.025, 0.05) * scale
    b.column((0, -2 * high - neck, 0), (radius * 0.4, neck, radius * 0.4), body)
    b.column((0, -2 * high - 2 * neck, 0), (radius * 0.45, 0.012 * scale, radius * 0.45), materials.plain(rng))
    if rng.random() < 0.5:
        b.column((0, -high, 0), (radius * 1.02, high * 0.4, radius * 1.02), materials.picture(rng, "screen", 6))


def cup(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    radius, high = rng.uniform(0.03, 0.05) * scale, rng.uniform(0.035, 0.07) * scale
    body = materials.anything(rng, 5)
    b.column((0, -high, 0), (radius, high, radius), body, taper=rng.uniform(0, 0.25))
    b.column((0, -2 * high, 0), (radius * 0.85, 0.002, radius * 0.85), materials.plain(rng, (0.15, 0.08, 0.04)))
    if rng.random() < 0.6:
        for y in (-0.6, -1.4):
            b.rod((radius, y * high, 0), (radius * 1.6, y * high, 0), (0.006 * scale, 0.006 * scale), body)
        b.rod((radius * 1.6, -0.6 * high, 0), (radius * 1.6, -1.4 * high, 0), (0.006 * scale, 0.006 * scale), body)


def package(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    half = (rng.uniform(0.03, 0.12) * scale, rng.uniform(0.01, 0.12) * scale, rng.uniform(0.02, 0.1) * scale)
    b.box((0, -half[1], 0), half, materials.anything(rng, 3), yawed(rng.uniform(-1.5, 1.5)))


def books(b: Builder, scale: float = 1.0) -> None:
    rng, level = b.rng, 0.0
    for _ in range(rng.randint(1, 4)):
        thick = rng.uniform(0.006, 0.025) * scale
        half = (rng.uniform(0.07, 0.12) * scale, thick, rng.uniform(0.09, 0.15) * scale)
        b.box((0, level - thick, 0), half, materials.anything(rng, 3), yawed(rng.uniform(-0.8, 0.8)))
        level -= 2 * thick


def fruit(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    radius = rng.uniform(0.025, 0.07) * scale
    squeeze = rng.uniform(0.8, 1.2)
    b.ellipsoid((0, -radius * squeeze, 0), (radius, radius * squeeze, radius), materials.anything(rng, 4))


def flowers(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    radius, high = rng.uniform(0.04, 0.07) * scale, rng.uniform(0.04, 0.09) * scale
    b.column((0, -high, 0), (radius, high, radius), materials.anything(rng, 4), taper=0.2)
    leaves = materials.leaf(rng)
    for _ in range(rng.randint(3, 6)):
        way, up = rng.uniform(0, 6.3), rng.uniform(0.06, 0.25) * scale
        at = (math.cos(way) * 0.06 * scale, -2 * high - up, math.sin(way) * 0.06 * scale)
        b.ellipsoid(at, (0.05 * scale, 0.008 * scale, 0.022 * scale), leaves, _any_turn(rng, way))


def laptop(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    body = materials.metal(rng)
    with b.placed((0, 0, 0), yawed(rng.uniform(-0.8, 0.8) + rng.choice((0, math.pi))), scale):
        b.box((0, -0.008, 0), (0.16, 0.008, 0.11), body)
        b.box((0, -0.11, 0.13), (0.16, 0.1, 0.005), body)
        shown = materials.picture(rng, "screen", 3, emission=rng.uniform(0.5, 1))
        b.box((0, -0.11, 0.124), (0.15, 0.09, 0.002), shown)


def monitor(b: Builder, scale: float = 1.0) -> None:
    rng = b.rng
    with b.placed((0, -0.32 * scale, 0), yawed(rng.uniform(-0.5, 0.5)), scale):
        b.column((0, 0.2, 0.02), (0.03, 0.14, 0.03), materials.metal(rng))
        b.column((0, 0.31, 0.02), (0.12, 0.01, 0.1), materials.metal(rng))
        screen(b)


ON_TABLES: tuple[tuple[Callable[[Builder, float], None], float], ...] = (
    (bottle, 4), (cup, 3), (package, 4), (books, 3), (fruit, 2), (flowers, 1.5), (laptop, 1), (monitor, 0.7),
)  # fmt: skip


def small_thing(b: Builder, scale: float = 1.0) -> None:
    """Any of the things that stand on tables and shelves, on y = 0."""
    things, weights = zip(*ON_TABLES, strict=True)
    b.rng.choices(things, weights)[0](b, scale)
