from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from splatcam.frames import BadFrame, decode_frame, encode_picture, is_picture_only, read_jpeg_header
from splatcam.wire import ErrorCode
from tests.pictures import jpeg, picture


def code_of(data: bytes, **options: int) -> str:
    with pytest.raises(BadFrame) as caught:
        decode_frame(data, **options)
    return caught.value.code


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def test_a_jpeg_becomes_upright_rgb() -> None:
    frame = decode_frame(jpeg(96, 72), frame_id=4, captured_at_ms=1.5)
    assert (frame.frame_id, frame.captured_at_ms, frame.rgb.shape, frame.rgb.dtype) == (4, 1.5, (72, 96, 3), np.uint8)
    assert np.abs(frame.rgb.astype(int) - picture(96, 72)).mean() < 6


def test_a_grey_jpeg_becomes_rgb() -> None:
    frame = decode_frame(saved(Image.fromarray(picture()).convert("L")))
    assert frame.rgb.shape == (72, 96, 3)
    assert (frame.rgb[..., 0] == frame.rgb[..., 2]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_camera_gives_an_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(picture(96, 72))
    stores = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the Image.Transpose that a camera held that way applies
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(stores[orientation]))
    frame = decode_frame(saved(stored, exif=exif))
    assert frame.rgb.shape == (72, 96, 3)
    assert frame.rgb[:8, :10].min() > 200, "the bright square is not at the top left"
    assert frame.rgb.flags.writeable and frame.rgb.flags.c_contiguous


def test_a_cmyk_jpeg_is_refused_in_words() -> None:
    data = saved(Image.fromarray(picture()).convert("CMYK"))
    with pytest.raises(BadFrame, match="CMYK"):
        decode_frame(data)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_jpeg_is_not_jpeg(data: bytes) -> None:
    assert code_of(data) == "not_jpeg"


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.95])
def test_a_truncated_jpeg_is_refused(share: float) -> None:
    data = jpeg()
    assert code_of(data[: int(len(data) * share) + 3]) == "bad_jpeg"


def test_the_size_in_the_header_is_judged_before_decoding() -> None:
    data = bytearray(jpeg(96, 72))
    at = data.find(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65500, 65500)
    assert code_of(bytes(data)) == "frame_too_large"


def test_a_frame_over_the_limit_is_refused() -> None:
    assert code_of(jpeg(96, 72), max_pixels=96 * 72 - 1) == "frame_too_large"
    assert decode_frame(jpeg(96, 72), max_pixels=96 * 72).width == 96


def test_a_large_size_cannot_hide_behind_a_small_one() -> None:
    data = jpeg(96, 72)
    at = data.find(b"\xff\xc0")
    header = data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
    large = header[:5] + struct.pack(">HH", 12000, 12000) + header[9:]
    assert code_of(data[:at] + large + data[at + len(header) : -2] + header + data[-2:]) == "bad_jpeg"


def test_no_frame_header_hides_behind_another() -> None:
    data = jpeg()
    at = data.index(b"\xff\xc0")
    length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    with pytest.raises(BadFrame, match="more than one frame header"):
        read_jpeg_header(data[:at] + data[at : at + length] + data[at:])


def test_a_scan_bomb_is_refused_by_its_header() -> None:
    progressive = saved(Image.fromarray(picture()), progressive=True)
    at = progressive.rfind(b"\xff\xda")
    bomb = progressive[:at] + progressive[at:-2] * 200 + progressive[-2:]
    assert code_of(bomb) == "bad_jpeg"


def test_a_progressive_jpeg_is_welcome() -> None:
    data = saved(Image.fromarray(picture()), progressive=True)
    header = read_jpeg_header(data)
    assert header.is_progressive and header.scans > 1
    assert decode_frame(data).height == 72


def test_the_largest_frame_is_welcome_baseline_and_progressive() -> None:
    for progressive in (False, True):
        data = saved(Image.fromarray(picture(1920, 1080)), progressive=progressive)
        assert decode_frame(data).width == 1920


def test_what_keeps_a_decoder_busy_for_long_is_refused_before_it_begins() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    slow = saved_noise(noise, progressive=True)
    with pytest.raises(BadFrame, match="takes too long"):
        decode_frame(slow)
    assert decode_frame(slow, max_pixels=100_000_000).width == 1920, "where larger pictures are allowed there is time"
    assert decode_frame(saved_noise(noise, progressive=False)).width == 1920


def saved_noise(noise: np.ndarray, progressive: bool) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=40, subsampling=0, progressive=progressive)
    return buffer.getvalue()


@pytest.mark.parametrize(("width", "height"), [(8, 8), (8, 128), (256, 16)])
def test_the_smallest_and_the_narrowest_frames_are_decoded(width: int, height: int) -> None:
    assert decode_frame(jpeg(width, height)).rgb.shape == (height, width, 3)


@pytest.mark.parametrize(
    ("width", "height", "why"), [(7, 8, "small"), (8, 7, "small"), (16, 257, "narrow"), (136, 8, "narrow")]
)
def test_smaller_and_narrower_frames_are_refused_in_words(width: int, height: int, why: str) -> None:
    with pytest.raises(BadFrame, match=why) as refused:
        decode_frame(jpeg(width, height))
    assert refused.value.code == "bad_jpeg"


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_read_in_either_byte_order(order: str) -> None:
    assert read_jpeg_header(with_tiff(tiff(6, order))).orientation == 6
    assert decode_frame(with_tiff(tiff(6, order))).rgb.shape == (96, 72, 3)


@given(st.binary(max_size=200))
def test_a_broken_exif_block_leaves_the_picture_as_it_is(block: bytes) -> None:
    frame = decode_frame(with_tiff(b"II*\0" + block))
    assert sorted(frame.rgb.shape) == [3, 72, 96]


def test_of_several_exif_blocks_the_first_tells_the_orientation() -> None:
    data = with_tiff(tiff(3, "<"))
    twice = data[:2] + exif_segment(tiff(6, "<")) + data[2:]
    assert read_jpeg_header(twice).orientation == 6


def tiff(orientation: int, order: str) -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_tiff(block: bytes) -> bytes:
    return jpeg()[:2] + exif_segment(block) + jpeg()[2:]


def exif_segment(block: bytes) -> bytes:
    body = b"Exif\0\0" + block
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_damaged_jpegs_are_decoded_or_refused_and_nothing_else(at: int, damage: bytes) -> None:
    data = bytearray(jpeg(48, 36))
    at %= len(data)
    data[at : at + len(damage)] = damage
    try:
        decode_frame(bytes(data))
    except BadFrame as error:
        assert error.code in set(ErrorCode)


def test_a_jpeg_that_is_nothing_but_its_picture_may_be_handed_on() -> None:
    image = Image.fromarray(picture())
    for data in (jpeg(), saved(image), saved(image, progressive=True), saved(image, icc_profile=b"colours")):
        assert is_picture_only(data)
    assert is_picture_only(encode_picture(picture()))


def test_a_jpeg_with_notes_on_where_and_how_it_was_taken_may_not() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    image = Image.fromarray(picture())
    for data in (saved(image, exif=exif), saved(image, comment=b"at home"), jpeg() + b"more"):
        assert decode_frame(data).rgb.shape == (72, 96, 3)
        assert not is_picture_only(data)
