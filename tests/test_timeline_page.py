"""A program's timeline over real sockets. What a browser makes of it is seen in tests/e2e/program.test.mjs."""

from __future__ import annotations

import io
import json
import queue
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from splatcam.routes.timeline import MAX_TABS
from splatcam.routes.viewer_app import CannotListen
from splatcam.timeline import RecordedTimeline, TimelineError, TimelineServer
from splatcam.timeline.block_file import BlockKind, BlockWriter

PATIENCE_S = 300
STEPS = 70
JPEG = b"\xff\xd8\xff"


@pytest.fixture
def server() -> Iterator[TimelineServer]:
    made = TimelineServer(STEPS, fps=10)
    for step in range(0, STEPS, 3):
        with made.at(step):
            made.scene.add_image("picture", JPEG + str(step).encode())
    yield made
    made.close()


@pytest.fixture
def address(server: TimelineServer) -> str:
    return server.serve()


def get(address: str, path: str, **headers: str) -> bytes:
    request = urllib.request.Request(f"{address}/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return bytes(response.read())


def status_of(address: str, path: str, **headers: str) -> int:
    try:
        get(address, path, **headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


def index_of(address: str) -> Any:
    return json.loads(get(address, "timeline/index"))


def file_of(address: str) -> RecordedTimeline:
    """What the blocks are together: the same file that serialize() writes."""
    index, memory = index_of(address), io.BytesIO()
    writer = BlockWriter.into(memory)
    writer.append(BlockKind.INFO, range(0), index["info"])
    if index["static"] is not None:
        memory.write(get(address, "timeline/static"))
    for number in range(len(index["sounds"])):
        memory.write(get(address, f"timeline/sounds/{number}"))
    for first, steps, _ in index["blocks"]:
        memory.write(get(address, f"timeline/blocks/{first}?steps={steps}"))
    return RecordedTimeline.from_bytes(memory.getvalue())


def tab(address: str, **options: Any) -> ClientConnection:
    return connect(address.replace("http", "ws") + "/timeline/ws", open_timeout=PATIENCE_S, **options)


def heard(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(PATIENCE_S))


def tell(socket: ClientConnection, step: float = 0, speed: float = 1, is_playing: bool = False) -> None:
    socket.send(json.dumps({"step": step, "speed": speed, "is_playing": is_playing}))


# ---------------------------------------------------------------- blocks


def test_the_blocks_together_are_the_timeline(server: TimelineServer, address: str) -> None:
    server.scene.add_image("still", JPEG)
    server.audio.add_track("tone", np.arange(700, dtype=np.int16), 100)
    served = file_of(address)
    assert [served.scene_at(step) for step in range(STEPS)] == [server.scene_at(step) for step in range(STEPS)]
    (sound,) = served.sounds()
    assert sound.samples[:, 0].tolist() == list(range(700))


def test_a_step_that_is_written_again_changes_the_blocks_from_there_on(server: TimelineServer, address: str) -> None:
    before = index_of(address)["blocks"]
    with server.at(40):
        server.scene.add_image("picture", JPEG + b"new")
    after = index_of(address)["blocks"]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False]
    assert file_of(address).scene_at(41) == server.scene_at(41)


def test_static_nodes_and_sounds_change_no_block_of_steps(server: TimelineServer, address: str) -> None:
    server.scene.add_image("still", JPEG)
    track = server.audio.add_track("tone", np.zeros(10, np.int16), 100)
    before = index_of(address)
    server.scene.add_image("still", JPEG + b"new")
    track.volume = 0.5
    after = index_of(address)
    assert before["blocks"] == after["blocks"]
    assert before["static"] < after["static"] and before["sounds"] != after["sounds"]


def test_after_clear_there_is_nothing(server: TimelineServer, address: str) -> None:
    server.scene.add_image("still", JPEG)
    server.clear()
    assert index_of(address)["static"] is None
    assert file_of(address).scene_at(STEPS - 1) == {}


@pytest.mark.parametrize(
    "path",
    ["blocks/0?steps=4096", "blocks/0?steps=0", "blocks/-1?steps=5", "blocks/60?steps=20", "blocks/99999999999?steps=3",
     "blocks/0?steps=-3", "sounds/0", "sounds/-1"],
)  # fmt: skip
def test_what_is_no_block_is_not_found(address: str, path: str) -> None:
    assert status_of(address, f"timeline/{path}") == 404


@pytest.mark.parametrize("path", ["blocks/x?steps=1", "blocks/0", "sounds/x"])
def test_what_is_no_number_is_refused(address: str, path: str) -> None:
    assert status_of(address, f"timeline/{path}") in (404, 422)


# ---------------------------------------------------------------- the page


def test_the_address_leads_to_the_player(address: str) -> None:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as response:
        assert response.url == f"{address}/player.html?timeline"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
    assert b"export class Player" in get(address, "timeline/player.js")


def test_another_name_is_not_answered(address: str) -> None:
    """A site could point its own name here, and read what the visitor's machine shows."""
    assert status_of(address, "timeline/index", Host="elsewhere.example") == 421


def test_another_sites_page_gets_no_socket(address: str) -> None:
    with pytest.raises(InvalidStatus), tab(address, origin="https://elsewhere.example"):
        pass


def test_a_port_that_is_taken_is_one_sentence(server: TimelineServer, address: str) -> None:
    other = TimelineServer(1)
    with pytest.raises(CannotListen, match="cannot listen"):
        other.serve(port=int(address.rsplit(":", 1)[1]))
    with pytest.raises(TimelineError, match="served already"):
        server.serve()
    other.close()


def test_after_stop_nobody_answers_and_it_can_be_served_again(server: TimelineServer, address: str) -> None:
    server.stop()
    server.stop()
    with pytest.raises(urllib.error.URLError):
        get(address, "timeline/index")
    assert index_of(server.serve())["num_steps"] == STEPS


def test_who_is_not_served_does_not_sleep() -> None:
    TimelineServer(1).sleep_forever()


# ---------------------------------------------------------------- playing, both ways


def test_a_tab_is_told_what_the_program_wishes(server: TimelineServer, address: str) -> None:
    with tab(address) as socket:
        tell(socket, 3)
        until(lambda: [client.current_timestep for client in server.get_client_playbacks().values()] == [3])
        (client,) = server.get_client_playbacks().values()
        client.seek(5)
        assert heard(socket) == {"playback": {"step": 5.0, "speed": 1.0, "is_playing": False}}
        client.set_speed(2)
        client.play()
        word = heard(socket)["playback"]
        assert word["speed"] == 2 and word["is_playing"] and 5 <= word["step"]


def test_the_program_hears_where_a_tab_is(server: TimelineServer, address: str) -> None:
    steps: queue.Queue[int] = queue.Queue()
    playing: queue.Queue[bool] = queue.Queue()
    server.on_timestep_change(lambda client, step: steps.put(step))

    @server.on_playback_change
    async def changed(client: object, is_playing: bool) -> None:
        playing.put(is_playing)

    with tab(address) as socket:
        tell(socket, 40)
        assert steps.get(timeout=PATIENCE_S) == 40
        tell(socket, STEPS - 3, 4, True)
        assert playing.get(timeout=PATIENCE_S)
        seen = [steps.get(timeout=PATIENCE_S)]
        while seen[-1] != STEPS - 1:
            seen.append(steps.get(timeout=PATIENCE_S))
        assert seen == sorted(seen)
        assert not playing.get(timeout=PATIENCE_S), "it has come to its end"


def test_two_tabs_are_each_at_their_own_step_and_one_that_leaves_is_gone(server: TimelineServer, address: str) -> None:
    def at_steps() -> list[int]:
        return sorted(client.current_timestep for client in server.get_client_playbacks().values())

    with tab(address) as one:
        tell(one, 10)
        with tab(address) as other:
            tell(other, 20)
            until(lambda: at_steps() == [10, 20])
        until(lambda: at_steps() == [10])


def test_many_changes_at_once_are_few_words(server: TimelineServer, address: str) -> None:
    with tab(address) as socket:
        tell(socket)
        until(server.get_client_playbacks)
        for number in range(1000):
            with server.at(number % STEPS):
                server.scene.add_image("picture", JPEG + str(number).encode())
        server.refresh()
        words = [heard(socket)]
        while "refresh" not in words[-1]:
            words.append(heard(socket))
        assert all(word.keys() <= {"changed", "refresh"} for word in words)
        assert len(words) < 500


@pytest.mark.parametrize(
    "word",
    ["", "{}", "[1]", "null", '{"step": -1, "speed": 1, "is_playing": true}',
     '{"step": 1e999, "speed": 1, "is_playing": 1}',
     '{"step": 1, "speed": 0, "is_playing": false}', '{"step": 1, "speed": 1, "is_playing": "yes"}',
     '{"step": 1, "speed": 1, "is_playing": true, "more": 1}', b"\x00\x01", "x" * 5000],
    ids=lambda word: str(word)[:40],
)  # fmt: skip
def test_a_tab_that_says_what_no_page_says_is_sent_away_and_the_others_stay(
    server: TimelineServer, address: str, word: str | bytes
) -> None:
    with tab(address) as other, tab(address) as socket:
        tell(other, 7)
        socket.send(word)
        with pytest.raises(ConnectionClosed) as closed:
            heard(socket)
        assert closed.value.rcvd is not None and closed.value.rcvd.code in (1008, 1009)
        until(lambda: [c.current_timestep for c in server.get_client_playbacks().values()] == [7])


def test_a_step_beyond_the_end_is_the_end(server: TimelineServer, address: str) -> None:
    with tab(address) as socket:
        tell(socket, 1e15)
        until(lambda: [c.current_timestep for c in server.get_client_playbacks().values()] == [STEPS - 1])


def test_more_tabs_than_there_is_room_for_are_refused(server: TimelineServer, address: str) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_TABS):
            stack.enter_context(tab(address))
        with pytest.raises(InvalidStatus):
            stack.enter_context(tab(address))


def until(holds: Any) -> Any:
    while not (found := holds()):
        time.sleep(0.01)
    return found
