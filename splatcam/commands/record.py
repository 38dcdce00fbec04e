"""`splatcam record`: watches a camera of a running service, and keeps what it shows in a .scam file here."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgpack
from tqdm import tqdm

from splatcam.bench.links import LinkFailed, websocket_link
from splatcam.bench.replay import FORMATS, Client, Plan, ReplayFailed
from splatcam.commands import arguments as types
from splatcam.settings import SettingsError, add_client_token, settings_from
from splatcam.timeline import BlockFileError, Info, LiveStep, Put, Recorder, RecordingReport
from splatcam.wire import Format

# As recording_variant: pinned to every pixel, so that a slow link skips frames and spoils none.
PLAN = Plan((str(Format.COMPACT),))
RETRY_S = 1.0
GIVE_UP_S = 60.0  # without a step
LONGEST_S = 7 * 86400
Tell = Callable[[str], None]


class RecordingBroke(RuntimeError):
    """It ended before it was to; the message is one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    expected = (SettingsError, LinkFailed, ReplayFailed, BlockFileError, RecordingBroke)
    return types.run("record", lambda: _record(given), *expected)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam record", description="A camera of a running service, watched into a file. Ctrl-C ends it."
    )
    parser.add_argument("--url", required=True, help="of the service, ws://HOST:PORT/ws")
    parser.add_argument(
        "--watch", default="newest", metavar="WHOM", help="a room, a session id, or newest (default: newest)"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("take.scam"), help="a new file (default: take.scam)")
    parser.add_argument("--seconds", type=types.number(0.1, LONGEST_S), help="(default: until Ctrl-C)")
    add_client_token(parser)
    return parser


def _record(given: argparse.Namespace) -> None:
    source = Source(given.url, settings_from(given).token, given.watch)
    with tqdm(desc=given.output.name, unit=" steps", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        take = Take(given.output, bar)
        try:
            with suppress(KeyboardInterrupt):  # that is how it is ended
                asyncio.run(watch_for(source, take, given.seconds, _tell))
        finally:
            report = take.end()
    print(_summary(given.output, report, take.seconds))


def _tell(sentence: str) -> None:
    tqdm.write(f"splatcam record: {sentence}", file=sys.stderr)


def _summary(path: Path, report: RecordingReport, seconds: float) -> str:
    lost = f"; {report.lost} more came faster than the disk took them" if report.lost else ""
    return f"{path}: {report.steps} steps in {seconds:.1f} s, {report.size_bytes / 1e6:.1f} MB{lost}"


# ---------------------------------------------------------------- watching


@dataclass(frozen=True)
class Source:
    url: str
    token: str
    camera: str


async def watch_for(source: Source, take: Take, seconds: float | None, tell: Tell) -> None:
    """Counted from when the file begins. Raises what `watch` raises."""
    try:
        async with asyncio.timeout(None) as limit:
            if seconds is not None:
                take.on_begin = lambda: limit.reschedule(asyncio.get_running_loop().time() + seconds)
            await watch(source, take, tell)
    except TimeoutError:
        if not limit.expired():
            raise


async def watch(source: Source, take: Take, tell: Tell) -> None:
    """Until it is cancelled. A connection that is lost is made again, a first one that fails is not.

    Raises LinkFailed, ReplayFailed, RecordingBroke, BlockFileError, OSError.
    """
    while True:
        try:
            async with websocket_link(source.url, source.token) as link:
                await _follow(Client(link, "splatcam record"), source.camera, take, tell)
        except (LinkFailed, ReplayFailed) as error:
            if not take.has_begun or take.idle_s > GIVE_UP_S:
                raise
            if not take.is_away:
                tell(f"{error}; trying again")
            take.is_away = True
        await asyncio.sleep(RETRY_S)


async def _follow(client: Client, camera: str, take: Take, tell: Tell) -> None:
    """One connection, until it is lost."""
    welcome = await client.greet(PLAN, camera)
    take.begin(welcome["model"]["name"])
    while True:
        message, _ = await client.next_message()
        if message["type"] in FORMATS:
            if take.is_away:
                tell(f"back after {take.idle_s:.0f} s")
            take.put(message)
        elif message["type"] == "welcome":  # of another model, which may have other splats
            await client.say(PLAN.asked(message["model"]["supports_gaussians"]))
        elif message["type"] == "error":
            raise ReplayFailed(message["message"])


# ---------------------------------------------------------------- the file


class Bar(Protocol):
    """Of tqdm, as much as is needed."""

    def set_postfix_str(self, s: str, refresh: bool) -> None: ...

    def update(self) -> object: ...


class Take:
    """The file, made with the first welcome. Later connections go on with it."""

    def __init__(self, path: Path, bar: Bar) -> None:
        self.on_begin: Callable[[], None] = lambda: None
        self.is_away = False  # the connection was lost, and nothing came since
        self._path = path
        self._bar = bar
        self._recorder: Recorder | None = None
        self._clock = ServerClock()
        self._first_ms = self._last_ms = 0.0
        self._last_s = 0.0

    @property
    def has_begun(self) -> bool:
        return self._recorder is not None

    @property
    def idle_s(self) -> float:
        """Since the last step."""
        return time.monotonic() - self._last_s

    @property
    def seconds(self) -> float:
        return (self._last_ms - self._first_ms) / 1e3

    def begin(self, model: str) -> None:
        """Raises BlockFileError where there is a file already, OSError where there can be none."""
        self._clock.reconnected()
        if self._recorder is None:
            info = Info(model=model, began_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
            self._recorder = Recorder.create(self._path, info)
            self._last_s = time.monotonic()
            self.on_begin()

    def put(self, message: dict[str, Any]) -> None:
        """A result. Raises RecordingBroke where the file takes no more."""
        assert self._recorder is not None
        self.is_away, self._last_s = False, time.monotonic()
        at_ms = self._clock.continued(message["received_at_ms"], self._last_s)
        if self._recorder.put(step_of(message, at_ms)) is Put.ENDED:
            raise RecordingBroke(self._recorder.report.error or "the recording ended")
        self._first_ms, self._last_ms = (self._first_ms or at_ms), at_ms
        self._show(self._recorder.report)

    def end(self) -> RecordingReport:
        """Waits for the disk. A file without a step is not kept. Raises RecordingBroke."""
        if self._recorder is None:
            return RecordingReport(0, 0, 0)
        report = self._recorder.stop()
        if report.error is not None:
            raise RecordingBroke(report.error)
        if report.steps == 0:
            self._path.unlink()
            raise RecordingBroke("nothing was recorded: the camera showed nothing")
        return report

    def _show(self, report: RecordingReport) -> None:
        self._bar.set_postfix_str(f"{report.size_bytes / 1e6:.1f} MB, {report.lost} lost", refresh=False)
        self._bar.update()


def step_of(message: dict[str, Any], received_at_ms: float) -> LiveStep:
    """A watcher is sent the camera's picture in each result of level A: it goes where the server keeps it, so that
    the message is the one that the server would have recorded. Of level C nobody but the camera has the picture."""
    fields = dict(message)
    jpeg = b"" if "shape" in fields else fields.pop("color", b"")
    return LiveStep(
        frame_id=fields["frame_id"],
        captured_at_ms=fields["captured_at_ms"],
        received_at_ms=received_at_ms,
        jpeg=jpeg,
        format=Format(fields["type"]),
        message=msgpack.packb(fields),
    )


class ServerClock:
    """The times of results, going on over a reconnect: the server may have started again, and its clock with it."""

    def __init__(self) -> None:
        self._shift_ms = 0.0
        self._is_other = False
        self._last: tuple[float, float] | None = None  # as told, and by our own clock in seconds

    def reconnected(self) -> None:
        self._is_other = True

    def continued(self, received_at_ms: float, now_s: float) -> float:
        if self._is_other and self._last is not None:
            last_ms, last_s = self._last
            self._shift_ms = last_ms + (now_s - last_s) * 1e3 - received_at_ms
        self._is_other = False
        self._last = received_at_ms + self._shift_ms, now_s
        return self._last[0]
