"""Frames that wait are estimated in the pass of the frame whose turn it is, where that serves both.

A frame is announced when it has to wait. In an earlier frame's turn its picture may go through the network beside that
one's; what the network said is kept for its own turn, which follows at once. Where nothing is shared, the next picture
is still decoded while the device computes. Turns and answers stay those of single frames; who is in a pass is told
before it, for the case that it is not survived. `pass_planner.py` decides how many; this brings pictures and
predictions together.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from torch import Tensor

from splatcam.engine.memory import free_memory, is_out_of_memory
from splatcam.engine.pass_planner import PassPlanner
from splatcam.estimators import Estimator, Prediction
from splatcam.frame_job import FrameJob, FrameRefused

logger = logging.getLogger(__name__)
MOST_ANNOUNCED = 64


class SharesPasses(Protocol):
    """An estimator that remembers nothing and takes several frames at once."""

    def estimate_many(self, images: Sequence[Tensor], *, wants_gaussians: bool) -> list[Prediction]: ...

    def wait(self) -> None:
        """Until the device is done with what it was asked."""
        ...


@dataclass(frozen=True, eq=False)
class Question:
    """What a model is asked about a frame."""

    image: Tensor  # [H, W, 3] uint8, on the model's grid
    wants_gaussians: bool
    long_side_px: int = 0  # of the grid that it was made for

    @property
    def size(self) -> tuple[int, ...]:
        """Equal for questions that can share a pass."""
        return (*self.image.shape, int(self.wants_gaussians))


@dataclass(eq=False)
class _Waiting:
    """An announced frame, and what is known of it by now."""

    job: FrameJob
    since_s: float
    question: Question | None = None
    prediction: Prediction | None = None


class SharedPasses:
    def __init__(
        self,
        planner: PassPlanner,
        question_of: Callable[[FrameJob], Question],
        tell_companions: Callable[[tuple[str, ...]], None] = lambda stream_ids: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`tell_companions` hears before a pass of several frames whose they are, beside the one whose turn it is."""
        self._planner = planner
        self._question_of = question_of
        self._tell_companions = tell_companions
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}  # by stream, in the order in which they came

    def announce(self, job: FrameJob) -> None:
        """A frame that has to wait. Looked at only when there is room for it in a pass."""
        self._waiting.pop(job.stream_id, None)
        if len(self._waiting) < MOST_ANNOUNCED:
            self._waiting[job.stream_id] = _Waiting(job, self._clock())

    def forget(self, stream_id: str) -> None:
        self._waiting.pop(stream_id, None)

    def clear(self) -> None:
        """Another model answers from now on."""
        self._waiting.clear()

    def estimator_for(self, job: FrameJob, estimator: Estimator) -> Estimator:
        """For this frame's turn. The estimator itself where it cannot share, or this camera shall not."""
        announced = self._waiting.pop(job.stream_id, None)
        if not hasattr(estimator, "estimate_many") or job.sharing == "never":
            return estimator
        return _Turn(self, estimator, announced if announced is not None and announced.job == job else None)

    def picture_of(self, job: FrameJob, long_side_px: int) -> Tensor | None:
        """The picture where it was decoded before the frame's turn, for this grid."""
        waiting = self._waiting.get(job.stream_id)
        if waiting is None or waiting.job != job or waiting.question is None:
            return None
        return waiting.question.image if waiting.question.long_side_px == long_side_px else None

    def estimate(self, asked: Question, since_s: float, estimator: SharesPasses) -> Prediction:
        """Of the frame whose turn it is; those of its companions are kept for theirs."""
        companions = self._companions(asked, since_s)
        if companions:
            self._tell_companions(tuple(waiting.job.stream_id for waiting, _ in companions))
        images = [asked.image, *(question.image for _, question in companions)]
        begin_s = self._clock()
        predictions = self._pass(images, asked.wants_gaussians, estimator)
        self._planner.took(asked.size, len(predictions), self._clock() - begin_s)
        for (waiting, _), prediction in zip(companions, predictions[1:], strict=False):
            waiting.prediction = prediction
        return predictions[0]

    def now_s(self) -> float:
        return self._clock()

    def _companions(self, asked: Question, since_s: float) -> list[tuple[_Waiting, Question]]:
        """Of those who wait for longest. Each look decodes a picture, so no more are looked at than have room."""
        unanswered = [waiting for waiting in self._waiting.values() if waiting.prediction is None]
        room = self._room_for(len(unanswered), asked, since_s)
        looked_at = [(waiting, self._look_at(waiting)) for waiting in unanswered[:room]]
        found = [(w, question) for w, question in looked_at if question is not None and question.size == asked.size]
        return found[: self._room_for(len(found), asked, since_s)]  # fewer than hoped for may not be worth it

    def _room_for(self, others: int, asked: Question, since_s: float) -> int:
        return self._planner.choose(asked.size, others, self._clock() - since_s) - 1

    def _look_at(self, waiting: _Waiting) -> Question | None:
        """None for a picture that is none, or met a fault. In its own turn it meets it again, and is told so: here it
        is somebody else's turn."""
        try:
            waiting.question = waiting.question or self._question_of(waiting.job)
        except FrameRefused:
            return None
        except Exception:
            logger.exception("frame %d of stream %s cannot wait", waiting.job.frame_id, waiting.job.stream_id)
            return None
        return waiting.question

    def _look_ahead(self) -> None:
        """At the next frame."""
        for waiting in itertools.islice(self._waiting.values(), 1):
            self._look_at(waiting)

    def _pass(self, images: list[Tensor], wants_gaussians: bool, estimator: SharesPasses) -> list[Prediction]:
        """Of all of them; of the first alone where there is no memory for more."""
        try:
            return self._waited_for(images, wants_gaussians, estimator)
        except Exception as error:
            if len(images) == 1 or not is_out_of_memory(error):
                raise
        free_memory()  # here the exception is gone, and with it what its frames held
        self._planner.had_no_memory(len(images))
        return self._waited_for(images[:1], wants_gaussians, estimator)

    def _waited_for(self, images: list[Tensor], wants_gaussians: bool, estimator: SharesPasses) -> list[Prediction]:
        predictions = estimator.estimate_many(images, wants_gaussians=wants_gaussians)
        self._look_ahead()
        estimator.wait()
        return predictions


class _Turn:
    """An estimator for one frame."""

    def __init__(self, passes: SharedPasses, estimator: Estimator, announced: _Waiting | None) -> None:
        self.info = estimator.info
        self.holds = estimator.holds
        self._passes = passes
        self._estimator = estimator
        self._announced = announced

    def estimate(self, image: Tensor, *, wants_gaussians: bool, state: Any = None) -> tuple[Prediction, Any]:
        """What was said of it before, where the question is the same: after a step to a smaller grid it is not."""
        asked, known = Question(image, wants_gaussians), self._announced
        if known is not None and known.prediction is not None and known.question is not None:
            if known.question.size == asked.size:
                return known.prediction, state
        since_s = self._passes.now_s() if known is None else known.since_s
        return self._passes.estimate(asked, since_s, cast(SharesPasses, self._estimator)), state
