from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.timeline import RecordedTimeline, TimelineError, TimelineServer
from splatcam.timeline.audio import as_int16
from splatcam.timeline.clients import ClientPlayback
from splatcam.timeline.nodes import Picture, Splats
from splatcam.timeline.playback import Motion, Playback
from splatcam.wire import JPEG_MAGIC, Format
from tests.test_spark_words import arrays

JPEG = JPEG_MAGIC + b"a picture"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Tab:
    """The far end of a client: what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def playback_changed(self, playback: Playback) -> None:
        self.told.append(playback)

    def scene_changed(self, first_step: int | None) -> None:
        self.told.append(("changed", first_step))

    def sound_changed(self) -> None:
        self.told.append("sound")

    def refresh(self) -> None:
        self.told.append("refresh")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> TimelineServer:
    return TimelineServer(100, fps=10, clock=clock)


# ---------------------------------------------------------------- recording


def test_a_step_shows_what_was_written_up_to_it(server: TimelineServer) -> None:
    server.scene.add_image("background", JPEG)
    with server.at(10):
        server.scene.add_splats("ball", **arrays(5))
        server.scene.add_points("cloud", np.zeros((2, 3)), np.zeros((2, 3), np.uint8))
    with server.at(20):
        server.scene.remove("cloud")
        server.scene.add_splats("ball", **arrays(6))
        server.scene.add_splats("ball", **arrays(7))
    names = {step: set(server.scene_at(step)) for step in (9, 10, 19, 20)}
    early, late = {"background", "ball", "cloud"}, {"background", "ball"}
    assert names == {9: {"background"}, 10: early, 19: early, 20: late}
    assert isinstance(ball := server.scene_at(99)["ball"], Splats) and ball.num_splats == 7


def test_a_static_name_and_a_recorded_one_are_two(server: TimelineServer) -> None:
    server.scene.add_image("a", JPEG)
    with server.at(0), pytest.raises(TimelineError, match="is static"):
        server.scene.add_image("a", JPEG)
    with server.at(0):
        server.scene.add_image("b", JPEG)
    with pytest.raises(TimelineError, match="recorded into steps"):
        server.scene.add_image("b", JPEG)
    server.scene.remove("a")
    assert set(server.scene_at(0)) == {"b"}


def test_what_another_thread_writes_meanwhile_is_static(server: TimelineServer) -> None:
    with server.at(50):
        other = threading.Thread(target=server.scene.add_image, args=("other", JPEG))
        other.start()
        other.join()
        server.scene.add_image("mine", JPEG)
    assert set(server.scene_at(0)) == {"other"} and set(server.scene_at(50)) == {"other", "mine"}


async def test_tasks_record_into_steps_of_their_own(server: TimelineServer) -> None:
    async def record(step: int) -> None:
        with server.at(step):
            await asyncio.sleep(0)
            server.scene.add_image(f"{step}", JPEG)

    await asyncio.gather(*(record(step) for step in (1, 2, 3)))
    assert [len(server.scene_at(step)) for step in range(5)] == [0, 1, 2, 3, 3]


def test_inside_at_there_is_no_other_at_no_set_steps_and_no_clear(server: TimelineServer) -> None:
    with server.at(1):
        for use in (lambda: server.at(2).__enter__(), lambda: server.set_steps(5), server.clear):
            with pytest.raises(TimelineError, match="inside `at`"):
                use()
    with server.at(2):
        server.scene.add_image("a", JPEG)
    assert set(server.scene_at(2)) == {"a"}


@pytest.mark.parametrize("step", [-1, 100])
def test_a_step_outside_is_refused_before_anything_is_written(server: TimelineServer, step: int) -> None:
    with pytest.raises(TimelineError, match=f"step {step} is outside"), server.at(step):
        pass
    with pytest.raises(TimelineError, match=f"step {step} is outside"):
        server.scene_at(step)


def test_a_longer_timeline_goes_on_with_the_last_scene_and_a_shorter_forgets(server: TimelineServer) -> None:
    with server.at(99):
        server.scene.add_image("a", JPEG)
    server.set_steps(200)
    assert set(server.scene_at(199)) == {"a"} and server.num_steps == 200
    server.set_steps(50)
    server.set_steps(200)
    assert server.scene_at(199) == {}


def test_clear_leaves_the_steps_and_nothing_in_them(server: TimelineServer) -> None:
    server.scene.add_image("a", JPEG)
    with server.at(3):
        server.scene.add_image("b", JPEG)
        server.audio.add_track("voice", np.zeros(10, np.int16), 100)
    server.clear()
    assert server.scene_at(99) == {} and server.num_steps == 100
    assert RecordedTimeline.from_bytes(server.serialize()).sounds() == []


def test_a_live_stream_can_be_taken_in_step_by_step() -> None:
    server = TimelineServer(1)
    for step in range(5):
        server.set_steps(step + 1)
        with server.at(step):
            server.scene.add_result("live", Format.COMPACT, f"{step}".encode())
    assert [server.scene_at(step)["live"].message for step in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(
    "write",
    [
        lambda scene: scene.add_packed_splats("a", 1, b"short"),
        lambda scene: scene.add_points("a", np.zeros((2, 3)), np.zeros((3, 3), np.uint8)),
        lambda scene: scene.add_points("a", np.full((2, 3), np.inf), np.zeros((2, 3), np.uint8)),
        lambda scene: scene.add_image("a", b"no picture"),
        lambda scene: scene.add_image("a", np.zeros((4, 4), np.uint8)),
        lambda scene: scene.add_image("a", np.zeros((0, 4, 3), np.uint8)),
        lambda scene: scene.add_image("", JPEG),
    ],
)
def test_what_is_no_node_is_refused_and_nothing_is_written(server: TimelineServer, write: Any) -> None:
    with server.at(0), pytest.raises(TimelineError):
        write(server.scene)
    assert server.scene_at(0) == {}


def test_an_image_is_kept_as_a_jpeg(server: TimelineServer) -> None:
    server.scene.add_image("a", np.zeros((20, 30, 3), np.uint8))
    assert isinstance(server.scene_at(0)["a"], Picture)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (0, 100), (100, None)])
def test_a_part_outside_the_timeline_is_not_serialized(server: TimelineServer, start: int, end: int | None) -> None:
    with pytest.raises(TimelineError, match="no part of the timeline's 0 to 99"):
        server.serialize(start, end)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 1001.0])
def test_steps_a_second_are_a_number_of_them(fps: float) -> None:
    with pytest.raises(TimelineError, match="steps a second"):
        TimelineServer(1, fps)


# ---------------------------------------------------------------- sound


def test_a_track_begins_at_its_step_and_grows(server: TimelineServer) -> None:
    with server.at(30):
        track = server.audio.add_track("voice", np.array([1, 2], np.int16), 100)
    track.append(np.array([[3]], np.int16))
    assert track.start_step == 30 and track.samples.tolist() == [[1], [2], [3]]
    with pytest.raises(TimelineError, match="1 channel"):
        track.append(np.zeros((4, 2), np.int16))
    track.volume = 0.25
    (sound,) = RecordedTimeline.from_bytes(server.serialize()).sounds()
    assert (sound.volume, sound.start_step, len(sound.samples)) == (0.25, 30, 3)
    track.remove()
    track.remove()
    assert RecordedTimeline.from_bytes(server.serialize()).sounds() == []


def test_a_track_of_the_same_name_replaces_the_one_before(server: TimelineServer) -> None:
    old = server.audio.add_track("voice", np.zeros(5, np.int16), 100)
    server.audio.add_track("voice", np.ones(3, np.int16), 200)
    old.remove()
    (sound,) = RecordedTimeline.from_bytes(server.serialize()).sounds()
    assert (sound.sample_rate, sound.samples[:, 0].tolist()) == (200, [1, 1, 1])


@given(st.lists(st.floats(-2, 2), max_size=20))
def test_samples_become_16_bits(values: list[float]) -> None:
    expected = [[round(min(1, max(-1, value)) * 32767)] for value in values]
    assert as_int16(np.array(values, np.float64)).tolist() == expected
    assert as_int16(np.array([0, 128, 255], np.uint8))[:, 0].tolist() == [-32768, 0, 32512]


@pytest.mark.parametrize(
    ("samples", "rate", "volume"),
    [
        (np.zeros((2, 3), np.int16), 100, 1.0),
        (np.zeros((2, 1, 1), np.int16), 100, 1.0),
        (np.zeros(2, np.int64), 100, 1.0),
        (np.full(2, np.nan), 100, 1.0),
        (np.zeros(2), 0, 1.0),
        (np.zeros(2), 100, -1.0),
    ],
)
def test_what_is_no_sound_is_refused(server: TimelineServer, samples: Any, rate: int, volume: float) -> None:
    with pytest.raises(TimelineError):
        server.audio.add_track("voice", samples, rate, volume)


# ---------------------------------------------------------------- clients


def test_a_client_begins_paused_at_step_0_with_speed_1(server: TimelineServer) -> None:
    client = server.connect("one", Tab())
    assert (client.current_timestep, client.is_playing, client.speed) == (0, False, 1.0)
    assert server.get_client_playback("one") is client and server.get_client_playbacks() == {"one": client}
    server.disconnect("one")
    server.disconnect("one")
    with pytest.raises(TimelineError, match="no client 'one' is here"):
        server.get_client_playback("one")


def test_each_client_has_a_clock_and_a_position_of_its_own(server: TimelineServer, clock: Clock) -> None:
    fast, slow = server.connect("fast", Tab()), server.connect("slow", Tab())
    server.play()
    fast.set_speed(2.0)
    slow.seek(50)
    clock.now_s += 1.0
    assert (fast.current_timestep, slow.current_timestep) == (20, 60)
    slow.pause()
    clock.now_s += 1.0
    assert (fast.current_timestep, slow.current_timestep) == (40, 60)
    assert (fast.is_playing, slow.is_playing) == (True, False)


def test_the_program_moves_all_clients_and_their_tabs_are_told(server: TimelineServer, clock: Clock) -> None:
    tabs = [Tab(), Tab()]
    for number, tab in enumerate(tabs):
        server.connect(f"{number}", tab)
    server.play()
    server.set_playback_speed(4.0)
    server.pause()
    server.refresh()
    playing = Playback(100.0, 0.0, 1.0, Motion.PLAYING)
    expected = [playing, Playback(100.0, 0.0, 4.0, Motion.PLAYING), Playback(100.0, 0.0, 4.0), "refresh"]
    assert [tab.told for tab in tabs] == [expected, expected]


def test_tabs_are_told_from_which_step_on_scenes_differ(server: TimelineServer) -> None:
    tab = Tab()
    server.connect("one", tab)
    with server.at(7):
        server.scene.add_image("a", JPEG)
    server.scene.add_image("b", JPEG)
    server.set_steps(50)
    server.clear()
    assert tab.told == [("changed", 7), ("changed", None), ("changed", 50), ("changed", 0), ("changed", None)]


def test_a_tab_that_is_told_of_a_track_finds_it_there(server: TimelineServer) -> None:
    heard: list[list[str]] = []

    class Listener(Tab):
        def sound_changed(self) -> None:
            heard.append([sound.name for sound in server.audio.sounds()])

    server.connect("one", Listener())
    server.audio.add_track("voice", np.zeros(8, np.int16), 8000)
    assert heard[-1] == ["voice"]


def test_what_a_tab_does_itself_is_not_sent_back_to_it(server: TimelineServer) -> None:
    tab = Tab()
    client = server.connect("one", tab)
    client.told(Playback(100.0, 30.0, 2.0, Motion.PLAYING))
    assert (client.current_timestep, client.is_playing, client.speed, tab.told) == (30, True, 2.0, [])


def test_callbacks_hear_of_steps_and_of_playing(server: TimelineServer, clock: Clock) -> None:
    heard: list[Any] = []

    @server.on_timestep_change
    def stepped(client: ClientPlayback, step: int) -> None:
        heard.append((client.client_id, step))

    @server.on_playback_change
    def played(client: ClientPlayback, is_playing: bool) -> None:
        heard.append((client.client_id, is_playing))

    client = server.connect("one", Tab())
    client.seek(97)
    client.play()
    clock.now_s += 0.1
    server.tick()
    server.tick()
    clock.now_s += 5
    server.tick()
    assert heard == [("one", 97), ("one", True), ("one", 98), ("one", False), ("one", 99)]


async def test_callbacks_may_be_coroutines(server: TimelineServer) -> None:
    heard = asyncio.Event()

    @server.on_timestep_change
    async def stepped(client: ClientPlayback, step: int) -> None:
        await asyncio.sleep(0)
        heard.set()

    server.connect("one", Tab()).seek(3)
    async with asyncio.timeout(10):
        await heard.wait()


def test_without_a_loop_a_coroutine_runs_to_its_end(server: TimelineServer) -> None:
    heard: list[int] = []

    @server.on_timestep_change
    async def stepped(client: ClientPlayback, step: int) -> None:
        await asyncio.sleep(0)
        heard.append(step)

    server.connect("one", Tab()).seek(3)
    assert heard == [3]


def test_a_callback_that_fails_harms_no_other(server: TimelineServer, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    @server.on_timestep_change
    def broken(client: ClientPlayback, step: int) -> None:
        raise ZeroDivisionError

    @server.on_timestep_change
    async def broken_later(client: ClientPlayback, step: int) -> None:
        raise ZeroDivisionError

    server.on_timestep_change(lambda client, step: heard.append(step))
    server.connect("one", Tab()).seek(3)
    assert heard == [3]
    assert [record.message for record in caplog.records] == ["a callback of the timeline"] * 2


@pytest.mark.parametrize("step", [-1, 100])
def test_a_client_does_not_seek_outside(server: TimelineServer, step: int) -> None:
    tab = Tab()
    client = server.connect("one", tab)
    with pytest.raises(TimelineError, match="outside"):
        client.seek(step)
    assert tab.told == [] and client.current_timestep == 0
