"""The service as it is, with the tiny Depth Anything 3: `python -m tests.sharing_service FOLDER FLAGS`

Frames whose JPEG says so are at the engine at the same moment: none has its turn before the last of them has come.
A black picture ends the engine's process while the network has it. FOLDER gets a line for what is worth knowing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stream_server
from splatcam.engine import OnStatus
from splatcam.engine.restarts import RestartPolicy
from splatcam.engine.supervised import SupervisedEngine
from splatcam.frame_job import FrameJob, FrameResult
from splatcam.settings import Settings
from splatcam.telemetry import Telemetry
from tests.faulty_engine import with_comment

PASSES = "passes"  # a file: of each pass of the network, how many frames it had
LEFT = "left"  # a file: streams that ended while a frame of theirs waited
MARK = "together:"
EAGER = RestartPolicy(shortest_delay_s=0.0, longest_delay_s=0.0, most_restarts=100)


def together(jpeg: bytes, count: int) -> bytes:
    """One of so many that wait for one another."""
    return with_comment(jpeg, f"{MARK}{count}")


def gathered_with(jpeg: bytes) -> int:
    """How many wait for one another; 0: it goes ahead."""
    comment = jpeg[6 : 4 + int.from_bytes(jpeg[4:6], "big")].decode() if jpeg[2:4] == b"\xff\xfe" else ""
    return int(comment.removeprefix(MARK)) if comment.startswith(MARK) else 0


class GatheringEngine(SupervisedEngine):
    """The turn is held from the first of several frames until the last of them has asked for it."""

    def __init__(self, folder: Path, settings: Settings, telemetry: Telemetry) -> None:
        super().__init__(settings, telemetry.engine_restarted, TinyHosts(folder), EAGER)
        self._folder = folder
        self._gathered = 0
        self._gave_up: set[str] = set()

    async def process(self, job: FrameJob) -> FrameResult:
        count = gathered_with(job.jpeg)
        if not count:
            return await super().process(job)
        turn = self._child._turn
        if not self._gathered:
            await turn.acquire()
        is_last = self._gathered == count - 1
        self._gathered = 0 if is_last else self._gathered + 1
        asking = asyncio.ensure_future(super().process(job))
        await asyncio.sleep(0)  # now it waits for its turn
        if is_last:
            turn.release()
        try:
            return await asking
        except asyncio.CancelledError:
            self._gave_up.add(job.stream_id)
            raise

    def forget(self, stream_id: str) -> None:
        super().forget(stream_id)
        if stream_id in self._gave_up:
            note(self._folder / LEFT, stream_id)


@dataclass(frozen=True)
class TinyHosts:
    """Builds real hosts in the engine's process."""

    folder: Path

    def __call__(self, settings: Settings, on_status: OnStatus) -> Any:
        from splatcam.engine import pass_planner
        from splatcam.engine.host import EngineHost
        from splatcam.estimators import da3_live
        from tests.tiny_da3 import register

        register(self.folder)
        da3_live.live_dtype = da3_live.usual_dtype  # the same digits on every processor
        pass_planner.TRIES = 1000  # whether it is worth it depends on the machine
        folder = self.folder

        class TinyHost(EngineHost):
            def load(self) -> None:
                super().load()
                self._estimator = WatchedModel(self._estimator, folder / PASSES)

        return TinyHost(settings, on_status)


class WatchedModel:
    """A model around another one."""

    def __init__(self, model: Any, passes: Path) -> None:
        self.info, self.holds, self.wait = model.info, model.holds, model.wait
        self._model = model
        self._passes = passes

    def estimate(self, image: Any, *, wants_gaussians: bool, state: Any = None) -> tuple[Any, Any]:
        return self.estimate_many([image], wants_gaussians=wants_gaussians)[0], state

    def estimate_many(self, images: Sequence[Any], *, wants_gaussians: bool) -> list[Any]:
        note(self._passes, str(len(images)))
        if any(int(image.amax()) == 0 for image in images):
            os._exit(3)
        return self._model.estimate_many(images, wants_gaussians=wants_gaussians)


def note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


def noted(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def main(arguments: Sequence[str]) -> int:
    folder = Path(arguments[0])
    stream_server.build_engine = lambda settings, telemetry: GatheringEngine(folder, settings, telemetry)
    return stream_server.main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
