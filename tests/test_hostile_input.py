"""Damaged and poisonous input against what reads it: declared errors and nothing else. Times are the fuzz command's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from splatcam import wire
from splatcam.frames import BadFrame, decode_frame
from splatcam.pipeline import to_grid
from splatcam.wire import WireError
from tests.hostile import fuzz, jpegs, messages
from tests.hostile.fuzz import Report, Target

MESSAGES, JPEGS = 20_000, 3_000


@pytest.fixture(autouse=True)
def what_is_found_stays_out_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "FOUND", tmp_path)


@pytest.mark.parametrize("poison", jpegs.poison(), ids=lambda poison: poison.name)
def test_a_poison_jpeg_is_refused_with_its_code(poison: jpegs.Poison) -> None:
    with pytest.raises(BadFrame) as refused:
        decode_frame(poison.data)
    assert refused.value.code == poison.code and str(refused.value)


@pytest.mark.parametrize("odd", jpegs.odd(), ids=lambda odd: odd.name)
def test_an_odd_jpeg_is_a_picture_all_the_same(odd: jpegs.Odd) -> None:
    frame = decode_frame(odd.data)
    assert to_grid(frame, fuzz.LONG_SIDE_PX).shape[2] == 3


@pytest.mark.parametrize("poison", messages.poison(), ids=lambda poison: poison.name)
def test_a_poison_message_is_refused_with_its_code(poison: messages.PoisonMessage) -> None:
    with pytest.raises(WireError) as refused:
        wire.parse_client_message(poison.data, messages.LIMIT_BYTES)
    assert refused.value.code == poison.code
    assert 10 < len(str(refused.value)) < 2000


def test_there_are_sixty_poison_jpegs_and_more_and_no_two_have_the_same_name() -> None:
    for poison in (jpegs.poison(), messages.poison()):
        assert len({one.name for one in poison}) == len(poison) > 60
    assert all(len(one.data) <= messages.LIMIT_BYTES for one in (*jpegs.poison(), *jpegs.odd()))


def test_damaged_messages_raise_nothing_but_declared_errors() -> None:
    report = fuzz.fuzz("messages", MESSAGES, seed=0)
    assert report.undeclared == [] and report.inputs == report.outcomes.total() == MESSAGES
    assert {"bad_message", "bad_field", "unknown_type", "taken: SettingsMessage"} <= report.outcomes.keys()


def test_damaged_jpegs_raise_nothing_but_declared_errors() -> None:
    report = fuzz.fuzz("jpegs", JPEGS, seed=0)
    assert report.undeclared == [] and report.inputs == report.outcomes.total() == JPEGS
    assert report.outcomes.keys() == {"bad_jpeg", "not_jpeg", "frame_too_large", "taken"}


@pytest.mark.parametrize("file", sorted(fuzz.CRASHERS.glob("*.jpg")), ids=lambda file: file.name)
def test_a_jpeg_that_once_broke_something_is_read_or_refused(file: Path) -> None:
    fuzz.read_jpeg(file.read_bytes())


@pytest.mark.parametrize("file", sorted(fuzz.CRASHERS.glob("*.msgpack")), ids=lambda file: file.name)
def test_a_message_that_once_broke_something_is_read_or_refused(file: Path) -> None:
    fuzz.read_message(file.read_bytes())


def test_every_crasher_that_is_kept_has_its_story() -> None:
    stories = (fuzz.CRASHERS / "README.md").read_text()
    kept = [file.name for file in fuzz.CRASHERS.iterdir() if file.suffix != ".md"]
    assert kept and all(name in stories for name in kept)


def test_the_same_seed_makes_the_same_inputs() -> None:
    for name in fuzz.TARGETS:
        first, again, other = (fuzz.fuzz(name, 50, seed).outcomes for seed in (1, 1, 2))
        assert first == again != other


@pytest.fixture
def shaky(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A reader with a bug, and the folder where what it fails at is kept."""

    def read(data: bytes) -> str:
        if data == b"8":
            raise ZeroDivisionError("of eight")
        return "taken"

    numbers = Target(read, lambda rng: str(rng.randrange(10)).encode(), "txt")
    monkeypatch.setattr(fuzz, "TARGETS", {"messages": numbers})
    return tmp_path


def test_an_undeclared_error_is_told_and_its_input_kept(shaky: Path) -> None:
    report = fuzz.fuzz("messages", 200, seed=0)
    assert len(report.undeclared) == report.outcomes["UNDECLARED ZeroDivisionError: of eight"] > 0
    (kept,) = shaky.iterdir()
    assert kept.read_bytes() == b"8" and kept.name in report.undeclared[0]


def test_an_input_over_the_limit_of_time_is_told_and_kept(shaky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "LIMIT_MS", -1.0)
    report = fuzz.fuzz("messages", 100, seed=0)
    assert len(report.slow) == report.outcomes["taken"] == 100 - len(report.undeclared)


def test_the_table_and_the_file_have_every_outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "numbers.json"
    assert fuzz.main(["--messages", "500", "--seed", "3", "--json", str(file)]) == 0
    numbers = json.loads(file.read_text())["messages"]
    assert sum(numbers["outcomes"].values()) == numbers["inputs"] == 500
    printed = capsys.readouterr().out
    assert all(f"| {outcome} | {count} |" in printed for outcome, count in numbers["outcomes"].items())


def test_a_report_adds_up() -> None:
    report = Report()
    for worst_ms in (2.0, 1.0):
        part = Report(inputs=3, worst_ms=worst_ms, slow=["late"])
        part.outcomes["taken"] = 3
        report.add(part)
    assert (report.inputs, report.outcomes["taken"], report.worst_ms, len(report.slow)) == (6, 6, 2.0, 2)
