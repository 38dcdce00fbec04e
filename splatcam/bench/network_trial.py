"""One trial over thin links: a camera and a client that watches it, each behind a link of its own, at the same time.

What it is worth is said in network_figures.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from splatcam.bench.clip import Clip
from splatcam.bench.links import websocket_link
from splatcam.bench.replay import Client, Plan, send_on_schedule, take_answer
from splatcam.bench.report import Run
from splatcam.bench.throttle import HOST, Link, ThrottlingProxy

FPS = 30.0
DELAY_S = 0.040  # each way
LAST_ANSWERS_WITHIN_S = 3.0  # what comes later counts as dropped
WARM_UP_FRAMES = 10


@dataclass(frozen=True)
class Step:
    """So long at this rate."""

    seconds: float
    mbit_s: float
    up_mbit_s: float | None = None  # None: the same in both directions

    @property
    def up(self) -> Link:
        return Link(self.up_mbit_s or self.mbit_s, DELAY_S)

    @property
    def down(self) -> Link:
        return Link(self.mbit_s, DELAY_S)


@dataclass(frozen=True)
class Trial:
    name: str
    steps: tuple[Step, ...]
    plan: Plan  # of both clients

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True)
class Outcome:
    """What both clients saw of the same frames, by one clock."""

    trial: Trial
    camera: Run
    watcher: Run

    @property
    def clients(self) -> dict[str, Run]:
        return {"camera": self.camera, "watcher": self.watcher}


async def warm_up(clip: Clip, port: int) -> None:
    """The service's first frames, over no thin link."""
    async with websocket_link(_url(port)) as link:
        client = Client(link)
        await client.greet(Plan(("compact",)))
        for frame_id in range(WARM_UP_FRAMES):
            await client.send_frame(frame_id, clip.jpegs[0], time.monotonic())
            await client.until("result")


async def measure(clip: Clip, port: int, trial: Trial) -> Outcome:
    """Raises LinkFailed or ReplayFailed. The camera's first frame, which opens its stream, is not counted."""
    async with AsyncExitStack() as stack:
        first_step = trial.steps[0]
        both = [ThrottlingProxy(port, down=first_step.down, up=first_step.up) for _ in range(2)]
        proxies = [await stack.enter_async_context(proxy) for proxy in both]
        camera, watcher = [Client(await stack.enter_async_context(websocket_link(_url(p.port)))) for p in proxies]
        welcome = await camera.greet(trial.plan)
        await camera.send_frame(0, clip.jpegs[0], time.monotonic())
        first = await camera.until("result")
        await watcher.greet(trial.plan, watch=welcome["session_id"])
        outcome = Outcome(trial, *(_blank_run(clip, trial, client, first) for client in (camera, watcher)))
        await _play(clip, outcome, camera, watcher, proxies)
    return outcome


def _url(port: int) -> str:
    return f"ws://{HOST}:{port}/ws"


def _blank_run(clip: Clip, trial: Trial, client: Client, first: dict[str, Any]) -> Run:
    return Run(
        clip=clip.name, clip_digest=clip.digest, offered_fps=FPS, model=first["model"], format=first["type"],
        output="by choices", grid=tuple(first["grid"]), sent=round(trial.seconds * FPS), warm_up=1, errors={},
        choices=client.choices,
    )  # fmt: skip


async def _play(
    clip: Clip, outcome: Outcome, camera: Client, watcher: Client, proxies: Sequence[ThrottlingProxy]
) -> None:
    begin_s = time.monotonic()
    outcome.camera.begin_s = outcome.watcher.begin_s = begin_s
    schedule = {1 + i: begin_s + i / FPS for i in range(outcome.camera.sent)}
    receivers = [
        asyncio.create_task(_receive(camera, outcome.camera, schedule)),
        asyncio.create_task(_receive(watcher, outcome.watcher, schedule)),
    ]
    steps = asyncio.create_task(_change_rates(proxies, outcome.trial.steps, begin_s))
    try:
        await send_on_schedule(clip, camera, schedule)
        await asyncio.wait(receivers, timeout=LAST_ANSWERS_WITHIN_S)
    finally:
        for task in (*receivers, steps):
            task.cancel()
        ends = await asyncio.gather(*receivers, steps, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def _receive(client: Client, run: Run, schedule: dict[int, float]) -> None:
    last = max(schedule)
    while await take_answer(client, run, schedule) < last:
        pass


async def _change_rates(proxies: Sequence[ThrottlingProxy], steps: Sequence[Step], begin_s: float) -> None:
    at_s = begin_s
    for before, step in pairwise(steps):
        at_s += before.seconds
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
        for proxy in proxies:
            proxy.set_rate("down", step.down.mbit_s)
            proxy.set_rate("up", step.up.mbit_s)
