"""The golden messages: what is on disk is what splatcam.wire says today, and both directions read it."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import numpy as np
import pytest

from splatcam import wire
from splatcam.codecs import compact, compact_shape
from tests.golden import compact_cases, scam_cases
from tests.golden.bless import FOLDER, golden_files, meaning
from tests.golden.cases import CLIENT_CASES, SERVER_CASES
from tests.golden.compact_cases import COMPACT_CASES
from tests.golden.scam_cases import SCAM_CASES

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


@pytest.mark.parametrize("name", COMPACT_CASES)
def test_a_golden_compact_message_says_what_the_encoder_says_today(name: str) -> None:
    on_disk, today = compact_golden(name), compact_cases.compact_fields(COMPACT_CASES[name])
    optional = {"mask", "shape", "color"}
    assert optional & on_disk.keys() == optional & today.keys()
    assert [on_disk[key] for key in ("num_splats", "stride", "depth_bits", "opacity")] == [
        today[key] for key in ("num_splats", "stride", "depth_bits", "opacity")
    ]
    assert tuple(on_disk["window"]) == today["window"]
    assert [on_disk["near"], on_disk["far"]] == pytest.approx([today["near"], today["far"]], rel=1e-6)
    pixels = on_disk["window"][2] * on_disk["window"][3]
    sizes = {"depth": 2 * pixels, "mask": -(-pixels // 8), "shape": compact_shape.PLANES * on_disk["num_splats"]}
    for plane, size in sizes.items():
        if plane in today:
            then, now = (compact.inflate(fields[plane], size, plane) for fields in (on_disk, today))
            assert (then != now).sum() <= size / 100, (
                f"{plane}: `python -m tests.golden.bless` if it was meant to change"
            )


@pytest.mark.parametrize("name", COMPACT_CASES)
def test_a_golden_compact_message_decodes_to_its_golden_words(name: str) -> None:
    fields = compact_golden(name)
    rgb = np.fromfile(compact_cases.FOLDER / f"{name}.rgb", np.uint8).reshape(*fields["window"][2:], 3)
    words = np.fromfile(compact_cases.FOLDER / f"{name}.words", np.uint8).reshape(-1, 16)
    assert len(words) == fields["num_splats"]
    off_by = np.abs(compact_cases.words_of(fields, rgb).astype(int) - words) if len(words) else np.zeros(1)
    assert (off_by == 0).mean() >= 0.999, "another machine rounds otherwise, but not as often as that"


def test_every_golden_compact_file_belongs_to_a_case() -> None:
    names = {f"{name}.{kind}" for name in COMPACT_CASES for kind in ("msgpack", "rgb", "words")}
    assert {path.name for path in compact_cases.FOLDER.iterdir()} == names


@pytest.mark.parametrize("name", SCAM_CASES)
def test_a_golden_recording_says_what_its_json_says_and_what_is_written_today(name: str) -> None:
    on_disk = scam_cases.told((scam_cases.FOLDER / f"{name}.scam").read_bytes())
    assert meaning(on_disk) == json.loads((scam_cases.FOLDER / f"{name}.json").read_bytes())
    assert on_disk == scam_cases.told(SCAM_CASES[name]()), "`python -m tests.golden.bless` if it was meant to change"


def test_every_golden_recording_belongs_to_a_case() -> None:
    assert {p.name for p in scam_cases.FOLDER.iterdir()} == {
        f"{n}.{kind}" for n in SCAM_CASES for kind in ("scam", "json")
    }


def compact_golden(name: str) -> dict[str, Any]:
    return wire.decode_server_message((compact_cases.FOLDER / f"{name}.msgpack").read_bytes())


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "frame", "frame_id": 0, "captured_at_ms": 1234, "jpeg": b"\xff\xd8\xff"},
        {"type": "shown", "frame_id": 0, "latency_ms": 83},
        {"type": "settings", "min_opacity": 0, "max_fps": 30},
        {"type": "ping", "t": 42},
        {"type": "sound", "captured_at_ms": 42, "sample_rate": 8000, "samples": b"\0\0"},
    ],
    ids=lambda fields: fields["type"],
)
def test_whole_numbers_in_float_fields_are_taken_as_javascript_sends_them(fields: dict[str, object]) -> None:
    assert wire.parse_client_message(msgpack.packb(fields), LIMIT).type == fields["type"]
