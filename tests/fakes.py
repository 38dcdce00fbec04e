"""Small real implementations that stand in for slow or outside things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from splatcam import wire
from splatcam.bench.links import LocalLink
from splatcam.engine import EngineFailed, EngineStatus, OnStatus
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult, SceneFacts
from splatcam.live.recordings import Recordings
from splatcam.live.session import Session
from splatcam.live.streams import StreamHub
from splatcam.rendering.picture_job import Picture, PictureJob
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry
from splatcam.variants import Variant
from splatcam.wire import Format, ModelInfo

JPEG = wire.JPEG_MAGIC + b"a picture"
BROKEN_JPEG = wire.JPEG_MAGIC + b"broken"
FAULTY_JPEG = wire.JPEG_MAGIC + b"faulty"
BUG_JPEG = wire.JPEG_MAGIC + b"meets a bug"


def model(name: str = "small", supports_gaussians: bool = False) -> ModelInfo:
    return ModelInfo(
        name=name, title=name, supports_gaussians=supports_gaussians, licence="ours", non_commercial=False,
        demonstration=False,
    )  # fmt: skip


class PaperEngine:
    """An engine without a model: every frame has two splats of nothing. `hold()` makes it wait in the middle of one."""

    def __init__(self, info: ModelInfo | None = None) -> None:
        self.status = EngineStatus("ready", "ready", model=info or model())
        self.jobs: list[FrameJob] = []
        self.drawn: list[PictureJob] = []
        self.forgotten: list[str] = []
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def start(self, on_status: OnStatus) -> None:
        on_status(self.status)

    async def process(self, job: FrameJob) -> FrameResult:
        self.jobs.append(job)
        await self._open.wait()
        if job.jpeg == BROKEN_JPEG:
            raise FrameRefused("bad_jpeg", "broken")
        if job.jpeg == BUG_JPEG:
            raise ZeroDivisionError
        if job.jpeg == FAULTY_JPEG:
            raise EngineFailed("the engine met a fault")
        facts = SceneFacts(2, 1.5) if job.wants_scene else None
        return FrameResult({variant: paper_fields(variant) for variant in job.variants}, {"estimate": 1.0}, facts)

    async def draw(self, job: PictureJob) -> Picture:
        self.drawn.append(job)
        return Picture(0, wire.JPEG_MAGIC + f" {job.mode} {job.camera.width}x{job.camera.height}".encode())

    def forget(self, stream_id: str) -> None:
        self.forgotten.append(stream_id)

    async def close(self) -> None:
        self._open.set()


def paper_fields(variant: Variant) -> dict[str, Any]:
    shared = {"bounds": None, "intrinsics": (1.0, 1.0, 0.5, 0.5), "grid": (1, 2), "model": "paper"}
    match variant.format:
        case Format.SPLATS16:
            return {**shared, "num_splats": 2, "data": bytes(32)}
        case Format.COMPACT:
            planes = {"near": 1.0, "far": 2.0, "depth_bits": variant.depth_bits, "opacity": 1.0, "depth": b"planes"}
            color = {"color": JPEG} if variant.color == "sent" else {}
            return {**shared, "num_splats": 2, "window": (0, 0, 1, 2), "stride": 1, **planes, **color}
        case Format.GAUSSIAN_PLY:
            return {**shared, "num_splats": 2, "ply_data": b"ply\n"}
        case _:
            return {**shared, "num_points": 2, "points": bytes(24), "colors": bytes(6)}


class Client:
    """The far end of a session: sends messages, reads answers, acknowledges nothing by itself."""

    def __init__(self, link: LocalLink, session: Session) -> None:
        self._link = link
        self.session = session
        self.adapted: dict[str, Any] = {}  # what it was told with the last welcome

    async def send(self, message: Any) -> None:
        await self._link.send(message if isinstance(message, (bytes, str)) else wire.encode(message))

    async def hello(self, *formats: str, watch: str | None = None, room: str | None = None) -> dict[str, Any]:
        await self.send(wire.Hello(protocol=1, formats=list(formats or ("splats16",)), watch=watch, room=room))
        welcome = await self.until("welcome")
        self.adapted = await self.until("adapted")
        return welcome

    async def frame(self, frame_id: int, jpeg: bytes = JPEG) -> None:
        await self.send(wire.FrameMessage(frame_id=frame_id, captured_at_ms=float(frame_id), jpeg=jpeg))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return wire.decode_server_message(await self._link.receive())

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def heard(self) -> list[dict[str, Any]]:
        """What was sent up to now."""
        await self.send(wire.Ping(t=1.0))
        messages = []
        while (message := await self.next())["type"] != "pong":
            messages.append(message)
        return messages

    async def silent(self) -> bool:
        """Whether everything that could be sent has been: a pong comes next. (Words go before results.)"""
        await self.send(wire.Ping(t=1.0))
        return (await self.next())["type"] == "pong"


def hub_of(engine: PaperEngine, recordings: Recordings | None = None) -> StreamHub:
    return StreamHub(engine, Telemetry(), recordings)


@asynccontextmanager
async def connected(hub: StreamHub, settings: Settings | None = None) -> AsyncIterator[Client]:
    """A session of `hub` and its client, over two queues."""
    link = LocalLink()
    session = Session(link.transport(), hub, settings or Settings())
    running = asyncio.create_task(session.run())
    try:
        yield Client(link, session)
    finally:
        await link.hang_up()
        async with asyncio.timeout(10):
            await running


async def settled(rounds: int = 50) -> None:
    """Lets every task that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
