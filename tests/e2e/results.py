"""Pictures → result messages, small and in plain numpy: a second opinion on the formats, without torch.

Every pixel becomes one opaque, round splat of its own size at one depth, so that the picture on the screen is the
picture that was put in.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import simplejpeg

from splatcam import wire

Array = np.ndarray[Any, Any]
DEPTH = 2.0
EMPTY_GRID = (30, 40)  # of a result without splats
SH_C0 = 0.28209479177387814
ROW = 2048  # Spark draws whole texture rows
LN_SCALE_MIN, LN_SCALE_MAX = -12.0, 9.0
PLY_PROPERTIES = "x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3".split()
OPAQUE_LOGIT = 9.0
# An EXIF segment that says: turn me a quarter to the right.
QUARTER_TURN = bytes.fromhex("ffe1 0022 457869660000 4d4d002a00000008 0001 0112 0003 00000001 0006 0000 00000000")


def result_of(
    rgb: Array, format: wire.Format, frame_id: int, captured_at_ms: float = 0.0, color: bytes | None = None
) -> Any:
    """`rgb` [H, W, 3] uint8 → the result message, seen by a camera of 90 degrees across. `color`: of `compact`."""
    height, width = rgb.shape[:2] if rgb.size else EMPTY_GRID
    focal = width / 2
    means = _means(height, width, focal)[: rgb.size // 3]
    colors = rgb.reshape(-1, 3)
    common: dict[str, Any] = {
        "frame_id": frame_id,
        "captured_at_ms": captured_at_ms,
        "received_at_ms": captured_at_ms,
        "timings_ms": {"total": 1.0},
        "bounds": wire.Bounds(minimum=_triple(means.min(0)), maximum=_triple(means.max(0))) if len(means) else None,
        "model": "scripted",
        "intrinsics": (focal, focal, width / 2, height / 2),
        "grid": (height, width),
    }
    sigma = 0.6 * DEPTH / focal
    if format is wire.Format.SPLATS16:
        return wire.Splats16(**common, num_splats=len(means), data=_splats16(means, colors, sigma))
    if format is wire.Format.GAUSSIAN_PLY:
        return wire.GaussianPly(**common, num_splats=len(means), ply_data=_ply(means, colors, sigma))
    if format is wire.Format.COMPACT:
        return wire.Compact(**common, **_flat_wall(*rgb.shape[:2]), color=color)
    points, raw_colors = means.astype("<f4").tobytes(), colors.tobytes()
    return wire.PointCloud(**common, num_points=len(means), points=points, colors=raw_colors)


def _means(height: int, width: int, focal: float) -> Array:
    """[N, 3] f32: the ray through each pixel's centre, at DEPTH."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    rays = np.stack([(x - width / 2) / focal, (y - height / 2) / focal, np.ones_like(x)], axis=-1)
    return rays.reshape(-1, 3) * DEPTH


def _triple(row: Array) -> tuple[float, float, float]:
    return float(row[0]), float(row[1]), float(row[2])


def _splats16(means: Array, colors: Array, sigma: float) -> bytes:
    """Spark's packed words; the rotation is the identity, written as axis (1, 0, 0) and angle 0."""
    count = len(means)
    words = np.zeros((math.ceil(count / ROW) * ROW, 16), np.uint8)
    words[:count, 0:3] = colors
    words[:count, 3] = 255
    words[:count, 4:10] = means.astype("<f2").view(np.uint8)
    words[:count, 10:12] = (255, 128)
    words[:count, 12:15] = 1 + round((math.log(sigma) - LN_SCALE_MIN) / (LN_SCALE_MAX - LN_SCALE_MIN) * 254)
    return words.tobytes()


def _flat_wall(rows: int, columns: int) -> dict[str, Any]:
    """Step 0 for every pixel; a range because the format wants one."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return {
        "num_splats": rows * columns,
        "window": (0, 0, rows, columns if rows else 0),
        "stride": 1,
        "near": DEPTH,
        "far": DEPTH * 1.5,
        "depth_bits": 10,
        "opacity": 1.0,
        "depth": deflate.compress(bytes(2 * rows * columns)) + deflate.flush(),
    }


def turned_jpeg(rgb: Array) -> bytes | None:
    """The picture as a JPEG of twice its size that lies on its side, and says so. None for no picture."""
    if not rgb.size:
        return None
    large = np.ascontiguousarray(np.rot90(rgb).repeat(2, axis=0).repeat(2, axis=1))
    jpeg = simplejpeg.encode_jpeg(large, quality=95, colorsubsampling="444")
    return jpeg[:2] + QUARTER_TURN + jpeg[2:]


def _ply(means: Array, colors: Array, sigma: float) -> bytes:
    """The 14-float file; b"" for no splats."""
    if not len(means):
        return b""
    rows = np.zeros((len(means), len(PLY_PROPERTIES)), "<f4")
    rows[:, 0:3] = means
    rows[:, 3:6] = (colors / 255 - 0.5) / SH_C0
    rows[:, 6] = OPAQUE_LOGIT
    rows[:, 7:10] = math.log(sigma)
    rows[:, 10] = 1
    properties = "".join(f"property float {name}\n" for name in PLY_PROPERTIES)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(means)}\n{properties}end_header\n"
    return header.encode() + rows.tobytes()
