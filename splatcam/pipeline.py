"""process_frame(): one JPEG → the result fields of every variant that somebody watches.

The live server, the benchmark and the tests all call this one function. Pure: no socket, no clock but the stage
timings, and the estimator's memory travels as an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from splatcam.codecs import Fields, Points, encoder_of
from splatcam.estimators import Estimator, Prediction
from splatcam.finite import NotFinite, only_finite
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult, SceneFacts
from splatcam.frames import BadFrame, Frame, decode_frame, encode_picture, is_picture_only
from splatcam.gaussians import Gaussians
from splatcam.network_splats import NetworkSplats, network_gaussians, network_splats
from splatcam.pixel_splats import PixelSurface, pixel_points, pixel_splats, pixel_surface
from splatcam.prune import PruneOptions, depth_limits, prune
from splatcam.steady import SteadyOptions, SteadyState, steady
from splatcam.telemetry import FrameTimings
from splatcam.transform import place, quaternion
from splatcam.variants import Variant
from splatcam.wire import Bounds, ErrorCode, Format

GRID_MULTIPLE_PX = 14  # the patch size of Depth Anything 3
BORDER_FRACTION = PruneOptions.border_fraction
SAMPLES = 4096  # of a scene's depths
Scene = Gaussians | Points | PixelSurface | NetworkSplats


@dataclass(frozen=True)
class StreamState:
    """What is remembered from frame to frame of one stream."""

    estimator: Any = None  # its own affair
    steady: SteadyState | None = None


def process_frame(
    job: FrameJob,
    estimator: Estimator,
    state: StreamState | None = None,
    *,
    steadying: SteadyOptions | None = None,
    long_side_px: int = 504,
    max_frame_pixels: int = 1920 * 1088,
) -> tuple[FrameResult, StreamState]:
    """Decode, estimate once, hold it still unless `steadying` is None, encode once per variant. Returns the result
    and the stream's next state.

    Raises FrameRefused for a frame that cannot be decoded, or that the model has no numbers for; the state the caller
    holds stays good.
    """
    state = state or StreamState()
    timings = FrameTimings()
    with timings.stage("decode"):
        frame = _decode(job, max_frame_pixels)
        image = to_grid(frame, long_side_px)
    kept_as = scene_variant(estimator.info.supports_gaussians) if job.wants_scene else None
    wants_gaussians = any(variant.output == "network" for variant in (*job.variants, *([kept_as] if kept_as else [])))
    with timings.stage("estimate"):
        prediction, memory = estimator.estimate(image, wants_gaussians=wants_gaussians, state=state.estimator)
        prediction, missing = _only_finite(prediction)
    held = None
    if steadying is not None:
        with timings.stage("steady"):
            prediction, held, _ = steady(prediction, state.steady, steadying)
    encoder = _FrameEncoder(job.jpeg, prediction, estimator.info.name, timings)
    fields = {variant: encoder.fields_of(variant) for variant in job.variants}
    scene = encoder.gaussians_of(kept_as) if kept_as else None
    facts = facts_of(scene, pose_of(prediction)) if scene is not None else None
    if scene is not None and prediction.world_from_camera is not None:
        scene = place(scene, prediction.world_from_camera)
    return FrameResult(fields, timings.ms, facts, scene, missing), StreamState(memory, held)


def _decode(job: FrameJob, max_frame_pixels: int) -> Frame:
    try:
        return decode_frame(
            job.jpeg, frame_id=job.frame_id, captured_at_ms=job.captured_at_ms, max_pixels=max_frame_pixels
        )
    except BadFrame as error:
        raise FrameRefused(error.code, str(error)) from error


def _only_finite(prediction: Prediction) -> tuple[Prediction, int]:
    try:
        return only_finite(prediction)
    except NotFinite as error:
        raise FrameRefused(ErrorCode.NOT_FINITE, str(error)) from error


def grid_size(width_px: int, height_px: int, long_side_px: int) -> tuple[int, int]:
    """(height, width) of the model's grid: the aspect kept, each side the nearest multiple of 14, at least one."""
    scale = long_side_px / max(width_px, height_px)
    width, height = (
        max(1, round(side * scale / GRID_MULTIPLE_PX)) * GRID_MULTIPLE_PX for side in (width_px, height_px)
    )
    return height, width


def to_grid(frame: Frame, long_side_px: int) -> Tensor:
    """The frame on the model's grid, [H, W, 3] uint8 on the CPU; untouched where it has that size already."""
    height, width = grid_size(frame.width, frame.height, long_side_px)
    return resized_picture(torch.from_numpy(frame.rgb), height, width)


def resized_picture(image: Tensor, height: int, width: int) -> Tensor:
    """[H, W, 3] uint8 → the same picture in [height, width, 3], itself where it has that size."""
    if image.shape[:2] == (height, width):
        return image
    planes = image.permute(2, 0, 1)[None]  # channels-last in memory: torch's fast path for uint8
    resized = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous()


class _FrameEncoder:
    """One prediction → the fields of each variant. What variants have in common is made once."""

    def __init__(self, jpeg: bytes, prediction: Prediction, model: str, timings: FrameTimings) -> None:
        self._jpeg = jpeg
        self._prediction = prediction
        self._model = model
        self._timings = timings
        self._scenes: dict[tuple[Any, ...], Scene] = {}
        self._encoded: dict[Variant, Fields] = {}
        self._colors: dict[int, bytes] = {}  # by stride

    def fields_of(self, variant: Variant) -> Fields:
        key = variant.encoding
        if key not in self._encoded:
            self._encoded[key] = self._encode(variant)
        fields = dict(self._encoded[key])
        is_surface = variant.format is Format.COMPACT and variant.output == "pixel"
        if is_surface and (variant.color == "sent" or self._prediction.image_of == "scene"):
            fields["color"] = self._color(variant.stride)
        return fields

    def _encode(self, variant: Variant) -> Fields:
        scene = self._scene_of(variant)
        k = self._prediction.intrinsics
        with self._timings.stage("encode"):
            return {
                **encoder_of(variant.format)(scene, variant),
                "bounds": bounds_of(*_axes(scene)),
                "intrinsics": (float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])),
                "grid": tuple(self._prediction.depth.shape),
                "model": self._model,
                "pose": pose_of(self._prediction),
            }

    def gaussians_of(self, variant: Variant) -> Gaussians:
        """Of a variant that is made of Gaussians."""
        scene = self._scene_of(variant)
        assert isinstance(scene, Gaussians)
        return scene

    def _scene_of(self, variant: Variant) -> Scene:
        key = _scene_key(variant)
        if key not in self._scenes:
            self._scenes[key] = _build_scene(self._prediction, variant, self._timings)
        return self._scenes[key]

    def _color(self, stride: int) -> bytes:
        """The camera's own JPEG where it can be handed on; else the prediction's image, one pixel for each splat."""
        if stride not in self._colors:
            can_relay = self._prediction.image_of == "camera" and is_picture_only(self._jpeg)
            self._colors[stride] = self._jpeg if can_relay and stride == 1 else self._picture(stride)
        return self._colors[stride]

    def _picture(self, stride: int) -> bytes:
        with self._timings.stage("encode"):
            image = self._prediction.image.cpu()
            height, width = (-(-side // stride) for side in image.shape[:2])
            return encode_picture(resized_picture(image, height, width).numpy())


def _scene_key(variant: Variant) -> tuple[Any, ...]:
    """Variants with the same key differ in their encoding only."""
    on_pixels = variant.format is Format.COMPACT
    return variant.output, on_pixels, variant.stride, variant.min_opacity, variant.max_depth_percentile


def _build_scene(prediction: Prediction, variant: Variant, timings: FrameTimings) -> Scene:
    if variant.output == "points":
        with timings.stage("splats"):
            return _points(prediction, variant)
    if variant.format is Format.COMPACT:
        with timings.stage("prune"):
            options = PruneOptions(variant.min_opacity, variant.max_depth_percentile, BORDER_FRACTION)
            build = network_splats if variant.output == "network" else pixel_surface
            return build(prediction, variant.stride, options)
    with timings.stage("splats"):
        if variant.output == "network":
            gaussians, border = network_gaussians(prediction, variant.stride), BORDER_FRACTION
        else:  # border pixels are not built in the first place
            gaussians, border = pixel_splats(prediction, variant.stride, BORDER_FRACTION), 0.0
    with timings.stage("prune"):
        options = PruneOptions(variant.min_opacity, variant.max_depth_percentile, border)
        kept, _ = prune(gaussians, prediction.depth, options)
    return kept


def _points(prediction: Prediction, variant: Variant) -> Points:
    """The pixels inside the border and not too far, where the depth says they are."""
    positions, colors = pixel_points(prediction, variant.stride, BORDER_FRACTION)
    if variant.max_depth_percentile < 1:
        near = positions[:, 2] <= depth_limits(prediction.depth[None], variant.max_depth_percentile)
        positions, colors = positions[near], colors[near]
    return Points(positions, colors)


def live_scene(prediction: Prediction) -> Gaussians:
    """What is shown where no viewer wishes otherwise: the model's own Gaussians, or those from depth."""
    scene = _build_scene(prediction, scene_variant(prediction.gaussians is not None), FrameTimings())
    assert isinstance(scene, Gaussians)
    return scene


def scene_variant(supports_gaussians: bool) -> Variant:
    return Variant(Format.SPLATS16, "network" if supports_gaussians else "pixel")


def pose_of(prediction: Prediction) -> tuple[float, ...] | None:
    """Quaternion wxyz and place of the camera, as in wire.server."""
    pose = prediction.world_from_camera
    return None if pose is None else (*quaternion(pose[:3, :3].numpy()).tolist(), *pose[:3, 3].tolist())


def facts_of(gaussians: Gaussians, pose: tuple[float, ...] | None) -> SceneFacts:
    """Of Gaussians in their camera's axes. Every n-th depth tells the median well enough."""
    depths = gaussians.means[:: max(1, gaussians.count // SAMPLES), 2]
    return SceneFacts(gaussians.count, float(depths.median()) if len(depths) else 0.0, pose)


def _axes(scene: Scene) -> Sequence[Tensor]:
    """x, y and z of what a scene is made of, [N] each."""
    if isinstance(scene, (PixelSurface, NetworkSplats)):
        return scene.axes()
    positions = scene.means if isinstance(scene, Gaussians) else scene.positions
    return positions.unbind(1)  # on the CPU column by column takes a fifth of the time of aminmax(dim=0)


def bounds_of(x: Tensor, y: Tensor, z: Tensor) -> Bounds | None:
    """The box around [N] positions, None around none."""
    if not len(z):
        return None
    low, high = torch.stack([torch.stack(axis.aminmax()) for axis in (x, y, z)], dim=1).tolist()
    return Bounds(minimum=tuple(low), maximum=tuple(high))
