from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam import wire
from splatcam.wire import ErrorCode, WireError

LIMIT = 1 << 20
JPEG = wire.JPEG_MAGIC + b"rest"


def parse(message: Any) -> Any:
    return wire.parse_client_message(msgpack.packb(message), LIMIT)


def refusal(data: bytes | str, limit: int = LIMIT) -> WireError:
    with pytest.raises(WireError) as caught:
        wire.parse_client_message(data, limit)
    return caught.value


CLIENT_MESSAGES = [
    wire.Hello(protocol=1, formats=["splats16", "gaussian_ply"], client="a test", watch="newest"),
    wire.FrameMessage(frame_id=2**53 - 1, captured_at_ms=-1.5, jpeg=JPEG),
    wire.Ack(frame_id=7),
    wire.Shown(frame_id=7, latency_ms=41.5),
    wire.SettingsMessage(output="pixel", sh="full", ply="inria", min_opacity=0.5, stride=2, max_fps=12.5),
    wire.Ping(t=12.25),
    wire.Hello(protocol=1, formats=["compact"], room="x" * 40),
    wire.Record(action="stop"),
    wire.Sound(captured_at_ms=-1.5, sample_rate=48_000, samples=bytes(wire.MAX_SOUND_BYTES)),
]


@pytest.mark.parametrize("message", CLIENT_MESSAGES, ids=lambda m: m.type)
def test_a_client_message_arrives_as_it_was_sent(message: Any) -> None:
    assert wire.parse_client_message(wire.encode(message), LIMIT) == message


def test_a_bare_jpeg_is_a_plain_frame() -> None:
    assert wire.parse_client_message(JPEG, LIMIT) == wire.PlainFrame(jpeg=JPEG)


def test_whole_numbers_are_taken_where_floats_are_meant() -> None:
    """JavaScript's msgpack writes 5.0 as the integer 5."""
    assert parse({"type": "ping", "t": 5}).t == 5.0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("text", ErrorCode.TEXT_MESSAGE),
        (b"", ErrorCode.BAD_MESSAGE),
        (b"hello", ErrorCode.BAD_MESSAGE),
        (msgpack.packb([1, 2]), ErrorCode.BAD_MESSAGE),
        (msgpack.packb({}), ErrorCode.UNKNOWN_TYPE),
        (msgpack.packb({"type": "launch"}), ErrorCode.UNKNOWN_TYPE),
        (msgpack.packb({"type": 3}), ErrorCode.UNKNOWN_TYPE),
        (msgpack.packb({"type": "ack"}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "ack", "frame_id": "7"}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "ack", "frame_id": -1}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "ack", "frame_id": True}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "ack", "frame_id": 1, "more": 1}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "ping", "t": float("nan")}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "frame", "frame_id": 1, "captured_at_ms": 0.0, "jpeg": b"PNG"}), ErrorCode.NOT_JPEG),
        (msgpack.packb({"type": "frame", "frame_id": 1, "captured_at_ms": 0.0, "jpeg": "text"}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "settings", "stride": 0}), ErrorCode.BAD_FIELD),
        (msgpack.packb({"type": "hello", "protocol": 2, "formats": ["splats16"]}), ErrorCode.UNSUPPORTED_PROTOCOL),
        (msgpack.packb({"type": "hello", "protocol": 1, "formats": []}), ErrorCode.BAD_FIELD),
    ],
)
def test_a_refused_message_has_a_code(data: bytes | str, code: ErrorCode) -> None:
    assert refusal(data).code == code


def test_a_refusal_names_the_field() -> None:
    assert "stride" in str(refusal(msgpack.packb({"type": "settings", "stride": 0})))


def test_a_refused_frame_is_named_by_its_id() -> None:
    message = {"type": "frame", "frame_id": 9, "captured_at_ms": 0.0, "jpeg": b"PNG"}
    assert refusal(msgpack.packb(message)).frame_id == 9


def test_a_message_over_the_limit_is_not_even_unpacked() -> None:
    assert refusal(JPEG + bytes(100), limit=50).code == ErrorCode.MESSAGE_TOO_LARGE


def test_a_message_that_is_no_frame_is_small() -> None:
    assert wire.parse_client_message(wire.encode(wire.Ping(t=1.0)), LIMIT).t == 1.0
    large = msgpack.packb({"type": "ping", "t": 1.0, "more": bytes(wire.MAX_WORD_BYTES)})
    assert refusal(large).code == ErrorCode.MESSAGE_TOO_LARGE
    frame = wire.FrameMessage(frame_id=1, captured_at_ms=0.0, jpeg=JPEG + bytes(wire.MAX_WORD_BYTES))
    assert wire.parse_client_message(wire.encode(frame), LIMIT) == frame


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (msgpack.packb({"type": "ping", "t": {}}), "a map in a map"),
        (msgpack.packb({"formats": [], "more": []}), "more than one list"),
        (b"\x82" + 2 * (msgpack.packb("t") + b"\x01"), "a key comes twice"),
        (msgpack.packb({b"type": "ping"}), "a key is no string"),
        (msgpack.packb({"t": msgpack.ExtType(1, b"")}), "an extension type"),
        (b"\x91" * 5000, "nested too deeply"),
    ],
)
def test_a_message_of_another_shape_is_refused_in_words(data: bytes, why: str) -> None:
    refused = refusal(data)
    assert refused.code == ErrorCode.BAD_MESSAGE
    assert why in str(refused)


def test_a_refusal_does_not_repeat_a_frame_id_that_no_client_can_read() -> None:
    assert refusal(msgpack.packb({"type": "ack", "frame_id": 2**53})).frame_id is None


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_nothing_but_wire_error(data: bytes) -> None:
    try:
        wire.parse_client_message(data, LIMIT)
    except WireError as error:
        assert error.code in ErrorCode


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
names = st.sampled_from(["type", "frame_id", "captured_at_ms", "jpeg", "protocol", "formats", "t", "stride", "other"])
types = st.sampled_from(["hello", "frame", "ack", "shown", "settings", "ping"])


@given(types, st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=5))
def test_hostile_maps_raise_nothing_but_wire_error(kind: str, fields: dict[str, Any]) -> None:
    try:
        parse({**fields, "type": kind})
    except WireError as error:
        assert error.code in ErrorCode


def test_absent_fields_do_not_travel() -> None:
    told = wire.decode_server_message(wire.encode(wire.Error(code=ErrorCode.BAD_JPEG, message="broken")))
    assert told == {"type": "error", "code": "bad_jpeg", "message": "broken"}


def test_every_error_code_is_explained() -> None:
    assert set(wire.ERROR_EXPLANATIONS) == set(ErrorCode)


def test_every_format_has_its_result_message() -> None:
    assert {str(f) for f in wire.Format} == {m.model_fields["type"].default for m in wire.RESULTS.values()}


def test_a_message_that_is_not_parsed_is_told_from_a_frame_by_its_beginning() -> None:
    frame = wire.encode(wire.FrameMessage(frame_id=1, captured_at_ms=0.0, jpeg=wire.JPEG_MAGIC))
    assert wire.looks_like_frame(frame) and wire.looks_like_frame(wire.JPEG_MAGIC)
    others = [wire.encode(wire.Ping(t=1.0)), wire.encode(wire.Ack(frame_id=1)), b"", b"garbage", "frame"]
    assert not any(map(wire.looks_like_frame, others))
