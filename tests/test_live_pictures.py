"""Pictures of a live camera, pushed and asked for, with an engine that draws a word instead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from splatcam.engine import EngineFailed, EngineState, EngineStatus
from splatcam.live.connection import Disconnected, HangUp
from splatcam.live.live_pictures import MAX_UNSEEN, MOST_ASKED, NO_CAMERA, NO_FRAME, LivePictures, PictureSession
from splatcam.live.streams import StreamHub
from splatcam.rate_limit import TOO_MUCH
from splatcam.rendering.camera import Camera
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob, TooManyWaiting
from splatcam.settings import Settings
from tests.fakes import JPEG, PaperEngine, connected, hub_of, settled

CAMERA = Camera.pinhole(16, 16, 60)


class Looker:
    """The far end of a PictureSession."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.outgoing: asyncio.Queue[Any] = asyncio.Queue()

    async def receive(self) -> bytes | str:
        message = await self.incoming.get()
        if message is None:
            raise Disconnected
        return message

    async def send(self, data: bytes | str) -> None:
        await self.outgoing.put(data)

    def says(self, **message: Any) -> None:
        self.incoming.put_nowait(json.dumps(message))

    async def hears(self, kind: str) -> Any:
        """The next picture (bytes) or message of that type."""
        async with asyncio.timeout(10):
            while True:
                data = await self.outgoing.get()
                message = data if isinstance(data, bytes) else json.loads(data)
                if kind == ("picture" if isinstance(data, bytes) else message["type"]):
                    return message

    async def notices_a_camera(self) -> None:
        """From then on frames leave their scenes behind."""
        while (await self.hears("info"))["status"] == NO_CAMERA:
            pass

    def pictures(self) -> list[bytes]:
        found = []
        while not self.outgoing.empty():
            if isinstance(data := self.outgoing.get_nowait(), bytes):
                found.append(data)
        return found


@asynccontextmanager
async def looking(
    hub: StreamHub, settings: Settings | None = None, pictures: LivePictures | None = None
) -> AsyncIterator[Looker]:
    looker = Looker()
    session = PictureSession(looker, pictures or LivePictures(hub), "c", settings or Settings())
    running = asyncio.create_task(session.run())
    try:
        yield looker
    finally:
        looker.incoming.put_nowait(None)
        await running


async def test_every_new_frame_brings_a_picture_from_where_the_client_looks() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as camera, looking(hub) as looker:
        looker.says(type="look", w=32, h=24, mode="depth")
        await camera.send(JPEG)
        await looker.notices_a_camera()
        for _ in range(4):
            await camera.send(JPEG)
            assert (await looker.hears("picture")).endswith(b"depth 32x24")
            looker.says(type="seen")
        assert all(job.mode == "depth" and job.client == "c" for job in engine.drawn)


async def test_no_more_than_two_pictures_are_on_their_way() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, looking(hub) as looker:
        looker.says(type="look")
        await camera.hello()
        await camera.frame(0)
        await looker.notices_a_camera()
        for frame_id in range(1, 9):
            await camera.frame(frame_id)
            await settled()
        assert len(looker.pictures()) == MAX_UNSEEN
        looker.says(type="seen")
        assert await looker.hears("picture")


async def test_a_new_place_brings_a_picture_also_while_the_camera_rests() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, looking(hub) as looker:
        await camera.hello()
        await camera.frame(0)
        looker.says(type="look", w=32, h=24)
        await looker.notices_a_camera()
        await camera.frame(1)
        assert (await looker.hears("picture")).endswith(b"32x24")
        looker.says(type="look", w=64, h=48)
        assert (await looker.hears("picture")).endswith(b"64x48")


async def test_before_each_picture_goes_the_wish_that_it_answers_and_how_long_it_took() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, looking(hub) as looker:
        await camera.hello()
        await camera.frame(0)
        looker.says(type="look", id=7)
        await looker.notices_a_camera()
        await camera.frame(1)
        drawn = await looker.hears("drawn")
        assert drawn["id"] == "7" and drawn["ms"] >= 0
        assert isinstance(looker.outgoing.get_nowait(), bytes)
        looker.says(type="look", id="x" * 999)
        assert (await looker.hears("drawn"))["id"] == "x" * 32


@pytest.mark.parametrize(
    "bad",
    [
        "no JSON",
        b"\xff\xfe\xff",
        "[1]",
        '"look"',
        '{"w": 3}',
        '{"type": "jump"}',
        '{"type": ["look"]}',
        '{"type": "look", "w": "wide"}',
        '{"type": "look", "w": {"h": []}}',
        '{"type": "look", "w": NaN}',
        '{"type": "look", "w": ' + "9" * 4000 + "}",
        "[" * 4000,
        '{"type": "look"}' + " " * 5000,
    ],
    ids=lambda bad: f"{bad[:30]!r}",
)
async def test_a_bad_message_is_answered_by_a_sentence_and_the_pictures_go_on(bad: bytes | str) -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, looking(hub) as looker:
        looker.incoming.put_nowait(bad)
        assert len((await looker.hears("error"))["message"]) > 10
        looker.says(type="look")
        await camera.hello()
        await camera.frame(0)
        await looker.notices_a_camera()
        await camera.frame(1)
        assert await looker.hears("picture")


async def test_whoever_comes_before_the_camera_is_told_and_sees_it_when_it_comes() -> None:
    hub = hub_of(PaperEngine())
    async with looking(hub) as looker:
        looker.says(type="look")
        assert (await looker.hears("info"))["status"] == NO_CAMERA
        async with connected(hub) as camera:
            await camera.hello()
            await camera.frame(0)
            assert (await looker.hears("info"))["status"] == NO_FRAME
            await camera.frame(1)
            assert await looker.hears("picture")
        while (await looker.hears("info"))["status"] != NO_CAMERA:
            pass


async def test_whoever_wants_to_see_a_camera_without_a_frame_waits_and_hears_on() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera, looking(hub) as looker:
        await camera.hello()
        await camera.frame(0)
        while (await looker.hears("info"))["status"] != NO_FRAME:
            pass
        looker.says(type="look", w=32, h=24)
        looker.says(type="jump")
        assert "jump" in (await looker.hears("error"))["message"]
        await camera.frame(1)
        assert (await looker.hears("picture")).endswith(b"32x24")


async def test_while_the_model_loads_the_status_says_so() -> None:
    engine = PaperEngine()
    engine.hold()
    hub = hub_of(engine)
    engine.status = EngineStatus("loading", "loading small")
    async with connected(hub) as camera:
        assert LivePictures(hub).get_info()["status"] == NO_CAMERA
        await camera.send(JPEG)
        await settled()
        assert LivePictures(hub).get_info()["status"] == "loading small"
        engine.release()


class AwayPencil(PaperEngine):
    """Its process ends with the picture, if it was not gone before."""

    def __init__(self, state: EngineState) -> None:
        super().__init__()
        self._state = state

    async def draw(self, job: PictureJob) -> Picture:
        self.status = EngineStatus(self._state, "it comes back later")
        raise EngineFailed("its process is gone")


@pytest.mark.parametrize("state", ["restarting", "failed"])
async def test_while_the_engine_is_away_its_status_is_the_answer_and_no_error(state: EngineState) -> None:
    engine = AwayPencil(state)
    async with filmed(engine) as (hub, pictures):
        assert pictures.get_info()["status"] == "live"
        with pytest.raises(NothingToShow, match="it comes back later"):
            await asks(pictures)
        assert pictures.get_info()["status"] == "it comes back later"
        async with looking(hub, pictures=pictures) as looker:
            looker.says(type="look")
            await settled()
            looker.says(type="ping")
            told = []
            while (message := json.loads(await looker.outgoing.get()))["type"] != "pong":
                told.append(message)
            assert [(message["type"], message["status"]) for message in told] == [("info", "it comes back later")]


async def test_nobody_looks_and_no_scene_is_kept() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with connected(hub) as camera:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        assert [job.wants_scene for job in engine.jobs] == [False]


async def test_a_picture_that_is_asked_for_waits_for_the_frame_that_it_is_of() -> None:
    hub = hub_of(PaperEngine())
    pictures = LivePictures(hub)
    with pytest.raises(NothingToShow, match=NO_CAMERA):
        await pictures.draw(CAMERA, 85, "rgb", "")
    async with connected(hub) as camera:
        await camera.send(JPEG)
        await settled()
        asked = asyncio.create_task(pictures.draw(CAMERA, 85, "rgb", ""))
        await settled()
        await camera.send(JPEG)
        assert await asked
        assert pictures.get_info()["revision"] == pictures.edition != "none"


class HeldPencil(PaperEngine):
    """Draws one picture each time it may."""

    def __init__(self) -> None:
        super().__init__()
        self._may_draw = asyncio.Semaphore(0)

    def draws(self, pictures: int = 1) -> None:
        for _ in range(pictures):
            self._may_draw.release()

    async def draw(self, job: PictureJob) -> Picture:
        picture = await super().draw(job)
        await self._may_draw.acquire()
        return picture


@asynccontextmanager
async def filmed(engine: PaperEngine) -> AsyncIterator[tuple[StreamHub, LivePictures]]:
    """A camera that has left a scene behind."""
    hub = hub_of(engine)
    pictures = LivePictures(hub)
    async with connected(hub) as camera:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        pictures.get_info()
        await camera.frame(1)
        await camera.until("splats16")
        yield hub, pictures


def asks(pictures: LivePictures) -> asyncio.Task[bytes]:
    return asyncio.create_task(pictures.draw(CAMERA, 85, "rgb", ""))


async def test_of_all_requests_the_engine_has_one_and_a_session_is_drawn_beside_it() -> None:
    engine = HeldPencil()
    async with filmed(engine) as (hub, pictures):
        asked = [asks(pictures) for _ in range(3)]
        await settled()
        assert len(engine.drawn) == 1
        async with looking(hub, pictures=pictures) as looker:
            looker.says(type="look", w=32, h=24)
            await settled()
            assert [job.camera.width for job in engine.drawn] == [16, 32]
            engine.draws(4)
            assert await looker.hears("picture")
            assert all(await asyncio.gather(*asked))


async def test_requests_beyond_a_few_are_refused_also_when_the_others_have_given_up() -> None:
    engine = HeldPencil()
    async with filmed(engine) as (_, pictures):
        asked = [asks(pictures) for _ in range(MOST_ASKED)]
        await settled()
        for request in asked:
            request.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(TooManyWaiting):
            await asks(pictures)
        engine.draws(MOST_ASKED + 1)
        await settled()
        assert await asks(pictures)
        assert len(engine.drawn) == MOST_ASKED + 1


async def test_the_service_and_the_viewer_tell_their_facts() -> None:
    hub = hub_of(PaperEngine())
    async with connected(hub) as camera:
        await camera.hello()
        await camera.frame(0)
        await camera.until("splats16")
        info = LivePictures(hub).get_info()
    assert {"radius", "target", "fov", "display_modes", "revision", "gaussians"} <= info.keys()
    assert info["service"]["model"]["name"] == "small" and info["service"]["cameras"] == 1
    assert json.dumps(info)


# ---------------------------------------------------------------- who has to go, and what is too much


async def ended(looker: Looker, hub: StreamHub, settings: Settings) -> HangUp:
    """How a session ends that nobody hangs up on."""
    with pytest.raises(HangUp) as end:
        async with asyncio.timeout(30):
            await PictureSession(looker, LivePictures(hub), "c", settings).run()
    return end.value


async def test_who_never_looks_is_sent_away() -> None:
    looker = Looker()
    looker.says(type="seen")
    end = await ended(looker, hub_of(PaperEngine()), Settings(first_message_s=0.05))
    assert (end.code, end.reason) == (4408, "neither a hello nor a frame came for 0.05 s")


async def test_who_looks_once_and_takes_nothing_is_sent_away() -> None:
    looker = Looker()
    looker.says(type="look")
    assert (await ended(looker, hub_of(PaperEngine()), Settings(idle_s=0.1))).code == 4408


async def test_a_ping_is_answered_and_keeps_the_place_of_a_page_that_is_seen() -> None:
    looker = Looker()
    session = PictureSession(looker, LivePictures(hub_of(PaperEngine())), "c", Settings())
    running = asyncio.create_task(session.run())
    looker.says(type="look")
    kept_since_s = []
    for _ in range(2):
        looker.says(type="ping")
        await looker.hears("pong")
        kept_since_s.append(session._idle._since_s)
    looker.incoming.put_nowait(None)
    await running
    assert kept_since_s[0] < kept_since_s[1]


async def test_who_looks_while_no_model_is_there_waits_for_us() -> None:
    engine = PaperEngine()
    ready, engine.status = engine.status, EngineStatus("loading", "downloading gigabytes")
    hub = hub_of(engine)
    looker = Looker()
    looker.says(type="look")
    session = PictureSession(looker, LivePictures(hub), "c", Settings(idle_s=0.05))
    running = asyncio.create_task(session.run())
    await looker.hears("info")
    for _ in range(3):  # as often its time has run out, and begins anew
        began_s = session._idle._since_s
        async with asyncio.timeout(30):
            while session._idle._since_s == began_s:
                assert not running.done()
                await asyncio.sleep(0.005)
    engine.status = ready
    with pytest.raises(HangUp):
        async with asyncio.timeout(30):
            await running


async def test_too_many_messages_are_dropped_and_told_and_then_the_socket_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("splatcam.live.live_pictures.time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr("splatcam.live.connection.time", SimpleNamespace(monotonic=lambda: now_s))
    looker = Looker()
    session = PictureSession(looker, LivePictures(hub_of(PaperEngine())), "c", Settings(max_messages_per_s=10))
    running = asyncio.create_task(session.run())
    while not running.done():
        looker.says(type="seen")
        await settled(5)
        now_s += 0.01
        assert now_s < 60, "it floods and stays"
    with pytest.raises(HangUp) as end:
        await running
    assert end.value.code == 1008
    assert (await looker.hears("error"))["message"] == TOO_MUCH
