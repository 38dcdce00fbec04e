"""The headless benchmark, against a real service and in process. Counts are asserted, times never."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from splatcam import wire
from splatcam.bench.local_service import Service, running
from splatcam.bench.replay import EVERY_RESULT_FPS, WARM_UP_FRAMES, Plan, main
from splatcam.bench.report import FrameRecord, Run, commit, markdown, summarise
from splatcam.live.adaptation import TO_BEGIN_WITH
from tests.pictures import jpeg
from tests.test_clip import write_folder

FRAMES = 12


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--model", "synthetic", "--process-res", "70") as started:
        started.wait_for_model("synthetic")
        yield started


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "frames", FRAMES)


def replayed(tmp_path: Path, clip: Path, *flags: str) -> dict[str, Any]:
    out = tmp_path / "out.json"
    assert main([str(clip), "--json", str(out), *flags]) == 0
    return json.loads(out.read_text())


@pytest.mark.parametrize("name", ["splats16", "gaussian_ply", "pointcloud"])
def test_every_frame_sent_is_delivered_dropped_or_refused(
    service: Service, tmp_path: Path, clip: Path, name: str
) -> None:
    report = replayed(tmp_path, clip, "--url", service.ws_url, "--format", name, "--loops", "2")
    assert (report["format"], report["model"], report["grid"]) == (name, "synthetic", [56, 70])
    assert report["sent"] == 2 * FRAMES == report["delivered"] + report["dropped"] + report["errors"]
    assert report["delivered"] > 0
    assert report["errors"] == 0


def test_what_is_not_said_is_pinned() -> None:
    asked = Plan(("compact", "splats16"), wire.SettingsMessage(stride=2)).asked(supports_gaussians=True)
    assert asked == wire.SettingsMessage(
        format=wire.Format.COMPACT, output="network", stride=2, depth_bits=12, max_fps=EVERY_RESULT_FPS
    )
    assert Plan(("pointcloud",)).asked(supports_gaussians=True).output == "points"
    assert Plan(("splats16",)).asked(supports_gaussians=False).output == "pixel"


def test_the_server_chooses_only_where_it_is_let(service: Service, tmp_path: Path, clip: Path) -> None:
    flags = ("--url", service.ws_url, "--format", "splats16,compact")
    pinned = replayed(tmp_path, clip, *flags)
    assert (pinned["format"], {choice["what"] for choice in pinned["choices"][1:]}) == (
        "splats16",
        {"splats16 (pixel)"},
    )
    adapting = replayed(tmp_path, clip, *flags, "--adapt")
    assert adapting["format"] == "compact"
    assert adapting["choices"][0]["reason"] == TO_BEGIN_WITH


def test_a_camera_slower_than_the_server_loses_nothing(service: Service, tmp_path: Path, clip: Path) -> None:
    report = replayed(tmp_path, clip, "--url", service.ws_url, "--fps", "4", "--frames", "4")
    assert (report["sent"], report["delivered"]) == (4, 4)


def test_a_camera_faster_than_the_server_is_thinned_out(tmp_path: Path, clip: Path) -> None:
    with running("--model", "synthetic", "--process-res", "70", "--latency-ms", "100") as slow:
        slow.wait_for_model("synthetic")
        report = replayed(tmp_path, clip, "--url", slow.ws_url, "--fps", "120")
    assert report["dropped"] > 0
    assert report["sent"] == report["delivered"] + report["dropped"]


def test_a_broken_frame_is_counted_as_an_error(service: Service, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "broken", 3)
    for n in range(3, WARM_UP_FRAMES + 1):
        (folder / f"{n:03}.jpg").write_bytes(jpeg(seed=n))
    (folder / "999.jpg").write_bytes(jpeg()[:200])
    report = replayed(tmp_path, folder, "--url", service.ws_url, "--fps", "5")
    assert (report["errors"], report["error_codes"]) == (1, ["bad_jpeg"])
    assert report["sent"] == report["delivered"] + report["dropped"] + 1


def test_in_process_the_same_code_runs_without_a_server(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = replayed(tmp_path, clip, "--model", "builtin", "--process-res", "70", "--fps", "20")
    assert (report["model"], report["output"]) == ("builtin", "pixel")
    assert report["sent"] == FRAMES == report["delivered"] + report["dropped"]
    table = capsys.readouterr().out
    assert report["machine"]["name"] in table and report["commit"] in table


def test_a_server_that_wants_a_token_gets_it_from_a_flag_or_from_the_address(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "correct-horse-battery"
    with running("--model", "synthetic", "--process-res", "70", "--token", token) as guarded:
        guarded.wait_for_model("synthetic")
        for flags in (["--url", guarded.ws_url, "--token", token], ["--url", f"{guarded.ws_url}?token={token}"]):
            assert replayed(tmp_path, clip, *flags, "--frames", "2")["sent"] == 2
        assert main([str(clip), "--url", guarded.ws_url + "?token=a-wrong-token"]) == 1
    told = capsys.readouterr().err
    assert "refuses with HTTP 403; does it want a token (--token)?" in told
    assert "a-wrong-token" not in told


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["missing.mkv"], "no clip"),
        (["{clip}", "--url", "ws://127.0.0.1:9/ws"], "no server answers"),
        (["{clip}", "--model", "colossal"], "colossal"),
        (["{clip}", "--model", "builtin", "--output", "network"], "no Gaussians"),
    ],
)
def test_what_cannot_run_ends_with_one_sentence(
    clip: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert main([flag.format(clip=clip) for flag in flags]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert words in told[-1] and told[-1].startswith("splatcam replay: ")


@pytest.mark.parametrize(
    "flags",
    [
        ["--format", "splats16,gif"],
        ["--stride", "0"],
        ["--loops", "0"],
        ["--fps", "-1"],
        ["--frames", "0"],
        ["--json", "/nowhere/x"],
    ],
)
def test_a_flag_that_makes_no_sense_is_refused_before_the_run(
    clip: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(clip), *flags])
    assert f"argument {flags[0]}" in capsys.readouterr().err


def test_latency_counts_from_the_scheduled_time() -> None:
    run = Run("clip", "0", 10.0, "m", "splats16", "pixel", (56, 70), sent=4, warm_up=0, errors={2: "bad_jpeg"})
    run.frames = [FrameRecord(n, n / 10, n / 10 + 0.25, 1000, 50, {"decode": 2.0}) for n in (0, 3)]
    report = summarise(run)
    assert report["capture_to_result_ms"]["p50"] == 250.0
    assert (report["dropped"], report["errors"], report["delivered"]) == (1, 1, 2)
    assert report["stages_ms"]["decode"]["p95"] == 2.0
    assert "| decode |" in markdown(report)


def test_a_report_names_the_commit_it_was_made_at() -> None:
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert commit().removesuffix("+") == head.strip()
