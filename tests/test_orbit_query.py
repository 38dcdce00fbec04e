"""The query of /render: defaults, limits, and what is refused by name."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatcam.rendering.orbit_query import MAX_PIXELS, BadQuery, OrbitQuery, camera_from_query, parse_query
from splatcam.viewer.viewer import Viewer

NUMBERS = ("theta", "phi", "radius", "tx", "ty", "tz", "fov", "w", "h", "q", "up")
MODES = ("rgb", "depth")


def test_nothing_asked_is_the_table_of_defaults() -> None:
    query = parse_query({})
    assert query.camera.position == pytest.approx([0.0, 0.0, 4.0])
    assert (query.fov_deg, query.width, query.height, query.quality, query.mode) == (60.0, 640, 480, 85, "rgb")
    assert query.orbit.up == 1


def test_a_query_is_read_as_a_browser_sends_it_and_as_parse_qs_splits_it() -> None:
    text = "theta=0.5&phi=-0.25&radius=2&tx=1&ty=2&tz=3&fov=45&w=64&h=48&q=70&mode=depth&up=-1"
    lists = parse_qs(text)
    flat = {name: values[0] for name, values in lists.items()}
    assert parse_query(lists, MODES) == parse_query(flat, MODES)
    query = parse_query(flat, MODES)
    assert (query.orbit.target, query.orbit.up, query.mode, query.quality) == ((1.0, 2.0, 3.0), -1, "depth", 70)


def test_at_zero_angles_the_eye_is_along_z_and_the_target_in_the_middle() -> None:
    camera = Viewer.camera_from_query(
        {"radius": ["3"], "tx": ["1"], "ty": ["2"], "tz": ["-1"], "w": ["80"], "h": ["60"]}
    )
    assert camera.position == pytest.approx([1.0, 2.0, 2.0])
    (pixel,), (depth,) = camera.project(np.array([[1.0, 2.0, -1.0]]))
    assert pixel == pytest.approx([40.0, 30.0], abs=1e-3) and depth == pytest.approx(3.0)


@pytest.mark.parametrize("up, sign", [("1", 1), ("0", 1), ("-1", -1), ("-0.5", -1)])
def test_up_below_zero_turns_the_elevation_around(up: str, sign: int) -> None:
    camera = camera_from_query({"phi": "0.5", "radius": "2", "up": up})
    assert camera.position[1] == pytest.approx(sign * 2 * math.sin(0.5))


def test_what_is_too_small_is_raised() -> None:
    query = parse_query({"radius": "-5", "w": "1", "h": "0"})
    assert (query.orbit.radius, query.width, query.height) == (1e-3, 16, 16)


def test_the_largest_picture_is_drawn_and_one_row_more_is_refused() -> None:
    assert parse_query({"w": "1920", "h": "1088"}).width * 1088 == MAX_PIXELS
    with pytest.raises(BadQuery, match="w=1920 and h=1089 make more than"):
        parse_query({"w": "1920", "h": "1089"})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["abc", "", "nan", "inf", "-inf", "1e400", "1e7"])
def test_what_is_no_usable_number_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadQuery, match=rf"\A{name}="):
        parse_query({name: value})


@pytest.mark.parametrize("name, value", [("q", "0"), ("q", "101"), ("fov", "0"), ("fov", "171"), ("fov", "-60")])
def test_quality_and_field_of_view_have_limits(name: str, value: str) -> None:
    with pytest.raises(BadQuery, match=rf"\A{name}=-?\d+ is not within"):
        parse_query({name: value})


def test_a_mode_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadQuery, match="mode='heat' is none of rgb, depth"):
        parse_query({"mode": "heat"}, MODES)


def test_a_refusal_does_not_repeat_pages_of_what_was_sent() -> None:
    with pytest.raises(BadQuery) as refused:
        parse_query({"theta": "9" * 5000 + "x"})
    assert len(str(refused.value)) < 100


def test_an_empty_list_of_values_is_none_given() -> None:
    assert parse_query({"w": [], "mode": []}) == parse_query({})


@given(st.dictionaries(st.sampled_from((*NUMBERS, "mode", "client")), st.text(max_size=8) | st.floats().map(repr)))
def test_every_query_is_read_or_refused_and_what_is_read_can_be_drawn(query: dict[str, str]) -> None:
    try:
        read = parse_query(query, MODES)
    except BadQuery:
        return
    assert isinstance(read, OrbitQuery) and read.width * read.height <= MAX_PIXELS
    camera = read.camera
    rotation = camera.world_from_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
