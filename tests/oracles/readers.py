"""What other people's programs make of our bytes. Needs node and the npm packages of web/ and tests/."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent.parent


def spark_records(ply: bytes, folder: Path) -> np.ndarray:
    """Spark's own decoder on a PLY file → its PackedSplats records, [N, 16] uint8."""
    source, target = folder / "spark.ply", folder / "spark.bin"
    source.write_bytes(ply)
    _node(TESTS / "oracles" / "spark_decode.mjs", source, target)
    return np.fromfile(target, np.uint8).reshape(-1, 16)


def splat_transform_columns(ply: bytes, folder: Path) -> dict[str, np.ndarray]:
    """PlayCanvas's splat-transform on a PLY file → its columns, as it writes them to CSV."""
    source, target = folder / "playcanvas.ply", folder / "playcanvas.csv"
    source.write_bytes(ply)
    command = TESTS / "node_modules" / "@playcanvas" / "splat-transform" / "bin" / "cli.mjs"
    _node(command, "-w", source, target)
    with target.open(newline="") as file:
        names, *rows = csv.reader(file)
    return dict(zip(names, np.array(rows, np.float64).T, strict=True))


def page_ply(message: bytes, folder: Path) -> bytes:
    """A result message → what the page saves of it as PLY."""
    source, target = folder / "result.msgpack", folder / "page.ply"
    source.write_bytes(message)
    _node(TESTS / "oracles" / "page_ply.mjs", source, target)
    return target.read_bytes()


def _node(*arguments: Path | str) -> None:
    done = subprocess.run(["node", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
