"""How the pass over frames of one size is run: operation by operation, as a recorded CUDA graph, or compiled.

A giant network is three thousand operations a frame. To start them one by one takes a fast GPU's processor longer
than they take; a graph starts them all at once. Recording costs a few frames' time, so a size has to be in use
before it is recorded. Compiling costs a minute, so it is done at the start, for the usual sizes, or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from weakref import WeakSet

import torch
from torch import Tensor

from splatcam.estimators.fast.one_view import Raw
from splatcam.estimators.fast.recent import Recent, holding

log = logging.getLogger(__name__)
# eager: operation by operation; graph: as recorded; compiled: by torch.compile, and on CUDA recorded as well.
Mode = Literal["eager", "graph", "compiled"]
Forward = Callable[[Tensor, bool], Raw]  # see OneView.forward
Recording = Callable[[Tensor], Raw]  # of one size of frames
Record = Callable[[Forward, Tensor, bool], Recording]

RECORDED_AFTER = 30  # frames of a size: a visitor's odd size does not stall the others
MOST_SIZES = 16  # remembered at once: three grids, each for one to four frames, and some odd ones
WARM_UP_PASSES = 3  # libraries choose their kernels in the first ones, which a graph must not see
CLOSE = 1e-3  # relative, of what a recording gives to what it was made of


@dataclass
class _Use:
    """Of one size."""

    frames: int = 0
    recording: Recording | None = None
    held: list[object] = field(default_factory=list)  # maps that the recording reads: they must outlive it
    is_hopeless: bool = False  # it could not be recorded


class Replays:
    """Runs `forward`, and knows which sizes are recorded."""

    def __init__(self, forward: Forward, record: Record | None, after: int = RECORDED_AFTER) -> None:
        """`record` None: nothing is recorded. `after`: so many frames of a size."""
        self._forward = forward
        self._record = record
        self._after = after
        self._sizes: Recent[_Use] = Recent(MOST_SIZES)

    def __call__(self, images: Tensor, wants_gaussians: bool) -> Raw:
        """`images` [B, H, W, 3] uint8 on the device. What comes out belongs to the caller."""
        use = self._use_of(images, wants_gaussians)
        use.frames += 1
        if use.frames > self._after:
            self._try_to_record(use, images, wants_gaussians)
        return self._forward(images, wants_gaussians) if use.recording is None else use.recording(images)

    def record_now(self, images: Tensor, wants_gaussians: bool) -> None:
        """Before anybody waits for it."""
        self._try_to_record(self._use_of(images, wants_gaussians), images, wants_gaussians)

    def forget(self) -> None:
        """Gives the memory of recordings back. Sizes that stay in use are recorded again after a while."""
        self._sizes.clear()

    def is_recorded(self, images: Tensor, wants_gaussians: bool) -> bool:
        return self._use_of(images, wants_gaussians).recording is not None

    def _use_of(self, images: Tensor, wants_gaussians: bool) -> _Use:
        return self._sizes.get((images.shape, wants_gaussians), _Use)

    def _try_to_record(self, use: _Use, images: Tensor, wants_gaussians: bool) -> None:
        """What cannot be recorded is run operation by operation for good: slower, and as right."""
        if self._record is None or use.recording is not None or use.is_hopeless:
            return
        with holding() as use.held:
            expected = self._forward(images, wants_gaussians)
        try:
            recording = self._record(self._forward, images, wants_gaussians)
            _require_close(recording(images), expected)
        except (RuntimeError, _Differs) as error:  # torch's own errors are RuntimeErrors
            use.is_hopeless = True
            log.warning("frames of %s are not recorded: %s", tuple(images.shape), str(error).partition("\n")[0])
        else:
            use.recording = recording


class _Differs(Exception):
    """A recording does not give what it was made of."""


def _require_close(recorded: Raw, expected: Raw) -> None:
    for found, wanted in zip(recorded.tensors(), expected.tensors(), strict=True):
        off = (found - wanted).norm() / wanted.norm().clamp(min=1e-12)
        if not bool(off <= CLOSE):
            raise _Differs(f"the recording is off by {float(off):.1e}")


# ---------------------------------------------------------------- ways to record


def record_for(mode: Mode, device: torch.device) -> tuple[Record | None, int]:
    """How, and after how many frames, for `Replays`. A mode that the device has not is eager."""
    if mode == "compiled":
        return (Graphs(as_compiled) if device.type == "cuda" else record_compiled), _NEVER
    return (Graphs(), RECORDED_AFTER) if mode == "graph" and device.type == "cuda" else (None, _NEVER)


_NEVER = 1 << 62  # only by `record_now`


class Graphs:
    """Records CUDA graphs. They share their memory, for one runs at a time and its answer is copied out."""

    def __init__(self, prepared: Callable[[Forward], Forward] = lambda forward: forward) -> None:
        self._prepared = prepared
        self._pool: Any = None
        self._alive: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def __call__(self, forward: Forward, images: Tensor, wants_gaussians: bool) -> Recording:
        """Raises RuntimeError where something waits for the device in between, or memory is short."""
        forward = self._prepared(forward)
        pictures = images.clone()
        _warm_up(forward, pictures, wants_gaussians)
        if not self._alive:  # torch takes no pool again whose graphs are all gone
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Others' threads may go on using the device.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            answer = forward(pictures, wants_gaussians)
        self._alive.add(graph)

        def replay(images: Tensor) -> Raw:
            pictures.copy_(images)
            graph.replay()
            return Raw(*(tensor.clone() for tensor in answer.tensors()))

        return replay


def record_compiled(forward: Forward, images: Tensor, wants_gaussians: bool, backend: str = "inductor") -> Recording:
    """For this size alone. Raises RuntimeError where no compiler is."""
    compiled = torch.compile(forward, fullgraph=True, dynamic=False, backend=backend)
    compiled(images, wants_gaussians)
    return lambda images: compiled(images, wants_gaussians)


def as_compiled(forward: Forward) -> Forward:
    """To be recorded by us: the compiler's own graphs cost more at every start."""
    return cast(Forward, torch.compile(forward, fullgraph=True, dynamic=False, mode="max-autotune-no-cudagraphs"))


def _warm_up(forward: Forward, images: Tensor, wants_gaussians: bool) -> None:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP_PASSES):
            forward(images, wants_gaussians)
    torch.cuda.current_stream().wait_stream(aside)
