"""A QR code as text for a terminal. Knows nothing of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

# Black on white by number: named colours follow the terminal's theme, and some cameras read no inverted code.
BLACK_ON_WHITE, PLAIN = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
BORDER = 4  # modules of white around it, as the standard asks
HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}  # two modules a character: it is twice as tall as wide


def qr_code(text: str) -> str:
    """Raises ModuleNotFoundError where segno is not installed."""
    import segno

    return draw(list(segno.make(text, error="l", micro=False).matrix_iter(border=BORDER)))


def draw(modules: Sequence[Iterable[int]]) -> str:
    """One line for two rows of modules, 1 for a dark one."""
    pairs = zip_longest(modules[::2], modules[1::2], fillvalue=[0] * len(list(modules[0])))
    lines = ("".join(HALVES[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs)
    return "\n".join(f"{BLACK_ON_WHITE}{line}{PLAIN}" for line in lines)
