"""A camera is found by the name of its room."""

from __future__ import annotations

from pathlib import Path

from splatcam import wire
from splatcam.wire import ErrorCode
from tests.fakes import connected
from tests.studio import recording, shown, streaming, studio


async def test_a_camera_is_found_by_its_room_and_told_its_name(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as viewer:
        assert (await camera.hello("compact", room="stage-1"))["room"] == "stage-1"
        await shown(camera, 0)
        welcome = await viewer.hello("compact", watch="stage-1")
        assert "room" not in welcome
        await camera.frame(1)
        assert (await viewer.until("compact"))["frame_id"] == 1


async def test_a_room_can_be_named_after_the_first_frame_and_given_up(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as viewer:
        await streaming(camera)
        await camera.hello("compact", room="stage")
        await viewer.hello("compact", watch="stage")
        await camera.hello("compact")
        await viewer.send(wire.Hello(protocol=1, formats=["compact"], watch="stage"))
        assert (await viewer.until("error"))["code"] == ErrorCode.UNKNOWN_SESSION


async def test_of_several_cameras_in_a_room_the_newest_is_shown_and_the_older_ones_keep_their_ids(
    tmp_path: Path,
) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as older, connected(it.hub) as viewer:
        await streaming(older, room="stage")
        async with connected(it.hub) as newer:
            await streaming(newer, room="stage")
            assert it.hub.find("stage").stream_id == newer.session.session_id
            assert it.hub.find(older.session.session_id).stream_id == older.session.session_id
            await viewer.hello("compact", watch="stage")
        assert (await viewer.until("error"))["code"] == ErrorCode.UNKNOWN_SESSION
        assert it.hub.find("stage").stream_id == older.session.session_id, "it is the newest again"


async def test_nobody_takes_the_place_of_a_session_by_calling_a_room_like_it(tmp_path: Path) -> None:
    async with studio(tmp_path) as it, connected(it.hub) as camera, connected(it.hub) as liar:
        await streaming(camera)
        await streaming(liar, room=camera.session.session_id)
        assert it.hub.find(camera.session.session_id).stream_id == camera.session.session_id


async def test_a_room_is_in_the_recordings_list(tmp_path: Path) -> None:
    async with studio(tmp_path, "always") as it, connected(it.hub) as camera:
        await streaming(camera, room="stage")
        await recording(camera)
        assert it.listed()[0].room == "stage"
