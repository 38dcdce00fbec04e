"""The newest scene of each stream that somebody watches as pictures, and the pictures.

`keep` and `forget` come from the thread that makes the scenes, `draw` from another one: a scene is a value that nobody
changes. The rasterizer is built for the first picture, which waits for its compiler; frames do not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property

from splatcam.gaussians import Gaussians
from splatcam.rendering import Rasterizer
from splatcam.rendering.gaussian_pictures import GaussianPictures
from splatcam.rendering.orbit_pictures import OrbitPictures
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.rendering.shading import MODES

MAX_SCENES = 8  # the one unused for longest goes: each may hold tens of megabytes


class ScenePictures:
    """Calls of `draw` come one at a time."""

    def __init__(self) -> None:
        self._scenes: OrderedDict[str, tuple[int, Gaussians]] = OrderedDict()
        self._viewers: dict[str, tuple[GaussianPictures, OrbitPictures]] = {}  # of the thread that draws
        self._changing = threading.Lock()

    def keep(self, stream_id: str, frame_id: int, scene: Gaussians) -> None:
        with self._changing:
            self._scenes[stream_id] = frame_id, scene
            self._scenes.move_to_end(stream_id)
            if len(self._scenes) > MAX_SCENES:
                self._scenes.popitem(last=False)

    def forget(self, stream_id: str) -> None:
        with self._changing:
            self._scenes.pop(stream_id, None)

    def draw(self, job: PictureJob) -> Picture:
        """Raises NothingToShow."""
        with self._changing:
            kept = dict(self._scenes)
        for stream_id in self._viewers.keys() - kept.keys():
            del self._viewers[stream_id]
        if job.stream_id not in kept:
            raise NothingToShow
        frame_id, scene = kept[job.stream_id]
        pictures, viewer = self._viewer_of(job.stream_id, scene)
        pictures.gaussians = scene
        return Picture(frame_id, viewer.render_jpeg(job.camera, job.quality, job.mode, job.client))

    def _viewer_of(self, stream_id: str, scene: Gaussians) -> tuple[GaussianPictures, OrbitPictures]:
        if stream_id not in self._viewers:
            pictures = GaussianPictures(scene, rasterizer=self._rasterizer)
            self._viewers[stream_id] = pictures, OrbitPictures(pictures, render_modes=dict.fromkeys(MODES, pictures))
        return self._viewers[stream_id]

    @cached_property
    def _rasterizer(self) -> Rasterizer:
        return build_rasterizer()
