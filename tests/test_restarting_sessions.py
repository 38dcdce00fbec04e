"""What sessions and viewers see while the engine starts again. The engine itself is in `test_supervision.py`."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from splatcam import wire
from splatcam.engine import EngineFailed, EngineRestarting, EngineStatus
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.live.live_pictures import LivePictures
from splatcam.live.streams import StreamHub
from splatcam.rendering.camera import Camera
from splatcam.rendering.orbit_query import parse_query
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.rendering.shading import MODES
from splatcam.wire import ErrorCode
from tests.fakes import Client, PaperEngine, connected, hub_of

RESTARTING = EngineStatus("restarting", "the engine's process is gone")
CAMERA: Camera = parse_query({"w": "48", "h": "36"}, MODES).camera


class DyingEngine(PaperEngine):
    """Goes down with the next frame when told so, and with the scenes; stays away until it is brought back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_doomed = False
        self.hub = hub_of(self)
        self._ready = self.status
        self._kept: set[str] = set()

    def change(self, status: EngineStatus) -> None:
        self.status = status
        self.hub.engine_changed(status)

    def die(self) -> None:
        self._kept.clear()
        self.change(RESTARTING)

    def come_back(self) -> None:
        self.change(self._ready)

    async def process(self, job: FrameJob) -> FrameResult:
        if self.is_doomed:
            self.is_doomed = False
            self.die()
        self._require_life()
        result = await super().process(job)
        if job.wants_scene:
            self._kept.add(job.stream_id)
        return result

    def _require_life(self) -> None:
        if self.status.state != "ready":
            raise (EngineFailed if self.status.state == "failed" else EngineRestarting)(self.status.message)

    async def draw(self, job: PictureJob) -> Picture:
        self._require_life()
        if job.stream_id not in self._kept:
            raise NothingToShow
        return await super().draw(job)


@pytest.fixture
def engine() -> DyingEngine:
    return DyingEngine()


@pytest.fixture
async def hub(engine: DyingEngine) -> StreamHub:
    return engine.hub


async def streaming(client: Client) -> None:
    """Has one result and waits for the next."""
    await client.hello()
    await client.frame(0)
    await client.until("splats16")
    await client.send(wire.Ack(frame_id=0))


async def test_the_camera_is_told_of_the_frame_that_was_lost_and_everybody_of_the_restart(
    engine: DyingEngine, hub: StreamHub
) -> None:
    async with connected(hub) as camera, connected(hub) as viewer:
        await streaming(camera)
        await viewer.hello(watch="newest")
        await viewer.until("status")
        engine.is_doomed = True
        await camera.frame(1)
        assert (await camera.until("status"))["state"] == "restarting"
        error = await camera.until("error")
        assert (error["code"], error["frame_id"]) == (ErrorCode.ENGINE_RESTARTING, 1)
        assert (await viewer.until("status"))["state"] == "restarting"
        engine.come_back()
        assert [message["type"] for message in await viewer.heard()] == ["status"], "the model is the same"
        await camera.frame(2)
        assert (await camera.until("splats16"))["frame_id"] == 2
        assert (await viewer.until("splats16"))["frame_id"] == 2


async def test_frames_that_come_meanwhile_wait_and_the_newest_wins(engine: DyingEngine, hub: StreamHub) -> None:
    async with connected(hub) as camera:
        await streaming(camera)
        engine.die()
        for frame_id in range(1, 5):
            await camera.frame(frame_id)
            await camera.heard()
        assert len(engine.jobs) == 1
        engine.come_back()
        assert (await camera.until("splats16"))["frame_id"] == 4
        assert [job.frame_id for job in engine.jobs] == [0, 4]


async def test_a_frame_that_waited_for_its_turn_waits_for_the_engine_as_well(
    engine: DyingEngine, hub: StreamHub
) -> None:
    async with connected(hub) as camera:
        await streaming(camera)
        await camera.send(wire.SettingsMessage(max_fps=10))
        await camera.frame(1)  # it is not due yet
        await camera.heard()
        engine.die()
        await camera.frame(2)
        engine.come_back()
        assert (await camera.until("splats16"))["frame_id"] in (1, 2)


async def test_who_says_hello_meanwhile_is_greeted_when_the_engine_is_back(engine: DyingEngine, hub: StreamHub) -> None:
    engine.die()
    async with connected(hub) as camera:
        await camera.send(wire.Hello(protocol=1, formats=["splats16"]))
        await camera.frame(0)
        assert [(m["type"], m["state"]) for m in await camera.heard()] == [("status", "restarting")]
        engine.come_back()
        assert (await camera.until("welcome"))["model"]["name"] == "small"
        assert (await camera.until("splats16"))["frame_id"] == 0


async def test_who_says_hello_again_or_changes_settings_meanwhile_is_served_as_it_wishes(
    engine: DyingEngine, hub: StreamHub
) -> None:
    async with connected(hub) as first, connected(hub) as second:
        await streaming(first)
        await streaming(second)
        engine.die()
        await first.send(wire.SettingsMessage(stride=2))
        await second.send(wire.Hello(protocol=1, formats=["pointcloud"]))
        for client in (first, second):
            await client.frame(1)
            await client.heard()
        engine.come_back()
        assert (await first.until("adapted"))["stride"] == 2
        assert (await first.until("splats16"))["frame_id"] == 1
        assert (await second.until("pointcloud"))["frame_id"] == 1


async def test_another_model_after_the_restart_is_introduced(engine: DyingEngine, hub: StreamHub) -> None:
    async with connected(hub) as camera:
        await streaming(camera)
        engine.die()
        assert engine._ready.model is not None
        engine.change(replace(engine._ready, model=engine._ready.model.model_copy(update={"name": "large"})))
        assert (await camera.until("welcome"))["model"]["name"] == "large"


async def test_pictures_come_back_with_the_next_frame(engine: DyingEngine, hub: StreamHub) -> None:
    pictures = LivePictures(hub)
    async with connected(hub) as camera:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        stream = hub.find("newest")
        stream.want_scene(time.monotonic())
        await camera.frame(1)
        seen = await stream.next_scene(-1)
        assert await pictures.draw(CAMERA, 80, "rgb", "me")
        engine.die()
        assert pictures.get_info()["status"] == RESTARTING.message
        with pytest.raises(NothingToShow, match=RESTARTING.message):
            await pictures.draw(CAMERA, 80, "rgb", "me")
        engine.come_back()
        with pytest.raises(NothingToShow):
            await pictures.draw(CAMERA, 80, "rgb", "me")
        await camera.frame(2)
        assert (await stream.next_scene(seen.revision)).frame_id == 2, "who follows the scenes hears of the new one"
        assert await pictures.draw(CAMERA, 80, "rgb", "me")
        assert pictures.get_info()["status"] == "live"


async def test_when_the_engine_is_given_up_the_frame_that_waited_is_told_so(
    engine: DyingEngine, hub: StreamHub
) -> None:
    async with connected(hub) as camera:
        await streaming(camera)
        engine.die()
        await camera.frame(1)
        await camera.heard()
        engine.change(EngineStatus("failed", "again and again"))
        error = await camera.until("error")
        assert (error["code"], error["frame_id"]) == (ErrorCode.ENGINE_FAILED, 1)
        engine.change(RESTARTING)  # one more try
        await camera.frame(2)
        await camera.heard()
        engine.come_back()
        assert (await camera.until("splats16"))["frame_id"] == 2
