"""What other people's programs make of our bytes. Needs node and the npm packages of web/ and tests/."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent.parent


def spark_records(scene: bytes, folder: Path, suffix: str = ".ply") -> np.ndarray:
    """Spark's own decoder on a scene file → its PackedSplats records, [N, 16] uint8."""
    source, target = folder / f"spark{suffix}", folder / "spark.bin"
    source.write_bytes(scene)
    _node(TESTS / "oracles" / "spark_decode.mjs", source, target)
    return np.fromfile(target, np.uint8).reshape(-1, 16)


def splat_transform_columns(scene: bytes, folder: Path, suffix: str = ".ply") -> dict[str, np.ndarray]:
    """PlayCanvas's splat-transform on a scene file → its columns in PLY's axes, as it writes them to CSV."""
    text = splat_transform_file(scene, folder, suffix, ".csv").decode()
    names, *rows = csv.reader(text.splitlines())
    return dict(zip(names, np.array(rows, np.float64).T, strict=True))


def splat_transform_file(scene: bytes, folder: Path, suffix: str, target_suffix: str) -> bytes:
    """A scene file → the file that PlayCanvas's splat-transform makes of it; SPZ in version 3."""
    source, target = folder / f"playcanvas{suffix}", folder / f"converted{target_suffix}"
    source.write_bytes(scene)
    command = TESTS / "node_modules" / "@playcanvas" / "splat-transform" / "bin" / "cli.mjs"
    _node(command, "-w", "--spz-version", "3", source, target)
    return target.read_bytes()


def page_ply(message: bytes, folder: Path) -> bytes:
    """A result message → what the page saves of it as PLY."""
    source, target = folder / "result.msgpack", folder / "page.ply"
    source.write_bytes(message)
    _node(TESTS / "oracles" / "page_ply.mjs", source, target)
    return target.read_bytes()


def _node(*arguments: Path | str) -> None:
    done = subprocess.run(["node", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
