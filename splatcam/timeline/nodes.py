"""What a timeline holds: named nodes, scenes of them, and blocks of steps. Values and their maps; no file, no clock.

A scene at a step is a fold: what the steps up to it wrote, the last write of each name. A block carries what its
steps wrote and the scene before them (its checkpoint), so that any of its steps is shown from that block alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from splatcam.timeline.payload import MAX_LENGTH, Map
from splatcam.wire import JPEG_MAGIC, Format, FrameId

SPLAT_BYTES, ROW_SPLATS = 16, 2048  # of Spark's words: the last row is padded
POSITION_BYTES, COLOR_BYTES = 12, 3  # of a point
MAX_NAME = 200
MAX_NAMES = MAX_LENGTH  # of a timeline: any scene fits into a block


class TimelineError(ValueError):
    """What cannot be done with a timeline: a step outside it, a name that is taken, arrays that do not fit."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Splats(_Part):
    """Gaussians as Spark's words, those of wire.Splats16."""

    kind: Literal["splats16"] = "splats16"
    num_splats: int = Field(ge=0)
    data: bytes

    @model_validator(mode="after")
    def _fits(self) -> Splats:
        if len(self.data) != -(-self.num_splats // ROW_SPLATS) * ROW_SPLATS * SPLAT_BYTES:
            raise ValueError("data does not have the size of its splats")
        return self


class Points(_Part):
    """A point cloud, as in wire.PointCloud."""

    kind: Literal["pointcloud"] = "pointcloud"
    num_points: int = Field(ge=0)
    points: bytes
    colors: bytes

    @model_validator(mode="after")
    def _fits(self) -> Points:
        if len(self.points) != POSITION_BYTES * self.num_points or len(self.colors) != COLOR_BYTES * self.num_points:
            raise ValueError("points or colors do not have the size of the points")
        return self


class Picture(_Part):
    kind: Literal["picture"] = "picture"
    jpeg: bytes

    @model_validator(mode="after")
    def _is_jpeg(self) -> Picture:
        if not self.jpeg.startswith(JPEG_MAGIC):
            raise ValueError("jpeg does not begin like a JPEG")
        return self


class Result(_Part):
    """A result message of the live stream, byte for byte: who plays it reads it as a client reads a live one."""

    kind: Literal["result"] = "result"
    format: Annotated[Format, Field(strict=False)]
    message: bytes


Node = Annotated[Splats | Points | Picture | Result, Field(discriminator="kind")]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Scene = dict[str, Any]  # name → Node
Changes = Mapping[str, Any]  # name → Node; None: it is not there from this step on


class StepFacts(_Part):
    """What is known of the camera's frame behind a step."""

    frame_id: FrameId
    captured_at_ms: float
    received_at_ms: float
    lost_before: int = Field(0, ge=0)  # frames since the step before that could not be recorded


class _Step(_Part):
    nodes: dict[Name, Node | None]
    facts: StepFacts | None = None


class _Block(_Part):
    checkpoint: dict[Name, Node] = Field(default_factory=dict)
    steps: list[_Step]


_nodes: TypeAdapter[Any] = TypeAdapter(Node)
_scene: TypeAdapter[Scene] = TypeAdapter(dict[Name, Node])


@dataclass(frozen=True)
class Step:
    """What one step wrote."""

    changes: Changes
    facts: StepFacts | None = None


@dataclass(frozen=True)
class Block:
    first_step: int
    steps: tuple[Step, ...]
    checkpoint: Scene = field(default_factory=dict)  # without the names that its first step writes anyway

    @property
    def span(self) -> range:
        return range(self.first_step, self.first_step + len(self.steps))

    def scene_at(self, step: int) -> Scene:
        scene = dict(self.checkpoint)
        for written in self.steps[: step - self.first_step + 1]:
            apply(scene, written.changes)
        return scene

    def to_map(self) -> Map:
        return {"checkpoint": scene_to_map(self.checkpoint), "steps": [_step_to_map(step) for step in self.steps]}

    @classmethod
    def from_map(cls, fields: Map, steps: range) -> Block:
        """Raises ValueError for a map that is no block of these steps."""
        block = _valid(_Block, fields)
        if len(block.steps) != len(steps):
            raise ValueError(f"it has {len(block.steps)} steps, its header says {len(steps)}")
        return cls(steps.start, tuple(Step(step.nodes, step.facts) for step in block.steps), block.checkpoint)


def apply(scene: Scene, changes: Changes) -> None:
    """One step of the fold, in place."""
    for name, node in changes.items():
        if node is None:
            scene.pop(name, None)
        else:
            scene[name] = node


def node_to_map(node: Any) -> Map:
    """The fields of a node, or of facts. None fields are left out."""
    return {name: str(v) if isinstance(v, Format) else v for name, v in node.__dict__.items() if v is not None}


def node_from_map(fields: Map) -> Any:
    """Raises ValueError."""
    return _nodes.validate_python(fields)


def scene_to_map(scene: Scene) -> Map:
    return {name: node_to_map(node) for name, node in scene.items()}


def scene_from_map(fields: Map) -> Scene:
    """Raises ValueError."""
    try:
        return _scene.validate_python(fields)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def _step_to_map(step: Step) -> Map:
    nodes = {name: node_to_map(node) if node is not None else None for name, node in step.changes.items()}
    return {"nodes": nodes, **({"facts": node_to_map(step.facts)} if step.facts else {})}


def _valid(model: type[_Block], fields: Map) -> _Block:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
