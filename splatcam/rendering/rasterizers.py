"""Which rasterizer draws: by name, or the best that this machine has. The only module that knows them all."""

from __future__ import annotations

import logging
from typing import Literal

from splatcam.rendering import Rasterizer
from splatcam.rendering.reference import Filter, ReferenceRasterizer

logger = logging.getLogger(__name__)

Name = Literal["auto", "cpu", "cuda", "reference"]


class RasterizerUnavailable(RuntimeError):
    """A rasterizer cannot run here; the message is one clear sentence for the person who asked for it."""


def build_rasterizer(name: Name = "auto", threads: int = 1, filter: Filter = "classic") -> Rasterizer:
    """`threads` is for `cpu`. Raises RasterizerUnavailable; `auto` never does, it takes what there is."""
    match name:
        case "cuda":
            return _cuda(filter)
        case "cpu":
            return _cpu(threads, filter)
        case "reference":
            return ReferenceRasterizer(filter)
        case "auto":
            return _best(threads, filter)


def _best(threads: int, filter: Filter) -> Rasterizer:
    reasons = []
    for build in (lambda: _cuda(filter), lambda: _cpu(threads, filter)):
        try:
            return build()
        except RasterizerUnavailable as error:
            reasons.append(str(error))
    logger.warning("Pictures are drawn by numpy, slowly. %s", reasons[-1])
    return ReferenceRasterizer(filter)


def _cpu(threads: int, filter: Filter) -> Rasterizer:
    try:
        from splatcam.rendering.cpu import CpuRasterizer
    except ImportError as error:
        raise RasterizerUnavailable(
            f"The fast rasterizer needs numba ({error}): pip install 'splatcam[render]' brings it."
        ) from error
    return CpuRasterizer(threads, filter)


def _cuda(filter: Filter) -> Rasterizer:
    import torch

    if not torch.cuda.is_available():
        raise RasterizerUnavailable("The rasterizer cuda needs a CUDA device, and torch sees none.")
    try:
        from splatcam.rendering.cuda import CudaRasterizer

        rasterizer = CudaRasterizer(filter)
        rasterizer.warm_up()
    except ImportError as error:
        raise RasterizerUnavailable(
            f"The rasterizer cuda needs gsplat ({error}): pip install 'splatcam[gsplat]' brings it."
        ) from error
    except Exception as error:  # a toolkit that is missing, a device that is too old: gsplat has no class for them
        raise RasterizerUnavailable(f"gsplat cannot draw on this machine's CUDA device: {error!r}.") from error
    return rasterizer
