"""What the viewer's page asks for: facts about the scene, and JPEGs of it from anywhere. No HTTP here, no Gaussians.

`render_fn` and the functions of `render_modes` get a Camera and give an Image, which is shaded in its mode's way, or a
finished picture, [H, W, 3] uint8. They are called from other threads, one at a time, and are taken to draw the same
from the same place until `update_info` says that something changed.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import simplejpeg

from splatcam.rendering import Image
from splatcam.rendering.camera import Camera, Vector
from splatcam.rendering.orbit_query import JPEG_QUALITY, MAX_PIXELS, RGB, BadQuery, camera_from_query
from splatcam.rendering.shading import MODES, DepthRange, Mode, follow, shade
from splatcam.rendering.wanted import check_wanted

Array = np.ndarray[Any, Any]
RenderFn = Callable[[Camera], Image | Array]

_KNOWN_CLIENTS = 64  # whose depth range is kept: that of the one who was silent longest goes first


class OrbitPictures:
    """One scene, or whatever `render_fn` draws. Every method may be called from any thread."""

    camera_from_query = staticmethod(camera_from_query)

    def __init__(
        self,
        render_fn: RenderFn,
        info: Mapping[str, Any] | None = None,
        render_modes: Mapping[str, RenderFn] | None = None,
        initial_radius: float = 4.0,
        initial_target: Vector = (0.0, 0.0, 0.0),
        fov: float = 60.0,
    ) -> None:
        """`info`: more for the page: theta, phi, up (where it stands at first), gaussians, heavy, max_scale …"""
        self._functions: dict[str, RenderFn] = {RGB: render_fn, **(render_modes or {})}
        place = {
            "radius": initial_radius,
            "target": list(initial_target),
            "fov": fov,
            "theta": 0.0,
            "phi": 0.0,
            "up": 1,
        }
        limits = {"display_modes": list(self._functions), "max_pixels": MAX_PIXELS, "heavy": False, "live": False}
        self._info: dict[str, Any] = {**place, **limits, **(info or {})}
        self._telling = threading.Lock()
        self._drawing = threading.Lock()
        self._ranges: OrderedDict[str, DepthRange | None] = OrderedDict()  # by client
        self._made = secrets.token_hex(4)  # another run's pictures are not ours
        self._changes = 0

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(self._functions)

    @property
    def edition(self) -> str:
        """Another one after each `update_info`: pictures of one edition are the same from the same place."""
        return f"{self._made}.{self._changes}"

    def get_info(self) -> dict[str, Any]:
        with self._telling:
            return dict(self._info)

    def update_info(self, **info: Any) -> None:
        with self._telling:
            self._info.update(info)
            self._changes += 1

    def render_jpeg(self, camera: Camera, quality: int = JPEG_QUALITY, mode: str = RGB, client: str = "") -> bytes:
        """`client`: whose depth range it is. Raises BadQuery for a mode there is none of, and Unwanted."""
        picture = self._picture(camera, mode, client)
        check_wanted()
        return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=quality, colorspace="RGB")

    def _picture(self, camera: Camera, mode: str, client: str) -> Array:
        if mode not in self._functions:
            raise BadQuery(f"mode={mode!r} is none of {', '.join(self.modes)}")
        with self._drawing:
            check_wanted()
            drawn = self._functions[mode](camera)
            if not isinstance(drawn, Image):
                return _checked(drawn)
            shading = cast(Mode, mode) if mode in MODES else "rgb"
            depth_range = None if shading == "rgb" else self._follow(client, drawn)
        return shade(drawn, shading, camera, depth_range)

    def _follow(self, client: str, image: Image) -> DepthRange | None:
        self._ranges[client] = follow(self._ranges.pop(client, None), image)
        if len(self._ranges) > _KNOWN_CLIENTS:
            self._ranges.popitem(last=False)
        return self._ranges[client]


def _checked(picture: Any) -> Array:
    is_picture = isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == 3
    if not is_picture or picture.dtype != np.uint8:
        kind = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise TypeError(f"a render function gave {kind}, neither an Image nor [H, W, 3] uint8")
    return picture
