"""Depth Anything 3 for the frames of live cameras: uint8 picture → device → one pass → Prediction, without detours.

The same answers as `da3.py`'s, as far as `fast/` states. Single views of unknown cameras only: several views of a
scene, known cameras and windows of two frames stay there. Gaussians come uncomputed (`fast/head_gaussians.py`):
what prunes them asks for those that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from splatcam.estimators import Estimator, Holds, Prediction
from splatcam.estimators.da3 import (
    PATCH_PX,
    CameraFrameAdapter,
    Da3Estimator,
    autocast,
    clamp_field_of_view,
    positive_depth,
    to_gaussians,
    usual_dtype,
    warm_up,
)
from splatcam.estimators.da3_loading import load_network, read_da3_name
from splatcam.estimators.fast import OF_ANY_VIEWS, SAFE, Optimisation, optimise
from splatcam.estimators.fast.head_gaussians import AdapterConstants, HeadGaussians
from splatcam.estimators.fast.one_view import HeadPrecision, OneView, Raw, can_be_called_so
from splatcam.estimators.fast.replay import Mode, Replays, record_for
from splatcam.estimators.fast.uploads import uploads_to
from splatcam.estimators.models import Model
from splatcam.gaussians import PixelGaussians

USUAL_ASPECTS = (3 / 4, 9 / 16)  # height to width of cameras: their grids are ready before the first frame


@dataclass(frozen=True)
class LiveOptions:
    """How a network is made fast."""

    optimisations: frozenset[Optimisation] = SAFE
    dtype: torch.dtype | None = None  # that the backbone multiplies in; None: what suits the device
    mode: Mode = "graph"


def live_dtype(device: torch.device) -> torch.dtype:
    """As `usual_dtype`, and bf16 on a CPU with units for it: others do it in steps, slower than float32."""
    return torch.bfloat16 if device.type == "cpu" and has_bf16_units() else usual_dtype(device)


def has_bf16_units() -> bool:
    """Of this processor, as torch sees it; where a torch cannot tell, there are none."""
    told = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return told is not None and bool(told())


def load(folder: Path, model: Model, device: str, process_res: int) -> Estimator:
    """From config.json and model.safetensors, warm. A model that is not made for this gives what `da3.py` has.

    Raises EstimatorUnavailable.
    """
    net = load_network(folder, "cpu")
    if can_be_called_so(net):
        live = LiveDa3(net, model, device, LiveOptions())
        if live.device.type == "cuda":
            live.warm_up(process_res)
        return live
    estimator = Da3Estimator.of(net, read_da3_name(folder), model, device, OF_ANY_VIEWS)
    if estimator.device.type == "cuda":
        warm_up(estimator, process_res)
    return estimator


class LiveDa3:
    """One any-view network on one device. Frames of one size can share a pass."""

    holds: Holds = "nothing"

    def __init__(self, net: Any, model: Model, device: str, options: LiveOptions) -> None:
        """`net` is taken over and changed for good. Only where `one_view.can_be_called_so`."""
        self.device = torch.device(device)
        self._dtype = options.dtype or live_dtype(self.device)
        optimise(net, options.optimisations, self._dtype)  # before it moves: it becomes smaller
        self.net = net.to(self.device)
        self.info = model.info(device).model_copy(update={"supports_gaussians": net.gs_adapter is not None})
        self._gaussians_of = _ways_to_gaussians(net.gs_adapter, Optimisation.KEPT_PIXELS in options.optimisations)
        self._one_view = OneView(self.net, _precision_of_heads(options.optimisations, self._dtype))
        self.upload = uploads_to(self.device)
        self._replays = Replays(self._one_view, *record_for(options.mode, self.device))

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """See `Estimator`. Nothing is remembered. On CUDA it may return before the device is done."""
        return self.estimate_many([image], wants_gaussians=wants_gaussians)[0], state

    def estimate_many(self, images: Sequence[Tensor], *, wants_gaussians: bool) -> list[Prediction]:
        """Independent frames [H, W, 3] uint8 of one size, in one pass."""
        if wants_gaussians and not self.info.supports_gaussians:
            raise ValueError(f"{self.info.title} has no Gaussian head")  # DA3 itself would silently give none
        pictures = self.upload(images)
        return self.predictions(self.run(pictures, wants_gaussians), pictures)

    def wait(self) -> None:
        """Until the device is done with what it was asked."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()

    def run(self, pictures: Tensor, wants_gaussians: bool) -> Raw:
        """The network on [B, H, W, 3] uint8 of the device, in its own precision."""
        with torch.no_grad(), autocast(self.device, self._dtype):
            return self._replays(pictures, wants_gaussians)

    def run_unrecorded(self, pictures: Tensor, wants_gaussians: bool) -> Raw:
        """The same, operation by operation."""
        with torch.no_grad(), autocast(self.device, self._dtype):
            return self._one_view(pictures, wants_gaussians)

    def record_now(self, pictures: Tensor, wants_gaussians: bool) -> bool:
        """This size, before anybody waits for it. Whether it is recorded now."""
        with torch.no_grad(), autocast(self.device, self._dtype):
            self._replays.record_now(pictures, wants_gaussians)
        return self._replays.is_recorded(pictures, wants_gaussians)

    def release_memory(self) -> None:
        """Where it is short: what only makes later frames faster."""
        self._replays.forget()

    def predictions(self, raw: Raw, pictures: Tensor) -> list[Prediction]:
        """One for each frame."""
        with torch.no_grad():
            return [self._prediction(raw.frame(number), picture) for number, picture in enumerate(pictures)]

    def warm_up(self, process_res: int) -> None:
        """The sizes of usual cameras, recorded where that is done: the first frame does not wait for it."""
        for aspect in USUAL_ASPECTS:
            height, width = (max(1, round(side / PATCH_PX)) * PATCH_PX for side in (process_res * aspect, process_res))
            black = torch.zeros(1, height, width, 3, dtype=torch.uint8, device=self.device)
            self.run(black, self.info.supports_gaussians)
            self.record_now(black, self.info.supports_gaussians)

    def _prediction(self, raw: Raw, picture: Tensor) -> Prediction:
        """`raw` of one frame."""
        intrinsics = clamp_field_of_view(raw.intrinsics, (picture.shape[0], picture.shape[1]))
        return Prediction(
            depth=positive_depth(raw.depth[0]),
            intrinsics=intrinsics[0],
            image=picture,
            confidence=raw.confidence[0],
            gaussians=None if raw.planes is None else self._gaussians_of(raw, intrinsics),
        )


def _precision_of_heads(chosen: frozenset[Optimisation], dtype: torch.dtype) -> HeadPrecision:
    return "half" if Optimisation.HALF_HEADS in chosen and dtype != torch.float32 else "float32"


class _ClosedForm:
    """Gaussians that wait to be chosen."""

    def __init__(self, constants: AdapterConstants) -> None:
        self._constants = constants

    def __call__(self, raw: Raw, intrinsics: Tensor) -> PixelGaussians:
        assert raw.planes is not None and raw.densities is not None
        return HeadGaussians(
            planes=raw.planes[0].flatten(1),
            densities=raw.densities[0].flatten(),
            depth=raw.depth[0].flatten(),
            intrinsics=intrinsics[0],
            grid=(raw.depth.shape[1], raw.depth.shape[2]),
            constants=self._constants,
        )


class _OwnAdapter:
    """DA3's own, on all pixels."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = CameraFrameAdapter(adapter)

    def __call__(self, raw: Raw, intrinsics: Tensor) -> PixelGaussians:
        assert raw.planes is not None and raw.densities is not None
        grid = (raw.depth.shape[1], raw.depth.shape[2])
        gaussians = self._adapter(
            extrinsics=intrinsics.new_zeros(1, 1, 4, 4),  # the adapter puts the identity in its place
            intrinsics=intrinsics[None],
            depths=raw.depth[None],
            opacities=raw.densities[None],
            raw_gaussians=raw.planes.permute(0, 2, 3, 1)[None],
            image_shape=grid,
        )
        return to_gaussians(gaussians, grid)


def _ways_to_gaussians(adapter: Any, lazily: bool) -> _ClosedForm | _OwnAdapter:
    """An adapter that reads its planes in a way of its own is asked itself."""
    constants = AdapterConstants.of(adapter) if adapter is not None and lazily else None
    return _OwnAdapter(adapter) if constants is None else _ClosedForm(constants)
