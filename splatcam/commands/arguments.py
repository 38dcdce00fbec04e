"""What the commands have in common: types for argparse, and how a command ends. Imports nothing heavy."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from splatcam.rendering import Color

DONE, FAILED, INTERRUPTED = 0, 1, 130  # argparse itself ends with 2
MAX_SIDE_PX = 8192
RASTERIZERS = ("auto", "cpu", "cuda", "reference")
UPS = ("-y", "+y", "+z")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_COLORS = {"black": "#000000", "white": "#ffffff"}


def run(command: str, work: Callable[[], int | None], *expected: type[Exception]) -> int:
    """The exit status of `work`. What is expected to go wrong, and files that cannot be had, become one sentence."""
    try:
        return work() or DONE
    except KeyboardInterrupt:
        print(f"\nsplatcam {command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except expected as error:
        print(f"splatcam {command}: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"splatcam {command}: {where}{error.strerror or error}", file=sys.stderr)
    return FAILED


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. Told how many are done."""
    with tqdm(total=total, desc=what, unit="frame", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        yield lambda done: _update(bar, done)


def _update(bar: tqdm[Any], done: int) -> None:
    bar.update(done - bar.n)


def add_rasterizer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rasterizer", choices=RASTERIZERS, default="auto", help="what draws (default: auto)")
    parser.add_argument(
        "--threads", type=whole(1, 256), default=cores(), metavar="N", help="that draw (default: one for each core)"
    )


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
