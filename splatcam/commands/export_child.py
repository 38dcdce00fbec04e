"""The exports of a server: `python -m splatcam.commands.export_child TAKE.scam -o OUT …`, as `splatcam export`.

It leaves the cores to the live stream, and ends when the process that started it has closed its standard input or is
gone; what it was writing is gone with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from splatcam.commands.export import main

NICENESS = 15
STANDARD_INPUT = 0


def _end_with_parent() -> None:
    while os.read(STANDARD_INPUT, 1):  # not by sys.stdin, whose lock the interpreter wants at its end
        pass
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main())
