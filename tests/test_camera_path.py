"""nerfstudio's camera path JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.rendering.camera_path import BadCameraPath, CameraPath, read_camera_path, write_camera_path
from splatcam.rendering.framing import SceneBounds
from splatcam.rendering.paths import Shot, orbit

# As nerfstudio's viewer writes it: a camera at (1, 2, 3) that looks along -z, its own y up.
FOREIGN: dict[str, Any] = {
    "camera_type": "perspective",
    "render_height": 540,
    "render_width": 960,
    "fps": 24,
    "seconds": 2,
    "smoothness_value": 0.5,
    "is_cycle": False,
    "camera_path": [{"camera_to_world": [1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1], "fov": 60, "aspect": 16 / 9}],
}


def with_frame(**changes: Any) -> dict[str, Any]:
    return FOREIGN | {"camera_path": [FOREIGN["camera_path"][0] | changes]}


def test_a_foreign_path_is_read_with_its_axes_turned() -> None:
    path = read_camera_path(json.dumps(FOREIGN | {"camera_path": FOREIGN["camera_path"] * 48}))
    assert (len(path.cameras), path.fps, path.seconds) == (48, 24, 2)
    camera = path.cameras[0]
    assert (camera.width, camera.height) == (960, 540) and camera.fov_deg == pytest.approx(60)
    pixels, depth = camera.project(np.array([[1, 2, -7], [1, 3, -7], [2, 2, -7]]))  # ahead, above, to the right
    assert np.allclose(depth, 10)
    assert np.allclose(pixels[0], (480, 270))
    assert pixels[1, 1] < 270 and pixels[2, 0] > 480


def test_what_is_written_is_read_back_as_it_was() -> None:
    cameras = tuple(orbit(SceneBounds((1, 2, 3), (4, 5, 6)), Shot(seconds=1)))
    text = write_camera_path(CameraPath(cameras, 30))
    value = json.loads(text)
    assert {"camera_type", "render_height", "render_width", "fps", "seconds", "camera_path"} == set(value)
    assert (value["seconds"], value["fps"], len(value["camera_path"])) == (1, 30, 30)
    back = read_camera_path(text)
    assert back.fps == 30
    for one, other in zip(cameras, back.cameras, strict=True):
        assert np.allclose(one.world_from_camera, other.world_from_camera, atol=1e-12)
        assert other.fy == pytest.approx(one.fy) and (other.width, other.height) == (1280, 720)


def test_another_size_keeps_the_vertical_field_of_view() -> None:
    camera = read_camera_path(json.dumps(FOREIGN), size=(100, 50)).cameras[0]
    assert (camera.width, camera.height) == (100, 50) and camera.fov_deg == pytest.approx(60)


def test_the_frames_fill_the_seconds_and_older_files_have_a_rate_only() -> None:
    assert read_camera_path(json.dumps(FOREIGN)).fps == 0.5  # one frame in two seconds
    older = {key: value for key, value in FOREIGN.items() if key not in ("seconds", "camera_type")}
    assert read_camera_path(json.dumps(older)).fps == 24


def test_a_rotation_that_the_text_has_rounded_is_made_one_again() -> None:
    rounded = [0.71, -0.71, 0, 0, 0.71, 0.71, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    pose = read_camera_path(json.dumps(with_frame(camera_to_world=rounded))).cameras[0].world_from_camera
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)


_IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ([], "no list `camera_path`"),
        ({"keyframes": []}, "no list `camera_path`"),
        (FOREIGN | {"camera_path": []}, "0 frames"),
        (FOREIGN | {"camera_type": "equirectangular"}, "'equirectangular' cameras"),
        (FOREIGN | {"render_width": 0}, "render_width of 0"),
        (FOREIGN | {"render_height": "720"}, "render_height of '720'"),
        (FOREIGN | {"seconds": 0, "fps": -1}, "-1 frames a second"),
        (FOREIGN | {"seconds": 1e-9}, "frames a second"),
        (FOREIGN | {"camera_path": [None]}, "frame 0 of the camera path is no object"),
        (with_frame(fov=180), "field of view of 180"),
        (with_frame(fov=None), "field of view of None"),
        (with_frame(camera_to_world=None), "16 finite numbers"),
        (with_frame(camera_to_world=_IDENTITY[:12]), "16 finite numbers"),
        (with_frame(camera_to_world=[float("nan"), *_IDENTITY[1:]]), "16 finite numbers"),
        (with_frame(camera_to_world=[10**400, *_IDENTITY[1:]]), "16 finite numbers"),
        (with_frame(camera_to_world=[2, *_IDENTITY[1:]]), "scaled, skewed or mirrored"),
        (with_frame(camera_to_world=[-1, *_IDENTITY[1:]]), "scaled, skewed or mirrored"),
    ],
)
def test_what_cannot_be_filmed_is_one_sentence(path: Any, sentence: str) -> None:
    with pytest.raises(BadCameraPath, match=sentence):
        read_camera_path(json.dumps(path))


@given(st.text() | st.just("[" * 100_000) | st.from_type(type(None)).map(json.dumps))
def test_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadCameraPath):
        read_camera_path(text)
