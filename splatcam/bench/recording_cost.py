"""What a recording costs the live stream: on and off in turns, against one service, in one run.

python -m splatcam.bench.recording_cost CLIP        (against services of its own)

The camera sends more than the engine answers, so that whatever takes time is seen in the rate of results. A page on
the same machine gets splats16, of which the recording shares nothing; one in a network gets compact, which is what is
recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from splatcam.bench import report as reports
from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.links import LinkFailed
from splatcam.bench.local_service import Service, ServiceFailed, running
from splatcam.bench.overload_cameras import Camera, Rate, connected, listening
from splatcam.bench.processes import processor_s
from splatcam.bench.replay import Plan, ReplayFailed, above_zero, at_least, file_in_a_folder
from splatcam.bench.report import row
from splatcam.telemetry import percentile

FEED = Rate(100.0)
SENT_LONG_SIDE_PX = 504  # the page sends no larger pictures
MODELS = ("builtin", "synthetic")
FORMATS = ("splats16", "compact")
WARM_UP_S, SETTLE_S = 3.0, 0.5
MOST_COST = 0.10


@dataclass(frozen=True)
class Turn:
    """Some seconds with the recording off, or on."""

    fps: float
    p50_ms: float  # from sending a frame to its result; it waits for its turn as well
    p95_ms: float
    processor_ms: float  # a result, of the service's processes


@dataclass(frozen=True)
class Trial:
    """What is compared."""

    clip: Clip
    model: str
    format: str  # of the camera's own results
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    model: str
    format: str
    off: tuple[Turn, ...]
    on: tuple[Turn, ...]
    steps: int  # recorded
    lost: int

    @property
    def costs(self) -> list[float]:
        """Of each pair of turns: by which share there were fewer results."""
        return [1 - on.fps / off.fps for off, on in zip(self.off, self.on, strict=True)]

    @property
    def is_met(self) -> bool:
        return percentile(self.costs, 0.5) <= MOST_COST and self.lost == 0


def compare(trial: Trial, *flags: str) -> Comparison:
    """Against a service with these flags. Raises LinkFailed, ReplayFailed, ServiceFailed."""

    async def run() -> Comparison:
        async with connected(service, 1) as (camera,):
            await camera.greet(Plan((trial.format,)))
            async with listening([camera]), camera.playing(trial.clip.jpegs, FEED):
                return await _in_turns(Stage(camera, service), trial)

    serve = ("--model", trial.model, *flags)
    with tempfile.TemporaryDirectory() as folder, running(*serve, "--recordings", folder) as service:
        service.wait_for_model(trial.model)
        return asyncio.run(run())


@dataclass(frozen=True)
class Stage:
    camera: Camera
    service: Service

    async def turn(self, seconds: float) -> Turn:
        await asyncio.sleep(SETTLE_S)
        seen, began_s, busy_s = self.camera.results, time.monotonic(), processor_s(self.service.process.pid)
        await asyncio.sleep(seconds)
        latencies_ms, took_s = self.camera.latencies_ms[seen:], time.monotonic() - began_s
        busy_s = processor_s(self.service.process.pid) - busy_s
        if not latencies_ms:
            raise ReplayFailed(f"no result came within {seconds:g} s")
        p50_ms, p95_ms = (percentile(latencies_ms, share) for share in (0.5, 0.95))
        return Turn(len(latencies_ms) / took_s, p50_ms, p95_ms, busy_s * 1e3 / len(latencies_ms))


async def _in_turns(stage: Stage, trial: Trial) -> Comparison:
    """Off and on, on and off, ..., so that what goes one way all the time favours neither."""
    await asyncio.sleep(WARM_UP_S)
    off: list[Turn] = []
    on: list[Turn] = []
    takes: list[dict[str, int]] = []
    for number in range(trial.rounds):
        if number % 2 == 0:
            off.append(await stage.turn(trial.seconds))
        await stage.camera.record("start")
        on.append(await stage.turn(trial.seconds))
        takes.append(await stage.camera.record("stop"))
        if number % 2 == 1:
            off.append(await stage.turn(trial.seconds))
    steps, lost = (sum(take[name] for take in takes) for name in ("steps", "lost"))
    return Comparison(trial.model, trial.format, tuple(off), tuple(on), steps, lost)


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        clip = load_clip(given.clip, long_side_px=SENT_LONG_SIDE_PX)
        trials = [Trial(clip, *what, given.rounds, given.seconds) for what in product(MODELS, FORMATS)]
        comparisons = [compare(trial) for trial in trials]
    except (ClipUnreadable, LinkFailed, ReplayFailed, ServiceFailed) as error:
        print(f"recording_cost: {error}", file=sys.stderr)
        return 1
    print(markdown(comparisons))
    if given.json:
        told = [{**asdict(comparison), "is_met": comparison.is_met} for comparison in comparisons]
        reports.write_json(reports.with_origin({"comparisons": told}), given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m splatcam.bench.recording_cost", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=at_least(1), default=12, help="of off and on (default: 12)")
    parser.add_argument("--seconds", type=above_zero, default=2.0, help="of each turn (default: 2)")
    parser.add_argument("--json", type=file_in_a_folder, help="the same as values")
    return parser


def markdown(comparisons: Sequence[Comparison]) -> str:
    columns = (
        "model", "the camera gets", "fps off", "on", "costs", "from", "to", "p50 ms off", "on", "p95 ms off", "on",
        "processor ms off", "on", "recorded", "lost", f"at most {MOST_COST:.0%}",
    )  # fmt: skip
    return "\n".join([row(columns), row(["---"] * len(columns)), *(row(_values(one)) for one in comparisons)])


def _values(one: Comparison) -> Sequence[object]:
    """Medians over the turns."""

    def usual(name: str, digits: int) -> list[str]:
        return [f"{percentile([getattr(turn, name) for turn in turns], 0.5):.{digits}f}" for turns in (one.off, one.on)]

    costs = (percentile(one.costs, 0.5), min(one.costs), max(one.costs))
    return (
        one.model, one.format, *usual("fps", 1), *(f"{cost:.1%}" for cost in costs), *usual("p50_ms", 0),
        *usual("p95_ms", 0), *usual("processor_ms", 1), one.steps, one.lost, "met" if one.is_met else "missed",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
