"""Poison: websocket messages that must be refused, each with its code, and the sound ones that mutations start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgpack

from splatcam import wire
from splatcam.wire import ErrorCode

LIMIT_BYTES = 2 * 1024 * 1024
JPEG = wire.JPEG_MAGIC + b"rest"


@dataclass(frozen=True)
class PoisonMessage:
    name: str
    data: bytes | str
    code: ErrorCode


@cache
def poison() -> tuple[PoisonMessage, ...]:
    return tuple(one for group in (_shapes, _bombs, _sizes, _fields) for one in group())


def corpus() -> list[bytes]:
    sound = [
        wire.Hello(protocol=1, formats=["splats16", "compact"], client="a page", watch="newest"),
        wire.FrameMessage(frame_id=7, captured_at_ms=12.5, jpeg=JPEG),
        wire.Ack(frame_id=2**53 - 1),
        wire.Shown(frame_id=7, latency_ms=41.5),
        wire.SettingsMessage(output="pixel", sh="full", min_opacity=0.5, stride=2, max_fps=12.5, depth_bits=10),
        wire.SettingsMessage(format="auto", max_fps="auto", max_depth_percentile=0.9),
        wire.Ping(t=1e9),
        wire.Hello(protocol=1, formats=["compact"], room="Stage_2-b"),
        wire.Record(action="start"),
        wire.Record(action="stop"),
        wire.Sound(captured_at_ms=12.5, sample_rate=16_000, samples=b"\0\1" * 40),
    ]
    return [wire.encode(message) for message in sound]


def _bad(name: str, data: bytes | str) -> PoisonMessage:
    return PoisonMessage(name, data, ErrorCode.BAD_MESSAGE)


def _shapes() -> Iterator[PoisonMessage]:
    yield PoisonMessage("text", "hello", ErrorCode.TEXT_MESSAGE)
    yield PoisonMessage("text_of_a_map", '{"type": "hello"}', ErrorCode.TEXT_MESSAGE)
    yield _bad("empty", b"")
    for name, value in {"none": None, "number": 1, "string": "hello", "list": ["hello"], "float": float("nan")}.items():
        yield _bad(f"just_a_{name}", msgpack.packb(value))
    yield _bad("byte_that_msgpack_never_uses", b"\xc1" * 100)
    ping = msgpack.packb({"type": "ping", "t": 1.0})
    for length in (1, 5, len(ping) - 1):
        yield _bad(f"cut_after_{length}", ping[:length])
    yield _bad("two_maps", ping + ping)
    yield _bad("a_key_twice", b"\x82" + 2 * (msgpack.packb("type") + msgpack.packb("ping")))
    yield _bad("a_number_as_key", msgpack.packb({1: 2}))
    yield _bad("a_key_of_bytes", msgpack.packb({b"type": "ping", "t": 1.0}))
    yield _bad("a_map_as_key", b"\x81\x80\x01")
    yield _bad("a_list_as_key", b"\x81\x91\x01\x01")
    yield _bad("nothing_as_key", b"\x81\xc0\x01")
    yield _bad("no_utf8", b"\x81\xa4ty\xff\xfe\x01")
    yield _bad("a_map_in_a_map", msgpack.packb({"type": "ping", "t": {"a": 1}}))
    yield _bad("two_lists", msgpack.packb({"type": "hello", "protocol": 1, "formats": ["ply"], "client": []}))
    yield _bad("a_list_in_a_list", msgpack.packb({"type": "hello", "protocol": 1, "formats": [["ply"]]}))
    yield _bad("a_time_stamp", msgpack.packb({"type": "ping", "t": msgpack.Timestamp(1)}))
    for length in (0, 1, 8):
        yield _bad(f"an_extension_of_{length}", msgpack.packb({"t": msgpack.ExtType(5, bytes(length))}))
    yield _bad("a_time_stamp_of_nothing", b"\x81\xa1t\xc7\x00\xff")
    yield _bad("html", b"<!doctype html>")
    yield _bad("a_request", b"GET / HTTP/1.1\r\n\r\n")
    yield _bad("a_png", b"\x89PNG\r\n\x1a\n" + bytes(100))


def _bombs() -> Iterator[PoisonMessage]:
    room = LIMIT_BYTES - 100
    nests = {
        "lists_of_one": b"\x91" * room,
        "lists_of_fifteen": b"\x9f" * room,
        "maps_of_one": b"\x81" * room,
        "maps_as_values": b"\x81\xa1a" * (room // 3),
        "wide_maps_as_values": (b"\x8f" + b"\xa1a\xc0" * 14 + b"\xa1b") * (room // 45),
        "empty_maps": (b"\x9f" + b"\x80" * 14) * (room // 15),
        "lists_in_lists_after_empty_maps": (b"\x9f" + b"\x80" * 14) * 100 + b"\x90" * (room - 1500),
        "lists_of_sixteen": b"\xdc\x00\x10" * 600 + b"\xc0" * (room - 1800),
    }
    for name, data in nests.items():
        yield _bad(f"nest_of_{name}", data)
        yield _bad(f"nest_of_{name}_in_a_frame", b"\x82\xa4type\xa5frame\xa1x" + data)
    for name, head in {
        "list": b"\xdd",
        "map": b"\xdf",
        "string": b"\xdb",
        "bytes": b"\xc6",
        "extension": b"\xc9",
    }.items():
        yield _bad(f"a_{name}_of_four_billion", head + b"\xff" * 4 + bytes(room))
    yield _bad("a_list_of_seventeen", msgpack.packb({"type": "hello", "protocol": 1, "formats": ["a"] * 17}))
    yield _bad("a_map_of_seventeen", msgpack.packb({f"field {n}": n for n in range(17)}))


def _sizes() -> Iterator[PoisonMessage]:
    large = ErrorCode.MESSAGE_TOO_LARGE
    yield PoisonMessage("over_the_limit", JPEG + bytes(LIMIT_BYTES), large)
    yield PoisonMessage("hello_of_two_megabytes", _packed("hello", protocol=1, client=bytes(LIMIT_BYTES - 100)), large)
    yield PoisonMessage("ping_with_an_attachment", _packed("ping", t=1.0, more=bytes(100_000)), large)
    yield PoisonMessage("large_without_a_type", msgpack.packb({"jpeg": bytes(100_000)}), large)
    yield _bad("a_name_of_2000_letters", _packed("hello", protocol=1, formats=["x" * 2000]))


def _fields() -> Iterator[PoisonMessage]:
    """Each wrong in one field."""
    yield from _wrong_types()
    yield from _wrong_numbers()
    yield from _wrong_frames()
    yield from _wrong_hellos()
    yield from _wrong_recordings()
    yield from _wrong_settings()


def _wrong_types() -> Iterator[PoisonMessage]:
    for name, kind in {
        "none": None,
        "number": 1,
        "capitals": "HELLO",
        "servers_own": "welcome",
        "list": ["ping"],
    }.items():
        yield PoisonMessage(f"type_{name}", msgpack.packb({"type": kind, "t": 1.0}), ErrorCode.UNKNOWN_TYPE)
    yield PoisonMessage("no_type", msgpack.packb({"t": 1.0}), ErrorCode.UNKNOWN_TYPE)


def _wrong_numbers() -> Iterator[PoisonMessage]:
    for name, number in {
        "negative": -1,
        "fraction": 0.5,
        "text": "1",
        "true": True,
        "too_large": 2**53,
        "huge": 2**64 - 1,
    }.items():
        yield PoisonMessage(f"frame_id_{name}", _packed("ack", frame_id=number), ErrorCode.BAD_FIELD)
    for name, number in {"nan": float("nan"), "infinite": float("inf"), "text": "1", "none": None}.items():
        yield PoisonMessage(f"time_{name}", _packed("ping", t=number), ErrorCode.BAD_FIELD)
        yield PoisonMessage(f"captured_{name}", _frame(captured_at_ms=number), ErrorCode.BAD_FIELD)


def _wrong_frames() -> Iterator[PoisonMessage]:
    yield PoisonMessage("another_field", _packed("ack", frame_id=1, admin=True), ErrorCode.BAD_FIELD)
    yield PoisonMessage("a_field_missing", _packed("frame", frame_id=1), ErrorCode.BAD_FIELD)
    yield PoisonMessage("jpeg_of_text", _frame(jpeg="text"), ErrorCode.BAD_FIELD)
    yield PoisonMessage("jpeg_of_nothing", _frame(jpeg=None), ErrorCode.BAD_FIELD)
    yield PoisonMessage("jpeg_under_another_name", _frame(png=bytes(1_000_000)), ErrorCode.BAD_FIELD)
    yield PoisonMessage("jpeg_that_is_none", _frame(jpeg=b"\x89PNG"), ErrorCode.NOT_JPEG)
    yield PoisonMessage("jpeg_of_zeros", _frame(jpeg=bytes(1_000_000)), ErrorCode.NOT_JPEG)


def _wrong_hellos() -> Iterator[PoisonMessage]:
    yield PoisonMessage(
        "another_protocol", _packed("hello", protocol=2, formats=["ply"]), ErrorCode.UNSUPPORTED_PROTOCOL
    )
    yield PoisonMessage("no_formats", _packed("hello", protocol=1, formats=[]), ErrorCode.BAD_FIELD)
    yield PoisonMessage("a_format_without_end", _packed("hello", protocol=1, formats=["x" * 65]), ErrorCode.BAD_FIELD)
    yield PoisonMessage(
        "a_client_without_end", _packed("hello", protocol=1, formats=["ply"], client="x" * 201), ErrorCode.BAD_FIELD
    )
    for name, room in {
        "empty": "",
        "too_long": "x" * 41,
        "path": "../stage",
        "slash": "a/b",
        "space": "my stage",
        "new_line": "stage\n",
        "markup": "<b>stage</b>",
        "umlaut": "b\u00fchne",
        "other_digits": "\u0663",
        "number": 7,
        "bytes": b"stage",
    }.items():
        yield PoisonMessage(
            f"room_{name}", _packed("hello", protocol=1, formats=["ply"], room=room), ErrorCode.BAD_FIELD
        )


def _wrong_recordings() -> Iterator[PoisonMessage]:
    for name, action in {"none": None, "pause": "pause", "capitals": "START", "number": 1, "list": ["start"]}.items():
        yield PoisonMessage(f"record_{name}", _packed("record", action=action), ErrorCode.BAD_FIELD)
    yield PoisonMessage("record_of_another", _packed("record", action="start", session_id="s-1"), ErrorCode.BAD_FIELD)
    yield PoisonMessage("record_into_a_file", _packed("record", action="start", id="../../take"), ErrorCode.BAD_FIELD)
    sounds: dict[str, dict[str, Any]] = {
        "half_a_sample": {"samples": b"\0\1\2"},
        "silence_of_no_length": {"samples": b""},
        "text": {"samples": "la la la"},
        "too_long": {"samples": bytes(12 * 1024 + 2)},
        "rate_of_nothing": {"sample_rate": 0},
        "rate_too_low": {"sample_rate": 7999},
        "rate_too_high": {"sample_rate": 48_001},
        "rate_of_a_fraction": {"sample_rate": 16_000.5},
        "nan": {"captured_at_ms": float("nan")},
        "infinite": {"captured_at_ms": float("inf")},
        "never": {"captured_at_ms": None},
        "stereo": {"channels": 2},
    }
    for name, changes in sounds.items():
        yield PoisonMessage(f"sound_{name}", _sound(**changes), ErrorCode.BAD_FIELD)
    yield PoisonMessage("sound_of_100_kb", _sound(samples=bytes(100_000)), ErrorCode.MESSAGE_TOO_LARGE)


def _wrong_settings() -> Iterator[PoisonMessage]:
    settings: dict[str, Any] = {
        "stride": 0,
        "max_fps": -1.0,
        "min_opacity": 1.5,
        "depth_bits": 11,
        "format": "exe",
        "sh": 3,
    }
    for name, value in settings.items():
        yield PoisonMessage(f"setting_{name}", _packed("settings", **{name: value}), ErrorCode.BAD_FIELD)


def _packed(kind: str, **fields: Any) -> bytes:
    return msgpack.packb({"type": kind, **fields})


def _frame(**fields: Any) -> bytes:
    return _packed("frame", **{"frame_id": 9, "captured_at_ms": 0.0, "jpeg": JPEG, **fields})


def _sound(**fields: Any) -> bytes:
    return _packed("sound", **{"captured_at_ms": 0.5, "sample_rate": 8000, "samples": bytes(100), **fields})
