"""Steps → files, one after the other. What was done from the same files with the same options is not done again.

Knows no Gaussians: a step is a name, what goes in, what comes out, and a function. Whatever happens, the manifest on
disk tells what is there: it is written after every step.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from splatcam.job import manifest as manifests
from splatcam.job.manifest import Artifact, Manifest, StepRecord

Report = Callable[[dict[str, Any]], None]  # one event, ready to be written as a line of JSON
Facts = dict[str, Any]


@dataclass(frozen=True)
class Output:
    """A file that a step makes, in the job's folder."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Step:
    """`make` writes all outputs whole, or raises; it gets the facts of the steps before, and a reporter of progress."""

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Output, ...]
    options: Mapping[str, Any]  # what else changes the outputs; plain values
    make: Callable[[Facts, Callable[[float], None]], Facts]
    failures: tuple[type[Exception], ...] = ()  # what is expected to go wrong
    on_failure: Literal["end", "go on"] = "end"  # go on: it is recorded, and nothing after needs the outputs


class JobFailed(RuntimeError):
    """The job cannot be finished; the message is one sentence."""


def run(steps: Sequence[Step], folder: Path, report: Report) -> Manifest:
    """Raises JobFailed; the manifest has the step that failed then. Raises OSError where it cannot be written."""
    known = manifests.load(folder)
    _forget_others(known, steps)
    for step in steps:
        fingerprint = _fingerprint(step)
        if _is_done(step, fingerprint, known, folder):
            report({"event": "step_skipped", "step": step.name})
        else:
            _run(step, fingerprint, known, folder, report)
    return known


def _forget_others(known: Manifest, steps: Sequence[Step]) -> None:
    """A manifest by another version may have steps that are no more."""
    names = {step.name for step in steps}
    known.steps = {name: step for name, step in known.steps.items() if name in names}
    known.artifacts = {name: artifact for name, artifact in known.artifacts.items() if artifact.step in names}


def _fingerprint(step: Step) -> str:
    inputs = [(path.name, manifests.sha256_of(path)) for path in step.inputs]
    text = json.dumps([step.name, inputs, dict(step.options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_done(step: Step, fingerprint: str, known: Manifest, folder: Path) -> bool:
    """With the same inputs, and every output still as it was."""
    record = known.steps.get(step.name)
    if record is None or record.state != "done" or record.fingerprint != fingerprint:
        return False
    return all(_is_intact(output.name, known, folder) for output in step.outputs)


def _is_intact(name: str, known: Manifest, folder: Path) -> bool:
    artifact, path = known.artifacts.get(name), folder / name
    return artifact is not None and path.is_file() and manifests.sha256_of(path) == artifact.sha256


def _run(step: Step, fingerprint: str, known: Manifest, folder: Path, report: Report) -> None:
    """What an earlier run left goes first, and after a failure what this one left: nothing is taken for another's."""
    known.forget(step.name)
    manifests.save(known, folder)
    _remove_outputs(step, folder)
    report({"event": "step_started", "step": step.name})
    begin = time.monotonic()
    error, facts = None, {}
    try:
        facts = step.make(known.facts(), lambda share: report(_progress(step.name, share)))
    except step.failures as failure:
        error = str(failure)
    except OSError as failure:
        error = f"{failure.filename or step.name}: {failure.strerror or failure}"
    except BaseException:
        _remove_outputs(step, folder)
        raise
    seconds = round(time.monotonic() - begin, 3)
    if error is not None:
        _remove_outputs(step, folder)
    record = StepRecord(step.name, "done" if error is None else "failed", fingerprint, seconds, error, facts)
    known.record(record, [] if error else [_artifact(step.name, output, folder) for output in step.outputs])
    manifests.save(known, folder)
    _tell(step, record, report)


def _tell(step: Step, record: StepRecord, report: Report) -> None:
    if record.error is None:
        names = [output.name for output in step.outputs]
        report({"event": "step_done", "step": step.name, "seconds": record.seconds, "artifacts": names})
        return
    report({"event": "step_failed", "step": step.name, "error": record.error})
    if step.on_failure == "end":
        raise JobFailed(f"{step.name}: {record.error}")


def _progress(name: str, share: float) -> dict[str, Any]:
    return {"event": "step_progress", "step": name, "progress": round(share, 3)}


def _remove_outputs(step: Step, folder: Path) -> None:
    for output in step.outputs:
        (folder / output.name).unlink(missing_ok=True)


def _artifact(step: str, output: Output, folder: Path) -> Artifact:
    path = folder / output.name
    return Artifact(output.name, output.data_type, path.stat().st_size, manifests.sha256_of(path), step)
