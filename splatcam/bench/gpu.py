"""What a frame of Depth Anything 3 costs, from the picture in memory to packed bytes in memory: `splatcam bench gpu`.

Random weights of the real sizes: a network's time does not depend on their values. How many Gaussians are left is
set explicitly. Every way takes its turn in every round of one run. Runs on a CPU as well, with fewer frames.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from splatcam.bench import cold_start
from splatcam.bench.cold_start import ColdStart, ColdStartFailed
from splatcam.bench.gpu_page import Entry, report_of, table, write
from splatcam.bench.gpu_ways import WAYS, Frames, Way
from splatcam.bench.stage_clock import StageClock
from splatcam.engine.memory import free_memory, is_out_of_memory
from splatcam.estimators.da3_loading import build_architecture, quiet_da3
from splatcam.estimators.models import MODELS, OWN_LICENCE, Model
from splatcam.telemetry import percentile

WARM_UP_FRAMES = 3
PEAK_SIDE = {"cuda": 8192, "cpu": 1024}  # of the matrices whose product stands for what the device can do
PEAK_PRODUCTS = 10


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    models: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]  # width, height
    batches: tuple[int, ...]
    ways: tuple[str, ...]
    frames: int  # of each way, model, size and batch
    device: str
    starts: int  # of a process for each model, from nothing to its first frame


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="splatcam bench gpu", description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", default="giant,large,base,small")
    parser.add_argument("--sizes", default="504x378,504x280,336x252", help="of the network's grid")
    parser.add_argument("--batch", default="1,2,4", help="frames that share a pass")
    parser.add_argument("--ways", default="stock,eager,fast", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--cold-starts", type=int, default=3, help="of each model, at the first size; 0: none")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="of a CPU; 0: as torch has them")
    parser.add_argument("--out", type=Path, help="a folder: the numbers as JSON, and a page of all that lie there")
    given = parser.parse_args(arguments)
    if unknown := set(given.ways.split(",")) - set(WAYS):
        parser.error(f"no such way: {', '.join(sorted(unknown))}")
    if given.threads:
        torch.set_num_threads(given.threads)
    say = partial(print, file=sys.stderr, flush=True)
    peak = peak_tflops(given.device)
    plan = _plan(given)
    report = report_of(measure(plan, peak, say), cold_starts(plan, say), given.device, peak)
    print(table(report))
    if given.out:
        write(report, given.out)
    return 0


def _plan(given: argparse.Namespace) -> Plan:
    sizes = tuple((int(width), int(height)) for width, height in (s.split("x") for s in given.sizes.split(",")))
    batches = tuple(map(int, given.batch.split(",")))
    models, ways = (tuple(names.split(",")) for names in (given.models, given.ways))
    return Plan(models, sizes, batches, ways, given.frames, given.device, given.cold_starts)


def measure(plan: Plan, peak: float, say: Callable[[str], None]) -> list[Entry]:
    """Also what was measured before memory was short: time on a GPU is dear. `peak` in TFLOP/s."""
    entries: list[Entry] = []
    for name in plan.models:
        try:
            for entry in _of_model(name, plan, peak):
                say(f"{entry.model} {entry.size} x{entry.batch} {entry.way}: {entry.p50_ms:.2f} ms")
                entries.append(entry)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            say(f"{name}: no memory: {error}")
        free_memory()
    return entries


def cold_starts(plan: Plan, say: Callable[[str], None]) -> list[ColdStart]:
    """When everything else is over, so that the device is theirs."""
    found = []
    for name in plan.models if plan.starts else ():
        with tempfile.TemporaryDirectory() as folder:
            net = random_network(name, "cpu")
            cold_start.save(net, da3_name_of(name), Path(folder))
            del net
            image = Frames.of(1, *plan.sizes[0]).images[0]
            try:
                found.append(cold_start.measure(name, Path(folder), image, plan.device, plan.starts))
            except ColdStartFailed as error:
                say(f"{name}: no cold start: {error}")
            else:
                say(f"{name} from nothing to its first frame: {found[-1].total_s:.2f} s")
    return found


@dataclass(frozen=True, eq=False)
class Subject:
    """One model, loaded for every way."""

    name: str
    ways: dict[str, Way]
    resident_mb: dict[str, float]  # of each way


def _of_model(name: str, plan: Plan, peak: float) -> Iterator[Entry]:
    subject = _load(name, plan)
    for width, height in plan.sizes:
        for batch in plan.batches:
            yield from _of_frames(subject, Frames.of(batch, width, height), plan, peak)


def _load(name: str, plan: Plan) -> Subject:
    before = allocated_mb(plan.device)
    stock = random_network(name, plan.device)
    resident = {"stock": allocated_mb(plan.device) - before}
    model = MODELS.get(name) or Model(name=name, title=name, licence=OWN_LICENCE)
    ways: dict[str, Way] = {}
    for way in plan.ways:
        before = allocated_mb(plan.device)
        ways[way] = WAYS[way](stock if way == "stock" else copy.deepcopy(stock), model, plan.device)
        resident.setdefault(way, allocated_mb(plan.device) - before)
    return Subject(name, ways, resident)


@dataclass(eq=False)
class Taken:
    """What one way took for some frames."""

    clock: StageClock
    ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0  # beside what is resident
    kept: int = 0


def _of_frames(subject: Subject, frames: Frames, plan: Plan, peak: float) -> Iterator[Entry]:
    ways = {name: way for name, way in subject.ways.items() if way.takes(frames.count)}
    taken = _rounds(ways, frames, plan)
    stock = subject.ways.get("stock")
    depth_of_stock = None if stock is None else stock.depth(frames)
    for name, way in ways.items():
        own, stages = taken[name], taken[name].clock.p50_ms()
        tflop, beside_mb = _of_pass(partial(way.network_only, frames), plan.device)
        yield Entry(
            model=subject.name, size=f"{frames.width}x{frames.height}", batch=frames.count, way=name,
            p50_ms=percentile(own.ms, 0.5), p95_ms=percentile(own.ms, 0.95), stages_ms=stages, kept=own.kept,
            memory_mb=subject.resident_mb[name] + max(own.memory_mb, beside_mb),
            bus_bytes=way.bus_bytes(frames), tflop=tflop,
            share_of_peak=tflop / (stages["network"] / 1e3) / peak,
            depth_off=None if depth_of_stock is None else off(way.depth(frames), depth_of_stock),
            is_recorded=way.is_recorded(frames),
        )  # fmt: skip


def _of_pass(run: Callable[[], object], device: str) -> tuple[float, float]:
    """TFLOP of a pass, and MB that it needs beside the network. A recorded one has its own for good, where nobody sees
    how much, so it is the unrecorded one that tells."""
    before = allocated_mb(device)
    forget_peak(device)
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e12, peak_mb(device) - before


def _rounds(ways: dict[str, Way], frames: Frames, plan: Plan) -> dict[str, Taken]:
    """Every way once a round, so that a busy moment of the machine hits all alike. The first rounds do not count."""
    device = torch.device(plan.device)
    for _ in range(WARM_UP_FRAMES):
        for way in ways.values():
            way.answer(frames, StageClock(device))
    taken = {name: Taken(StageClock(device)) for name in ways}
    for _ in range(plan.frames):
        for name, way in ways.items():
            own, before = taken[name], allocated_mb(plan.device)
            forget_peak(plan.device)
            begin = time.perf_counter()
            own.kept = way.answer(frames, own.clock)
            own.ms.append((time.perf_counter() - begin) * 1e3)
            own.memory_mb = max(own.memory_mb, peak_mb(plan.device) - before)
    return taken


# ---------------------------------------------------------------- what is measured against


def random_network(name: str, device: str) -> Any:
    """The architecture of a published size, or one that DA3 knows by that name."""
    torch.manual_seed(0)
    with quiet_da3(), torch.device(device):
        net = build_architecture(da3_name_of(name), Path("."))
    return net.eval().requires_grad_(False)


def da3_name_of(name: str) -> str:
    return (MODELS[name].da3_name if name in MODELS else None) or name


def peak_tflops(device: str) -> float:
    """Of a large product of random bf16 matrices."""
    side = PEAK_SIDE.get(device, PEAK_SIDE["cpu"])
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    clock = StageClock(torch.device(device))
    for turn in range(PEAK_PRODUCTS + WARM_UP_FRAMES):
        with clock.stage("product" if turn >= WARM_UP_FRAMES else "warm-up"):
            a @ b
    return 2 * side**3 / 1e12 / (clock.p50_ms()["product"] / 1e3)


def off(depth: torch.Tensor, stock: torch.Tensor) -> float:
    return float((depth - stock).norm() / stock.norm())


def allocated_mb(device: str) -> float:
    """0 on a CPU, where nobody counts."""
    return torch.cuda.memory_allocated() / 1e6 if device == "cuda" else 0.0


def peak_mb(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else 0.0


def forget_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    sys.exit(main())
