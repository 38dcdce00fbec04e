"""The choice on simulated links: results go out as the session sends them, through the real window of acks."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from splatcam.live.ack_window import AckWindow
from splatcam.live.adaptation import TO_BEGIN_WITH, YOUR_CHOICE, Adaptation
from splatcam.variants import Client, Variant, ViewerSettings, ladder
from splatcam.wire import Format

ALL = ("splats16", "compact", "gaussian_ply", "pointcloud")
WATCHER = ladder(Client(ALL), ViewerSettings(), supports_gaussians=False)
CAMERA = ladder(Client(ALL, color="own"), ViewerSettings(), supports_gaussians=False)
NETWORK = ladder(Client(ALL), ViewerSettings(), supports_gaussians=True)
BARE = ladder(Client(["splats16"]), ViewerSettings(), supports_gaussians=False)
TICK_S = 0.001
PIXELS = 504 * 378


def size_of(variant: Variant) -> int:
    """Bytes of a result, near what `make bench` finds."""
    each = {Format.SPLATS16: 14.3, Format.GAUSSIAN_PLY: 49.6, Format.POINTCLOUD: 13.3, Format.COMPACT: 0.0}
    if variant.format is not Format.COMPACT:
        return int(each[variant.format] * PIXELS / variant.stride**2)
    if variant.output == "network":
        return int(2.5 * PIXELS / variant.stride**2)
    picture = 0.13 if variant.color == "sent" else 0.0
    return int(((0.09 if variant.depth_bits == 12 else 0.06) + picture) * PIXELS / variant.stride**2)


@dataclass
class Simulation:
    """A model that makes results at `fps`, a session that sends them, and a link whose queue is unlimited."""

    rungs: tuple[Variant, ...]
    mbit_s: Callable[[float], float]  # of the link, by the time
    fps: float = 30.0
    delay_s: float = 0.040  # each way
    rate_is_free: bool = True
    jitter_s: float = 0.0  # of acknowledgements, at most
    has_room: Callable[[Variant], bool] = lambda _: True
    choices: list[tuple[float, Variant, float | None]] = field(default_factory=list)
    arrivals: list[tuple[float, float]] = field(default_factory=list)  # when, and how old

    def run(self, seconds: float) -> Simulation:
        window, now_s, next_s, waiting, frame_id = AckWindow(), 0.0, 0.0, None, 0
        adaptation = self.adaptation = Adaptation(self.rungs, 0.0, self.rate_is_free, self.has_room)
        make = random.Random(7)
        queue: deque[tuple[int, float, float]] = deque()  # id, bytes to go, made at
        acks: deque[tuple[float, int]] = deque()
        last_turn_s = -1.0
        self.choices.append((0.0, adaptation.choice.variant, None))
        while now_s < seconds:
            if now_s >= next_s:
                next_s += 1 / self.fps
                limit = adaptation.choice.max_fps
                if limit is None or now_s - last_turn_s >= 0.9 / limit:
                    last_turn_s = now_s
                    window.offered(now_s)
                    adaptation.offered(now_s, replaced=waiting is not None)
                    if adaptation.decide(now_s, self.has_room):
                        self.choices.append((now_s, adaptation.choice.variant, adaptation.choice.max_fps))
                    waiting = (frame_id, size_of(adaptation.choice.variant), now_s)
                    frame_id += 1
            if waiting is not None and window.wait_s(now_s) == 0:
                window.sent(waiting[0], waiting[1], now_s)
                queue.append((waiting[0], float(waiting[1]), waiting[2]))
                waiting = None
            room = self.mbit_s(now_s) * 1e6 / 8 * TICK_S
            while queue and room > 0:
                number, left, made_s = queue.popleft()
                if left > room:
                    queue.appendleft((number, left - room, made_s))
                    break
                room -= left
                self.arrivals.append((now_s + self.delay_s, now_s + self.delay_s - made_s))
                late_s = max(now_s + 2 * self.delay_s + make.uniform(0, self.jitter_s), acks[-1][0] if acks else 0)
                acks.append((late_s, number))
            while acks and acks[0][0] <= now_s:
                receipt = window.acknowledged(acks.popleft()[1], now_s)
                if receipt is not None:
                    adaptation.acknowledged(receipt.size_bytes, receipt.round_trip_s, now_s)
            now_s += TICK_S
        return self

    def rate(self, begin_s: float, end_s: float) -> float:
        return sum(begin_s <= at_s < end_s for at_s, _ in self.arrivals) / (end_s - begin_s)

    def oldest(self, begin_s: float, end_s: float) -> float:
        return max(age_s for at_s, age_s in self.arrivals if begin_s <= at_s < end_s)

    def choice_at(self, at_s: float) -> Variant:
        return [variant for since_s, variant, _ in self.choices if since_s <= at_s][-1]

    def longest_gap(self) -> float:
        times = [at_s for at_s, _ in self.arrivals]
        return max(b - a for a, b in zip(times, times[1:], strict=False))


def steady(mbit_s: float) -> Callable[[float], float]:
    return lambda _: mbit_s


@pytest.mark.parametrize(
    ("rungs", "mbit_s", "least_fps"),
    [
        (CAMERA, 100, 29), (CAMERA, 20, 29), (CAMERA, 2, 20), (CAMERA, 0.5, 10),
        (WATCHER, 100, 29), (WATCHER, 20, 28), (WATCHER, 5, 20), (WATCHER, 1, 10),
        (NETWORK, 100, 21), (NETWORK, 20, 21), (NETWORK, 5, 20),
        (BARE, 100, 20), (BARE, 20, 10),
    ],
)  # fmt: skip
def test_every_link_gets_a_steady_stream_of_fresh_results(
    rungs: tuple[Variant, ...], mbit_s: float, least_fps: float
) -> None:
    run = Simulation(rungs, steady(mbit_s)).run(60)
    assert run.rate(20, 60) >= least_fps
    assert run.oldest(20, 60) < 0.5
    assert sum(at_s > 20 for at_s, _, _ in run.choices) <= 6, "it does not settle"


@pytest.mark.parametrize(("rungs", "mbit_s"), [(BARE, 100), (BARE, 20), (WATCHER, 5), (NETWORK, 20)])
def test_a_network_whose_delays_vary_is_no_reason_to_go_to_and_fro(rungs: tuple[Variant, ...], mbit_s: float) -> None:
    run = Simulation(rungs, steady(mbit_s), jitter_s=0.030).run(60)
    assert sum(at_s > 20 for at_s, _, _ in run.choices) <= 6


@pytest.mark.parametrize(("rungs", "thin"), [(CAMERA, 10), (WATCHER, 10), (NETWORK, 10), (WATCHER, 5), (CAMERA, 2)])
def test_a_link_that_gets_thin_and_recovers_is_followed_within_five_seconds_each_way(
    rungs: tuple[Variant, ...], thin: float
) -> None:
    run = Simulation(rungs, lambda now_s: thin if 20 <= now_s < 40 else 100).run(60)
    assert run.rate(25, 40) > 20 and run.oldest(26, 40) < 0.5
    assert run.choice_at(45) == run.choice_at(19), "what the link carried before it does not get again"
    assert run.longest_gap() < 1.0


def test_a_fast_link_gets_what_the_client_likes_best() -> None:
    run = Simulation(CAMERA, steady(10_000), delay_s=0.0005).run(10)
    assert [variant.format for _, variant, _ in run.choices] == [Format.COMPACT, Format.SPLATS16]
    assert run.adaptation.choice.reason != TO_BEGIN_WITH


def test_what_a_thin_link_cannot_carry_is_never_tried_on_it() -> None:
    run = Simulation(CAMERA, steady(10)).run(60)
    assert run.choices == [(0.0, CAMERA[1], None)], "a frame of splats16 takes this link two seconds"


def test_the_reason_names_what_the_link_carries() -> None:
    run = Simulation(WATCHER, steady(5)).run(2)
    assert run.adaptation.choice.reason == "the link carries about 5 Mbit/s"
    assert run.adaptation.choice.link_bytes_per_s == pytest.approx(5e6 / 8, rel=0.2)


@pytest.mark.parametrize("wishes", [ViewerSettings(stride=1, depth_bits=12), ViewerSettings(format=Format.SPLATS16)])
def test_what_the_viewer_pinned_stays_on_every_link(wishes: ViewerSettings) -> None:
    rungs = ladder(Client(ALL), wishes, supports_gaussians=False)
    run = Simulation(rungs, steady(2)).run(20)
    for _, variant, _ in run.choices:
        assert wishes.stride in (None, variant.stride) and wishes.format in (None, variant.format)


def test_with_everything_pinned_nothing_is_chosen() -> None:
    rungs = ladder(Client(["compact"]), ViewerSettings(stride=1, depth_bits=12), supports_gaussians=False)
    run = Simulation(rungs, steady(0.5), rate_is_free=False).run(20)
    assert run.choices == [(0.0, rungs[0], None)] and run.adaptation.choice.reason == YOUR_CHOICE


def test_only_what_the_stream_has_room_for_is_chosen() -> None:
    taken = {WATCHER[1], WATCHER[4]}
    run = Simulation(WATCHER, steady(3), has_room=lambda variant: variant in taken).run(30)
    assert {variant for _, variant, _ in run.choices} == taken


def test_a_slow_model_is_followed_too() -> None:
    run = Simulation(NETWORK, steady(4), fps=2).run(60)
    assert run.choice_at(60).output == "network"
    assert run.oldest(20, 60) < 2.0


def test_other_wishes_keep_the_choice_where_it_is_still_there() -> None:
    adaptation = Simulation(WATCHER, steady(5)).run(20).adaptation
    chosen = adaptation.choice.variant
    adaptation.relist(WATCHER, 20.0)
    assert adaptation.choice.variant == chosen
    adaptation.relist(BARE, 20.0)
    assert adaptation.choice.variant == BARE[0]
    adaptation.relist(BARE[:1], 20.0, rate_is_free=False)
    assert adaptation.choice.reason == YOUR_CHOICE
