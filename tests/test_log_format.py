from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from splatcam import wire
from splatcam.bench.local_service import running
from splatcam.log_format import LONGEST_MESSAGE, JsonLines, TextLines, clean
from splatcam.telemetry import Telemetry
from tests.fakes import PaperEngine, connected, hub_of

HOSTILE = "phone\r\nsession 000: root came in\x1b[2J\u2028\u202e\x00 \ud800"
BOTH = pytest.mark.parametrize("lines", [TextLines(), JsonLines()], ids=["text", "json"])


def record(message: Any, *arguments: Any, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("splatcam").makeRecord(
        "splatcam", logging.INFO, "", 0, message, arguments, None, extra=extra
    )


@BOTH
def test_what_a_client_says_begins_no_line_of_its_own(lines: logging.Formatter) -> None:
    line = lines.format(record("session %s: %s", "abc", HOSTILE))
    assert line.isprintable()
    assert "root came in" in line


@BOTH
def test_no_line_is_long(lines: logging.Formatter) -> None:
    assert len(lines.format(record("%s", "x" * 1_000_000))) < LONGEST_MESSAGE + 200


@BOTH
@pytest.mark.parametrize("secret", ["/?token={}", "Authorization: Bearer {}", "cookie: splatcam-8000={}; a=b"])
def test_a_token_is_in_no_line(lines: logging.Formatter, secret: str) -> None:
    line = lines.format(record(secret.format("Zq9-secret-token")))
    assert "Zq9" not in line
    assert "…" in line or "\\u2026" in line


@BOTH
def test_a_token_is_in_no_traceback(lines: logging.Formatter) -> None:
    try:
        raise ValueError("GET /?token=Zq9-secret-token\nsession 000: root came in")
    except ValueError:
        failed = record("it failed")
        failed.exc_info = sys.exc_info()
    text = lines.format(failed)
    assert "Zq9" not in text
    assert "ValueError" in text
    assert not any(line.startswith("session 000") for line in text.splitlines())


def test_a_json_line_tells_when_who_and_what() -> None:
    line = JsonLines().format(record("frame %d", 7, session="abc", frame_id=7, event="frame_failed", stage_ms={"a": 1}))
    fields = json.loads(line)
    assert fields["message"] == "frame 7"
    assert (fields["level"], fields["logger"]) == ("info", "splatcam")
    assert (fields["session"], fields["frame_id"], fields["event"]) == ("abc", 7, "frame_failed")
    assert fields["stage_ms"] == {"a": 1}
    assert fields["ts"].endswith("Z") and "T" in fields["ts"]


def test_a_summary_is_a_sentence_and_its_numbers() -> None:
    telemetry = Telemetry()
    telemetry.received()
    telemetry.observe("decode", 2.0001234)
    summary = telemetry.summary(1.0)
    assert summary is not None
    fields = json.loads(JsonLines().format(record(summary, event="summary", summary=summary.fields())))
    assert fields["message"] == str(summary)
    assert fields["summary"]["in_fps"] == 1.0
    assert fields["summary"]["stages_ms"]["decode"] == {"p50": 2.0, "p95": 2.0}


def test_what_fits_is_left_alone() -> None:
    assert clean("a camera: 30 fps, grüße €") == "a camera: 30 fps, grüße €"


async def test_a_sessions_greeting_names_it_and_cuts_the_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with connected(hub_of(PaperEngine())) as client:
        await client.send(wire.Hello(protocol=1, formats=["splats16"], client="evil\nname " + "x" * 150))
        session_id = (await client.until("welcome"))["session_id"]
    greeting = next(r for r in caplog.records if getattr(r, "event", None) == "hello")
    assert greeting.session == session_id
    assert "\n" not in greeting.getMessage()
    assert len(greeting.getMessage()) < 120


def test_the_service_writes_json_alone_where_it_is_asked_to() -> None:
    code = (
        "import logging; from splatcam.log_format import configure; from splatcam.settings import Settings\n"
        "configure(Settings(log_format='json')); logging.getLogger('uvicorn.error').warning('a\\nb')"
    )
    written = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert [json.loads(line)["message"] for line in written.splitlines()] == ["a\\nb"]


def test_every_line_of_a_services_log_is_a_json_map() -> None:
    with running("--model", "synthetic", "--process-res", "56", "--log-format", "json") as service:
        service.wait_for('"message": "model synthetic on ')
    logged = [json.loads(line) for line in service.lines if line.startswith("{")]
    others = [line for line in service.lines if not line.startswith("{")]
    assert [service.url.rpartition(":")[2] in line for line in others] == [True], "the greeting is for people"
    assert {line["level"] for line in logged} == {"info"}
