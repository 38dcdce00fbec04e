"""Every kind of fault, again and again, with bystanders on the same service. `make faults`

    python -m tests.faults.suite --repeats 20 [--only NAME] [--json FILE]

Each time: the victim is told what the kind promises; the bystanders keep their sockets and are served again; a client
that comes afterwards is served. The time from the victim's word to the next result of every bystander is reported.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splatcam.bench.local_service import Service, running
from splatcam.bench.report import row, with_origin, write_json
from splatcam.engine.supervised import SupervisedEngine
from splatcam.settings import Settings
from splatcam.telemetry import percentile
from tests.faults.clients import Bystander, bystanders, camera
from tests.faults.ends import ENDS, PROGRAM, SMALL, End
from tests.faults.kinds import KINDS, Kind, Stage
from tests.pictures import jpeg

BYSTANDERS = 2
WAITS = ("--frame-deadline-s", "2", "--stalled-after-s", "2", "--first-message-s", "2")
FLAGS = (*SMALL, *WAITS, "--max-messages-per-s", "300")
COLUMNS = (
    "fault",
    "times",
    "the victim was told",
    "as promised",
    "sockets of others lost",
    "served again, s p50 / max",
)


@dataclass
class Tally:
    """What became of one kind. `wrong` is empty where every repeat was as it should be."""

    name: str
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    recovered_s: list[float] = field(default_factory=list)

    def row(self) -> str:
        times = sum(self.told.values())
        told = ", ".join(f"{what} ×{n}" if len(self.told) > 1 else what for what, n in self.told.items())
        spread = f"{percentile(self.recovered_s, 0.5):.2f} / {max(self.recovered_s):.2f}" if self.recovered_s else "–"
        return row((self.name.replace("_", " "), times, told, times - len(self.wrong), self.lost, spread))


@contextmanager
def service_under_test() -> Iterator[Service]:
    with running(*FLAGS, program=PROGRAM) as service:
        service.wait_for_model("synthetic")
        yield service


def time_to_load() -> float:
    """Seconds until a new process of the engine has its model."""
    begin_s = time.monotonic()

    async def load() -> None:
        engine = SupervisedEngine(Settings(model="synthetic", process_res=70, threads=1))
        await engine.start(lambda status: None)
        await engine.close()

    asyncio.run(load())
    return round(time.monotonic() - begin_s, 2)


async def meet(kind: Kind, service: Service, people: Sequence[Bystander], tally: Tally) -> None:
    """The fault once."""
    stage = Stage(service)
    engine = stage.engine_pid
    told = await kind.act(stage)
    begin_s = time.monotonic()
    tally.told[told] += 1
    if kind.restarts:  # a process that has said all it had to say may end a moment later
        await stage.another_engine_than(engine)
    for one in people:
        await one.served_again()
    tally.recovered_s.append(time.monotonic() - begin_s)
    wrong = [f"told {told}"] if told not in kind.told else []
    wrong += [f"a bystander: {loss}" for one in people for loss in one.losses]
    tally.lost += len([one for one in people if one.losses])
    if (stage.engine_pid != engine) != kind.restarts:
        wrong.append("the engine restarted")
    async with camera(service) as late:
        if (after := await late.frame(jpeg())) != "result":
            wrong.append(f"the next client: {after}")
    if wrong:
        tally.wrong.append("; ".join(wrong))


async def repeat_kind(kind: Kind, service: Service, repeats: int) -> Tally:
    tally = Tally(kind.name)
    async with bystanders(service, jpeg(), BYSTANDERS) as people:
        for _ in range(repeats):
            await meet(kind, service, people, tally)
    return tally


async def repeat_end(end: End, repeats: int) -> Tally:
    tally = Tally(end.name)
    for _ in range(repeats):
        seen = await end.act()
        tally.told[seen] += 1
        if seen != end.seen:
            tally.wrong.append(seen)
    return tally


async def run(repeats: int, only: str) -> list[Tally]:
    """Every kind whose name has `only` in it."""
    tallies = []
    with service_under_test() as service:
        for kind in KINDS:
            if only in kind.name:
                tallies.append(await repeat_kind(kind, service, repeats))
                print(tallies[-1].row(), *tallies[-1].wrong[:3], sep="\n    ", flush=True)
    for end in ENDS:
        if only in end.name:
            tallies.append(await repeat_end(end, repeats))
            print(tallies[-1].row(), *tallies[-1].wrong[:3], sep="\n    ", flush=True)
    return tallies


def report_of(tallies: Sequence[Tally], load_s: float) -> dict[str, Any]:
    table = [row(COLUMNS), row(["---"] * len(COLUMNS)), *(tally.row() for tally in tallies)]
    wrong = sum(len(tally.wrong) for tally in tallies)
    count = sum(sum(tally.told.values()) for tally in tallies)
    return with_origin({"kinds": len(tallies), "faults": count, "wrong": wrong, "load_s": load_s, "table": table})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.suite", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--json", type=Path, help="where to leave the table")
    given = parser.parse_args(arguments)
    load_s = time_to_load()
    tallies = asyncio.run(run(given.repeats, given.only))
    report = report_of(tallies, load_s)
    if given.json is not None:
        write_json(report, given.json)
    print(f"{report['kinds']} kinds, {report['faults']} faults, {report['wrong']} not as promised")
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
