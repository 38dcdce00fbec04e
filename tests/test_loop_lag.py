from __future__ import annotations

import asyncio

from splatcam.loop_lag import ALIVE_BELOW_S, LoopLag


class Clock:
    """Stands still until it is told how late it is."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_loop_that_was_blocked_shows_by_how_much() -> None:
    clock, lags_ms = Clock(), asyncio.Queue[float]()
    probe = LoopLag(lags_ms.put_nowait, clock)
    watching = asyncio.create_task(probe.watch())
    await asyncio.sleep(0)  # it sleeps now
    clock.now_s += 3.0  # and somebody holds the loop
    assert not probe.is_alive, "seen before the probe itself has woken"
    assert 2900 < await lags_ms.get() <= 3000
    watching.cancel()
    assert not probe.is_alive


async def test_a_loop_that_runs_again_is_alive_again() -> None:
    clock, lags_ms = Clock(), asyncio.Queue[float]()
    probe = LoopLag(lags_ms.put_nowait, clock)
    watching = asyncio.create_task(probe.watch())
    await asyncio.sleep(0)
    clock.now_s += ALIVE_BELOW_S * 2
    await lags_ms.get()
    assert await lags_ms.get() == 0
    watching.cancel()
    assert probe.is_alive


def test_before_it_runs_nothing_is_late() -> None:
    assert LoopLag(lambda ms: None).is_alive
