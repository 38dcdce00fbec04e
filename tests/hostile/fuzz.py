"""Millions of damaged inputs against what reads strangers' bytes: only declared errors, and no input over 60 ms of CPU.

python -m tests.hostile.fuzz --messages 1000000 --jpegs 200000 [--seed 1] [--json FILE]
python -m tests.hostile.fuzz --service     how long a running service takes to refuse each named poison file

An input that breaks the rule is kept in crashers/. A seed makes the same inputs again, whatever the number of cores.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

from splatcam import wire
from splatcam.bench.local_service import running
from splatcam.bench.report import with_origin, write_json
from splatcam.cores import available_cores
from splatcam.frames import BadFrame, decode_frame
from splatcam.pipeline import to_grid
from splatcam.telemetry import percentile
from splatcam.wire import ErrorCode, WireError
from tests.hostile import jpegs, messages, mutations, service

CRASHERS = Path(__file__).parent / "crashers"
FOUND = CRASHERS  # where an input that breaks the rule goes
UNDECLARED = "UNDECLARED"
LIMIT_MS = 60.0
LOOK_AGAIN = 4  # times: a busy neighbour of the core makes anything slow once
LONG_SIDE_PX = 504
SHARD = 2000  # inputs of one generator
SHARE_OF_LARGE = 0.03  # among the JPEGs: most of the time of a run

Pool = Sequence[bytes]


@dataclass(frozen=True)
class Target:
    """What is fuzzed: where inputs come from, and who reads them. `read` returns the outcome's name."""

    read: Callable[[bytes], str]
    make: Callable[[random.Random], bytes]
    suffix: str


@dataclass
class Report:
    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    worst_ms: float = 0.0
    undeclared: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.worst_ms = max(self.worst_ms, other.worst_ms)
        self.undeclared += other.undeclared
        self.slow += other.slow


def read_message(data: bytes) -> str:
    """Anything but a WireError is an offence."""
    try:
        message = wire.parse_client_message(data, messages.LIMIT_BYTES)
    except WireError as error:
        assert error.code in ErrorCode and str(error)
        return str(error.code)
    return f"taken: {type(message).__name__}"


def read_jpeg(data: bytes) -> str:
    """Anything but a BadFrame is an offence."""
    try:
        frame = decode_frame(data)
        grid = to_grid(frame, LONG_SIDE_PX)
    except BadFrame as error:
        assert error.code in set(ErrorCode) and str(error)
        return str(error.code)
    assert frame.rgb.shape[2] == 3 and max(grid.shape) <= LONG_SIDE_PX
    return "taken"


def make_message(rng: random.Random) -> bytes:
    return mutations.mutated_message(rng, _message_pool())


def make_jpeg(rng: random.Random) -> bytes:
    small, large = _jpeg_pools()
    return mutations.mutated_jpeg(rng, large if rng.random() < SHARE_OF_LARGE else small)


TARGETS = {
    "messages": Target(read_message, make_message, "msgpack"),
    "jpegs": Target(read_jpeg, make_jpeg, "jpg"),
}


@cache
def _message_pool() -> Pool:
    poison = [one.data for one in messages.poison() if isinstance(one.data, bytes) and 0 < len(one.data) < 5000]
    return [*messages.corpus() * 10, *poison]


@cache
def _jpeg_pools() -> tuple[Pool, Pool]:
    """Small ones, with what is known to be hostile; and such as keep a decoder busy."""
    hostile = [one.data for one in (*jpegs.poison(), *jpegs.odd())] + kept("jpg")
    small = jpegs.corpus() * 10 + [data for data in hostile if 0 < len(data) < 20_000]
    return small, jpegs.large() + [data for data in hostile if len(data) >= 20_000]


def kept(suffix: str) -> list[bytes]:
    """What once broke something."""
    return [file.read_bytes() for file in sorted(CRASHERS.glob(f"*.{suffix}"))]


def fuzz(name: str, count: int, seed: int) -> Report:
    """In this process."""
    report = Report()
    for shard in range(-(-count // SHARD)):
        report.add(_run_shard(name, seed, shard, min(SHARD, count - shard * SHARD)))
    assert report.inputs == count
    return report


def fuzz_on_all_cores(name: str, count: int, seed: int) -> Report:
    report = Report()
    shards = range(-(-count // SHARD))
    sizes = [min(SHARD, count - shard * SHARD) for shard in shards]
    with ProcessPoolExecutor(available_cores(), get_context("spawn"), initializer=_one_thread) as pool:
        for part in pool.map(_run_shard, [name] * len(sizes), [seed] * len(sizes), shards, sizes):
            report.add(part)
    return report


def _one_thread() -> None:
    """So that the time of this thread is all the time that is spent."""
    torch.set_num_threads(1)


def _run_shard(name: str, seed: int, shard: int, count: int) -> Report:
    target, report = TARGETS[name], Report(inputs=count)
    rng = random.Random(f"{name} {seed} {shard}")
    for _ in range(count):
        data = target.make(rng)
        outcome, took_ms = _judge(target, data)
        report.outcomes[outcome] += 1
        report.worst_ms = max(report.worst_ms, took_ms)
        if outcome.startswith(UNDECLARED):
            report.undeclared.append(f"{_keep(data, target.suffix)}: {outcome}")
        elif took_ms > LIMIT_MS:
            report.slow.append(f"{_keep(data, target.suffix)}: {took_ms:.1f} ms")
    return report


def _judge(target: Target, data: bytes) -> tuple[str, float]:
    """(outcome, CPU time of this thread); of what seems slow the least of a few times."""
    times_ms = []
    for _ in range(1 + LOOK_AGAIN):
        begin_s = time.thread_time()
        try:
            outcome = target.read(data)
        except Exception as error:  # that is what we are here to find
            outcome = f"{UNDECLARED} {type(error).__name__}: {error}"
        times_ms.append((time.thread_time() - begin_s) * 1e3)
        if times_ms[-1] <= LIMIT_MS:
            break
    return outcome, min(times_ms)


def _keep(data: bytes, suffix: str) -> str:
    file = FOUND / f"found-{hashlib.sha256(data).hexdigest()[:12]}.{suffix}"
    file.write_bytes(data)
    return file.name


def table(reports: dict[str, Report]) -> Iterator[str]:
    yield "| input | outcome | inputs | worst CPU |"
    yield "|---|---|---:|---:|"
    for name, report in reports.items():
        yield f"| **{name}** | all | {report.inputs:,} | {report.worst_ms:.1f} ms |"
        for outcome, count in report.outcomes.most_common():
            yield f"| | {outcome} | {count:,} | |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=0, help="how many damaged messages")
    parser.add_argument("--jpegs", type=int, default=0, help="how many damaged JPEGs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    parser.add_argument("--service", action="store_true", help="measure the named poison over a websocket")
    chosen = parser.parse_args(arguments)
    if chosen.service:
        return _measure_service(chosen.json)
    counts = {name: getattr(chosen, name) for name in TARGETS if getattr(chosen, name)}
    reports = {name: fuzz_on_all_cores(name, count, chosen.seed) for name, count in counts.items()}
    print("\n".join(table(reports)))
    if chosen.json is not None:
        numbers = {name: vars(report) for name, report in reports.items()}
        write_json(with_origin({"seed": chosen.seed, **numbers, "table": list(table(reports))}), chosen.json)
    offences = [offence for report in reports.values() for offence in report.undeclared + report.slow]
    print(*offences, sep="\n", file=sys.stderr)
    return 1 if offences else 0


def _measure_service(file: Path | None) -> int:
    with running(*service.FLAGS) as started:
        started.wait_for_model("builtin")
        found = asyncio.run(service.answers(started.ws_url, jpegs.poison(), jpegs.odd()))
    refused = sorted((one for one in found if one.expected != service.RESULT), key=lambda one: one.took_ms)
    times_ms = [one.took_ms for one in refused]
    numbers = {"files": len(refused), "p50_ms": percentile(times_ms, 0.5), "p95_ms": percentile(times_ms, 0.95)}
    numbers |= {"worst_ms": times_ms[-1], "wrong": sum(one.got != one.expected for one in found)}
    print(*(f"{name:9} {value:.1f}" for name, value in numbers.items()), sep="\n")
    print("slowest  ", *(f"{one.name} ({one.took_ms:.1f} ms)" for one in refused[-5:]))
    if file is not None:
        write_json(with_origin(numbers), file)
    return 1 if numbers["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
