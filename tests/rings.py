"""`make test`: every ring of tests in turn, and one line for each that cannot run here.

With SPLATCAM_EVERY_RING=1 a ring that was left out is a failure. `python -m tests.rings unit web` runs these two.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def missing_da3() -> str | None:
    return None if importlib.util.find_spec("depth_anything_3") else "the package depth-anything-3 (make setup)"


def missing_node() -> str | None:
    if not shutil.which("node"):
        return "node"
    absent = [f for f in ("web", "tests") if not (ROOT / f / "node_modules").is_dir()]
    return f"npm packages in {' and '.join(absent)} (make setup test)" if absent else None


def missing_browser() -> str | None:
    here = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return missing_node() or (None if here else "Chromium (make browser)")


@dataclass(frozen=True)
class Ring:
    name: str
    proves: str
    command: Callable[[], list[str]]
    missing: Callable[[], str | None]


def pytest(*arguments: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-m", "pytest", "-q", *arguments]


def node(folder: str, *arguments: str) -> Callable[[], list[str]]:
    return lambda: ["node", "--test", *arguments, *sorted(map(str, (ROOT / folder).glob("*.test.mjs")))]


RINGS = (
    Ring("unit", "every module, the service over real sockets", pytest("-m", "not da3 and not node"), lambda: None),
    Ring("da3", "Depth Anything 3 on a tiny model with random weights", pytest("-m", "da3 and not node"), missing_da3),
    Ring("judges", "our files as Spark and splat-transform read them", pytest("-m", "node"), missing_node),
    Ring("web", "the page's modules without a browser", node("tests/web"), missing_node),
    Ring("browser", "the page in Chromium, by its pixels", node("tests/e2e", "--test-concurrency=1"), missing_browser),
)


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - {ring.name for ring in RINGS}
    if unknown:
        print(f"no such ring: {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in RINGS)}")
        return 2
    outcomes = [(ring, *run(ring)) for ring in RINGS if not wanted or ring.name in wanted]
    print("\nring      outcome")
    for ring, outcome, note in outcomes:
        print(f"{ring.name:9} {outcome:8} {note}")
    every_ring = os.environ.get("SPLATCAM_EVERY_RING") == "1"
    bad = {"failed", "left out"} if every_ring else {"failed"}
    failed = sum(outcome in bad for _, outcome, _ in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed" if every_ring else "")
    return 1 if failed else 0


def run(ring: Ring) -> tuple[str, str]:
    if reason := ring.missing():
        return "left out", f"needs {reason}"
    print(f"\n== {ring.name}: {ring.proves}", flush=True)
    begin_s = time.monotonic()
    environment = {**os.environ, "SPLATCAM_TEST_PYTHON": sys.executable}  # the page's tests start services with it
    process = subprocess.Popen(
        ring.command(), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    ok = process.wait() == 0 and ran_something("".join(lines[-40:]))
    return ("passed" if ok else "failed"), f"{time.monotonic() - begin_s:.0f} s, {ring.proves}"


def ran_something(tail: str) -> bool:
    """A runner that found no test has proved nothing."""
    counted = re.findall(r"(\d+) passed|^[#ℹ] pass (\d+)", tail, flags=re.MULTILINE)
    return any(int(a or b) > 0 for a, b in counted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
