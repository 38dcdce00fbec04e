"""What `bench/gpu.py` measured → a table, JSON, and docs/benchmarks/da3.md of all that was measured. No measuring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from splatcam.bench.cold_start import ColdStart
from splatcam.bench.report import machine, row, with_origin, write_json

PAGE = "da3.md"
PREFIX = "da3-"
COLUMNS = (
    "model", "size", "frames", "way", "p50 ms", "p95 ms", "fps", "network ms", "rest ms", "times stock", "memory MB",
    "bus MB", "TFLOP", "of peak", "depth off", "left",
)  # fmt: skip
COLD_COLUMNS = (
    "model", "picture", "weights MB", "starts", "imports s", "load s", "first frame s", "whole p50 s", "worst s",
    "splats",
)  # fmt: skip
HEAD = """<!-- Written by `splatcam bench gpu --out docs/benchmarks`; run it instead of changing numbers here. -->

# Depth Anything 3 by the frame

From a picture in memory to packed bytes in memory, on random weights of the real sizes; 0.9 of the depth is kept and
the border is cut off. Ways take turns in every round. p50 and p95 are of all frames of a pass together.

- stock: `inference()` and Depth Anything 3's PLY writer, where a model has Gaussians
- fast: as this project serves; eager: the same without recorded graphs; exact: with Depth Anything 3's own adapter
- half heads: fast, with the heads in half precision and channels last; compiled: that by torch.compile
- rest: everything but the network; memory: the network, and what a pass needs beside it
- cold start: a new process, from before it is started to the packed bytes of its first frame, through the engine's own
  loading. The weights were just written, so the system has them in memory too: a slow disk adds its time
- of peak: of the product of bf16 matrices that was measured in the same run; depth off: relative to stock's
"""
NOT_MEASURED = """
## On a GPU

Not measured yet. What is wanted of an H200, for giant with Gaussians at 504x378: p50 of at most 12 ms and a third of
stock's `inference()`, everything but the network within 1 ms, a cold start within 20 s, 5 GB of memory.
"""


@dataclass(frozen=True)
class Entry:
    """One way on one model, size and batch."""

    model: str
    size: str  # width x height
    batch: int
    way: str
    p50_ms: float
    p95_ms: float
    stages_ms: dict[str, float]  # p50 of each
    kept: int  # Gaussians or points of all frames
    memory_mb: float  # of the device: the network, and what a frame needs beside it
    bus_bytes: int
    tflop: float  # of the network
    share_of_peak: float
    depth_off: float | None
    is_recorded: bool


Report = dict[str, Any]


def report_of(entries: Sequence[Entry], cold_starts: Sequence[ColdStart], device: str, peak_tflops: float) -> Report:
    kind = torch.cuda.get_device_name() if device == "cuda" else machine().name
    return with_origin(
        {
            "device": device,
            "device_name": kind,
            "threads": torch.get_num_threads(),
            "date": date.today().isoformat(),
            "peak_bf16_tflops": round(peak_tflops, 2),
            "entries": [asdict(entry) for entry in entries],
            "cold_starts": [asdict(start) for start in cold_starts],
        }
    )


def table(report: Report) -> str:
    """What was measured where, a row for each entry, and one for each model's cold start."""
    told = f"{report['device_name']}, torch {report['machine']['torch']}, {report['date']}, commit {report['commit']}; "
    told += f"bf16 matrix product: {report['peak_bf16_tflops']} TFLOP/s"
    if report["device"] == "cpu":
        told += f"; {report['threads']} threads"
    stock = {(e["model"], e["size"], e["batch"]): e["p50_ms"] for e in report["entries"] if e["way"] == "stock"}
    lines = [told + ".", "", row(COLUMNS), row(["---"] * len(COLUMNS))]
    lines += [row(_values(e, stock.get((e["model"], e["size"], 1)), report["device"])) for e in report["entries"]]
    if report["cold_starts"]:
        lines += ["", "Cold start:", "", row(COLD_COLUMNS), row(["---"] * len(COLD_COLUMNS))]
        lines += [row(_cold_values(start)) for start in report["cold_starts"]]
    return "\n".join(lines)


def _cold_values(start: dict[str, Any]) -> list[Any]:
    seconds = [f"{start[name]:.2f}" for name in ("imports_s", "load_s", "frame_s", "total_s", "worst_s")]
    return [start["model"], start["size"], f"{start['weights_mb']:.0f}", start["starts"], *seconds, start["splats"]]


def _values(e: dict[str, Any], stock_ms: float | None, device: str) -> list[Any]:
    """A CPU has neither a memory of its own nor a bus before it."""
    memory, bus = f"{e['memory_mb']:.0f}", f"{e['bus_bytes'] / 1e6:.1f}"
    network = e["stages_ms"]["network"]
    per_frame = e["p50_ms"] / e["batch"]
    return [
        e["model"], e["size"], e["batch"], e["way"] + (" (graph)" if e["is_recorded"] else ""),
        f"{e['p50_ms']:.2f}", f"{e['p95_ms']:.2f}", f"{1e3 / per_frame:.1f}", f"{network:.2f}",
        f"{e['p50_ms'] - network:.2f}", "" if stock_ms is None else f"{stock_ms / per_frame:.1f}",
        *((memory, bus) if device != "cpu" else ("", "")), f"{e['tflop']:.3f}", f"{e['share_of_peak']:.0%}",
        "" if e["depth_off"] is None else f"{e['depth_off']:.1e}", e["kept"],
    ]  # fmt: skip


def write(report: Report, folder: Path) -> None:
    """The numbers of this machine, and the page of all machines whose numbers lie in the folder."""
    name = "".join(c if c.isalnum() else "-" for c in report["device_name"].lower()).strip("-")
    write_json(report, folder / f"{PREFIX}{name}.json")
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{PREFIX}*.json"))]
    (folder / PAGE).write_text(page(reports), encoding="utf-8")


def page(reports: Sequence[Report]) -> str:
    """GPUs first. A place without numbers says so."""
    gpus, cpus = ([r for r in reports if (r["device"] == "cuda") == wanted] for wanted in (True, False))
    sections = [f"\n## {report['device_name']}\n\n{table(report)}\n" for report in (*gpus, *cpus)]
    return HEAD + ("" if gpus else NOT_MEASURED) + "".join(sections)
