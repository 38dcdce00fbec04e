"""What a client is told of what it gets: messages made from what a session knows. Pure."""

from __future__ import annotations

from splatcam import wire
from splatcam.live.adaptation import Choice
from splatcam.settings import Settings


def limits_of(settings: Settings) -> wire.Limits:
    return wire.Limits(
        max_message_bytes=settings.max_message_bytes,
        max_frame_pixels=settings.max_frame_pixels,
        frame_long_side_px=settings.process_res,
    )


def adapted(choice: Choice, max_fps: float | None, pinned: list[str], round_trip_s: float | None) -> wire.Adapted:
    variant, link = choice.variant, choice.link_bytes_per_s
    return wire.Adapted(
        format=variant.format,
        output=variant.output,
        stride=variant.stride,
        depth_bits=variant.depth_bits if variant.format is wire.Format.COMPACT else None,
        max_fps=max_fps,
        pinned=pinned,
        reason=choice.reason,
        link_mbit_s=None if link is None else round(link * 8e-6, 2),
        round_trip_ms=None if round_trip_s is None else round(round_trip_s * 1e3, 1),
    )
