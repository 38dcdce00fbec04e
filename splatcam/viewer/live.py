"""Gaussians in the viewer, also while they change: `publish` swaps one finished snapshot for another.

    live = LiveGaussianViewer(model)            # in the thread that trains
    threading.Thread(target=live.serve).start()
    live.publish(model, step=100, loss=0.02)

What may be a model: `splatcam.rendering.gaussian_pictures`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import Any

from splatcam.gaussians import Gaussians
from splatcam.rendering import BLACK, Color, Rasterizer
from splatcam.rendering.camera import Vector
from splatcam.rendering.gaussian_pictures import HOME, GaussianPictures, facts_of, framing_of, gaussians_of
from splatcam.rendering.shading import MODES
from splatcam.viewer.viewer import HOST, PORT, Viewer

POLL_MS = 750
LIVE_MAX_SCALE = 0.5  # of the page's resolution: who trains needs the machine more


class LiveGaussianViewer:
    """A viewer of a model in training. `publish` and all others may be called from any thread."""

    def __init__(
        self,
        model: Any,
        background: Color = BLACK,
        max_scale: float = LIVE_MAX_SCALE,
        poll_ms: int = POLL_MS,
        initial_radius: float | None = None,
        initial_target: Vector | None = None,
        rasterizer: Rasterizer | None = None,
    ) -> None:
        gaussians = gaussians_of(model)
        info = {"mode": "live gaussian splatting", "live": True, "max_scale": max_scale, "poll_info_ms": poll_ms}
        framing = _framing(gaussians, initial_radius, initial_target)
        self._pictures = GaussianPictures(gaussians, background, rasterizer)
        self._publishing = threading.Lock()
        self._revision = 0
        self.viewer = _viewer(self._pictures, {**info, "status": "training", "revision": 0, "step": 0}, framing)

    def publish(
        self, model: Any, step: int | None = None, loss: float | None = None, lr_means: float | None = None
    ) -> None:
        """From now on pictures are of this model, as it is now. InvalidGaussians: the one before stays."""
        gaussians = gaussians_of(model)
        given = {"step": step, "loss": loss, "lr_means": lr_means}
        told = {name: _told(value) for name, value in given.items() if value is not None}
        with self._publishing:
            self._revision += 1
            # Pictures first: whoever hears of a revision gets that one, or a later one.
            self._pictures.gaussians = gaussians
            self.viewer.update_info(
                revision=self._revision, updated_at=time.time(), status="training", **facts_of(gaussians), **told
            )

    def mark_done(self) -> None:
        """Training ended."""
        self.viewer.update_info(status="done")

    def serve(self, host: str = HOST, port: int = PORT, open_browser: bool = True) -> None:
        """Until Ctrl-C."""
        self.viewer.serve(host, port, open_browser)


def view_gaussians(
    gaussians: Any,
    background: Color = BLACK,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = True,
    serve: bool = True,
    max_scale: float = 1.0,
    rasterizer: Rasterizer | None = None,
) -> Viewer:
    """A scene that stays as it is. Serves it until Ctrl-C; with `serve` False it is only made."""
    scene = gaussians_of(gaussians)
    pictures = GaussianPictures(scene, background, rasterizer)
    viewer = _viewer(pictures, {"mode": "gaussian splatting", "max_scale": max_scale}, framing_of(scene))
    if serve:
        viewer.serve(host, port, open_browser)
    return viewer


def view_live_gaussians(
    model: Any,
    background: Color = BLACK,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = True,
    serve: bool = True,
    max_scale: float = LIVE_MAX_SCALE,
    poll_ms: int = POLL_MS,
    initial_radius: float | None = None,
    initial_target: Vector | None = None,
) -> LiveGaussianViewer:
    """A model that others go on publishing. Serves it until Ctrl-C; with `serve` False it is only made."""
    live = LiveGaussianViewer(model, background, max_scale, poll_ms, initial_radius, initial_target)
    if serve:
        live.serve(host, port, open_browser)
    return live


def _framing(gaussians: Gaussians, radius: float | None, target: Vector | None) -> tuple[float, Vector]:
    own_radius, own_target = framing_of(gaussians)
    return own_radius if radius is None else radius, own_target if target is None else target


def _told(value: float) -> float | None:
    """JSON has no NaN; a loss may be one."""
    return value if math.isfinite(value) else None


def _viewer(pictures: GaussianPictures, info: Mapping[str, Any], framing: tuple[float, Vector]) -> Viewer:
    """`framing`: radius and target at first."""
    told = {**HOME, **facts_of(pictures.gaussians), **info}
    return Viewer(pictures, told, dict.fromkeys(MODES, pictures), initial_radius=framing[0], initial_target=framing[1])
