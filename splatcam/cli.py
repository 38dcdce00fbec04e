"""The command `splatcam`. Each subcommand is imported when it is called: `splatcam --help` loads nothing heavy."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence

from splatcam import __version__

USAGE = """splatcam: live 3D Gaussians from an ordinary camera.

live
  splatcam serve [--model auto] [--port 8000] ...   the service and its page
  splatcam replay CLIP_OR_FOLDER [--url ws://...]   play frames against a server, or in process, and measure
  splatcam record --url ws://... -o TAKE.scam       keep what a camera of a running service shows
  splatcam bench gpu [--models small ...]           what a frame costs on this machine's GPU, or CPU
  splatcam fidelity CLIP ... [--model ...]          how true a model's splats are to the camera's pictures

pictures, without a browser or a GPU
  splatcam view SCENE                               walk around a stored scene in any browser
  splatcam render SCENE -o OUT.png                  a still from anywhere
  splatcam preview SCENE -o OUT.mp4                 a film around it
  splatcam depth PICTURES_OR_VIDEO -o FOLDER        depth by any model: .npy, 16-bit PNG, in colours

scenes: .ply, .compressed.ply, .splat, .spz
  splatcam splat PHOTO -o SCENE                     a photo's splats
  splatcam job FOLDER                               a video or photos: scene, film and stills, with a manifest
  splatcam convert IN OUT                           one format into another
  splatcam rotate IN OUT --preset y-up              turn a scene
  splatcam info SCENE                               what is in it

recordings: .scam
  splatcam export TAKE.scam -o OUT                  a page that plays offline, a .ply for each step, or a film

Each has --help.
"""
Command = Callable[[Sequence[str]], int]


def _serve() -> Command:
    from stream_server import main

    return main


def _replay() -> Command:
    from splatcam.bench.replay import main

    return main


def _module(name: str) -> Callable[[], Command]:
    def load() -> Command:
        return importlib.import_module(f"splatcam.commands.{name}").main

    return load


IN_FILES_OF_THEIR_OWN = (
    "bench", "record", "fidelity", "view", "render", "preview", "depth",
    "splat", "job", "convert", "rotate", "info", "export",
)  # fmt: skip
COMMANDS: dict[str, Callable[[], Command]] = {
    "serve": _serve,
    "replay": _replay,
    **{name: _module(name) for name in IN_FILES_OF_THEIR_OWN},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status. Before a command has its own handlers there are seconds of imports, which Ctrl-C ends too."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(given)
    except KeyboardInterrupt:
        print(f"\nsplatcam {given[0]}: interrupted", file=sys.stderr)
        return 130
    return max(status, _print_what_waits())


def _run(given: list[str]) -> int:
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


def _print_what_waits() -> int:
    """The interpreter would do it at its end, and tell of a failure in two lines that name no reason to a person."""
    try:
        if sys.stdout is not None:  # as it is for whoever is started without one
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tells it once more
        print(f"splatcam: nothing can be printed: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
