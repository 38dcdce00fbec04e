"""Imports go down only, and the server's process imports no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the top; a module may import from rows below its own, and from its own folder.
ROWS = (
    ("stream_server", "splatcam.cli", "splatcam.bench", "splatcam.docs", "splatcam.commands"),
    ("splatcam.viewer", "splatcam.export"),
    ("splatcam.routes",),
    ("splatcam.door", "splatcam.live", "splatcam.metrics"),
    ("splatcam.timeline",),
    ("splatcam.engine", "splatcam.job"),
    ("splatcam.pipeline",),
    ("splatcam.codecs",),
    ("splatcam.network_splats", "splatcam.steady"),
    ("splatcam.pixel_splats", "splatcam.finite"),
    ("splatcam.estimators",),
    ("splatcam.scenes", "splatcam.files", "splatcam.transform", "splatcam.motion"),
    ("splatcam.rendering",),
    ("gsply_helpers",),
    ("splatcam.prune",),
    ("splatcam.frame_job",),
    ("splatcam.variants", "splatcam.frames"),
    ("splatcam.wire", "splatcam.log_format", "splatcam.loop_lag"),
    ("splatcam.gaussians", "splatcam.settings", "splatcam.telemetry", "splatcam.atomic", "splatcam.cores"),
    ("splatcam.rate_limit", "splatcam.deflate", "splatcam.strict_map"),
    ("splatcam",),
)
# The front door of the command line and the tools above all rooms may call each other.
TOP_ROW_MAY = {
    "splatcam.cli": {"stream_server", "splatcam.bench", "splatcam.commands"},
    "splatcam.commands": {"splatcam.bench"},
}
MODULES = sorted([*(ROOT / "splatcam").rglob("*.py"), ROOT / "stream_server.py", ROOT / "gsply_helpers.py"])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    """The entry of ROWS that holds a module; None for what is not ours."""
    known = [
        room for row in ROWS for room in row if module == room or (room != "splatcam" and module.startswith(room + "."))
    ]
    return max(known, key=len, default=None)


def row_of(room: str) -> int:
    return next(i for i, row in enumerate(ROWS) if room in row)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_only_from_rows_below_its_own(path: Path) -> None:
    here = room_of(module_name(path))
    assert here is not None, f"{module_name(path)} has no place in ROWS"
    for imported in imports_of(path):
        there = room_of(imported)
        if there in (None, here) or there in TOP_ROW_MAY.get(here, set()):
            continue
        assert row_of(there) > row_of(here), f"{module_name(path)} imports {imported}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_server_and_its_routes_know_fastapi(path: Path) -> None:
    knows = any(name.split(".")[0] in ("fastapi", "starlette") for name in imports_of(path))
    assert not knows or room_of(module_name(path)) in ("stream_server", "splatcam.routes")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_begins_with_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "the module has no docstring"


@pytest.mark.parametrize("module", ["splatcam.cli", "stream_server", "splatcam.bench.replay", "splatcam.timeline"])
def test_the_servers_process_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_command_line_starts_without_the_service() -> None:
    heavy = "bool({'torch', 'fastapi', 'numpy'} & set(sys.modules))"
    code = f"import sys, splatcam.cli as c; c.main(['--help']); sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
