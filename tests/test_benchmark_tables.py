from __future__ import annotations

from typing import Any

from splatcam.bench import compact_speed, ply_speed, table
from splatcam.bench.report import COLUMNS, FrameRecord, Run, summarise
from tests.pictures import jpeg


def report(model: str) -> dict[str, Any]:
    run = Run("clip", "abc123", 30.0, model, "splats16", "pixel", (56, 70), sent=3, warm_up=0, errors={})
    run.frames = [FrameRecord(n, n / 30, n / 30 + 0.02, 1000 * (n + 1), 50, {"decode": 2.0}) for n in range(3)]
    return summarise(run)


def test_the_page_of_benchmarks_has_a_row_and_the_stages_of_every_run() -> None:
    reports = [report("builtin"), report("synthetic")]
    page = table.page(reports)
    for column in COLUMNS:
        assert f" {column} |" in page
    for one in reports:
        assert f"| {one['model']} | splats16 (pixel) | 70x56 | 50 | 3 | 3 | 0 | 0 |" in page
        assert f"{one['model']} as splats16, milliseconds by stage" in page
        assert one["commit"] in page and one["machine"]["name"] in page


def test_writers_take_turns_and_only_theirs_have_a_ratio() -> None:
    order: list[str] = []
    tasks = {name: (lambda name=name: order.append(name)) for name in (ply_speed.RIVAL, "save_gaussian_ply_bytes", "x")}
    times_ms = ply_speed.measure(tasks, rounds=2)
    assert order == list(tasks) * (ply_speed.WARM_UP_ROUNDS + 2)
    assert {name: len(times) for name, times in times_ms.items()} == dict.fromkeys(tasks, 2)
    rows = ply_speed.markdown({ply_speed.RIVAL: [100.0, 300.0], "save_gaussian_ply_bytes": [2.0, 4.0], "x": [1.0]})
    assert "| save_gaussian_ply_bytes | 2.00 | 4.00 | 50 |" in rows
    assert "| x | 1.00 | 1.00 |  |" in rows


def test_compact_and_splats16_are_measured_on_the_same_frames() -> None:
    costs = compact_speed.measure_depth((jpeg(),) * (compact_speed.WARM_UP_FRAMES + 2))["pixel"]
    assert {name: len(pairs) for name, pairs in costs.items()} == dict.fromkeys(compact_speed.FROM_DEPTH, 2)
    sizes = {name: size for name, ((_, size), _) in costs.items()}
    assert sizes["compact, 12 bits, picture sent"] == sizes["compact, 12 bits, own picture"] + len(jpeg())


def test_a_networks_gaussians_are_measured_smooth_and_noisy() -> None:
    costs = compact_speed.measure_network(compact_speed.WARM_UP_FRAMES + 1)
    assert list(costs) == ["network, synthetic, smooth", "network, synthetic, noisy"]
    for of_variants in costs.values():
        ((_, packed),), ((_, whole),), ((_, every_second),) = of_variants.values()
        assert packed > 3 * whole > 6 * every_second


def test_a_row_of_the_compact_table_is_compared_with_splats16_of_the_same_output() -> None:
    costs = {
        "pixel": {compact_speed.RIVAL: [(8.0, 3000)] * 3, "x": [(2.0, 1000), (4.0, 1500)]},
        "network": {compact_speed.RIVAL: [(4.0, 4000)]},
    }
    rows = compact_speed.markdown(costs)
    assert "| pixel | x | 2.00 | 4.00 | 1 | 4.0 | 3 |" in rows
    assert "| network | splats16 | 4.00 | 4.00 | 4 | 1.0 | 1 |" in rows
