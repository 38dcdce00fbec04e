"""What both kinds of sessions know of a websocket: how it is read, and how it ends from either side.

Knows no protocol, no framework.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from splatcam.rate_limit import TOO_MUCH, SessionLimit, Verdict

GOING_AWAY = 1012
NOT_ALLOWED = 1008
FAULT = 1011
IDLE = 4408


class Disconnected(Exception):
    """The other side is gone."""


class HangUp(Exception):
    """This side ends it: a close code of wire.CLOSE_CODES and a reason for people, at most 123 bytes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def until_first_ends(*works: Coroutine[Any, Any, Any]) -> None:
    """Runs them side by side. When one ends the others are cancelled; raises what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def read_within(
    limit: SessionLimit,
    receive: Callable[[], Awaitable[bytes | str]],
    take: Callable[[bytes | str], None],
    drop: Callable[[bytes | str, float], None],
) -> None:
    """Takes what comes, drops what is too much (and when), and raises HangUp for whoever goes on so."""
    while True:
        data = await receive()
        now_s = time.monotonic()
        match limit.judge(len(data), now_s):
            case Verdict.TAKE:
                take(data)
            case Verdict.DROP:
                drop(data, now_s)
                await asyncio.sleep(0)  # a flood is in memory already: the others get their turns between
            case Verdict.CLOSE:
                raise HangUp(NOT_ALLOWED, TOO_MUCH)
