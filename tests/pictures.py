"""Pictures for tests, made here: no file of anybody else's is needed."""

from __future__ import annotations

import numpy as np
import simplejpeg


def picture(width: int = 96, height: int = 72, seed: int = 0) -> np.ndarray:
    """[H, W, 3] uint8: a smooth gradient with a bright square at the top left, moved by the seed."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y + 8 * seed) % 256], axis=-1).astype(np.uint8)
    rgb[: height // 6, : width // 6] = 255
    return rgb


def jpeg(width: int = 96, height: int = 72, seed: int = 0, quality: int = 90) -> bytes:
    return simplejpeg.encode_jpeg(picture(width, height, seed), quality=quality, colorsubsampling="420")
