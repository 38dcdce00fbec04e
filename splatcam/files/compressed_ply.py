"""PlayCanvas's compressed PLY: 16 bytes a splat, in chunks of 256 that share a box; harmonics as bytes behind them.

https://developer.playcanvas.com/user-manual/gaussian-splatting/formats/ply/. OpenCV axes as in PLY. In a chunk's box
lie means as 11 + 10 + 11 bits, logarithms of the scales likewise, and sRGB as bytes; quaternions leave out their
largest component. No library: gsply, the one on PyPI, brings a compiler of 200 MB for these 200 lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gsply_helpers import LN_SCALE_LIMITS, InvalidPly, dc_from_rgb, element_rows, rgb_from_dc
from splatcam.files.checks import SceneUnreadable, only_valid, require_count, tensor
from splatcam.files.quantized import fractions, from_smallest_three, levels, smallest_three, unit
from splatcam.gaussians import SH_COEFFICIENTS, Gaussians

Array = np.ndarray[Any, Any]

CHUNK = 256
LN_SCALE_RANGE = (-20.0, 20.0)  # a scale beyond would take the precision of its whole chunk
SH_RANGE = 8.0  # harmonics from -4 to 4
_MORTON_BITS = 10  # of each coordinate
# Of each byte: the middle of its step, but the ends of the range are exact.
_SH_VALUES = ((np.r_[0, np.arange(1, 255) + 0.5, 256] / 256 - 0.5) * SH_RANGE).astype(np.float32)

_BOX = tuple(f"{end}_{axis}" for end in ("min", "max") for axis in "xyz")
_SCALE_BOX = tuple(f"{end}_scale_{axis}" for end in ("min", "max") for axis in "xyz")
_COLOR_BOX = tuple(f"{end}_{channel}" for end in ("min", "max") for channel in "rgb")
_WORDS = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_WHOLE_BOX = np.array((0.0, 0.0, 0.0, 1.0, 1.0, 1.0))  # of colours, in files without a box for them


# ---------------------------------------------------------------- writing


def encode_compressed_ply(gaussians: Gaussians) -> bytes:
    """In the order of a Morton curve, so that a chunk's splats are neighbours."""
    tensors = (gaussians.means, gaussians.scales.log(), gaussians.rotations, gaussians.opacities, gaussians.sh)
    means, ln_scales, rotations, opacities, sh = (values.cpu().numpy() for values in tensors)
    order = _morton_order(means)
    boxed_means, boxes = _into_boxes(means[order])
    boxed_scales, scale_boxes = _into_boxes(np.clip(ln_scales[order], *LN_SCALE_RANGE))
    boxed_colors, color_boxes = _into_boxes(rgb_from_dc(sh[order, 0]))
    colors = np.column_stack((boxed_colors, opacities[order]))
    words = (
        _pack(boxed_means, (11, 10, 11)),
        _pack_rotations(unit(rotations[order].astype(np.float64))),
        _pack(boxed_scales, (11, 10, 11)),
        _pack(colors, (8, 8, 8, 8)),
    )
    parts = (
        _header(gaussians.count, sh.shape[1]),
        np.hstack((boxes, scale_boxes, color_boxes)).astype("<f4").tobytes(),
        np.column_stack(words).astype("<u4").tobytes(),
        _pack_harmonics(sh[order, 1:]).tobytes(),
    )
    return b"".join(parts)


def _header(count: int, coefficients: int) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", f"element chunk {-(-count // CHUNK)}"]
    lines += [f"property float {name}" for name in (*_BOX, *_SCALE_BOX, *_COLOR_BOX)]
    lines += [f"element vertex {count}", *(f"property uint {name}" for name in _WORDS)]
    if coefficients > 1:
        lines += [f"element sh {count}", *(f"property uchar {name}" for name in _sh_names(coefficients))]
    return ("\n".join((*lines, "end_header")) + "\n").encode("ascii")


def _sh_names(coefficients: int) -> tuple[str, ...]:
    return tuple(f"f_rest_{i}" for i in range(3 * (coefficients - 1)))


def _morton_order(means: Array) -> Array:
    """Indices that sort means [N, 3] along a Z-shaped curve through their box."""
    boxed = means - means.min(axis=0).astype(np.float64)
    cells = levels(boxed / np.maximum(boxed.max(axis=0), 1e-30), _MORTON_BITS)
    code = np.zeros(len(means), np.uint32)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def _into_boxes(values: Array) -> tuple[Array, Array]:
    """[N, 3] f32 → 0..1 within the box of each chunk [N, 3], and the boxes [chunks, 6] f32."""
    starts = np.arange(0, len(values), CHUNK)
    low, high = (end.reduceat(values, starts, axis=0).astype(np.float64) for end in (np.minimum, np.maximum))
    chunk = np.arange(len(values)) // CHUNK
    span = np.where(high > low, high - low, 1.0)
    return (values - low[chunk]) / span[chunk], np.hstack((low, high))


def _pack(values: Array, bits: tuple[int, ...]) -> Array:
    """Columns in 0..1 → uint32 words, the first column at the top."""
    words: Array = np.zeros(len(values), np.uint32)
    for column, width in zip(values.T, bits, strict=True):
        words = words << width | levels(column, width)
    return words


def _pack_rotations(rotations: Array) -> Array:
    largest, others = smallest_three(rotations)
    return largest.astype(np.uint32) << 30 | _pack(others * np.sqrt(0.5) + 0.5, (10, 10, 10))


def _pack_harmonics(bands: Array) -> Array:
    """[N, K - 1, 3] → [N, 3 · (K - 1)] uint8, all of red first."""
    columns = bands.transpose(0, 2, 1).reshape(len(bands), -1)
    return np.clip(np.floor((columns / SH_RANGE + 0.5) * 256), 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- reading


def decode_compressed_ply(data: bytes) -> Gaussians:
    """Raises SceneUnreadable."""
    try:
        elements = dict(element_rows(data))
    except InvalidPly as error:
        raise SceneUnreadable(str(error)) from None
    vertices, chunks = _element(elements, "vertex", _WORDS, "u4"), _element(elements, "chunk", _BOX + _SCALE_BOX, "f4")
    count = len(vertices)
    require_count(count)
    if len(chunks) != -(-count // CHUNK):
        raise SceneUnreadable(f"is damaged: {count} splats need {-(-count // CHUNK)} chunks, it has {len(chunks)}")
    positions, rotations, scales, colors = (vertices[name].astype(np.uint32) for name in _WORDS)
    rgba = _unpack(colors, (8, 8, 8, 8))
    with np.errstate(over="ignore", invalid="ignore"):  # boxes that are no numbers: such rows go in the end
        ln_scales = _out_of_boxes(_unpack(scales, (11, 10, 11)), _columns(chunks, _SCALE_BOX))
        rgb = _out_of_boxes(rgba[:, :3], _color_boxes(chunks))
        everything = Gaussians(
            means=tensor(_out_of_boxes(_unpack(positions, (11, 10, 11)), _columns(chunks, _BOX))),
            scales=tensor(np.exp(np.clip(ln_scales, *LN_SCALE_LIMITS))),
            rotations=tensor(_unpack_rotations(rotations)),
            opacities=tensor(rgba[:, 3]),
            sh=tensor(
                np.concatenate((dc_from_rgb(rgb)[:, None].astype(np.float32), _harmonics(elements, count)), axis=1)
            ),
        )
    return only_valid(everything, count)


def _element(elements: dict[str, Array], name: str, fields: tuple[str, ...], kind: str) -> Array:
    """The rows of an element that has those fields, of that kind."""
    rows = elements.get(name)
    if rows is None or not _has(rows, fields, kind):
        raise SceneUnreadable(f"is no compressed PLY file: its element {name} is missing or of another make")
    return rows


def _has(rows: Array, fields: tuple[str, ...], kind: str) -> bool:
    there = rows.dtype.fields or {}
    return all(field in there and there[field][0].newbyteorder("=") == np.dtype(kind) for field in fields)


def _columns(rows: Array, names: tuple[str, ...]) -> Array:
    """[len(rows), len(names)] f64."""
    return np.column_stack([rows[name].astype(np.float64) for name in names])


def _color_boxes(chunks: Array) -> Array:
    if _has(chunks, _COLOR_BOX, "f4"):
        return _columns(chunks, _COLOR_BOX)
    return np.tile(_WHOLE_BOX, (len(chunks), 1))


def _out_of_boxes(values: Array, boxes: Array) -> Array:
    """The inverse of `_into_boxes`."""
    chunk = np.arange(len(values)) // CHUNK
    low, high = boxes[chunk, :3], boxes[chunk, 3:]
    return low * (1 - values) + high * values


def _unpack(words: Array, bits: tuple[int, ...]) -> Array:
    """The inverse of `_pack`."""
    shifts = 32 - np.cumsum((32 - sum(bits), *bits))[1:]
    return np.column_stack([fractions(words, shift, width) for shift, width in zip(shifts, bits, strict=True)])


def _unpack_rotations(words: Array) -> Array:
    others = (_unpack(words, (10, 10, 10)) - 0.5) * np.sqrt(2.0)
    return unit(from_smallest_three((words >> 30).astype(np.int64), others))


def _harmonics(elements: dict[str, Array], count: int) -> Array:
    """[N, K - 1, 3]; K = 1 in a file without them."""
    if "sh" not in elements:
        return np.empty((count, 0, 3), np.float32)
    rows = elements["sh"]
    coefficients = len(rows.dtype.names or ()) // 3 + 1
    names = _sh_names(coefficients)
    if coefficients not in SH_COEFFICIENTS or len(rows) != count or not names or not _has(rows, names, "u1"):
        raise SceneUnreadable("is damaged: its element sh does not belong to its splats")
    steps = np.stack([rows[name] for name in names], axis=1)
    return _SH_VALUES[steps].reshape(count, 3, coefficients - 1).transpose(0, 2, 1)
