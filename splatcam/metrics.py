"""What /metrics tells: names, words and labels of every metric, and how Prometheus wants them. Counts nothing itself.

docs/metrics.md is written from METRICS. Values are read from `telemetry.Telemetry` when somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from splatcam import __version__, wire
from splatcam.engine import EngineState, EngineStatus
from splatcam.telemetry import (
    CLOSE_LABELS,
    Direction,
    FrameOutcome,
    Histogram,
    RecordingOutcome,
    RefusalReason,
    RestartCause,
    ResultOutcome,
    SessionKind,
    Stage,
    Telemetry,
)

SECONDS_PER_MS = 1e-3
BUILD = "splatcam_build"


@dataclass(frozen=True)
class Service:
    """What is read."""

    telemetry: Telemetry
    engine: Callable[[], EngineStatus]


@dataclass(frozen=True)
class Number:
    """Goes up only, or up and down. Every label is there from the start, at 0."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    read: Callable[[Service], Mapping[str, float]]
    label: str = ""
    values: tuple[str, ...] = ("",)

    def family(self, service: Service) -> Metric:
        family_of = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family, found = family_of(self.name, self.help, labels=[self.label] if self.label else []), self.read(service)
        for value in self.values:
            family.add_metric([value] if self.label else [], found.get(value, 0))
        return family


@dataclass(frozen=True)
class Distribution:
    """How many values lay up to each bound. `unit`: what one unit of ours is in Prometheus's."""

    name: str
    help: str
    read: Callable[[Service], Mapping[str, Histogram]]
    unit: float = 1.0
    label: str = ""
    kind: Literal["histogram"] = "histogram"
    values: tuple[str, ...] = ("",)

    def family(self, service: Service) -> Metric:
        family = HistogramMetricFamily(self.name, self.help, labels=[self.label] if self.label else [])
        for value, histogram in self.read(service).items():
            bounds = [str(bound * self.unit) for bound in histogram.bounds] + ["+Inf"]
            buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
            family.add_metric([value] if self.label else [], buckets, histogram.sum * self.unit)
        return family


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # asked for from outside of any loop
        return 0


METRICS: tuple[Number | Distribution, ...] = (
    Number(
        "splatcam_frames_received_total",
        "counter",
        "Frames that cameras sent.",
        lambda s: {"": s.telemetry.frames_received},
    ),
    Number(
        "splatcam_frames_total",
        "counter",
        "What became of them. Received = the sum of these + in flight.",
        lambda s: s.telemetry.frames,
        "outcome",
        get_args(FrameOutcome),
    ),
    Number(
        "splatcam_frames_in_flight",
        "gauge",
        "Frames that wait for the engine or are in it.",
        lambda s: {"": s.telemetry.frames_in_flight},
    ),
    Number(
        "splatcam_results_total",
        "counter",
        "Results on their way to viewers; replaced: a newer one came before the link had room.",
        lambda s: s.telemetry.results,
        "outcome",
        get_args(ResultOutcome),
    ),
    Distribution(
        "splatcam_stage_seconds",
        "Where a frame's time went; shown: capture to screen, as clients tell it.",
        lambda s: s.telemetry.stages_ms,
        SECONDS_PER_MS,
        "stage",
        values=get_args(Stage),
    ),
    Distribution(
        "splatcam_gaussians",
        "Gaussians, or points, of an encoded result.",
        lambda s: {"": s.telemetry.gaussians},
    ),
    Number(
        "splatcam_nonfinite_total",
        "counter",
        "Pixels that were dropped because what the model said of them was no number.",
        lambda s: {"": s.telemetry.nonfinite},
    ),
    Number(
        "splatcam_tasks",
        "gauge",
        "Tasks of the event loop: a few of the service, and a few for each session.",
        lambda s: {"": _tasks()},
    ),
    Number(
        "splatcam_sessions",
        "gauge",
        "Websockets open now: /ws, and the viewer's pictures.",
        lambda s: s.telemetry.sessions,
        "kind",
        get_args(SessionKind),
    ),
    Number(
        "splatcam_connections_refused_total",
        "counter",
        "Requests that were turned away before they became a session.",
        lambda s: s.telemetry.connections_refused,
        "reason",
        get_args(RefusalReason),
    ),
    Number(
        "splatcam_websocket_closed_total",
        "counter",
        "Websockets that ended, by close code; docs/protocol.md says what each means.",
        lambda s: s.telemetry.sockets_closed,
        "code",
        CLOSE_LABELS,
    ),
    Number(
        "splatcam_bytes_total",
        "counter",
        "Bytes of websocket messages, without their framing.",
        lambda s: s.telemetry.bytes,
        "direction",
        get_args(Direction),
    ),
    Number(
        "splatcam_recordings_running",
        "gauge",
        "Cameras that are being recorded.",
        lambda s: {"": s.telemetry.recordings_running},
    ),
    Number(
        "splatcam_recordings_total",
        "counter",
        "Recordings that are over, or never began.",
        lambda s: s.telemetry.recordings,
        "outcome",
        get_args(RecordingOutcome),
    ),
    Number(
        "splatcam_recorded_steps_total",
        "counter",
        "Frames with their results that were written to recordings.",
        lambda s: {"": s.telemetry.recorded_steps},
    ),
    Number(
        "splatcam_recorded_bytes_total",
        "counter",
        "Bytes of recordings that were written.",
        lambda s: {"": s.telemetry.recorded_bytes},
    ),
    Number(
        "splatcam_recording_lost_total",
        "counter",
        "Frames that were lost to a recording because the disk was behind, or full.",
        lambda s: {"": s.telemetry.recorded_lost},
    ),
    Number(
        "splatcam_engine_restarts_total",
        "counter",
        "Restarts of the model's process.",
        lambda s: s.telemetry.engine_restarts,
        "cause",
        get_args(RestartCause),
    ),
    Number(
        "splatcam_engine_state",
        "gauge",
        "1 for the state that the engine is in, 0 for the others.",
        lambda s: {s.engine().state: 1},
        "state",
        get_args(EngineState),
    ),
    Distribution(
        "splatcam_event_loop_lag_seconds",
        "How much too late the server's loop woke a sleeper, asked twenty times a second.",
        lambda s: {"": s.telemetry.loop_lag_ms},
        SECONDS_PER_MS,
    ),
)


class ServiceCollector(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        yield from (metric.family(self._service) for metric in METRICS)
        versions = {"version": __version__, "protocol": str(wire.PROTOCOL_VERSION)}
        yield InfoMetricFamily(BUILD, "What is running.", value=versions)


def registry_of(service: Service) -> CollectorRegistry:
    """One of its own for each service, with the process's memory, descriptors and processor time."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(service))
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, accepted: str) -> tuple[bytes, str]:
    """The text and its content type, as an `Accept` header wishes."""
    try:
        encode, content_type = choose_encoder(accepted)
    except TypeError:  # a version that is no number
        encode, content_type = choose_encoder("")
    return encode(registry), content_type


def describe() -> str:
    """The Markdown table of docs/metrics.md."""
    rows = ["| metric | type | by | what |", "|---|---|---|---|"]
    for metric in METRICS:
        label = f"`{metric.label}`: {', '.join(metric.values)}" if metric.label else ""
        rows.append(f"| `{metric.name}` | {metric.kind} | {label} | {metric.help} |")
    rows.append(f"| `{BUILD}_info` | gauge | `version`, `protocol` | What is running; always 1. |")
    return "\n".join(rows) + "\n"
