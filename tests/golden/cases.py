"""The golden messages: one list, read by the Python and the JavaScript tests. No files are touched here.

Floats of the client's messages have a fraction: JavaScript has one number type and sends 3.0 as the integer 3,
which the server takes as well but which is not the same bytes.
"""

from __future__ import annotations

import struct
from typing import Any

from splatcam import wire

JPEG = b"\xff\xd8\xff\xe0golden\xff\xd9"
MODEL = wire.ModelInfo(
    name="builtin",
    title="Built-in",
    supports_gaussians=False,
    licence="Apache-2.0",
    non_commercial=False,
    demonstration=True,
)
RECORDING_ID = "20260131-235959-0a1b2c"
LIMITS = wire.Limits(max_message_bytes=2_097_152, max_frame_pixels=2_088_960, frame_long_side_px=504)
POSITIONS = struct.pack("<6f", 0, 0, 1, -1.5, 0.75, 4.25)
COLORS = bytes([255, 0, 0, 0, 128, 255])
BOUNDS = wire.Bounds(minimum=(-1.5, -0.75, 0.5), maximum=(1.5, 0.75, 4.25))
COMPACT: dict[str, Any] = {
    "num_splats": 3,
    "window": (11, 15, 1, 3),
    "stride": 2,
    "near": 0.75,
    "far": 4.25,
    "depth_bits": 10,
    "opacity": 0.95,
    "depth": b"bytes that only the decoder knows",
}

CLIENT_CASES: dict[str, Any] = {
    "hello": wire.Hello(protocol=1, formats=["splats16", "gaussian_ply", "pointcloud"], client="golden 1"),
    "hello_watch": wire.Hello(protocol=1, formats=["pointcloud"], client="golden 1", watch="newest"),
    "frame": wire.FrameMessage(frame_id=7, captured_at_ms=1234.5, jpeg=JPEG),
    "frame_late": wire.FrameMessage(frame_id=2**53 - 1, captured_at_ms=1.7e12 + 0.25, jpeg=JPEG),
    "ack": wire.Ack(frame_id=300),
    "shown": wire.Shown(frame_id=70_000, latency_ms=83.25),
    "shown_watching": wire.Shown(frame_id=5_000_000_000),
    "settings_one": wire.SettingsMessage(stride=2),
    "settings_auto": wire.SettingsMessage(
        format="auto", output="auto", stride="auto", depth_bits="auto", max_fps="auto"
    ),
    "settings_all": wire.SettingsMessage(
        format=wire.Format.COMPACT,
        output="pixel",
        sh="full",
        ply="inria",
        min_opacity=0.25,
        max_depth_percentile=0.9,
        stride=16,
        depth_bits=12,
        max_fps=12.5,
    ),
    "ping": wire.Ping(t=42.125),
    "hello_room": wire.Hello(protocol=1, formats=["compact"], client="golden 1", room="Stage_2-b"),
    "record_start": wire.Record(action="start"),
    "record_stop": wire.Record(action="stop"),
    "sound": wire.Sound(captured_at_ms=1234.5, sample_rate=16_000, samples=struct.pack("<4h", 0, 1, -1, -32_768)),
}


def _result(**fields: Any) -> dict[str, Any]:
    """What every result has, with `fields` on top."""
    common: dict[str, Any] = {
        "frame_id": 7,
        "captured_at_ms": 1234.5,
        "received_at_ms": 90_210.25,
        "timings_ms": {"decode": 0.5, "estimate": 12.25, "encode": 1.0, "total": 14.0},
        "bounds": BOUNDS,
        "model": "builtin",
        "intrinsics": (420.5, 420.5, 252.0, 189.0),
        "grid": (378, 504),
    }
    return {**common, **fields}


def _welcome(model: wire.ModelInfo) -> wire.Welcome:
    return wire.Welcome(
        protocol=1,
        session_id="s-1",
        model=model,
        formats=list(wire.Format),
        format=wire.Format.SPLATS16,
        limits=LIMITS,
        recording="asked",
    )


SERVER_CASES: dict[str, Any] = {
    "welcome": _welcome(MODEL),
    "welcome_non_commercial": _welcome(
        MODEL.model_copy(
            update={
                "name": "giant",
                "title": "Depth Anything 3 giant",
                "supports_gaussians": True,
                "licence": "CC BY-NC 4.0",
                "non_commercial": True,
                "demonstration": False,
                "device": "cuda",
                "steady": "window",
            }
        )
    ),
    "welcome_room": _welcome(MODEL).model_copy(update={"recording": "always", "room": "Stage_2-b"}),
    "status_ready": wire.Status(state="ready", message="The model is ready."),
    "status_loading": wire.Status(state="loading", message="Loading the model.", progress=0.5),
    "adapted": wire.Adapted(
        format=wire.Format.COMPACT,
        output="pixel",
        stride=2,
        depth_bits=12,
        max_fps=7.5,
        pinned=["output"],
        reason="the link carries about 2 Mbit/s",
        link_mbit_s=2.25,
        round_trip_ms=83.5,
    ),
    "adapted_free": wire.Adapted(
        format=wire.Format.SPLATS16, output="pixel", stride=1, pinned=[], reason="the link carries everything"
    ),
    "recording": wire.Recording(
        id=RECORDING_ID,
        state="recording",
        steps=61,
        seconds=2.5,
        size_bytes=3_000_000_000,
        lost=2,
        sound=True,
        message="",
    ),
    "recording_failed": wire.Recording(
        id=RECORDING_ID,
        state="failed",
        steps=0,
        seconds=0.25,
        size_bytes=16,
        lost=0,
        sound=False,
        message="the disk took no more",
    ),
    "pong": wire.Pong(t=42.125),
    "gaussian_ply": wire.GaussianPly(**_result(num_splats=3, ply_data=b"ply\nbytes that only the reader of PLY knows")),
    "gaussian_ply_empty": wire.GaussianPly(**_result(num_splats=0, ply_data=b"", bounds=None)),
    "pointcloud": wire.PointCloud(**_result(num_points=2, points=POSITIONS, colors=COLORS)),
    "splats16": wire.Splats16(**_result(num_splats=1, data=bytes(range(1, 17)) + bytes(2047 * 16))),
    "splats16_placed": wire.Splats16(
        **_result(num_splats=1, data=bytes(2048 * 16), pose=(0.5, -0.5, 0.5, 0.5, 1.25, -0.75, 2.5))
    ),
    "compact": wire.Compact(**_result(**COMPACT, mask=bytes([3, 1, 4]), color=JPEG)),
    "compact_shape": wire.Compact(**_result(**COMPACT, shape=b"planes that only the decoder knows", color=JPEG)),
    "compact_own": wire.Compact(**_result(**COMPACT)),
    **{
        f"error_{code}": wire.Error(code=code, message=text, frame_id=7 if code == wire.ErrorCode.BAD_JPEG else None)
        for code, text in wire.ERROR_EXPLANATIONS.items()
    },
}
