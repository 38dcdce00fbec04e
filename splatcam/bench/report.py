"""What a replay measured → JSON and a Markdown row, with machine and commit. No measuring here."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from splatcam.cores import available_cores
from splatcam.telemetry import percentile

SCHEMA = 1
COLUMNS = (
    "model", "format", "grid", "splats", "sent", "delivered", "dropped", "errors", "fps",
    "KB/frame", "p50 ms", "p95 ms", "p99 ms", "machine", "commit",
)  # fmt: skip


@dataclass(frozen=True)
class FrameRecord:
    """One delivered frame."""

    frame_id: int
    scheduled_s: float
    received_s: float
    message_bytes: int
    count: int  # splats or points
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class ChoiceRecord:
    """What the server chose to send, from when on: an `adapted` message."""

    at_s: float
    what: str
    reason: str

    @classmethod
    def of(cls, message: dict[str, Any], at_s: float) -> Self:
        """Stride and rate are told where the server holds something back."""
        parts = [f"{message['format']} ({message['output']})"]
        if message["stride"] > 1:
            parts.append(f"stride {message['stride']}")
        if message.get("depth_bits"):
            parts.append(f"{message['depth_bits']} bits")
        if message.get("max_fps") and "max_fps" not in message["pinned"]:
            parts.append(f"at most {message['max_fps']:g}/s")
        return cls(at_s, ", ".join(parts), message["reason"])


@dataclass
class Run:
    """Everything a replay saw. sent = delivered + dropped + errors, by frame id."""

    clip: str
    clip_digest: str
    offered_fps: float
    model: str
    format: str
    output: str
    grid: tuple[int, int]
    sent: int
    warm_up: int
    errors: dict[int, str]
    frames: list[FrameRecord] = field(default_factory=list)
    choices: list[ChoiceRecord] = field(default_factory=list)
    begin_s: float = 0.0  # of the schedule

    @property
    def dropped(self) -> int:
        return self.sent - len(self.frames) - len(self.errors)


def summarise(run: Run) -> dict[str, Any]:
    """The report as plain values."""
    latencies = [(f.received_s - f.scheduled_s) * 1e3 for f in run.frames]
    stages: dict[str, list[float]] = {}
    for frame in run.frames:
        for stage, ms in frame.timings_ms.items():
            stages.setdefault(stage, []).append(ms)
    span_s = run.frames[-1].received_s - run.frames[0].scheduled_s if run.frames else 0.0
    return {
        "schema": SCHEMA,
        "clip": run.clip,
        "clip_digest": run.clip_digest,
        "offered_fps": round(run.offered_fps, 2),
        "model": run.model,
        "format": run.format,
        "output": run.output,
        "grid": list(run.grid),
        "sent": run.sent,
        "delivered": len(run.frames),
        "dropped": run.dropped,
        "errors": len(run.errors),
        "error_codes": sorted(set(run.errors.values())),
        "warm_up_frames": run.warm_up,
        "fps": round(len(run.frames) / span_s, 2) if span_s else 0.0,
        "splats_per_frame": percentile([f.count for f in run.frames], 0.5) if run.frames else 0,
        "bytes_per_frame": _spread([float(f.message_bytes) for f in run.frames]),
        "capture_to_result_ms": _spread(latencies),
        "stages_ms": {stage: _spread(values) for stage, values in stages.items()},
        "choices": [{**asdict(choice), "at_s": round(choice.at_s - run.begin_s, 2)} for choice in run.choices],
        "machine": asdict(machine()),
        "commit": commit(),
    }


def values_of(report: dict[str, Any]) -> tuple[Any, ...]:
    """A report's values under COLUMNS."""
    latency = report["capture_to_result_ms"]
    return (
        report["model"], f"{report['format']} ({report['output']})", f"{report['grid'][1]}x{report['grid'][0]}",
        report["splats_per_frame"], report["sent"], report["delivered"], report["dropped"], report["errors"],
        report["fps"], round(report["bytes_per_frame"].get("p50", 0) / 1e3),
        latency.get("p50"), latency.get("p95"), latency.get("p99"), report["machine"]["name"], report["commit"],
    )  # fmt: skip


def markdown(report: dict[str, Any]) -> str:
    """A table of one row, and one of the stages below it."""
    stages = report["stages_ms"]
    lines = [row(COLUMNS), row(["---"] * len(COLUMNS)), row(values_of(report)), ""]
    lines += [row(["stage", *stages]), row(["---"] * (len(stages) + 1))]
    lines += [row([f"{p} ms", *(spread[p] for spread in stages.values())]) for p in ("p50", "p95", "p99")]
    return "\n".join([*lines, ""])


def with_origin(values: dict[str, Any]) -> dict[str, Any]:
    """And by which machine and commit they were measured."""
    return {**values, "machine": asdict(machine()), "commit": commit()}


def write_json(report: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def row(values: Any) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(str(v) for v in values) + " |"


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    spread = {f"p{round(share * 100)}": round(percentile(values, share), 2) for share in (0.5, 0.95, 0.99)}
    return {**spread, "max": round(max(values), 2)}


@dataclass(frozen=True)
class Machine:
    name: str
    cores: int
    python: str
    torch: str


def machine() -> Machine:
    try:
        torch_version = version("torch")
    except PackageNotFoundError:
        torch_version = "none"
    cores = available_cores()
    return Machine(f"{_processor()}, {cores} cores", cores, platform.python_version(), torch_version)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Short hash of the checkout this file lies in, with a plus where it has changes; `none` outside of one."""
    here = Path(__file__).parent
    try:
        out = [
            subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
            for command in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return out[0] + ("+" if out[1] else "")
