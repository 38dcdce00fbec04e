"""The golden messages: what is on disk is what wire.py says today, and both directions read it."""

from __future__ import annotations

import json

import msgpack
import pytest

from splatcam import wire
from tests.golden.bless import FOLDER, golden_files, meaning
from tests.golden.cases import CLIENT_CASES, SERVER_CASES

LIMIT = 1 << 20


def test_the_files_on_disk_are_what_wire_says_today() -> None:
    on_disk = {p.name: p.read_bytes() for p in FOLDER.iterdir() if p.suffix in (".msgpack", ".json")}
    assert on_disk == golden_files(), "run `python -m tests.golden.bless` if the protocol was meant to change"


def test_every_message_and_every_error_code_has_a_golden() -> None:
    assert {type(m) for m in CLIENT_CASES.values()} == set(wire.CLIENT_MESSAGES)
    assert {type(m) for m in SERVER_CASES.values()} == set(wire.SERVER_MESSAGES)
    assert {m.code for m in SERVER_CASES.values() if isinstance(m, wire.Error)} == set(wire.ErrorCode)


@pytest.mark.parametrize("name", CLIENT_CASES)
def test_the_server_reads_each_client_message_as_it_was_written(name: str) -> None:
    data = (FOLDER / f"client.{name}.msgpack").read_bytes()
    assert wire.parse_client_message(data, LIMIT) == CLIENT_CASES[name]


@pytest.mark.parametrize("name", SERVER_CASES)
def test_a_python_client_reads_each_server_message_as_its_json_says(name: str) -> None:
    fields = wire.decode_server_message((FOLDER / f"server.{name}.msgpack").read_bytes())
    assert meaning(fields) == json.loads((FOLDER / f"server.{name}.json").read_bytes())


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "frame", "frame_id": 0, "captured_at_ms": 1234, "jpeg": b"\xff\xd8\xff"},
        {"type": "shown", "frame_id": 0, "latency_ms": 83},
        {"type": "settings", "min_opacity": 0, "max_fps": 30},
        {"type": "ping", "t": 42},
    ],
    ids=lambda fields: fields["type"],
)
def test_whole_numbers_in_float_fields_are_taken_as_javascript_sends_them(fields: dict[str, object]) -> None:
    assert wire.parse_client_message(msgpack.packb(fields), LIMIT).type == fields["type"]
