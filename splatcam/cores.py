"""How many cores there are for us. Knows nothing of what they are for."""

from __future__ import annotations

import os


def available_cores() -> int:
    """That this process may use: a container, or whoever started us, may have given it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
