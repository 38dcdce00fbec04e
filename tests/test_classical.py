"""The classical depth, a yardstick, on pictures of somebody before a wall whose outline is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.estimator_contract import odd_pictures
from training.classical import FARTHEST_M, NEAREST_M, Memory, infer_depth

HEIGHT, WIDTH = 252, 336
WALL, JUMPER, SKIN = (196, 200, 204), (200, 120, 30), (205, 150, 125)


def outline(shift_px: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Where head and body are: two masks [H, W]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    x = x - WIDTH / 2 - shift_px
    head = (x / 26) ** 2 + ((y - 88) / 36) ** 2 < 1
    body = (np.abs(x) < 62) & (y > 126)
    return head, body


def empty_room() -> np.ndarray:
    """An uneven wall: f32 [H, W, 3]."""
    return np.broadcast_to(np.float32(WALL) * np.linspace(0.9, 1, WIDTH)[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def seen_by_camera(rgb: np.ndarray, noise: float = 2.0, seed: int = 0) -> Tensor:
    noisy = rgb + np.random.default_rng(seed).normal(0, noise, rgb.shape)
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))


def picture(shift_px: int = 0, noise: float = 2.0, seed: int = 0) -> Tensor:
    """Somebody before the wall, with a badge in the wall's colour, as a noisy camera sees it."""
    rgb = empty_room()
    head, body = outline(shift_px)
    rgb[body] = JUMPER
    rgb[head] = SKIN
    rgb[180:200, WIDTH // 2 + shift_px - 8 : WIDTH // 2 + shift_px + 8] = WALL
    return seen_by_camera(rgb, noise, seed)


def run(pictures: list[Tensor]) -> list[Tensor]:
    depths, memory = [], None
    for image in pictures:
        depth, memory = infer_depth(image, memory)
        depths.append(depth)
    return depths


def found_person(depth: Tensor) -> np.ndarray:
    return (depth < 1.9).numpy()


def agreement(found: np.ndarray, wanted: np.ndarray) -> float:
    """Intersection over union."""
    return float((found & wanted).sum() / (found | wanted).sum())


def upper(mask: np.ndarray) -> np.ndarray:
    return mask[: HEIGHT * 4 // 5]  # below, the floor is as near as the person


def test_the_person_stands_well_in_front_of_the_wall() -> None:
    head, body = outline()
    depth = run([picture(seed=i) for i in range(4)])[-1].numpy()
    wall = ~(head | body)
    assert np.median(depth[head]) < 1.6 and np.median(depth[body]) < 1.4
    assert np.median(depth[wall][: wall.sum() // 2]) > 3


@pytest.mark.parametrize("frames", [1, 8])
def test_the_outline_of_the_person_is_the_outline_in_the_picture(frames: int) -> None:
    head, body = outline()
    depth = run([picture(seed=i) for i in range(frames)])[-1]
    assert agreement(upper(found_person(depth)), upper(head | body)) > 0.95


def test_a_badge_in_the_colour_of_the_wall_is_no_hole() -> None:
    depth = run([picture(seed=i) for i in range(4)])[-1]
    assert bool((depth[180:200, WIDTH // 2 - 8 : WIDTH // 2 + 8] < 1.5).all())


def test_a_person_who_moves_is_followed() -> None:
    pictures = [picture(shift_px=shift, seed=shift + 36) for shift in range(-36, 37, 6)]
    head, body = outline(36)
    assert agreement(upper(found_person(run(pictures)[-1])), upper(head | body)) > 0.9


def test_who_has_left_leaves_nobody_behind() -> None:
    pictures = [picture(seed=i) for i in range(4)] + [seen_by_camera(empty_room(), seed=i) for i in range(4)]
    depths = run(pictures)
    assert upper(found_person(depths[3])).any()
    assert not upper(found_person(depths[-1])).any()


def test_a_picture_at_rest_has_a_depth_at_rest() -> None:
    depths = run([picture(seed=i) for i in range(12)])[6:]
    change = [float((after / before).log().abs().mean()) for before, after in zip(depths, depths[1:], strict=False)]
    assert max(change) < 0.001


def test_the_noise_of_a_poor_camera_does_not_reach_what_is_remembered() -> None:
    memory, foregrounds = None, []
    for seed in range(12):
        _, memory = infer_depth(picture(noise=8, seed=seed), memory)
        foregrounds.append(memory.foreground)
    late = foregrounds[6:]
    change = [float((after - before).abs().mean()) for before, after in zip(late, late[1:], strict=False)]
    assert max(change) < 3e-4


def test_lower_in_an_empty_picture_is_nearer() -> None:
    depth = run([torch.full((HEIGHT, WIDTH, 3), 128, dtype=torch.uint8)])[0]
    side = depth[:, :20].mean(dim=1)
    assert side[0] > 3 and side[-1] < 2
    assert bool((side.diff() <= 1e-5).all())


@pytest.mark.parametrize("kind", odd_pictures())
def test_any_picture_gives_depths_within_the_limits(kind: str) -> None:
    for depth in run([odd_pictures()[kind]] * 3):
        assert bool(depth.isfinite().all())
        assert NEAREST_M <= float(depth.min()) and float(depth.max()) <= FARTHEST_M


@pytest.mark.parametrize(("height", "width"), [(14, 14), (14, 504), (378, 504), (756, 1008)])
def test_every_grid_has_a_depth(height: int, width: int) -> None:
    assert run([torch.zeros(height, width, 3, dtype=torch.uint8)] * 2)[1].shape == (height, width)


def test_what_is_remembered_is_not_written_to() -> None:
    _, memory = infer_depth(picture(), None)
    before = Memory(memory.foreground.clone(), memory.picture.clone())
    first, _ = infer_depth(picture(seed=1), memory)
    second, _ = infer_depth(picture(seed=1), memory)
    assert torch.equal(first, second)
    assert torch.equal(memory.foreground, before.foreground) and torch.equal(memory.picture, before.picture)
