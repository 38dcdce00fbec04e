"""Trains the built-in model's network on scenes without end. Goes on where it was stopped.

python -m training.train FOLDER --steps 20000                           (see training/README.md for recipes)

FOLDER gets checkpoint.pt, builtin.safetensors, figures.csv and figures.svg.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from splatcam.engine.heap import keep_freed_memory
from splatcam.estimators.depth_net import DepthNet
from training import export, losses
from training.curve import draw
from training.figures import Figures, judged
from training.generator import Batch, Packed, Wanted, compile_generator, make_batch, pack, render, wanted_for

HELD_OUT_SEED = 1 << 60  # of scenes that training never comes to
HELD_OUT = 48
WARM_UP = 0.02  # of the training
SMALL = 2 / 3  # scale of the pictures that training begins with
LAST_RATE = 0.01  # of the first
LONGEST_STEP_S = 60  # longer ones were not spent training: the process was stopped for a while


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out."""

    steps: int
    scenes: int
    pairs: int
    rate: float
    seed: int
    small_steps: int  # with smaller pictures, at the beginning
    minutes: (
        float  # 0: as long as it takes; else the schedule is one of time, and how far it gets depends on the machine
    )


class Scenes(Dataset[Packed]):
    """The batches of a training by step."""

    def __init__(self, recipe: Recipe, first: int) -> None:
        self._recipe = recipe
        self._first = first

    def __len__(self) -> int:
        return self._recipe.steps - self._first

    def __getitem__(self, index: int) -> Packed:
        r, step = self._recipe, self._first + index
        return pack(wanted_for(step, r.scenes, r.pairs, r.seed, SMALL if step < r.small_steps else 1.0))


class Training:
    """Network, its running average, optimiser, and how far it is."""

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.device = recipe, folder, device
        self.net = export.trained_net().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=recipe.rate, weight_decay=0.01)
        self.step = 0
        self.seconds = 0.0

    @property
    def progress(self) -> float:
        by_time = self.seconds / (60 * self.recipe.minutes) if self.recipe.minutes else 0.0
        return min(1.0, max(self.step / self.recipe.steps, by_time))

    def rate(self) -> float:
        """Up in a line, down in half a cosine."""
        if self.progress < WARM_UP:
            return self.recipe.rate * (0.05 + 0.95 * self.progress / WARM_UP)
        down = (self.progress - WARM_UP) / (1 - WARM_UP)
        return self.recipe.rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * down)))

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            answer = self.net(batch.rgb.contiguous(memory_format=torch.channels_last)).float()
        pairs_of = torch.Generator(self.device).manual_seed(self.recipe.seed + self.step)
        named = losses.terms(answer, batch, pairs_of)
        loss = losses.total(named, losses.Weights())
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return {name: value.detach() for name, value in (("loss", loss), *named.items())}

    @torch.no_grad()
    def _follow(self) -> None:
        """The running average; young ones follow faster."""
        keep = min(0.9993, (1 + self.step) / (20 + self.step))
        for mine, theirs in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)

    def save(self) -> None:
        """Raises ValueError where the training has run away."""
        state = {
            "net": self.net.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimiser": self.optimiser.state_dict(), "seconds": self.seconds,
        }  # fmt: skip
        # Weights first: where they are no numbers any more, the checkpoint before is what to go on from.
        export.save(export.folded(copy.deepcopy(self.average).cpu()), self.folder / "builtin.safetensors", self.step)
        new = self.folder / "checkpoint.new"
        torch.save(state, new)
        os.replace(new, self.folder / "checkpoint.pt")

    def resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]


@torch.no_grad()
def examined(net: DepthNet, held_out: Batch) -> Figures:
    net.eval()
    answers = torch.cat([net(rgb[None]) for rgb in held_out.rgb]).float().cpu()
    return Figures.mean(
        [judged(a, d) for a, d in zip(answers, held_out.depth.cpu().clamp(max=losses.FARTHEST_M), strict=True)]
    )


def batches(recipe: Recipe, first: int, workers: int) -> Iterator[Packed]:
    scenes = Scenes(recipe, first)
    if not workers:
        return (scenes[number] for number in range(len(scenes)))
    return iter(DataLoader(scenes, batch_size=None, num_workers=workers, prefetch_factor=4))


def train(training: Training, workers: int, every: int, examined_on: int = HELD_OUT) -> None:
    held_out = make_batch(Wanted(HELD_OUT_SEED, examined_on), training.device)
    bar = tqdm(total=training.recipe.steps, initial=training.step, smoothing=0.02, mininterval=5)
    before = time.monotonic()
    means: dict[str, Tensor] = {}
    for packed in batches(training.recipe, training.step, workers):
        training.net.train()
        for name, value in training.learn(render(packed, training.device)).items():
            means[name] = torch.lerp(means.get(name, value), value, 0.02)
        now = time.monotonic()
        training.seconds += min(now - before, LONGEST_STEP_S)
        before = now
        bar.update()
        if training.step % every == 0 or training.progress >= 1:
            figures = examined(training.average, held_out)
            _note(training, {name: float(value) for name, value in means.items()}, figures)
            training.save()
            bar.set_postfix_str(f"loss {float(means['loss']):.3f} AbsRel {figures.abs_rel:.3f} d1 {figures.delta1:.3f}")
        if training.progress >= 1:
            break
    bar.close()


def _note(training: Training, means: dict[str, float], figures: Figures) -> None:
    """A line of figures.csv, and the picture of all of them."""
    path, recipe = training.folder / "figures.csv", training.recipe
    values = {
        "step": training.step, "pictures": training.step * (recipe.scenes + recipe.pairs),
        "minutes": round(training.seconds / 60, 1), **{name: round(value, 4) for name, value in means.items()},
        "AbsRel": round(figures.abs_rel, 4), "delta1": round(figures.delta1, 4), "order": round(figures.order, 4),
        "edges": round(figures.edges, 4),
    }  # fmt: skip
    rows = _rows_before(training.step, path)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, values)
        writer.writeheader()
        writer.writerows([*rows, values])
    draw(path, training.folder / "figures.svg", ("loss", "AbsRel", "delta1", "order"))


def _rows_before(step: int, path: Path) -> list[dict[str, str]]:
    """Without those of a training that was stopped after the checkpoint that this one goes on from."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) < step]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--scenes", type=int, default=12, help="in each batch")
    parser.add_argument("--pairs", type=int, default=4, help="scenes of a batch that are seen twice")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small-steps", type=int, default=12_000, help="first steps, with smaller pictures")
    parser.add_argument("--minutes", type=float, default=0, help="end after this time, whatever was reached")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=0, help="processes that sample scenes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="slow kernels at once instead of fast ones later")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.device == "cpu":
        torch.set_num_threads(1)
    keep_freed_memory()
    torch.backends.cudnn.benchmark = True
    compile_generator(not given.no_compile)
    recipe = Recipe(given.steps, given.scenes, given.pairs, given.rate, given.seed, given.small_steps, given.minutes)
    training = Training(recipe, given.folder, torch.device(given.device))
    training.resume()
    train(training, given.workers, given.every)


if __name__ == "__main__":
    main()
