from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from splatcam import wire
from splatcam.engine import EngineStatus
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.live.streams import StreamHub
from splatcam.variants import MAX_VARIANTS
from splatcam.wire import ErrorCode
from tests.fakes import BROKEN_JPEG, JPEG, Client, PaperEngine, connected, hub_of, settled


async def camera_with_every_variant_taken(stack: AsyncExitStack, hub: StreamHub) -> Client:
    camera = await stack.enter_async_context(connected(hub))
    await camera.hello()
    await camera.frame(0)
    await camera.until("splats16")
    for stride in range(2, MAX_VARIANTS + 1):
        viewer = await stack.enter_async_context(connected(hub))
        await viewer.hello(watch="newest")
        await viewer.send(wire.SettingsMessage(stride=stride))
    return camera


async def test_viewers_of_one_camera_share_a_message_that_is_encoded_once() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as camera, connected(hub) as viewer:
        session_id = (await camera.hello())["session_id"]
        await camera.frame(0)
        await camera.until("splats16")
        await viewer.hello(watch=session_id)
        await camera.send(wire.Ack(frame_id=0))
        await camera.frame(1)
        assert await camera.until("splats16") == await viewer.until("splats16")
        assert len(engine.jobs[1].variants) == 1


class GappyEngine(PaperEngine):
    """Its model has no number for some pixels."""

    async def process(self, job: FrameJob) -> FrameResult:
        return replace(await super().process(job), dropped_nonfinite=5)


async def test_pixels_without_a_number_are_counted() -> None:
    hub = hub_of(GappyEngine())
    async with connected(hub) as camera:
        for frame_id in range(3):
            await camera.frame(frame_id)
            await camera.until("pointcloud")
    assert hub.telemetry.nonfinite == 15


async def test_a_viewer_may_want_another_format() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as camera, connected(hub) as viewer:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        await viewer.hello("pointcloud", watch="newest")
        await camera.frame(1)
        await camera.until("splats16")
        assert (await viewer.until("pointcloud"))["frame_id"] == 1


async def test_no_more_variants_are_encoded_than_promised() -> None:
    hub = hub_of(PaperEngine())
    async with AsyncExitStack() as stack:
        camera = await camera_with_every_variant_taken(stack, hub)
        late = await stack.enter_async_context(connected(hub))
        await late.hello(watch="newest")
        await late.send(wire.SettingsMessage(stride=16))
        assert (await late.until("error"))["code"] == ErrorCode.TOO_MANY_VARIANTS
        await camera.send(wire.Ack(frame_id=0))
        await camera.frame(1)
        assert (await late.until("splats16"))["frame_id"] == 1, "it keeps what it had"


async def test_a_viewer_for_whom_there_is_no_room_is_refused_and_leaves_nothing_behind() -> None:
    hub = hub_of(PaperEngine())
    async with AsyncExitStack() as stack:
        camera = await camera_with_every_variant_taken(stack, hub)
        async with connected(hub) as late:
            await late.send(wire.Hello(protocol=1, formats=["gaussian_ply"], watch="newest"))
            assert (await late.until("error"))["code"] == ErrorCode.TOO_MANY_VARIANTS
        await camera.send(wire.Ack(frame_id=0))
        await camera.frame(1)
        assert (await camera.until("splats16"))["frame_id"] == 1


async def test_a_viewer_that_leaves_the_choice_to_the_server_shares_what_is_encoded_already() -> None:
    hub = hub_of(PaperEngine())
    async with AsyncExitStack() as stack:
        camera = await camera_with_every_variant_taken(stack, hub)
        late = await stack.enter_async_context(connected(hub))
        await late.hello("splats16", "compact", watch="newest")
        assert late.adapted["format"] == "splats16"
        await camera.send(wire.Ack(frame_id=0))
        await camera.frame(1)
        assert (await late.until("splats16"))["frame_id"] == 1


async def test_viewers_that_came_before_the_model_do_not_exceed_what_is_encoded() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("starting", "starting")
    hub = hub_of(engine)
    async with AsyncExitStack() as stack:
        camera = await stack.enter_async_context(connected(hub))
        await camera.send(wire.Hello(protocol=1, formats=["splats16"]))
        await camera.frame(0)
        await settled()
        viewers = [await stack.enter_async_context(connected(hub)) for _ in range(MAX_VARIANTS + 1)]
        for stride, viewer in enumerate(viewers, start=2):
            await viewer.send(wire.Hello(protocol=1, formats=["splats16"], watch="newest"))
            await viewer.send(wire.SettingsMessage(stride=stride))
            await settled()
        engine.status = ready
        hub.engine_changed(ready)
        await camera.until("splats16")
        assert len(engine.jobs[0].variants) == MAX_VARIANTS
        assert (await viewers[-1].until("error"))["code"] == ErrorCode.TOO_MANY_VARIANTS


async def test_a_viewer_whose_own_camera_has_no_room_for_it_harms_nobody_when_it_goes_back() -> None:
    hub = hub_of(PaperEngine())
    async with AsyncExitStack() as stack:
        first = await camera_with_every_variant_taken(stack, hub)
        await first.send(wire.SettingsMessage(stride=1))
        second = await stack.enter_async_context(connected(hub))
        await second.hello()
        async with connected(hub) as other:
            await other.hello()
            await other.frame(0)
            await other.until("splats16")
            await first.hello(watch="newest")
            await second.hello(watch="newest")
            late = await stack.enter_async_context(connected(hub))
            await late.hello(watch=first.session.session_id)
            await late.send(wire.SettingsMessage(stride=9))
            await settled()
        assert (await first.until("error"))["code"] == ErrorCode.UNKNOWN_SESSION
        assert (await first.until("error"))["code"] == ErrorCode.TOO_MANY_VARIANTS
        assert (await second.until("error"))["code"] == ErrorCode.UNKNOWN_SESSION


async def test_viewers_are_told_when_the_camera_leaves() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as viewer:
        async with connected(hub) as camera:
            await camera.hello()
            await camera.frame(0)
            await camera.until("splats16")
            await viewer.hello(watch="newest")
        assert (await viewer.until("error"))["code"] == ErrorCode.UNKNOWN_SESSION


async def test_a_picture_goes_to_those_who_did_not_take_it() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as camera, connected(hub) as viewer:
        await camera.hello("compact")
        await camera.frame(0)
        assert "color" not in await camera.until("compact")
        await viewer.hello("compact", watch="newest")
        await camera.frame(1)
        assert "color" not in await camera.until("compact")
        assert (await viewer.until("compact"))["color"] == JPEG
        assert {variant.color for variant in engine.jobs[-1].variants} == {"own", "sent"}
        await viewer.frame(7)  # of its own, while it watches another
        await settled()
        await camera.frame(2)
        assert (await viewer.until("compact"))["color"] == JPEG
        await viewer.hello("compact")  # back to its own camera
        await viewer.frame(8)
        assert "color" not in await viewer.until("compact")


async def test_who_watched_a_camera_that_left_goes_back_to_its_own() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as viewer:
        await viewer.hello()
        await viewer.frame(0)
        await viewer.until("splats16")
        async with connected(hub) as camera:
            await camera.hello()
            await camera.frame(0)
            await camera.until("splats16")
            await viewer.hello(watch="newest")
        await viewer.until("error")
        await viewer.send(wire.Ack(frame_id=0))
        await viewer.frame(1)
        assert (await viewer.until("splats16"))["frame_id"] == 1


async def test_a_listener_with_a_bug_keeps_the_model_from_nobody(caplog: pytest.LogCaptureFixture) -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("loading", "loading small")
    hub = hub_of(engine)
    heard: list[EngineStatus] = []

    def broken(status: EngineStatus) -> None:
        raise ZeroDivisionError

    hub.listen(broken)
    hub.listen(heard.append)
    async with connected(hub) as camera:
        await camera.send(wire.Hello(protocol=1, formats=["splats16"]))
        await camera.frame(0)
        await settled()
        engine.status = ready
        hub.engine_changed(ready)
        assert (await camera.until("splats16"))["frame_id"] == 0
    assert heard == [ready] and "ZeroDivisionError" in caplog.text


async def test_one_cameras_bad_frame_is_told_to_that_camera_only() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, connected(hub) as viewer:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        await viewer.hello(watch="newest")
        await viewer.until("status")
        await camera.frame(1, BROKEN_JPEG)
        assert (await camera.until("error"))["frame_id"] == 1
        assert await viewer.silent()
