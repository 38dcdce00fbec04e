"""Somebody: head, hair, neck, shoulders, arms, hands, clothes; legs where they stand.

Built around the point between the collarbones, facing -z, in the measures of an adult. Knows no room and no camera.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

from training import materials
from training.primitives import Builder, Material, Vector, pitched, product, rolled, yawed

Pose = Literal["hanging", "desk", "gesture", "crossed", "face", "shoulders"]
POSES: tuple[Pose, ...] = ("hanging", "desk", "gesture", "crossed", "face", "shoulders")
UPPER_ARM_M, FOREARM_M = 0.29, 0.26


@dataclass(frozen=True)
class Looks:
    skin: Material
    hair: Material
    top: Material
    trousers: Material
    sleeves: Literal["long", "short", "none"]
    width: float  # of the trunk, 1 is usual

    @classmethod
    def of(cls, rng: random.Random) -> Looks:
        return cls(
            materials.skin(rng), materials.hair(rng), materials.clothes(rng), materials.clothes(rng),
            rng.choices(("long", "short", "none"), (6, 4, 1))[0], rng.uniform(0.85, 1.3),
        )  # fmt: skip


def add_person(b: Builder, collar: Vector, facing_rad: float, stands: bool, poses: tuple[Pose, Pose]) -> None:
    """`facing_rad` 0 looks along -z, towards a camera. `poses` of the left and the right arm in the picture."""
    rng = b.rng
    looks = Looks.of(rng)
    lean = product(yawed(facing_rad), pitched(rng.gauss(0, 0.06)))
    with b.placed(collar, product(lean, rolled(rng.gauss(0, 0.04))), rng.uniform(0.88, 1.1)):
        _trunk(b, looks)
        nod = product(yawed(rng.gauss(0, 0.3)), pitched(rng.gauss(0.05, 0.15)))
        with b.placed((0, -0.08, 0.005), product(nod, rolled(rng.gauss(0, 0.08))), rng.uniform(0.95, 1.08)):
            _head(b, looks)
        for side, pose in zip((-1, 1), poses, strict=True):
            _arm(b, looks, side, _wrist(rng, side, pose))
        if stands:
            _legs(b, looks)
        if rng.random() < 0.3:
            _badge(b, looks)


def _trunk(b: Builder, looks: Looks) -> None:
    rng, w = b.rng, looks.width
    collar = looks.skin if rng.random() < 0.5 else looks.top
    b.column((0, -0.05, 0.01), (0.058, 0.09, 0.058), looks.skin, taper=-0.1)
    b.ellipsoid((0, 0.005, 0.015), (0.10, 0.045, 0.07), collar)
    b.ellipsoid((0, 0.05, 0.015), (0.19 * w, 0.07, 0.085), looks.top)
    b.ellipsoid((0, 0.15, 0.0), (0.17 * w, 0.16, 0.115 * w), looks.top)
    b.column((0, 0.31, 0.01), (0.16 * w, 0.22, 0.103 * w), looks.top, taper=rng.uniform(-0.15, 0.03))
    if rng.random() < 0.4:
        for side in (-1, 1):
            b.ellipsoid((side * 0.075, 0.2, -0.09 * w), (0.065, 0.07, 0.055), looks.top)
    if rng.random() < 0.4:
        b.ellipsoid((0, 0.36, -0.03 * w), (0.15 * w, 0.15, 0.11 * w), looks.top)
    b.ellipsoid((0, 0.53, 0.01), (0.17 * w, 0.11, 0.115), looks.top if rng.random() < 0.5 else looks.trousers)
    if rng.random() < 0.2:  # a hood or a scarf
        b.ellipsoid((0, 0.0, 0.03), (0.12, 0.06, 0.1), looks.top)


def _head(b: Builder, looks: Looks) -> None:
    """Around the joint with the neck; the middle of the skull is 12 cm above it."""
    rng = b.rng
    face = materials.face(looks.skin)
    b.ellipsoid((0, -0.125, 0), (0.076, 0.115, 0.095), face)
    b.ellipsoid((0, -0.06, -0.028), (0.056, 0.065, 0.062), looks.hair if rng.random() < 0.15 else face)
    b.ellipsoid((0, -0.105, -0.092), (0.014, 0.026, 0.022), looks.skin)
    for side in (-1, 1):
        b.ellipsoid((side * 0.077, -0.112, 0.012), (0.012, 0.03, 0.02), looks.skin)
    _hair(b, looks.hair)
    if rng.random() < 0.3:
        _glasses(b)
    if rng.random() < 0.15:
        _headphones(b)


def _hair(b: Builder, hair: Material) -> None:
    rng = b.rng
    style = rng.choices(("none", "short", "full", "long", "hat", "bun"), (1, 5, 3, 5, 1, 1.5))[0]
    if style == "none":
        return
    if style == "hat":
        hat = materials.clothes(rng)
        b.column((0, -0.215, 0.005), (0.085, 0.05, 0.1), hat, taper=-0.1)
        b.ellipsoid((0, -0.17, -0.05), (0.08, 0.012, 0.12), hat)
        return
    volume = {"short": 1.0, "full": 1.2, "long": 1.08, "bun": 1.02}[style]
    back = rng.uniform(0.015, 0.03)
    b.ellipsoid((0, -0.16, back), (0.083 * volume, 0.092 * volume, 0.096 * volume), hair)
    if rng.random() < 0.5:  # a fringe or a parting to one side
        b.ellipsoid((rng.uniform(-0.04, 0.04), -0.2, -0.06), (0.06, 0.028, 0.04), hair)
    if style == "bun":
        b.ellipsoid((0, rng.uniform(-0.27, -0.17), 0.08), (0.045, 0.045, 0.045), hair)
    if style == "long":
        length = rng.uniform(0.1, 0.24)
        b.ellipsoid((0, -0.16 + length, 0.05), (0.095, length, 0.055), hair)
        for side in (-1, 1):
            if rng.random() < 0.85:
                b.ellipsoid((side * 0.08, -0.15 + length, 0.0), (0.034, length, 0.055), hair)


def _glasses(b: Builder) -> None:
    rim = materials.plain(b.rng, gloss=0.5)
    for side in (-1, 1):
        at = side * 0.034
        for low, high in (((-0.028, 0), (0.028, 0)), ((-0.028, 0.035), (0.028, 0.035))):
            b.rod((at + low[0], -0.15 + low[1], -0.1), (at + high[0], -0.15 + high[1], -0.1), (0.003, 0.003), rim)
        b.rod((side * 0.064, -0.14, -0.095), (side * 0.08, -0.135, 0.01), (0.003, 0.003), rim)


def _headphones(b: Builder) -> None:
    shell = materials.plain(b.rng, gloss=0.3)
    for side in (-1, 1):
        b.ellipsoid((side * 0.09, -0.115, 0.01), (0.022, 0.042, 0.035), shell)
        b.rod((side * 0.095, -0.14, 0.01), (side * 0.045, -0.26, 0.01), (0.01, 0.01), shell)
    b.rod((-0.05, -0.255, 0.01), (0.05, -0.255, 0.01), (0.01, 0.01), shell)


def _badge(b: Builder, looks: Looks) -> None:
    reach = -0.13 * looks.width
    card = materials.picture(b.rng, "screen", 4)
    b.box((0.0, 0.3, reach), (0.035, 0.05, 0.004), card)
    for side in (-1, 1):
        b.rod((side * 0.07, 0.0, -0.06), (0.0, 0.25, reach), (0.005, 0.005), materials.plain(b.rng))


def _wrist(rng: random.Random, side: int, pose: Pose) -> Vector:
    """Where the wrist is, against the shoulder's height; z towards the camera is negative."""
    u = rng.uniform
    if pose == "hanging":
        return side * u(0.2, 0.3), u(0.5, 0.58), u(-0.12, 0.08)
    if pose == "desk":
        return side * u(-0.02, 0.25), u(0.3, 0.42), u(-0.42, -0.25)
    if pose == "crossed":
        return -side * u(0.02, 0.16), u(0.2, 0.3), u(-0.24, -0.18)
    if pose == "face":
        return side * u(0.02, 0.1), u(-0.12, 0.02), u(-0.22, -0.12)
    if pose == "shoulders":
        return side * u(0.25, 0.5), u(-0.35, 0.1), u(-0.3, -0.05)
    return side * u(-0.1, 0.3), u(-0.1, 0.3), u(-0.48, -0.2)


def _arm(b: Builder, looks: Looks, side: int, wrist: Vector) -> None:
    rng = b.rng
    shoulder = (side * 0.175 * looks.width, 0.06, 0.015)
    elbow, wrist = _bent(shoulder, wrist, (side * rng.uniform(0.3, 1.0), rng.uniform(0.4, 1.0), rng.uniform(0, 0.5)))
    upper = looks.skin if looks.sleeves == "none" else looks.top
    lower = looks.top if looks.sleeves == "long" else looks.skin
    thick = rng.uniform(0.9, 1.25)
    b.ellipsoid(shoulder, (0.066 * thick, 0.066 * thick, 0.07 * thick), upper)
    b.rod(shoulder, elbow, (0.056 * thick, 0.046 * thick), upper)
    b.ellipsoid(elbow, (0.047 * thick, 0.047 * thick, 0.047 * thick), upper)
    b.rod(elbow, wrist, (0.045 * thick, 0.03 * thick), lower)
    add_hand(b, looks.skin, elbow, wrist)


def _bent(shoulder: Vector, wrist: Vector, out: Vector) -> tuple[Vector, Vector]:
    """Elbow and wrist of an arm of fixed length whose elbow points `out` (the law of cosines)."""
    reach = [b - a for a, b in zip(shoulder, wrist, strict=True)]
    length = max(0.08, math.hypot(*reach))
    shown = min(length, UPPER_ARM_M + FOREARM_M - 0.01)
    along = [value / length for value in reach]
    wrist = tuple(a + shown * d for a, d in zip(shoulder, along, strict=True))  # type: ignore[assignment]
    foot = (shown**2 + UPPER_ARM_M**2 - FOREARM_M**2) / (2 * shown)
    height = math.sqrt(max(0.0, UPPER_ARM_M**2 - foot**2))
    inward = sum(o * d for o, d in zip(out, along, strict=True))
    across = [o - inward * d for o, d in zip(out, along, strict=True)]
    norm = max(1e-6, math.hypot(*across))
    elbow = tuple(s + foot * d + height * c / norm for s, d, c in zip(shoulder, along, across, strict=True))
    return elbow, wrist  # type: ignore[return-value]


def add_hand(b: Builder, skin: Material, elbow: Vector, wrist: Vector) -> None:
    """A palm that goes on from the forearm, and four fingers and a thumb that are stretched or not."""
    rng = b.rng
    along = [w - e for w, e in zip(wrist, elbow, strict=True)]
    norm = max(1e-6, math.hypot(*along))
    along = [value / norm + rng.gauss(0, 0.25) for value in along]
    palm = tuple(w + 0.05 * d for w, d in zip(wrist, along, strict=True))
    b.ellipsoid(palm, (0.042, 0.05, 0.03), skin)  # type: ignore[arg-type]
    if rng.random() < 0.3:
        return  # a fist, or too far to tell
    length = rng.uniform(0.06, 0.1)
    wide = (rng.uniform(0.5, 1.0), rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4))
    for finger in range(4):
        shift = [(finger - 1.5) * 0.021 * value for value in wide]
        root = tuple(p + 0.03 * d + s for p, d, s in zip(palm, along, shift, strict=True))
        tip = tuple(r + length * d + s * 0.6 for r, d, s in zip(root, along, shift, strict=True))
        b.rod(root, tip, (0.011, 0.009), skin)  # type: ignore[arg-type]


def _legs(b: Builder, looks: Looks) -> None:
    for side in (-1, 1):
        spread = b.rng.uniform(0.09, 0.16)
        hip, knee, foot = (side * 0.09, 0.55, 0.02), (side * spread, 0.95, -0.02), (side * spread, 1.38, 0.04)
        b.rod(hip, knee, (0.095, 0.065), looks.trousers)
        b.rod(knee, foot, (0.062, 0.045), looks.trousers)
        b.ellipsoid((foot[0], foot[1] + 0.03, foot[2] - 0.08), (0.05, 0.04, 0.14), materials.plain(b.rng))
