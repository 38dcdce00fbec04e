"""What the page saves of a result, as splatcam's own reader and plyfile read it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plyfile import PlyData

from gsply_helpers import gaussians_from_ply_bytes, rgb_from_dc
from splatcam import wire
from splatcam.codecs import Points, encoder_of
from splatcam.gaussians import Gaussians
from splatcam.variants import Variant
from tests.oracles.clouds import awkward_cloud, pixel_cloud
from tests.oracles.plain_splat import unpack
from tests.oracles.readers import page_ply

pytestmark = pytest.mark.node

EDGE = 1e-6  # opacities are kept so far from 0 and 1


def message(format: wire.Format, value: Gaussians | Points) -> Any:
    fields = encoder_of(format)(value, Variant(format, "network"))
    common = {
        "frame_id": 1,
        "captured_at_ms": 0.0,
        "received_at_ms": 0.0,
        "timings_ms": {},
        "bounds": None,
        "model": "test",
    }
    camera = {"intrinsics": (20.0, 20.0, 20.0, 15.0), "grid": (30, 40)}
    return wire.RESULTS[format](**common, **camera, **fields)


@pytest.mark.parametrize("cloud", [pixel_cloud(30, 40), awkward_cloud()], ids=["pixels", "edges"])
def test_packed_splats_are_saved_as_what_they_stand_for(tmp_path: Path, cloud: Gaussians):
    result = message(wire.Format.SPLATS16, cloud)
    saved = gaussians_from_ply_bytes(page_ply(wire.encode(result), tmp_path))
    records = [result.data[16 * i : 16 * (i + 1)] for i in range(cloud.count)]
    means, scales, rotations, opacities, rgb = (
        torch.tensor(values) for values in zip(*map(unpack, records), strict=True)
    )
    assert saved.count == cloud.count
    assert torch.equal(saved.means, means)
    torch.testing.assert_close(saved.scales, scales, rtol=1e-5, atol=0)
    torch.testing.assert_close(saved.rotations, rotations, rtol=0, atol=1e-5)
    torch.testing.assert_close(saved.opacities, opacities.clamp(EDGE, 1 - EDGE), rtol=0, atol=1e-6)
    torch.testing.assert_close(rgb_from_dc(saved.sh[:, 0]), rgb, rtol=0, atol=1e-6)


def test_a_ply_is_saved_as_the_server_wrote_it(tmp_path: Path):
    result = message(wire.Format.GAUSSIAN_PLY, pixel_cloud(4, 5))
    assert page_ply(wire.encode(result), tmp_path) == result.ply_data


def test_points_are_saved_with_their_colours(tmp_path: Path):
    make = torch.Generator().manual_seed(0)
    points = Points(torch.randn(50, 3, generator=make), torch.randint(256, (50, 3), generator=make, dtype=torch.uint8))
    ply = page_ply(wire.encode(message(wire.Format.POINTCLOUD, points)), tmp_path)
    vertices = PlyData.read(io.BytesIO(ply))["vertex"]
    assert np.array_equal(np.stack([vertices[name] for name in "xyz"], 1), points.positions.numpy())
    assert np.array_equal(np.stack([vertices[name] for name in ("red", "green", "blue")], 1), points.colors.numpy())
