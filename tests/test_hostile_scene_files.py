"""Scene files that are damaged, lie, or are something else: one sentence, never anything worse."""

from __future__ import annotations

import gzip
import logging
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gsply_helpers import encode_gaussian_ply
from splatcam.files import FORMATS, Format, SceneUnreadable, load_scene
from splatcam.files.splat import ROW
from tests.oracles.clouds import pixel_cloud

COMPRESSED, PLY, SPLAT, SPZ = FORMATS
every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.suffix)
MIB = 1 << 20


def packed_spz(version: int = 3, count: int = 1, degree: int = 0, bits: int = 12, flags: int = 0, body: bytes = b""):
    return gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", version, count, degree, bits, flags, 0) + body)


def cut(format: Format, by: int, coefficients: int = 1) -> bytes:
    return format.encode(pixel_cloud(2, 3, coefficients))[:-by]


def edited(format: Format, old: bytes, new: bytes, coefficients: int = 1) -> bytes:
    data = format.encode(pixel_cloud(2, 3, coefficients))
    assert old in data
    return data.replace(old, new, 1)


def with_rows(change: str, value: float, every: int) -> bytes:
    """A .splat file of six rows, of which each `every`-th has the value in a field."""
    rows = np.frombuffer(SPLAT.encode(pixel_cloud(2, 3)), ROW).copy()
    rows[change][::every, 0] = value
    return rows.tobytes()


def ply_with(value: float, every: int) -> bytes:
    cloud = pixel_cloud(2, 3)
    cloud.means[::every, 1] = value
    return encode_gaussian_ply(cloud)


def compressed_with_broken_box(cloud_size: tuple[int, int]) -> bytes:
    data = COMPRESSED.encode(pixel_cloud(*cloud_size))
    at = data.index(b"end_header\n") + len(b"end_header\n")
    return data[:at] + struct.pack("<f", float("nan")) + data[at + 4 :]


TEN_MILLION_ROWS = b"\n".join((
    b"ply", b"format binary_little_endian 1.0", b"element vertex 10000000", b"property uchar x", b"end_header",
    bytes(10_000_000),
))  # fmt: skip

REFUSED = {
    "empty": (PLY, b"", "is empty"),
    "text": (PLY, b"hello\n", "its name says PLY, its contents do not"),
    "picture.spz": (SPZ, b"\xff\xd8\xff\xe0" * 8, "its name says SPZ"),
    "html.compressed": (COMPRESSED, b"<!doctype html>", "its name says compressed PLY"),
    "cut.ply": (PLY, cut(PLY, 1), "335 are left"),
    "cut.compressed": (COMPRESSED, cut(COMPRESSED, 1), "95 are left"),
    "cut.compressed.sh": (COMPRESSED, cut(COMPRESSED, 1, 4), "53 are left"),
    "cut.splat": (SPLAT, cut(SPLAT, 1), "191 bytes are no .splat file"),
    "cut.spz": (SPZ, cut(SPZ, 20), "truncated"),
    "cut.spz.checksum": (SPZ, cut(SPZ, 1), "truncated"),
    "zero.ply": (PLY, encode_gaussian_ply(pixel_cloud(2, 2).select(torch.zeros(4, dtype=torch.bool))), "no splats"),
    "zero.spz": (SPZ, packed_spz(count=0), "no splats"),
    "zero.compressed": (COMPRESSED, edited(COMPRESSED, b"vertex 6", b"vertex 0"), "no splats"),
    "million.ply": (PLY, TEN_MILLION_ROWS, "claims 10000000 splats, at most 8000000"),
    "billion.ply": (PLY, edited(PLY, b"vertex 6", b"vertex 4000000000"), "4000000000 rows of vertex need"),
    "billion.compressed": (COMPRESSED, edited(COMPRESSED, b"vertex 6", b"vertex 4000000000"), "4000000000 rows"),
    "billion.spz": (SPZ, packed_spz(count=4_000_000_000), "claims 4000000000 splats"),
    "missing.spz": (SPZ, packed_spz(count=7_000_000, body=bytes(100)), "7000000 splats need 140000000 bytes, 100"),
    "points": (PLY, edited(PLY, b"float f_dc_0", b"float red"), "lack f_dc_0"),
    "old.spz": (SPZ, packed_spz(version=1), "version 1"),
    "new.spz": (SPZ, packed_spz(version=4), "version 4"),
    "newer.spz": (SPZ, b"NGSP" + bytes(40), "version 4 or later"),
    "degree.spz": (SPZ, packed_spz(degree=4), "degree 4"),
    "bits.spz": (SPZ, packed_spz(bits=25), "25 behind the point"),
    "lod.spz": (SPZ, packed_spz(flags=0x80), "levels of detail"),
    "other.gz": (SPZ, gzip.compress(b"something else altogether"), "no SPZ inside"),
    "short.gz": (SPZ, gzip.compress(b"NGSP"), "no SPZ inside"),
    "broken.gz": (SPZ, b"\x1f\x8b\x08" + bytes(40), "cannot be inflated"),
    "bomb.spz": (SPZ, packed_spz(body=bytes(64 * MIB)), "longer than its header says"),
    "chunks": (COMPRESSED, edited(COMPRESSED, b"chunk 1\n", b"chunk 0\n"), "need 1 chunks, it has 0"),
    "box": (COMPRESSED, edited(COMPRESSED, b"float min_x", b"float min_q"), "element chunk"),
    "words": (COMPRESSED, edited(COMPRESSED, b"uint packed_scale", b"float packed_scale"), "element vertex"),
    "sh.count": (COMPRESSED, edited(COMPRESSED, b"element sh 6", b"element sh 5", 4), "element sh"),
    "sh.type": (COMPRESSED, edited(COMPRESSED, b"uchar f_rest_3", b"char f_rest_3", 4), "element sh"),
    "sh.names": (COMPRESSED, edited(COMPRESSED, b"uchar f_rest_3", b"uchar g_rest_3", 4), "element sh"),
    "sh.bare": (COMPRESSED, edited(COMPRESSED, b"end_header\n", b"element sh 6\nend_header\n"), "element sh"),
    "nan.ply": (PLY, ply_with(float("nan"), 1), "not one valid splat: in all 6"),
    "nan.splat": (SPLAT, with_rows("mean", float("nan"), 1), "not one valid splat: in all 6"),
    "nan.compressed": (COMPRESSED, compressed_with_broken_box((2, 3)), "not one valid splat: in all 6"),
    "noise.splat": (SPLAT, with_rows("scale", -1.0, 1), "6 of its 6 rows have a negative scale"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_told_in_one_sentence_with_the_files_name(case: str, tmp_path: Path):
    format, data, complaint = REFUSED[case]
    path = tmp_path / f"scene{format.suffix}"
    path.write_bytes(data)
    with pytest.raises(SceneUnreadable, match=complaint) as told:
        load_scene(path)
    assert str(told.value).startswith(f"{path.name}: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("case", ["bomb.spz", "missing.spz", "billion.spz", "billion.ply", "billion.compressed"])
def test_what_a_header_claims_is_never_allocated(case: str):
    format, data, _ = REFUSED[case]
    tracemalloc.start()
    with pytest.raises(SceneUnreadable):
        format.decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    ("format", "data", "kept", "count"),
    [
        (PLY, ply_with(float("nan"), 2), 3, 6),
        (PLY, ply_with(float("inf"), 3), 4, 6),
        (SPLAT, with_rows("mean", float("inf"), 2), 3, 6),
        (SPLAT, with_rows("scale", float("nan"), 4), 4, 6),
        (SPLAT, with_rows("scale", -1.0, 4), 4, 6),
        (COMPRESSED, compressed_with_broken_box((20, 20)), 144, 400),
    ],
)
def test_rows_that_are_no_numbers_are_left_out_and_counted(
    format: Format, data: bytes, kept: int, count: int, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        assert format.decode(data).validate().count == kept
    assert caplog.messages == [
        f"{count - kept} of {count} splats were left out: a value is no number, infinite or out of range"
    ]


def test_a_compressed_file_without_boxes_for_its_colours_is_read():
    names = [f"{end}_{channel}" for end in ("min", "max") for channel in "rgb"]
    cloud = pixel_cloud(2, 3)
    data = COMPRESSED.encode(cloud)
    header, body = data.split(b"end_header\n", 1)
    for name in names:
        header = header.replace(f"property float {name}\n".encode(), b"")
    read = COMPRESSED.decode(header + b"end_header\n" + body[:48] + body[72:]).validate()
    torch.testing.assert_close(read.opacities, COMPRESSED.decode(data).opacities)
    assert float(read.sh.abs().max()) == pytest.approx(0.5 / 0.28209479177387814)


def test_what_comes_after_the_splats_of_an_spz_file_is_passed_over():
    data = gzip.decompress(SPZ.encode(pixel_cloud(2, 3, 4)))
    assert SPZ.decode(gzip.compress(data + b"an extension")).count == 6


@st.composite
def damages(draw: st.DrawFn, whole: bytes) -> bytes:
    """A few bytes overwritten, taken out or put in, anywhere; perhaps an end cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(whole)))
        new, gone = draw(st.binary(max_size=8)), draw(st.integers(0, 8))
        whole = whole[:at] + new + whole[at + gone :]
    return whole[: draw(st.sampled_from((len(whole), len(whole) // 2)))]


def assert_valid_or_refused(format: Format, data: bytes) -> None:
    try:
        assert format.decode(data).validate().count > 0
    except SceneUnreadable as error:
        assert str(error)


@every_format
@pytest.mark.parametrize("coefficients", [1, 4])
@given(data=st.data())
def test_damaged_files_are_refused_by_name_or_give_valid_gaussians(
    format: Format, coefficients: int, data: st.DataObject
):
    assert_valid_or_refused(format, data.draw(damages(format.encode(pixel_cloud(2, 3, coefficients)))))


@given(data=st.data())
def test_damage_inside_the_gzip_of_an_spz_file_does_no_more(data: st.DataObject):
    inner = gzip.decompress(SPZ.encode(pixel_cloud(2, 3, 4)))
    assert_valid_or_refused(SPZ, gzip.compress(data.draw(damages(inner)), compresslevel=1))


@every_format
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused_by_name_or_give_valid_gaussians(format: Format, data: bytes):
    assert_valid_or_refused(format, data)
