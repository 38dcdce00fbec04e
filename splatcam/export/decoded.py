"""The scene of a step, decoded: a timeline's nodes → Gaussians and points, where the page draws them. No files here.

What a file holds is judged here: nodes of any program come out as a scene of sound numbers, or as ExportFailed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsply_helpers import dc_from_rgb, gaussians_from_ply_bytes
from splatcam.codecs import Points, compact
from splatcam.codecs.packed16 import BYTES_PER_SPLAT, unpack_words
from splatcam.frames import decode_frame
from splatcam.gaussians import TENSORS, Gaussians
from splatcam.pipeline import resized_picture
from splatcam.prune import PruneOptions, prune
from splatcam.rendering.camera import pose_matrix
from splatcam.timeline import RecordedTimeline, payload
from splatcam.timeline.nodes import COLOR_BYTES, POSITION_BYTES, Picture, Result, Scene
from splatcam.timeline.nodes import Points as PointsNode
from splatcam.timeline.nodes import Splats as SplatsNode
from splatcam.timeline.recording import CAMERA
from splatcam.transform import place
from splatcam.wire import Format

MAX_PICTURE_PIXELS = 8192 * 8192
POINT_SIGMA, LEAST_DISTANCE = 1.5e-3, 1e-6  # of a point, in units of its distance from the origin
CAMERA_FIELDS = {"grid": 2, "intrinsics": 4, "pose": 7}  # how many numbers
KEEP_ALL = PruneOptions(min_opacity=0.0, border_fraction=0.0)  # but for what is not finite

Fields = Mapping[str, Any]
Array = np.ndarray[Any, Any]


class ExportFailed(ValueError):
    """The recording cannot be exported; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class DecodedScene:
    """In the axes of the stream's world, OpenCV. Either is None where the step has none."""

    splats: Gaussians | None
    points: Points | None
    camera: Fields  # `grid`, `intrinsics` and `pose` of the camera's result, as far as it tells them

    @property
    def everything(self) -> Gaussians:
        """Points as small round Gaussians among the others."""
        parts = [] if self.splats is None else [self.splats]
        parts += [] if self.points is None else [_round(self.points)]
        return joined(parts) or nothing()

    def seen_from_camera(self) -> Gaussians:
        """Everything in the axes of the camera that recorded it."""
        pose = self.camera.get("pose")
        if pose is None:
            return self.everything
        return place(self.everything, torch.from_numpy(np.linalg.inv(pose_matrix(pose))))


def decoded_step(recorded: RecordedTimeline, step: int) -> DecodedScene:
    """Raises ExportFailed, which names the step; BlockFileError, OSError."""
    scene = recorded.scene_at(step)
    try:
        return decoded_scene(scene)
    except ExportFailed as error:
        raise ExportFailed(f"step {step} cannot be decoded: {error}") from error


def decoded_scene(scene: Scene) -> DecodedScene:
    """Raises ExportFailed."""
    try:
        return _decoded(scene)
    except ValueError as error:  # of each of the decoders
        raise ExportFailed(str(error)) from error


def _decoded(scene: Scene) -> DecodedScene:
    found: list[Gaussians | Points] = []
    camera: Fields = {}
    for node in scene.values():
        match node:
            case SplatsNode():
                found.append(_packed(node.__dict__))
            case PointsNode():
                found.append(_cloud(node.__dict__))
            case Result():
                fields = _fields(node)
                camera = _camera(fields)
                found.append(_placed(_DECODERS[node.format](fields, scene), camera.get("pose")))
    splats = joined([each for each in found if isinstance(each, Gaussians)])
    points = _joined_points([each for each in found if isinstance(each, Points)])
    return DecodedScene(splats, points, camera)


def _camera(fields: Fields) -> Fields:
    """Its grid, its intrinsics and its pose, as far as they are told."""
    told = {name: fields[name] for name in CAMERA_FIELDS if fields.get(name) is not None}
    for name, numbers in told.items():
        is_list = isinstance(numbers, list) and len(numbers) == CAMERA_FIELDS[name]
        _demand(is_list and all(type(number) in (int, float) for number in numbers), f"its {name} is none")
    return told


def _fields(node: Result) -> Fields:
    fields = payload.unpack(node.message)
    _demand(fields.get("type") == node.format, f"a result of {node.format} says that it is something else")
    return fields


# ---------------------------------------------------------------- formats of results


def _compact(fields: Fields, scene: Scene) -> Gaussians:
    if fields.get("num_splats") == 0:  # there is no picture then
        return nothing()
    decoded = compact.decode(fields, _colors(fields, scene))
    return prune(replace(decoded, grid=None, pixel_index=None), None, KEEP_ALL)[0]


def _colors(fields: Fields, scene: Scene) -> Array:
    """[rows, columns, 3] uint8 of the window. compact.decode judges whether they fit."""
    rgb = decode_frame(_picture(fields, scene), max_pixels=MAX_PICTURE_PIXELS).rgb
    return rgb if fields.get("shape") is not None else _on_window(rgb, fields)


def _picture(fields: Fields, scene: Scene) -> bytes:
    """Its own, or the camera's."""
    if fields.get("color") is not None:
        return _bytes_in(fields, "color")
    camera = scene.get(CAMERA)
    if not isinstance(camera, Picture):
        raise ExportFailed("the picture with its colours is not there")
    return camera.jpeg


def _on_window(rgb: Array, fields: Fields) -> Array:
    """Of a picture of the whole grid, in any size."""
    height, width = _counts_in(fields, "grid", 2)
    row0, column0, rows, columns = _counts_in(fields, "window", 4)
    stride = _count_in(fields, "stride")
    _demand(height * width <= compact.MAX_PIXELS and min(height, width, stride) > 0, "its grid is none")
    grid = resized_picture(torch.from_numpy(rgb), height, width).numpy()
    return np.ascontiguousarray(grid[row0::stride, column0::stride][:rows, :columns])


def _packed(fields: Fields) -> Gaussians:
    count, data = _count_in(fields, "num_splats"), _bytes_in(fields, "data")
    _demand(count * BYTES_PER_SPLAT <= len(data), "its splats do not have the size that it tells")
    return prune(unpack_words(data[: count * BYTES_PER_SPLAT], count), None, KEEP_ALL)[0]


def _file(fields: Fields) -> Gaussians:
    data = _bytes_in(fields, "ply_data")
    return gaussians_from_ply_bytes(data) if data else nothing()


def _cloud(fields: Fields) -> Points:
    count, xyz, rgb = _count_in(fields, "num_points"), _bytes_in(fields, "points"), _bytes_in(fields, "colors")
    _demand((len(xyz), len(rgb)) == (count * POSITION_BYTES, count * COLOR_BYTES), "its points do not have their size")
    positions = torch.from_numpy(np.frombuffer(xyz, "<f4").reshape(-1, 3).copy())
    colors = torch.from_numpy(np.frombuffer(rgb, np.uint8).reshape(-1, 3).copy())
    kept = positions.isfinite().all(dim=1)
    return Points(positions[kept], colors[kept])


_DECODERS: dict[Format, Callable[[Fields, Scene], Gaussians | Points]] = {
    Format.COMPACT: _compact,
    Format.SPLATS16: lambda fields, scene: _packed(fields),
    Format.GAUSSIAN_PLY: lambda fields, scene: _file(fields),
    Format.POINTCLOUD: lambda fields, scene: _cloud(fields),
}

# ---------------------------------------------------------------- putting together


def _placed(found: Gaussians | Points, pose: Any) -> Gaussians | Points:
    """Where its camera was in the stream's world."""
    if pose is None:
        return found
    world = torch.from_numpy(pose_matrix(pose))
    if isinstance(found, Gaussians):
        return place(found, world)
    matrix = world.to(torch.float32)
    return Points(found.positions @ matrix[:3, :3].T + matrix[:3, 3], found.colors)


def joined(parts: list[Gaussians]) -> Gaussians | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    harmonics = max(part.sh.shape[1] for part in parts)
    padded = [replace(part, sh=_with_bands(part.sh, harmonics), grid=None, pixel_index=None) for part in parts]
    together: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in padded]) for name in TENSORS}
    return Gaussians(**together)


def _with_bands(sh: Tensor, count: int) -> Tensor:
    return torch.cat((sh, sh.new_zeros(len(sh), count - sh.shape[1], 3)), dim=1)


def _joined_points(parts: list[Points]) -> Points | None:
    if not parts:
        return None
    return Points(torch.cat([part.positions for part in parts]), torch.cat([part.colors for part in parts]))


def _round(points: Points) -> Gaussians:
    """As large as a pixel or two for a camera at the origin."""
    count = points.count
    sigma = points.positions.norm(dim=1).clamp(min=LEAST_DISTANCE).mul(POINT_SIGMA)
    return Gaussians(
        means=points.positions,
        scales=sigma[:, None].expand(count, 3).contiguous(),
        rotations=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1),
        opacities=torch.ones(count),
        sh=dc_from_rgb(points.colors.to(torch.float32).div(255))[:, None],
    )


def nothing() -> Gaussians:
    """Not one Gaussian."""
    return Gaussians(
        torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 4), opacities=torch.zeros(0), sh=torch.zeros(0, 1, 3)
    )


def _bytes_in(fields: Fields, name: str) -> bytes:
    value = fields.get(name)
    if not isinstance(value, bytes):
        raise ExportFailed(f"{name} is not bytes")
    return value


def _count_in(fields: Fields, name: str) -> int:
    return _count(fields.get(name), name)


def _counts_in(fields: Fields, name: str, length: int) -> list[int]:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) != length:
        raise ExportFailed(f"{name} is no list of {length}")
    return [_count(value, name) for value in values]


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ExportFailed(f"{name} is no count")
    return value


def _demand(condition: bool, what: str) -> None:
    if not condition:
        raise ExportFailed(what)
