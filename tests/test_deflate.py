from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam import deflate as deflating
from splatcam.deflate import RAW_DEFLATE, InflateError, deflate, inflate


@pytest.mark.parametrize("library", ["fast", "zlib"])
@given(st.binary(max_size=2000))
def test_bytes_come_back_whichever_library_did_it(library: str, data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if library == "zlib":
            patch.setattr(deflating, "fast_zlib", zlib)
        packed = deflate(data)
        assert inflate(packed, len(data)) == data
    assert zlib.decompress(packed, wbits=RAW_DEFLATE) == data


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_inflated_to_the_announced_size_or_refused(data: bytes, size: int) -> None:
    try:
        assert len(inflate(data, size)) == size
    except InflateError as error:
        assert str(error)


@pytest.mark.parametrize("packed", [deflate(b"x" * 99), deflate(b"x" * 101), deflate(b"x" * 100) + b"y", b"", b"\xff"])
def test_another_size_than_announced_is_refused(packed: bytes) -> None:
    with pytest.raises(InflateError, match="size|not deflate"):
        inflate(packed, 100)
