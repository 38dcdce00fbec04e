"""Colours and materials of things, at random but likely. Knows the bank's names, no shapes."""

from __future__ import annotations

import colorsys
import random

from training.patterns import COLOURED, NUMBERS
from training.primitives import Material, Paint, Vector

BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
SKINS = (
    (0.92, 0.74, 0.64), (0.87, 0.66, 0.54), (0.80, 0.59, 0.46), (0.69, 0.48, 0.35), (0.55, 0.37, 0.26),
    (0.40, 0.26, 0.18), (0.29, 0.19, 0.14),
)  # fmt: skip
HAIRS = (
    (0.05, 0.04, 0.04), (0.10, 0.07, 0.05), (0.20, 0.13, 0.08), (0.35, 0.22, 0.12), (0.60, 0.45, 0.25),
    (0.55, 0.53, 0.50), (0.45, 0.18, 0.08), (0.80, 0.78, 0.75),
)  # fmt: skip


def colour(rng: random.Random, most_saturation: float = 0.9) -> Vector:
    """Mostly dull, sometimes strong."""
    saturation = most_saturation * rng.random() ** rng.choice((0.5, 1, 2, 4))
    return colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.04, 0.95))


def shifted(rng: random.Random, rgb: Vector, by: float) -> Vector:
    """A colour near another, a little lighter or darker and a little of another hue."""
    gain = 1 + rng.uniform(-by, by)
    r, g, b = (min(1.0, max(0.0, value * gain + rng.uniform(-by, by) * 0.12)) for value in rgb)
    return r, g, b


def patterned(rng: random.Random, kind: str, low: Vector, high: Vector, tiles_per_m: float, **more: float) -> Material:
    return Material(low, high, rng.choice(NUMBERS[kind]), tiles_per_m, **more)  # type: ignore[arg-type]


def picture(rng: random.Random, kind: str, tiles_per_m: float, emission: float = 0.0, gloss: float = 0.0) -> Material:
    """A pattern in its own colours."""
    assert kind in COLOURED
    gain = rng.uniform(0.7, 1.0)
    return Material(BLACK, (gain, gain, gain), rng.choice(NUMBERS[kind]), tiles_per_m, emission=emission, gloss=gloss)


def anything(rng: random.Random, tiles_per_m: float = 1.5) -> Material:
    """Of a thing about which nothing is known."""
    kind = rng.choices(
        ("cloudy", "rough", "wood", "stripes", "checks", "dots", "print", "photo", "screen", "plaid"),
        (9, 4, 4, 2, 1, 1, 1, 1, 1, 1),
    )[0]
    scale = tiles_per_m * rng.uniform(0.4, 3)
    gloss = rng.choice((0.0, 0.0, 0.2, 0.6))
    if kind in COLOURED:
        return picture(rng, kind, scale, gloss=gloss)
    low = colour(rng)
    high = shifted(rng, low, 0.35) if rng.random() < 0.75 else colour(rng)
    return patterned(rng, kind, low, high, scale, gloss=gloss)


def plain(rng: random.Random, rgb: Vector | None = None, gloss: float = 0.0) -> Material:
    low = rgb or colour(rng)
    return patterned(rng, "cloudy", shifted(rng, low, 0.06), shifted(rng, low, 0.12), 1.0, gloss=gloss)


def wall(rng: random.Random) -> Material:
    """Painted mostly; sometimes papered, bricks or wood."""
    kind = rng.choices(("cloudy", "rough", "bricks", "stripes", "wood", "dots", "plaid"), (12, 3, 2, 1, 1, 0.5, 0.5))[0]
    value = rng.uniform(0.35, 0.95) if rng.random() < 0.8 else rng.uniform(0.08, 0.4)
    low = colorsys.hsv_to_rgb(rng.random(), 0.5 * rng.random() ** 2, value)
    contrast = 0.05 if kind in ("cloudy", "rough") else 0.25
    return patterned(rng, kind, low, shifted(rng, low, contrast), rng.uniform(0.3, 1.5))


def ground(rng: random.Random) -> Material:
    kind = rng.choices(("wood", "bricks", "cloudy", "rough", "checks", "knit"), (5, 3, 3, 3, 1, 2))[0]
    low = colorsys.hsv_to_rgb(rng.uniform(0.0, 0.15), 0.6 * rng.random(), rng.uniform(0.15, 0.85))
    contrast = rng.uniform(0.1, 0.4)
    gloss = rng.choice((0, 0, 0.3))
    return patterned(rng, kind, low, shifted(rng, low, contrast), rng.uniform(0.4, 2), gloss=gloss)


def wood(rng: random.Random) -> Material:
    low = colorsys.hsv_to_rgb(rng.uniform(0.03, 0.13), rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.9))
    return patterned(rng, "wood", low, shifted(rng, low, 0.35), rng.uniform(0.5, 2), gloss=rng.choice((0, 0.2, 0.4)))


def clothes(rng: random.Random) -> Material:
    kind = rng.choices(
        ("cloudy", "knit", "rough", "stripes", "plaid", "dots", "photo", "checks"), (8, 4, 2, 2, 2, 1, 1, 0.5)
    )[0]
    scale = rng.uniform(1.5, 6)
    if kind == "photo":
        return picture(rng, kind, scale)
    low = colour(rng)
    high = shifted(rng, low, 0.3) if kind in ("cloudy", "knit", "rough") or rng.random() < 0.4 else colour(rng)
    return patterned(rng, kind, low, high, scale, bump=rng.uniform(0.2, 1.2))


def skin(rng: random.Random) -> Material:
    low = shifted(rng, rng.choice(SKINS), 0.12)
    return patterned(rng, "cloudy", low, shifted(rng, low, 0.1), 4.0, gloss=rng.uniform(0, 0.25))


def face(of: Material) -> Material:
    return Material(of.low, of.high, of.pattern, of.tiles_per_m, gloss=of.gloss, paint=Paint.FACE)


def hair(rng: random.Random) -> Material:
    low = shifted(rng, rng.choice(HAIRS), 0.2) if rng.random() < 0.95 else colour(rng)
    return patterned(rng, "rough", low, shifted(rng, low, 0.5), rng.uniform(3, 8), gloss=rng.uniform(0, 0.4), bump=0.8)


def leaf(rng: random.Random) -> Material:
    low = colorsys.hsv_to_rgb(rng.uniform(0.2, 0.42), rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.5))
    return patterned(rng, "leaves", low, shifted(rng, low, 0.8), rng.uniform(2, 6), bump=1.0)


def metal(rng: random.Random) -> Material:
    value = rng.uniform(0.05, 0.85)
    return plain(rng, (value, value, value), gloss=rng.uniform(0.2, 0.8))
