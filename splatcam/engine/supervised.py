"""The engine that the service uses: a process of its own, and after its end the next one. Knows neither pipe nor torch.

Sessions outlive it: they are told `restarting`, their newest frames wait (`streams.py`). What a process did not survive
is in quarantine; one that ends again and again is left alone for a while, and the service says `failed`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from splatcam.engine import EngineFailed, EngineRestarting, EngineStatus, OnStatus
from splatcam.engine.child import GONE, Child, End
from splatcam.engine.quarantine import Quarantine
from splatcam.engine.restarts import RestartPolicy, Restarts
from splatcam.engine.worker import HostBuilder, build_host
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import Picture, PictureJob
from splatcam.settings import Settings
from splatcam.telemetry import RestartCause
from splatcam.wire import ErrorCode

logger = logging.getLogger(__name__)


class SupervisedEngine:
    """`on_restart` hears the cause of every end that another try follows."""

    def __init__(
        self,
        settings: Settings,
        on_restart: Callable[[RestartCause], None] = lambda cause: None,
        build: HostBuilder = build_host,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.status = EngineStatus("starting", "starting")
        self._settings = settings
        self._on_restart = on_restart
        self._build = build
        self._policy = policy or RestartPolicy()
        self._restarts = Restarts(self._policy)
        self._quarantine = Quarantine()
        self._child: Child | None = None
        self._supervising: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self, on_status: OnStatus) -> None:
        """A model that does not load the first time will not the second time: raises EngineFailed."""
        self._on_status = on_status
        child = self._child = self._new_child()
        try:
            await child.load()
        except EngineFailed as error:
            await child.bury()
            if not self._closing:
                self._publish(EngineStatus("failed", str(error)))
            raise EngineFailed(str(error)) from error
        if self._closing:  # since it began to load: its end is wanted, and no other one after it
            return
        self._restarts.ready(time.monotonic())
        self._supervising = asyncio.create_task(self._supervise(child), name="engine-supervisor")

    async def process(self, job: FrameJob) -> FrameResult:
        if reason := self._quarantine.reason(job.stream_id, job.jpeg):
            raise FrameRefused(ErrorCode.QUARANTINED, reason)
        result = await self._working().process(job)
        self._quarantine.survived(job.stream_id, job.jpeg)
        return result

    async def draw(self, job: PictureJob) -> Picture:
        return await self._working().draw(job)

    def forget(self, stream_id: str) -> None:
        self._quarantine.forget(stream_id)
        if self._child is not None:
            self._child.forget(stream_id)

    async def close(self) -> None:
        self._closing = True
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.gather(self._supervising, return_exceptions=True)
        if self._child is not None:
            await self._child.close()

    def _working(self) -> Child:
        if self._closing or self._child is None:
            raise EngineFailed(GONE if self._closing else "the engine has not started")
        if self.status.state == "restarting":
            raise EngineRestarting(self.status.message)
        if self.status.state == "failed":
            raise EngineFailed(self.status.message)
        return self._child

    # ------------------------------------------------------------ one life after the other

    async def _supervise(self, child: Child) -> None:
        while True:
            end = await asyncio.shield(child.ended)
            child = await self._replace(child, end)

    async def _replace(self, child: Child, end: End) -> Child:
        """The next process that has loaded its model."""
        while True:
            await child.bury()
            self._note(end, child.exit_code)
            pause = self._restarts.ended(time.monotonic())
            if pause.state == "failed":
                again = f"The model fails again and again: {end.sentence}. The next try is in {pause.delay_s:.0f} s."
                self._publish(EngineStatus("failed", again))
            await asyncio.sleep(pause.delay_s)
            self._publish(EngineStatus("restarting", "the engine's process is starting again"))
            child = self._child = self._new_child()
            try:
                await child.load()
            except EngineFailed as error:
                end = End("load", str(error))
            else:
                self._restarts.ready(time.monotonic())
                return child

    def _note(self, end: End, exit_code: int | None) -> None:
        frame = end.frame
        if frame is not None:
            self._quarantine.blame(frame.stream_id, frame.jpeg)
        where = "" if frame is None else f", in frame {frame.frame_id} of stream {frame.stream_id}"
        logger.warning("the engine's process ended with %s (%s%s): %s", exit_code, end.cause, where, end.sentence)
        self._on_restart(end.cause)

    def _new_child(self) -> Child:
        return Child(self._settings, self._build, self._policy.silence_s, self._heard)

    def _heard(self, status: EngineStatus) -> None:
        """What the process says. One that begins again is `restarting` until it is ready."""
        if self.status.state == "restarting" and status.state != "ready":
            status = EngineStatus("restarting", status.message, None, status.progress)
        self._publish(status)

    def _publish(self, status: EngineStatus) -> None:
        self.status = status
        self._on_status(status)
