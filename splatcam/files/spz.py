"""Niantic's SPZ: gzip around columns of bytes, 20 a splat and up to 45 of harmonics. Writes version 3, reads 2 and 3.

https://github.com/nianticlabs/spz. The format's axes are RUB (x right, y up, z back), ours are RDF: y and z change
their signs, with what follows for rotations and harmonics. No library: gsply, the one on PyPI, takes
paths only and does not turn the axes.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatcam.files.checks import SceneUnreadable, SceneUnwritable, only_valid, require_count, tensor
from splatcam.files.quantized import from_smallest_three, levels, smallest_three, unit
from splatcam.gaussians import SH_COEFFICIENTS, Gaussians

Array = np.ndarray[Any, Any]

MAGIC = b"NGSP"
VERSION = 3
FRACTION_BITS = 12  # of coordinates: steps of 1/4096, up to ±2048; larger scenes get fewer
MAX_FRACTION_BITS = 24
COORDINATE_LIMIT = 2**23 - 1
COLOR_SCALE = 0.15  # of the first harmonic: leaves room for colours beyond 0..1
LN_SCALE_OFFSET, LN_SCALE_STEPS = 10.0, 16.0  # a byte holds (ln scale + 10) · 16
ROTATION_LEVELS = 511  # of a component's size, 0..√½; its sign is a bit more
SH_STEP = (8, 16, 16)  # of 256, for bands 1 to 3: the format's own choice, so that gzip has something to do
MAX_EXTENSION_BYTES = 1 << 20
LOD_TREE = 0x80  # a flag: inner nodes of a tree are among the splats

_HEADER = struct.Struct("<4sIIBBBB")  # magic, version, splats, SH degree, fraction bits, flags, reserved
_AXES = np.array((1.0, -1.0, -1.0))  # RDF ⇄ RUB: half a turn about x
_ROTATION_SIGNS = np.array((1.0, 1.0, -1.0, -1.0))  # wxyz
# Half a turn about x, for harmonics 1 to 15: -1 where the polynomial is odd in y and z together.
_SH_SIGNS = np.array((-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1), np.float32)


@dataclass(frozen=True)
class _Header:
    version: int
    count: int
    sh_degree: int
    fraction_bits: int

    def sizes(self) -> dict[str, int]:
        """Bytes a splat of each column, in the order of the file."""
        harmonics = 3 * (SH_COEFFICIENTS[self.sh_degree] - 1)
        rotations = 4 if self.version >= 3 else 3
        return {"means": 9, "opacities": 1, "colors": 3, "scales": 3, "rotations": rotations, "harmonics": harmonics}


def encode_spz(gaussians: Gaussians) -> bytes:
    """Raises SceneUnwritable where a coordinate is beyond the format's 24 bits."""
    tensors = (gaussians.means, gaussians.scales, gaussians.rotations, gaussians.opacities)
    means, scales, rotations, opacities = (values.double().cpu().numpy() for values in tensors)
    sh = gaussians.sh.cpu().numpy()
    bits = _fraction_bits(means)
    header = _HEADER.pack(MAGIC, VERSION, gaussians.count, SH_COEFFICIENTS.index(sh.shape[1]), bits, 0, 0)
    columns = (
        _pack_means(means * _AXES, bits),
        levels(opacities, 8).astype(np.uint8),
        levels(sh[:, 0] * COLOR_SCALE + 0.5, 8).astype(np.uint8),
        _bytes((np.log(scales) + LN_SCALE_OFFSET) * LN_SCALE_STEPS),
        _pack_rotations(unit(rotations) * _ROTATION_SIGNS),
        _pack_harmonics(sh[:, 1:]),
    )
    # Without a time stamp the same Gaussians give the same bytes.
    return gzip.compress(header + b"".join(column.tobytes() for column in columns), compresslevel=6, mtime=0)


def decode_spz(data: bytes) -> Gaussians:
    """Raises SceneUnreadable. Extensions at the end are passed over; no more is inflated than the header names."""
    if data.startswith(MAGIC):
        raise SceneUnreadable("is an SPZ file of version 4 or later; versions 2 and 3 are read")
    header, columns = _inflate(data)
    sh = np.empty((header.count, SH_COEFFICIENTS[header.sh_degree], 3), np.float32)
    sh[:, 0] = (columns["colors"] / 255.0 - 0.5) / COLOR_SCALE
    sh[:, 1:] = _unpack_harmonics(columns["harmonics"])
    unpack_rotations = _unpack_rotations if header.version >= 3 else _unpack_rotations_v2
    everything = Gaussians(
        means=tensor(_unpack_means(columns["means"], header.fraction_bits) * _AXES),
        scales=tensor(np.exp(columns["scales"] / LN_SCALE_STEPS - LN_SCALE_OFFSET)),
        rotations=tensor(unit(unpack_rotations(columns["rotations"]) * _ROTATION_SIGNS)),
        opacities=tensor(columns["opacities"][:, 0] / 255.0),
        sh=tensor(sh),
    )
    return only_valid(everything, header.count)


def _inflate(data: bytes) -> tuple[_Header, dict[str, Array]]:
    """The columns, [N, bytes a splat] uint8 each."""
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        header = _read_header(inflater.decompress(data, _HEADER.size))
        sizes = header.sizes()
        size = header.count * sum(sizes.values())
        body = inflater.decompress(inflater.unconsumed_tail, size)
        inflater.decompress(inflater.unconsumed_tail, MAX_EXTENSION_BYTES)  # up to the checksum
    except zlib.error as error:
        raise SceneUnreadable(f"cannot be inflated: {error}") from None
    if len(body) < size:
        raise SceneUnreadable(f"is truncated: {header.count} splats need {size} bytes, {len(body)} are there")
    if not inflater.eof:
        raise SceneUnreadable("is truncated, or much longer than its header says")
    ends = np.cumsum([header.count * width for width in sizes.values()])
    parts = np.split(np.frombuffer(body, np.uint8), ends[:-1])
    return header, {name: part.reshape(header.count, sizes[name]) for name, part in zip(sizes, parts, strict=True)}


def _read_header(head: bytes) -> _Header:
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        raise SceneUnreadable("is gzip, but there is no SPZ inside")
    _, version, count, sh_degree, fraction_bits, flags, _ = _HEADER.unpack(head)
    if version not in (2, 3):
        raise SceneUnreadable(f"is an SPZ file of version {version}; versions 2 and 3 are read")
    if sh_degree >= len(SH_COEFFICIENTS):
        raise SceneUnreadable(f"has spherical harmonics of degree {sh_degree}; up to 3 are read")
    if fraction_bits > MAX_FRACTION_BITS:
        raise SceneUnreadable(f"is damaged: coordinates of 24 bits with {fraction_bits} behind the point")
    if flags & LOD_TREE:
        raise SceneUnreadable("holds a tree of levels of detail, not just splats")
    require_count(count)
    return _Header(version, count, sh_degree, fraction_bits)


def _bytes(values: Array) -> Array:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def _fraction_bits(means: Array) -> int:
    farthest = float(np.abs(means).max(initial=0.0))
    for bits in range(FRACTION_BITS, -1, -1):
        if farthest * 2**bits <= COORDINATE_LIMIT:
            return bits
    raise SceneUnwritable(f"a coordinate of {farthest:.3g} does not fit into SPZ, whose limit is {COORDINATE_LIMIT}")


def _pack_means(means: Array, fraction_bits: int) -> Array:
    """[N, 3, 3] uint8: 24 bits with sign, little-endian."""
    fixed = np.rint(means * 2.0**fraction_bits).astype("<i4")
    return fixed[:, :, None].view(np.uint8)[:, :, :3]


def _unpack_means(column: Array, fraction_bits: int) -> Array:
    parts = column.reshape(-1, 3, 3).astype(np.int32)
    fixed = (parts[..., 0] << 8) | (parts[..., 1] << 16) | (parts[..., 2] << 24)  # at the top, for the sign
    return (fixed >> 8) / 2.0**fraction_bits


def _pack_rotations(rotations: Array) -> Array:
    """wxyz [N, 4] → uint32 words: 2 bits say which component of xyzw is left out, then 1 + 9 bits for each other."""
    largest, others = smallest_three(np.roll(rotations, -1, axis=1))
    sizes = np.minimum(np.floor(np.abs(others) * np.sqrt(2.0) * ROTATION_LEVELS + 0.5), ROTATION_LEVELS)
    parts = sizes.astype(np.uint32) | (others < 0).astype(np.uint32) << np.uint32(9)
    return (largest.astype(np.uint32) << 30 | parts[:, 0] << 20 | parts[:, 1] << 10 | parts[:, 2]).astype("<u4")


def _unpack_rotations(column: Array) -> Array:
    words = np.ascontiguousarray(column).view("<u4").astype(np.uint32)
    parts = (words >> np.array((20, 10, 0), np.uint32)) & np.uint32(1023)
    others = (parts & 511) * np.sqrt(0.5) / ROTATION_LEVELS * np.where(parts >> 9, -1.0, 1.0)
    return np.roll(from_smallest_three((words[:, 0] >> 30).astype(np.int64), others), 1, axis=1)


def _unpack_rotations_v2(column: Array) -> Array:
    """x, y and z as bytes; w is what is left to unit length."""
    xyz = column / 127.5 - 1.0
    w = np.sqrt(np.maximum(0.0, 1.0 - (xyz**2).sum(axis=1)))
    return np.column_stack((w, xyz))


def _pack_harmonics(bands: Array) -> Array:
    """[N, K - 1, 3], cut to ±1 → uint8, at the centre of a step."""
    coefficients = bands.shape[1]
    step = np.repeat(SH_STEP, (3, 5, 7))[:coefficients, None]
    values = np.rint(bands * _SH_SIGNS[:coefficients, None] * 128) + 128
    return np.clip((values + step // 2) // step * step, 0, 255).astype(np.uint8)


def _unpack_harmonics(column: Array) -> Array:
    bands = column.reshape(len(column), -1, 3)
    return (bands - np.float32(128)) / 128 * _SH_SIGNS[: bands.shape[1], None]
