"""Gaussians in the viewer while they change: revisions, snapshots, framing."""

from __future__ import annotations

import io
import math
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from gsply_helpers import dc_from_rgb
from splatcam.gaussians import Gaussians, InvalidGaussians
from splatcam.rendering import Image
from splatcam.rendering.camera import Camera, Orbit
from splatcam.rendering.gaussian_pictures import GaussianPictures, framing_of, gaussians_of
from splatcam.rendering.orbit_query import parse_query
from splatcam.rendering.reference import ReferenceRasterizer
from splatcam.viewer import LiveGaussianViewer, view_gaussians, view_live_gaussians
from tests.oracles.clouds import pixel_cloud

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
AHEAD = Camera.pinhole(32, 24, 60.0)


def curtain(color: tuple[float, float, float], count: int = 40) -> Gaussians:
    """Large Gaussians of one colour in front of the camera."""
    grid = torch.linspace(-1, 1, count)
    return Gaussians(
        means=torch.stack((grid, torch.zeros(count), torch.full((count,), 2.0)), dim=1),
        scales=torch.full((count, 3), 0.8),
        rotations=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1),
        opacities=torch.full((count,), 0.9),
        sh=dc_from_rgb(torch.tensor(color)).repeat(count, 1)[:, None],
    )


def mean_color(jpeg: bytes) -> list[float]:
    return np.asarray(PIL.Image.open(io.BytesIO(jpeg))).reshape(-1, 3).mean(axis=0).tolist()


def is_red(jpeg: bytes) -> bool:
    red, _, blue = mean_color(jpeg)
    return red > 2 * blue


def live_viewer(model: object, **options: object) -> LiveGaussianViewer:
    return LiveGaussianViewer(model, rasterizer=ReferenceRasterizer(), **options)  # type: ignore[arg-type]


# ---------------------------------------------------------------- publishing


def test_the_page_hears_of_each_publication_and_revisions_only_rise() -> None:
    live = live_viewer(curtain(RED), max_scale=0.4, poll_ms=300)
    info = live.viewer.get_info()
    assert (info["live"], info["status"], info["revision"], info["gaussians"]) == (True, "training", 0, 40)
    assert (info["max_scale"], info["poll_info_ms"], info["sh_degree"]) == (0.4, 300, 0)
    assert info["display_modes"] == ["rgb", "depth", "mesh", "normal"]
    live.publish(curtain(RED, 10), step=100, loss=0.25, lr_means=1e-4)
    info = live.viewer.get_info()
    assert (info["revision"], info["gaussians"], info["step"], info["loss"], info["lr_means"]) == (
        1,
        10,
        100,
        0.25,
        1e-4,
    )
    live.publish(pixel_cloud(3, 4, 9))
    info = live.viewer.get_info()
    assert (info["revision"], info["step"], info["sh_degree"]) == (2, 100, 2)
    live.mark_done()
    assert live.viewer.get_info()["status"] == "done"
    live.publish(curtain(RED))
    assert live.viewer.get_info()["status"] == "training"


def test_a_loss_that_is_not_a_number_is_told_as_none() -> None:
    live = live_viewer(curtain(RED))
    live.publish(curtain(RED), loss=math.nan)
    assert live.viewer.get_info()["loss"] is None


def test_a_picture_after_a_publication_is_of_the_new_model() -> None:
    live = live_viewer(curtain(RED))
    assert is_red(live.viewer.render_jpeg(AHEAD))
    live.publish(curtain(BLUE))
    assert not is_red(live.viewer.render_jpeg(AHEAD))


def test_a_model_that_is_broken_is_refused_and_the_one_before_stays() -> None:
    live = live_viewer(curtain(RED))
    broken = curtain(BLUE)
    broken.means[3, 1] = math.nan
    with pytest.raises(InvalidGaussians, match="means has 1 Gaussians that are not finite"):
        live.publish(broken)
    assert live.viewer.get_info()["revision"] == 0 and is_red(live.viewer.render_jpeg(AHEAD))


def test_training_on_in_place_changes_no_picture() -> None:
    model = curtain(RED)
    live = live_viewer(model)
    model.sh.copy_(curtain(BLUE).sh)
    model.means.fill_(math.nan)
    assert is_red(live.viewer.render_jpeg(AHEAD))


class OneByOne:
    """Draws nothing: asks tensor after tensor which model it is of, as a rasterizer does while others publish."""

    name = "one by one"

    def __init__(self) -> None:
        self.mixed = 0

    def render(self, gaussians: Gaussians, camera: Camera, background: object = None) -> Image:
        counts = {getattr(gaussians, name).shape[0] for name in ("means", "scales", "rotations", "opacities", "sh")}
        colors = {tuple(row) for row in gaussians.sh[:, 0].tolist()}
        self.mixed += len(counts) > 1 or len(colors) > 1
        return Image(*(np.zeros((camera.height, camera.width, 3)[:n], np.float32) for n in (3, 2, 2)))


def race(live: LiveGaussianViewer, pictures: int) -> list[list[float]]:
    """Colours of pictures that were drawn while another thread published red and blue, of different counts."""
    models = (curtain(RED, 40), curtain(BLUE, 25))
    enough = threading.Event()

    def publish() -> None:
        step = 0
        while not enough.is_set():
            live.publish(models[step % 2], step=step)
            step += 1

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        return [mean_color(live.viewer.render_jpeg(AHEAD)) for _ in range(pictures)]
    finally:
        enough.set()
        publisher.join()


def test_a_picture_is_never_of_two_models() -> None:
    """Each is exactly one of the two that there are, whoever publishes meanwhile."""
    live = live_viewer(curtain(RED))
    known = []
    for color, count in ((RED, 40), (BLUE, 25)):
        live.publish(curtain(color, count))
        known.append(mean_color(live.viewer.render_jpeg(AHEAD)))
    assert all(color in known for color in race(live, 60))


def test_a_rasterizer_never_sees_tensors_of_two_models() -> None:
    asking = OneByOne()
    race(LiveGaussianViewer(curtain(RED), rasterizer=asking), 500)
    assert asking.mixed == 0


def test_a_model_that_is_trained_in_place_by_the_publishing_thread_is_never_half_updated() -> None:
    model, enough = curtain(RED), threading.Event()
    asking = OneByOne()
    live = LiveGaussianViewer(model, rasterizer=asking)
    red, blue = curtain(RED).sh, curtain(BLUE).sh

    def train() -> None:
        step = 0
        while not enough.is_set():
            for row, value in enumerate((red, blue)[step % 2]):  # one Gaussian after the other
                model.sh[row] = value
            live.publish(model)
            step += 1

    trainer = threading.Thread(target=train)
    trainer.start()
    try:
        for _ in range(300):
            live.viewer.render_jpeg(AHEAD)
    finally:
        enough.set()
        trainer.join()
    assert asking.mixed == 0


def test_revisions_rise_one_by_one_whoever_publishes() -> None:
    live = live_viewer(curtain(RED))
    threads = [threading.Thread(target=lambda: [live.publish(curtain(RED, 2)) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live.viewer.get_info()["revision"] == 80


# ---------------------------------------------------------------- framing


def test_the_orbit_is_about_the_mean_and_two_and_a_half_radii_of_nine_tenths_away() -> None:
    means = torch.zeros(11, 3)
    means[:, 0] = torch.arange(11) - 5.0
    means[:, 1:] += torch.tensor([1.0, 2.0])
    scene = replace(curtain(RED, 11), means=means)
    radius, target = framing_of(scene)
    assert target == pytest.approx((0.0, 1.0, 2.0))
    assert radius == pytest.approx(2.5 * 5.0)  # distances 0 1 1 2 2 3 3 4 4 5 5: the ninth of ten steps is at 5
    asked = live_viewer(scene, initial_radius=7.0, initial_target=(1.0, 1.0, 1.0)).viewer.get_info()
    assert (asked["radius"], asked["target"]) == (7.0, [1.0, 1.0, 1.0])


def test_a_scene_of_one_point_or_of_none_can_be_looked_at() -> None:
    one, none = curtain(RED, 1), curtain(RED).select(torch.zeros(40, dtype=torch.bool))
    assert framing_of(one)[0] > 0
    assert framing_of(none) == (4.0, (0.0, 0.0, 0.0))
    viewer = view_gaussians(none, (0.0, 1.0, 0.0), serve=False, rasterizer=ReferenceRasterizer())
    assert mean_color(viewer.render_jpeg(AHEAD))[1] > 240


def test_the_view_begins_as_the_camera_saw_it() -> None:
    """y down, z forward: at home what was at the left is at the left, and what was above is above."""
    info = live_viewer(curtain(RED)).viewer.get_info()
    query = {name: str(info[name]) for name in ("theta", "phi", "radius", "up")}
    orbit = parse_query(query).orbit
    assert isinstance(orbit, Orbit)
    pose = orbit.camera(60.0, 32, 24).world_from_camera
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], [0, 0, -info["radius"]], atol=1e-6)


def test_the_background_is_where_nothing_is() -> None:
    behind = Camera.look_at((0, 0, 0), (0, 0, -1), (0, -1, 0), 60.0, 32, 24)
    viewer = view_gaussians(curtain(RED), (0.0, 0.0, 1.0), serve=False, rasterizer=ReferenceRasterizer())
    assert mean_color(viewer.render_jpeg(behind)) == pytest.approx([0, 0, 254], abs=3)
    assert viewer.get_info()["live"] is False


def test_a_viewer_takes_the_best_rasterizer_there_is() -> None:
    live = view_live_gaussians(curtain(RED), serve=False, max_scale=0.3, poll_ms=1000)
    assert is_red(live.viewer.render_jpeg(AHEAD))
    assert isinstance(GaussianPictures(curtain(RED))(AHEAD), Image)


# ---------------------------------------------------------------- models of others


def test_any_object_with_the_tensors_is_a_model() -> None:
    ours = curtain(RED, 5)
    theirs = SimpleNamespace(
        means=ours.means.double().requires_grad_(),
        scales=ours.scales,
        quats=3 * ours.rotations,
        opacities=ours.opacities[:, None],
        colors=torch.tensor([RED] * 5),
    )
    read = gaussians_of(theirs)
    for name in ("means", "scales", "rotations", "opacities", "sh"):
        torch.testing.assert_close(getattr(read, name), getattr(ours, name))
    assert not read.means.requires_grad
    named_as_ours = SimpleNamespace(**{name: getattr(ours, name) for name in ("means", "scales", "rotations", "sh")})
    named_as_ours.opacities = ours.opacities
    torch.testing.assert_close(gaussians_of(named_as_ours).sh, ours.sh)


def test_a_model_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(InvalidGaussians, match="opacities has shape"):
        gaussians_of(replace(curtain(RED), opacities=torch.ones(3)))
