"""A hub that records into a folder, for tests: sessions over queues, an engine of paper, real files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splatcam import wire
from splatcam.live.recordings import Recordings
from splatcam.live.streams import StreamHub
from splatcam.settings import RecordMode
from splatcam.telemetry import Telemetry
from splatcam.timeline import RecordedTimeline
from splatcam.timeline.nodes import Picture, Result
from splatcam.timeline.takes import TakeFacts, Takes
from tests.fakes import JPEG, Client, PaperEngine

LARGE = 1 << 40
START, STOP = wire.Record(action="start"), wire.Record(action="stop")


@dataclass
class Studio:
    """A hub that records into a folder."""

    hub: StreamHub
    takes: Takes
    engine: PaperEngine
    free_bytes: int = field(default=LARGE)

    def listed(self) -> list[TakeFacts]:
        return self.takes.listed()

    def steps_of(self, take_id: str) -> list[tuple[int, bytes, bytes]]:
        """frame_id, JPEG and message of each step."""
        timeline = RecordedTimeline.open(self.takes.find(take_id))
        found = []
        for at in range(timeline.num_steps):
            facts, scene = timeline.facts_at(at), timeline.scene_at(at)
            picture, result = scene["camera"], scene["scene"]
            assert facts is not None and isinstance(picture, Picture) and isinstance(result, Result)
            found.append((facts.frame_id, picture.jpeg, result.message))
        timeline.close()
        return found


@asynccontextmanager
async def studio(
    folder: Path, mode: RecordMode = "asked", engine: PaperEngine | None = None, max_bytes: int = LARGE
) -> AsyncIterator[Studio]:
    telemetry = Telemetry()
    takes = Takes(folder, max_bytes, lambda _: made.free_bytes)
    recordings = Recordings(takes, mode, telemetry)
    engine = engine or PaperEngine()
    made = Studio(StreamHub(engine, telemetry, recordings), takes, engine)
    try:
        yield made
    finally:
        await recordings.close()
        takes.close()


async def streaming(client: Client, room: str | None = None) -> None:
    """A camera whose first frame is answered."""
    await client.hello("compact", room=room)
    await shown(client, 0)


async def shown(client: Client, frame_id: int, jpeg: bytes = JPEG) -> dict[str, Any]:
    await client.frame(frame_id, jpeg)
    while (result := await client.until("compact"))["frame_id"] != frame_id:
        pass
    await client.send(wire.Ack(frame_id=frame_id))
    return result


async def recording(client: Client, state: str = "recording") -> dict[str, Any]:
    """The next word of a recording in that state."""
    while (word := await client.until("recording"))["state"] != state:
        pass
    return word
