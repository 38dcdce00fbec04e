"""One picture at a time, the newest wish of each client, and drawings that stop when nobody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from splatcam.rendering.picture_job import TooManyWaiting
from splatcam.rendering.wanted import Unwanted, check_wanted
from splatcam.routes.render_turns import RenderTurns, Superseded

FOREVER_S = 60


class Brush:
    """A drawing that a test holds up: it begins, and ends when it is let go."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self._name, self._log = name, log

    def __call__(self) -> str:
        self._log.append(f"begin {self._name}")
        self.begun.set()
        assert self.may_end.wait(FOREVER_S)
        self._log.append(f"end {self._name}")
        return self._name


def until_unwanted(begun: threading.Event) -> Callable[[], str]:
    """A drawing that asks between its parts, and has no end of its own."""

    def draw() -> str:
        begun.set()
        while True:
            check_wanted()

    return draw


async def passed(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, FOREVER_S)


async def settle() -> None:
    """Every task that can go on has gone on: a fresh one comes after those that were ready before."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_pictures_are_drawn_one_after_the_other_in_the_order_of_the_wishes() -> None:
    turns, log = RenderTurns(), list[str]()
    brushes = [Brush(name, log) for name in "abc"]
    wishes = [asyncio.create_task(turns.draw("", brush)) for brush in brushes]
    for brush in brushes:
        await passed(brush.begun)
        brush.may_end.set()
    assert await asyncio.gather(*wishes) == ["a", "b", "c"]
    assert log == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]


async def test_of_one_clients_waiting_wishes_only_the_newest_is_drawn() -> None:
    turns, log = RenderTurns(), list[str]()
    held = Brush("other", log)
    first = asyncio.create_task(turns.draw("other", held))
    await passed(held.begun)
    waiting = []
    for name in "abc":
        brush = Brush(name, log)
        brush.may_end.set()
        waiting.append(asyncio.create_task(turns.draw("me", brush)))
        await settle()
    for old in waiting[:2]:
        with pytest.raises(Superseded):  # at once, while the other's is still being drawn
            await old
    held.may_end.set()
    assert (await first, await waiting[2]) == ("other", "c")
    assert [line for line in log if line.startswith("begin")] == ["begin other", "begin c"]


async def test_a_newer_wish_stops_the_drawing_of_the_older() -> None:
    turns, begun = RenderTurns(), threading.Event()
    old = asyncio.create_task(turns.draw("me", until_unwanted(begun)))
    await passed(begun)
    assert await turns.draw("me", lambda: "new") == "new"
    with pytest.raises(Superseded):
        await old


async def test_whoever_gives_no_name_replaces_nobody() -> None:
    turns, log = RenderTurns(), list[str]()
    held = Brush("a", log)
    wishes = [asyncio.create_task(turns.draw("", held)), asyncio.create_task(turns.draw("", lambda: "b"))]
    await passed(held.begun)
    held.may_end.set()
    assert await asyncio.gather(*wishes) == ["a", "b"]


async def test_who_goes_away_stops_the_drawing_and_the_next_begins_only_then() -> None:
    turns, begun = RenderTurns(), threading.Event()
    gone = asyncio.create_task(turns.draw("", until_unwanted(begun)))
    await passed(begun)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await turns.draw("", lambda: "next") == "next"


async def test_a_drawing_that_never_asks_keeps_its_turn_until_it_ends() -> None:
    turns, log = RenderTurns(), list[str]()
    deaf = Brush("deaf", log)
    gone = asyncio.create_task(turns.draw("", deaf))
    await passed(deaf.begun)
    gone.cancel()
    following = Brush("following", log)
    following.may_end.set()
    next_one = asyncio.create_task(turns.draw("", following))
    await settle()
    assert log == ["begin deaf"]
    deaf.may_end.set()
    assert await next_one == "following"
    assert log == ["begin deaf", "end deaf", "begin following", "end following"]
    assert gone.cancelled()


async def test_who_goes_away_while_waiting_leaves_no_trace() -> None:
    turns, log = RenderTurns(), list[str]()
    held = Brush("held", log)
    first = asyncio.create_task(turns.draw("", held))
    await passed(held.begun)
    gone = asyncio.create_task(turns.draw("", Brush("gone", log)))
    await settle()
    gone.cancel()
    await settle()
    held.may_end.set()
    assert await first == "held"
    assert await turns.draw("", lambda: "next") == "next"
    assert "begin gone" not in log


async def test_where_too_many_wait_the_next_is_refused_and_the_others_are_drawn() -> None:
    turns, log = RenderTurns(most_waiting=2), list[str]()
    held = Brush("held", log)
    wishes = [asyncio.create_task(turns.draw("", held))]
    await passed(held.begun)
    wishes += [asyncio.create_task(turns.draw("", lambda name=name: name)) for name in "ab"]  # type: ignore[misc]
    await settle()
    with pytest.raises(TooManyWaiting):
        await turns.draw("", lambda: "c")
    held.may_end.set()
    assert await asyncio.gather(*wishes) == ["held", "a", "b"]


async def test_a_drawing_that_fails_fails_for_its_own_client_only() -> None:
    turns = RenderTurns()

    def fail() -> str:
        raise ValueError("no paint")

    with pytest.raises(ValueError, match="no paint"):
        await turns.draw("me", fail)
    assert await turns.draw("me", lambda: "fine") == "fine"


def test_outside_of_a_turn_everything_is_wanted() -> None:
    check_wanted()


def test_a_wish_given_up_is_unwanted_only_where_it_is_drawn() -> None:
    from splatcam.rendering.wanted import drawing_while

    given_up = threading.Event()
    given_up.set()
    with pytest.raises(Unwanted), drawing_while(given_up):
        check_wanted()
    check_wanted()
