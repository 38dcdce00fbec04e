"""The torch side of every engine: holds the model, remembers each stream's state, processes jobs one at a time.

Synchronous, knows no event loop and no process; `inline.py` and `worker.py` bring it to the server.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

import torch

from splatcam.cores import default_threads
from splatcam.engine import EngineFailed, EngineStatus, OnStatus
from splatcam.engine.memory import MOST_REFUSALS, GridSteps, free_memory, is_out_of_memory, is_sticky, next_smaller
from splatcam.engine.pass_planner import PassPlanner
from splatcam.engine.pictures import ScenePictures
from splatcam.engine.shared_passes import Question, SharedPasses
from splatcam.estimators import Estimator, EstimatorUnavailable, auto, registry
from splatcam.frame_job import FrameJob, FrameRefused, FrameResult
from splatcam.pipeline import StreamState, picture_of, process_frame, wants_gaussians
from splatcam.rendering.picture_job import Picture, PictureJob
from splatcam.settings import Settings
from splatcam.steady import options_for, running
from splatcam.telemetry import RestartCause
from splatcam.wire import ERROR_EXPLANATIONS, ErrorCode, ModelInfo

logger = logging.getLogger(__name__)
MAX_STREAMS = 64  # remembered at once; the one unused for longest is forgotten


class EngineHost:
    """One model at a time. Under `auto` the built-in one answers until a better one is loaded.

    `must_end` tells why this process cannot go on, once it cannot. `tell_companions` hears before a pass of several
    frames whose they are, beside the one whose turn it is.
    """

    def __init__(self, settings: Settings, on_status: OnStatus) -> None:
        self.must_end: RestartCause | None = None
        self.tell_companions: Callable[[tuple[str, ...]], None] = lambda stream_ids: None
        self._settings = settings
        self._on_status = on_status
        self._pictures = ScenePictures()
        self._states: OrderedDict[str, StreamState] = OrderedDict()
        self._grids = GridSteps(settings.process_res)
        planner = PassPlanner(settings.share_within_ms / 1e3)
        self._passes = SharedPasses(planner, self._question, lambda stream_ids: self.tell_companions(stream_ids))
        self._estimator: Estimator | None = None
        self._successor: Estimator | None = None  # set by the loading thread, taken between two frames
        torch.set_num_threads(settings.threads or default_threads())

    def load(self) -> None:
        """Ready to process when this returns. Raises EngineFailed with one clear sentence."""
        name = self._settings.model
        if name != "auto":
            self._on_status(EngineStatus("loading", f"loading {name}"))
            self._serve_with(self._build(name), f"{name} was asked for")
            return
        self._serve_with(self._build("builtin"), "it needs no download; looking for a better model")
        threading.Thread(target=self._look_for_better, name="model-loader", daemon=True).start()

    def announce(self, job: FrameJob) -> None:
        """It waits for its turn, and may share the pass of one before it."""
        if self._settings.share_within_ms and hasattr(self._estimator, "estimate_many"):
            self._passes.announce(job)

    def process(self, job: FrameJob) -> FrameResult:
        """Raises frame_job.FrameRefused; anything else that leaves here is a bug or a fault of the device."""
        if self._successor is not None:
            self._estimator, self._successor = self._successor, None
            self._states.clear()
            self._passes.clear()
        result = self._within_memory(job)
        if result.scene is not None:
            self._pictures.keep(job.stream_id, job.frame_id, result.scene)
        return result

    def draw(self, job: PictureJob) -> Picture:
        """From a thread of its own, one call at a time. Raises NothingToShow."""
        try:
            return self._pictures.draw(job)
        except Exception as error:
            self._note(error)
            raise

    def _within_memory(self, job: FrameJob) -> FrameResult:
        """On the stream's grid, else on the next smaller one, which then is the stream's. Raises FrameRefused."""
        size_px = self._grids.size_px(job.stream_id)
        if (result := self._attempt(job, size_px)) is not None:
            self._grids.succeeded(job.stream_id)
            return result
        smaller_px = next_smaller(size_px)
        if smaller_px < size_px and (result := self._attempt(job, smaller_px)) is not None:
            self._grids.stepped_down(job.stream_id)
            logger.warning("stream %s is estimated at %d px from now on: memory is short", job.stream_id, smaller_px)
            return result
        if self._grids.refused(job.stream_id) >= MOST_REFUSALS:
            self.must_end = "memory"
        raise FrameRefused(ErrorCode.OUT_OF_MEMORY, ERROR_EXPLANATIONS[ErrorCode.OUT_OF_MEMORY])

    def _attempt(self, job: FrameJob, long_side_px: int) -> FrameResult | None:
        """None where memory was too short; what the attempt held is given back then."""
        try:
            return self._run(job, long_side_px)
        except Exception as error:
            self._note(error)
            if not is_out_of_memory(error):
                raise
            logger.warning("no memory for frame %d of stream %s at %d px", job.frame_id, job.stream_id, long_side_px)
        if (release := getattr(self._estimator, "release_memory", None)) is not None:
            release()
        free_memory()  # here the exception is gone, and with it what its frames held
        return None

    def _run(self, job: FrameJob, long_side_px: int) -> FrameResult:
        if self._estimator is None:
            raise EngineFailed("a frame came before the model was loaded")
        picture = self._passes.picture_of(job, long_side_px)
        result, state = process_frame(
            job,
            self._passes.estimator_for(job, self._estimator),
            self._states.get(job.stream_id),
            picture=picture,
            steadying=options_for(self._settings.steady, self._estimator.holds, self._settings.fov),
            long_side_px=long_side_px,
            max_frame_pixels=self._settings.max_frame_pixels,
        )
        self._states[job.stream_id] = state
        self._states.move_to_end(job.stream_id)
        if len(self._states) > MAX_STREAMS:
            self._states.popitem(last=False)
        return result

    def _question(self, job: FrameJob) -> Question:
        """What the model will be asked in this frame's turn. Raises FrameRefused."""
        assert self._estimator is not None
        long_side_px = self._grids.size_px(job.stream_id)
        picture = picture_of(job, long_side_px, self._settings.max_frame_pixels)
        return Question(picture, wants_gaussians(job, self._estimator.info.supports_gaussians), long_side_px)

    def _note(self, error: Exception) -> None:
        if is_sticky(error):
            self.must_end = "device"

    def forget(self, stream_id: str) -> None:
        self._states.pop(stream_id, None)
        self._passes.forget(stream_id)
        self._grids.forget(stream_id)
        self._pictures.forget(stream_id)

    def _build(self, name: str) -> Estimator:
        try:
            return registry.build(name, self._settings, self._report_progress, "frames")
        except EstimatorUnavailable as error:
            raise EngineFailed(str(error)) from error

    def _report_progress(self, sentence: str, fraction: float | None) -> None:
        serving = self._told(self._estimator) if self._estimator is not None else None
        self._on_status(EngineStatus("loading", sentence, model=serving, progress=fraction))

    def _serve_with(self, estimator: Estimator, reason: str) -> None:
        self._estimator = estimator
        self._say_ready(estimator, reason)

    def _say_ready(self, estimator: Estimator, reason: str) -> None:
        reasons = filter(None, (reason, registry.about_window(estimator, self._settings)))
        info = self._told(estimator)
        self._on_status(EngineStatus("ready", f"{info.title}: {'; '.join(reasons)}", model=info))

    def _told(self, estimator: Estimator) -> ModelInfo:
        """What clients are told of the model as it runs here."""
        return estimator.info.model_copy(update={"steady": running(self._settings.steady, estimator.holds)})

    def _look_for_better(self) -> None:
        """Runs in a thread of its own. Whatever goes wrong here, the built-in model goes on."""
        assert self._estimator is not None
        builtin = self._told(self._estimator)
        try:
            plan = auto.choose(self._settings)
            if plan.model is None:
                self._on_status(EngineStatus("ready", f"{builtin.title}: {plan.reason}", model=builtin))
                return
            better = registry.build(plan.model, self._settings, self._report_progress, "frames")
        except Exception as error:  # a broken download or driver must not end a service that works
            if not isinstance(error, EstimatorUnavailable):
                logger.exception("the better model did not load")
            self._on_status(EngineStatus("ready", f"{builtin.title} stays: {error}", model=builtin))
            return
        self._successor = better
        self._say_ready(better, plan.reason)
