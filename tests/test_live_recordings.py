"""Recording as a camera and its viewers meet it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from splatcam import wire
from splatcam.engine import EngineRestarting, EngineStatus
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.live import recordings as live_recordings
from splatcam.timeline import RecordedTimeline
from splatcam.variants import MAX_VARIANTS
from splatcam.wire import ErrorCode
from tests.fakes import BROKEN_JPEG, FAULTY_JPEG, JPEG, Client, PaperEngine, connected, model, settled
from tests.studio import START, STOP, Studio, recording, shown, streaming, studio


async def test_what_is_recorded_is_what_who_watches_gets_byte_for_byte(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        began = await recording(camera)
        seen = [await shown(camera, frame_id) for frame_id in range(1, 8)]
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        assert (ended["id"], ended["steps"], ended["lost"], ended["message"]) == (began["id"], 7, 0, "")
        steps = it.steps_of(began["id"])
        assert [frame_id for frame_id, _, _ in steps] == list(range(1, 8))
        assert {jpeg for _, jpeg, _ in steps} == {JPEG}
        assert [wire.decode_server_message(message) for _, _, message in steps] == seen
        assert len(it.engine.jobs[-1].variants) == 1, "who watches the default page shares what is encoded"
        (facts,) = it.listed()
        assert (facts.state, facts.steps, facts.model) == ("ended", 7, "small")
        assert facts.size_bytes == ended["size_bytes"]


async def test_a_recording_goes_on_while_nobody_watches(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as other:
        await streaming(other)
        await streaming(camera)
        await camera.send(START)
        await recording(camera)
        await camera.hello("compact", watch=other.session.session_id)
        for frame_id in range(1, 4):
            await camera.frame(frame_id)
            await settled()
        await camera.send(STOP)
        await recording(camera, "ended")
        assert [frame_id for frame_id, _, _ in it.steps_of(it.listed()[0].id)] == [1, 2, 3]


async def test_a_rate_that_viewers_limit_is_not_the_recordings(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(wire.SettingsMessage(max_fps=0.01))
        await camera.send(START)
        take = await recording(camera)
        for frame_id in range(1, 5):
            await camera.frame(frame_id)
            await settled()
        await camera.send(STOP)
        await recording(camera, "ended")
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == [1, 2, 3, 4]


async def test_frames_that_fail_are_not_recorded(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        take = await recording(camera)
        await shown(camera, 1)
        for frame_id, jpeg in ((2, BROKEN_JPEG), (3, FAULTY_JPEG)):
            await camera.frame(frame_id, jpeg)
            await camera.until("error")
        await shown(camera, 4)
        await camera.send(STOP)
        assert (await recording(camera, "ended"))["lost"] == 0
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == [1, 4]


async def test_sound_is_recorded_beside_the_steps_with_its_time(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(wire.Sound(captured_at_ms=0.5, sample_rate=8000, samples=b"\1\0" * 80))  # before it begins
        await camera.send(START)
        take = await recording(camera)
        await shown(camera, 1)
        await shown(camera, 20)
        samples = bytes(range(160)) * 2
        await camera.send(wire.Sound(captured_at_ms=10.5, sample_rate=8000, samples=samples))
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        assert ended["sound"] is True and it.listed()[0].sound
        timeline = RecordedTimeline.open(it.takes.find(take["id"]))
        (part,) = timeline.audio_parts()
        assert (part.name, part.start_step, part.captured_at_ms) == ("microphone", 1, 10.5)
        assert part.samples == samples
        timeline.close()


async def test_sound_without_a_camera_or_a_recording_is_dropped_without_a_word(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as client:
        sound = wire.Sound(captured_at_ms=0.5, sample_rate=8000, samples=b"\1\0")
        await client.hello("compact")
        await client.send(sound)
        await streaming(client)
        await client.send(sound)
        assert await client.heard() == []


async def test_starting_twice_and_stopping_twice_change_nothing_and_tell_how_it_stands(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(STOP)
        assert await camera.heard() == [], "there has been none"
        await camera.send(START)
        first = await recording(camera)
        await camera.send(START)
        assert (await recording(camera))["id"] == first["id"]
        await shown(camera, 1)
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        await camera.send(STOP)
        assert await recording(camera, "ended") == ended
        assert len(it.listed()) == 1
        await camera.send(START)
        assert (await recording(camera))["id"] != first["id"]


async def test_a_recording_to_which_nothing_came_is_told_so_and_leaves_nothing(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        await recording(camera)
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        assert (ended["steps"], ended["message"]) == (0, "no picture came to be recorded: nothing is kept")
        assert it.listed() == []


async def test_who_begins_one_recording_after_the_other_has_to_wait(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        await streaming(camera)
        for _ in range(live_recordings.BEGUN_AT_ONCE + 1):  # however long the disk takes for each
            await camera.send(START)
            await camera.send(STOP)
        told = await camera.until("error")
        assert told["code"] == ErrorCode.RECORDING_REFUSED and "too many recordings began" in told["message"]
        await shown(camera, 1)


async def test_who_watches_is_told_when_it_begins_how_it_stands_and_when_it_ends(tmp_path: Path) -> None:
    async with (
        studio(tmp_path) as it,
        connected(it.hub) as camera,
        connected(it.hub) as early,
        connected(it.hub) as late,
    ):
        await streaming(camera, room="stage")
        await early.hello("compact", watch="stage")
        await camera.send(START)
        take_id = (await recording(camera))["id"]
        assert (await recording(early))["id"] == take_id
        await late.hello("compact", watch="stage")
        assert (await recording(late))["id"] == take_id
        await shown(camera, 1)
        await camera.send(STOP)
        for client in (camera, early, late):
            assert (await recording(client, "ended"))["steps"] == 1


async def test_who_went_back_to_its_own_camera_is_told_that_it_is_recorded(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as viewer:
        await streaming(viewer)
        await viewer.send(START)
        own = (await recording(viewer))["id"]
        async with connected(it.hub) as camera:
            await streaming(camera)
            await viewer.hello("compact", watch="newest")
        await viewer.until("error")
        assert (await recording(viewer))["id"] == own


async def test_a_plain_client_is_told_nothing_of_recordings(tmp_path: Path) -> None:
    async with studio(tmp_path, "always") as it, connected(it.hub) as camera:
        for _ in range(3):
            await camera.send(JPEG)
            assert (await camera.next())["type"] == "pointcloud"
        await it.hub.recordings.close()
        assert [facts.steps for facts in it.listed()] == [3]
        assert await camera.heard() == []


async def test_a_camera_that_leaves_ends_its_recording_in_order_and_who_watched_is_told(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as viewer:
        async with connected(it.hub) as camera:
            await streaming(camera)
            await viewer.hello("compact", watch="newest")
            await camera.send(START)
            await recording(camera)
            await shown(camera, 1)
        ended = await recording(viewer, "ended")
        assert ended["steps"] == 1
        assert it.listed()[0].state == "ended"


async def test_where_every_camera_is_recorded_the_first_frame_is_in_the_file_and_nobody_stops_it(
    tmp_path: Path,
) -> None:
    async with studio(tmp_path, "always") as it:
        async with connected(it.hub) as camera, connected(it.hub) as other:
            assert (await camera.hello("compact", room="stage"))["recording"] == "always"
            for client in (camera, other):
                await streaming(client)
                await recording(client)
            await camera.send(STOP)
            assert (await camera.until("error"))["code"] == ErrorCode.RECORDING_REFUSED
            await shown(camera, 1)
        await it.hub.recordings.close()
        assert {facts.state for facts in it.listed()} == {"ended"}
        assert sorted(facts.steps for facts in it.listed()) == [1, 2]
        assert {len(it.steps_of(facts.id)) for facts in it.listed()} == {1, 2}


async def test_where_every_camera_is_recorded_a_file_that_is_large_enough_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_recordings, "TRY_AGAIN_S", 0.0)
    async with studio(tmp_path, "always", max_bytes=1000) as it, connected(it.hub) as camera:
        await streaming(camera)
        told: set[str] = set()
        frame_id = 1
        while len(told) < 2:
            await camera.frame(frame_id, JPEG + bytes(1000))
            frame_id += 1
            message = await camera.next()
            if message["type"] == "recording":
                told.add(message["id"])
            elif message["type"] == "compact":
                await camera.send(wire.Ack(frame_id=message["frame_id"]))
        assert told <= {facts.id for facts in it.listed()}


async def test_a_service_that_records_nothing_says_so(tmp_path: Path) -> None:
    async with studio(tmp_path, "off") as it, connected(it.hub) as camera:
        assert (await camera.hello("compact"))["recording"] == "off"
        await streaming(camera)
        await camera.send(START)
        error = await camera.until("error")
        assert (error["code"], error["message"]) == (ErrorCode.RECORDING_REFUSED, "this service records nothing")
        await shown(camera, 1)
        assert it.listed() == []


async def test_who_sends_no_camera_cannot_record(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as viewer:
        await streaming(camera)
        await viewer.hello("compact", watch="newest")
        for action in (START, STOP):
            await viewer.send(action)
            assert (await viewer.until("error"))["code"] == ErrorCode.RECORDING_REFUSED
        assert it.listed() == []


async def test_before_a_model_is_there_nothing_can_be_recorded(tmp_path: Path) -> None:
    engine = PaperEngine()
    engine.status = EngineStatus("starting", "starting")
    async with studio(tmp_path, engine=engine) as it, connected(it.hub) as camera:
        await camera.send(wire.Hello(protocol=1, formats=["compact"]))
        await camera.frame(0)
        await camera.send(START)
        assert (await camera.until("error"))["message"] == "no model is there yet"


async def variants_taken(stack: AsyncExitStack, it: Studio, count: int) -> Client:
    """A camera that watches itself in a format of its own, and viewers that want others."""
    camera = await stack.enter_async_context(connected(it.hub))
    await camera.hello("splats16")
    await camera.frame(0)
    await camera.until("splats16")
    for stride in range(2, count + 1):
        viewer = await stack.enter_async_context(connected(it.hub))
        await viewer.hello(watch="newest")
        await viewer.send(wire.SettingsMessage(stride=stride))
    await settled()
    return camera


async def test_a_recording_that_finds_no_room_among_the_variants_is_refused(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, AsyncExitStack() as stack:
        camera = await variants_taken(stack, it, MAX_VARIANTS)
        await camera.send(START)
        error = await camera.until("error")
        assert error["code"] == ErrorCode.RECORDING_REFUSED and "are watched on this stream" in error["message"]
        assert it.listed() == []


async def test_what_is_recorded_counts_among_the_variants(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, AsyncExitStack() as stack:
        camera = await variants_taken(stack, it, MAX_VARIANTS - 1)
        await camera.send(START)
        await recording(camera)
        late = await stack.enter_async_context(connected(it.hub))
        await late.hello(watch="newest")
        await late.send(wire.SettingsMessage(stride=16))
        assert (await late.until("error"))["code"] == ErrorCode.TOO_MANY_VARIANTS
        await camera.send(wire.Ack(frame_id=0))
        await camera.frame(1)
        await camera.until("splats16")
        assert len(it.engine.jobs[-1].variants) == MAX_VARIANTS


async def test_with_another_model_the_recording_keeps_its_place_and_goes_on(tmp_path: Path) -> None:
    engine = PaperEngine()
    async with studio(tmp_path, engine=engine) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        take = await recording(camera)
        await shown(camera, 1)
        engine.status = EngineStatus("ready", "giant took over", model=model("giant", supports_gaussians=True))
        it.hub.engine_changed(engine.status)
        await shown(camera, 2)
        assert "network" in {variant.output for variant in engine.jobs[-1].variants}
        await camera.send(STOP)
        await recording(camera, "ended")
        assert [frame_id for frame_id, _, _ in it.steps_of(take["id"])] == [1, 2]


class RestartingEngine(PaperEngine):
    """Loses the frames that it is told to lose."""

    loses = False

    async def process(self, job: FrameJob) -> FrameResult:
        if self.loses:
            raise EngineRestarting("lost")
        return await super().process(job)


async def test_an_engine_that_restarts_costs_a_frame_and_not_the_recording(tmp_path: Path) -> None:
    engine = RestartingEngine()
    async with studio(tmp_path, engine=engine) as it, connected(it.hub) as camera:
        await streaming(camera)
        await camera.send(START)
        take = await recording(camera)
        await shown(camera, 1)
        engine.loses = True
        await camera.frame(2)
        assert (await camera.until("error"))["code"] == ErrorCode.ENGINE_RESTARTING
        ready, engine.status = engine.status, EngineStatus("restarting", "again")
        it.hub.engine_changed(engine.status)
        await camera.frame(3)
        engine.loses, engine.status = False, ready
        it.hub.engine_changed(ready)
        await shown(camera, 4)
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        assert (ended["id"], ended["lost"]) == (take["id"], 0)
        assert {1, 4} <= {frame_id for frame_id, _, _ in it.steps_of(take["id"])} <= {1, 3, 4}


async def test_when_the_service_ends_every_recording_is_ended_in_order(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, AsyncExitStack() as stack:
        for _ in range(3):
            camera = await stack.enter_async_context(connected(it.hub))
            await streaming(camera)
            await camera.send(START)
            await recording(camera)
            await shown(camera, 1)
        await it.hub.recordings.close()
        assert [(facts.state, facts.steps) for facts in it.listed()] == [("ended", 1)] * 3
        await camera.send(START)
        assert (await camera.until("error"))["message"] == "the service is ending"


async def test_recordings_are_counted(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera:
        telemetry = it.hub.telemetry
        await streaming(camera)
        await camera.send(START)
        await recording(camera)
        assert telemetry.recordings_running == 1
        await shown(camera, 1)
        await shown(camera, 2)
        await camera.send(STOP)
        ended = await recording(camera, "ended")
        assert (telemetry.recordings_running, telemetry.recordings) == (0, {"ended": 1})
        assert (telemetry.recorded_steps, telemetry.recorded_bytes) == (2, ended["size_bytes"])
        assert telemetry.recorded_lost == 0
