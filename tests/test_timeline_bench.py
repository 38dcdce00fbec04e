"""The benchmarks of recording and playing: figures and tables from values made by hand, and short turns for real."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splatcam.bench import recording_cost, timeline_page, timeline_playback, timeline_speed
from splatcam.bench.clip import Clip
from splatcam.bench.recording_cost import Comparison, Trial, Turn
from splatcam.bench.timeline_playback import Growth, Playback, PlaybackFailed, Seek, Take
from splatcam.timeline import RecordedTimeline
from splatcam.wire import Format, decode_server_message
from tests.pictures import jpeg

OFF, ON = Turn(30.0, 40.0, 60.0, 33.0), Turn(28.5, 42.0, 64.0, 36.0)
CHEAP = Comparison("builtin", "splats16", (OFF, OFF, OFF), (ON, ON, ON), steps=300, lost=0)
COLD, WARM = Seek(found_ms=30.0, seen_ms=90.0, is_cold=True), Seek(found_ms=1.0, seen_ms=20.0, is_cold=False)
SMOOTH = Playback(
    Take("20260101-000000-5915ca", "compact", size_mb=50.0, recording_mb=40.0), steps=2000, fetched_ms=(5.0, 9.0),
    seeks=(COLD, WARM), seeking=Growth(130.0, 91.0), playing=Growth(120.0, 90.0), server_mb=5.0, played_s=17.0,
    drawn=300,
)  # fmt: skip


# ---------------------------------------------------------------- what a recording costs


def test_a_recording_costs_the_share_of_results_that_there_were_fewer() -> None:
    assert CHEAP.costs == pytest.approx([0.05, 0.05, 0.05])
    assert CHEAP.is_met
    assert "| 5.0% | 5.0% | 5.0% |" in recording_cost.markdown([CHEAP])
    assert "| met |" in recording_cost.markdown([CHEAP])


@pytest.mark.parametrize(
    "dear",
    [replace(CHEAP, on=(replace(ON, fps=26.0),) * 3), replace(CHEAP, lost=1)],
    ids=["more than a tenth", "a frame was lost"],
)
def test_a_recording_misses_the_bar_where_it_takes(dear: Comparison) -> None:
    assert not dear.is_met
    assert "| missed |" in recording_cost.markdown([dear])


def test_one_slow_moment_of_the_machine_decides_nothing() -> None:
    assert replace(CHEAP, on=(ON, ON, replace(ON, fps=1.0))).is_met


def test_on_and_off_are_measured_against_the_real_service() -> None:
    clip = Clip("gradients", (jpeg(70, 56), jpeg(70, 56, seed=1)), 30.0, 70, 56)
    compared = recording_cost.compare(
        Trial(clip, "synthetic", "splats16", rounds=2, seconds=2.0), "--process-res", "70"
    )
    assert len(compared.on) == len(compared.off) == 2
    assert compared.steps > 0 and compared.lost == 0
    assert min(turn.fps for turn in (*compared.on, *compared.off)) > 0


# ---------------------------------------------------------------- playing


def test_a_recording_that_plays_well_meets_its_bars() -> None:
    assert SMOOTH.is_met
    table = timeline_playback.markdown([SMOOTH])
    assert "| compact | 2000 | 50 | 5 | 9 | 2 | 1 | 30 | 30 | 20 | 90 | 20 | 20 | met |" in table
    assert "| compact | 40 | 5 | 120 | 90 | 130 | 91 | 17 | 300 |" in table


@pytest.mark.parametrize(
    "bad",
    [
        replace(SMOOTH, seeks=(replace(COLD, found_ms=301.0),)),
        replace(SMOOTH, fetched_ms=(301.0,)),
        replace(SMOOTH, playing=Growth(301.0, 90.0)),
        replace(SMOOTH, server_mb=301.0),
        replace(SMOOTH, take=replace(SMOOTH.take, recording_mb=301.0)),
    ],
    ids=["found late", "fetched late", "the page grew", "the service grew serving", "the service grew recording"],
)
def test_a_recording_misses_its_bars_where(bad: Playback) -> None:
    assert not bad.is_met
    assert "| missed |" in timeline_playback.markdown([bad])


TOLD: dict[str, Any] = {
    "numSteps": 3,
    "fetched": [5.0],
    "seeking": {
        "result": [
            {"foundMs": 30.0, "seenMs": 90.0, "isCold": True},
            {"foundMs": 1.0, "seenMs": 20.0, "isCold": False},
        ],
        "grewMb": 60.0,
        "heapMb": 5.0,
    },
    "playing": {"result": {"seconds": 1.0, "shown": 2, "endedAt": 2}, "grewMb": 50.0, "heapMb": 4.0},
}


def test_what_the_browser_program_says_becomes_figures() -> None:
    one = timeline_playback.playback_of(SMOOTH.take, TOLD, server_mb=5.0)
    assert (one.seeks, one.cold) == ((COLD, WARM), [COLD])
    assert (one.playing, one.seeking, one.drawn) == (Growth(50.0, 4.0), Growth(60.0, 5.0), 2)


def test_a_page_that_stopped_early_proves_nothing() -> None:
    early = {**TOLD, "playing": {**TOLD["playing"], "result": {"seconds": 1.0, "shown": 2, "endedAt": 1}}}
    with pytest.raises(PlaybackFailed, match="stopped at step 1"):
        timeline_playback.playback_of(SMOOTH.take, early, server_mb=5.0)


def test_the_recording_of_splats16_is_one_that_a_page_can_read(tmp_path: Path) -> None:
    path = tmp_path / "take.scam"
    timeline_speed.write_take(path, [timeline_speed.frame_at(0.0)], steps=3)
    recorded = RecordedTimeline.open(path)
    node = recorded.scene_at(2)["scene"]
    recorded.close()
    assert node.format is Format.SPLATS16
    message = decode_server_message(node.message)
    assert (message["type"], message["frame_id"], message["num_splats"]) == ("splats16", 2, 50_052)


# ---------------------------------------------------------------- the page


def test_the_page_has_what_each_benchmark_prints() -> None:
    asked: list[tuple[str, ...]] = []

    def run(module: str, *arguments: str) -> str:
        asked.append((module, *arguments))
        return f"what {module} prints\n"

    text = timeline_page.page(Path("clips") / "a.mp4", run)
    for name in (*timeline_page.OF_A_CLIP, *timeline_page.OF_NONE):
        assert f"what splatcam.bench.{name} prints" in text
    clips = {module: arguments for module, *arguments in asked if arguments}
    assert clips == {f"splatcam.bench.{name}": ["clips/a.mp4"] for name in timeline_page.OF_A_CLIP}
    assert "make timeline CLIP=a.mp4" in text, "without the folder of whoever ran it"


def test_a_benchmark_that_fails_leaves_the_page_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(module: str, *arguments: str) -> str:
        raise subprocess.CalledProcessError(1, ["python", "-m", module])

    monkeypatch.setattr(timeline_page, "output_of", fail)
    monkeypatch.setattr(timeline_page, "PAGE", tmp_path / "page.md")
    assert timeline_page.main(["a.mp4"]) == 1
    assert not (tmp_path / "page.md").exists()
    assert "splatcam.bench.recording_cost failed" in capsys.readouterr().err
