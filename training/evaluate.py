"""Writes docs/builtin.md: what the built-in model is worth, beside the classical depth and a row prior.

python -m training.evaluate --clips one.mp4 two.mkv --shown one.mp4          (make examine-builtin CLIPS=... SHOWN=...)

The real stereo pair is read from the installed scikit-image; nothing of it is kept. Pictures of clips are drawn into
--look; those of --shown into docs/images as well: take none of a person there.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from splatcam.bench.clip import load_clip
from splatcam.bench.report import commit, machine, row
from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators import Prediction, builtin
from splatcam.estimators.builtin import BuiltinEstimator
from splatcam.estimators.depth_net import WEIGHTS, DepthNet, about, load
from splatcam.frames import decode_frame, encode_picture
from splatcam.pipeline import grid_size, to_grid
from splatcam.settings import Settings
from splatcam.steady import SteadyOptions, SteadyState, steady
from splatcam.telemetry import percentile
from training import classical, side_views
from training.figures import Figures, judged
from training.generator import Wanted, make_batch
from training.losses import FARTHEST_M
from training.predictors import Predictor, predictors
from training.start import first_splats_s
from training.train import HELD_OUT_SEED

DOCS = Path(__file__).resolve().parent.parent / "docs"
SCENES, SCENES_AT_ONCE = 96, 12
SCENE_SIZE = 448, 336  # of held-out scenes: whole blocks of JPEG and of the grids of frames
UNSEEN_SEED = HELD_OUT_SEED + (1 << 40)  # nor has the progress of training been read off these
LONG_SIDE_PX = 504
LONG_SIDES_PX = (128, 160, 192, 224)  # of the network's own picture
GRIDS = ((252, 196), (504, 378))  # width, height
TIMED = 40
STARTS = 3
REST_CELL_PX, REST_LEVELS = 7, 1.5  # of a filmed picture rests what changed by less, of 255
STEREO = ("motorcycle_left.png", "motorcycle_disp.npz")
STEREO_SHIFT_PX = 31.086  # between the two cameras' middles, at this size: disparity of depth is this much more
COLUMNS = ("", "AbsRel", "delta1", "order", "edges")
BETTER = 1, -1, -1, 1  # of each figure: what is less times this
JITTER_COLUMNS = ("clip", "frames", "classical", "network", "classical, held", "network, held")
OPENING = """<!-- Written by `make examine-builtin`; run it instead of changing numbers here. -->

# The built-in model

A network of {parameters:.2f} million numbers ({size_mb:.1f} MB) that has seen nothing but scenes made by `training/`,
in {steps} steps. [Its card](../splatcam/estimators/builtin.md) says how it was made and what it cannot do; it is a
demonstration.

Each answer is fitted to the truth by a scale and a shift of its disparity before it is judged. **AbsRel**: mean
|depth / truth - 1|. **delta1**: share of pixels within a factor of 1.25. **order**: share of pixel pairs in the right
order, of those whose depths differ by 15 % or more; chance is 0.5. **edges**: mean |ln depth error| within two pixels
of the truth's steps.

{date}, {machine}, Python {python}, torch {torch}, commit {commit}. A plus after a commit means that files were changed
since.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.split("\n\n")[0])
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--shown", type=Path, nargs="*", default=[])
    parser.add_argument("--look", type=Path, default=Path("build/builtin"))
    parser.add_argument("--scenes", type=int, default=SCENES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    text = page(given.scenes, given.clips)
    (DOCS / "builtin.md").write_text(text + pictures_section(given.shown), encoding="utf-8")
    print(text)
    given.look.mkdir(parents=True, exist_ok=True)
    for path in given.clips:
        side_views.draw(path, given.look / f"builtin-{path.stem}.jpg")
    for path in given.shown:
        side_views.draw(path, DOCS / "images" / f"builtin-{path.stem}.jpg")


def page(scenes: int, clips: Sequence[Path]) -> str:
    here = machine()
    opening = OPENING.format(
        parameters=sum(values.numel() for values in load().parameters()) / 1e6, size_mb=WEIGHTS.stat().st_size / 1e6,
        steps=about().get("steps", "an unknown number of"),
        date=date.today().isoformat(), machine=here.name, python=here.python, torch=here.torch, commit=commit(),
    )  # fmt: skip
    parts = [opening, f"## Held-out scenes ({scenes}, {SCENE_SIZE[0]}x{SCENE_SIZE[1]})\n"]
    parts.append(table(iter(tqdm(held_out(scenes), "held-out scenes", scenes, disable=None))))
    stereo = stereo_pair()
    parts += ["\n## A real picture (the stereo pair in scikit-image)\n", real_table(stereo)]
    parts += [
        "\n## How large a picture the network looks at\n",
        SIZES_OF_OTHERS,
        sizes_table(max(1, scenes // 4), stereo),
    ]
    parts += ["\n## At rest\n", JITTER, jitter_table(clips), "\n## Time\n", TIME, time_table(), start_line()]
    return "\n".join(parts) + "\n"


Judged = tuple[Tensor, Tensor, Tensor | None]  # image [H, W, 3] uint8, depth [H, W], where it is known


def held_out(scenes: int) -> Iterator[Judged]:
    for first in range(0, scenes, SCENES_AT_ONCE):
        count = min(SCENES_AT_ONCE, scenes - first)
        batch = make_batch(Wanted(UNSEEN_SEED + first, count, 0, SCENE_SIZE), torch.device("cpu"))
        for rgb, depth in zip(batch.rgb, batch.depth, strict=True):
            yield (rgb.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous(), depth.clamp(max=FARTHEST_M), None


def stereo_pair() -> Judged | None:
    """Where scikit-image is installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "data"
    image = torch.from_numpy(np.array(Image.open(folder / STEREO[0]).convert("RGB")))
    with np.load(folder / STEREO[1]) as file:
        disparity = torch.from_numpy(file["arr_0"])
    known = disparity.isfinite()
    depth = 1 / (disparity.where(known, disparity[known].median()) + STEREO_SHIFT_PX)
    height, width = grid_size(image.shape[1], image.shape[0], LONG_SIDE_PX)
    planes = image.permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear", antialias=True)[0]
    depth, known = (
        torch.nn.functional.interpolate(plane.float()[None, None], (height, width), mode="nearest-exact")[0, 0]
        for plane in (depth, known)
    )
    return small.permute(1, 2, 0).contiguous(), depth / depth.median(), known > 0


def table(pictures: Iterator[Judged]) -> str:
    named = predictors()
    found: dict[str, list[Figures]] = {name: [] for name in named}
    for image, depth, known in pictures:
        for name, predict in named.items():
            found[name].append(judged(predict(image), depth, known))
    means = {name: Figures.mean(figures) for name, figures in found.items()}
    rows = [row(COLUMNS), row(["---"] * len(COLUMNS))]
    rows += [row([name, *(f"{value:.3f}" for value in astuple(mean))]) for name, mean in means.items()]
    return "\n".join([*rows, "", verdict(means)])


def real_table(stereo: Judged | None) -> str:
    return table(iter([stereo])) if stereo else "Not examined: scikit-image was not installed (the extra `train`)."


SIZES_OF_OTHERS = f"""By its long side in pixels; {builtin.LONG_SIDE_PX} is what it serves with. Of a quarter of the
held-out scenes, and of the real picture.
"""


def sizes_table(scenes: int, stereo: Judged | None) -> str:
    columns = ("", *COLUMNS[1:], *((f"{name}, real" for name in COLUMNS[1:]) if stereo else ()))
    rows = [row(columns), row(["---"] * len(columns))]
    pictures, net = list(held_out(scenes)), load()
    for long_side_px in LONG_SIDES_PX:
        sets = [pictures, [stereo]] if stereo else [pictures]
        means = [Figures.mean([_judged_at(net, long_side_px, picture) for picture in some]) for some in sets]
        rows.append(row([long_side_px, *(f"{value:.3f}" for mean in means for value in astuple(mean))]))
    return "\n".join(rows)


def _judged_at(net: DepthNet, long_side_px: int, picture: Judged) -> Figures:
    image, depth, known = picture
    return judged(-builtin.infer_depth(net, image, long_side_px).log(), depth, known)


def verdict(means: dict[str, Figures]) -> str:
    """Whether the network is the best by every figure, and by how much; else where it is not."""
    mine = astuple(means["network"])
    worse, margins = [], []
    for at, column in enumerate(COLUMNS[1:]):
        name, best = min(
            ((name, astuple(mean)[at]) for name, mean in means.items() if name != "network"),
            key=lambda other: BETTER[at] * other[1],
        )
        if BETTER[at] * mine[at] < BETTER[at] * best:
            margins.append(f"{column} by {abs(mine[at] - best):.3f}")
        else:
            worse.append(f"{column} ({name} {best:.3f})")
    if worse:
        return f"The network is not the best in {', '.join(worse)}."
    return f"The network is the best in every column: {', '.join(margins)} before the next."


# ---------------------------------------------------------------- what rests, and time

JITTER = """Mean |change of ln depth| from frame to frame where the picture rests, as estimated and as
[held](steadiness.md). The classical depth remembers the frames before; the network sees each one alone.
"""


def jitter_table(clips: Sequence[Path]) -> str:
    rows = [row(JITTER_COLUMNS), row(["---"] * len(JITTER_COLUMNS))]
    restless = []
    for path in clips:
        clip = load_clip(path, 120)
        images = [to_grid(decode_frame(jpeg), LONG_SIDE_PX) for jpeg in clip.jpegs]
        plain, held = zip(*(jitter(images, infer) for infer in (_classical(), _network())), strict=True)
        rows.append(row([clip.name, len(images), *(f"{100 * value:.3f} %" for value in (*plain, *held))]))
        if held[1] >= held[0]:
            restless.append(clip.name)
    told = f"Held, the network is less still than the classical depth in {', '.join(restless)}." if restless else ""
    return "\n".join([*rows, "", told])


def _classical() -> Callable[[Tensor], Prediction]:
    memory = None

    def infer(image: Tensor) -> Prediction:
        nonlocal memory
        depth, memory = classical.infer_depth(image, memory)
        return Prediction(depth, builtin.intrinsics(*depth.shape), image)

    return infer


def _network() -> Callable[[Tensor], Prediction]:
    estimator = BuiltinEstimator(Settings())
    return lambda image: estimator.estimate(image, wants_gaussians=False)[0]


def jitter(images: Sequence[Tensor], infer: Callable[[Tensor], Prediction]) -> tuple[float, float]:
    """As estimated, as held."""
    state: SteadyState | None = None
    before: tuple[Tensor, Tensor, Tensor] | None = None
    plain: list[float] = []
    held: list[float] = []
    for number, image in enumerate(images):
        prediction = infer(image)
        told, state, _ = steady(prediction, state, SteadyOptions("nothing"))
        if before is not None and number > len(images) // 4:
            rests = _rests(before[0], image)
            for now, then, changes in ((prediction.depth, before[1], plain), (told.depth, before[2], held)):
                changes.append(float((now / then).log().abs()[rests].mean()))
        before = image, prediction.depth.clone(), told.depth.clone()
    return sum(plain) / len(plain), sum(held) / len(held)


def _rests(before: Tensor, now: Tensor) -> Tensor:
    """[H, W] bool."""
    one, other = (
        torch.nn.functional.avg_pool2d(image.permute(2, 0, 1).float(), REST_CELL_PX) for image in (before, now)
    )
    change = (one - other).abs().amax(dim=0)
    return torch.nn.functional.interpolate(change[None, None], now.shape[:2])[0, 0] < REST_LEVELS


TIME = """Milliseconds of processor time of one thread for a frame, p50, with the steps that bring the depth to the
frame's own size; the bar is 20. The smaller grid is the one nearest to 256x192 whose sides are multiples of 14.
"""


def time_table() -> str:
    rows = [row(["", *(f"{width}x{height}" for width, height in GRIDS)]), row(["---"] * (1 + len(GRIDS)))]
    named = predictors()
    for name in ("classical", "network"):
        rows.append(row([name, *(f"{_p50_ms(named[name], width, height):.1f}" for width, height in GRIDS)]))
    return "\n".join(rows)


def start_line() -> str:
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    seconds = sorted(first_splats_s(encode_picture(rgb)) for _ in range(STARTS))
    return f"\nFrom the start of the process to the first splats: {seconds[STARTS // 2]:.1f} s. The bar is 5."


def _p50_ms(predict: Predictor, width: int, height: int) -> float:
    image = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    times = []
    for _ in range(TIMED):
        begin = time.thread_time()
        predict(image)
        times.append((time.thread_time() - begin) * 1e3)
    return percentile(times[TIMED // 4 :], 0.5)


def pictures_section(shown: Sequence[Path]) -> str:
    if not shown:
        return ""
    lines = [f"![{path.stem}](images/builtin-{path.stem}.jpg)" for path in shown]
    about = "A frame, its depth, and the same from 10 degrees aside: above the classical depth, below the network's."
    return "\n".join(["\n## Seen from aside\n", about, "", *lines, ""])


if __name__ == "__main__":
    main()
