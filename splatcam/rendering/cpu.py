"""Pictures on the processor, fast: the loops are in `kernels.py`; here are their memory and their threads.

Needs numba (the extra `render`). The first picture of a process waits for the compiler, a few tenths of a second where
its result is on disk and several seconds where it is not; `warm_up` gets that over with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from splatcam.gaussians import TENSORS, Gaussians
from splatcam.rendering import BLACK, Color, Image, kernels
from splatcam.rendering.camera import Camera
from splatcam.rendering.reference import Filter, jacobian_limits

Array = np.ndarray[Any, Any]

PARTS_PER_THREAD = 4  # of the Gaussians to project: the last thread to finish has little left to do alone


class CpuRasterizer:
    """See Rasterizer. `threads` share one picture; they let Python go on meanwhile."""

    name = "cpu"

    def __init__(self, threads: int = 1, filter: Filter = "classic") -> None:
        self.filter = filter
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "rasterizer") if threads > 1 else None
        self._make_room(0)
        self._cells = np.empty((0, 0, kernels.CELL), np.float32)

    def warm_up(self) -> None:
        """Compiles everything, or reads what was compiled before."""
        one = torch.ones(1, 3)
        self.render(Gaussians(one, one, torch.ones(1, 4), one[0, :1], one[None]), Camera.pinhole(8, 8, 60))

    def render(self, gaussians: Gaussians, camera: Camera, background: Color = BLACK) -> Image:
        with _interrupts_as_they_are():
            return self._render(gaussians, camera, background)

    def _render(self, gaussians: Gaussians, camera: Camera, background: Color) -> Image:
        order = self._project(gaussians, camera)
        starts, members = kernels.deal_out(order, self._splats.rows, camera.height)
        cells = self._cells_for(camera)
        color = np.array(background, np.float32)
        size = camera.height, camera.width
        planes = kernels.Planes(*(np.empty(shape, np.float32) for shape in ((*size, 3), size, size)))

        def draw(band: int) -> None:
            first = band * kernels.ROWS_PER_BAND
            rows = first, min(first + kernels.ROWS_PER_BAND, camera.height)
            kernels.blend(members[starts[band] : starts[band + 1]], self._splats, cells, camera.width, *rows)
            kernels.finish(cells, color, planes, *rows)

        self._for_each(draw, range(len(starts) - 1))
        return Image(*planes)

    def _project(self, gaussians: Gaussians, camera: Camera) -> Array:
        """Fills the splats; the indices of those on the screen, the nearest first."""
        count = gaussians.count
        if len(self._splats.keys) < count:
            self._make_room(count)
        cloud = kernels.Cloud(*(np.ascontiguousarray(getattr(gaussians, n).detach().cpu().numpy()) for n in TENSORS))
        view = view_of(camera, self.filter)
        ends = np.linspace(0, count, PARTS_PER_THREAD * self._threads + 1).astype(int).tolist()
        self._for_each(lambda part: kernels.project(cloud, view, self._splats, *part), pairwise(ends))
        return kernels.sort_by_depth(self._splats.keys[:count], *self._orders)

    def _make_room(self, count: int) -> None:
        """For `count` Gaussians, kept from picture to picture."""
        self._splats = kernels.Splats(
            keys=np.empty(count, np.uint32),
            rows=np.empty((count, 2), np.int32),
            shapes=np.empty((count, 8), np.float64),
            colors=np.empty((count, 3), np.float32),
        )
        self._orders = np.empty((2, count), np.int32)

    def _cells_for(self, camera: Camera) -> Array:
        shape = (camera.height, -(-camera.width // kernels.LANES), kernels.CELL)
        if self._cells.shape != shape:
            self._cells = np.empty(shape, np.float32)
        return self._cells

    def _for_each(self, work: Callable[[Any], None], things: Iterable[Any]) -> None:
        for _ in self._pool.map(work, things) if self._pool else map(work, things):
            pass  # what a thread raised is raised here


@contextmanager
def _interrupts_as_they_are() -> Iterator[None]:
    """Numba makes a SystemError of a Ctrl-C that comes while it unpacks a kernel's arguments."""
    try:
        yield
    except SystemError as error:
        if error.__cause__ is None or isinstance(error.__cause__, Exception):
            raise
        raise error.__cause__ from None


def view_of(camera: Camera, filter: Filter) -> kernels.View:
    """What the kernels need of a camera, in the types that they are compiled for."""
    lowest, highest = jacobian_limits(camera)
    return kernels.View(
        pose=camera.camera_from_world[:3].copy(),
        position=np.array(camera.position, np.float64),
        lens=np.array((camera.fx, camera.fy, camera.cx, camera.cy), np.float64),
        lowest=np.array(lowest, np.float64),
        highest=np.array(highest, np.float64),
        near=float(camera.near),
        width=camera.width,
        height=camera.height,
        antialiased=filter == "antialiased",
    )
