"""Volume rendering against densities whose transmittance is known in closed form."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from splatcam.rendering.camera import Camera
from splatcam.rendering.wanted import Unwanted, drawing_while
from splatcam.viewer.radiance_field import Sampling, render_field, view_nerf

ORANGE = (1.0, 0.5, 0.0)
CAMERA = Camera.pinhole(9, 7, 40.0)  # odd sides: the middle pixel looks along the axis
MIDDLE = (3, 4)
BALL_DISTANCE, BALL_RADIUS, BALL_DENSITY = 4.0, 1.0, 1.5


class Fog:
    """The same density everywhere; counts what it is asked."""

    def __init__(self, density: float) -> None:
        self.density = density
        self.asked: list[int] = []

    def __call__(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        assert points.shape == directions.shape == (len(points), 3)
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(len(points)))
        self.asked.append(len(points))
        return torch.tensor(ORANGE).expand(len(points), 3), torch.full((len(points),), self.density)


def ball(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    inside = (points - torch.tensor([0.0, 0.0, BALL_DISTANCE])).norm(dim=1) < BALL_RADIUS
    return torch.tensor(ORANGE).expand(len(points), 3), inside.float()[:, None] * BALL_DENSITY


@pytest.mark.parametrize("num_fine", [0, 16])
@pytest.mark.parametrize("white_background", [True, False])
def test_fog_lets_through_what_the_exponential_law_says(num_fine: int, white_background: bool) -> None:
    sampling = Sampling(2.0, 6.0, num_coarse=16, num_fine=num_fine, white_background=white_background)
    image = render_field(Fog(0.3), CAMERA, sampling)
    through = math.exp(-0.3 * 4.0)
    np.testing.assert_allclose(image.alpha, 1 - through, atol=1e-5)
    over = through if white_background else 0.0
    np.testing.assert_allclose(
        image.rgb, np.broadcast_to((1 - through) * np.array(ORANGE) + over, (7, 9, 3)), atol=1e-5
    )


def test_empty_space_is_the_background() -> None:
    image = render_field(Fog(0.0), CAMERA, Sampling())
    assert (image.alpha == 0).all() and (image.depth == 0).all() and (image.rgb == 1).all()


def test_a_negative_density_is_none() -> None:
    assert (render_field(Fog(-1.0), CAMERA, Sampling(num_coarse=4, num_fine=0)).alpha == 0).all()


def chord(camera: Camera) -> np.ndarray:
    """[H, W] f64: how much of each pixel's ray is in the ball."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    tangents2 = x[None, :] ** 2 + y[:, None] ** 2
    miss2 = BALL_DISTANCE**2 * tangents2 / (1 + tangents2)  # squared distance of the ray to the centre
    return 2 * np.sqrt(np.clip(BALL_RADIUS**2 - miss2, 0, None))


def test_a_ball_lets_through_what_its_chords_say_and_the_fine_pass_finds_its_edges() -> None:
    expected = 1 - np.exp(-BALL_DENSITY * chord(CAMERA))
    errors = []
    for num_fine in (0, 128):
        image = render_field(ball, CAMERA, Sampling(2.0, 6.0, num_coarse=32, num_fine=num_fine))
        errors.append(float(np.abs(image.alpha - expected).max()))
    assert errors[1] < 0.03 and errors[1] < errors[0] / 2


def test_depth_is_along_the_axis_not_along_the_ray() -> None:
    """A dense wall at z = 4, which a ray at the corner meets later."""

    def wall(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(points), 3), (points[:, 2] > 4.0).float() * 1000

    image = render_field(wall, CAMERA, Sampling(2.0, 8.0, num_coarse=64, num_fine=256))
    np.testing.assert_allclose(image.depth, 4.0, atol=0.05)  # half of a coarse interval
    np.testing.assert_allclose(image.alpha, 1.0, atol=1e-4)


def test_a_camera_elsewhere_sees_the_ball_from_there() -> None:
    camera = Camera.look_at((BALL_DISTANCE, 0.0, BALL_DISTANCE), (0.0, 0.0, BALL_DISTANCE), (0.0, 1.0, 0.0), 40.0, 9, 7)
    sampling = Sampling(2.0, 6.0, num_coarse=64, num_fine=64)
    there, here = render_field(ball, camera, sampling), render_field(ball, CAMERA, sampling)
    np.testing.assert_allclose(there.alpha, here.alpha, atol=1e-3)


def test_the_same_camera_gives_the_same_picture() -> None:
    one, other = (render_field(ball, CAMERA, Sampling()) for _ in range(2))
    assert (one.rgb == other.rgb).all() and (one.depth == other.depth).all()


def test_a_field_is_asked_no_more_points_at_a_time_than_the_chunk() -> None:
    fog = Fog(0.1)
    render_field(fog, CAMERA, Sampling(num_coarse=8, num_fine=8, chunk=64))
    assert max(fog.asked) == 64 and sum(fog.asked) == 63 * (8 + 16)


def test_a_picture_that_nobody_wants_stops_between_two_chunks() -> None:
    unwanted = threading.Event()
    fog = Fog(0.1)

    def give_up(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        unwanted.set()
        return fog(points, directions)

    with pytest.raises(Unwanted), drawing_while(unwanted):
        render_field(give_up, CAMERA, Sampling(num_coarse=8, num_fine=0, chunk=64))
    assert len(fog.asked) == 1


@pytest.mark.parametrize(
    "wrong", [{"near": 6.0, "far": 2.0}, {"near": -1.0}, {"num_coarse": 0}, {"num_fine": -1}, {"chunk": 0}]
)
def test_a_sampling_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_the_viewer_of_a_field_is_heavy_stands_between_near_and_far_and_draws() -> None:
    viewer = view_nerf(ball, near=3.0, far=5.0, num_coarse=8, num_fine=8, serve=False)
    info = viewer.get_info()
    assert (info["heavy"], info["radius"], info["up"]) == (True, 4.0, 1)
    for mode in info["display_modes"]:
        assert viewer.render_jpeg(CAMERA.resized(32, 24), mode=mode).startswith(b"\xff\xd8")
