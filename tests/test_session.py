from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import msgpack
import pytest

from splatcam import wire
from splatcam.bench.links import LocalLink
from splatcam.engine import EngineStatus
from splatcam.live.ack_window import MIN_WINDOW
from splatcam.live.connection import HangUp
from splatcam.live.session import Session
from splatcam.live.streams import StreamHub
from splatcam.settings import Settings
from splatcam.wire import ErrorCode
from tests.fakes import BROKEN_JPEG, BUG_JPEG, FAULTY_JPEG, JPEG, Client, PaperEngine, connected, hub_of, model, settled


async def fill_the_window(client: Client) -> None:
    """As many results as may be on their way, none of them acknowledged."""
    await client.hello()
    await client.next()
    for frame_id in range(MIN_WINDOW):
        await client.frame(frame_id)
        assert (await client.next())["frame_id"] == frame_id


async def test_a_client_that_only_sends_jpegs_gets_points_where_the_model_has_no_gaussians() -> None:
    async with connected(hub_of(PaperEngine())) as client:
        for frame_id in range(5):  # no acknowledgement is asked of it
            await client.send(JPEG)
            result = await client.next()
            assert (result["type"], result["frame_id"], result["captured_at_ms"]) == ("pointcloud", frame_id, 0.0)
        assert client.session._window.in_flight == 0, "what nobody acknowledges is remembered for ever"


async def test_a_client_that_only_sends_jpegs_gets_gaussians_where_the_model_has_them() -> None:
    async with connected(hub_of(PaperEngine(model("giant", supports_gaussians=True)))) as client:
        await client.send(JPEG)
        assert (await client.next())["type"] == "gaussian_ply"


async def test_hello_is_answered_by_who_runs_and_what_is_accepted() -> None:
    async with connected(hub_of(PaperEngine()), Settings(process_res=70)) as client:
        welcome = await client.hello("hologram", "splats16")
        assert welcome["format"] == "splats16"
        assert welcome["model"]["licence"] == "ours"
        assert welcome["limits"]["frame_long_side_px"] == 70
        assert (await client.next())["type"] == "status"


async def test_a_client_is_named_in_the_log_once_however_often_it_says_hello(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with connected(hub_of(PaperEngine())) as client:
        for _ in range(50):
            await client.hello()
    assert [record.message.count("session") for record in caplog.records] == [1]


class Flood:
    """A client whose messages are all there already."""

    left = 1000

    async def receive(self) -> bytes:
        self.left -= 1
        return b"nonsense"

    async def send(self, data: bytes) -> None:
        pass


async def test_between_the_dropped_messages_of_a_flood_the_others_have_their_turns() -> None:
    flood = Flood()
    flooding = asyncio.create_task(Session(flood, hub_of(PaperEngine()), Settings(max_messages_per_s=10)).run())
    left = []
    for _ in range(100):
        await asyncio.sleep(0)
        left.append(flood.left)
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    assert left[-1] > 0 and len(set(left)) > 50


async def test_a_result_echoes_its_frame_and_tells_where_the_time_went() -> None:
    async with connected(hub_of(PaperEngine())) as client:
        await client.hello()
        await client.frame(41)
        result = await client.until("splats16")
        assert (result["frame_id"], result["captured_at_ms"], result["num_splats"]) == (41, 41.0, 2)
        assert list(result["timings_ms"]) == ["wait", "estimate", "engine", "total"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("a text message", ErrorCode.TEXT_MESSAGE),
        (b"neither JPEG nor map", ErrorCode.BAD_MESSAGE),
        (msgpack.packb({"type": "launch"}), ErrorCode.UNKNOWN_TYPE),
        (msgpack.packb({"type": "ack", "frame_id": "one"}), ErrorCode.BAD_FIELD),
        (wire.JPEG_MAGIC + bytes(2000), ErrorCode.MESSAGE_TOO_LARGE),
        (BROKEN_JPEG, ErrorCode.BAD_JPEG),
        (FAULTY_JPEG, ErrorCode.ENGINE_FAILED),
        (BUG_JPEG, ErrorCode.ENGINE_FAILED),
        (wire.Hello(protocol=1, formats=["hologram"]), ErrorCode.UNSUPPORTED_FORMAT),
        (wire.Hello(protocol=1, formats=["splats16"], watch="nobody"), ErrorCode.UNKNOWN_SESSION),
        (wire.SettingsMessage(output="network"), ErrorCode.NO_GAUSSIAN_HEAD),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_bad_input_gets_an_error_and_the_next_good_frame_is_answered(bad: object, code: ErrorCode) -> None:
    async with connected(hub_of(PaperEngine()), Settings(max_message_bytes=1024)) as client:
        await client.send(bad)
        assert (await client.next())["code"] == code
        await client.send(JPEG)
        assert (await client.next())["type"] == "pointcloud"


async def test_the_newest_frame_wins_while_the_engine_is_busy() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.hello()
        engine.hold()
        for frame_id in range(10):
            await client.frame(frame_id)
            await settled()
        engine.release()
        while (await client.until("splats16"))["frame_id"] != 9:
            pass
        assert [job.frame_id for job in engine.jobs] == [0, 9]
        assert hub.telemetry.frames["superseded"] == 8


async def test_reading_goes_on_while_the_engine_is_busy() -> None:
    engine = PaperEngine()
    async with connected(hub_of(engine)) as client:
        await client.hello()
        await client.next()
        engine.hold()
        await client.frame(0)
        assert await client.silent()
        engine.release()


async def test_results_wait_for_acknowledgements_and_the_newest_replaces_what_waits() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as client:
        await fill_the_window(client)
        for frame_id in range(MIN_WINDOW, 8):
            await client.frame(frame_id)
            await settled()
        assert await client.silent(), "a result came although none was acknowledged"
        await client.send(wire.Ack(frame_id=MIN_WINDOW - 1))
        assert (await client.next())["frame_id"] == 7
        assert hub.telemetry.results["replaced"] == 8 - MIN_WINDOW - 1


async def test_settings_change_this_session_only_from_the_next_frame_on() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as one, connected(hub) as other:
        await one.hello()
        await other.hello()
        await one.send(wire.SettingsMessage(stride=4, min_opacity=0.5))
        await one.send(wire.SettingsMessage(max_depth_percentile=0.9))
        await one.frame(0)
        await one.until("splats16")
        await other.frame(0)
        await other.until("splats16")
        (changed,), (plain,) = (job.variants for job in engine.jobs)
        assert (changed.stride, changed.min_opacity, changed.max_depth_percentile) == (4, 0.5, 0.9)
        assert (plain.stride, plain.min_opacity, plain.max_depth_percentile) == (1, 0.1, 1.0)


async def test_a_refused_setting_leaves_everything_as_it_was() -> None:
    engine = PaperEngine()
    async with connected(hub_of(engine)) as client:
        await client.hello()
        await client.send(wire.SettingsMessage(stride=2, output="network"))
        assert (await client.until("error"))["code"] == ErrorCode.NO_GAUSSIAN_HEAD
        await client.frame(0)
        await client.until("splats16")
        assert engine.jobs[0].variants[0].stride == 1


async def test_under_a_frame_rate_limit_the_newest_frame_waits_for_its_time() -> None:
    engine = PaperEngine()
    async with connected(hub_of(engine)) as client:
        await client.hello()
        await client.send(wire.SettingsMessage(max_fps=10))
        for frame_id in range(4):
            await client.frame(frame_id)
            await settled()
        assert [job.frame_id for job in engine.jobs] == [0], "the limit does not hold"
        while (await client.until("splats16"))["frame_id"] != 3:
            pass
        assert [job.frame_id for job in engine.jobs] == [0, 3]


async def test_settings_that_change_while_a_frame_is_in_the_engine_cost_no_answer() -> None:
    engine = PaperEngine()
    async with connected(hub_of(engine)) as client:
        await client.hello()
        engine.hold()
        await client.frame(0)
        await settled()
        await client.send(wire.SettingsMessage(stride=2))
        await settled()
        engine.release()
        assert (await client.until("splats16"))["frame_id"] == 0
        await client.frame(1)
        assert (await client.until("splats16"))["frame_id"] == 1
        assert [job.variants[0].stride for job in engine.jobs] == [1, 2]


async def test_a_better_model_is_announced_and_its_gaussians_are_sent() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.hello()
        await client.next()
        engine.status = EngineStatus("ready", "giant took over", model=model("giant", supports_gaussians=True))
        hub.engine_changed(engine.status)
        assert (await client.next())["model"]["name"] == "giant"
        assert (await client.next())["output"] == "network"
        assert (await client.next())["message"] == "giant took over"
        await client.frame(0)
        await client.until("splats16")
        assert engine.jobs[0].variants[0].output == "network"


async def test_the_newest_frame_that_came_before_the_model_is_answered_when_it_is_there() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("starting", "starting")
    hub = hub_of(engine)
    async with connected(hub) as client:
        for _ in range(3):
            await client.send(JPEG)
        assert await client.silent()
        engine.status = ready
        hub.engine_changed(ready)
        result = await client.next()
        assert (result["type"], result["frame_id"]) == ("pointcloud", 2)


async def test_a_frame_for_an_engine_that_failed_is_answered_by_an_error() -> None:
    engine = PaperEngine()
    engine.status = EngineStatus("failed", "the engine's process is gone")
    async with connected(hub_of(engine)) as client:
        await client.frame(3, FAULTY_JPEG)
        error = await client.next()
        assert (error["code"], error["frame_id"]) == (ErrorCode.ENGINE_FAILED, 3)


async def test_an_error_does_not_overtake_the_results_of_earlier_frames() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as client:
        await fill_the_window(client)
        await client.frame(MIN_WINDOW)
        await settled()
        await client.frame(MIN_WINDOW + 1, BROKEN_JPEG)
        await settled()
        assert await client.silent()
        await client.send(wire.Ack(frame_id=MIN_WINDOW - 1))
        answer = await client.next()
        assert (answer["type"], answer["frame_id"]) == ("error", MIN_WINDOW + 1), "the newest answer is the one to come"
        assert hub.telemetry.results["replaced"] == 1


async def test_when_the_client_leaves_its_stream_is_forgotten() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.frame(0)
        await client.next()
    assert engine.forgotten == [engine.jobs[0].stream_id]
    assert not hub._streams


async def test_what_is_sent_and_why_is_told_with_the_welcome_and_after_every_wish() -> None:
    async with connected(hub_of(PaperEngine())) as client:
        await client.hello("splats16", "compact")
        told = {name: client.adapted[name] for name in ("format", "output", "stride", "depth_bits", "pinned")}
        assert told == {"format": "compact", "output": "pixel", "stride": 1, "depth_bits": 12, "pinned": []}
        await client.send(wire.SettingsMessage(format=wire.Format.SPLATS16, stride=3, max_fps=5.0))
        told = await client.until("adapted")
        assert (told["format"], told["stride"], told["max_fps"]) == ("splats16", 3, 5.0)
        assert told["pinned"] == ["format", "stride", "max_fps"]
        await client.send(wire.SettingsMessage(format="auto", stride="auto", max_fps="auto"))
        told = await client.until("adapted")
        assert (told["stride"], told["pinned"], "max_fps" in told) == (1, [], False)


async def test_a_plain_client_is_told_nothing_that_it_would_not_understand() -> None:
    async with connected(hub_of(PaperEngine())) as client:
        await client.send(wire.SettingsMessage(stride=2))
        await client.send(JPEG)
        assert (await client.next())["type"] == "pointcloud"


async def test_a_client_whose_acknowledgements_come_late_gets_less_and_is_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1000.0
    monkeypatch.setattr("splatcam.live.session.time", SimpleNamespace(monotonic=lambda: now_s))
    engine = PaperEngine()
    async with connected(hub_of(engine)) as client, connected(hub_of(PaperEngine())) as other:
        await client.hello("compact")
        await other.hello("compact")
        heard = []
        for frame_id in range(90):  # at 30 a second, of which the link carries five
            now_s += 1 / 30
            await client.frame(frame_id)
            heard += await client.heard()
            results = [message["frame_id"] for message in heard if message["type"] == "compact"]
            if results and frame_id % 6 == 0:
                await client.send(wire.Ack(frame_id=results[-1]))
                await settled()
        told = next(message for message in reversed(heard) if message["type"] == "adapted")
        assert told["stride"] > 1 and told["pinned"] == [] and "the link carries" in told["reason"]
        assert all(variant.stride > 1 for variant in engine.jobs[-1].variants)
        assert not [m for m in await other.heard() if m["type"] == "adapted"], (
            "another client's link is none of its business"
        )


async def test_while_a_better_model_is_loading_the_present_one_serves_whoever_comes() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as early:
        await early.hello()
        await early.next()
        engine.status = EngineStatus("loading", "40 % of the weights", model=engine.status.model, progress=0.4)
        hub.engine_changed(engine.status)
        assert (await early.next())["progress"] == 0.4, "a welcome again for every percent"
        async with connected(hub) as late:
            assert (await late.hello())["model"]["name"] == "small"
            await late.frame(0)
            assert (await late.until("splats16"))["frame_id"] == 0


async def test_a_client_whose_format_nobody_knows_is_refused_before_the_model_is_there() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("starting", "starting")
    hub = hub_of(engine)
    async with connected(hub) as strange, connected(hub) as client:
        await strange.send(wire.Hello(protocol=1, formats=["hologram"]))
        assert (await strange.next())["code"] == ErrorCode.UNSUPPORTED_FORMAT
        await client.send(wire.Hello(protocol=1, formats=["splats16"]))
        engine.status = ready
        hub.engine_changed(ready)
        assert (await client.until("welcome"))["format"] == "splats16"


async def test_a_wish_that_the_model_cannot_meet_when_it_comes_is_told_and_given_up() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("starting", "starting")
    hub = hub_of(engine)
    async with connected(hub) as client:
        await client.send(wire.Hello(protocol=1, formats=["splats16"]))
        await client.send(wire.SettingsMessage(output="network"))
        assert (await client.next())["state"] == "starting"
        await settled()
        engine.status = ready
        hub.engine_changed(ready)
        assert (await client.next())["code"] == ErrorCode.NO_GAUSSIAN_HEAD
        await client.frame(0)
        await client.until("splats16")


# ---------------------------------------------------------------- who has to go, and what is too much


@asynccontextmanager
async def leaving(settings: Settings, hub: StreamHub | None = None) -> AsyncIterator[tuple[Client, asyncio.Task[None]]]:
    """A session that is expected to end by itself."""
    link = LocalLink()
    session = Session(link.transport(), hub or hub_of(PaperEngine()), settings)
    running = asyncio.create_task(session.run())
    try:
        yield Client(link, session), running
    finally:
        await link.hang_up()
        async with asyncio.timeout(30):
            await asyncio.gather(running, return_exceptions=True)


async def end_of(running: asyncio.Task[None]) -> HangUp:
    with pytest.raises(HangUp) as end:
        async with asyncio.timeout(30):
            await running
    return end.value


async def test_who_says_nothing_at_all_is_sent_away() -> None:
    async with leaving(Settings(first_message_s=0.05)) as (_, running):
        end = await end_of(running)
        assert (end.code, end.reason) == (4408, "neither a hello nor a frame came for 0.05 s")


async def test_pings_are_no_beginning() -> None:
    async with leaving(Settings(first_message_s=0.2)) as (client, running):
        for t in range(5):
            await client.send(wire.Ping(t=float(t)))
        assert (await end_of(running)).code == 4408


async def test_who_only_said_hello_and_pings_is_sent_away_and_its_place_is_free() -> None:
    hub = hub_of(PaperEngine())
    async with leaving(Settings(idle_s=0.3), hub) as (client, running):
        await client.hello()
        await client.send(wire.Ping(t=1.0))
        end = await end_of(running)
        assert (end.code, end.reason) == (4408, "nothing was sent or watched for 0.3 s")
        assert not hub._listeners


async def test_who_watches_and_acknowledges_nothing_is_sent_away_and_the_camera_is_not() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        async with leaving(Settings(idle_s=0.3), hub) as (watcher, running):
            await watcher.hello(watch="newest")
            assert (await end_of(running)).code == 4408
        await camera.frame(1)
        await camera.until("splats16")


def session_at(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Session:
    monkeypatch.setattr("splatcam.live.session.time", clock)
    return Session(LocalLink().transport(), hub_of(PaperEngine()), settings)


async def test_frames_and_acknowledgements_of_what_was_sent_are_use_and_other_messages_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    clock = SimpleNamespace(monotonic=lambda: now_s)
    session = session_at(clock, monkeypatch, Settings(idle_s=120))
    session._handle(wire.Hello(protocol=1, formats=["splats16"]))
    session._handle(wire.FrameMessage(frame_id=0, captured_at_ms=0.0, jpeg=JPEG))
    assert session._camera is not None
    now_s = 100.0
    for nothing in (wire.Ping(t=1.0), wire.Ack(frame_id=7), wire.Shown(frame_id=7), wire.SettingsMessage(stride=2)):
        session._handle(nothing)
    assert session._idle.left_s(now_s) == 20
    session._handle(wire.FrameMessage(frame_id=1, captured_at_ms=0.0, jpeg=JPEG))
    assert session._idle.left_s(now_s) == 120
    session._window.sent(1, 10, now_s)
    now_s = 150.0
    session._handle(wire.Ack(frame_id=1))
    assert session._idle.left_s(now_s) == 120
    await session._hub.close(session._camera)


async def test_who_waits_for_the_model_is_not_idle() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("loading", "downloading gigabytes")
    hub = hub_of(engine)
    async with leaving(Settings(idle_s=0.02), hub) as (client, running):
        await client.send(wire.Hello(protocol=1, formats=["splats16"]))
        await client.until("status")
        for _ in range(5):  # as often its time has run out, and begins anew
            began_s = client.session._idle._since_s
            async with asyncio.timeout(30):
                while client.session._idle._since_s == began_s:
                    assert not running.done()
                    await asyncio.sleep(0.005)
        engine.status = ready
        hub.engine_changed(ready)
        assert (await end_of(running)).code == 4408


async def test_too_many_messages_are_dropped_and_told_once_and_the_next_ones_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    monkeypatch.setattr("splatcam.live.session.time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr("splatcam.live.connection.time", SimpleNamespace(monotonic=lambda: now_s))
    hub = hub_of(PaperEngine())
    async with connected(hub, Settings(max_messages_per_s=10)) as client:
        for _ in range(20):
            await client.send(wire.Ping(t=0.0))
            await client.until("pong")
        for frame_id in range(5):
            await client.frame(frame_id)
        await client.send(JPEG)
        error = await client.next()
        assert (error["type"], error["code"], error["frame_id"]) == ("error", ErrorCode.RATE_LIMITED, 0)
        await settled()
        assert (hub.telemetry.frames_received, hub.telemetry.frames["refused"]) == (6, 6)
        now_s = 2.0
        await client.send(JPEG)  # the second plain frame, as its client counts
        assert (await client.next())["frame_id"] == 1
        assert hub.telemetry.frames_in_flight == 0


async def test_a_frame_over_the_bytes_a_second_is_dropped_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("splatcam.live.session.time", SimpleNamespace(monotonic=lambda: now_s))
    settings = Settings(max_bytes_per_s=2000, max_message_bytes=2000)
    async with connected(hub_of(PaperEngine()), settings) as client:
        for frame_id in range(3):
            await client.frame(frame_id, JPEG + bytes(1500))
        answers = [await client.next() for _ in range(2)]
        errors = [answer for answer in answers if answer["type"] == "error"]
        assert [(e["code"], e["frame_id"]) for e in errors] == [(ErrorCode.RATE_LIMITED, 2)]


async def test_who_floods_for_ten_seconds_on_end_is_sent_away_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    monkeypatch.setattr("splatcam.live.session.time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr("splatcam.live.connection.time", SimpleNamespace(monotonic=lambda: now_s))
    hub = hub_of(PaperEngine())
    settings = Settings(max_messages_per_s=10)
    async with connected(hub, settings) as good, leaving(settings, hub) as (flooder, running):
        while not running.done():
            await flooder.send("a text message")
            await settled(3)
            now_s += 0.01
            assert now_s < 60, "it floods and stays"
        end = await end_of(running)
        assert (end.code, end.reason) == (1008, "more than this server takes was sent for too long")
        await good.send(JPEG)
        assert (await good.next())["type"] == "pointcloud"


@pytest.mark.parametrize("steps", range(12))
async def test_a_client_that_leaves_in_the_moment_of_a_word_to_it_is_gone(steps: int) -> None:
    """Its writer waits for room on the link then, and must not take the word for a reason to stay."""
    link, hub = LocalLink(), hub_of(PaperEngine())
    session = Session(link.transport(), hub, Settings())
    running = asyncio.create_task(session.run())
    client = Client(link, session)
    await fill_the_window(client)
    await client.frame(MIN_WINDOW)
    await settled()
    await link.hang_up()
    await settled(steps)
    session.stream_ended(wire.WireError(ErrorCode.UNKNOWN_SESSION, "the camera has left"))
    async with asyncio.timeout(10):
        await asyncio.gather(running, return_exceptions=True)
