"""A camera and everybody who watches it. One worker per stream: newest frame → engine → one message per variant.

Knows no websocket: a viewer is something that wants a variant and takes messages.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from splatcam import wire
from splatcam.engine import Engine, EngineFailed, EngineRestarting, EngineStatus
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult, SceneFacts
from splatcam.live.latest_slot import LatestSlot
from splatcam.live.recordings import Recordings, StreamRecording, Word
from splatcam.telemetry import FrameOutcome, Telemetry
from splatcam.timeline import LiveStep, recording_variant
from splatcam.timeline.heard import HeardPiece
from splatcam.variants import MAX_VARIANTS, Variant
from splatcam.wire import ErrorCode, WireError

logger = logging.getLogger(__name__)
SCENE_WANTED_S = 10.0  # after the last wish for a picture
TOO_MANY = f"{MAX_VARIANTS} different formats or settings are watched on this stream already"


@dataclass(frozen=True)
class CameraFrame:
    """A frame as it came from the client, not yet looked at."""

    frame_id: int
    captured_at_ms: float
    jpeg: bytes
    received_at_s: float  # time.monotonic()

    @property
    def received_at_ms(self) -> float:
        return round(self.received_at_s * 1e3, 3)


@dataclass(frozen=True)
class Delivery:
    """A frame's answer on its way to a viewer: its result, or its error."""

    frame_id: int
    message: bytes
    is_result: bool = True  # errors are neither counted as results nor acknowledged


class Viewer(Protocol):
    """What a stream sees of a session."""

    @property
    def variant(self) -> Variant | None:
        """What it gets; None: wants nothing now."""
        ...

    def due_in_s(self, now_s: float) -> float:
        """Seconds until its frame rate allows another result; 0: now."""
        ...

    def take_turn(self, now_s: float) -> None:
        """The frame of this moment is for it too."""
        ...

    def deliver(self, delivery: Delivery) -> None:
        """Takes a result; a newer one replaces it if it waits too long. Never blocks."""
        ...

    def tell(self, word: Word) -> None:
        """How the stream's recording stands, or why there is none. Never blocks."""
        ...

    def stream_ended(self, why: WireError) -> None:
        """It watches this stream no longer. Raises nothing."""
        ...


@dataclass(frozen=True)
class LiveScene:
    """The newest scene that the engine has kept of a stream, to be drawn by it."""

    frame_id: int
    revision: int  # grows with every frame that was kept
    facts: SceneFacts


class Stream:
    """One camera. Owns its mailbox and the task that empties it."""

    def __init__(self, stream_id: str, hub: StreamHub, camera: Viewer, room: str | None) -> None:
        self.stream_id = stream_id
        self.room = room  # another name of it
        self.recording = StreamRecording(hub.recordings, self._tell_of_recording)
        self.viewers: list[Viewer] = []
        self._hub = hub
        self._engine = hub.engine
        self._telemetry = hub.telemetry
        self.scene: LiveScene | None = None
        self._scene_until_s = -math.inf  # until then somebody wants pictures
        self._scene_changed = asyncio.Event()
        self._last_viewers: list[Viewer] = []  # when the camera left
        self._camera = camera  # the session that sends the frames: it is told of those that fail
        self._mailbox: LatestSlot[CameraFrame] = LatestSlot()
        self._worker = asyncio.create_task(self._run(), name=f"stream-{stream_id}")

    def put(self, frame: CameraFrame) -> None:
        self._telemetry.received()
        if self._mailbox.put(frame):
            self._telemetry.ended("superseded")

    async def close(self) -> None:
        self._worker.cancel()  # its frame, if it has one, ends with it
        if self._mailbox.take():
            self._telemetry.ended("unwatched")
        await asyncio.gather(self._worker, return_exceptions=True)
        self._engine.forget(self.stream_id)
        self.recording.end()
        self._last_viewers, self.viewers = self.viewers, []
        for viewer in self._last_viewers:
            viewer.stream_ended(WireError(ErrorCode.UNKNOWN_SESSION, "the camera that you watched has left"))

    def want_scene(self, now_s: float) -> None:
        """Frames leave a scene behind for the next seconds: somebody looks at pictures of them."""
        self._scene_until_s = now_s + SCENE_WANTED_S

    def start_recording(self) -> None:
        """What is shown from now on is kept, also while nobody watches. Raises WireError."""
        model = self._engine.status.model
        if model is None:
            raise WireError(ErrorCode.RECORDING_REFUSED, "no model is there yet")
        if not self.recording.is_running and not self.has_room_for(recording_variant(model.supports_gaussians)):
            raise WireError(ErrorCode.RECORDING_REFUSED, TOO_MANY)
        self.recording.start(model.name, self.room or "")

    def hear(self, piece: HeardPiece) -> None:
        """Kept while the stream is recorded."""
        self.recording.hear(piece)

    async def next_scene(self, revision: int) -> LiveScene:
        """Waits for a scene that is newer than that."""
        while self.scene is None or self.scene.revision <= revision:
            await self._scene_changed.wait()
        return self.scene

    def require_room(self, rungs: Sequence[Variant], viewer: Viewer) -> None:
        """Raises WireError when for any of them one variant more than the engine promises would have to be encoded."""
        if rungs and not any(self.has_room_for(variant, viewer) for variant in rungs):
            raise WireError(ErrorCode.TOO_MANY_VARIANTS, TOO_MANY)

    def has_room_for(self, variant: Variant, viewer: Viewer | None = None) -> bool:
        """`viewer`: who wants it; what it has now does not count."""
        others = {v.variant.encoding for v in self.viewers if v is not viewer and v.variant}
        if (recorded := self._recorded) is not None:
            others.add(recorded.encoding)
        return variant.encoding in others or len(others) < MAX_VARIANTS

    @property
    def _recorded(self) -> Variant | None:
        """What is encoded for the recording; None while there is none."""
        model = self._engine.status.model
        return recording_variant(model.supports_gaussians) if self.recording.is_running and model else None

    def make_room(self) -> None:
        """With another model viewers may want more variants than are encoded: the last to come leave."""
        kept = {recorded.encoding} if (recorded := self._recorded) is not None else set()
        for viewer in list(self.viewers):
            if viewer.variant is None or viewer.variant.encoding in kept:
                continue
            if len(kept) < MAX_VARIANTS:
                kept.add(viewer.variant.encoding)
            else:
                self.viewers.remove(viewer)
                viewer.stream_ended(WireError(ErrorCode.TOO_MANY_VARIANTS, TOO_MANY))

    async def _run(self) -> None:
        while True:
            await self._hub.model_known.wait()  # meanwhile the newest frame waits in the mailbox
            frame = await self._mailbox.get()
            outcome: FrameOutcome = "unwatched"  # of a frame whose session leaves while we have it
            try:
                frame = await self._newest_when_engine_works(await self._newest_when_due(frame))
                outcome = await self._answer(frame)
            finally:
                self._telemetry.ended(outcome)

    async def _answer(self, frame: CameraFrame) -> FrameOutcome:
        if self.recording.is_due:
            self._record_unasked()
        now_s = time.monotonic()
        due = [(v, v.variant) for v in self.viewers if v.variant and v.due_in_s(now_s) == 0]
        wants_scene = now_s < self._scene_until_s
        is_wanted = bool(due) or wants_scene or self.recording.is_running
        if not is_wanted and self._engine.status.state != "failed":
            return "unwatched"
        for viewer, _ in due:
            viewer.take_turn(now_s)
        try:
            await self._process(frame, due, wants_scene)
            return "delivered"
        except FrameRefused as error:
            self._tell(frame, ErrorCode(error.code), error.message)
            return "refused"
        except EngineRestarting as error:
            self._tell(frame, ErrorCode.ENGINE_RESTARTING, str(error))
        except EngineFailed as error:
            self._tell(frame, ErrorCode.ENGINE_FAILED, str(error))
        except Exception:  # a bug costs one frame, not the stream
            where = {"event": "frame_failed", "session": self.stream_id, "frame_id": frame.frame_id}
            logger.exception("frame %d of stream %s", frame.frame_id, self.stream_id, extra=where)
            self._tell(frame, ErrorCode.ENGINE_FAILED, wire.ERROR_EXPLANATIONS[ErrorCode.ENGINE_FAILED])
        return "failed"

    def _record_unasked(self) -> None:
        model = self._engine.status.model
        if model is not None and self.has_room_for(recording_variant(model.supports_gaussians)):
            self.recording.start_unasked(model.name, self.room or "")

    async def _newest_when_due(self, frame: CameraFrame) -> CameraFrame:
        """Where every viewer limits its frame rate, the newest frame waits for the first of them."""
        while (wait_s := self._due_in_s()) > 0:
            try:
                async with asyncio.timeout(wait_s):
                    frame = await self._mailbox.get()
                self._telemetry.ended("superseded")
            except TimeoutError:
                pass
        return frame

    async def _newest_when_engine_works(self, frame: CameraFrame) -> CameraFrame:
        """While the engine starts again, the newest frame waits."""
        while not self._hub.model_known.is_set():
            await self._hub.model_known.wait()
            if (newer := self._mailbox.take()) is not None:
                self._telemetry.ended("superseded")
                frame = newer
        return frame

    def _due_in_s(self) -> float:
        if self.recording.is_running:
            return 0.0  # every frame is recorded
        now_s = time.monotonic()
        return min((viewer.due_in_s(now_s) for viewer in self.viewers if viewer.variant), default=0.0)

    def _tell(self, frame: CameraFrame, code: ErrorCode, message: str) -> None:
        """An error takes the place that the result would have had, so that answers keep the order of the frames."""
        self._telemetry.told_error()
        error = wire.Error(code=code, message=message, frame_id=frame.frame_id)
        self._camera.deliver(Delivery(frame.frame_id, wire.encode(error), is_result=False))

    async def _process(self, frame: CameraFrame, due: list[tuple[Viewer, Variant]], wants_scene: bool) -> None:
        recorded = self._recorded
        wanted = [*(variant for _, variant in due), *([recorded] if recorded is not None else [])]
        variants = tuple(dict.fromkeys(wanted))
        job = FrameJob(self.stream_id, frame.frame_id, frame.captured_at_ms, frame.jpeg, variants, wants_scene)
        begin_s = time.monotonic()
        result = await self._engine.process(job)
        if result.facts is not None:
            revision = self.scene.revision + 1 if self.scene else 0
            self.scene = LiveScene(frame.frame_id, revision, result.facts)
            self._scene_changed.set()  # whoever waits is woken
            self._scene_changed.clear()
        self._telemetry.dropped_nonfinite(result.dropped_nonfinite)
        timings_ms = self._timings(frame, begin_s, result)
        for variant in variants:
            delivery = Delivery(frame.frame_id, _message(frame, variant, result, timings_ms))
            if variant == recorded:
                self.recording.put(_step(frame, variant, delivery.message))
            fields = result.fields[variant]
            self._telemetry.made(
                f"{variant.output}/{variant.format}", fields.get("num_splats", fields.get("num_points", 0))
            )
            for viewer, its_variant in due:
                if its_variant == variant and viewer in self.viewers:
                    viewer.deliver(delivery)

    def _tell_of_recording(self, word: Word) -> None:
        """To the camera, and to who watches it or did so when it left; what was refused, to the camera alone."""
        self._camera.tell(word)
        if isinstance(word, wire.Recording):
            for viewer in [*self.viewers, *self._last_viewers]:
                if viewer is not self._camera:
                    viewer.tell(word)

    def _timings(self, frame: CameraFrame, begin_s: float, result: FrameResult) -> dict[str, float]:
        """Stages in order. `wait`: for its turn; `engine`: the way to the engine and back, beyond its stages."""
        end_s = time.monotonic()
        stages = result.timings_ms
        timings_ms = {
            "wait": (begin_s - frame.received_at_s) * 1e3,
            **stages,
            "engine": (end_s - begin_s) * 1e3 - sum(stages.values()),
            "total": (end_s - frame.received_at_s) * 1e3,
        }
        for stage, ms in timings_ms.items():
            self._telemetry.observe(stage, ms)
        return {stage: round(ms, 3) for stage, ms in timings_ms.items()}


def _message(frame: CameraFrame, variant: Variant, result: FrameResult, timings_ms: dict[str, float]) -> bytes:
    """A result's message, without validating megabytes that this program made itself."""
    message = wire.RESULTS[variant.format].model_construct(
        frame_id=frame.frame_id,
        captured_at_ms=frame.captured_at_ms,
        received_at_ms=frame.received_at_ms,
        timings_ms=timings_ms,
        **result.fields[variant],
    )
    return wire.encode(message)


def _step(frame: CameraFrame, variant: Variant, message: bytes) -> LiveStep:
    return LiveStep(frame.frame_id, frame.captured_at_ms, frame.received_at_ms, frame.jpeg, variant.format, message)


class StreamHub:
    """All streams of the service, and the engine they share."""

    def __init__(self, engine: Engine, telemetry: Telemetry, recordings: Recordings | None = None) -> None:
        """`recordings`: None where nothing is recorded."""
        self.engine = engine
        self.telemetry = telemetry
        self.recordings = recordings or Recordings.none(telemetry)
        self.model_known = asyncio.Event()  # or known not to come; not while the engine starts again
        self._streams: dict[str, Stream] = {}
        self._listeners: list[Callable[[EngineStatus], None]] = []
        self._note(engine.status)

    @property
    def count(self) -> int:
        return len(self._streams)

    def open(self, stream_id: str, camera: Viewer, room: str | None = None) -> Stream:
        stream = Stream(stream_id, self, camera, room)
        self._streams[stream_id] = stream
        return stream

    async def close(self, stream: Stream) -> None:
        self._streams.pop(stream.stream_id, None)
        await stream.close()

    def find(self, name: str) -> Stream:
        """By id, the `newest`, or by room: of several cameras with that name the newest. Raises WireError."""
        if name in self._streams:  # ids come first: no room can be given the name of somebody's session
            return self._streams[name]
        newest_first = reversed(self._streams.values())
        found = next((stream for stream in newest_first if name in ("newest", stream.room)), None)
        if found is None:
            raise WireError(ErrorCode.UNKNOWN_SESSION, f"no camera is streaming as {name!r}")
        return found

    def listen(self, listener: Callable[[EngineStatus], None]) -> Callable[[], None]:
        """Calls `listener` with every status of the engine from now on. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def engine_changed(self, status: EngineStatus) -> None:
        for listener in list(self._listeners):
            try:
                listener(status)
            except Exception:  # a bug costs one session: the others, and the engine that tells us, go on
                logger.exception("a session could not take a status of the engine")
        for stream in self._streams.values():
            stream.make_room()
        self._note(status)

    def _note(self, status: EngineStatus) -> None:
        if status.model is not None or status.state == "failed":
            self.model_known.set()
        elif status.state == "restarting":
            self.model_known.clear()
