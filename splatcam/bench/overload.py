"""What a service does of which more is asked than it can: newest wins, equal turns, a flood, a loop that stays free.

python -m splatcam.bench.overload        (against services of its own, with the synthetic model)
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from splatcam.bench import report as reports
from splatcam.bench.links import LinkFailed
from splatcam.bench.local_service import Service, ServiceFailed, running
from splatcam.bench.overload_cameras import Camera, Rate, connected, listening, picture_of
from splatcam.bench.overload_figures import Flood, FreeLoop, NewestWins, Report, Turns, goals
from splatcam.bench.replay import Plan, ReplayFailed, above_zero, file_in_a_folder
from splatcam.bench.report import row
from splatcam.bench.scrape import scrape
from splatcam.telemetry import percentile

ENGINE_MS, FPS = 33.0, 60.0
SESSIONS, SHARE_FPS = 8, 10.0  # together far more than the engine answers
FLOOD = Rate(100 * SHARE_FPS, at_once=25)
LARGE_FPS, WATCHERS = 10.0, 2  # one camera and two who watch it: 30 results a second
SMALL_PX, LARGE_PX = 56, 504
INSIDE = ("decode", "estimate", "splats", "prune", "encode")
POINTS, SPLATS = Plan(("pointcloud",)), Plan(("splats16",))


def measure(seconds: float) -> Report:
    """Each part for so long. Raises LinkFailed, ReplayFailed or ServiceFailed."""
    slow = ("--process-res", str(SMALL_PX), "--latency-ms", str(ENGINE_MS))
    with running("--model", "synthetic", *slow) as service:
        service.wait_for_model("synthetic")
        newest, equal, flooded = asyncio.run(_of_a_slow_engine(service, seconds))
    with running("--model", "synthetic", "--process-res", str(LARGE_PX)) as service:
        service.wait_for_model("synthetic")
        free = asyncio.run(free_loop(service, seconds))
    return Report(newest, equal, flooded, free)


async def _of_a_slow_engine(service: Service, seconds: float) -> tuple[NewestWins, Turns, Flood]:
    await play_together(service, [Rate(FPS)], 1.0)  # its first frames take longer
    newest = await newest_wins(service, seconds)
    equal = await turns(service, seconds)
    return newest, equal, await flood(service, seconds, equal)


async def play_together(service: Service, rates: Sequence[Rate], seconds: float) -> list[Camera]:
    picture = picture_of(SMALL_PX)
    async with connected(service, len(rates)) as cameras:
        for camera in cameras:
            await camera.greet(POINTS)
        async with listening(cameras), asyncio.TaskGroup() as tasks:
            until_s = time.monotonic() + seconds
            for camera, rate in zip(cameras, rates, strict=True):
                tasks.create_task(camera.play([picture], rate, until_s))
    return cameras


async def newest_wins(service: Service, seconds: float) -> NewestWins:
    before, picture = scrape(service), picture_of(SMALL_PX)
    async with connected(service, 1) as cameras:
        (camera,) = cameras
        await camera.greet(POINTS)
        async with listening(cameras):
            begin_s = time.monotonic()
            await camera.play([picture], Rate(FPS), begin_s + seconds)
            busy, elapsed_s = (await asyncio.to_thread(scrape, service)).since(before), time.monotonic() - begin_s
    after = scrape(service).since(before)
    ended = after.by("splatcam_frames_total", "outcome")
    accounted = sum(ended.values()) + after.value("splatcam_frames_in_flight")
    works_s = sum(busy.value("splatcam_stage_seconds_sum", stage=stage) for stage in INSIDE)
    return NewestWins(
        sent=len(camera.sent_at_s),
        results=camera.results,
        superseded=round(ended["superseded"]),
        unaccounted=abs(round(after.value("splatcam_frames_received_total") - accounted)),
        p50_ms=percentile(camera.latencies_ms, 0.50),
        p95_ms=percentile(camera.latencies_ms, 0.95),
        engine_busy=(works_s + busy.value("splatcam_stage_seconds_sum", stage="engine")) / elapsed_s,
        engine_works=works_s / elapsed_s,
    )


async def turns(service: Service, seconds: float) -> Turns:
    cameras = await play_together(service, [Rate(SHARE_FPS)] * SESSIONS, seconds)
    return Turns(tuple(camera.results for camera in cameras))


async def flood(service: Service, seconds: float, before: Turns) -> Flood:
    rates = [*[Rate(SHARE_FPS)] * (SESSIONS - 1), FLOOD]
    *others, flooder = await play_together(service, rates, seconds)
    return Flood(
        flooder_sent=len(flooder.sent_at_s),
        flooder_results=flooder.results,
        others_before=sum(before.results[:-1]),
        others=sum(camera.results for camera in others),
    )


async def free_loop(service: Service, seconds: float) -> FreeLoop:
    picture = picture_of(LARGE_PX)
    async with connected(service, 1 + WATCHERS) as everybody:
        camera, *watchers = everybody
        session_id = await camera.greet(SPLATS)
        await camera.open_stream(picture)
        for watcher in watchers:
            await watcher.greet(SPLATS, watch=session_id)
        calm = await asyncio.to_thread(scrape, service)
        await asyncio.sleep(seconds / 2)
        before, begin_s = await asyncio.to_thread(scrape, service), time.monotonic()
        async with listening(everybody, sender=camera):
            await camera.play([picture], Rate(LARGE_FPS), begin_s + seconds)
            during, elapsed_s = (await asyncio.to_thread(scrape, service)).since(before), time.monotonic() - begin_s
    results = during.value("splatcam_results_total", outcome="sent")
    mb = during.value("splatcam_bytes_total", direction="out") * 1e-6
    lag = "splatcam_event_loop_lag_seconds"
    return FreeLoop(
        results_per_s=results / elapsed_s,
        mb_per_s=mb / elapsed_s,
        mb_per_result=mb / max(1, results),
        lag_p50_ms=during.quantile(lag, 0.50) * 1e3,
        lag_p99_ms=during.quantile(lag, 0.99) * 1e3,
        rest_lag_p99_ms=before.since(calm).quantile(lag, 0.99) * 1e3,
    )


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m splatcam.bench.overload", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=above_zero, default=8.0, help="of each part (default: 8)")
    parser.add_argument("--json", type=file_in_a_folder, help="the same as values")
    given = parser.parse_args(arguments)
    try:
        report = measure(given.seconds)
    except (LinkFailed, ReplayFailed, ServiceFailed) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    print(markdown(report))
    if given.json:
        write_json(report, given.json)
    return 0


def markdown(report: Report) -> str:
    """The goals, and under them what they were made from."""
    lines = [row(["what", "measured", "goal", ""]), row(["---"] * 4)]
    for goal in goals(report):
        met = "met" if goal.is_met else "missed"
        lines.append(row([goal.name, f"{goal.value:.4g} {goal.unit}", f"{goal.sense} {goal.bar:g} {goal.unit}", met]))
    newest, loop, flooded = report.newest_wins, report.free_loop, report.flood
    lines += [
        "",
        f"- {newest.sent} frames sent at {FPS:g}/s to an engine of {ENGINE_MS:g} ms: {newest.results} results,"
        f" {newest.superseded} superseded; p50 {newest.p50_ms:.1f} ms, p95 {newest.p95_ms:.1f} ms; the engine had a"
        f" frame {newest.engine_busy:.1%} of the time and worked {newest.engine_works:.1%}.",
        f"- Results of {SESSIONS} sessions: {', '.join(map(str, report.turns.results))}.",
        f"- The flooder sent {flooded.flooder_sent} frames and got {flooded.flooder_results} results; the others"
        f" together {flooded.others}, without it {flooded.others_before}.",
        f"- {loop.results_per_s:.1f} results of {loop.mb_per_result:.2f} MB a second ({loop.mb_per_s:.0f} MB/s): loop"
        f" lag p50 {loop.lag_p50_ms:.1f} ms, p99 {loop.lag_p99_ms:.1f} ms; at rest p99 {loop.rest_lag_p99_ms:.1f} ms.",
    ]
    return "\n".join(lines)


def write_json(report: Report, path: Path) -> None:
    told = [{**asdict(goal), "is_met": goal.is_met} for goal in goals(report)]
    values = {**asdict(report), "goals": told, "table": markdown(report).splitlines()}
    reports.write_json(reports.with_origin(values), path)


if __name__ == "__main__":
    sys.exit(main())
