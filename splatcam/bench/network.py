"""Writes docs/network.md: what the live path does over thin links with a delay.

python -m splatcam.bench.network CLIP...        (make network CLIPS="...")
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.links import LinkFailed
from splatcam.bench.local_service import ServiceFailed, running
from splatcam.bench.network_figures import figures_of, missed, recoveries_of, second_of
from splatcam.bench.network_trial import DELAY_S, FPS, Outcome, Step, Trial, measure, warm_up
from splatcam.bench.replay import Plan, ReplayFailed, above_zero, file_in_a_folder
from splatcam.bench.report import Run, commit, machine, row, summarise
from splatcam.bench.sender_buffer import kernel_keeps_bytes
from splatcam.bench.throttle import Link

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "network.md"
ALL = ("splats16", "compact", "gaussian_ply", "pointcloud")
ADAPTING = Plan(ALL, rest="auto")
CONTRAST_PLANS = (Plan(("gaussian_ply",)), Plan(("splats16",)), Plan(("splats16",), rest="auto"))
THIN_MBIT_S = 3.0  # towards the client: less than `compact` takes
FLOODED, FLOODED_S = Link(20, DELAY_S), 4.0  # to see what a sender's kernel keeps
SENT_LONG_SIDE_PX = 504  # the page sends no larger pictures
BEFORE_S, AFTER_S = 3, 9  # a step, second by second
PAUSE_S = 2.0  # between trials: what the last one left behind has gone
OPENING = """<!-- Written by `make network`; run it instead of changing numbers here. -->

# Thin links

The real service behind a proxy that gives each client a link of its own: a rate in both directions, {delay:.0f} ms of
delay **each way** ({round_trip:.0f} ms there and back), and a router's queue of a tenth of a second, 64 KiB at least.
The camera sends {fps:.0f} pictures a second whatever comes back, as JPEGs no larger than the page sends them. A watcher
sees the same stream at the same time from behind a second link of the same rate. Milliseconds count from the moment at
which the camera took the picture until the whole result has arrived at that client: the way up, the frame, the way
down. Clients offer {formats} in this order and leave the rest to the server, where nothing else is said.

The proxy loses nothing. In front of a full queue the sender's kernel keeps what it is given, as on a real path: for a
sender that never holds back that was {kept_kb:.0f} kB more at {kept_mbit_s:.0f} Mbit/s, another {kept_ms:.0f} ms.
Service, clients and proxies share the machine.

{date}, {machine}, Python {python}, torch {torch}, commit {commit} (a plus: files were changed since);
`make network CLIPS="{clips}"`.

Goals: 15 frames a second at 20 Mbit/s and 25 at 100, p95 at most 250 ms and not growing by more than 50 ms, no second
without a result; after a step of the rate well again (at less than 100 Mbit/s: 15 frames a second) within 5 s and for
3 s. p95 begin and end: of the first and the last 15 s, of shorter runs the halves.
Service p95: what of the latency is from receipt to message; where it is long, the machine was busy.
"""
THINNER = f"Thinner than `compact`: {THIN_MBIT_S:g} Mbit/s down for a while, 100 up"
CONTRAST = "For contrast: formats that are not `compact`"
COLUMNS = (
    "link", "client", "asks for", "sent at the end", "fps", "p50 ms", "p95 ms", "p95 begin", "p95 end",
    "service p95 ms", "longest gap ms", "KB/frame", "goals",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        clips = [load_clip(path, long_side_px=SENT_LONG_SIDE_PX) for path in given.clips]
        adapting = [_against_service(clip, model, _adapting(given)) for clip, model in _pairs(clips)]
        thinner = _against_service(clips[0], "builtin", [_thinner(given)])
        contrast = _against_service(clips[0], "builtin", _contrast(given))
    except (ClipUnreadable, LinkFailed, ReplayFailed, ServiceFailed) as error:
        print(f"network: {error}", file=sys.stderr)
        return 1
    kept_bytes = asyncio.run(kernel_keeps_bytes(FLOODED, FLOODED_S))
    given.page.write_text(page(kept_bytes, adapting, thinner, contrast), encoding="utf-8")
    if given.json:
        records = [record(outcome) for outcomes in (*adapting, thinner, contrast) for outcome in outcomes]
        given.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.network", description=__doc__.split("\n\n")[0])
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--seconds", type=above_zero, default=60.0, help="at each steady rate (default: 60)")
    parser.add_argument("--step-seconds", type=above_zero, default=20.0, help="at each rate of a step (default: 20)")
    parser.add_argument("--page", type=file_in_a_folder, default=PAGE, help="where to write (default: docs/network.md)")
    parser.add_argument("--json", type=file_in_a_folder, help="the same as values")
    return parser


def _pairs(clips: Sequence[Clip]) -> list[tuple[Clip, str]]:
    return [*((clip, "builtin") for clip in clips), (clips[0], "synthetic")]


def _adapting(given: argparse.Namespace) -> list[Trial]:
    return [
        _steady(20, given.seconds, ADAPTING),
        _steady(100, given.seconds, ADAPTING),
        Trial("100, 10, 100", tuple(Step(given.step_seconds, mbit_s) for mbit_s in (100, 10, 100)), ADAPTING),
    ]


def _thinner(given: argparse.Namespace) -> Trial:
    rates = (100, THIN_MBIT_S, 100)
    steps = tuple(Step(given.step_seconds, mbit_s, up_mbit_s=100) for mbit_s in rates)
    return Trial(", ".join(f"{mbit_s:g}" for mbit_s in rates), steps, ADAPTING)


def _contrast(given: argparse.Namespace) -> list[Trial]:
    return [_steady(mbit_s, given.step_seconds, plan) for plan in CONTRAST_PLANS for mbit_s in (20, 100)]


def _steady(mbit_s: float, seconds: float, plan: Plan) -> Trial:
    return Trial(f"{mbit_s:g}", (Step(seconds, mbit_s),), plan)


def _against_service(clip: Clip, model: str, trials: Sequence[Trial]) -> list[Outcome]:
    async def run(port: int) -> list[Outcome]:
        outcomes = []
        await warm_up(clip, port)
        for trial in trials:
            await asyncio.sleep(PAUSE_S)
            print(f"{clip.name}, {model}: {trial.name} Mbit/s, {trial.seconds:.0f} s", file=sys.stderr)
            outcomes.append(await measure(clip, port, trial))
        return outcomes

    with running("--model", model) as service:
        service.wait_for_model(model)
        port = urlsplit(service.url).port
        assert port is not None
        return asyncio.run(run(port))


# ---------------------------------------------------------------- the page


def page(
    kept_bytes: float, adapting: Sequence[Sequence[Outcome]], thinner: Sequence[Outcome], contrast: Sequence[Outcome]
) -> str:
    here = machine()
    clips = dict.fromkeys(outcomes[0].camera.clip for outcomes in adapting)
    opening = OPENING.format(
        delay=DELAY_S * 1e3, round_trip=DELAY_S * 2e3, fps=FPS, formats=", ".join(ALL), date=date.today().isoformat(),
        machine=here.name, python=here.python, torch=here.torch, commit=commit(), clips=" ".join(clips),
        kept_kb=kept_bytes / 1e3, kept_mbit_s=FLOODED.mbit_s, kept_ms=kept_bytes / FLOODED.bytes_per_s * 1e3,
    )  # fmt: skip
    sections = [
        *((_heading(outcomes[0].camera), outcomes) for outcomes in adapting), (THINNER, thinner), (CONTRAST, contrast),
    ]  # fmt: skip
    return opening + "".join(f"\n## {heading}\n\n{_section(outcomes)}" for heading, outcomes in sections)


def _heading(run: Run) -> str:
    return f"{run.model}, {run.clip} ({run.clip_digest})"


def _section(outcomes: Sequence[Outcome]) -> str:
    stepped = (outcome for outcome in outcomes if len(outcome.trial.steps) > 1)
    lines = [*_table(outcomes), *(line for outcome in stepped for line in _steps(outcome)), *_choices(outcomes)]
    return "\n".join(lines) + "\n"


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield row(COLUMNS)
    yield row(["---"] * len(COLUMNS))
    for outcome in outcomes:
        for name, run in outcome.clients.items():
            yield row(_values(outcome.trial, name, run))


def _values(trial: Trial, name: str, run: Run) -> tuple[Any, ...]:
    figures = figures_of(run, trial.seconds)
    asked = {"auto": "what fits", "pinned": "nothing else"}[trial.plan.rest]
    formats = "all" if trial.plan.formats == ALL else ", ".join(trial.plan.formats)
    return (
        f"{trial.name} Mbit/s", name, f"{formats}, {asked}", run.choices[-1].what if run.choices else run.format,
        f"{figures.fps:.1f}",
        *map(_whole, (figures.p50_ms, figures.p95_ms, figures.first_p95_ms, figures.last_p95_ms)),
        _whole(figures.service_p95_ms), _whole(figures.longest_gap_ms), _whole(figures.frame_bytes / 1e3),
        f"missed: {', '.join(misses)}" if (misses := missed(trial, run)) else "met",
    )  # fmt: skip


def _whole(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.0f}"


def _steps(outcome: Outcome) -> Iterator[str]:
    yield f"\nSteps of {outcome.trial.name} Mbit/s:\n"
    yield row(("at s", "to Mbit/s", "client", "well again after s", "longest gap ms"))
    yield row(["---"] * 5)
    for name, run in outcome.clients.items():
        for step in recoveries_of(outcome.trial, run):
            back = "not" if step.back_after_s is None else step.back_after_s
            yield row((f"{step.at_s:.0f}", f"{step.to_mbit_s:g}", name, back, _whole(step.longest_gap_ms)))
    yield "\nSecond by second around them, as it arrived:\n"
    columns = ("second", "Mbit/s", "camera fps", "camera p95 ms", "watcher fps", "watcher p95 ms")
    yield row(columns)
    yield row(["---"] * len(columns))
    for second, mbit_s in _seconds_around_steps(outcome.trial):
        seen = (second_of(run, run.begin_s + second) for run in outcome.clients.values())
        yield row((second, f"{mbit_s:g}", *(value for one in seen for value in (one.fps, _whole(one.p95_ms)))))


def _seconds_around_steps(trial: Trial) -> Iterator[tuple[int, float]]:
    """Each second near a step, and the rate that it began with."""
    ends_s = list(accumulate(step.seconds for step in trial.steps))
    for second in range(int(trial.seconds)):
        if any(-BEFORE_S <= second - step_s < AFTER_S for step_s in ends_s[:-1]):
            yield second, next(step.mbit_s for step, end_s in zip(trial.steps, ends_s, strict=True) if second < end_s)


def _choices(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Where the server changed its mind."""
    rows = [
        (f"{outcome.trial.name} Mbit/s", name, f"{max(0.0, choice.at_s - run.begin_s):.1f}", choice.what, choice.reason)
        for outcome in outcomes
        for name, run in outcome.clients.items()
        for before, choice in pairwise(run.choices)
        if choice.what != before.what
    ]
    if not rows:
        yield "\nThe server kept its first choice in all of them."
        return
    yield "\nWhat the server changed, seconds after the first picture:\n"
    yield row(("link", "client", "at s", "sends", "because"))
    yield row(["---"] * 5)
    yield from map(row, rows)


def record(outcome: Outcome) -> dict[str, Any]:
    """A trial as plain values."""
    return {
        "link": outcome.trial.name,
        "steps": [asdict(step) for step in outcome.trial.steps],
        "formats": outcome.trial.plan.formats,
        "rest": outcome.trial.plan.rest,
        "clients": {name: _client_record(outcome.trial, run) for name, run in outcome.clients.items()},
    }


def _client_record(trial: Trial, run: Run) -> dict[str, Any]:
    figures = asdict(figures_of(run, trial.seconds))
    return summarise(run) | {
        "figures": {name: None if math.isnan(value) else value for name, value in figures.items()},
        "recoveries": [asdict(recovery) for recovery in recoveries_of(trial, run)],
        "missed": missed(trial, run),
    }


if __name__ == "__main__":
    sys.exit(main())
