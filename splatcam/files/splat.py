"""The .splat format of the first web viewer (antimatter15/splat): 32 bytes a splat, no header, the colour only.

Means and linear scales as float32, sRGB and opacity as bytes, the quaternion wxyz as bytes around 128. OpenCV axes as
in PLY. Nothing in the file says what it is: a reader can only see whether its rows make sense.
"""

from __future__ import annotations

import numpy as np

from gsply_helpers import LN_SCALE_LIMITS, dc_from_rgb, rgb_from_dc
from splatcam.files.checks import SceneUnreadable, only_valid, require_count, tensor
from splatcam.files.quantized import levels, unit
from splatcam.gaussians import Gaussians

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
_SMALLEST_SCALE = np.float32(np.exp(LN_SCALE_LIMITS[0]))


def encode_splat(gaussians: Gaussians) -> bytes:
    """The largest and most opaque first, as viewers that draw while they load expect."""
    importance = (gaussians.scales.double().log().sum(dim=1) + gaussians.opacities.double().log()).cpu().numpy()
    chosen = np.argsort(-importance, kind="stable")
    rows = np.empty(gaussians.count, ROW)
    rows["mean"] = gaussians.means.cpu().numpy()[chosen]
    rows["scale"] = gaussians.scales.cpu().numpy()[chosen]
    rows["rgba"][:, :3] = levels(rgb_from_dc(gaussians.sh[:, 0].double().cpu().numpy()[chosen]), 8)
    rows["rgba"][:, 3] = levels(gaussians.opacities.double().cpu().numpy()[chosen], 8)
    rotations = unit(gaussians.rotations.double().cpu().numpy()[chosen])
    rows["rotation"] = np.clip(np.floor(rotations * 128 + 128.5), 0, 255)
    return rows.tobytes()


def decode_splat(data: bytes) -> Gaussians:
    """Rotations come out of unit length, scales of 0 as the smallest. Raises SceneUnreadable."""
    count, rest = divmod(len(data), ROW.itemsize)
    if rest:
        raise SceneUnreadable(f"{len(data)} bytes are no .splat file, or not all of one: a splat has {ROW.itemsize}")
    require_count(count)
    rows = np.frombuffer(data, ROW)
    _require_sense(rows)
    scales = np.where(rows["scale"] == 0, _SMALLEST_SCALE, rows["scale"])
    colours = dc_from_rgb(rows["rgba"][:, :3] / 255.0)
    everything = Gaussians(
        means=tensor(rows["mean"]),
        scales=tensor(scales),
        rotations=tensor(unit((rows["rotation"] - 128.0) / 128.0)),
        opacities=tensor(rows["rgba"][:, 3] / 255.0),
        sh=tensor(colours[:, None, :]),
    )
    return only_valid(everything, count)


def _require_sense(rows: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
    """Seven of eight rows of other data have a negative scale; a file of splats has next to none."""
    negative = int((rows["scale"] < 0).any(axis=1).sum())
    if 2 * negative > len(rows):
        raise SceneUnreadable(f"is no .splat file: {negative} of its {len(rows)} rows have a negative scale")
