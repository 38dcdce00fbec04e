"""How soon a random step of a recording is there, and what recording and playing it cost in memory.

python -m splatcam.bench.timeline_playback CLIP        (against a service of its own; Linux only)

Two recordings of 50,000 splats a step: one that the service itself makes of a clip (compact), and one of splats16,
16 bytes a splat, the largest there are. tests/e2e/seek_speed.mjs, which needs Chromium, asks for steps of both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from splatcam.bench import report as reports
from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.links import LinkFailed
from splatcam.bench.local_service import Service, ServiceFailed, running
from splatcam.bench.overload_cameras import Rate, connected, listening
from splatcam.bench.processes import family_of, forget_peak, memory_bytes, peak_bytes
from splatcam.bench.replay import Plan, ReplayFailed, at_least, file_in_a_folder
from splatcam.bench.report import row
from splatcam.bench.timeline_speed import loop, write_take
from splatcam.telemetry import percentile

ROOT = Path(__file__).resolve().parent.parent.parent
SEEK_SPEED = ROOT / "tests" / "e2e" / "seek_speed.mjs"
GRID_PX = 280  # long side: 50,000 splats of a picture of 4:3
FEED = Rate(60.0)
MADE_ID = "20260101-000000-5915ca"
WARM_UP_S = 3.0  # then nothing more is set up
MOST_SEEK_MS, MOST_MB = 300, 300
MEGABYTE = 1e6


class PlaybackFailed(RuntimeError):
    """The browser, or the program that drives it, failed; the message holds what it said."""


@dataclass(frozen=True)
class Take:
    """A recording of the service, and by how much the service's processes grew while it was made."""

    id: str
    form: str
    size_mb: float
    recording_mb: float | None  # None: it was made elsewhere


@dataclass(frozen=True)
class Seek:
    """In the page."""

    found_ms: float  # until the step was read and decoded
    seen_ms: float  # until its picture was on the screen
    is_cold: bool  # its block had to be fetched


@dataclass(frozen=True)
class Growth:
    """In MB, at most: of the page's processes; of the page's own objects, after a collection."""

    processes: float
    heap: float


@dataclass(frozen=True)
class Playback:
    take: Take
    steps: int
    fetched_ms: tuple[float, ...]  # without a page
    seeks: tuple[Seek, ...]
    seeking: Growth
    playing: Growth
    server_mb: float  # by which the service's processes grew, at most
    played_s: float
    drawn: int  # steps that were on the screen while all were played

    @property
    def cold(self) -> list[Seek]:
        return [seek for seek in self.seeks if seek.is_cold]

    @property
    def warm(self) -> list[Seek]:
        return [seek for seek in self.seeks if not seek.is_cold]

    @property
    def is_met(self) -> bool:
        """Of drawing nothing is asked: without a graphics card it takes longer than all else."""
        found_ms = percentile([seek.found_ms for seek in self.seeks], 0.95)
        grew_mb = max(self.playing.processes, self.server_mb, self.take.recording_mb or 0)
        return max(found_ms, percentile(self.fetched_ms, 0.95)) <= MOST_SEEK_MS and grew_mb <= MOST_MB


def measure(clip: Clip, steps: int, seeks: int) -> list[Playback]:
    """Raises LinkFailed, ReplayFailed, ServiceFailed, PlaybackFailed."""
    with tempfile.TemporaryDirectory() as folder:
        serve = ("--model", "builtin", "--process-res", str(GRID_PX), "--recordings", folder)
        with running(*serve) as service:
            service.wait_for_model("builtin")
            takes = [asyncio.run(recorded(service, clip, steps)), made(Path(folder), steps)]
            return [played(service, take, seeks) for take in takes]


async def recorded(service: Service, clip: Clip, steps: int) -> Take:
    async with connected(service, 1) as (camera,):
        await camera.greet(Plan(("compact",)))
        async with listening([camera]), camera.playing(clip.jpegs, FEED):
            await asyncio.sleep(WARM_UP_S)
            with growth_of(service.process.pid) as grown:
                await camera.record("start")
                await camera.recorded(steps)
                ended = await camera.record("stop")
    return Take(ended["id"], "compact", ended["size_bytes"] / MEGABYTE, grown.mb)


def made(folder: Path, steps: int) -> Take:
    report = write_take(folder / f"{MADE_ID}.scam", loop(), steps)
    return Take(MADE_ID, "splats16", report.size_bytes / MEGABYTE, None)


def played(service: Service, take: Take, seeks: int) -> Playback:
    command = ["node", str(SEEK_SPEED), service.url, take.id, str(seeks)]
    with growth_of(service.process.pid) as grown:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if run.returncode != 0:
        raise PlaybackFailed(run.stderr.strip())
    return playback_of(take, json.loads(run.stdout), grown.mb)


def playback_of(take: Take, told: dict[str, Any], server_mb: float) -> Playback:
    """`told`: what the program of the browser prints. Raises PlaybackFailed."""
    played = told["playing"]["result"]
    if played["endedAt"] != told["numSteps"] - 1:
        raise PlaybackFailed(f"playing stopped at step {played['endedAt']} of {told['numSteps']}")
    seeking, playing = (Growth(told[what]["grewMb"], told[what]["heapMb"]) for what in ("seeking", "playing"))
    return Playback(
        take=take,
        steps=told["numSteps"],
        fetched_ms=tuple(told["fetched"]),
        seeks=tuple(Seek(s["foundMs"], s["seenMs"], s["isCold"]) for s in told["seeking"]["result"]),
        seeking=seeking,
        playing=playing,
        server_mb=server_mb,
        played_s=played["seconds"],
        drawn=played["shown"],
    )


@dataclass
class Grown:
    mb: float = 0.0


@contextmanager
def growth_of(pid: int) -> Iterator[Grown]:
    """By how much a process and those that come from it are larger than now, at most."""
    family, grown = family_of(pid), Grown()
    for member in family:
        forget_peak(member)
    before = {member: memory_bytes(member) for member in family}
    yield grown
    grown.mb = sum(peak_bytes(member) - before[member] for member in family) / MEGABYTE


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        clip = load_clip(given.clip, long_side_px=2 * GRID_PX)
        playbacks = measure(clip, given.steps, given.seeks)
    except (ClipUnreadable, LinkFailed, ReplayFailed, ServiceFailed, PlaybackFailed) as error:
        print(f"timeline_playback: {error}", file=sys.stderr)
        return 1
    print(markdown(playbacks))
    if given.json:
        told = [{**asdict(playback), "is_met": playback.is_met} for playback in playbacks]
        reports.write_json(reports.with_origin({"playbacks": told}), given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m splatcam.bench.timeline_playback", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--steps", type=at_least(2), default=2000)
    parser.add_argument("--seeks", type=at_least(2), default=60)
    parser.add_argument("--json", type=file_in_a_folder, help="the same as values")
    return parser


def markdown(playbacks: Sequence[Playback]) -> str:
    """One table of times, one of memory."""
    times = (
        "recording", "steps", "file MB", "fetched p50 ms", "p95", "seeks", "of them cold", "cold ones found p50 ms",
        "p95", "seen p50 ms", "p95", "warm ones seen p50 ms", "p95", "bars",
    )  # fmt: skip
    memory = (
        "recording", "service grew MB, recording", "serving", "page grew MB, playing", "its heap", "seeking",
        "its heap", "played in s", "steps drawn",
    )  # fmt: skip
    lines = [row(times), row(["---"] * len(times)), *(row(_times(one)) for one in playbacks), ""]
    return "\n".join([*lines, row(memory), row(["---"] * len(memory)), *(row(_memory(one)) for one in playbacks)])


def _times(one: Playback) -> Sequence[object]:
    size, bars = f"{one.take.size_mb:.0f}", "met" if one.is_met else "missed"
    found = _spread([seek.found_ms for seek in one.cold])
    seen, warm = (_spread([seek.seen_ms for seek in seeks]) for seeks in (one.seeks, one.warm))
    counts = (len(one.seeks), len(one.cold))
    return one.take.form, one.steps, size, *_spread(one.fetched_ms), *counts, *found, *seen, *warm, bars


def _spread(times_ms: Sequence[float]) -> list[str]:
    return [f"{percentile(times_ms, share):.0f}" if times_ms else "" for share in (0.5, 0.95)]


def _memory(one: Playback) -> Sequence[object]:
    recording = "" if one.take.recording_mb is None else f"{one.take.recording_mb:.0f}"
    page = (one.playing.processes, one.playing.heap, one.seeking.processes, one.seeking.heap)
    grown = (recording, *(f"{mb:.0f}" for mb in (one.server_mb, *page)))
    return one.take.form, *grown, f"{one.played_s:.0f}", one.drawn


if __name__ == "__main__":
    sys.exit(main())
