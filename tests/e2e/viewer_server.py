"""A server for tests of the viewer's page: coloured blobs in training, and doors to move them on.

    python -m tests.e2e.viewer_server        prints its address

A red ball in the middle, a green one at its right and a blue one below it, as the first view sees them.
POST /test/publish shows the middle one in yellow; POST /test/behave?live_as=false&failures=2 begins anew like that.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from fastapi.responses import PlainTextResponse, Response

from gsply_helpers import dc_from_rgb
from splatcam.gaussians import Gaussians
from splatcam.rendering import Image
from splatcam.rendering.camera import Camera
from splatcam.rendering.reference import ReferenceRasterizer
from splatcam.routes.viewer_app import listen, viewer_app, viewer_server
from splatcam.viewer.live import LiveGaussianViewer

RED, GREEN, BLUE, YELLOW = (0.9, 0.05, 0.05), (0.05, 0.8, 0.05), (0.05, 0.05, 0.9), (0.9, 0.9, 0.05)
PLACES = ((0.0, 0.0, 3.0), (1.0, 0.0, 3.0), (0.0, 1.0, 3.0))  # y down: the last is below


def balls(middle: tuple[float, float, float] = RED) -> Gaussians:
    count = len(PLACES)
    colors = torch.tensor([middle, GREEN, BLUE])
    return Gaussians(
        means=torch.tensor(PLACES),
        scales=torch.full((count, 3), 0.15),
        rotations=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(count, 4).contiguous(),
        opacities=torch.full((count,), 0.98),
        sh=dc_from_rgb(colors)[:, None],
    )


class FailingAtWill:
    """A rasterizer that refuses as many pictures as it is told to."""

    name = "failing at will"

    def __init__(self) -> None:
        self.failures = 0
        self._real = ReferenceRasterizer()

    def render(self, gaussians: Gaussians, camera: Camera, background: Any = (0.0, 0.0, 0.0)) -> Image:
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("the brush broke")
        return self._real.render(gaussians, camera, background)


def main() -> None:
    rasterizer = FailingAtWill()
    # The first view is of the red ball, as far away as the camera was.
    live = LiveGaussianViewer(
        balls(), max_scale=1.0, poll_ms=200, initial_radius=3.0, initial_target=PLACES[0], rasterizer=rasterizer
    )
    app = viewer_app(live.viewer)

    async def publish() -> Response:
        live.publish(balls(YELLOW), step=100, loss=0.125, lr_means=1.6e-4)
        return PlainTextResponse("published")

    async def behave(live_as: bool = True, failures: int = 0) -> Response:
        live.publish(balls())
        live.viewer.update_info(live=live_as)
        rasterizer.failures = failures
        return PlainTextResponse("so it will")

    for path, route in {"/test/publish": publish, "/test/behave": behave}.items():
        app.add_api_route(path, route, methods=["POST"])
    with listen("127.0.0.1", 0) as listening:
        viewer_server(app, listening, None).run(sockets=[listening])


if __name__ == "__main__":
    sys.exit(main())
