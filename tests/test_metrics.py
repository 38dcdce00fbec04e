"""Numbers about pictures, where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from splatcam.rendering.metrics import BEST_DB, hole_ratio, psnr_db, ssim

NOISE = np.random.default_rng(5).random((40, 30, 3), np.float32)


def test_the_psnr_of_a_constant_error_is_that_error() -> None:
    grey = np.full((20, 30, 3), 0.5, np.float32)
    assert psnr_db(grey + np.float32(0.1), grey) == pytest.approx(20, abs=1e-4)
    assert psnr_db(grey, grey) == BEST_DB


def test_only_the_pixels_asked_for_count() -> None:
    other = NOISE.copy()
    other[:10] = 0
    where = np.ones(NOISE.shape[:2], bool)
    where[:10] = False
    assert psnr_db(other, NOISE) < 20 and psnr_db(other, NOISE, where) == BEST_DB


def test_ssim_is_one_of_equal_pictures_and_falls_as_structure_goes() -> None:
    blurred = (NOISE + np.roll(NOISE, 1, 0) + np.roll(NOISE, 1, 1)) / 3
    assert ssim(NOISE, NOISE) == pytest.approx(1)
    assert ssim(NOISE, 1 - NOISE) < 0 < ssim(blurred, NOISE) < 0.9


def test_ssim_of_two_flat_pictures_follows_the_formula() -> None:
    dark, bright = np.full((20, 20, 3), 0.2, np.float32), np.full((20, 20, 3), 0.6, np.float32)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(dark, bright) == pytest.approx(expected, rel=1e-5)


def test_what_is_more_background_than_scene_is_a_hole() -> None:
    alpha = np.array([[0.0, 0.49, 0.5, 1.0]], np.float32)
    assert hole_ratio(alpha) == 0.5
