"""What a viewer asked for → what is encoded for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.variants import PLAIN_FORMATS, Variant, ViewerSettings, choose_variant
from splatcam.wire import SPLAT_FORMATS, ErrorCode, Format, SettingsMessage, WireError

ALL = ("splats16", "gaussian_ply", "pointcloud")
EVERY = ("compact", *ALL)


def test_a_model_with_gaussians_sends_them_to_whoever_reads_splats():
    assert choose_variant(PLAIN_FORMATS, ViewerSettings(), "plain", True) == Variant(Format.GAUSSIAN_PLY, "network")
    assert choose_variant(ALL, ViewerSettings(), "full", True) == Variant(Format.SPLATS16, "network")


def test_a_model_without_them_sends_points_in_the_plain_contract_and_splats_from_depth_after_hello():
    assert choose_variant(PLAIN_FORMATS, ViewerSettings(), "plain", False) == Variant(Format.POINTCLOUD, "points")
    assert choose_variant(ALL, ViewerSettings(), "full", False) == Variant(Format.SPLATS16, "pixel")


def test_a_client_that_reads_points_only_gets_points():
    for supports in (True, False):
        assert choose_variant(["pointcloud"], ViewerSettings(), "full", supports).output == "points"


def test_the_first_splat_format_of_the_list_is_taken_and_unknown_ones_are_skipped():
    formats = ["splats32", "gaussian_ply", "splats16"]
    assert choose_variant(formats, ViewerSettings(), "full", True).format is Format.GAUSSIAN_PLY


def test_compact_is_taken_for_splats_from_depth_where_it_stands_first_and_skipped_for_the_networks_own():
    formats = ["compact", "splats16", "pointcloud"]
    assert choose_variant(formats, ViewerSettings(), "full", False).format is Format.COMPACT
    assert choose_variant(formats, ViewerSettings(output="pixel"), "full", True).format is Format.COMPACT
    assert choose_variant(formats, ViewerSettings(), "full", True) == Variant(Format.SPLATS16, "network")
    assert choose_variant(["splats16", "compact"], ViewerSettings(), "full", False).format is Format.SPLATS16
    with pytest.raises(WireError) as refusal:
        choose_variant(["compact", "pointcloud"], ViewerSettings(output="network"), "full", True)
    assert refusal.value.code is ErrorCode.UNSUPPORTED_FORMAT


def test_who_has_the_picture_and_the_bits_of_a_depth_matter_to_compact_only():
    compact, splats = (
        [
            choose_variant([format], ViewerSettings(depth_bits=bits), "full", False, color)
            for bits, color in ((10, "own"), (12, "own"), (12, "sent"))
        ]
        for format in ("compact", "splats16")
    )
    assert [(v.depth_bits, v.color) for v in compact] == [(10, "own"), (12, "own"), (12, "sent")]
    assert len(set(splats)) == 1


def test_an_output_that_was_asked_for_is_sent():
    points = choose_variant(ALL, ViewerSettings(output="points"), "full", True)
    assert points == Variant(Format.POINTCLOUD, "points")
    pixel = choose_variant(PLAIN_FORMATS, ViewerSettings(output="pixel"), "plain", True)
    assert pixel == Variant(Format.GAUSSIAN_PLY, "pixel")


@pytest.mark.parametrize(
    ("formats", "output", "supports", "code"),
    [
        (ALL, "network", False, ErrorCode.NO_GAUSSIAN_HEAD),
        (["pointcloud"], "network", True, ErrorCode.UNSUPPORTED_FORMAT),
        (["pointcloud"], "pixel", True, ErrorCode.UNSUPPORTED_FORMAT),
        (["splats16"], "points", True, ErrorCode.UNSUPPORTED_FORMAT),
        (["splats32"], None, True, ErrorCode.UNSUPPORTED_FORMAT),
        ([], None, False, ErrorCode.UNSUPPORTED_FORMAT),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_with_a_code(
    formats: list[str], output: str | None, supports: bool, code: ErrorCode
):
    with pytest.raises(WireError) as refusal:
        choose_variant(formats, ViewerSettings(output=output), "full", supports)
    assert refusal.value.code is code


def test_every_other_wish_becomes_part_of_the_variant():
    wishes = {"sh": "full", "ply": "inria", "min_opacity": 0.3, "max_depth_percentile": 0.9, "stride": 2}
    variant = choose_variant(["gaussian_ply"], ViewerSettings(**wishes), "full", True)
    assert {name: getattr(variant, name) for name in wishes} == wishes


def test_wishes_that_change_no_byte_make_no_other_variant() -> None:
    splats = [choose_variant(["splats16"], ViewerSettings(sh=sh, ply="inria"), "full", True) for sh in ("dc", "full")]
    points = [choose_variant(["pointcloud"], ViewerSettings(min_opacity=o), "full", True) for o in (0.1, 0.7)]
    assert len(set(splats)) == len(set(points)) == 1


def test_the_rate_is_no_part_of_the_variant_so_viewers_of_different_rates_share_one_message():
    slow, fast = (choose_variant(ALL, ViewerSettings(max_fps=fps), "full", True) for fps in (5.0, None))
    assert slow == fast and hash(slow) == hash(fast)


def test_a_settings_message_changes_what_it_names_and_nothing_else():
    before = ViewerSettings(output="pixel", stride=3)
    after = before.changed_by(SettingsMessage(min_opacity=0.5))
    assert after == ViewerSettings(output="pixel", stride=3, min_opacity=0.5)
    assert before.min_opacity == 0.1


@given(
    st.lists(st.sampled_from([*EVERY, "splats32", ""]), max_size=4),
    st.sampled_from([None, "network", "pixel", "points"]),
    st.sampled_from(["plain", "full"]),
    st.booleans(),
)
def test_a_variant_carries_its_output_in_a_format_that_was_listed(
    formats: list[str], output: str | None, contract: str, supports: bool
):
    try:
        variant = choose_variant(formats, ViewerSettings(output=output), contract, supports)
    except WireError:
        return
    assert variant.format in formats
    assert (variant.format in SPLAT_FORMATS) == (variant.output != "points")
    assert output in (None, variant.output)
    assert supports or variant.output != "network"


@pytest.mark.parametrize("format", EVERY)
@pytest.mark.parametrize("supports_gaussians", [True, False])
def test_whoever_said_hello_gets_something_in_the_one_format_it_reads(format: str, supports_gaussians: bool):
    assert choose_variant([format], ViewerSettings(), "full", supports_gaussians).format == format
