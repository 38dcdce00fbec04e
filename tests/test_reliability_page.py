"""docs/reliability.md as it is put together from what the suites leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.document import SECTIONS, main

ORIGIN = {"machine": {"name": "a machine"}, "commit": "abc1234"}
TOLD: dict[str, dict[str, Any]] = {
    "faults": {"kinds": 42, "faults": 840, "wrong": 0, "load_s": 1.5, "table": ["| fault |"]},
    "fuzz": {"seed": 1, "table": ["| input |"]},
    "poison": {"files": 153, "wrong": 0, "p50_ms": 1.5, "p95_ms": 8.9, "worst_ms": 20.1},
    "messages": {
        "sent": {"text": 60_000, "pings": 40_000}, "growth_mb": 0.01, "descriptors_before": 13, "descriptors_after": 13,
        "good_frames": 701, "surprises": [],
    },
    "overload": {"table": ["| goal |"]},
    "soak": {
        "clients": 24, "minutes": 30, "visits": {"a camera": 7}, "leaks": [], "table": ["| at_s |"],
        "slopes_mb_per_min": {"server_mb": 0.1, "engine_mb": 0.2},
    },
}  # fmt: skip


def leave(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps({**TOLD[name], **ORIGIN}))


def test_every_suite_has_its_section_with_machine_and_commit(tmp_path: Path) -> None:
    leave(tmp_path, *SECTIONS)
    page = tmp_path / "reliability.md"
    assert main([str(tmp_path)], page) == 0
    text = page.read_text()
    assert text.count("a machine, commit abc1234.") == text.count("\n## ") == len(SECTIONS)
    assert "840 faults of 42 kinds" in text and "100,000 messages" in text and "nothing is more" in text


def test_what_has_not_run_yet_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(tmp_path, "faults", "soak")
    assert main([str(tmp_path)], tmp_path / "reliability.md") == 1
    assert "lacks fuzz, poison, messages, overload" in capsys.readouterr().err
    assert not (tmp_path / "reliability.md").exists()
