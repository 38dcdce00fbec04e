"""The engine in a thread of this process: for tests and for the benchmark without a server."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from splatcam.engine import EngineFailed, EngineStatus, OnStatus, did_not_load
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.rendering.picture_job import NothingToShow, Picture, PictureJob
from splatcam.settings import Settings

if TYPE_CHECKING:
    from splatcam.engine.host import EngineHost


logger = logging.getLogger(__name__)


class InlineEngine:
    def __init__(self, settings: Settings) -> None:
        self.status = EngineStatus("starting", "starting")
        self._settings = settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._pencil = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._host: EngineHost | None = None
        self._closed = False

    async def start(self, on_status: OnStatus) -> None:
        loop = asyncio.get_running_loop()

        def publish(status: EngineStatus) -> None:
            self.status = status
            on_status(status)

        def publish_from_thread(status: EngineStatus) -> None:
            loop.call_soon_threadsafe(publish, status)

        def load() -> None:
            from splatcam.engine.host import EngineHost

            # Set before it is loaded: `ready` may be heard first, and the one thread keeps the order.
            self._host = EngineHost(self._settings, publish_from_thread)
            self._host.load()

        try:
            await loop.run_in_executor(self._thread, load)
        except EngineFailed:
            raise
        except Exception as error:
            logger.exception("the model did not load")
            raise EngineFailed(did_not_load(self._settings.model, error)) from error
        await asyncio.sleep(0)  # the last status is on its way through the loop

    async def process(self, job: FrameJob) -> FrameResult:
        if self._host is None:
            raise EngineFailed("the engine has not started")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._host.process, job)
        except (FrameRefused, EngineFailed):
            raise
        except Exception as error:  # one frame's bug is told and logged, the next frame gets its chance
            logger.exception("frame %d of stream %s failed", job.frame_id, job.stream_id)
            raise EngineFailed(f"the frame could not be processed: {type(error).__name__}") from error

    async def draw(self, job: PictureJob) -> Picture:
        if self._host is None:
            raise NothingToShow
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pencil, self._host.draw, job)
        except NothingToShow:
            raise
        except Exception as error:
            logger.exception("a picture of stream %s failed", job.stream_id)
            raise EngineFailed(f"the picture could not be drawn: {type(error).__name__}") from error

    def forget(self, stream_id: str) -> None:
        if self._host is not None and not self._closed:
            self._thread.submit(self._host.forget, stream_id)

    async def close(self) -> None:
        self._closed = True
        for executor in (self._thread, self._pencil):
            executor.shutdown(wait=False, cancel_futures=True)
