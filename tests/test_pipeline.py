from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from splatcam.bench.predicted import PredictedEstimator, predict
from splatcam.estimators import registry
from splatcam.frame_job import FrameJob, FrameRefused
from splatcam.frames import decode_frame
from splatcam.pipeline import GRID_MULTIPLE_PX, bounds_of, grid_size, process_frame, to_grid
from splatcam.scenes import render
from splatcam.settings import Settings
from splatcam.variants import Variant
from splatcam.wire import RESULTS, Format
from tests.pictures import jpeg

SPLATS = Variant(Format.SPLATS16, "pixel")
PLY = Variant(Format.GAUSSIAN_PLY, "pixel")
POINTS = Variant(Format.POINTCLOUD, "points")


def process(*variants: Variant, data: bytes | None = None, name: str = "builtin") -> dict[Variant, dict]:
    estimator = registry.build(name, Settings(model=name), lambda sentence, fraction: None)
    job = FrameJob("camera", 3, 1.5, jpeg() if data is None else data, variants)
    return process_frame(job, estimator, long_side_px=70)[0].fields


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [
        (640, 480, (378, 504)),
        (1280, 720, (280, 504)),
        (480, 640, (504, 378)),
        (504, 378, (378, 504)),
        (2000, 3, (14, 504)),
    ],
)
def test_the_grid_keeps_the_aspect_in_steps_of_a_patch(width: int, height: int, grid: tuple[int, int]) -> None:
    assert grid_size(width, height, 504) == grid


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(56, 1000))
def test_every_frame_has_a_grid(width: int, height: int, long_side: int) -> None:
    sides = grid_size(width, height, long_side)
    assert all(side >= GRID_MULTIPLE_PX and side % GRID_MULTIPLE_PX == 0 for side in sides)
    assert abs(max(sides) - long_side) <= GRID_MULTIPLE_PX / 2 + 1


def test_a_frame_of_the_grids_size_is_not_touched() -> None:
    frame = decode_frame(jpeg(70, 56))
    assert torch.equal(to_grid(frame, 70), torch.from_numpy(frame.rgb))


def test_a_larger_frame_is_averaged_down() -> None:
    frame = decode_frame(jpeg(140, 112))
    expected = torch.from_numpy(frame.rgb).reshape(56, 2, 70, 2, 3).float().mean(dim=(1, 3))
    assert (to_grid(frame, 70).float() - expected).abs().mean() < 3


def test_every_variant_gives_all_fields_of_its_message() -> None:
    for variant, fields in process(SPLATS, PLY, POINTS, Variant(Format.COMPACT, "pixel")).items():
        message = RESULTS[variant.format]
        RESULTS[variant.format].model_validate(
            {
                **fields,
                "frame_id": 3,
                "captured_at_ms": 1.5,
                "received_at_ms": 2.5,
                "timings_ms": {},
                "type": str(variant.format),
            }
        )
        required = {name for name, field in message.model_fields.items() if field.is_required()}
        assert set(fields) >= required - {"frame_id", "captured_at_ms", "received_at_ms", "timings_ms"}


def test_what_differs_in_its_encoding_only_is_built_once() -> None:
    fields = process(SPLATS, PLY)
    assert fields[SPLATS]["num_splats"] == fields[PLY]["num_splats"]
    assert fields[SPLATS]["bounds"] == fields[PLY]["bounds"]


def test_points_and_splats_of_a_frame_lie_in_the_same_box() -> None:
    fields = process(SPLATS, POINTS)
    low, high = (np.array(getattr(fields[SPLATS]["bounds"], side)) for side in ("minimum", "maximum"))
    positions = np.frombuffer(fields[POINTS]["points"], "<f4").reshape(-1, 3)
    assert np.allclose(positions.min(0), low) and np.allclose(positions.max(0), high)


def test_the_border_is_cut_off() -> None:
    margins = int(8 / 256 * 56), int(8 / 256 * 70)
    assert process(POINTS)[POINTS]["num_points"] == (56 - 2 * margins[0]) * (70 - 2 * margins[1])


def test_a_depth_percentile_drops_the_far_share_of_points_and_splats_alike() -> None:
    near = [Variant(v.format, v.output, max_depth_percentile=0.2) for v in (SPLATS, POINTS)]
    whole, cut = process(SPLATS, POINTS, name="synthetic"), process(*near, name="synthetic")
    assert cut[near[0]]["num_splats"] == cut[near[1]]["num_points"] < 0.75 * whole[SPLATS]["num_splats"]


def test_a_stride_keeps_every_nth_pixel_of_every_nth_row() -> None:
    coarse = Variant(Format.POINTCLOUD, "points", stride=4)
    assert process(coarse)[coarse]["num_points"] <= 14 * 18


def test_nothing_left_is_an_empty_frame_and_no_fault() -> None:
    none = Variant(Format.SPLATS16, "pixel", min_opacity=1.0)
    fields = process(none)[none]
    assert (fields["num_splats"], fields["bounds"]) == (0, None)


def test_a_broken_frame_is_refused_by_its_code() -> None:
    with pytest.raises(FrameRefused) as refused:
        process(SPLATS, data=b"\xff\xd8\xff")
    assert refused.value.code == "bad_jpeg"


def test_bounds_are_the_box_around_the_positions() -> None:
    bounds = bounds_of(*torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, 4.0]]).unbind(1))
    assert bounds is not None
    assert (bounds.minimum, bounds.maximum) == ((0.0, -2.0, 3.0), (1.0, 5.0, 4.0))
    assert bounds_of(*torch.empty(3, 0)) is None


def test_the_estimators_memory_is_handed_on_and_not_kept() -> None:
    estimator = registry.build("builtin", Settings(model="builtin"), lambda sentence, fraction: None)
    frames = [FrameJob("camera", n, 0.0, jpeg(seed=n), (SPLATS,)) for n in range(3)]

    def play() -> list[bytes]:
        state, shown = None, []
        for job in frames:
            result, state = process_frame(job, estimator, state, long_side_px=70)
            shown.append(result.fields[SPLATS]["data"])
        return shown

    assert play() == play()


OWN, SENT = (Variant(Format.COMPACT, "pixel", color=color) for color in ("own", "sent"))


def test_compact_relays_the_cameras_jpeg_to_those_who_did_not_take_it() -> None:
    data = jpeg(140, 105)
    fields = process(OWN, SENT, data=data)
    assert "color" not in fields[OWN]
    assert fields[SENT]["color"] is data
    assert fields[OWN]["depth"] is fields[SENT]["depth"], "the depth was deflated twice"


def test_compact_holds_the_pixels_and_the_box_of_the_splats() -> None:
    splats = replace(SPLATS, max_depth_percentile=0.7)
    surface = replace(OWN, max_depth_percentile=0.7)
    fields = process(splats, surface)
    assert fields[surface]["num_splats"] == fields[splats]["num_splats"] < 56 * 70
    assert fields[surface]["bounds"] == fields[splats]["bounds"]
    assert fields[surface]["intrinsics"] == fields[splats]["intrinsics"]


def test_compact_of_a_scene_that_no_camera_sees_carries_the_scenes_picture_for_everybody() -> None:
    fields = process(OWN, SENT, name="synthetic")
    assert fields[OWN]["color"] is fields[SENT]["color"]
    scene = render(0.0, 70, 56)[0]
    assert np.abs(decode_frame(fields[OWN]["color"]).rgb.astype(int) - scene).mean() < 6


def test_a_picture_with_notes_on_where_it_was_taken_is_encoded_anew_for_others() -> None:
    exif = b"\xff\xe1\x00\x0fExif\0\0at home"
    data = jpeg()[:2] + exif + jpeg()[2:]
    fields = process(OWN, SENT, data=data)
    assert "color" not in fields[OWN]
    assert b"at home" not in fields[SENT]["color"]
    anew = decode_frame(fields[SENT]["color"]).rgb.astype(int)
    assert np.abs(anew - to_grid(decode_frame(data), 70).numpy()).mean() < 6


@pytest.mark.parametrize("stride", [2, 3])
def test_with_a_stride_the_picture_that_is_sent_has_a_pixel_for_each_splat(stride: int) -> None:
    coarse = replace(SENT, stride=stride)
    fields = process(coarse, data=jpeg(140, 112))
    picture = decode_frame(fields[coarse]["color"]).rgb
    assert picture.shape[:2] == (-(-56 // stride), -(-70 // stride))
    whole = decode_frame(jpeg(140, 112)).rgb
    assert np.abs(picture.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 4


def test_the_networks_gaussians_travel_as_compact_with_colours_of_their_own() -> None:
    packed, planes, coarse = (
        Variant(Format.SPLATS16, "network"),
        Variant(Format.COMPACT, "network"),
        Variant(Format.COMPACT, "network", stride=2),
    )
    job = FrameJob("camera", 3, 1.5, jpeg(), (packed, planes, coarse))
    fields = process_frame(job, PredictedEstimator(predict(1.0, 70, 56, "noisy")), long_side_px=70)[0].fields
    assert fields[planes]["num_splats"] == fields[packed]["num_splats"] > 3 * fields[coarse]["num_splats"]
    assert fields[planes]["bounds"] == fields[packed]["bounds"]
    for variant in (planes, coarse):
        assert {"shape", "color", "depth"} <= fields[variant].keys()
        assert decode_frame(fields[variant]["color"]).rgb.shape[:2] == tuple(fields[variant]["window"][2:])
