"""The C library's heap, set for work that needs the same tens of megabytes for every frame. Knows nothing else.

glibc gives freed memory back to the system above a threshold, and a page that comes back costs about 2 µs: 11 MB of
fresh pages take longer than the arithmetic that fills them. A process that lives by frames keeps them instead.
"""

from __future__ import annotations

import ctypes
import platform

# mallopt parameters and their numbers: malloc.h of glibc
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_FROM_HEAP_BYTES = 32 * 1024 * 1024  # glibc takes no more: what is larger is mapped and unmapped each time
KEPT_FREE_BYTES = 1024 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Let this process reuse what it frees. True where glibc has agreed; without glibc nothing happens."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((M_MMAP_THRESHOLD, LARGEST_FROM_HEAP_BYTES), (M_TRIM_THRESHOLD, KEPT_FREE_BYTES))
    return all([mallopt(parameter, value) == 1 for parameter, value in settings])
