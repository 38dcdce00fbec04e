"""TimelineServer: a timeline that a program writes and that tabs play, each at its own pace. Composes, decides little.

Knows no socket: `connect` takes whatever leads to a tab, and `serve` leaves that to routes/timeline.py.
"""

from __future__ import annotations

import importlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from splatcam.settings import web_folder
from splatcam.timeline.audio import AudioTracks
from splatcam.timeline.block_file import BlockWriter
from splatcam.timeline.clients import Callbacks, ClientLink, ClientPlayback, Clients, OnPlayback, OnTimestep
from splatcam.timeline.html import write_html
from splatcam.timeline.nodes import Scene, TimelineError
from splatcam.timeline.playback import Track
from splatcam.timeline.revisions import Revisions
from splatcam.timeline.scene import SceneWriter
from splatcam.timeline.store import DEFAULT_MEMORY_BYTES, TimelineStore
from splatcam.timeline.timeline_file import write_timeline

MAX_FPS = 1000.0
SERVER = "splatcam.routes.timeline_app"  # loaded when it is asked for: who only writes files needs no server
# Which timeline is being recorded by this thread or task, and into which step.
_recording: ContextVar[tuple[TimelineServer, int] | None] = ContextVar("recording", default=None)


class TimelineServer:
    """Steps 0 to num_steps - 1, played at `fps`.

    with server.at(3):
        server.scene.add_points("cloud", positions, colors)

    records into step 3: the cloud is there from step 3 on, until a later step writes or removes it. The last write of
    a step wins. What is written outside `at` is static: at once in every step.
    """

    def __init__(
        self,
        num_steps: int,
        fps: float = 30.0,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`memory_bytes` of what is written stay in memory, the rest goes to a temporary file. Raises TimelineError."""
        if not 0 < fps <= MAX_FPS:
            raise TimelineError(f"steps a second are within 0 and {MAX_FPS:g}, not {fps}")
        self.fps = fps
        self.store = TimelineStore(num_steps, memory_bytes)
        self.scene = SceneWriter(self.store, self._current_step, self._scene_changed)
        self.audio = AudioTracks(self.store, self._current_step, self._sound_changed)
        self.revisions = Revisions()
        self._callbacks = Callbacks()
        self._clients = Clients(self._callbacks, lambda: self.track, clock)
        self._clock = clock
        self._serving: Any = None  # of SERVER, which is above this room

    @property
    def num_steps(self) -> int:
        return self.store.num_steps

    @property
    def track(self) -> Track:
        """What is played."""
        return Track(self.store.num_steps, self.fps)

    def now_s(self) -> float:
        """By the clock of all playbacks."""
        return self._clock()

    # ------------------------------------------------------------ recording

    @contextmanager
    def at(self, step: int) -> Iterator[TimelineServer]:
        """Inside, this thread or task writes into that step. Raises TimelineError."""
        if _recording.get() is not None:
            raise TimelineError("`at` is not to be used inside `at`")
        if not 0 <= step < self.num_steps:
            raise TimelineError(f"step {step} is outside the timeline's 0 to {self.num_steps - 1}")
        token = _recording.set((self, step))
        try:
            yield self
        finally:
            _recording.reset(token)

    def set_steps(self, num_steps: int) -> None:
        """New steps show what the last one did; what was written beyond a new end is gone. Raises TimelineError."""
        self._require_outside("set_steps")
        kept = min(num_steps, self.num_steps)
        self.store.set_steps(num_steps)
        self._scene_changed(kept)

    def clear(self) -> None:
        """Everything that was written, static or not, and all sound. The number of steps stays."""
        self._require_outside("clear")
        self.audio.clear()
        self.store.clear()
        self._scene_changed(0)
        self._scene_changed(None)

    def close(self) -> None:
        """Gives the temporary file back; it is served no longer."""
        self.stop()
        self.store.close()

    # ------------------------------------------------------------ reading

    def scene_at(self, step: int) -> Scene:
        """Names and nodes of a step. Raises TimelineError."""
        return self.store.scene_at(step)

    def serialize(self, start: int = 0, end: int | None = None) -> bytes:
        """Steps `start` to `end`, the last one included, as a .scam file. Raises TimelineError."""
        last = self.num_steps - 1 if end is None else end
        if not 0 <= start <= last < self.num_steps:
            raise TimelineError(f"steps {start} to {last} are no part of the timeline's 0 to {self.num_steps - 1}")
        memory = io.BytesIO()
        writer = BlockWriter.into(memory)
        write_timeline(writer, self.store, self.audio.sounds(), range(start, last + 1), self.fps)
        writer.finish()
        return memory.getvalue()

    def as_html(self, start: int = 0, end: int | None = None) -> str:
        """Steps `start` to `end`, the last one included, as a page that plays offline. Raises TimelineError, and
        PageIncomplete where the page's files are not here."""
        page = io.BytesIO()
        write_html(io.BytesIO(self.serialize(start, end)), page, web_folder())
        return page.getvalue().decode()

    # ------------------------------------------------------------ serving

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Shows it to whoever opens the address that is returned, from a thread, until `stop`. Raises CannotListen.

        `port` 0 takes a free one. Beyond this machine visitors need the token, which is in the address.
        """
        if self._serving is not None:
            raise TimelineError("it is served already")
        self._serving = importlib.import_module(SERVER).serve(self, host, port)
        return self._serving.address

    def stop(self) -> None:
        """It is served no longer. It may have not been at all."""
        if self._serving is not None:
            self._serving.stop()
            self._serving = None

    def sleep_forever(self) -> None:
        """While it is served: until Ctrl-C, or `stop` from elsewhere."""
        if self._serving is not None:
            with suppress(KeyboardInterrupt):
                self._serving.wait()

    # ------------------------------------------------------------ playing, for all clients

    def play(self) -> None:
        for client in self._clients.all().values():
            client.play()

    def pause(self) -> None:
        for client in self._clients.all().values():
            client.pause()

    def set_playback_speed(self, speed: float) -> None:
        for client in self._clients.all().values():
            client.set_speed(speed)

    def refresh(self) -> None:
        for client in self._clients.all().values():
            client.refresh()

    def get_client_playback(self, client_id: str) -> ClientPlayback:
        """Raises TimelineError."""
        return self._clients.find(client_id)

    def get_client_playbacks(self) -> dict[str, ClientPlayback]:
        return self._clients.all()

    def on_timestep_change(self, callback: OnTimestep) -> OnTimestep:
        """`callback(client, step)`, plain or async, whenever a client shows another step. A decorator as well."""
        self._callbacks.on_timestep.append(callback)
        return callback

    def on_playback_change(self, callback: OnPlayback) -> OnPlayback:
        """`callback(client, is_playing)`, plain or async."""
        self._callbacks.on_playback.append(callback)
        return callback

    # ------------------------------------------------------------ for who serves it

    def connect(self, client_id: str, link: ClientLink) -> ClientPlayback:
        """A tab has come: paused at step 0, speed 1."""
        return self._clients.connect(client_id, link)

    def disconnect(self, client_id: str) -> None:
        """A tab has left. It may have been gone already."""
        self._clients.disconnect(client_id)

    def tick(self) -> None:
        """To be called about `fps` times a second while anybody plays: callbacks hear of steps by it."""
        for client in self._clients.all().values():
            client.tick()

    def _current_step(self) -> int | None:
        recording = _recording.get()
        return recording[1] if recording is not None and recording[0] is self else None

    def _require_outside(self, what: str) -> None:
        if self._current_step() is not None:
            raise TimelineError(f"`{what}` is not to be used inside `at`")

    def _sound_changed(self) -> None:
        for client in self._clients.all().values():
            client.link.sound_changed()

    def _scene_changed(self, first_step: int | None) -> None:
        self.revisions.changed(first_step)
        for client in self._clients.all().values():
            client.link.scene_changed(first_step)
