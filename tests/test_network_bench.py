"""The benchmark over thin links: one short trial against a real service; figures and page from runs made by hand."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from splatcam.bench import network
from splatcam.bench.clip import Clip, load_clip
from splatcam.bench.links import LinkFailed
from splatcam.bench.local_service import Service, running
from splatcam.bench.network_figures import Recovery, back_after_s, figures_of, missed, recoveries_of, second_of
from splatcam.bench.network_trial import FPS, Outcome, Step, Trial, measure, warm_up
from splatcam.bench.replay import Plan
from splatcam.bench.report import ChoiceRecord, FrameRecord, Run
from splatcam.bench.sender_buffer import kernel_keeps_bytes
from splatcam.bench.throttle import Link
from tests.test_clip import write_folder

TINY = ("--model", "synthetic", "--process-res", "70")
BEGIN_S = 1000.0


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(*TINY) as started:
        started.wait_for_model("synthetic")
        yield started


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return load_clip(write_folder(tmp_path / "frames", 4))


def port_of(service: Service) -> int:
    port = urlsplit(service.url).port
    assert port is not None
    return port


# ---------------------------------------------------------------- a trial


async def test_camera_and_watcher_get_results_of_the_same_frames_through_their_links(
    service: Service, clip: Clip
) -> None:
    steps = (Step(1, 100), Step(0.5, 10, up_mbit_s=50), Step(1, 100))
    await warm_up(clip, port_of(service))
    outcome = await measure(clip, port_of(service), Trial("a test", steps, network.ADAPTING))
    for run in outcome.clients.values():
        assert run.sent == 75 == len(run.frames) + run.dropped + len(run.errors)
        assert run.frames and not run.errors
        ids = [frame.frame_id for frame in run.frames]
        assert ids == sorted(set(ids)) and set(ids) <= set(range(1, 76))
        assert run.choices and run.choices[0].what.startswith("compact (pixel)")
        assert (run.clip_digest, run.model, run.begin_s) == (clip.digest, "synthetic", outcome.camera.begin_s)


async def test_what_is_pinned_is_sent(service: Service, clip: Clip) -> None:
    outcome = await measure(clip, port_of(service), Trial("pinned", (Step(1, 100),), Plan(("splats16",))))
    for run in outcome.clients.values():
        assert {choice.what for choice in run.choices[1:]} == {"splats16 (pixel)"}
        assert {frame.message_bytes > 16 * frame.count for frame in run.frames} == {True}


async def test_a_service_that_ends_ends_the_trial(clip: Clip) -> None:
    with running(*TINY) as leaving:
        leaving.wait_for_model("synthetic")
        trial = asyncio.create_task(measure(clip, port_of(leaving), Trial("long", (Step(60, 100),), network.ADAPTING)))
        await asyncio.to_thread(leaving.wait_for, "splatcam replay")
        leaving.process.terminate()
        with pytest.raises(LinkFailed):
            await trial


async def test_a_sender_that_never_holds_back_has_more_in_its_kernel_than_the_link_holds() -> None:
    assert await kernel_keeps_bytes(Link(0.1), 2) > 0


# ---------------------------------------------------------------- figures


def run_of(seconds: float, latency_s: Callable[[float], float | None]) -> Run:
    """30 frames a second; `latency_s` of the moment of a picture, None where no result came."""
    sent = round(seconds * FPS)
    run = Run("a clip", "abc", FPS, "builtin", "compact", "pixel", (56, 70), sent=sent, warm_up=1, errors={})
    run.begin_s = BEGIN_S
    for n in range(sent):
        if (late_s := latency_s(n / FPS)) is not None:
            at_s = BEGIN_S + n / FPS
            run.frames.append(FrameRecord(n, at_s, at_s + late_s, 20_000, 50, {"total": 9.0}))
    return run


def steady(mbit_s: float, seconds: float = 60) -> Trial:
    return Trial(f"{mbit_s}", (Step(seconds, mbit_s),), network.ADAPTING)


STEPS = Trial("100, 10, 100", tuple(Step(20, mbit_s) for mbit_s in (100, 10, 100)), network.ADAPTING)


def test_an_even_stream_has_its_figures() -> None:
    figures = figures_of(run_of(60, lambda _: 0.1), 60)
    assert figures.fps == pytest.approx(30, abs=0.1)
    assert (figures.p50_ms, figures.p95_ms) == (pytest.approx(100), pytest.approx(100))
    assert figures.longest_gap_ms == pytest.approx(100)  # before the first result
    assert (figures.frame_bytes, figures.service_p95_ms) == (20_000, 9)


@pytest.mark.parametrize(
    ("latency_s", "goals"),
    [
        (lambda _: 0.1, []),
        (lambda _: None, ["no stall", "15 fps", "p95 250 ms", "not growing"]),
        (lambda t: 0.1 if not 20 < t < 21.2 else None, ["no stall"]),
        (lambda t: 0.1 + t / 500, ["not growing"]),
        (lambda _: 0.3, ["p95 250 ms"]),
        (lambda t: 0.1 if round(t * 30) % 3 == 0 else None, ["15 fps"]),
    ],
)
def test_a_run_misses_the_goals_that_it_does_not_meet(
    latency_s: Callable[[float], float | None], goals: list[str]
) -> None:
    assert missed(steady(20), run_of(60, latency_s)) == goals


def test_a_fast_link_has_a_higher_goal() -> None:
    run = run_of(60, lambda t: 0.1 if round(t * 30) % 3 else None)  # 20 a second
    assert missed(steady(20), run) == []
    assert missed(steady(100), run) == ["25 fps"]


def test_a_step_is_over_when_rate_and_latency_stay_well() -> None:
    run = run_of(60, lambda t: 0.8 if 20 <= t < 22 or 23 <= t < 23.5 else 0.1)
    recoveries = recoveries_of(STEPS, run)
    assert [(r.at_s, r.to_mbit_s) for r in recoveries] == [(20, 10), (40, 100)]
    assert recoveries[0].back_after_s == pytest.approx(4.3, abs=0.2)
    assert recoveries[1].back_after_s == 0
    assert missed(STEPS, run) == []


def test_a_step_that_ends_before_the_stream_is_well_has_no_recovery() -> None:
    run = run_of(60, lambda t: 0.5 if 20 <= t < 40 else 0.1)
    assert recoveries_of(STEPS, run)[0].back_after_s is None
    assert missed(STEPS, run) == ["back within 5 s"]
    assert back_after_s(run, BEGIN_S + 20, BEGIN_S + 22, fps=15) is None  # too short to say


@pytest.mark.parametrize(("back_after_s", "is_in_time"), [(0.0, True), (5.0, True), (5.1, False), (None, False)])
def test_a_recovery_is_in_time_within_five_seconds(back_after_s: float | None, is_in_time: bool) -> None:
    assert Recovery(20, 10, back_after_s, 90).is_in_time is is_in_time


def test_a_second_counts_what_arrived_in_it() -> None:
    run = run_of(4, lambda t: 0.5 if t < 1 else 0.1)
    assert second_of(run, BEGIN_S + 2).fps == 30
    assert second_of(run, BEGIN_S + 2).p95_ms == pytest.approx(100)
    assert math.isnan(second_of(run, BEGIN_S - 5).p95_ms)


# ---------------------------------------------------------------- the page


def outcome_of(trial: Trial) -> Outcome:
    camera = run_of(trial.seconds, lambda t: 0.1 if t < 20 else 0.6)
    watcher = run_of(trial.seconds, lambda _: None)
    camera.choices = [
        ChoiceRecord(BEGIN_S - 1, "compact (pixel), 12 bits", "to begin with"),
        ChoiceRecord(BEGIN_S + 21, "compact (pixel), stride 2", "the link carries 2 Mbit/s"),
    ]
    return Outcome(trial, camera, watcher)


def test_the_command_writes_every_trial_its_steps_and_what_the_server_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes_of(clip: Clip, model: str, trials: Sequence[Trial]) -> list[Outcome]:
        return [outcome_of(trial) for trial in trials]

    monkeypatch.setattr(network, "_against_service", outcomes_of)
    monkeypatch.setattr(network, "FLOODED_S", 0.2)
    folder = write_folder(tmp_path / "frames", 2)
    assert network.main([str(folder), "--page", str(tmp_path / "page.md"), "--json", str(tmp_path / "all.json")]) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.count("Steps of 100, 10, 100 Mbit/s") == 2  # the built-in model and the synthetic one
    assert page.count("Steps of 100, 3, 100 Mbit/s") == 1
    assert "| 20 Mbit/s | camera | all, what fits |" in page
    assert "| 20 Mbit/s | watcher | gaussian_ply, nothing else | compact | 0.0 | none |" in page
    assert "| 25 | 10 | 30 | 600 | 0 | none |" in page
    assert "| camera | 21.0 | compact (pixel), stride 2 | the link carries 2 Mbit/s |" in page
    assert str(tmp_path) not in page
    records = json.loads((tmp_path / "all.json").read_text())
    assert len(records) == 3 + 3 + 1 + 6
    assert records[0]["clients"]["camera"]["choices"][1]["at_s"] == 21
    assert records[0]["clients"]["watcher"]["figures"]["p95_ms"] is None


def test_choices_that_stay_are_told_in_a_sentence() -> None:
    outcome = Outcome(steady(20, 2), run_of(2, lambda _: 0.1), run_of(2, lambda _: 0.1))
    assert "The server kept its first choice in all of them." in network.page(8e5, [[outcome]], [outcome], [outcome])


def test_a_clip_that_is_missing_ends_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert network.main([str(tmp_path / "missing.mkv"), "--page", str(tmp_path / "page.md")]) == 1
    assert capsys.readouterr().err.startswith("network: there is no clip")
    assert not (tmp_path / "page.md").exists()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "splats16 (pixel)"),
        ({"format": "compact", "depth_bits": 10}, "compact (pixel), 10 bits"),
        ({"stride": 2, "max_fps": 8.0}, "splats16 (pixel), stride 2, at most 8/s"),
        ({"max_fps": 8.0, "pinned": ["max_fps"]}, "splats16 (pixel)"),
    ],
)
def test_a_choice_is_told_in_words(changes: dict[str, object], what: str) -> None:
    message = {"format": "splats16", "output": "pixel", "stride": 1, "pinned": [], "reason": "to begin with"}
    assert ChoiceRecord.of({**message, **changes}, 1.0) == ChoiceRecord(1.0, what, "to begin with")
