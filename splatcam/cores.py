"""How many cores there are for us, and how many of them torch gets."""

from __future__ import annotations

import os


def available_cores() -> int:
    """That this process may use: a container, or whoever started us, may have given it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """For torch. One core is left to whatever else runs: a torch thread that waits for another one's busy core makes
    a frame many times slower."""
    return max(1, available_cores() - 1)
