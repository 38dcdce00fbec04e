"""The table of `splatcam.bench.render_speed`: a line for each scene and size, a number for each way of drawing."""

from __future__ import annotations

from splatcam.bench.render_speed import FAST, PLAIN, PLAIN_ROUNDS, SCENES, blob, markdown, measure


def test_every_way_is_timed_for_every_scene_and_size() -> None:
    few = {"one": lambda: blob(20), "other": lambda: blob(30)}
    entries = measure(few, ((16, 12), (24, 20)), rounds=PLAIN_ROUNDS + 2)
    assert [(e["scene"], e["splats"], e["size"]) for e in entries] == [
        ("one", 20, "16x12"), ("one", 20, "24x20"), ("other", 30, "16x12"), ("other", 30, "24x20"),
    ]  # fmt: skip
    for entry in entries:
        rounds = {name: len(ms) for name, ms in entry["ms"].items()}
        assert rounds == {**dict.fromkeys(FAST, PLAIN_ROUNDS + 2), PLAIN: PLAIN_ROUNDS}


def test_the_table_says_how_many_times_faster_one_thread_is_than_numpy() -> None:
    ms = {"1 thread": [10.0] * 5, "2 threads": [5.0] * 5, PLAIN: [400.0] * 3}
    _, _, line = markdown([{"scene": "s", "splats": 7, "size": "4x3", "ms": ms}]).splitlines()
    assert line == "| s | 7 | 4x3 | 10.0 / 10.0 | 5.0 / 5.0 | 400.0 / 400.0 | 40 |"


def test_the_scenes_are_those_of_the_targets() -> None:
    assert SCENES["frame, 504x378"]().count == 190_512
    assert SCENES["frame, 266x196"]().count >= 50_000
