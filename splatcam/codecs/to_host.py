"""The one copy from the device to the host, for every codec."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def brought(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The tensor on the host. From CUDA into page-locked memory, at several times the rate; it is kept for the next
    frame once nobody holds the array."""
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    there.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return there.numpy()
