"""Clips for the browser tests: `python -m tests.e2e.make_clip OUT.mjpeg OUT.webm`.

.mjpeg is JPEG files one after another, which is what Chromium's fake camera takes; .webm is a file as a person would
open it. Grey noise, so that there is texture; a red block top-left, a blue one bottom-right; and a white bar that
moves, so that no two frames are alike.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import simplejpeg

WIDTH, HEIGHT, FRAMES = 320, 240, 30
RED, BLUE, WHITE = (230, 20, 20), (20, 40, 230), (250, 250, 250)


def picture(index: int) -> np.ndarray[Any, Any]:
    """Frame `index`, [HEIGHT, WIDTH, 3] uint8."""
    noise = np.random.default_rng(1).integers(70, 110, (HEIGHT, WIDTH, 1), np.uint8)
    rgb = np.repeat(noise, 3, axis=2)
    rgb[: HEIGHT // 3, : WIDTH // 3] = RED
    rgb[-HEIGHT // 3 :, -WIDTH // 3 :] = BLUE
    bar = WIDTH * index // FRAMES
    rgb[HEIGHT * 5 // 12 : HEIGHT * 7 // 12, bar : bar + WIDTH // 8] = WHITE
    return rgb


def write_mjpeg(path: Path) -> None:
    frames = (simplejpeg.encode_jpeg(picture(i), quality=90, colorsubsampling="420") for i in range(FRAMES))
    path.write_bytes(b"".join(frames))


def write_webm(path: Path) -> None:
    with av.open(path, "w") as clip:
        stream = clip.add_stream("libvpx", rate=FRAMES)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 2_000_000
        for index in range(FRAMES):
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        clip.mux(stream.encode(None))


WRITERS = {".mjpeg": write_mjpeg, ".webm": write_webm}


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        WRITERS[path.suffix](path)


if __name__ == "__main__":
    main()
