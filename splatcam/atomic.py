"""Files that are there as a whole or not at all. Knows nothing of what is in them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A path to write to, beside `path` and with the same end of its name. It takes the place of `path` in the end.

    Whatever goes wrong, an interrupt included, leaves `path` as it was and nothing beside it. An OSError without a
    name, or with that of the path beside, comes out with the name of `path`.
    """
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield beside
        _to_disk(beside)
        os.replace(beside, path)
    except OSError as error:
        if error.filename in (None, str(beside), beside):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # it has moved, or was never there: what went wrong before is what counts
            beside.unlink()


class _Withdrawn(Exception):
    """It could have been published."""


def require_place(path: Path) -> None:
    """To be asked before long work. Raises the OSError with which `published` would fail after it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with suppress(_Withdrawn), published(path) as beside:
        beside.touch()
        raise _Withdrawn


def _to_disk(path: Path) -> None:
    """A disk that is full may say so only now."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
