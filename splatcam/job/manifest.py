"""What a job has made: a JSON file beside it. Values and their file; what is to be done is `runner.py`'s business."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from splatcam import __version__
from splatcam.atomic import published

NAME = "manifest.json"
VERSION = 1
State = Literal["done", "failed"]


@dataclass(frozen=True)
class Artifact:
    """A file that the job has made."""

    name: str
    data_type: str  # what consumers know it by: splat_data, splat_preview_video, ...
    bytes: int
    sha256: str
    step: str


@dataclass(frozen=True)
class StepRecord:
    """How a step went. `fingerprint` names what went in: the contents of its files, and its options."""

    name: str
    state: State
    fingerprint: str
    seconds: float
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # what later steps want to know of it


@dataclass
class Manifest:
    """Steps and artefacts by name, and which content of them is where else."""

    steps: dict[str, StepRecord] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    published: dict[str, dict[str, str]] = field(default_factory=dict)  # store → artefact → sha256

    def record(self, step: StepRecord, artifacts: list[Artifact]) -> None:
        """In place of what is known of the step."""
        self.forget(step.name)
        self.steps[step.name] = step
        self.artifacts |= {artifact.name: artifact for artifact in artifacts}

    def forget(self, step: str) -> None:
        self.steps.pop(step, None)
        self.artifacts = {name: artifact for name, artifact in self.artifacts.items() if artifact.step != step}

    def facts(self) -> dict[str, Any]:
        """Of all steps together."""
        return {name: value for step in self.steps.values() for name, value in step.facts.items()}

    def to_json(self) -> str:
        value = {
            "version": VERSION,
            "made_by": f"splatcam {__version__}",
            "artifacts": [asdict(artifact) for artifact in self.artifacts.values()],
            "steps": [asdict(step) for step in self.steps.values()],
            "published": self.published,
        }
        return json.dumps(value, indent=2) + "\n"


def load(folder: Path) -> Manifest:
    """An empty one where there is none that we can read: then everything is done again."""
    try:
        value = json.loads((folder / NAME).read_bytes())
        if value["version"] != VERSION:
            return Manifest()
        return Manifest(
            steps={step["name"]: StepRecord(**step) for step in value["steps"]},
            artifacts={artifact["name"]: Artifact(**artifact) for artifact in value["artifacts"]},
            published={store: dict(there) for store, there in value["published"].items()},
        )
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return Manifest()


def save(manifest: Manifest, folder: Path) -> None:
    """Raises OSError."""
    with published(folder / NAME) as beside:
        beside.write_text(manifest.to_json(), encoding="utf-8")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
