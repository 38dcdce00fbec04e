"""`splatcam bench gpu` on a CPU with the tiny network: every way is run, counted and told, and the page is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from splatcam import cli
from splatcam.bench import cold_start
from splatcam.bench.gpu_page import COLD_COLUMNS, COLUMNS, NOT_MEASURED, PAGE, page
from splatcam.bench.gpu_ways import WAYS, whole_package
from splatcam.estimators.models import Model
from tests.tiny_da3 import TINY, da3_registered

__all__ = ["da3_registered"]  # a fixture

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"


@pytest.mark.da3
def test_every_way_is_measured_in_one_run_and_kept_as_numbers_and_as_a_page(
    da3_registered: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = [way for way in WAYS if way != "compiled"]  # that takes a compiler a minute
    arguments = f"bench gpu --device cpu --threads 1 --models {TINY} --sizes 84x56,56x56 --batch 1,2 --frames 2"
    arguments += " --cold-starts 0"
    assert cli.main([*arguments.split(), "--ways", ",".join(ways), "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    report = json.loads(path.read_text())
    entries = report["entries"]
    alone = [e for e in entries if e["batch"] == 1]
    assert [(e["size"], e["way"]) for e in alone] == [(size, way) for size in ("84x56", "56x56") for way in ways]
    assert {e["way"] for e in entries if e["batch"] == 2} == set(ways) - {"stock"}, "inference() has no batch"
    for entry in entries:
        assert entry["p95_ms"] >= entry["p50_ms"] > entry["stages_ms"]["network"] > 0
        assert entry["kept"] > 0 and entry["tflop"] > 0 and entry["share_of_peak"] > 0
        assert entry["depth_off"] < 0.02 and not entry["is_recorded"]
    table = capsys.readouterr().out
    assert table.count(f"| {TINY} |") == len(entries) and all(f" {column} |" in table for column in COLUMNS)
    assert NOT_MEASURED in (tmp_path / PAGE).read_text()


@pytest.mark.da3
def test_as_many_gaussians_are_left_of_every_way(da3_registered: None, tmp_path: Path) -> None:
    arguments = f"bench gpu --device cpu --threads 1 --models {TINY} --sizes 84x56 --batch 1 --frames 1"
    arguments += " --cold-starts 0 --ways stock,eager,exact"
    assert cli.main([*arguments.split(), "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    left = [e["kept"] for e in json.loads(path.read_text())["entries"]]
    assert max(left) - min(left) <= 0.01 * max(left), "autocast moves a few across the limit"


@pytest.mark.da3
def test_what_stands_in_for_the_exporters_is_gone_afterwards(da3_registered: None) -> None:
    before = set(sys.modules)
    whole_package(None, Model(name=TINY, title=TINY, licence="ours"), "cpu")
    assert "depth_anything_3.utils.export" not in set(sys.modules) - before


@pytest.mark.da3
def test_a_start_from_nothing_has_a_row_of_its_own(
    da3_registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_start, "PROGRAM", ("-m", "tests.tiny_cold_start"))
    arguments = f"bench gpu --device cpu --threads 1 --models {TINY} --sizes 84x56 --batch 1 --frames 1 --ways eager"
    assert cli.main([*arguments.split(), "--cold-starts", "1", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    (start,) = json.loads(path.read_text())["cold_starts"]
    assert (start["model"], start["size"], start["starts"]) == (TINY, "84x56", 1)
    assert start["splats"] > 0 and start["weights_mb"] > 1
    assert start["worst_s"] == start["total_s"] > start["imports_s"] + start["load_s"] + start["frame_s"]
    assert min(start[stage] for stage in ("imports_s", "load_s", "frame_s")) > 0
    told = (tmp_path / PAGE).read_text()
    assert all(f" {column} |" in told for column in COLD_COLUMNS) and f"| {TINY} | 84x56 |" in told


@pytest.mark.da3
def test_a_model_that_does_not_start_has_no_row_and_is_told(
    da3_registered: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process knows nothing of the tiny one."""
    arguments = f"bench gpu --device cpu --models {TINY} --sizes 84x56 --batch 1 --frames 1 --ways eager"
    assert cli.main([*arguments.split(), "--cold-starts", "1", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["cold_starts"] == []
    assert f"{TINY}: no cold start: " in capsys.readouterr().err and "Cold start:" not in (tmp_path / PAGE).read_text()


def test_the_page_in_the_documents_is_of_the_numbers_beside_it() -> None:
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("da3-*.json"))]
    assert (FOLDER / PAGE).read_text(encoding="utf-8") == page(reports)


def test_a_way_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bench", "gpu", "--ways", "faster"])
    assert "no such way: faster" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), ([], 2), (["tpu"], 2)])
def test_bench_says_what_it_can_measure(arguments: list[str], status: int) -> None:
    assert cli.main(["bench", *arguments]) == status
