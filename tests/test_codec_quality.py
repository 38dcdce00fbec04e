"""The judge of formats: it has to see what it is there to see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from splatcam.bench import codec_quality
from splatcam.bench.predicted import PredictedEstimator, predict
from splatcam.codecs import packed16
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.gaussians import Gaussians
from splatcam.rendering.rasterizers import build_rasterizer
from splatcam.settings import Settings
from tests.oracles import plain_splat
from tests.oracles.clouds import pixel_cloud
from tests.pictures import jpeg

FRAMES = [jpeg(70, 56, seed=seed) for seed in range(codec_quality.WARM_UP_FRAMES + 1)]


def test_words_are_read_as_the_plain_arithmetic_reads_them() -> None:
    data = packed16.pack_words(pixel_cloud(12, 9)).numpy().tobytes()
    read = packed16.unpack_words(data, 108)
    for i in range(108):
        mean, scale, rotation, opacity, rgb = plain_splat.unpack(data[16 * i : 16 * i + 16])
        assert read.means[i].tolist() == mean
        assert read.scales[i].tolist() == pytest.approx(scale, rel=1e-5)
        assert read.rotations[i].tolist() == pytest.approx(rotation, abs=1e-5)
        assert read.opacities[i].item() == pytest.approx(opacity)
        assert (0.5 + plain_splat.SH_C0 * read.sh[i, 0]).tolist() == pytest.approx(rgb, abs=1e-6)


def test_splats_from_depth_come_through_every_format_within_its_bound() -> None:
    found = codec_quality.measure(BuiltinEstimator(Settings()), FRAMES, codec_quality.PIXEL, build_rasterizer("cpu"))
    for name, measured in found.items():
        (error,), (bound,) = measured.depth_errors, measured.bounds
        if "2nd pixel" in name:
            assert math.isnan(error)
        else:
            assert error <= bound * 1.0001 + 1e-6, name
            assert min(psnr for pairs in measured.alike for psnr, _ in pairs) > 35, name
    assert found["compact A, 12 bits"].kilobytes < found["compact A, 12 bits, with the picture"].kilobytes
    assert found["gaussian_ply"].alike == [[(100.0, pytest.approx(1.0))]] * 3


def test_a_networks_splats_come_through_level_c() -> None:
    estimator = PredictedEstimator(predict(0.0, 70, 56, "smooth"))
    found = codec_quality.measure(estimator, FRAMES, codec_quality.NETWORK, build_rasterizer("cpu"))
    assert min(psnr for pairs in found["compact C"].alike for psnr, _ in pairs) > 40
    assert found["compact C"].kilobytes[0] < 0.5 * found["splats16"].kilobytes[0]


def test_splats_that_are_not_the_same_are_seen() -> None:
    cloud = pixel_cloud(12, 9)
    moved = Gaussians(cloud.means * 1.01, cloud.scales, cloud.rotations, cloud.opacities, cloud.sh)
    assert codec_quality.depth_error(moved, cloud) == pytest.approx(math.log(1.01), rel=1e-3)
    fewer = cloud.select(torch.arange(50))
    assert math.isnan(codec_quality.depth_error(fewer, cloud))


def test_a_row_has_medians_and_the_greatest_error() -> None:
    alike = [[(40.0, 0.9), (42.0, 0.95), (50.0, 0.99)]] * 3
    measured = codec_quality.Measured([1.0, 2.0, 9.0], [3.0, 4.0, 5.0], [0.001, 0.002, 0.0], [0.004] * 3, alike)
    text = codec_quality.table_row("clip", "format", measured)
    assert text.startswith("| clip | format | 2 | 4.0 | 0.200 % | 0.400 % | 42.0 dB / 0.9500 |")
    measured.depth_errors[:] = [np.nan] * 3
    assert "nan" not in codec_quality.table_row("clip", "format", measured)
