"""The ways that `bench/gpu.py` compares: from pictures in memory to packed bytes in memory.

`stock`: `inference()` and the PLY writer of Depth Anything 3. Where its whole package is not installed, its own
network call with what `inference()` does around it. The others are what this project serves with.
"""

from __future__ import annotations

import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from splatcam.bench.stage_clock import StageClock
from splatcam.codecs.packed16 import fields_of, pack_words
from splatcam.estimators import Prediction
from splatcam.estimators.da3 import normalise, precision
from splatcam.estimators.da3_live import LiveDa3, LiveOptions
from splatcam.estimators.da3_loading import quiet_da3
from splatcam.estimators.fast import EXACT, SAFE, Optimisation
from splatcam.estimators.models import Model
from splatcam.finite import only_finite
from splatcam.gaussians import PixelGaussians
from splatcam.pixel_splats import pixel_splats
from splatcam.prune import PruneOptions, prune

# Nothing by opacity, which random weights do not mean: so that as many are left on every machine.
LEFT = PruneOptions(min_opacity=0.0, max_depth_percentile=0.9)
IN_HALF_HEADS = SAFE | {Optimisation.CHANNELS_LAST, Optimisation.HALF_HEADS}
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, eq=False)
class Frames:
    """As they come from the decoder."""

    images: tuple[Tensor, ...]  # [H, W, 3] uint8 each

    @classmethod
    def of(cls, count: int, width: int, height: int) -> Frames:
        make = torch.Generator().manual_seed(count)
        shape = (height, width, 3)
        return cls(tuple(torch.randint(0, 256, shape, generator=make, dtype=torch.uint8) for _ in range(count)))

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        return self.images[0].shape[0]

    @property
    def width(self) -> int:
        return self.images[0].shape[1]


class Way(Protocol):
    def takes(self, batch: int) -> bool: ...

    def answer(self, frames: Frames, clock: StageClock) -> int:
        """Bytes of all frames are in memory when this returns. How many Gaussians were left."""
        ...

    def network_only(self, frames: Frames) -> object:
        """Operation by operation, so that they can be counted."""
        ...

    def depth(self, frames: Frames) -> Tensor:
        """[H, W] f32 of the first frame."""
        ...

    def bus_bytes(self, frames: Frames) -> int:
        """Between host and device, by the shapes of what is copied."""
        ...

    def is_recorded(self, frames: Frames) -> bool:
        """Whether the network runs as a recorded graph, or compiled."""
        ...


class Served:
    """As the service does it."""

    def __init__(self, net: Any, model: Model, device: str, options: LiveOptions) -> None:
        self._live = LiveDa3(net, model, device, options)
        self._wants = self._live.info.supports_gaussians
        self._sent_bytes = 0
        self._recorded: dict[tuple[int, ...], bool] = {}

    def takes(self, batch: int) -> bool:
        return True

    def answer(self, frames: Frames, clock: StageClock) -> int:
        with clock.stage("upload"):
            pictures = self._live.upload(frames.images)
        self._record(pictures)
        with clock.stage("network"):
            raw = self._live.run(pictures, self._wants)
        with clock.stage("gaussians"):
            predictions = self._live.predictions(raw, pictures)
        left, self._sent_bytes = 0, 0
        for prediction in predictions:
            with clock.stage("prune"):
                prediction, _ = only_finite(prediction)
                kept, _ = prune(self._gaussians(prediction), prediction.depth, LEFT)
            with clock.stage("pack"):
                words = pack_words(kept)
            with clock.stage("download"):
                self._sent_bytes += len(fields_of(words, kept.count)["data"])
            left += kept.count
        return left

    def _record(self, pictures: Tensor) -> None:
        """What a session does after a while, before the first frame is timed."""
        if pictures.shape not in self._recorded:
            self._recorded[pictures.shape] = self._live.record_now(pictures, self._wants)

    def is_recorded(self, frames: Frames) -> bool:
        return self._recorded.get((frames.count, frames.height, frames.width, 3), False)

    def _gaussians(self, prediction: Prediction) -> PixelGaussians:
        return prediction.gaussians if prediction.gaussians is not None else pixel_splats(prediction)

    def network_only(self, frames: Frames) -> object:
        return self._live.run_unrecorded(self._live.upload(frames.images), self._wants)

    def depth(self, frames: Frames) -> Tensor:
        return self._live.estimate(frames.images[0], wants_gaussians=self._wants)[0].depth

    def bus_bytes(self, frames: Frames) -> int:
        return sum(image.nbytes for image in frames.images) + self._sent_bytes


class Stock:
    """Depth Anything 3 by itself: one frame at a time, then its writer where there are Gaussians."""

    def __init__(self, net: Any, model: Model, device: str) -> None:
        self._net = net
        self._device = torch.device(device)
        self._wants = getattr(net, "gs_head", None) is not None
        self._api = whole_package(net, model, device)

    def takes(self, batch: int) -> bool:
        return batch == 1

    def answer(self, frames: Frames, clock: StageClock) -> int:
        with clock.stage("network"):
            raw = self._inference(frames.images[0])
        if not self._wants:
            return raw["depth"].numel() if isinstance(raw["depth"], Tensor) else raw["depth"].size
        with clock.stage("writer"):
            return self._write(raw)

    def _inference(self, image: Tensor) -> Any:
        if self._api is not None:
            return vars(self._api.inference([image.numpy()], infer_gs=self._wants, process_res=max(image.shape)))
        raw = self.network_only(Frames((image,)))
        for name in ("depth", "depth_conf", "extrinsics", "intrinsics"):
            raw[name] = raw[name].cpu()  # as inference() leaves them: its Gaussians stay on the device
        return raw

    def _write(self, raw: Any) -> int:
        from depth_anything_3.utils.gsply_helpers import save_gaussian_ply

        depth = torch.as_tensor(raw["depth"]).reshape(1, *raw["depth"].shape[-2:], 1).to(self._device)
        quantile = LEFT.max_depth_percentile
        with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
            path = Path(folder) / "frame.ply"
            save_gaussian_ply(raw["gaussians"], str(path), depth, prune_by_depth_percent=quantile)
            return _vertices(path.read_bytes())

    def is_recorded(self, frames: Frames) -> bool:
        return False

    def network_only(self, frames: Frames) -> Any:
        x = normalise(frames.images[0]).to(self._device)
        with torch.no_grad(), precision(self._device):
            return self._net(x, None, None, [], self._wants)

    def depth(self, frames: Frames) -> Tensor:
        return self.network_only(frames)["depth"][0, 0]

    def bus_bytes(self, frames: Frames) -> int:
        """float32 pictures up, depth and confidence down, for the writer depth up again and the Gaussians down."""
        pixels = frames.width * frames.height
        floats = 3 + 2 + (1 + 3 + 3 + 4 + 27 + 1 if self._wants else 0)
        return 4 * floats * pixels


def _vertices(ply: bytes) -> int:
    line = next(line for line in ply.splitlines() if line.startswith(b"element vertex"))
    return int(line.split()[-1])


def whole_package(net: Any, model: Model, device: str) -> Any | None:
    """The class with `inference()` around this network; None where what it imports is not installed.

    Its exporters need a dozen packages more, and are not asked for anything.
    """
    try:
        with quiet_da3(), _without_exporters():
            from depth_anything_3.api import DepthAnything3

            with torch.device(device):
                api = DepthAnything3(model.da3_name or model.name)
    except (ImportError, RuntimeError):  # torchvision beside another torch is a RuntimeError
        return None
    api.model = net
    return api


@contextmanager
def _without_exporters() -> Iterator[None]:
    """Something that can be imported stands in for them meanwhile, and not a moment longer."""
    exporters: Any = types.ModuleType("depth_anything_3.utils.export")
    exporters.export = None
    before = sys.modules.get(exporters.__name__)
    sys.modules[exporters.__name__] = exporters
    try:
        yield
    finally:
        sys.modules.pop(exporters.__name__, None)
        if before is not None:
            sys.modules[exporters.__name__] = before


def _served(options: LiveOptions) -> Callable[[Any, Model, str], Way]:
    return partial(Served, options=options)


WAYS: dict[str, Callable[[Any, Model, str], Way]] = {
    "stock": Stock,
    "eager": _served(LiveOptions(mode="eager")),
    "exact": _served(LiveOptions(optimisations=EXACT)),  # with DA3's own adapter, on all pixels
    "fast": _served(LiveOptions()),  # as it serves
    "half heads": _served(LiveOptions(optimisations=frozenset(IN_HALF_HEADS))),
    "compiled": _served(LiveOptions(optimisations=frozenset(IN_HALF_HEADS), mode="compiled")),
}
