"""What a viewer asked for → what is encoded for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.variants import PLAIN_FORMATS, Client, Variant, ViewerSettings, choose_variant, ladder
from splatcam.wire import SPLAT_FORMATS, ErrorCode, Format, SettingsMessage, WireError

ALL = ("splats16", "gaussian_ply", "pointcloud")
EVERY = ("compact", *ALL)
PLAIN = Client(PLAIN_FORMATS, "plain")


def test_a_model_with_gaussians_sends_them_to_whoever_reads_splats():
    assert choose_variant(PLAIN, ViewerSettings(), True) == Variant(Format.GAUSSIAN_PLY, "network")
    assert choose_variant(Client(ALL), ViewerSettings(), True) == Variant(Format.SPLATS16, "network")


def test_a_model_without_them_sends_points_in_the_plain_contract_and_splats_from_depth_after_hello():
    assert choose_variant(PLAIN, ViewerSettings(), False) == Variant(Format.POINTCLOUD, "points")
    assert choose_variant(Client(ALL), ViewerSettings(), False) == Variant(Format.SPLATS16, "pixel")


def test_a_client_that_reads_points_only_gets_points():
    for supports in (True, False):
        assert choose_variant(Client(["pointcloud"]), ViewerSettings(), supports).output == "points"


def test_the_first_splat_format_of_the_list_is_taken_and_unknown_ones_are_skipped():
    formats = ["splats32", "gaussian_ply", "splats16"]
    assert choose_variant(Client(formats), ViewerSettings(), True).format is Format.GAUSSIAN_PLY


def test_compact_is_taken_where_it_stands_first():
    formats = ["compact", "splats16", "pointcloud"]
    assert choose_variant(Client(formats), ViewerSettings(), False).format is Format.COMPACT
    assert choose_variant(Client(formats), ViewerSettings(output="pixel"), True).format is Format.COMPACT
    assert choose_variant(Client(formats), ViewerSettings(), True) == Variant(Format.COMPACT, "network")
    assert choose_variant(Client(["splats16", "compact"]), ViewerSettings(), False).format is Format.SPLATS16


def test_the_networks_own_colours_are_always_sent():
    camera = Client(["compact"], color="own")
    assert choose_variant(camera, ViewerSettings(), True).color == "sent"
    assert choose_variant(camera, ViewerSettings(output="pixel"), True).color == "own"


def test_who_has_the_picture_and_the_bits_of_a_depth_matter_to_compact_only():
    compact, splats = (
        [
            choose_variant(Client([format], color=color), ViewerSettings(depth_bits=bits), False)
            for bits, color in ((10, "own"), (12, "own"), (12, "sent"))
        ]
        for format in ("compact", "splats16")
    )
    assert [(v.depth_bits, v.color) for v in compact] == [(10, "own"), (12, "own"), (12, "sent")]
    assert len(set(splats)) == 1


def test_an_output_that_was_asked_for_is_sent():
    points = choose_variant(Client(ALL), ViewerSettings(output="points"), True)
    assert points == Variant(Format.POINTCLOUD, "points")
    pixel = choose_variant(PLAIN, ViewerSettings(output="pixel"), True)
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
        choose_variant(Client(formats), ViewerSettings(output=output), supports)
    assert refusal.value.code is code


def test_every_other_wish_becomes_part_of_the_variant():
    wishes = {"sh": "full", "ply": "inria", "min_opacity": 0.3, "max_depth_percentile": 0.9, "stride": 2}
    variant = choose_variant(Client(["gaussian_ply"]), ViewerSettings(**wishes), True)
    assert {name: getattr(variant, name) for name in wishes} == wishes


def test_wishes_that_change_no_byte_make_no_other_variant() -> None:
    splats = [choose_variant(Client(["splats16"]), ViewerSettings(sh=sh, ply="inria"), True) for sh in ("dc", "full")]
    points = [choose_variant(Client(["pointcloud"]), ViewerSettings(min_opacity=o), True) for o in (0.1, 0.7)]
    assert len(set(splats)) == len(set(points)) == 1


def test_the_rate_is_no_part_of_the_variant_so_viewers_of_different_rates_share_one_message():
    slow, fast = (choose_variant(Client(ALL), ViewerSettings(max_fps=fps), True) for fps in (5.0, None))
    assert slow == fast and hash(slow) == hash(fast)


def test_a_settings_message_changes_what_it_names_and_nothing_else():
    before = ViewerSettings(output="pixel", stride=3)
    after = before.changed_by(SettingsMessage(min_opacity=0.5))
    assert after == ViewerSettings(output="pixel", stride=3, min_opacity=0.5)
    assert before.min_opacity == 0.1


def test_auto_takes_a_wish_back():
    before = ViewerSettings(format=Format.COMPACT, output="pixel", stride=3, depth_bits=10, max_fps=5.0)
    assert before.pinned == ["format", "output", "stride", "depth_bits", "max_fps"]
    auto = SettingsMessage(format="auto", output="auto", stride="auto", depth_bits="auto", max_fps="auto")
    assert before.changed_by(auto) == ViewerSettings()


def test_a_format_that_was_chosen_has_to_be_one_of_the_clients():
    wishes = ViewerSettings(format=Format.GAUSSIAN_PLY)
    assert choose_variant(Client(EVERY), wishes, False).format is Format.GAUSSIAN_PLY
    with pytest.raises(WireError) as refusal:
        choose_variant(Client(["compact"]), wishes, False)
    assert refusal.value.code is ErrorCode.UNSUPPORTED_FORMAT


def rungs_of(client: Client, wishes: ViewerSettings, supports: bool = False) -> list[tuple[str, str, int, int]]:
    return [(str(v.format), v.output, v.stride, v.depth_bits) for v in ladder(client, wishes, supports)]


def test_the_way_down_ends_with_fewer_pixels_and_goes_by_compact_where_the_client_reads_it():
    assert rungs_of(Client(EVERY), ViewerSettings()) == [
        ("compact", "pixel", 1, 12), ("compact", "pixel", 1, 10), ("compact", "pixel", 2, 12),
        ("compact", "pixel", 3, 12), ("compact", "pixel", 4, 12),
    ]  # fmt: skip
    assert rungs_of(Client(["splats16", "compact"]), ViewerSettings())[:2] == [
        ("splats16", "pixel", 1, 12), ("compact", "pixel", 1, 12),
    ]  # fmt: skip
    assert [stride for _, _, stride, _ in rungs_of(Client(["splats16"]), ViewerSettings())] == [1, 2, 3, 4]
    assert rungs_of(Client(["pointcloud"]), ViewerSettings())[-1] == ("pointcloud", "points", 4, 12)


def test_below_the_networks_own_splats_are_those_from_depth():
    assert rungs_of(Client(["compact"]), ViewerSettings(), True)[:3] == [
        ("compact", "network", 1, 12), ("compact", "network", 2, 12), ("compact", "pixel", 1, 12),
    ]  # fmt: skip
    pinned = rungs_of(Client(["compact"]), ViewerSettings(output="network"), True)
    assert pinned == [("compact", "network", stride, 12) for stride in (1, 2, 3, 4)]


def test_what_is_pinned_is_the_same_on_every_rung():
    assert rungs_of(Client(EVERY), ViewerSettings(stride=2, depth_bits=10)) == [("compact", "pixel", 2, 10)]
    splats = rungs_of(Client(EVERY), ViewerSettings(format=Format.SPLATS16))
    assert {name for name, *_ in splats} == {"splats16"} and len(splats) == 4


def test_a_client_that_acknowledges_nothing_gets_one_thing():
    assert rungs_of(PLAIN, ViewerSettings()) == [("pointcloud", "points", 1, 12)]


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
        variant = choose_variant(Client(formats, contract), ViewerSettings(output=output), supports)
    except WireError:
        return
    assert variant.format in formats
    assert (variant.format in SPLAT_FORMATS) == (variant.output != "points")
    assert output in (None, variant.output)
    assert supports or variant.output != "network"


@pytest.mark.parametrize("format", EVERY)
@pytest.mark.parametrize("supports_gaussians", [True, False])
def test_whoever_said_hello_gets_something_in_the_one_format_it_reads(format: str, supports_gaussians: bool):
    assert choose_variant(Client([format]), ViewerSettings(), supports_gaussians).format == format
