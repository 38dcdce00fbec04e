"""`splatcam info`: what is in a scene file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatcam.commands import arguments as types
from splatcam.commands.convert import SCENES

if TYPE_CHECKING:
    from torch import Tensor

PERCENTILES = (1, 25, 50, 75, 99)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from splatcam.files import SceneFileError

    return types.run("info", lambda: _info(given), SceneFileError)


def scene_facts(path: Path) -> dict[str, Any]:
    """What JSON can hold. Lengths in the unit of the scene, axes OpenCV's. Raises SceneFileError or OSError."""
    from splatcam.files import format_of, load_scene

    scene = load_scene(path)
    return {
        "file": path.name,
        "format": format_of(path).name,
        "bytes": path.stat().st_size,
        "splats": scene.count,
        "sh_degree": scene.sh_degree,
        "bounds": {"min": scene.means.amin(dim=0).tolist(), "max": scene.means.amax(dim=0).tolist()},
        "opacity": _percentiles(scene.opacities),
        "scale": _percentiles(scene.scales.flatten()),
    }


def _percentiles(values: Tensor) -> dict[str, float]:
    import numpy as np

    return {f"p{p}": float(v) for p, v in zip(PERCENTILES, np.percentile(values.numpy(), PERCENTILES), strict=True)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="splatcam info", description="What is in a scene file.")
    parser.add_argument("scene", type=Path, metavar="FILE", help=SCENES)
    parser.add_argument(
        "--json", action="store_const", const=_as_json, default=_as_text, dest="told", help="for programs"
    )
    return parser


def _info(given: argparse.Namespace) -> None:
    print(given.told(scene_facts(given.scene)))


def _as_json(facts: dict[str, Any]) -> str:
    return json.dumps(facts)


def _as_text(facts: dict[str, Any]) -> str:
    lines = []
    for name, fact in facts.items():
        parts = fact.items() if isinstance(fact, dict) else ((" ", fact),)
        told = "   ".join(f"{part} {_plain(value)}".strip() for part, value in parts)
        lines.append(f"{name.replace('_', ' '):10} {told}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
