"""A program with a timeline, for tests of its page: `python -m tests.e2e.timeline_server` prints its address.

A ball goes from the left (step 0) to the right (step 19), green; from step 10 on it is magenta. Words on standard
input move it on: `seek N`, `play`, `pause`, `paint` (the ball is magenta from step 0 on), `refresh`; each is answered
by a line. `where` tells each viewer's step and whether it plays.
"""

from __future__ import annotations

import sys

import numpy as np

from splatcam.timeline import TimelineServer

STEPS, FPS = 20, 10.0
SPLATS = 400
GREEN, MAGENTA = (20, 200, 40), (220, 30, 200)


def write(server: TimelineServer, step: int, color: tuple[int, int, int]) -> None:
    means = np.random.default_rng(0).normal(size=(SPLATS, 3)) * 0.1 + (step / 10 - 1, 0, 4)
    with server.at(step):
        server.scene.add_splats(
            "ball", means=means, scales=np.full((SPLATS, 3), 0.08), rotations=np.tile([1, 0, 0, 0], (SPLATS, 1)),
            opacities=np.ones(SPLATS), colors=np.full((SPLATS, 3), color, np.uint8),
        )  # fmt: skip


def answer(server: TimelineServer, word: str, *rest: str) -> str:
    clients = server.get_client_playbacks().values()
    match word:
        case "seek":
            for client in clients:
                client.seek(int(rest[0]))
        case "play":
            server.play()
        case "pause":
            server.pause()
        case "refresh":
            server.refresh()
        case "paint":
            for step in range(STEPS):
                write(server, step, MAGENTA)
        case "where":
            return " ".join(f"{client.current_timestep}:{client.is_playing}" for client in clients)
    return "done"


def main() -> None:
    server = TimelineServer(STEPS, FPS)
    for step in range(STEPS):
        write(server, step, GREEN if step < STEPS // 2 else MAGENTA)
    print(server.serve(), flush=True)
    for line in sys.stdin:
        print(answer(server, *line.split()), flush=True)
    server.close()


if __name__ == "__main__":
    main()
