"""`splatcam bench gpu`: what a frame of a model costs on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] != "gpu":
        wanted = list(arguments[:1]) in (["-h"], ["--help"])
        print("usage: splatcam bench gpu [--help]", file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    from splatcam.bench import gpu

    return gpu.main(arguments[1:])
