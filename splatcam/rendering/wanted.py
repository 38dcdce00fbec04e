"""Whether the picture that is being drawn is still wanted. Whoever draws for long asks between its parts.

Whoever waits says `drawing_while(unwanted)` around the drawing, in the thread that draws. Without it all is wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_unwanted: ContextVar[threading.Event | None] = ContextVar("unwanted", default=None)


class Unwanted(Exception):
    """Nobody waits for this picture any more."""


@contextmanager
def drawing_while(unwanted: threading.Event) -> Iterator[None]:
    """`unwanted`: set, from any thread, when the picture is not wanted any more."""
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def check_wanted() -> None:
    """Raises Unwanted where there is no use in going on."""
    unwanted = _unwanted.get()
    if unwanted is not None and unwanted.is_set():
        raise Unwanted
