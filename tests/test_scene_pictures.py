"""The newest scenes of streams, kept for those who look at pictures of them."""

from __future__ import annotations

import gc
import io
import weakref
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch

from gsply_helpers import dc_from_rgb
from splatcam.engine import pictures
from splatcam.engine.pictures import MAX_SCENES, ScenePictures
from splatcam.gaussians import Gaussians
from splatcam.rendering.camera import Camera
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.rendering.reference import ReferenceRasterizer
from tests.oracles.clouds import pixel_cloud

CAMERA = Camera.pinhole(32, 24, 60.0)


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> ScenePictures:
    monkeypatch.setattr(pictures, "build_rasterizer", ReferenceRasterizer)
    return ScenePictures()


def wall(red: float) -> Gaussians:
    """Before the camera, all of one red."""
    cloud = pixel_cloud(6, 8)
    colors = dc_from_rgb(torch.tensor([red, 0.0, 0.0])).repeat(cloud.count, 1)[:, None]
    return replace(cloud, scales=torch.full_like(cloud.scales, 0.5), opacities=torch.ones(cloud.count), sh=colors)


def red_of(picture: Picture) -> float:
    return float(np.asarray(PIL.Image.open(io.BytesIO(picture.jpeg)))[12, 16, 0]) / 255


def test_a_picture_is_of_the_newest_scene_of_its_stream(scenes: ScenePictures) -> None:
    scenes.keep("a", 1, wall(0.2))
    scenes.keep("b", 7, wall(0.5))
    scenes.keep("a", 2, wall(0.9))
    of_a, of_b = (scenes.draw(PictureJob(stream, CAMERA)) for stream in "ab")
    assert (of_a.frame_id, of_b.frame_id) == (2, 7)
    assert red_of(of_a) == pytest.approx(0.9, abs=0.05) and red_of(of_b) == pytest.approx(0.5, abs=0.05)
    scenes.keep("a", 3, wall(0.2))
    again = scenes.draw(PictureJob("a", CAMERA))
    assert again.frame_id == 3 and red_of(again) == pytest.approx(0.2, abs=0.05)


def test_of_a_stream_without_a_scene_there_is_nothing_to_show(scenes: ScenePictures) -> None:
    scenes.keep("a", 1, wall(0.2))
    scenes.forget("a")
    for stream in ("a", "never heard of"):
        with pytest.raises(NothingToShow):
            scenes.draw(PictureJob(stream, CAMERA))
        scenes.forget(stream)


def test_a_forgotten_scene_is_not_held_once_another_picture_was_asked_for(scenes: ScenePictures) -> None:
    scene = wall(0.2)
    held = weakref.ref(scene)
    scenes.keep("a", 1, scene)
    scenes.draw(PictureJob("a", CAMERA))
    scenes.forget("a")
    del scene
    with pytest.raises(NothingToShow):
        scenes.draw(PictureJob("b", CAMERA))
    gc.collect()
    assert held() is None


def test_of_too_many_scenes_the_one_unused_for_longest_goes(scenes: ScenePictures) -> None:
    for number in range(MAX_SCENES):
        scenes.keep(f"{number}", number, wall(0.2))
    scenes.keep("0", 100, wall(0.2))
    scenes.keep("one more", 101, wall(0.2))
    with pytest.raises(NothingToShow):
        scenes.draw(PictureJob("1", CAMERA))
    assert [scenes.draw(PictureJob(stream, CAMERA)).frame_id for stream in ("0", "2", "one more")] == [100, 2, 101]
