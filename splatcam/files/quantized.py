"""How numbers get into few bits, where several file formats do the same. Pure numpy, knows no format."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_OTHERS = np.array(((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)))
_LEAST_LENGTH = 1e-9


def levels(values: Array, bits: int) -> Array:
    """0..1 → the nearest of 2 ** bits levels, uint32. What is outside goes to the nearer end."""
    top = 2**bits - 1
    return np.clip(np.floor(values * top + 0.5), 0, top).astype(np.uint32)


def fractions(words: Array, shift: int, bits: int) -> Array:
    """`bits` bits of uint32 words, from `shift` on, as 0..1 in float64."""
    top = 2**bits - 1
    return ((words >> np.uint32(shift)) & np.uint32(top)) / top


def unit(rotations: Array) -> Array:
    """[N, 4] wxyz of any length → unit length in float64; the identity for those of no length."""
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    identity = np.array((1.0, 0.0, 0.0, 0.0))
    return np.where(lengths > _LEAST_LENGTH, rotations / np.maximum(lengths, _LEAST_LENGTH), identity)


def smallest_three(rotations: Array) -> tuple[Array, Array]:
    """Unit quaternions [N, 4] in any order → where the largest component is [N], and the others [N, 3] in their order.

    q and -q are the same rotation: the signs are those that make the largest component positive. Each of the others
    is within ±√½.
    """
    largest = np.abs(rotations).argmax(axis=1)
    signs = np.where(np.take_along_axis(rotations, largest[:, None], axis=1) < 0, -1.0, 1.0)
    return largest, signs * np.take_along_axis(rotations, _OTHERS[largest], axis=1)


def from_smallest_three(largest: Array, others: Array) -> Array:
    """The inverse of `smallest_three`: [N] and [N, 3] → [N, 4], of unit length where the others allow it."""
    rotations = np.empty((len(largest), 4))
    np.put_along_axis(rotations, _OTHERS[largest], others, axis=1)
    rest = np.sqrt(np.maximum(0.0, 1.0 - (others**2).sum(axis=1)))
    np.put_along_axis(rotations, largest[:, None], rest[:, None], axis=1)
    return rotations
