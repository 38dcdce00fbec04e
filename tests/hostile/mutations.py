"""Seeded damage: the same seed makes the same inputs. Knows JPEG's segments and msgpack's types, judges nothing."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from tests.hostile import messages
from tests.hostile.jpeg_parts import split

Random = random.Random
EDGES = (0, 1, 2, 7, 8, 15, 16, 17, 63, 64, 127, 128, 255)
AT_ONCE = (1, 1, 1, 2, 4)  # one after the other: most of what is damaged more is refused by its first bytes

# ---------------------------------------------------------------- any bytes


def flip_bits(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        changed[rng.randrange(len(changed))] = rng.choice(EDGES)
    return bytes(changed)


def truncate(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(1, len(data) + 1)]


def splice(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    other = rng.choice(pool)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def repeat(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    begin = rng.randrange(len(data))
    piece = data[begin : begin + rng.choice((1, 4, 16, 256, 4096))]
    return data[:begin] + piece * rng.choice((2, 3, 16)) + data[begin:]


def cut_out(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    begin = rng.randrange(len(data))
    return data[:begin] + data[begin + rng.choice((1, 2, 8, 64, 512)) :]


def insert_noise(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 16, 200))) + data[at:]


ANY = (flip_bits, set_bytes, truncate, splice, repeat, cut_out, insert_noise)

# ---------------------------------------------------------------- JPEG's segments


def _of_segments(change: Callable[[Random, list[bytes], Sequence[bytes]], None]) -> Callable[..., bytes]:
    """A mutation of the list of segments → one of bytes; of what has no segments any more it leaves everything."""

    def mutate(rng: Random, data: bytes, pool: Sequence[bytes]) -> bytes:
        try:
            parts = split(data)
        except (AssertionError, IndexError):
            return data
        change(rng, parts, pool)
        return b"".join(parts)

    return mutate


def _duplicate(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    parts.insert(rng.randrange(1, len(parts)), rng.choice(parts) * rng.choice((1, 2, 10, 40)))


def _swap(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    one, other = rng.randrange(1, len(parts)), rng.randrange(1, len(parts))
    parts[one], parts[other] = parts[other], parts[one]


def _drop(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    del parts[rng.randrange(1, len(parts))]


def _lie_about_length(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    at = rng.randrange(1, len(parts))
    true = int.from_bytes(parts[at][2:4], "big")
    told = rng.choice((0, 1, 2, 3, true - 1, true + 1, 2 * true, 0x7FFF, 0xFFFF)) % 65536
    parts[at] = parts[at][:2] + struct.pack(">H", told) + parts[at][4:]


def _rename(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    at = rng.randrange(1, len(parts))
    parts[at] = bytes([0xFF, rng.randrange(0xC0, 0xFF)]) + parts[at][2:]


def _change_head(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    """A byte among the first twenty of a segment, where what it says of itself stands."""
    at = rng.randrange(1, len(parts))
    changed = bytearray(parts[at])
    changed[rng.randrange(min(20, len(changed)))] = rng.choice((rng.randrange(256), rng.choice(EDGES)))
    parts[at] = bytes(changed)


def _borrow(rng: Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    """A segment of another picture."""
    other = rng.choice(pool)
    try:
        parts.insert(rng.randrange(1, len(parts)), rng.choice(split(other)))
    except (AssertionError, IndexError):
        pass


SEGMENTS = tuple(map(_of_segments, (_duplicate, _swap, _drop, _lie_about_length, _rename, _change_head, _borrow)))


def mutated_jpeg(rng: Random, pool: Sequence[bytes]) -> bytes:
    return _mutated(rng, rng.choice(pool), pool, rng.choice((ANY, SEGMENTS, SEGMENTS)))


# ---------------------------------------------------------------- messages

_NAMES = ("type", "frame_id", "captured_at_ms", "jpeg", "protocol", "formats", "client", "watch", "t", "stride",
          "latency_ms", "format", "output", "sh", "ply", "min_opacity", "max_depth_percentile", "depth_bits", "max_fps",
          "", "x" * 300, 1, None, b"type")  # fmt: skip
_TYPES = ("hello", "frame", "ack", "shown", "settings", "ping", "welcome", "", "auto", "splats16", "newest")


def mutated_message(rng: Random, pool: Sequence[bytes]) -> bytes:
    if rng.random() < 0.5:
        return _strange_map(rng)
    return _mutated(rng, rng.choice(pool), pool, ANY)


def _strange_map(rng: Random) -> bytes:
    """A map in which some fields are those of a message and some values are not."""
    fields: dict[Any, Any] = {rng.choice(_NAMES): _strange_value(rng, 2) for _ in range(rng.randrange(6))}
    if rng.random() < 0.8:
        fields["type"] = rng.choice(_TYPES)
    return msgpack.packb(fields)


def _strange_value(rng: Random, depth: int) -> Any:
    kind = rng.randrange(9 if depth else 7)
    if kind == 0:
        return rng.choice((0, 1, -1, 2, 16, 17, 240, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63)))
    if kind == 1:
        return rng.choice((0.0, -0.0, 1.5, 1e-300, 1e308, float("inf"), float("-inf"), float("nan")))
    if kind == 2:
        return rng.choice(_TYPES + ("x" * 300, "\0", "\N{PILE OF POO}" * 9, "../../etc"))
    if kind == 3:
        return rng.choice((b"", messages.JPEG, rng.randbytes(20)))
    if kind == 4:
        return rng.choice((None, True, False))
    if kind == 5:
        return rng.choice((["splats16"], ["compact", "x"], [], ["a"] * 17))
    if kind == 6:
        return rng.choice((msgpack.ExtType(rng.randrange(128), rng.randbytes(rng.randrange(9))), msgpack.Timestamp(1)))
    if kind == 7:
        return [_strange_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {f"key {n}": _strange_value(rng, depth - 1) for n in range(rng.randrange(4))}


def _mutated(
    rng: Random,
    data: bytes,
    pool: Sequence[bytes],
    mutations: Sequence[Callable[[Random, bytes, Sequence[bytes]], bytes]],
) -> bytes:
    for _ in range(rng.choice(AT_ONCE)):
        data = rng.choice(mutations)(rng, data, pool) or b"\0"
    return data
