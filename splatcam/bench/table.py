"""Writes docs/benchmarks.md: what the live path does on this machine, through a real websocket.

python -m splatcam.bench.table CLIP        (make bench CLIP=...)
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from splatcam.bench.clip import Clip, ClipUnreadable, load_clip
from splatcam.bench.links import LinkFailed, websocket_link
from splatcam.bench.local_service import ServiceFailed, running
from splatcam.bench.replay import Plan, ReplayFailed, replay
from splatcam.bench.report import COLUMNS, row, summarise, values_of

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"
RUNS = (
    ("builtin", "splats16"),
    ("builtin", "compact"),
    ("builtin", "gaussian_ply"),
    ("builtin", "pointcloud"),
    ("synthetic", "splats16"),
)
LOOPS = 3
OPENING = """<!-- Written by `make bench`; run it instead of changing numbers here. -->

# Benchmarks

A recorded camera is played against the real service over a websocket on the same machine, at the clip's own rate and
without waiting for answers. Latency counts from the moment at which the camera would have taken the picture until the
whole result has arrived. sent = delivered + dropped + errors, exactly. The client runs on the same cores.

{date}, {machine}, Python {python}, torch {torch}. Clip: {clip} ({digest}), {fps} frames a second, {loops} times over.
A plus after a commit means that files were changed since.
"""
WRITERS = """
## Writers

A frame of Gaussians to bytes, against Depth Anything 3's own writer in turns (`python -m splatcam.bench.ply_speed`).

"""
COMPACT = """
## Compact frames

From depth to message, of the same clip by the built-in model, in turns (`python -m splatcam.bench.compact_speed`).

"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.table", description=__doc__.split("\n\n")[0])
    parser.add_argument("clip", type=Path)
    given = parser.parse_args(arguments)
    try:
        clip = load_clip(given.clip)
        reports = [measure(clip, model, name) for model, name in RUNS]
    except (ClipUnreadable, LinkFailed, ReplayFailed, ServiceFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = page(reports) + WRITERS + table_of("ply_speed") + COMPACT + table_of("compact_speed", str(given.clip))
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


def measure(clip: Clip, model: str, name: str) -> dict[str, Any]:
    """One run against a service of its own."""

    async def run(url: str) -> Any:
        async with websocket_link(url) as link:
            return await replay(clip, link, Plan((name,), loops=LOOPS, progress=sys.stderr.isatty()))

    with running("--model", model) as service:
        service.wait_for_model(model)
        return summarise(asyncio.run(run(service.ws_url)))


def table_of(module: str, *arguments: str) -> str:
    """What another benchmark prints, from a process of its own: it changes how memory is kept."""
    return output_of(f"splatcam.bench.{module}", *arguments)


def output_of(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def page(reports: Sequence[dict[str, Any]]) -> str:
    first = reports[0]
    lines = [
        OPENING.format(
            date=date.today().isoformat(), machine=first["machine"]["name"],
            python=first["machine"]["python"], torch=first["machine"]["torch"], clip=first["clip"],
            digest=first["clip_digest"], fps=first["offered_fps"], loops=LOOPS,
        ),
        row(COLUMNS), row(["---"] * len(COLUMNS)), *(row(values_of(report)) for report in reports),
    ]  # fmt: skip
    for report in reports:
        stages = report["stages_ms"]
        lines += [
            f"\n{report['model']} as {report['format']}, milliseconds by stage:\n",
            row(["", *stages]), row(["---"] * (len(stages) + 1)),
            *(row([p, *(spread[p] for spread in stages.values())]) for p in ("p50", "p95", "p99")),
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
