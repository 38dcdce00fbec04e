"""One camera, many viewers: each gets its own pace, and none costs an encode of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from splatcam import wire
from splatcam.bench import rooms
from splatcam.bench.local_service import running
from splatcam.bench.rooms import Report, Room, Segment
from splatcam.live.streams import StreamHub
from tests.fakes import Client, PaperEngine, connected, hub_of

FRAMES = 6


@asynccontextmanager
async def room_of(hub: StreamHub, viewers: int) -> AsyncIterator[tuple[Client, list[Client]]]:
    """A camera, and so many who watch it."""
    async with AsyncExitStack() as stack:
        camera = await stack.enter_async_context(connected(hub))
        await camera.hello()
        await camera.frame(0)
        await taken(camera)
        watching = [await stack.enter_async_context(connected(hub)) for _ in range(viewers)]
        for viewer in watching:
            await viewer.hello(watch="newest")
        yield camera, watching


async def taken(client: Client) -> dict[str, object]:
    """The next result, acknowledged."""
    message = await client.until("splats16")
    await client.send(wire.Ack(frame_id=message["frame_id"]))
    return message


def encodes(hub: StreamHub) -> int:
    return sum(hub.telemetry.gaussians.counts)


async def encodes_for(viewers: int) -> int:
    hub = hub_of(PaperEngine())
    async with room_of(hub, viewers) as (camera, watching):
        before = encodes(hub)
        for frame_id in range(1, FRAMES + 1):
            await camera.frame(frame_id)
            results = [await taken(client) for client in (camera, *watching)]
            assert all(result == results[0] for result in results)
        return encodes(hub) - before


async def test_fifty_viewers_cost_as_many_encodes_as_one() -> None:
    assert await encodes_for(1) == FRAMES
    assert await encodes_for(50) == FRAMES


async def test_the_engine_is_asked_for_each_distinct_variant_once_however_many_want_it() -> None:
    engine = PaperEngine()
    async with room_of(hub_of(engine), 12) as (camera, watching):
        for viewer in watching[:6]:
            await viewer.send(wire.SettingsMessage(stride=2))
            await viewer.until("adapted")
        await camera.frame(1)
        for client in (camera, *watching):
            await taken(client)
    assert sorted(variant.stride for variant in engine.jobs[-1].variants) == [1, 2]


async def test_a_viewer_that_reads_nothing_keeps_nothing_from_the_others() -> None:
    async with room_of(hub_of(PaperEngine()), 3) as (camera, (stalled, *others)):
        for frame_id in range(1, 31):
            await camera.frame(frame_id)
            for client in (camera, *others):
                assert (await taken(client))["frame_id"] == frame_id
        late = await taken(stalled)
        assert late["frame_id"] == 1, "what was on its way to it"
        while late["frame_id"] != 30:  # between them the newest waited, alone
            late = await taken(stalled)


async def test_a_viewer_that_leaves_in_the_middle_of_a_frame_takes_nobody_with_it() -> None:
    engine = PaperEngine()
    hub = hub_of(engine)
    async with room_of(hub, 1) as (camera, (stays,)):
        async with connected(hub) as leaves:
            await leaves.hello(watch="newest")
            engine.hold()
            await camera.frame(1)
        engine.release()
        assert (await taken(stays))["frame_id"] == 1
        assert (await taken(camera))["frame_id"] == 1


# ---------------------------------------------------------------- the benchmark

LONE = Segment(1, 0, (30.0,), p95_ms=16.0, encodes_per_frame=1.0, bytes_per_result=131_000.0)
FULL = Segment(50, 5, (29.0,) * 45, p95_ms=50.0, encodes_per_frame=1.0, bytes_per_result=131_000.0)


async def test_a_room_at_the_real_service_is_encoded_for_once() -> None:
    with running(*rooms.SERVE) as service:
        service.wait_for_model("synthetic")
        report = await rooms.measure(service, Room(viewers=4, stalled=1), rounds=1, seconds=1.0)
    (full,) = report.room
    assert len(full.results_per_s) == 3 and min(full.results_per_s) > 0
    assert round(full.encodes_per_frame) == 1
    assert full.bytes_per_result <= rooms.MOST_BYTES


def test_a_room_in_which_everybody_gets_nearly_all_meets_the_bar() -> None:
    report = Report((LONE, LONE), (FULL, FULL))
    assert report.is_met
    assert "met" in rooms.markdown(report)


@pytest.mark.parametrize(
    "full",
    [
        replace(FULL, results_per_s=(*FULL.results_per_s[1:], 20.0)),
        replace(FULL, encodes_per_frame=50.0),
        replace(FULL, bytes_per_result=160_000.0),
    ],
    ids=["one viewer gets less", "an encode for each", "frames are larger"],
)
def test_a_room_misses_the_bar_where(full: Segment) -> None:
    report = Report((LONE,), (full,))
    assert not report.is_met
    assert "missed" in rooms.markdown(report)
