"""The command `splatcam`. Each subcommand is imported when it is called: `splatcam --help` loads nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from splatcam import __version__

USAGE = """splatcam: live 3D Gaussians from an ordinary camera.

  splatcam serve [--model auto] [--port 8000] ...   the service and its page
  splatcam replay CLIP_OR_FOLDER [--url ws://...]   play frames against a server, or in process, and measure

Each has --help.
"""


def _serve() -> Callable[[Sequence[str]], int]:
    from stream_server import main

    return main


def _replay() -> Callable[[Sequence[str]], int]:
    from splatcam.bench.replay import main

    return main


COMMANDS = {"serve": _serve, "replay": _replay}


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if given[0] == "--version":
        print(__version__)
        return 0
    if given[0] not in COMMANDS:
        print(f"splatcam: there is no command {given[0]!r}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return COMMANDS[given[0]]()(given[1:])


if __name__ == "__main__":
    sys.exit(main())
