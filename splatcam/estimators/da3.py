"""Depth Anything 3 → Prediction: image → normalised tensor → network → our values, one small step each.

Works on the model layer (`DepthAnything3Net`), not on DA3's offline API. Loading is `da3_loading.py`'s business.

The camera's own frame. DA3 puts Gaussians into the world of the pose that it predicts for the view. With one view
that pose carries nothing but jitter, and DA3's code turns quaternions into the world correctly only for the identity
(it reads wxyz as scalar-last). So the network's adapter is asked for the identity camera, which is the camera's own
frame, exact in means, rotations and spherical harmonics; depth never depended on the pose.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from splatcam.estimators import Estimator, Holds, Prediction
from splatcam.estimators.da3_loading import load_network, read_da3_name
from splatcam.estimators.fast import Optimisation, optimise
from splatcam.estimators.fast.one_view import PIXEL_MEAN, PIXEL_STD
from splatcam.estimators.models import Model
from splatcam.gaussians import Gaussians
from splatcam.transform import scaled

DEFAULT_FIELD_OF_VIEW_DEG = 60.0  # horizontal, where the model predicts none: a usual webcam
# No camera in front of a person is outside; a network in trouble (or of random weights) is.
FIELD_OF_VIEW_LIMITS_DEG = (20.0, 120.0)
METRIC_FOCAL_PX = 300.0  # DA3METRIC: metres = output * focal / 300 (its README)
SMALLEST_DEPTH = 1e-3  # stands for a depth that is not finite or not positive
SMALLEST_SCALE = 1e-6  # of a Gaussian that cannot be used
PATCH_PX = 14
WARM_UP_FRAMES = 3  # DA3's TorchScript functions profile the first calls


class Da3Estimator:
    """One Depth Anything 3 network on one device."""

    holds: Holds = "nothing"

    def __init__(self, net: nn.Module, da3_name: str, model: Model, device: str) -> None:
        """`net` is taken over: its Gaussian adapter now answers in the camera's frame."""
        self.net = net
        self.da3_name = da3_name
        self.device = torch.device(device)
        has_head = answer_in_camera_frame(net)
        self.info = model.info(device).model_copy(update={"supports_gaussians": has_head})

    @classmethod
    def load(
        cls,
        folder: Path,
        model: Model,
        device: str,
        process_res: int,
        optimisations: Collection[Optimisation] = frozenset(),
    ) -> Da3Estimator:
        """From config.json and model.safetensors, warm. Raises EstimatorUnavailable."""
        estimator = cls.of(load_network(folder, "cpu"), read_da3_name(folder), model, device, optimisations)
        if estimator.device.type == "cuda":
            warm_up(estimator, process_res)
        return estimator

    @classmethod
    def of(
        cls, net: nn.Module, da3_name: str, model: Model, device: str, optimisations: Collection[Optimisation]
    ) -> Da3Estimator:
        """`net` is on the CPU: it becomes smaller before it moves."""
        optimise(net, optimisations, usual_dtype(torch.device(device)))
        return cls(net.to(device), da3_name, model, device)

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """`image` [H, W, 3] uint8, sides multiples of 14. Nothing is remembered: `state` comes back as it was."""
        if wants_gaussians and not self.info.supports_gaussians:
            raise ValueError(f"{self.info.title} has no Gaussian head")  # DA3 itself would silently give none
        image = image.to(self.device)
        raw = self.run(normalise(image), wants_gaussians)
        prediction = to_prediction(raw, image, self.da3_name)
        self._wait_for_device()
        return prediction, state

    def run(self, x: Tensor, wants_gaussians: bool) -> Mapping[str, Any]:
        """The network on x [1, 1, 3, H, W]: DA3's output map, on the device, batch and view axes kept."""
        with torch.no_grad(), precision(self.device):
            return self.net(x, None, None, [], wants_gaussians)

    def _wait_for_device(self) -> None:
        """So that the time is the network's own and not its successor's."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def warm_up(estimator: Estimator, process_res: int) -> None:
    """A few black 4:3 frames, so that the first real one does not wait for kernels to be chosen."""
    height, width = (max(PATCH_PX, round(side / PATCH_PX) * PATCH_PX) for side in (process_res * 0.75, process_res))
    black = torch.zeros(height, width, 3, dtype=torch.uint8)
    for _ in range(WARM_UP_FRAMES):
        estimator.estimate(black, wants_gaussians=estimator.info.supports_gaussians)


def precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """What networks run in. DA3's heads are fp32 always."""
    return autocast(device, usual_dtype(device))


def usual_dtype(device: torch.device) -> torch.dtype:
    """The one place that decides it: bf16 on CUDA (fp16 where the GPU has no bf16), fp32 elsewhere.

    DA3's API runs fp16 autocast on a CPU, which costs three times the time of fp32 there.
    """
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[Any]:
    """Multiplying in `dtype`; nothing for float32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def normalise(image: Tensor) -> Tensor:
    """[H, W, 3] uint8 → [1, 1, 3, H, W] f32 as DA3 wants it: one scene of one view."""
    mean = torch.tensor(PIXEL_MEAN, device=image.device)
    std = torch.tensor(PIXEL_STD, device=image.device)
    return ((image.float() / 255 - mean) / std).permute(2, 0, 1).contiguous()[None, None]


def to_prediction(raw: Mapping[str, Any], image: Tensor, da3_name: str) -> Prediction:
    """DA3's output map → Prediction. `image` [H, W, 3] uint8 is the one the map was made from."""
    height, width = image.shape[:2]
    intrinsics = raw.get("intrinsics")
    if intrinsics is None:
        intrinsics = default_intrinsics(height, width).to(image.device)
    else:
        intrinsics = clamp_field_of_view(intrinsics[0, 0], (height, width))
    depth = positive_depth(raw["depth"][0, 0])
    if da3_name.startswith("da3metric"):
        depth = to_metres(depth, intrinsics)
    confidence, gaussians = raw.get("depth_conf"), raw.get("gaussians")
    return Prediction(
        depth=depth,
        intrinsics=intrinsics,
        image=image,
        confidence=None if confidence is None else confidence[0, 0].float(),
        gaussians=None if gaussians is None else scaled(to_gaussians(gaussians, (height, width)), scale_factor(raw)),
    )


# ---------------------------------------------------------------- camera


def default_intrinsics(height: int, width: int) -> Tensor:
    """[3, 3] f32 of a usual camera: square pixels, principal point in the middle."""
    focal_px = width / 2 / math.tan(math.radians(DEFAULT_FIELD_OF_VIEW_DEG) / 2)
    return torch.tensor([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])


def clamp_field_of_view(intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    """[..., 3, 3] with both fields of view inside FIELD_OF_VIEW_LIMITS_DEG. `size` is (height, width) in pixels."""
    narrow, wide = (math.tan(math.radians(degrees) / 2) for degrees in FIELD_OF_VIEW_LIMITS_DEG)
    clamped = intrinsics.float().clone()
    for axis, side_px in enumerate(reversed(size)):
        focal_px = clamped[..., axis, axis].nan_to_num(nan=side_px / 2 / wide)
        clamped[..., axis, axis] = focal_px.clamp(side_px / 2 / wide, side_px / 2 / narrow)
    return clamped


class CameraFrameAdapter(nn.Module):
    """DA3's Gaussian adapter, asked for the identity camera instead of the predicted pose: see the module's head.

    The field of view is kept in bounds here too, so that Gaussians and depth stay of one camera.
    """

    def __init__(self, adapter: nn.Module) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, *, extrinsics: Tensor, intrinsics: Tensor, image_shape: tuple[int, int], **rest: Any) -> Any:
        identity = torch.eye(4, device=extrinsics.device, dtype=extrinsics.dtype).expand_as(extrinsics)
        rest["gt_extrinsics"] = None  # of known cameras: DA3 would take a scale from them and the identity
        intrinsics = clamp_field_of_view(intrinsics, image_shape)
        return self.adapter(extrinsics=identity, intrinsics=intrinsics, image_shape=image_shape, **rest)


def answer_in_camera_frame(net: nn.Module) -> bool:
    """Wrap the network's Gaussian adapter. False where it has no Gaussian head."""
    holder = getattr(net, "da3", net)  # the nested model keeps the any-view network inside
    adapter = getattr(holder, "gs_adapter", None)
    if not isinstance(adapter, nn.Module):
        return False
    holder.gs_adapter = CameraFrameAdapter(adapter)
    return True


# ---------------------------------------------------------------- depth


def usable_depth(depth: Tensor) -> Tensor:
    """[H, W] f32 that is finite and positive everywhere."""
    depth = depth.float()
    return torch.where(depth.isfinite() & (depth > 0), depth, SMALLEST_DEPTH)


def positive_depth(depth: Tensor) -> Tensor:
    """[H, W] f32 that is positive wherever it is a number. What is none stays: who asked counts it and drops it."""
    depth = depth.float()
    return torch.where(depth.isfinite() & (depth <= 0), SMALLEST_DEPTH, depth)


def to_metres(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """DA3METRIC predicts depth for a focal length of 300 pixels."""
    return depth * (intrinsics[0, 0] + intrinsics[1, 1]) / 2 / METRIC_FOCAL_PX


# ---------------------------------------------------------------- Gaussians


def to_gaussians(raw: Any, grid: tuple[int, int]) -> Gaussians:
    """DA3's Gaussians of one view (`specs.Gaussians`, [1, N, ...], pixel order) → ours, one per pixel of `grid`.

    DA3 takes depth for the length of the ray here, and for z in its point clouds. Its head was trained that way, so
    nothing is repaired: splats of the network and splats from depth do not coincide away from the middle.

    One that cannot be used keeps its place, so that Gaussian i stays pixel i: with opacity 0 where its depth offset
    took it behind the camera, which makes its scales negative; with no number for an opacity where it is not finite.
    """
    means, scales, rotations = raw.means[0].float(), raw.scales[0].float(), raw.rotations[0].float()
    sh = raw.harmonics[0].float().transpose(1, 2)  # [N, 3, K] → [N, K, 3]
    opacities = raw.opacities[0].float().reshape(-1)
    numbers = torch.cat([means, scales, rotations, sh.flatten(1), opacities[:, None]], dim=1)
    finite = numbers.isfinite().all(dim=1)
    good = finite & (scales > 0).all(dim=1)
    upright = torch.tensor([1.0, 0.0, 0.0, 0.0], device=means.device)
    return Gaussians(
        means=torch.where(good[:, None], means, 0.0),
        scales=torch.where(good[:, None], scales, SMALLEST_SCALE),
        rotations=nn.functional.normalize(torch.where(good[:, None], rotations, upright), dim=1),
        opacities=torch.where(good, opacities, 0.0).clamp(0, 1).masked_fill(~finite, torch.nan),
        sh=torch.where(good[:, None, None], sh, 0.0).contiguous(),
        grid=grid,
    )


def scale_factor(raw: Mapping[str, Any]) -> float:
    """The factor to metres. The nested model multiplies its depth by it and forgets its Gaussians (DA3's issue 242)."""
    factor = float(raw.get("scale_factor") or 1.0)
    return factor if math.isfinite(factor) and factor > 0 else 1.0
