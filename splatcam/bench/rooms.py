"""One camera and many who watch it: does each of them get what a lone viewer gets, and what is encoded for them?

python -m splatcam.bench.rooms        (against a service of its own, with the synthetic model)

A lone viewer, and a room in which a few read nothing, take turns, so that a busy moment of the machine hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

from splatcam.bench import report as reports
from splatcam.bench.links import LinkFailed, websocket_link
from splatcam.bench.local_service import Service, ServiceFailed, running
from splatcam.bench.overload_cameras import Camera, Rate, connected, listening, picture_of
from splatcam.bench.replay import Client, Plan, ReplayFailed, above_zero, at_least, file_in_a_folder
from splatcam.bench.report import row
from splatcam.bench.scrape import Scrape, scrape
from splatcam.telemetry import percentile

FPS = 30.0
WIDTH_PX, HEIGHT_PX = 112, 70  # 6,930 splats, which travel as 8,192: 131 kB
PLAN = Plan(("splats16",))
LEAST_SHARE, MOST_BYTES = 0.95, 150_000
SETTLE_S = 1.0  # after somebody has come
SERVE = ("--model", "synthetic", "--process-res", str(WIDTH_PX), "--max-sessions", "200")


@dataclass(frozen=True)
class Segment:
    """What those who read got in some seconds."""

    viewers: int
    stalled: int
    results_per_s: tuple[float, ...]  # of each viewer that reads
    p95_ms: float  # from sending a frame to its result, of all of them
    encodes_per_frame: float
    bytes_per_result: float


@dataclass(frozen=True)
class Report:
    lone: tuple[Segment, ...]
    room: tuple[Segment, ...]

    @property
    def shares(self) -> list[float]:
        """Of what the lone viewer got right before, what the one in the room got that got least."""
        return [
            min(full.results_per_s) / lone.results_per_s[0] for lone, full in zip(self.lone, self.room, strict=True)
        ]

    @property
    def is_met(self) -> bool:
        return (
            percentile(self.shares, 0.5) >= LEAST_SHARE
            and _rounded(self.room) <= _rounded(self.lone)
            and max(s.bytes_per_result for s in self.room) <= MOST_BYTES
        )


def _rounded(turns: Sequence[Segment]) -> float:
    """Encodes a frame: a frame may be encoded as the counters are read."""
    return max(round(turn.encodes_per_frame, 1) for turn in turns)


@dataclass(frozen=True)
class Room:
    viewers: int  # those who read nothing among them
    stalled: int


async def measure(service: Service, room: Room, rounds: int, seconds: float) -> Report:
    picture = picture_of(WIDTH_PX, HEIGHT_PX)
    lone: list[Segment] = []
    full: list[Segment] = []
    async with connected(service, 1) as (camera,):
        session_id = await camera.greet(PLAN)
        await camera.open_stream(picture)
        async with listening([camera]), camera.playing([picture], Rate(FPS)):
            for _ in range(rounds):
                lone.append(await _segment(service, camera, session_id, Room(1, 0), seconds))
                full.append(await _segment(service, camera, session_id, room, seconds))
    return Report(tuple(lone), tuple(full))


async def _segment(service: Service, camera: Camera, watch: str, room: Room, seconds: float) -> Segment:
    async with _stalled(service, watch, room.stalled), connected(service, room.viewers - room.stalled) as viewers:
        for viewer in viewers:
            await viewer.greet(PLAN, watch)
        async with listening(viewers, sender=camera):
            await asyncio.sleep(SETTLE_S)
            before, began_s = await asyncio.to_thread(scrape, service), time.monotonic()
            seen = [viewer.results for viewer in viewers]
            await asyncio.sleep(seconds)
            took_s, got = time.monotonic() - began_s, [v.results - n for v, n in zip(viewers, seen, strict=True)]
            during = (await asyncio.to_thread(scrape, service)).since(before)
    latencies_ms = [ms for viewer, n in zip(viewers, seen, strict=True) for ms in viewer.latencies_ms[n:]]
    return Segment(
        viewers=room.viewers,
        stalled=room.stalled,
        results_per_s=tuple(n / took_s for n in got),
        p95_ms=percentile(latencies_ms, 0.95),
        encodes_per_frame=_encodes_per_frame(during),
        bytes_per_result=during.value("splatcam_bytes_total", direction="out")
        / max(1, during.value("splatcam_results_total", outcome="sent")),
    )


def _encodes_per_frame(during: Scrape) -> float:
    return during.value("splatcam_gaussians_count") / max(1, during.value("splatcam_frames_total", outcome="delivered"))


@asynccontextmanager
async def _stalled(service: Service, watch: str, count: int) -> AsyncIterator[None]:
    """So many who watch and read nothing."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            link = await stack.enter_async_context(websocket_link(service.ws_url, service.token))
            await Client(link).greet(PLAN, watch)
            link.stall()
            stack.callback(link.vanish)  # a farewell would wait for an answer that nobody reads
        yield


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    room = Room(given.viewers, given.stalled)
    try:
        with running(*SERVE) as service:
            service.wait_for_model("synthetic")
            report = asyncio.run(measure(service, room, given.rounds, given.seconds))
    except (LinkFailed, ReplayFailed, ServiceFailed) as error:
        print(f"rooms: {error}", file=sys.stderr)
        return 1
    print(markdown(report))
    if given.json:
        reports.write_json(reports.with_origin({**asdict(report), "is_met": report.is_met}), given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.rooms", description=__doc__.split("\n\n")[0])
    parser.add_argument("--viewers", type=at_least(2), default=50, help="in the room (default: 50)")
    parser.add_argument("--stalled", type=at_least(0), default=5, help="of them read nothing (default: 5)")
    parser.add_argument("--rounds", type=at_least(1), default=4, help="of each (default: 4)")
    parser.add_argument("--seconds", type=above_zero, default=5.0, help="of each turn (default: 5)")
    parser.add_argument("--json", type=file_in_a_folder, help="the same as values")
    return parser


def markdown(report: Report) -> str:
    columns = ("viewers", "who read nothing", "least fps", "median fps", "p95 ms", "kB a result", "encodes a frame")
    lines = [row(columns), row(["---"] * len(columns))]
    for turn in (s for pair in zip(report.lone, report.room, strict=True) for s in pair):
        least, usual = min(turn.results_per_s), percentile(turn.results_per_s, 0.5)
        figures = (f"{least:.1f}", f"{usual:.1f}", f"{turn.p95_ms:.0f}", f"{turn.bytes_per_result / 1e3:.0f}")
        lines.append(row([turn.viewers, turn.stalled, *figures, f"{turn.encodes_per_frame:.2f}"]))
    shares = report.shares
    lines += [
        "",
        f"Who got least in the room got {percentile(shares, 0.5):.1%} of what the lone viewer got right before:"
        f" the median of {len(shares)} turns, {min(shares):.1%} to {max(shares):.1%}. Bar: {LEAST_SHARE:.0%}, no more"
        f" encodes, results of at most {MOST_BYTES / 1e3:.0f} kB: {'met' if report.is_met else 'missed'}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
