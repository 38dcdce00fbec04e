"""The golden recordings: small .scam files, and what they say step by step, read by the Python and JavaScript tests.

NAME.scam is the file, NAME.json what a reader finds in it, byte strings as in bless.py. Another build of deflate makes
other bytes, so what is compared is what is read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from splatcam import wire
from splatcam.timeline import RecordedTimeline, TimelineServer
from splatcam.timeline.block_file import BlockKind, BlockWriter, Codec
from splatcam.timeline.nodes import Block, Picture, Result, Step, StepFacts, node_to_map
from splatcam.timeline.timeline_file import AudioPart, End, Info
from tests.golden.cases import JPEG, SERVER_CASES

FOLDER = Path(__file__).resolve().parent / "scam"
RATE = 16_000
RECEIVED_MS = (5000.0, 5040.0, 5160.0)  # the third one came late


def _live_step(number: int) -> Step:
    message = SERVER_CASES["splats16"].model_copy(
        update={"frame_id": number, "captured_at_ms": 100.5 + 40 * number, "received_at_ms": RECEIVED_MS[number]}
    )
    facts = StepFacts(
        frame_id=number, captured_at_ms=100.5 + 40 * number, received_at_ms=RECEIVED_MS[number], lost_before=number // 2
    )
    nodes = {
        "camera": Picture(jpeg=JPEG + bytes([number])),
        "scene": Result(format=wire.Format.SPLATS16, message=wire.encode(message)),
    }
    return Step(nodes, facts)


def recording() -> bytes:
    """Three frames in two blocks, one as it is and one deflated, and sound before the second; ended in order."""
    memory = io.BytesIO()
    writer = BlockWriter.into(memory)
    info = Info(fps=25.0, model="builtin", began_at="2026-01-02T03:04:05Z")
    writer.append(BlockKind.INFO, range(0), info.model_dump(), Codec.STORED)
    writer.append(BlockKind.STEPS, range(2), Block(0, (_live_step(0), _live_step(1))).to_map(), Codec.STORED)
    sound = AudioPart(
        name="microphone", sample_rate=RATE, channels=1, start_step=2, volume=1.0, captured_at_ms=140.5,
        samples=struct.pack("<4h", 0, 16384, -32768, 32767),
    )  # fmt: skip
    writer.append(BlockKind.AUDIO, range(0), sound.to_map())
    writer.append(BlockKind.STEPS, range(2, 3), Block(2, (_live_step(2),)).to_map())
    writer.append(BlockKind.END, range(0), End(lost=1).model_dump(), Codec.STORED)
    writer.finish()
    return memory.getvalue()


def timeline() -> bytes:
    """Of a program: something static, a cloud that is written, replaced and removed, a picture, splats, a sound."""
    server = TimelineServer(40, fps=10.0)
    points, colors = np.array([[0, 0, 1], [-1.5, 0.75, 4.25]], "<f4"), np.array([[255, 0, 0], [0, 128, 255]], np.uint8)
    server.scene.add_points("ground", points, colors)
    with server.at(0):
        server.scene.add_points("cloud", points, colors)
        server.audio.add_track("hum", np.arange(800, dtype=np.int16), 8000, volume=0.5)
    with server.at(3):
        server.scene.add_points("cloud", points[:1], colors[:1])
        server.scene.add_image("note", JPEG)
    with server.at(35):
        server.scene.add_packed_splats("ball", 1, bytes(range(16)) + bytes(2047 * 16))
    with server.at(38):
        server.scene.remove("cloud")
    data = server.serialize()
    server.close()
    return data


SCAM_CASES: dict[str, Callable[[], bytes]] = {"recording": recording, "timeline": timeline}


def told(data: bytes) -> dict[str, Any]:
    """What a reader finds in a file."""
    recorded = RecordedTimeline.from_bytes(data)
    steps = []
    for step in range(recorded.num_steps):
        facts = recorded.facts_at(step)
        scene = {name: node_to_map(node) for name, node in recorded.scene_at(step).items()}
        steps.append({"scene": scene, "facts": node_to_map(facts) if facts else None})
    sounds = [
        {**sound.__dict__, "samples": sound.samples.tobytes(), "channels": sound.samples.shape[1]}
        for sound in recorded.sounds()
    ]
    return {"info": recorded.info.model_dump(), "steps": steps, "sounds": sounds}
