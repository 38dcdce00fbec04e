"""What the commands have in common: types for argparse, and how a command ends. Imports nothing heavy."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from splatcam.cores import available_cores

if TYPE_CHECKING:
    from splatcam.rendering import Color

T = TypeVar("T")

DONE, FAILED, INTERRUPTED, TERMINATED = 0, 1, 130, 143  # argparse itself ends with 2
MAX_SIDE_PX = 8192
RASTERIZERS = ("auto", "cpu", "cuda", "reference")
UPS = ("-y", "+y", "+z")
_EXPONENT = re.compile(r"-(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,3}")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_COLORS = {"black": "#000000", "white": "#ffffff"}


def run(command: str, work: Callable[[], None], *expected: type[Exception]) -> int:
    """The exit status of `work`. What is expected to go wrong, and files that cannot be had, become one sentence."""
    try:
        with _sigterm_like_ctrl_c():
            work()
        return DONE
    except _Terminated:
        print(f"\nsplatcam {command}: terminated", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"\nsplatcam {command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except expected as error:
        print(f"splatcam {command}: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"splatcam {command}: {where}{error.strerror or error}", file=sys.stderr)
    return FAILED


class _Terminated(BaseException):
    """SIGTERM came."""


@contextlib.contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Containers and job queues end what they run by SIGTERM: it, too, is to leave nothing half written."""
    if threading.current_thread() is not threading.main_thread():  # Python takes handlers from no other
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Of a command that takes negative numbers: argparse takes -6e-17, which rotations are full of, for an option."""
    words = sys.argv[1:] if arguments is None else arguments
    return parser.parse_args([_in_full(word) if _EXPONENT.fullmatch(word) else word for word in words])


def _in_full(number: str) -> str:
    """Without an exponent, all its digits kept."""
    return f"{Decimal(number):f}"


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. Told how many are done."""
    with tqdm(total=total, desc=what, unit="frame", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        yield lambda done: _update(bar, done)


def watched(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """The items, under a bar. `total` None: it cannot be known."""
    return iter(tqdm(items, total=total, desc=what, unit="frame", file=sys.stderr, disable=not sys.stderr.isatty()))


def _update(bar: tqdm[Any], done: int) -> None:
    bar.update(done - bar.n)


def add_rasterizer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rasterizer", choices=RASTERIZERS, default="auto", help="what draws (default: auto)")
    parser.add_argument(
        "--threads",
        type=whole(1, 256),
        default=available_cores(),
        metavar="N",
        help="that draw (default: one for each core)",
    )


def size(text: str) -> tuple[int, int]:
    """1280x720 → (1280, 720)."""
    match = _SIZE.fullmatch(text)
    width, height = map(int, match.groups()) if match else (0, 0)
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it as 1280x720, at most {MAX_SIDE_PX} a side")
    return width, height


def color(text: str) -> Color:
    """black, white or #rrggbb → sRGB, 0 to 1."""
    code = _COLORS.get(text, text)
    if not _HEX_COLOR.fullmatch(code):
        raise argparse.ArgumentTypeError(f"{text!r} is no colour: write black, white or #rrggbb")
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def number(low: float, high: float) -> Callable[[str], float]:
    """A type for argparse: a number from low to high."""

    def parse(text: str) -> float:
        return _within(float, text, low, high)

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: a whole number from low to high."""

    def parse(text: str) -> int:
        return _within(int, text, low, high)

    return parse


def _within(kind: type[Any], text: str, low: float, high: float) -> Any:
    with contextlib.suppress(ValueError):
        value = kind(text)
        if low <= value <= high:  # not a number is not
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not within {low:g} and {high:g}")
