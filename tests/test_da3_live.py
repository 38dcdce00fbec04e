"""Depth Anything 3 in the live path: the tiny model behind the pipeline, the engine and a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from gsply_helpers import gaussians_from_ply_bytes
from splatcam import wire
from splatcam.codecs import compact
from splatcam.engine import EngineStatus
from splatcam.engine.inline import InlineEngine
from splatcam.estimators import EstimatorUnavailable, auto, registry
from splatcam.frame_job import FrameJob
from splatcam.live.streams import StreamHub
from splatcam.pipeline import process_frame
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry
from splatcam.variants import Variant
from splatcam.wire import Format
from tests.fakes import connected
from tests.pictures import jpeg
from tests.tiny_da3 import da3_registered, tiny_folder

pytestmark = pytest.mark.da3
__all__ = ["da3_registered", "tiny_folder"]  # fixtures

NETWORK = Variant(Format.SPLATS16, "network")
HEIGHT, WIDTH = 56, 70


def process(folder: Path, *variants: Variant) -> dict[Variant, dict]:
    estimator = registry.build(str(folder), Settings(device="cpu"), lambda sentence, fraction: None)
    job = FrameJob("camera", 0, 0.0, jpeg(), variants)
    return process_frame(job, estimator, long_side_px=70)[0].fields


def test_the_networks_gaussians_travel_in_every_splat_format(tiny_folder: Path) -> None:
    ply = Variant(Format.GAUSSIAN_PLY, "network", min_opacity=0.0)
    fields = process(tiny_folder, NETWORK, ply)
    inside = (HEIGHT - 2 * (HEIGHT * 8 // 256)) * (WIDTH - 2 * (WIDTH * 8 // 256))
    assert fields[ply]["num_splats"] == inside
    assert gaussians_from_ply_bytes(fields[ply]["ply_data"]).validate().count == inside
    assert 0 < fields[NETWORK]["num_splats"] <= inside


def test_the_networks_gaussians_come_back_from_compact_on_their_pixels(tiny_folder: Path) -> None:
    planes = Variant(Format.COMPACT, "network")
    fields = process(tiny_folder, NETWORK, planes)
    message = {**fields[planes], "grid": list(fields[planes]["grid"])}
    there = compact.decode(message, np.zeros((*message["window"][2:], 3), np.uint8)).validate()
    assert there.count == fields[NETWORK]["num_splats"] > 0
    low, high = there.means.aminmax(dim=0)
    assert np.allclose(low, fields[NETWORK]["bounds"].minimum, atol=0.1)
    assert np.allclose(high, fields[NETWORK]["bounds"].maximum, atol=0.1)


def test_all_bands_of_the_harmonics_come_on_request(tiny_folder: Path) -> None:
    full = Variant(Format.GAUSSIAN_PLY, "network", sh="full", ply="inria")
    data = process(tiny_folder, full)[full]["ply_data"]
    assert gaussians_from_ply_bytes(data).sh.shape[1:] == (9, 3)
    assert b"property float nx" in data[:2000]


def test_a_stride_thins_the_networks_gaussians_and_makes_them_larger(tiny_folder: Path) -> None:
    dense = Variant(Format.GAUSSIAN_PLY, "network", min_opacity=0.0)
    sparse = Variant(Format.GAUSSIAN_PLY, "network", min_opacity=0.0, stride=2)
    fields = process(tiny_folder, dense, sparse)
    every, second = (gaussians_from_ply_bytes(fields[v]["ply_data"]) for v in (dense, sparse))
    assert second.count == pytest.approx(every.count / 4, rel=0.1)
    assert np.median(second.scales) == pytest.approx(2 * float(np.median(every.scales)), rel=0.2)


def test_one_frame_can_be_watched_as_the_networks_splats_as_pixel_splats_and_as_points(tiny_folder: Path) -> None:
    pixel, points = Variant(Format.SPLATS16, "pixel"), Variant(Format.POINTCLOUD, "points")
    fields = process(tiny_folder, NETWORK, pixel, points)
    assert fields[pixel]["num_splats"] == fields[points]["num_points"]
    assert fields[pixel]["intrinsics"] == fields[NETWORK]["intrinsics"]


async def test_auto_serves_at_once_and_hands_over_to_the_better_model(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "choose", lambda settings: auto.Plan(str(tiny_folder), "it is here"))
    engine = InlineEngine(Settings(model="auto", process_res=70, device="cpu"))
    hub = StreamHub(engine, Telemetry())
    took_over = asyncio.Event()

    def on_status(status: EngineStatus) -> None:
        hub.engine_changed(status)
        if status.model and status.model.supports_gaussians:
            took_over.set()

    await engine.start(on_status)
    try:
        async with connected(hub) as client:
            welcomes = [await client.hello()]
            async with asyncio.timeout(60):
                await took_over.wait()
            while not welcomes[-1]["model"]["supports_gaussians"]:
                welcomes.append(await client.until("welcome"))
            assert welcomes[0]["model"]["name"] == "builtin" or len(welcomes) == 1
            await client.frame(0, jpeg())
            result = await client.until("splats16")
            assert (result["model"], result["num_splats"] > 0) == (welcomes[-1]["model"]["name"], True)
    finally:
        await engine.close()


async def test_where_the_better_model_cannot_be_had_the_built_in_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(settings: Settings) -> auto.Plan:
        raise EstimatorUnavailable("the weights are on the moon")

    monkeypatch.setattr(auto, "choose", unavailable)
    engine = InlineEngine(Settings(model="auto", process_res=70))
    told: asyncio.Queue[EngineStatus] = asyncio.Queue()
    await engine.start(told.put_nowait)
    try:
        async with asyncio.timeout(30):
            while "moon" not in (status := await told.get()).message:
                pass
        assert (status.state, status.model and status.model.name) == ("ready", "builtin")
        result = await engine.process(FrameJob("camera", 0, 0.0, jpeg(), (Variant(Format.SPLATS16, "pixel"),)))
        assert result.fields
    finally:
        await engine.close()


async def test_gaussians_asked_of_a_model_that_has_them_are_the_plain_contract(tiny_folder: Path) -> None:
    engine = InlineEngine(Settings(model=str(tiny_folder), process_res=70, device="cpu"))
    hub = StreamHub(engine, Telemetry())
    await engine.start(hub.engine_changed)
    try:
        async with connected(hub) as client:
            await client.send(jpeg())
            assert (await client.next())["type"] == "gaussian_ply"
            await client.send(wire.SettingsMessage(output="points"))
            await client.send(jpeg())
            assert (await client.next())["type"] == "pointcloud"
    finally:
        await engine.close()
