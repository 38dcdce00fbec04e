"""`splatcam fidelity`: how true a model's Gaussians are to the pictures that they come from, as a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from splatcam.commands import arguments as types
from splatcam.settings import SettingsError, add_arguments, settings_from

MODEL_SETTINGS = ("model", "device", "process_res", "accept_nc_license", "revision", "offline")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.bench.clip import ClipUnreadable
    from splatcam.estimators import EstimatorUnavailable
    from splatcam.frames import BadFrame
    from splatcam.rendering.rasterizers import RasterizerUnavailable

    expected = SettingsError, ClipUnreadable, EstimatorUnavailable, BadFrame, RasterizerUnavailable
    return types.run("fidelity", lambda: _measure(given), *expected)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatcam fidelity",
        description="Draws each frame's Gaussians again from where the camera stood and from beside it, and compares.",
    )
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP", help="a video file, or a folder of JPEGs")
    parser.add_argument("--frames", type=types.whole(1, 10**6), help="only the first so many of each")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    types.add_rasterizer(parser)
    add_arguments(parser, MODEL_SETTINGS)
    return parser


def _measure(given: argparse.Namespace) -> None:
    from dataclasses import asdict

    from splatcam.atomic import published, require_place
    from splatcam.bench import fidelity
    from splatcam.bench.clip import load_clip
    from splatcam.bench.report import commit, machine
    from splatcam.estimators.registry import build
    from splatcam.rendering.rasterizers import build_rasterizer

    settings = settings_from(given)
    if given.json:
        require_place(given.json)
    estimator = build("builtin" if settings.model == "auto" else settings.model, settings, lambda sentence, share: None)
    rasterizer = build_rasterizer(given.rasterizer, given.threads)
    rows = []
    for path in given.clips:
        jpegs = load_clip(path, given.frames).jpegs
        with types.progress_bar(len(jpegs), path.name) as progress:
            rows.append(fidelity.measure(path.name, jpegs, estimator, rasterizer, settings.process_res, progress))
    print(fidelity.table(rows))
    print(f"\n{machine().name}, commit {commit()}")
    if given.json:
        with published(given.json) as target:
            target.write_text(json.dumps([asdict(measured) for measured in rows], indent=1) + "\n", encoding="utf-8")
