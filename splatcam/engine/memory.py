"""What to do when a device has no memory for a frame, and which faults stay with the process. The torch side of it.

Out of memory passes: what the frame held is given back and a smaller grid is tried. Other errors of a CUDA device stay:
after them every call fails, so the process has to be replaced.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from dataclasses import dataclass

import torch

from splatcam.pipeline import GRID_MULTIPLE_PX

SHRINK = 0.75  # of the long side, from one grid to the next smaller one
SMALLEST_PX = 56
GROW_AFTER = 300  # good frames
MOST_REFUSALS = 3  # in a row, of one stream
MAX_STREAMS = 64
# Allocators that raise plain RuntimeErrors: CUDA's own calls, MPS, the CPU's, cuBLAS and cuDNN.
_NO_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
_STICKY = ("CUDA error", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "CUBLAS_STATUS_EXECUTION_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def is_sticky(error: BaseException) -> bool:
    """Whether the device's context is lost with it."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.AcceleratorError) or any(words in str(error) for words in _STICKY)


def free_memory() -> None:
    """Only what nobody holds: not in an `except` clause, whose exception holds the frames' tensors by its traceback."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def next_smaller(long_side_px: int) -> int:
    """The grid to try next; the same where there is none."""
    smaller = int(long_side_px * SHRINK / GRID_MULTIPLE_PX) * GRID_MULTIPLE_PX
    return min(long_side_px, max(SMALLEST_PX, smaller))


@dataclass
class _Steps:
    """Of one stream."""

    down: int = 0
    good: int = 0  # frames since the last step
    refused: int = 0  # in a row


class GridSteps:
    """How large each stream's grid may be. Knows no device."""

    def __init__(self, long_side_px: int) -> None:
        self._full_px = long_side_px
        self._streams: OrderedDict[str, _Steps] = OrderedDict()  # those that have met a limit

    def size_px(self, stream_id: str) -> int:
        size_px = self._full_px
        for _ in range(self._streams[stream_id].down if stream_id in self._streams else 0):
            size_px = next_smaller(size_px)
        return size_px

    def succeeded(self, stream_id: str) -> None:
        """At the size it has. After a while it is given the next larger one again."""
        if (steps := self._streams.get(stream_id)) is None:
            return
        steps.refused = 0
        steps.good += 1
        if steps.good >= GROW_AFTER:
            steps.down, steps.good = steps.down - 1, 0
        if steps.down <= 0:
            del self._streams[stream_id]

    def stepped_down(self, stream_id: str) -> None:
        """The next smaller size did."""
        self._step_down(stream_id).refused = 0

    def refused(self, stream_id: str) -> int:
        """Neither did: the next frame begins at the smaller one. Returns how many times in a row that was so."""
        steps = self._step_down(stream_id)
        steps.refused += 1
        return steps.refused

    def _step_down(self, stream_id: str) -> _Steps:
        """Not below the smallest size."""
        size_px, steps = self.size_px(stream_id), self._steps_of(stream_id)
        steps.good = 0
        if next_smaller(size_px) < size_px:
            steps.down += 1
        return steps

    def forget(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)

    def _steps_of(self, stream_id: str) -> _Steps:
        steps = self._streams.setdefault(stream_id, _Steps())
        self._streams.move_to_end(stream_id)
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
        return steps
