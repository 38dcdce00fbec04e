"""The synthetic model's scene as a camera would film it: `python -m tests.e2e.make_scene_clip OUT.mjpeg`."""

from __future__ import annotations

import sys
from pathlib import Path

import simplejpeg

from splatcam.estimators.synthetic import FRAMES_PER_S
from splatcam.scenes import render

WIDTH, HEIGHT, SECONDS = 640, 480, 4


def main() -> None:
    with Path(sys.argv[1]).open("wb") as clip:
        for frame in range(SECONDS * FRAMES_PER_S):
            rgb, _, _ = render(frame / FRAMES_PER_S, WIDTH, HEIGHT)
            clip.write(simplejpeg.encode_jpeg(rgb, quality=85, colorsubsampling="420"))


if __name__ == "__main__":
    main()
