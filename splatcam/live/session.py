"""One client's connection, from accept to close. Knows the protocol and the streams, not the web framework.

A reader that always reads, and the only writer; between them the newest result waits, alone. A third task watches
whether the client uses its place.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from splatcam import wire
from splatcam.engine import EngineStatus
from splatcam.live.ack_window import AckWindow
from splatcam.live.adaptation import Adaptation, HasRoom
from splatcam.live.connection import IDLE, Disconnected, HangUp, read_within, until_first_ends
from splatcam.live.idle import Idle
from splatcam.live.latest_slot import LatestSlot
from splatcam.live.recordings import Word
from splatcam.live.streams import CameraFrame, Delivery, Stream, StreamHub
from splatcam.live.words import adapted, limits_of
from splatcam.rate_limit import SessionLimit
from splatcam.settings import Settings
from splatcam.timeline.heard import HeardPiece
from splatcam.variants import PLAIN_FORMATS, Client, Variant, ViewerSettings, ladder, require_known_format
from splatcam.wire import ErrorCode, WireError

logger = logging.getLogger(__name__)
MAX_WAITING_WORDS = 64  # errors, pongs, status: what a client does not read is forgotten, oldest first
LONGEST_NAME = 80  # of a client, in the log
RATE_TOLERANCE = 0.9  # a camera at 29.97 fps passes a limit of 30


class Transport(Protocol):
    """A websocket, as much of it as a session needs."""

    async def receive(self) -> bytes | str:
        """The next message; raises Disconnected."""
        ...

    async def send(self, data: bytes) -> None:
        """Returns when the message is handed on; raises Disconnected."""
        ...


class Session:
    """`run()` returns when the client is gone, and raises HangUp when it has to go."""

    def __init__(self, transport: Transport, hub: StreamHub, settings: Settings) -> None:
        self.session_id = uuid.uuid4().hex[:12]
        self._transport = transport
        self._hub = hub
        self._settings = settings
        self._client = Client(PLAIN_FORMATS, "plain")
        self._wishes = ViewerSettings()
        self._window = AckWindow()
        self._adaptation: Adaptation | None = None  # None while no model is there
        self._words: deque[bytes] = deque(maxlen=MAX_WAITING_WORDS)
        self._result: LatestSlot[Delivery] = LatestSlot()
        self._writable = asyncio.Event()
        self._camera: Stream | None = None  # this client's own stream, once it sent a frame
        self._room: str | None = None  # a name for it
        self._watched: Stream | None = None
        self._model = hub.engine.status.model  # as this client knows it
        self._plain_frames = 0
        self._last_turn_s = -math.inf
        now_s = time.monotonic()
        self._limit = SessionLimit(settings.max_messages_per_s, settings.max_bytes_per_s, now_s)
        self._idle = Idle(settings.first_message_s, settings.idle_s, now_s)

    async def run(self) -> None:
        stop_listening = self._hub.listen(self._engine_changed)
        try:
            await until_first_ends(self._read(), self._write(), self._watch_use())
        except Disconnected:
            pass
        finally:
            stop_listening()
            self._leave()
            if self._camera is not None:
                await self._hub.close(self._camera)

    async def _watch_use(self) -> None:
        """Raises HangUp when the client has not used its place for long."""
        while (left_s := self._idle.left_s(time.monotonic())) > 0:
            await asyncio.sleep(left_s)
            if self._hub.engine.status.model is None:
                self._idle.used(time.monotonic())  # no page sends frames before the welcome: it waits for us
        raise HangUp(IDLE, self._idle.reason)

    # ------------------------------------------------------------ what a stream sees (streams.Viewer)

    @property
    def variant(self) -> Variant | None:
        return self._adaptation.choice.variant if self._adaptation else None

    @property
    def _max_fps(self) -> float | None:
        return self._wishes.max_fps or (self._adaptation.choice.max_fps if self._adaptation else None)

    def due_in_s(self, now_s: float) -> float:
        if self._max_fps is None:
            return 0.0
        return max(0.0, self._last_turn_s + RATE_TOLERANCE / self._max_fps - now_s)

    def take_turn(self, now_s: float) -> None:
        self._last_turn_s = now_s

    def deliver(self, delivery: Delivery) -> None:
        now_s = time.monotonic()
        self._window.offered(now_s)
        is_replaced = self._result.put(delivery) is not None
        if is_replaced:
            self._hub.telemetry.result("replaced")
        if delivery.is_result and self._adaptation is not None:
            self._adaptation.offered(now_s, replaced=is_replaced)
            self._adapt(now_s)
        self._writable.set()

    def tell(self, word: Word) -> None:
        if self._client.contract == "full" or isinstance(word, wire.Error):
            self._say(word)

    def stream_ended(self, why: WireError) -> None:
        left, self._watched = self._watched, None
        self._say(wire.Error(code=why.code, message=str(why)))
        if self._camera in (None, left):
            return
        try:  # back to its own camera
            self._adopt(self._client, self._wishes, self._camera)
            self._tell_recording()
        except WireError as error:
            self._say(wire.Error(code=error.code, message=str(error)))

    # ------------------------------------------------------------ reading

    async def _read(self) -> None:
        await read_within(self._limit, self._transport.receive, self._take, self._drop)

    def _take(self, data: bytes | str) -> None:
        try:
            self._handle(wire.parse_client_message(data, self._settings.max_message_bytes))
        except WireError as error:
            self._tell_error(error)

    def _drop(self, data: bytes | str, now_s: float) -> None:
        """Most of a flood is not even parsed."""
        if wire.looks_like_frame(data):
            self._hub.telemetry.received()
            self._hub.telemetry.ended("refused")
        if self._limit.may_tell(now_s):
            code = ErrorCode.RATE_LIMITED
            self._tell_error(WireError(code, wire.ERROR_EXPLANATIONS[code], self._frame_id_of(data)))
        if isinstance(data, bytes) and data.startswith(wire.JPEG_MAGIC):
            self._plain_frames += 1  # its client counts it too

    def _frame_id_of(self, data: bytes | str) -> int | None:
        try:
            message = wire.parse_client_message(data, self._settings.max_message_bytes)
        except WireError as error:
            return error.frame_id
        match message:
            case wire.FrameMessage():
                return message.frame_id
            case wire.PlainFrame():
                return self._plain_frames
        return None

    def _tell_error(self, error: WireError) -> None:
        self._hub.telemetry.told_error()
        self._say(wire.Error(code=error.code, message=str(error), frame_id=error.frame_id))

    def _handle(self, message: Any) -> None:
        match message:
            case wire.PlainFrame():
                self._take_frame(self._plain_frames, 0.0, message.jpeg)
                self._plain_frames += 1
            case wire.FrameMessage():
                self._take_frame(message.frame_id, message.captured_at_ms, message.jpeg)
            case wire.Ack():
                self._acknowledged(message.frame_id)
            case wire.Shown():
                if message.latency_ms is not None:
                    self._hub.telemetry.observe("shown", message.latency_ms)
            case wire.SettingsMessage():
                self._adopt(self._client, self._wishes.changed_by(message), self._watched)
                self._tell_choice()
            case wire.Ping():
                self._say(wire.Pong(t=message.t))
            case wire.Record():
                self._record(message)
            case wire.Sound():
                if self._camera is not None:
                    self._camera.hear(HeardPiece(message.captured_at_ms, message.sample_rate, message.samples))
            case wire.Hello():
                self._greet(message)

    def _acknowledged(self, frame_id: int) -> None:
        now_s = time.monotonic()
        receipt = self._window.acknowledged(frame_id, now_s)
        if receipt is not None:
            self._idle.used(now_s)
        if receipt is not None and self._adaptation is not None:
            self._adaptation.acknowledged(receipt.size_bytes, receipt.round_trip_s, now_s)
        self._writable.set()

    def _take_frame(self, frame_id: int, captured_at_ms: float, jpeg: bytes) -> None:
        if self._camera is None:
            self._camera = self._hub.open(self.session_id, self, self._room)
            if self._watched is None:
                self._adopt(self._client, self._wishes, self._camera)
        now_s = time.monotonic()
        self._idle.began(now_s)
        self._idle.used(now_s)
        self._camera.put(CameraFrame(frame_id, captured_at_ms, jpeg, now_s))

    def _greet(self, hello: wire.Hello) -> None:
        self._idle.began(time.monotonic())
        is_first = self._client.contract == "plain"
        watched = self._hub.find(hello.watch) if hello.watch is not None else self._camera
        self._adopt(Client(hello.formats), self._wishes, watched)
        self._room = hello.room
        if self._camera is not None:
            self._camera.room = hello.room
        if is_first:  # said five hundred times a second it would fill a disk
            name = hello.client[:LONGEST_NAME] or "a client without a name"
            logger.info("session %s: %r", self.session_id, name, extra={"event": "hello", "session": self.session_id})
        self._welcome()
        self._say_status(self._hub.engine.status)
        self._tell_recording()

    def _record(self, message: wire.Record) -> None:
        if self._camera is None:
            raise WireError(ErrorCode.RECORDING_REFUSED, "there is no camera yet: it begins with the first frame")
        recording, is_start = self._camera.recording, message.action == "start"
        is_so_already = recording.is_running == is_start
        if is_start:
            self._camera.start_recording()
        else:
            recording.stop()
        if is_so_already and recording.present is not None:
            self.tell(recording.present)

    def _tell_recording(self) -> None:
        """To who comes while one runs."""
        if self._watched is not None and self._watched.recording.is_running:
            present = self._watched.recording.present
            if present is not None:
                self.tell(present)

    # ------------------------------------------------------------ what this client gets

    def _adopt(self, client: Client, wishes: ViewerSettings, watched: Stream | None) -> None:
        """What this client gets, and from whom. Takes effect whole or, with a WireError, not at all."""
        require_known_format(client.formats)
        client = replace(client, color="own" if watched is self._camera else "sent")
        rungs = self._rungs(client, wishes)
        if watched is not None:
            watched.require_room(rungs, self)
        self._client, self._wishes = client, wishes
        self._relist(rungs, watched)
        if watched is not self._watched:
            self._leave()
            self._watched = watched
            if watched is not None:
                watched.viewers.append(self)

    def _rungs(self, client: Client, wishes: ViewerSettings) -> tuple[Variant, ...]:
        """Empty while no model is there. Raises WireError where the wishes cannot be met."""
        model = self._hub.engine.status.model
        return () if model is None else ladder(client, wishes, model.supports_gaussians)

    def _relist(self, rungs: tuple[Variant, ...], watched: Stream | None) -> None:
        now_s, rate_is_free = time.monotonic(), self._wishes.max_fps is None and self._client.contract == "full"
        if not rungs:
            self._adaptation = None
        elif self._adaptation is None:
            self._adaptation = Adaptation(rungs, now_s, rate_is_free, self._room_in(watched))
        else:
            self._adaptation.relist(rungs, now_s, rate_is_free, self._room_in(watched))

    def _room_in(self, watched: Stream | None) -> HasRoom:
        return lambda variant: watched is None or watched.has_room_for(variant, self)

    def _adapt(self, now_s: float) -> None:
        if self._adaptation is not None and self._adaptation.decide(now_s, self._room_in(self._watched)):
            self._tell_choice()

    def _leave(self) -> None:
        if self._watched is not None:
            self._watched.viewers.remove(self)
            self._watched = None

    def _engine_changed(self, status: EngineStatus) -> None:
        self._idle.used(time.monotonic())
        # without a choice: its wishes changed while no model was there
        if status.model is not None and (status.model != self._model or self._adaptation is None):
            self._meet(status.model)
            self._welcome()
        self._say_status(status)

    def _meet(self, model: wire.ModelInfo) -> None:
        """Wishes that the new model cannot meet are told and given up. The stream sees to it that there is room."""
        self._model = model
        try:
            rungs = self._rungs(self._client, self._wishes)
        except WireError as error:
            self._say(wire.Error(code=error.code, message=str(error)))
            self._wishes = ViewerSettings()
            rungs = self._rungs(self._client, self._wishes)
        self._relist(rungs, self._watched)

    # ------------------------------------------------------------ writing

    def _say(self, message: Any) -> None:
        self._words.append(wire.encode(message))
        self._writable.set()

    def _welcome(self) -> None:
        model = self._hub.engine.status.model
        if model is None or self.variant is None or self._client.contract == "plain":
            return
        self._say(
            wire.Welcome(
                protocol=wire.PROTOCOL_VERSION,
                session_id=self.session_id,
                model=model,
                formats=list(wire.Format),
                format=self.variant.format,
                limits=limits_of(self._settings),
                recording=self._hub.recordings.mode,
                room=self._room,
            )
        )
        self._tell_choice()

    def _tell_choice(self) -> None:
        if self._adaptation is None or self._client.contract == "plain":
            return
        choice, round_trip_s = self._adaptation.choice, self._adaptation.round_trip_s
        self._say(adapted(choice, self._max_fps, self._wishes.pinned, round_trip_s))

    def _say_status(self, status: EngineStatus) -> None:
        if self._client.contract == "full":
            self._say(wire.Status(state=status.state, message=status.message, progress=status.progress))

    async def _write(self) -> None:
        while True:
            while self._words:
                await self._transport.send(self._words.popleft())
            wait_s = self._wait_s()
            if wait_s == 0 and (delivery := self._result.take()):
                await self._send_answer(delivery)
                continue
            self._writable.clear()
            with suppress(TimeoutError):  # not by wait_for: Python 3.11's may take a cancellation for an event
                async with asyncio.timeout(wait_s or None):
                    await self._writable.wait()

    def _wait_s(self) -> float:
        """Plain clients are held back by TCP alone."""
        return self._window.wait_s(time.monotonic()) if self._client.contract == "full" else 0.0

    async def _send_answer(self, delivery: Delivery) -> None:
        if delivery.is_result:
            self._hub.telemetry.result("sent", len(delivery.message))
            if self._client.contract == "full":
                self._window.sent(delivery.frame_id, len(delivery.message), time.monotonic())
        await self._transport.send(delivery.message)
