from __future__ import annotations

import asyncio

from splatcam.live.latest_slot import LatestSlot


async def test_the_newest_value_wins_and_the_others_are_handed_back() -> None:
    slot: LatestSlot[int] = LatestSlot()
    assert [slot.put(n) for n in (1, 2, 3)] == [None, 1, 2]
    assert await slot.get() == 3


async def test_an_empty_slot_has_nothing_to_take() -> None:
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    assert (slot.take(), slot.take()) == (1, None)


async def test_who_waits_is_woken_by_a_value() -> None:
    slot: LatestSlot[str] = LatestSlot()
    waiting = asyncio.create_task(slot.get())
    await asyncio.sleep(0)
    slot.put("frame")
    assert await waiting == "frame"


async def test_a_value_taken_by_another_is_not_given_twice() -> None:
    slot: LatestSlot[int] = LatestSlot()
    waiting = asyncio.create_task(slot.get())
    await asyncio.sleep(0)
    slot.put(1)
    assert slot.take() == 1
    await asyncio.sleep(0)
    assert not waiting.done()
    slot.put(2)
    assert await waiting == 2
