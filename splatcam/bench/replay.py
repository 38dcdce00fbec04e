"""`splatcam replay`: recorded frames against a running server, or in process; says what came back and when.

Open loop: frames are sent at the clip's rate whatever the server does, and latency counts from the moment at which
the camera would have taken the picture, so that a stall is not hidden by waiting for it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from splatcam import __version__, wire
from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.links import Link, LinkFailed, local_link, websocket_link
from splatcam.bench.report import ChoiceRecord, FrameRecord, Run, markdown, summarise, write_json
from splatcam.engine import EngineFailed
from splatcam.settings import Settings, SettingsError, add_arguments, add_client_token, settings_from
from splatcam.variants import FINE_BITS

FORMATS = frozenset(map(str, wire.Format))
WARM_UP_FRAMES = 5
EVERY_RESULT_FPS = 240.0  # the most that may be asked for
ANSWER_WITHIN_S = 60.0  # for a first frame on a slow machine, and for the last ones
IN_PROCESS_SETTINGS = (
    "model", "device", "process_res", "steady", "fov", "accept_nc_license", "revision", "offline", "latency_ms",
    "threads",
)  # fmt: skip


Rest = Literal["pinned", "auto"]  # what the settings leave open: the first format, every pixel; as the server chooses


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    formats: tuple[str, ...]  # preferred first
    settings: wire.SettingsMessage = wire.SettingsMessage()
    rest: Rest = "pinned"
    fps: float | None = None
    loops: int = 1
    progress: bool = False

    def asked(self, supports_gaussians: bool) -> wire.SettingsMessage:
        """The settings to send."""
        if self.rest == "auto":
            return self.settings
        first = wire.Format(self.settings.format or self.formats[0])
        output = self.settings.output or _usual_output(first, supports_gaussians)
        pinned = {"format": first, "output": output, "stride": 1, "depth_bits": FINE_BITS, "max_fps": EVERY_RESULT_FPS}
        return wire.SettingsMessage(**{**pinned, **self.settings.model_dump(exclude_none=True)})


class ReplayFailed(RuntimeError):
    """The run cannot be finished; the message is one sentence."""


async def replay(clip: Clip, link: Link, plan: Plan) -> Run:
    """Plays the clip once per loop. Raises ReplayFailed or LinkFailed."""
    client = Client(link)
    welcome = await client.greet(plan)
    for frame_id in range(WARM_UP_FRAMES):
        await client.send_frame(frame_id, clip.jpegs[frame_id % len(clip.jpegs)], time.monotonic())
        first = await client.until("result")
    fps = plan.fps or clip.fps
    run = Run(
        clip=clip.name,
        clip_digest=clip.digest,
        offered_fps=fps,
        model=first["model"],
        format=first["type"],
        output=plan.settings.output or _usual_output(first["type"], welcome["model"]["supports_gaussians"]),
        grid=tuple(first["grid"]),
        sent=len(clip.jpegs) * plan.loops,
        warm_up=WARM_UP_FRAMES,
        errors={},
        choices=client.choices,
    )
    await _play(clip, client, run, plan.progress)
    return run


def _usual_output(format: str, supports_gaussians: bool) -> str:
    """What a server sends that was not told otherwise (variants.choose_variant)."""
    if format == wire.Format.POINTCLOUD:
        return "points"
    return "network" if supports_gaussians else "pixel"


async def _play(clip: Clip, client: Client, run: Run, progress: bool) -> None:
    run.begin_s = time.monotonic()
    schedule = {WARM_UP_FRAMES + i: run.begin_s + i / run.offered_fps for i in range(run.sent)}
    camera = asyncio.create_task(send_on_schedule(clip, client, schedule))
    with tqdm(total=run.sent, unit="frame", disable=not progress, file=sys.stderr) as bar:
        last = max(schedule)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S + run.sent / run.offered_fps):
                settled = -1
                while settled < last:
                    settled = await take_answer(client, run, schedule)
                    bar.update(settled - WARM_UP_FRAMES + 1 - bar.n)
            await camera
        except TimeoutError:
            raise ReplayFailed(f"the server stopped answering after {len(run.frames)} results") from None
        finally:
            camera.cancel()


async def send_on_schedule(clip: Clip, client: Client, schedule: dict[int, float]) -> None:
    for i, (frame_id, at_s) in enumerate(schedule.items()):
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
        await client.send_frame(frame_id, clip.jpegs[i % len(clip.jpegs)], at_s)


async def take_answer(client: Client, run: Run, schedule: dict[int, float]) -> int:
    """Waits for the next result or error of a frame; answers come in the order of the frames. Returns its id."""
    while True:
        message, size = await client.next_message()
        frame_id = message.get("frame_id", -1)
        if frame_id not in schedule:
            continue
        if message["type"] == "error":
            run.errors[frame_id] = message["code"]
        else:
            if any(frame.frame_id == frame_id for frame in run.frames[-8:]):
                raise ReplayFailed(f"frame {frame_id} was answered twice")
            count = message.get("num_splats", message.get("num_points", 0))
            run.frames.append(
                FrameRecord(frame_id, schedule[frame_id], time.monotonic(), size, count, message["timings_ms"])
            )
        return frame_id


class Client:
    """The client's half of the protocol: acknowledges results as they come, and notes what the server chooses."""

    def __init__(self, link: Link, name: str = "splatcam replay") -> None:
        self.choices: list[ChoiceRecord] = []
        self._link = link
        self._name = f"{name} {__version__}"

    async def greet(self, plan: Plan, watch: str | None = None) -> dict[str, Any]:
        """Says what is wanted, of the own camera or of another one. Returns the `welcome`."""
        hello = wire.Hello(protocol=wire.PROTOCOL_VERSION, formats=list(plan.formats), client=self._name, watch=watch)
        await self.say(hello)
        welcome = await self.until("welcome")
        await self.say(plan.asked(welcome["model"]["supports_gaussians"]))
        return welcome

    async def send_frame(self, frame_id: int, jpeg: bytes, captured_at_s: float) -> None:
        await self.say(wire.FrameMessage(frame_id=frame_id, captured_at_ms=captured_at_s * 1e3, jpeg=jpeg))

    async def say(self, message: Any) -> None:
        """One of wire.CLIENT_MESSAGES."""
        await self._link.send(wire.encode(message))

    async def next_message(self) -> tuple[dict[str, Any], int]:
        data = await self._link.receive()
        message = wire.decode_server_message(data)
        if message["type"] in FORMATS:
            await self.say(wire.Ack(frame_id=message["frame_id"]))
        elif message["type"] == "adapted":
            self.choices.append(ChoiceRecord.of(message, time.monotonic()))
        return message, len(data)

    async def until(self, wanted: str) -> dict[str, Any]:
        """The next message of that type (`result`: any format). An error on the way ends the run."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while True:
                    message, _ = await self.next_message()
                    if message["type"] == wanted or (wanted == "result" and message["type"] in FORMATS):
                        return message
                    if message["type"] == "error":
                        raise ReplayFailed(f"the server refused: {message['message']} ({message['code']})")
        except TimeoutError:
            raise ReplayFailed(f"no {wanted} came within {ANSWER_WITHIN_S:.0f} s") from None


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = settings_from(given)
        clip = load_clip(given.clip, given.frames)
        run = asyncio.run(_run(clip, given, settings))
    except (ClipUnreadable, SettingsError, ReplayFailed, LinkFailed, EngineFailed) as error:
        print(f"splatcam replay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report = summarise(run)
    print(markdown(report))
    if given.json:
        write_json(report, given.json)
    return 0


async def _run(clip: Clip, given: argparse.Namespace, settings: Settings) -> Run:
    plan = Plan(
        formats=given.format,
        settings=wire.SettingsMessage(output=given.output, stride=given.stride),
        rest="auto" if given.adapt else "pinned",
        fps=given.fps,
        loops=given.loops,
        progress=sys.stderr.isatty(),
    )
    link: AbstractAsyncContextManager[Link] = (
        websocket_link(given.url, settings.token) if given.url else local_link(settings)
    )
    async with link as open_link:
        return await replay(clip, open_link, plan)


def at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(text)

    return whole


def formats(text: str) -> tuple[str, ...]:
    given = tuple(text.split(","))
    if unknown := [name for name in given if name not in FORMATS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(wire.Format)}")
    return given


def above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def file_in_a_folder(text: str) -> Path:
    """Asked before the run, not after it."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: its folder is not there")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="splatcam replay", description=__doc__.split("\n\n")[0])
    parser.add_argument("clip", type=Path, help="a video file, or a folder of JPEGs")
    parser.add_argument(
        "--url", help="of a running server, ws://HOST:PORT/ws; without it everything runs in this process"
    )
    add_client_token(parser.add_argument_group("with --url"))
    parser.add_argument(
        "--format", type=formats, default=(str(wire.Format.SPLATS16),), metavar="FORMAT[,FORMAT...]",
        help=f"of {', '.join(wire.Format)}; preferred first (default: splats16)",
    )  # fmt: skip
    parser.add_argument(
        "--adapt", action="store_true", help="let the server choose by the link; without it the first format, as asked"
    )
    parser.add_argument("--output", choices=["network", "pixel", "points"], help="default: what suits model and format")
    parser.add_argument("--stride", type=at_least(1), help="every n-th pixel of every n-th row (default: 1)")
    parser.add_argument("--fps", type=above_zero, help="frames per second sent (default: the clip's)")
    parser.add_argument("--frames", type=at_least(1), help="only the first so many frames of the clip")
    parser.add_argument("--loops", type=at_least(1), default=1, help="play the clip so many times (default: 1)")
    parser.add_argument("--json", type=file_in_a_folder, help="write the whole report there")
    add_arguments(parser.add_argument_group("without --url"), IN_PROCESS_SETTINGS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
