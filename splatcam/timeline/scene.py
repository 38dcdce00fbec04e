"""How a program writes into a timeline: arrays → nodes, into the step that is being recorded, else into all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from splatcam.frames import encode_picture
from splatcam.timeline.nodes import Picture, Points, Result, Splats, TimelineError
from splatcam.timeline.spark_words import GaussianArrays, pack_words
from splatcam.timeline.store import TimelineStore
from splatcam.wire import Format

PICTURE_QUALITY = 92

Array = np.ndarray[Any, Any]


class SceneWriter:
    """`server.scene`. A name that is written again replaces what it was; all raise TimelineError."""

    def __init__(
        self, store: TimelineStore, current_step: Callable[[], int | None], changed: Callable[[int | None], None]
    ) -> None:
        """`changed` is told the step from which on scenes differ; None: what is static does."""
        self._store = store
        self._current_step = current_step
        self._changed = changed

    def add_splats(
        self, name: str, *, means: Array, scales: Array, rotations: Array, opacities: Array, colors: Array
    ) -> None:
        """Gaussians as in GaussianArrays. Kept with 16 bytes a splat."""
        words = pack_words(GaussianArrays(means, scales, rotations, opacities, colors))
        self._put(name, Splats(num_splats=len(means), data=words))

    def add_packed_splats(self, name: str, num_splats: int, words: bytes) -> None:
        """Gaussians as wire.Splats16 has them: [N rounded up to 2048] records of 16 bytes."""
        self._put(name, _valid(lambda: Splats(num_splats=num_splats, data=words)))

    def add_points(self, name: str, positions: Array, colors: Array) -> None:
        """[N, 3] f32 in OpenCV axes, and [N, 3] uint8."""
        xyz, rgb = np.asarray(positions, "<f4"), np.asarray(colors)
        if xyz.ndim != 2 or xyz.shape[1] != 3 or rgb.shape != xyz.shape or rgb.dtype != np.uint8:
            raise TimelineError(f"points are [N, 3] and colours [N, 3] uint8, not {xyz.shape} and {rgb.shape}")
        if not np.isfinite(xyz).all():
            raise TimelineError("positions has values that are no numbers")
        self._put(name, Points(num_points=len(xyz), points=xyz.tobytes(), colors=rgb.tobytes()))

    def add_image(self, name: str, image: Array | bytes) -> None:
        """[H, W, 3] uint8, which is kept as a JPEG of high quality, or the bytes of a JPEG."""
        if isinstance(image, bytes):
            self._put(name, _valid(lambda: Picture(jpeg=image)))
            return
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise TimelineError(f"an image is [H, W, 3] uint8, not {image.shape} {image.dtype}")
        self._put(name, Picture(jpeg=encode_picture(np.ascontiguousarray(image), PICTURE_QUALITY, "444")))

    def add_result(self, name: str, format: Format, message: bytes) -> None:
        """A result message of the live stream, as it was sent."""
        self._put(name, _valid(lambda: Result(format=format, message=message)))

    def remove(self, name: str) -> None:
        """From this step on it is not there. Outside of `at`: it is static no longer."""
        step = self._current_step()
        if step is None:
            self._store.remove_static(name)
        else:
            self._store.remove(step, name)
        self._changed(step)

    def _put(self, name: str, node: Any) -> None:
        step = self._current_step()
        if step is None:
            self._store.put_static(name, node)
        else:
            self._store.put(step, name, node)
        self._changed(step)


def _valid(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValueError as error:
        raise TimelineError(f"this is no node: {error}") from None
