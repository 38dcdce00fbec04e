"""Milliseconds by stage: by events of the device on CUDA, so that nothing waits for it; else by the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from splatcam.telemetry import percentile


class StageClock:
    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: dict[str, list[Any]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Of one frame."""
        begin = self._now()
        yield
        self._spans.setdefault(name, []).append((begin, self._now()))

    def p50_ms(self) -> dict[str, float]:
        """Waits for the device."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return {name: percentile([_ms(*span) for span in spans], 0.5) for name, spans in self._spans.items()}

    def _now(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def _ms(begin: Any, end: Any) -> float:
    return (end - begin) * 1e3 if isinstance(begin, float) else begin.elapsed_time(end)
