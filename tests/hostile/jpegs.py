"""Poison: JPEGs that must be refused, each with its code, and odd ones that must be taken. Made here, by programs."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from tests.hostile.jpeg_parts import (
    APP0,
    APP1,
    APP2,
    COM,
    DHT,
    DNL,
    DQT,
    DRI,
    END,
    SOF0,
    SOF1,
    SOF2,
    SOS,
    START,
    before,
    body_of,
    change,
    data_of,
    insert,
    is_marker,
    segment,
    split,
    without,
)  # fmt: skip
from tests.pictures import jpeg, picture

NOT_JPEG, BAD_JPEG, TOO_LARGE = "not_jpeg", "bad_jpeg", "frame_too_large"
WIDTH, HEIGHT = 320, 240
ANY_SOF = (SOF0, SOF1, SOF2)


@dataclass(frozen=True)
class Poison:
    name: str
    data: bytes
    code: str  # of the error that it is answered with


@dataclass(frozen=True)
class Odd:
    """Strange, and a picture all the same."""

    name: str
    data: bytes


@cache
def poison() -> tuple[Poison, ...]:
    groups = (_truncations, _bombs, _size_lies, _components, _coding, _tables, _scans, _restarts, _lengths, _strangers)
    return tuple(one for group in groups for one in group())


@cache
def odd() -> tuple[Odd, ...]:
    return tuple(one for group in (_notes, _kinds, _leftovers) for one in group())


def corpus() -> list[bytes]:
    """Sound and odd pictures of every kind, small: what mutations start from."""
    small = picture(64, 48)
    pictures = [jpeg(64, 48), jpeg(96, 72), simplejpeg.encode_jpeg(small, quality=60, colorsubsampling="444")]
    grey = saved(Image.fromarray(small).convert("L"))
    pictures += [grey, saved(small, progressive=True), saved(small, progressive=True, subsampling=0, quality=95)]
    pictures += [
        saved(small, exif=_exif(6)),
        saved(small, restart_marker_blocks=2),
        saved(small, icc_profile=b"c" * 99),
    ]
    return pictures


def large() -> list[bytes]:
    """Such as keep a decoder as busy as one may: as large as allowed, of much detail or of many scans."""
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    plain = picture(1920, 1080)
    return [
        saved(noise, quality=50, subsampling=0),
        saved(noise, quality=20, progressive=True),
        saved(plain, progressive=True, subsampling=0),
        saved(plain, restart_marker_blocks=1),
        saved(picture(1280, 720), progressive=True),
    ]


def saved(rgb: np.ndarray | Image.Image, **options: Any) -> bytes:
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 85, **options})
    return buffer.getvalue()


@cache
def _baseline() -> bytes:
    return jpeg(WIDTH, HEIGHT)


@cache
def _progressive() -> bytes:
    return saved(picture(WIDTH, HEIGHT), progressive=True)


# ---------------------------------------------------------------- refused


def _truncations() -> Iterator[Poison]:
    baseline, progressive = _baseline(), _progressive()
    for share in (10, 25, 50, 75, 90, 99):
        yield Poison(f"truncated_at_{share}", baseline[: len(baseline) * share // 100], BAD_JPEG)
        yield Poison(f"progressive_truncated_at_{share}", progressive[: len(progressive) * share // 100], BAD_JPEG)
    yield Poison("no_end_marker", baseline[:-2], BAD_JPEG)
    yield Poison("half_a_picture_and_an_end", baseline[: len(baseline) // 2] + END, BAD_JPEG)
    *scans, last = _scan_starts(progressive)
    yield Poison("half_a_scan_and_an_end", progressive[: (scans[-1] + last) // 2] + END, BAD_JPEG)
    yield Poison("headers_and_an_end", baseline[: _scan_starts(baseline)[0]] + END, BAD_JPEG)
    yield Poison("a_scan_header_and_an_end", baseline[: _scan_starts(baseline)[0] + 14] + END, BAD_JPEG)
    yield Poison("magic_only", START + b"\xff", BAD_JPEG)
    yield Poison("sixty_three_bytes", baseline[:61] + END, BAD_JPEG)


def _bombs() -> Iterator[Poison]:
    progressive = _progressive()
    empty_scan = segment(SOS, bytes([1, 1, 0, 1, 63, 0])) + bytes(2)
    for count in (33, 100, 1000, 10_000):
        yield Poison(f"scan_bomb_{count}", progressive[:-2] + empty_scan * count + END, BAD_JPEG)
    yield Poison("large_scan_bomb", _sized(progressive[:-2] + empty_scan * 10_000 + END, 1920, 1080), BAD_JPEG)
    yield Poison("large_and_refined_for_long", _slow_progressive(), BAD_JPEG)
    baseline = _baseline()
    yield Poison("a_thousand_app_segments", insert(baseline, *[segment(APP1, b"")] * 1000), BAD_JPEG)
    yield Poison("two_thousand_comments", insert(baseline, *[segment(COM, b"x" * 100)] * 2000), BAD_JPEG)
    yield Poison("app_segments_without_end", START + segment(APP1, bytes(60_000)) * 17, BAD_JPEG)
    yield Poison("fill_bytes_without_end", START + b"\xff" * 1_000_000, BAD_JPEG)
    yield Poison("zeros_without_end", START + b"\xff\xe0" + bytes(1_000_000), BAD_JPEG)
    yield Poison("stuffed_zeros_without_end", START + b"\xff\x00" * 500_000, BAD_JPEG)
    yield Poison("restart_markers_without_end", START + b"\xff\xd0" * 500_000, BAD_JPEG)


def _slow_progressive() -> bytes:
    """Within the limits of size and scans; to decode it takes longer than a frame may."""
    noise = np.random.default_rng(0).integers(0, 256, (540, 960, 3), dtype=np.uint8)
    # the scans of a quarter of it, each three times longer: a decoder must not be asked whether they are sound
    parts = split(_sized(saved(noise, progressive=True, subsampling=0, quality=40), 1920, 1080))
    return b"".join(part + data_of(part) * 3 if is_marker(part, SOS) else part for part in parts)


def _size_lies() -> Iterator[Poison]:
    baseline = _baseline()
    for width, height in ((0, 0), (0, HEIGHT), (WIDTH, 0)):
        yield Poison(f"size_{width}x{height}", _sized(baseline, width, height), BAD_JPEG)
    for width, height in ((65500, 65500), (65535, 65535), (20000, 4000), (12000, 12000), (1921, 1088)):
        yield Poison(f"size_{width}x{height}", _sized(baseline, width, height), TOO_LARGE)
    for width, height in ((1, 65500), (65500, 1), (16, 65500), (2000, 100), (7, 7), (1, 1)):
        yield Poison(f"size_{width}x{height}", _sized(baseline, width, height), BAD_JPEG)
    yield Poison("larger_than_its_data", _sized(baseline, 1280, 720), BAD_JPEG)
    yield Poison("progressive_larger_than_its_data", _sized(_progressive(), 1280, 720), BAD_JPEG)
    yield Poison("smaller_than_its_data", _sized(baseline, 160, 120), BAD_JPEG)
    yield Poison("a_picture_of_7x7", jpeg(7, 7), BAD_JPEG)
    yield Poison("height_told_at_the_end", _sized(baseline[:-2] + segment(DNL, b"\0\xf0") + END, WIDTH, 0), BAD_JPEG)


def _components() -> Iterator[Poison]:
    cmyk = saved(Image.fromarray(picture(WIDTH, HEIGHT)).convert("CMYK"))
    yield Poison("cmyk", cmyk, BAD_JPEG)
    yield Poison("cmyk_progressive", saved(Image.fromarray(picture()).convert("CMYK"), progressive=True), BAD_JPEG)
    three = bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    yield Poison("two_components", _framed(components=three[:6]), BAD_JPEG)
    yield Poison("five_components", _framed(components=three + bytes([4, 0x11, 0, 5, 0x11, 0])), BAD_JPEG)
    yield Poison("no_components", _framed(components=b""), BAD_JPEG)
    yield Poison("components_of_the_same_name", _framed(components=three[:3] * 3), BAD_JPEG)
    yield Poison("more_components_than_scanned", _framed(components=three[:6] + bytes([9, 0x11, 1])), BAD_JPEG)
    grey = saved(Image.fromarray(picture(WIDTH, HEIGHT)).convert("L"))
    coloured = change(grey, (SOF0,), lambda part: segment(SOF0, body_of(part)[:5] + bytes([3]) + three))
    yield Poison("colours_without_a_scan", coloured, BAD_JPEG)
    for name, sampling in (("zero", 0x00), ("fifteen", 0xFF), ("five", 0x55), ("fractional", 0x32)):
        yield Poison(f"sampling_of_{name}", _framed(components=bytes([1, sampling]) + three[2:]), BAD_JPEG)
    yield Poison("sampling_past_ten_blocks", _framed(components=bytes([1, 0x44]) + three[2:]), BAD_JPEG)
    for bits in (0, 12, 16):
        yield Poison(f"{bits}_bits", _framed(bits=bits), BAD_JPEG)
    yield Poison("12_bits_extended", change(_framed(bits=12), (SOF0,), lambda part: b"\xff\xc1" + part[2:]), BAD_JPEG)


def _coding() -> Iterator[Poison]:
    names = {
        0xC3: "lossless",
        0xC5: "hierarchical",
        0xC7: "hierarchical_lossless",
        0xC8: "reserved",
        0xC9: "arithmetic",
        0xCA: "arithmetic_progressive",
        0xCB: "arithmetic_lossless",
        0xF7: "lossless_ls",
    }
    for marker, name in names.items():
        as_that = change(_baseline(), (SOF0,), lambda part, marker=marker: bytes([0xFF, marker]) + part[2:])
        yield Poison(f"coding_{name}", as_that, BAD_JPEG)
    baseline = _baseline()
    yield Poison("baseline_said_to_be_progressive", _as_kind(baseline, SOF2), BAD_JPEG)
    yield Poison("progressive_said_to_be_baseline", _as_kind(_progressive(), SOF0), BAD_JPEG)
    yield Poison("no_frame_header", without(baseline, SOF0), BAD_JPEG)
    frame = next(part for part in split(baseline) if is_marker(part, SOF0))
    yield Poison("two_frame_headers", before(baseline, SOF0, frame), BAD_JPEG)
    yield Poison("a_large_frame_behind_a_small_one", _sized(baseline, 12000, 12000)[:-2] + frame + END, BAD_JPEG)
    yield Poison("frame_header_after_the_scan", without(baseline, SOF0)[:-2] + frame + END, BAD_JPEG)
    yield Poison("frame_header_cut", change(baseline, (SOF0,), lambda part: segment(SOF0, body_of(part)[:7])), BAD_JPEG)
    yield Poison(
        "frame_header_stretched",
        change(baseline, (SOF0,), lambda part: segment(SOF0, body_of(part) + bytes(9))),
        BAD_JPEG,
    )
    yield Poison("a_picture_in_a_picture", before(baseline, SOF0, baseline), BAD_JPEG)
    yield Poison("started_twice", START + baseline, BAD_JPEG)


def _tables() -> Iterator[Poison]:
    baseline, progressive = _baseline(), _progressive()
    profile = [segment(APP2, b"ICC_PROFILE\0" + bytes([i, 17]) + bytes(60_000)) for i in (3, 2, 1)]
    yield Poison("colour_profile_that_is_not_whole", insert(baseline, *profile), BAD_JPEG)
    yield Poison("no_quantization_tables", without(baseline, DQT), BAD_JPEG)
    yield Poison(
        "quantization_table_cut", change(baseline, (DQT,), lambda part: segment(DQT, body_of(part)[:30])), BAD_JPEG
    )
    yield Poison("quantization_table_fifteen", insert(baseline, segment(DQT, b"\x0f" + b"\1" * 64)), BAD_JPEG)
    yield Poison("no_huffman_tables", without(progressive, DHT), BAD_JPEG)
    yield Poison("huffman_table_cut", change(baseline, (DHT,), lambda part: segment(DHT, body_of(part)[:20])), BAD_JPEG)
    yield Poison(
        "huffman_table_empty",
        change(baseline, (DHT,), lambda part: segment(DHT, body_of(part)[:1] + bytes(16))),
        BAD_JPEG,
    )
    yield Poison("huffman_table_fifteen", insert(baseline, segment(DHT, b"\x0f\0\1" + bytes(14) + b"\0")), BAD_JPEG)
    overfull = segment(DHT, b"\x00" + b"\xff" * 16 + bytes(255 * 16))
    yield Poison("huffman_table_of_4080_codes", before(baseline, SOS, overfull), BAD_JPEG)
    yield Poison(
        "huffman_table_of_three_one_bit_codes",
        before(baseline, SOS, segment(DHT, b"\0\3" + bytes(15) + b"\0\1\2")),
        BAD_JPEG,
    )


def _scans() -> Iterator[Poison]:
    """Body of a scan header: count, (component, tables) each, first and last coefficient, bits."""
    headers = {
        "no_component": bytes([0, 0, 63, 0]),
        "five_components": bytes([5, 1, 0, 2, 0x11, 3, 0x11, 4, 0, 5, 0, 0, 63, 0]),
        "a_component_that_is_not_there": bytes([3, 1, 0, 2, 0x11, 9, 0x11, 0, 63, 0]),
        "the_same_component_thrice": bytes([3, 1, 0, 1, 0, 1, 0, 0, 63, 0]),
        "tables_that_are_not_there": bytes([3, 1, 0x33, 2, 0x33, 3, 0x33, 0, 63, 0]),
        "a_count_that_lies": bytes([2, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]),
    }
    for name, header in headers.items():
        yield Poison(f"scan_of_{name}", _scanned(_baseline(), header), BAD_JPEG)
    of_progressive = {
        "backwards": bytes([1, 1, 0, 63, 1, 0]),
        "past_the_last_coefficient": bytes([1, 1, 0, 1, 64, 0]),
        "several_at_once": bytes([3, 1, 0, 2, 0x11, 3, 0x11, 1, 63, 0]),
        "bits_in_the_wrong_order": bytes([1, 1, 0, 1, 63, 0x15]),
        "more_bits_than_there_are": bytes([1, 1, 0, 1, 63, 0x0F]),
    }
    for name, header in of_progressive.items():
        extra = segment(SOS, header) + bytes(2)
        yield Poison(f"progressive_scan_{name}", _progressive()[:-2] + extra + END, BAD_JPEG)
    first = next(part for part in split(_progressive()) if is_marker(part, SOS))
    yield Poison("progressive_without_its_first_scan", _progressive().replace(first, b""), BAD_JPEG)
    yield Poison("no_scan", without(_baseline(), SOS), BAD_JPEG)
    yield Poison("scan_without_data", change(_baseline(), (SOS,), lambda part: segment(SOS, body_of(part))), BAD_JPEG)
    noise = random.Random(1).randbytes(5000).replace(b"\xff", b"")
    yield Poison(
        "scan_of_noise", change(_baseline(), (SOS,), lambda part: segment(SOS, body_of(part)) + noise), BAD_JPEG
    )


def _restarts() -> Iterator[Poison]:
    baseline, restarted = _baseline(), saved(picture(WIDTH, HEIGHT), restart_marker_blocks=4)
    yield Poison("restarts_that_never_come", before(baseline, SOS, segment(DRI, b"\0\1")), BAD_JPEG)
    yield Poison("restarts_that_nobody_announced", without(restarted, DRI), BAD_JPEG)
    yield Poison("restarts_out_of_order", restarted.replace(b"\xff\xd1", b"\xff\xd6"), BAD_JPEG)
    yield Poison("another_restart_interval", change(restarted, (DRI,), lambda part: segment(DRI, b"\0\3")), BAD_JPEG)
    yield Poison("restart_segment_cut", before(baseline, SOS, segment(DRI, b"\1")), BAD_JPEG)


def _lengths() -> Iterator[Poison]:
    baseline = _baseline()
    for length in (0, 1, 65535):
        lie = b"\xff\xe5" + struct.pack(">H", length) + bytes(20)
        yield Poison(f"app_segment_of_length_{length}", insert(baseline, lie), BAD_JPEG)
    for name, marker in (("tables", DQT), ("frame", SOF0), ("scan", SOS)):
        for length in (0, 3, 60_000):
            lie = change(baseline, (marker,), lambda part, n=length: part[:2] + struct.pack(">H", n) + part[4:])
            yield Poison(f"{name}_segment_of_length_{length}", lie, BAD_JPEG)


def _strangers() -> Iterator[Poison]:
    image = Image.fromarray(picture(WIDTH, HEIGHT))
    for kind in ("PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        yield Poison(f"a_{kind.lower()}", buffer.getvalue(), NOT_JPEG)
        yield Poison(f"a_{kind.lower()}_behind_a_jpegs_start", START + b"\xff" + buffer.getvalue(), BAD_JPEG)
    yield Poison("empty", b"", NOT_JPEG)
    yield Poison("one_byte", b"\xff", NOT_JPEG)
    yield Poison("start_only", START, NOT_JPEG)
    yield Poison("end_first", END + _baseline(), NOT_JPEG)
    yield Poison("jpeg_xl", b"\xff\x0a" + bytes(100), NOT_JPEG)
    yield Poison("jpeg_2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), NOT_JPEG)
    yield Poison("a_film", b"\0\0\0\x18ftypmp42" + bytes(100), NOT_JPEG)
    yield Poison("a_web_page", b"<!doctype html><script>alert(1)</script>" + b" " * 100, NOT_JPEG)
    yield Poison("a_pickle", b"\x80\x04cos\nsystem\n" + bytes(100), NOT_JPEG)
    yield Poison("noise_behind_a_jpegs_start", START + b"\xff" + random.Random(2).randbytes(4000), BAD_JPEG)
    yield Poison("a_space_before_the_start", b" " + _baseline(), NOT_JPEG)


# ---------------------------------------------------------------- taken


def _notes() -> Iterator[Odd]:
    baseline = _baseline()
    for orientation in (0, 1, 6, 9, 65535):
        yield Odd(f"exif_orientation_{orientation}", insert(baseline, _exif_segment(_tiff(orientation))))
    tiffs = {
        "empty": b"",
        "cut": _tiff(6)[:13],
        "of_no_order": b"XX" + _tiff(6)[2:],
        "beyond_itself": b"II*\0" + struct.pack("<I", 2**32 - 1),
        "into_its_own_head": b"II*\0" + struct.pack("<I", 0) + bytes(60),
        "of_65535_fields": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(60_000),
        "with_text_for_an_orientation": b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 2, 2**31, 6) + bytes(4),
        "that_points_to_itself": b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8),
    }
    for name, tiff in tiffs.items():
        yield Odd(f"exif_{name}", insert(baseline, _exif_segment(tiff)))
    yield Odd("exif_900_times", insert(baseline, *[_exif_segment(tiffs["of_65535_fields"][:1000])] * 900))
    chunk = b"ICC_PROFILE\0"
    icc = [segment(APP2, chunk + bytes([i + 1, 17]) + bytes(60_000)) for i in range(17)]
    yield Odd("icc_of_a_megabyte", insert(baseline, *icc))
    yield Odd("icc_cut", insert(baseline, segment(APP2, chunk)))
    yield Odd("comments_of_a_megabyte", insert(baseline, *[segment(COM, b"c" * 60_000)] * 17))
    yield Odd("jfif_of_no_density", change(baseline, (APP0,), lambda part: segment(APP0, body_of(part)[:7] + bytes(7))))
    yield Odd("jfif_cut", change(baseline, (APP0,), lambda part: segment(APP0, b"JFIF")))
    yield Odd("xmp", insert(baseline, segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta" + b"<" * 9000)))


def _kinds() -> Iterator[Odd]:
    rgb = picture(WIDTH, HEIGHT)
    for sampling in ("444", "422", "420", "440", "411"):
        yield Odd(f"sampling_{sampling}", simplejpeg.encode_jpeg(rgb, colorsubsampling=sampling))
    yield Odd("grey", saved(Image.fromarray(rgb).convert("L")))
    yield Odd("grey_progressive", saved(Image.fromarray(rgb).convert("L"), progressive=True))
    yield Odd("rgb_inside", saved(Image.fromarray(rgb), keep_rgb=True))
    yield Odd("progressive", _progressive())
    yield Odd("restarts", saved(rgb, restart_marker_blocks=1))
    yield Odd("without_huffman_tables_as_old_cameras_send_it", without(_baseline(), DHT))
    yield Odd("16x16", jpeg(16, 16))
    yield Odd("16x256", jpeg(16, 256))
    yield Odd("1920x1088", jpeg(1920, 1088, quality=30))


def _leftovers() -> Iterator[Odd]:
    baseline = _baseline()
    yield Odd("a_second_picture_behind_the_first", baseline + baseline)
    yield Odd("a_megabyte_behind_the_end", baseline + bytes(1_000_000))
    yield Odd("markers_behind_the_end", baseline + b"\xff\xda" * 1000)
    yield Odd("fill_bytes", before(baseline, SOF0, b"\xff" * 1000))
    yield Odd(
        "quantization_of_nothing", change(baseline, (DQT,), lambda part: segment(DQT, body_of(part)[:1] + bytes(64)))
    )
    yield Odd("tables_that_nobody_uses", insert(baseline, *[segment(DQT, b"\3" + b"\1" * 64)] * 100))


# ---------------------------------------------------------------- wrong parts


def _sized(data: bytes, width: int, height: int) -> bytes:
    def anew(part: bytes) -> bytes:
        return part[:5] + struct.pack(">HH", height, width) + part[9:]

    return change(data, ANY_SOF, anew)


def _framed(bits: int = 8, components: bytes = bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])) -> bytes:
    """The baseline picture with another frame header."""
    body = struct.pack(">BHHB", bits, HEIGHT, WIDTH, len(components) // 3) + components
    return change(_baseline(), (SOF0,), lambda part: segment(SOF0, body))


def _scanned(data: bytes, header: bytes) -> bytes:
    return change(data, (SOS,), lambda part: segment(SOS, header) + data_of(part))


def _as_kind(data: bytes, marker: int) -> bytes:
    return change(data, ANY_SOF, lambda part: bytes([0xFF, marker]) + part[2:])


def _scan_starts(data: bytes) -> list[int]:
    starts, at = [], 0
    for part in split(data):
        if is_marker(part, SOS):
            starts.append(at)
        at += len(part)
    return starts


def _exif(orientation: int) -> bytes:
    return b"Exif\0\0" + _tiff(orientation)


def _tiff(orientation: int) -> bytes:
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _exif_segment(tiff: bytes) -> bytes:
    return segment(APP1, b"Exif\0\0" + tiff)
