"""What stands on a grid of pixels → the fields of a `compact` message, and back: planes of an image, and a JPEG.

Level A, 0.1 to 0.6 bytes a splat: what travels is what `pixel_splats` starts from, not what it makes: the depth of a
window of the grid in steps of its logarithm, which of its pixels are splats, and a picture, often one that the client
has already. Level C, 2 to 5 bytes: the network's own Gaussians; beside that depth their shapes (`compact_shape`) and
a picture of their colours. The client makes the splats (web/compact/decode.js). `decode` is the readable twin of that,
and the judge of it by the files under tests/golden/compact. wire.Compact has the layout.

The depth of a pixel that is no splat travels as well: its neighbours take their slope from it. The steps bound the
error of a depth: |ln z_decoded - ln z| <= ln(far / near) / (2 (2^bits - 1)), and what float32 adds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsply_helpers import dc_from_rgb, rgb_from_dc
from splatcam.codecs import compact_shape
from splatcam.deflate import RAW_DEFLATE, fast_zlib
from splatcam.frames import encode_picture
from splatcam.gaussians import Gaussians
from splatcam.network_splats import NetworkSplats
from splatcam.pixel_splats import OPACITY, PixelSurface, Window, surface_splats
from splatcam.variants import Variant

DEPTH_BITS = (10, 12)
COLOR_QUALITY = 92  # of the network's colours: 49 dB, and all other planes have an error of less
LEAST_RANGE = 1.001  # far / near: a wall that faces the camera still has steps
MAX_PIXELS = 1 << 22  # of a grid: a model's is a tenth of that
MAX_LENGTH, MAX_FOCAL_PX = 1e13, 1e6  # and their inverses: nothing computed from them leaves float32
MAX_RAY = 100  # x / z and y / z: a field of view of almost 180 degrees

Array = np.ndarray[Any, Any]


class CompactError(ValueError):
    """A message that is not what the format says; the message tells what is wrong."""


# ---------------------------------------------------------------- encoding


def encode(scene: PixelSurface | NetworkSplats, variant: Variant) -> dict[str, Any]:
    """Level A for a surface, without `color`, which depends on who reads it; level C for a network's splats."""
    if isinstance(scene, NetworkSplats):
        return {**_window_fields(scene, variant), "opacity": 1.0, **_shape_fields(scene)}
    return {**_window_fields(scene, variant), "opacity": OPACITY}


def _window_fields(scene: PixelSurface | NetworkSplats, variant: Variant) -> dict[str, Any]:
    """Which pixels there are, and how far away."""
    depth, window, kept = scene.depth, scene.window, scene.kept
    near, far = torch.stack(depth.aminmax()).tolist()
    far = max(far, LEAST_RANGE * near)
    planes = depth_planes(depth_steps(depth, near, far, variant.depth_bits))
    fields = {
        "num_splats": scene.count,
        "window": (window.rows.start, window.columns.start, *depth.shape),
        "stride": window.stride,
        "near": near,
        "far": far,
        "depth_bits": variant.depth_bits,
        "depth": deflate(planes.cpu().numpy()),
    }
    if kept is not None:
        fields["mask"] = deflate(np.packbits(kept.cpu().numpy()))
    return fields


def _shape_fields(splats: NetworkSplats) -> dict[str, Any]:
    fields = {"shape": deflate(compact_shape.encode_planes(splats).cpu().numpy())}
    if splats.count:
        rgb = rgb_from_dc(splats.gaussians.sh[:, 0]).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        fields["color"] = encode_picture(splats.on_window(rgb).cpu().numpy(), COLOR_QUALITY, "444")
    return fields


def depth_steps(depth: Tensor, near: float, far: float, bits: int) -> Tensor:
    """[h, w] f32 → [h, w] int16, the nearest steps of the logarithm.

    ln(z / near) as log1p of (z - near) / near, which float32 has exactly where the range is narrow.
    """
    last = (1 << bits) - 1
    steps = depth.sub(near).div_(near).log1p_().mul_(last / math.log(far / near))
    return steps.round_().clamp_(0, last).to(torch.int16)


def depth_planes(steps: Tensor) -> Tensor:
    """[h, w] int16 → [2, h, w] uint8: differences to the left, zigzag; their low bytes, their high bytes."""
    differences = steps.clone()
    differences[:, 1:] -= steps[:, :-1]
    differences[1:, :1] -= steps[:-1, :1]
    zigzag = differences.bitwise_left_shift(1).bitwise_xor_(differences.bitwise_right_shift(15))
    low_bytes = zigzag.to(torch.uint8)  # wraps around
    return torch.stack((low_bytes, zigzag.bitwise_right_shift(8).to(torch.uint8)))


def deflate(plane: Array) -> bytes:
    return fast_zlib.compress(plane, 1, wbits=RAW_DEFLATE)


# ---------------------------------------------------------------- decoding


@dataclass(frozen=True)
class _Header:
    """The fields of a message without its planes, checked. Numbers are numbers, and fit each other."""

    grid: tuple[int, int]
    intrinsics: tuple[float, float, float, float]
    row0: int
    column0: int
    rows: int
    columns: int
    stride: int
    near: float
    far: float
    depth_bits: int
    opacity: float
    count: int


def decode(fields: Mapping[str, Any], rgb: Array) -> Gaussians:
    """A message as it came, and the colours of its window [rows, columns, 3] uint8 → the Gaussians that are kept.

    Raises CompactError, whatever the message holds.
    """
    header = _checked(fields)
    pixels = header.rows * header.columns
    _demand(rgb.shape == (header.rows, header.columns, 3) and rgb.dtype == np.uint8, "the colours fit no window")
    steps = _steps_of(inflate(fields.get("depth"), 2 * pixels, "depth"), header)
    kept = torch.from_numpy(_kept_pixels(fields.get("mask"), header))
    depth = torch.from_numpy(step_depths(header.near, header.far, header.depth_bits)[steps])
    window, colors = _window_of(header), torch.from_numpy(rgb.copy())
    if fields.get("shape") is None:
        return surface_splats(depth, colors, window, header.opacity).select(kept.flatten())
    shape = inflate(fields["shape"], compact_shape.PLANES * header.count, "shape")
    geometry = compact_shape.decode_planes(shape, depth[kept], window, kept, header.opacity)
    index = torch.arange(header.grid[0] * header.grid[1]).view(header.grid)
    sh = dc_from_rgb(colors[kept][:, None].to(torch.float32).div_(255))
    return Gaussians(**geometry, sh=sh, grid=header.grid, pixel_index=window.cut(index)[kept])


def step_depths(near: float, far: float, bits: int) -> Array:
    """[2^bits] float32: the depth of every step."""
    last = (1 << bits) - 1
    return (near * np.exp(np.arange(last + 1) * (math.log(far / near) / last))).astype(np.float32)


def inflate(data: Any, size: int, name: str) -> Array:
    """Raw deflate → [size] uint8. Never makes more than one byte too many."""
    _demand(isinstance(data, bytes), f"{name} is not bytes")
    stream = zlib.decompressobj(RAW_DEFLATE)
    try:
        plane = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise CompactError(f"{name} is not deflate: {error}") from None
    _demand(len(plane) == size and stream.eof, f"{name} does not have the size of the window")
    _demand(not stream.unused_data, f"{name} goes on after its end")
    return np.frombuffer(plane, np.uint8)


def _steps_of(planes: Array, header: _Header) -> Array:
    """[2 * pixels] uint8 → [rows, columns] int64, steps within 0 and the last."""
    low, high = planes.reshape(2, header.rows, header.columns).astype(np.int64)
    zigzag = low | high << 8
    steps = zigzag >> 1 ^ -(zigzag & 1)
    steps[:, :1] = steps[:, :1].cumsum(axis=0)
    steps = steps.cumsum(axis=1)
    _demand(bool(((steps >= 0) & (steps < 1 << header.depth_bits)).all()), "a depth step is out of range")
    return steps


def _kept_pixels(mask: object, header: _Header) -> Array:
    """[rows, columns] bool."""
    shape = header.rows, header.columns
    pixels = header.rows * header.columns
    if mask is None:
        _demand(header.count == pixels, "without a mask every pixel is a splat")
        return np.ones(shape, bool)
    bits = np.unpackbits(inflate(mask, -(-pixels // 8), "mask")).astype(bool)
    _demand(not bits[pixels:].any(), "the mask keeps pixels past its end")
    _demand(int(bits.sum()) == header.count, "the mask does not keep as many pixels as there are splats")
    return bits[:pixels].reshape(shape)


def _window_of(header: _Header) -> Window:
    fx, fy, cx, cy = header.intrinsics
    intrinsics = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float32)
    rows, columns = (
        range(first, first + count * header.stride, header.stride)
        for first, count in ((header.row0, header.rows), (header.column0, header.columns))
    )
    return Window.of(header.grid, intrinsics, rows, columns)


def _checked(fields: Mapping[str, Any]) -> _Header:
    """Everything that can be told without the planes. Raises CompactError."""
    grid = _counts(fields, "grid", 2)
    row0, column0, rows, columns = _counts(fields, "window", 4)
    count, stride, bits = (_count(fields.get(name), name) for name in ("num_splats", "stride", "depth_bits"))
    near, far, opacity = (_number(fields.get(name), name) for name in ("near", "far", "opacity"))
    _demand(min(grid) >= 1 and grid[0] * grid[1] <= MAX_PIXELS, "the grid is empty or too large")
    intrinsics = _intrinsics(fields, grid)
    _demand(stride >= 1, "stride is no count")
    _demand(_reach(row0, rows, stride) <= grid[0], "the window has rows outside the grid")
    _demand(_reach(column0, columns, stride) <= grid[1], "the window has columns outside the grid")
    _demand(1 / MAX_LENGTH <= near < far <= MAX_LENGTH, "near and far are no range of depths")
    _demand(bits in DEPTH_BITS, "depth_bits is neither 10 nor 12")
    _demand(0 <= opacity <= 1, "opacity is not within 0 and 1")
    _demand(count <= rows * columns, "more splats than pixels")
    window = row0, column0, rows, columns
    return _Header((grid[0], grid[1]), intrinsics, *window, stride, near, far, bits, opacity, count)


def _reach(first: int, count: int, stride: int) -> int:
    """Where the last pixel of a side ends; 0 where there is none."""
    return first + (count - 1) * stride + 1 if count else 0


def _intrinsics(fields: Mapping[str, Any], grid: list[int]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a camera that sees no more than what lies before it."""
    fx, fy, cx, cy = (_number(value, "intrinsics") for value in _listed(fields, "intrinsics", 4))
    for focal_px, centre_px, side_px in ((fx, cx, grid[1]), (fy, cy, grid[0])):
        _demand(1 / MAX_FOCAL_PX <= focal_px <= MAX_FOCAL_PX, "a focal length is not one")
        _demand(max(abs(centre_px), abs(side_px - centre_px)) <= MAX_RAY * focal_px, "the field of view is too wide")
    return fx, fy, cx, cy


def _counts(fields: Mapping[str, Any], name: str, length: int) -> list[int]:
    return [_count(value, name) for value in _listed(fields, name, length)]


def _listed(fields: Mapping[str, Any], name: str, length: int) -> list[Any]:
    values = fields.get(name)
    if not isinstance(values, (list, tuple)) or len(values) != length:
        raise CompactError(f"{name} is no list of {length}")
    return list(values)


def _count(value: Any, name: str) -> int:
    _demand(type(value) is int and 0 <= value < 2**53, f"{name} is no count")
    return value


def _number(value: Any, name: str) -> float:
    """JavaScript sends whole numbers as integers."""
    _demand(type(value) in (int, float), f"{name} is no number")
    _demand(abs(value) <= MAX_LENGTH, f"{name} is not finite, or too large")  # an integer may be too large for a float
    return float(value)


def _demand(condition: bool, what: str) -> None:
    if not condition:
        raise CompactError(what)
