"""A program writes a moving scene with sound into a timeline, step by step, and shows it or gives it away.

    python examples/06_timeline.py show            in the browser, until Ctrl-C; each tab plays at its own pace
    python examples/06_timeline.py moving.html     one file that plays offline, from a double click
    python examples/06_timeline.py moving.scam     a recording: for the page, `splatcam export`, RecordedTimeline

A ball jumps on a floor of points. The floor is written outside of `at`: it is there in every step.
"""

import sys
from pathlib import Path

import numpy as np

from splatcam.timeline import TimelineServer

STEPS, FPS = 90, 30.0
JUMP_STEPS, HEIGHT_M = 30, 1.2
SPLATS, SIDE_M = 3000, 0.3
RATE, CLICK_S = 16_000, 0.08


def write(timeline: TimelineServer) -> None:
    rng = np.random.default_rng(1)
    sphere = rng.normal(size=(SPLATS, 3))
    sphere *= SIDE_M / np.linalg.norm(sphere, axis=1, keepdims=True)
    colors = np.where(sphere[:, :1] * sphere[:, 2:] > 0, (220, 60, 40), (240, 230, 220)).astype(np.uint8)
    for step in range(STEPS):
        with timeline.at(step):
            timeline.scene.add_splats(
                "ball",
                means=sphere + place_of(step),  # metres; x right, y down, z forward
                scales=np.full((SPLATS, 3), 0.012),
                rotations=np.tile((1.0, 0.0, 0.0, 0.0), (SPLATS, 1)),
                opacities=np.full(SPLATS, 0.95),
                colors=colors,
            )
    x, z = np.meshgrid(np.linspace(-1.5, 1.5, 90), np.linspace(2.0, 5.0, 90))
    floor = np.stack((x.ravel(), np.full(x.size, 1.0), z.ravel()), axis=1)
    timeline.scene.add_points("floor", floor, np.full((x.size, 3), (70, 90, 110), np.uint8))
    for number, step in enumerate(range(JUMP_STEPS, STEPS, JUMP_STEPS)):
        with timeline.at(step):
            timeline.audio.add_track(f"bounce {number}", click(), RATE)


def place_of(step: int) -> tuple[float, float, float]:
    along = step / STEPS
    phase = step % JUMP_STEPS / JUMP_STEPS
    return 2.0 * along - 1.0, 1.0 - SIDE_M - 4 * HEIGHT_M * phase * (1 - phase), 3.5


def click() -> np.ndarray:
    t_s = np.arange(round(RATE * CLICK_S)) / RATE
    return 0.5 * np.sin(2 * np.pi * 220 * t_s) * np.exp(-40 * t_s)


def main(out: str) -> None:
    timeline = TimelineServer(STEPS, FPS)
    write(timeline)
    if out == "show":
        print(f"open {timeline.serve()}", flush=True)
        timeline.sleep_forever()
    elif out.endswith(".html"):
        Path(out).write_text(timeline.as_html(), encoding="utf-8")
    else:
        Path(out).write_bytes(timeline.serialize())
    timeline.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
