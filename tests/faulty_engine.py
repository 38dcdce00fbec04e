"""An engine's process that does what a frame's JPEG comment says: the real worker and host, with the synthetic model.

    engine = SupervisedEngine(settings, build=FaultyHosts(folder))
    await engine.process(job_of(with_fault(jpeg, "kill")))

`PaperHosts` has no model and no torch: its process is there at once and knows the faults of processes only.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatcam.engine import EngineFailed, EngineStatus, OnStatus
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult, SceneFacts
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings
from splatcam.telemetry import RestartCause
from tests.fakes import model, paper_fields

SLOW_S = 0.3
FOREVER_S = 3600.0
MARK = b"fault:"
PLAN = "next loads"  # a file: one fault a line, the next load does the first of them


def with_fault(jpeg: bytes, fault: str) -> bytes:
    """The picture with a comment that says so (T.81, B.2.4.5). Faults: FAULTS and MODEL_FAULTS."""
    assert fault in FAULTS or fault in MODEL_FAULTS, f"there is no fault {fault}"
    return with_comment(jpeg, MARK.decode() + fault)


def with_comment(jpeg: bytes, comment: str) -> bytes:
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def fault_of(jpeg: bytes) -> str | None:
    if jpeg[2:4] != b"\xff\xfe" or not jpeg[6:].startswith(MARK):
        return None
    return jpeg[6 + len(MARK) : 4 + int.from_bytes(jpeg[4:6], "big")].decode()


def plan_loads(folder: Path, *faults: str) -> None:
    """What the next loads do: `fail`, `hang`, `kill` or `load`."""
    (folder / PLAN).write_text("".join(f"{fault}\n" for fault in faults))


# ---------------------------------------------------------------- of the process


def _kill(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(folder: Path) -> None:
    os._exit(3)


def _hang(folder: Path) -> None:
    time.sleep(FOREVER_S)


def _stop(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _slow(folder: Path) -> None:
    time.sleep(SLOW_S)


def _bug(folder: Path) -> None:
    raise ZeroDivisionError("a bug")


def _fail_load(folder: Path) -> None:
    """It ends, and the next one does not load."""
    plan_loads(folder, "fail")
    os._exit(3)


FAULTS: dict[str, Callable[[Path], None]] = {
    "kill": _kill, "exit": _exit, "hang": _hang, "stop": _stop, "slow": _slow, "bug": _bug, "fail_load": _fail_load,
}  # fmt: skip


def next_planned_load(folder: Path) -> str:
    """Each load takes one."""
    plan = folder / PLAN
    faults = plan.read_text().splitlines() if plan.exists() else []
    if faults:
        plan_loads(folder, *faults[1:])
    return faults[0] if faults else "load"


def meet_load(fault: str, folder: Path) -> None:
    """Raises EngineFailed."""
    if fault == "fail":
        raise EngineFailed("the weights are broken")
    if fault != "load":
        FAULTS[fault](folder)


@dataclass(frozen=True)
class PaperHosts:
    """Builds hosts without a model, in the engine's process. `folder` outlives the processes."""

    folder: Path

    def __call__(self, settings: Settings, on_status: OnStatus) -> PaperHost:
        return PaperHost(self.folder, on_status)


class PaperHost:
    """Every frame becomes two splats of nothing."""

    def __init__(self, folder: Path, on_status: OnStatus) -> None:
        self.must_end: RestartCause | None = None
        self._folder = folder
        self._on_status = on_status
        self._kept: dict[str, int] = {}

    def load(self) -> None:
        fault = next_planned_load(self._folder)
        self._on_status(EngineStatus("loading", "loading paper"))
        meet_load(fault, self._folder)
        self._on_status(EngineStatus("ready", "paper", model=model("paper")))

    def process(self, job: FrameJob) -> FrameResult:
        fault = fault_of(job.jpeg)
        if fault in FAULTS:
            FAULTS[fault](self._folder)
        if fault == "sticky_cuda":
            self.must_end = "device"
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if fault == "out_of_memory":
            self.must_end = "memory"
            raise FrameRefused("out_of_memory", "the third time")
        if job.wants_scene:
            self._kept[job.stream_id] = job.frame_id
        fields = {variant: paper_fields(variant) for variant in job.variants}
        return FrameResult(fields, {"estimate": 1.0}, SceneFacts(2, 1.5) if job.wants_scene else None)

    def draw(self, job: PictureJob) -> Picture:
        if job.mode == "hang":
            time.sleep(FOREVER_S)
        if job.stream_id not in self._kept:
            raise NothingToShow
        return Picture(self._kept[job.stream_id], b"a picture")

    def forget(self, stream_id: str) -> None:
        self._kept.pop(stream_id, None)


# ---------------------------------------------------------------- of the model


@dataclass(frozen=True)
class FaultyHosts:
    """Builds real hosts in the engine's process, whose model is the synthetic one with faults."""

    folder: Path

    def __call__(self, settings: Settings, on_status: OnStatus) -> Any:
        from splatcam.engine.host import EngineHost

        folder = self.folder

        class FaultyHost(EngineHost):
            def load(self) -> None:
                meet_load(next_planned_load(folder), folder)
                super().load()
                self._estimator = self._model = FaultyModel(self._estimator)

            def process(self, job: FrameJob) -> FrameResult:
                self._model.fault = fault = fault_of(job.jpeg)
                if fault in FAULTS:
                    FAULTS[fault](folder)
                return super().process(job)

        return FaultyHost(settings, on_status)


class FaultyModel:
    """An estimator around another one."""

    def __init__(self, estimator: Any) -> None:
        self.info, self.holds = estimator.info, estimator.holds
        self.fault: str | None = None
        self._estimator = estimator

    def estimate(self, image: Any, *, wants_gaussians: bool, state: Any = None) -> tuple[Any, Any]:
        change = MODEL_FAULTS.get(self.fault or "")
        if self.fault == "out_of_memory_once":
            self.fault = None
        prediction, state = self._estimator.estimate(image, wants_gaussians=wants_gaussians, state=state)
        return (change(prediction) if change else prediction), state


def _out_of_memory(prediction: Any) -> Any:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def _sticky_cuda(prediction: Any) -> Any:
    import torch

    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def _nan(prediction: Any) -> Any:
    return _with_depth(prediction, prediction.depth * float("nan"))


def _some_nan(prediction: Any) -> Any:
    depth = prediction.depth.clone()
    depth[: depth.shape[0] // 4] = float("nan")
    return _with_depth(prediction, depth)


def _zero(prediction: Any) -> Any:
    """The same depth everywhere: no edge, no far and no near."""
    return _with_depth(prediction, prediction.depth * 0 + 1)


def _with_depth(prediction: Any, depth: Any) -> Any:
    from dataclasses import replace

    return replace(prediction, depth=depth)


MODEL_FAULTS: dict[str, Callable[[Any], Any]] = {
    "out_of_memory": _out_of_memory, "out_of_memory_once": _out_of_memory, "sticky_cuda": _sticky_cuda,
    "nan": _nan, "some_nan": _some_nan, "zero": _zero,
}  # fmt: skip
