"""Clients that come and go for half an hour: what the service holds has to be what it held. `make soak`

    python -m tests.faults.soak --minutes 30 --clients 24 [--json FILE]

Cameras, watchers, viewers of pictures, visitors of the page, and some that break off, send nonsense or reset. Memory
is measured of server and engine; descriptors, tasks, threads and shared memory once more when everybody has left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import websockets

from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.bench.report import row, with_origin, write_json
from tests.faults.clients import ANSWER_WITHIN_S, Camera, camera, connecting
from tests.faults.ends import SMALL
from tests.faults.kinds import Stage, frame_header, raw_websocket, reset
from tests.pictures import jpeg

WARM_UP = 0.3  # of the time: allocators and caches fill up
SAMPLE_EVERY_S = 5.0
BOUND_MB_PER_MIN = 1.0
FORMATS = ("splats16", "gaussian_ply", "pointcloud", "compact")
PICTURES = [jpeg(96, 72, seed) for seed in range(20)]


@dataclass(frozen=True)
class Holding:
    """What the service has at a moment."""

    at_s: float
    server_mb: float
    engine_mb: float
    descriptors: int
    threads: int
    tasks: int
    shared_blocks: int


def holding(service: Service, begin_s: float) -> Holding:
    server, engine = service.process.pid, Stage(service).engine_pid
    assert engine is not None
    return Holding(
        round(time.monotonic() - begin_s, 1), _rss_mb(server), _rss_mb(engine),
        sum(_entries(f"/proc/{pid}/fd") for pid in (server, engine)),
        sum(_entries(f"/proc/{pid}/task") for pid in (server, engine)),
        _tasks(service), len(_shared_blocks(server)),
    )  # fmt: skip


def _rss_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return round(int(found[1]) / 1024, 2)


def _entries(folder: str) -> int:
    return len(list(Path(folder).iterdir()))


def _shared_blocks(pid: int) -> set[str]:
    return set(re.findall(r"/dev/shm/psm_\w+", Path(f"/proc/{pid}/maps").read_text()))


def _tasks(service: Service) -> int:
    """asyncio's, as the service counts them."""
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=ANSWER_WITHIN_S) as response:
        found = re.search(r"^splatcam_tasks (\d+)", response.read().decode(), re.MULTILINE)
    assert found is not None
    return int(found[1])


# ---------------------------------------------------------------- who comes


async def a_camera(service: Service, dice: random.Random) -> None:
    async with connecting(service) as connection:
        client = Camera(connection)
        await client.send(wire.Hello(protocol=1, formats=[dice.choice(FORMATS)]))
        for _ in range(dice.randint(1, 40)):
            await client.frame(dice.choice(PICTURES))
            await asyncio.sleep(dice.random() * 0.1)


async def a_watcher(service: Service, dice: random.Random) -> None:
    async with connecting(service) as connection:
        client = Camera(connection)
        await client.send(wire.Hello(protocol=1, formats=[dice.choice(FORMATS)], watch="newest"))
        for _ in range(dice.randint(1, 20)):
            if (await client.told()).startswith(("close", "error")):
                return


async def a_plain_client(service: Service, dice: random.Random) -> None:
    async with connecting(service) as connection:
        for _ in range(dice.randint(1, 5)):
            await connection.send(dice.choice(PICTURES))
            await connection.recv()


async def a_viewer_of_pictures(service: Service, dice: random.Random) -> None:
    address = service.ws_url.replace("/ws", "/viewer/ws")
    async with websockets.connect(address, compression=None, max_size=None) as connection:
        await connection.send(json.dumps({"type": "look", "id": "1", "width": "64", "height": "48"}))
        for _ in range(dice.randint(1, 10)):
            async with asyncio.timeout(2):
                if isinstance(await connection.recv(), bytes):
                    await connection.send(json.dumps({"type": "seen"}))


async def a_visitor(service: Service, dice: random.Random) -> None:
    path = dice.choice(("/", "/info", "/healthz", "/wire.js", "/no-such-page", "/render?width=64&height=48"))
    await asyncio.to_thread(_fetch, service.url + path)


def _fetch(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as response:
            response.read()
    except urllib.error.HTTPError as refused:
        refused.close()


async def nonsense(service: Service, dice: random.Random) -> None:
    async with camera(service) as client:
        for _ in range(dice.randint(1, 30)):
            await client.send(dice.choice(["text", b"", dice.randbytes(dice.randint(1, 3000)), PICTURES[0][:300]]))


async def a_reset(service: Service, dice: random.Random) -> None:
    async with camera(service) as client:
        await client.put(dice.choice(PICTURES))
        await asyncio.sleep(dice.random() * 0.1)
        reset(client.connection.transport.get_extra_info("socket"))
        client.connection.transport.abort()


async def half_a_message(service: Service, dice: random.Random) -> None:
    with await asyncio.to_thread(raw_websocket, Stage(service)) as peer:
        peer.sendall(frame_header(2, 5000) + bytes(dice.randint(0, 4000)))


Visit = Callable[[Service, random.Random], Awaitable[None]]
VISITS: Sequence[Visit] = (
    a_camera, a_camera, a_camera, a_watcher, a_plain_client, a_viewer_of_pictures, a_visitor, nonsense, a_reset,
    half_a_message,
)  # fmt: skip
# A place that is taken, a camera that left, a socket that a reset took away: part of coming and going.
EXPECTED = (OSError, websockets.WebSocketException, TimeoutError)


async def come_and_go(service: Service, dice: random.Random, until_s: float, visits: Counter[str]) -> None:
    while time.monotonic() < until_s:
        visit = dice.choice(VISITS)
        try:
            await visit(service, dice)
            visits[visit.__name__] += 1
        except EXPECTED as error:
            visits[f"{visit.__name__}, broken off by {type(error).__name__}"] += 1


# ---------------------------------------------------------------- the run


@dataclass
class Soak:
    samples: list[Holding]
    before: Holding
    after: Holding
    visits: Counter[str]
    served_afterwards: str

    def slope_mb_per_min(self, name: str) -> float:
        """Least squares over what came after the warm-up."""
        late = self.samples[int(len(self.samples) * WARM_UP) :]
        times, values = [s.at_s / 60 for s in late], [getattr(s, name) for s in late]
        mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
        spread = sum((t - mean_t) ** 2 for t in times)
        if not spread:
            return 0.0
        return sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True)) / spread

    def leaks(self) -> list[str]:
        """What is more than it was."""
        names = ("descriptors", "threads", "tasks", "shared_blocks")
        grown = [(name, getattr(self.before, name), getattr(self.after, name)) for name in names]
        return [f"{name}: {before} before, {after} after" for name, before, after in grown if after > before]


async def soak(service: Service, clients: int, seconds: float, sample_every_s: float = SAMPLE_EVERY_S) -> Soak:
    begin_s = time.monotonic()
    async with camera(service) as first:  # what is made for the first client stays
        await first.frame(PICTURES[0])
    await a_viewer_of_pictures_with_a_camera(service)
    before = await settled(service, begin_s)
    visits: Counter[str] = Counter()
    people = [
        asyncio.create_task(come_and_go(service, random.Random(seed), begin_s + seconds, visits))
        for seed in range(clients)
    ]
    samples = []
    while time.monotonic() < begin_s + seconds:
        await asyncio.sleep(sample_every_s)
        samples.append(await asyncio.to_thread(holding, service, begin_s))
    await asyncio.gather(*people)
    after = await settled(service, begin_s, before)
    async with camera(service) as last:
        served = await last.frame(PICTURES[0])
    return Soak(samples, before, after, visits, served)


async def a_viewer_of_pictures_with_a_camera(service: Service) -> None:
    """The first picture builds the rasterizer."""
    async with camera(service) as one:
        looking = asyncio.create_task(a_viewer_of_pictures(service, random.Random(0)))
        while not looking.done():
            await one.frame(PICTURES[0])
        await asyncio.gather(looking, return_exceptions=True)


async def settled(service: Service, begin_s: float, goal: Holding | None = None) -> Holding:
    """When everybody has left; with a goal: as soon as it is reached, or what there is a minute later."""
    for _ in range(60 if goal else 3):
        await asyncio.sleep(1)
        await asyncio.to_thread(_fetch, service.url)  # threads that read files end when another one finds them idle
        now = await asyncio.to_thread(holding, service, begin_s)
        if goal and (now.descriptors, now.tasks) <= (goal.descriptors, goal.tasks) and now.threads <= goal.threads:
            break
    return now


def report_of(result: Soak, clients: int, minutes: float) -> dict[str, Any]:
    shown = result.samples[:: max(1, len(result.samples) // 10)]
    table = [row(Holding.__dataclass_fields__), row(["---"] * len(Holding.__dataclass_fields__))]
    table += [row(asdict(sample).values()) for sample in (result.before, *shown, result.after)]
    slopes = {name: round(result.slope_mb_per_min(name), 3) for name in ("server_mb", "engine_mb")}
    return with_origin(
        {
            "clients": clients,
            "minutes": minutes,
            "visits": dict(result.visits.most_common()),
            "table": table,
            "slopes_mb_per_min": slopes,
            "leaks": result.leaks(),
            "served_afterwards": result.served_afterwards,
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--json", type=Path, help="where to leave the figures")
    given = parser.parse_args(arguments)
    with running(*SMALL, "--max-sessions", str(given.clients)) as service:
        service.wait_for_model("synthetic")
        result = asyncio.run(soak(service, given.clients, given.minutes * 60))
    report = report_of(result, given.clients, given.minutes)
    if given.json is not None:
        write_json(report, given.json)
    print(*report["table"], report["visits"], report["slopes_mb_per_min"], report["leaks"], sep="\n")
    is_bad = report["leaks"] or max(report["slopes_mb_per_min"].values()) > BOUND_MB_PER_MIN
    return 1 if is_bad or result.served_afterwards != "result" else 0


if __name__ == "__main__":
    sys.exit(main())
