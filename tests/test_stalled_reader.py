"""A client that sends and never reads: its session, its place and its descriptor come back. That they do is asserted,
not when."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
import websockets

from splatcam import wire
from splatcam.bench.local_service import running
from tests.pictures import jpeg
from tests.raw_clients import (
    ENOUGH_FRAMES,
    FRAMES_WITHOUT_END,
    WITHIN_S,
    descriptors,
    descriptors_back,
    is_ready,
    readiness,
    sends,
    stalled_websocket,
)

FLAGS = ("--model", "synthetic", "--threads", "1", "--max-sessions", "1", "--stalled-after-s", "1")


@pytest.mark.parametrize("frames", [ENOUGH_FRAMES, FRAMES_WITHOUT_END], ids=["then is silent", "goes on sending"])
async def test_who_never_reads_is_cut_off_and_its_place_and_its_descriptor_are_free_again(frames: int) -> None:
    with running(*FLAGS) as service:
        service.wait_for_model("synthetic")
        before = descriptors(service)
        peer = await stalled_websocket(service)
        with closing(peer):
            assert await asyncio.to_thread(readiness, service) == (503, "full")
            sending = asyncio.create_task(sends(peer, jpeg(640, 480), frames))
            await is_ready(service)
            async with asyncio.timeout(WITHIN_S):
                await sending
            async with websockets.connect(service.ws_url, max_size=None) as next_one:
                await next_one.send(jpeg())
                async with asyncio.timeout(WITHIN_S):
                    while wire.decode_server_message(await next_one.recv())["type"] != "pointcloud":
                        pass
            assert await descriptors_back(service, before) <= before, "its descriptor is kept while it lives"
