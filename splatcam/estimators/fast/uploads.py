"""Pictures from the host's memory onto the device. The seam between streams of CUDA and a plain CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from splatcam.estimators.fast.recent import Recent

SIZES_REMEMBERED = 4
SLOTS = 2  # of each size: one is filled while the other one's copy is under way


class Uploads(Protocol):
    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """[H, W, 3] uint8 each, on the host, of one size → [B, H, W, 3] on the device. They may change afterwards."""
        ...


def uploads_to(device: torch.device) -> Uploads:
    return PinnedUploads(device) if device.type == "cuda" else PlainUploads(device)


class PlainUploads:
    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(images)).to(self._device)


class PinnedUploads:
    """Through page-locked buffers, by a stream of its own: neither the processor nor the network waits for the bus."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._slots: Recent[list[_Slot]] = Recent(SIZES_REMEMBERED)

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        shape = (len(images), *images[0].shape)
        slots = self._slots.get(shape, lambda: [_Slot(shape) for _ in range(SLOTS)])
        slot = slots.pop(0)
        slots.append(slot)
        slot.copied.synchronize()  # its last copy; over long ago, where frames come one after the other
        for row, image in zip(slot.pixels, images, strict=True):
            row.copy_(image)
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            there = slot.pixels.to(self._device, non_blocking=True)
            slot.copied.record(self._stream)
        computing.wait_event(slot.copied)
        there.record_stream(computing)  # or its memory would be given away while the network reads it
        return there


class _Slot:
    """A page-locked buffer, and whether its copy is over."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self.copied = torch.cuda.Event()
