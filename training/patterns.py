"""A bank of small pictures that materials are drawn with: noise, cloth, wood, tiles, print, screens, views.

Each is a tile whose edges fit together, in three sizes, so that what is far away does not flicker. Seeded; knows no
scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE_PX = 128
SIDES_PX = (128, 32, 8)  # of the same pattern, for pixels that cover more and more of it


@dataclass(frozen=True, eq=False)
class Bank:
    texels: Tensor  # [3, T] f32 in 0..1: the pattern, the size, then rows and columns
    firsts: tuple[int, ...]  # of each size, where its patterns begin


def bank_of(seed: int, device: torch.device) -> Bank:
    """All kinds of KINDS, in that order."""
    generator = torch.Generator().manual_seed(seed)
    large = torch.stack([draw(generator).expand(3, SIDE_PX, SIDE_PX) for _, draw in KINDS]).clamp(0, 1)
    sizes = [F.avg_pool2d(large, SIDE_PX // side) for side in SIDES_PX]
    firsts = [0]
    for size in sizes[:-1]:
        firsts.append(firsts[-1] + size[:, 0].numel())
    texels = torch.cat([size.permute(1, 0, 2, 3).reshape(3, -1) for size in sizes], dim=1)
    return Bank(texels.contiguous().to(device), tuple(firsts))


def _number(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _whole(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _grid() -> tuple[Tensor, Tensor]:
    """x and y in 0..1, [S, S]."""
    line = (torch.arange(SIDE_PX) + 0.5) / SIDE_PX
    return line.expand(SIDE_PX, SIDE_PX), line[:, None].expand(SIDE_PX, SIDE_PX)


def _noise(generator: torch.Generator, roughness: float, channels: int = 1) -> Tensor:
    """Noise with the spectrum 1 / f^roughness, [C, S, S], mean 0.5."""
    frequency = torch.fft.fftfreq(SIDE_PX) * SIDE_PX
    length = (frequency[:, None] ** 2 + frequency[None] ** 2).sqrt()
    length[0, 0] = 1
    white = torch.randn(channels, SIDE_PX, SIDE_PX, generator=generator)
    spectrum = torch.fft.fft2(white) / length**roughness
    spectrum[:, 0, 0] = 0
    noise = torch.fft.ifft2(spectrum).real
    return 0.5 + 0.2 * noise / noise.std().clamp(min=1e-6)


def _cloudy(generator: torch.Generator) -> Tensor:
    return _noise(generator, _number(generator, 1.2, 2.0), 3)


def _rough(generator: torch.Generator) -> Tensor:
    return _noise(generator, _number(generator, 0.4, 1.1), 3)


def _coloured(generator: torch.Generator) -> Tensor:
    """What a photograph looks like from afar."""
    light = _noise(generator, _number(generator, 1.0, 1.8)) - 0.5
    tint = _noise(generator, _number(generator, 1.2, 2.0), 3) - 0.5
    base = 0.3 + 0.4 * torch.rand(3, 1, 1, generator=generator)
    return base + light * 1.3 + tint * _number(generator, 0.2, 1.2)


def _stripes(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    across, along = _whole(generator, 0, 10), _whole(generator, 0, 10)
    wave = torch.sin(2 * math.pi * ((across or 4) * x + along * y * (across > 5)))
    return (wave * _number(generator, 1, 8) + _number(generator, -0.5, 0.5)).sigmoid()[None]


def _plaid(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    count = _whole(generator, 2, 6)
    rows, columns = ((torch.sin(2 * math.pi * count * axis) * 3).sigmoid() for axis in (y, x))
    thin = ((x * count * 2) % 1 < 0.08) | ((y * count * 2) % 1 < 0.08)
    return ((rows + columns) / 2 * (1 - 0.5 * thin.float()))[None]


def _checks(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    count = 2 * _whole(generator, 1, 4)
    return (((x * count).floor() + (y * count).floor()) % 2)[None]


def _bricks(generator: torch.Generator) -> Tensor:
    """Rows of stones with joints, each second row shifted; also tiles and planks."""
    x, y = _grid()
    rows, columns = _whole(generator, 2, 10), _whole(generator, 1, 5)
    row = (y * rows).floor()
    at = x * columns + (row % 2) * 0.5
    stone = (at.floor() % columns) * 31 + row * 17
    shade = 0.55 + 0.4 * ((torch.sin(stone * 12.9898) * 43758.5453) % 1)
    joint = ((at % 1) < 0.03 * columns) | ((y * rows) % 1 < 0.02 * rows)
    grain = (_noise(generator, 1.0) - 0.5) * 0.4
    return torch.where(joint, torch.tensor(_number(generator, 0, 0.7)), shade + grain[0])[None]


def _wood(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    bend = _noise(generator, 1.8)[0] * _number(generator, 0.5, 2)
    rings = torch.sin(2 * math.pi * (_whole(generator, 3, 9) * x + bend))
    return (0.5 + 0.25 * rings + 0.8 * (_noise(generator, 0.8)[0] - 0.5) * (y * 0 + 1))[None]


def _dots(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    count = _whole(generator, 2, 8)
    away = ((x * count) % 1 - 0.5) ** 2 + ((y * count) % 1 - 0.5) ** 2
    return ((_number(generator, 0.02, 0.12) - away) * 60).sigmoid()[None]


def _print(generator: torch.Generator) -> Tensor:
    """Lines of words on paper, or books on a shelf when it is turned."""
    paper = torch.ones(SIDE_PX, SIDE_PX)
    line_px = _whole(generator, 4, 10)
    for top in range(line_px, SIDE_PX - line_px, 2 * line_px):
        left = line_px
        while left < SIDE_PX - 2 * line_px:
            width = _whole(generator, line_px // 2, 3 * line_px)
            paper[top : top + line_px, left : left + width] = _number(generator, 0, 0.5)
            left += width + line_px // 2
    return paper[None] if _number(generator, 0, 1) < 0.6 else paper.T[None]


def _spines(generator: torch.Generator) -> Tensor:
    """Books beside each other on two boards."""
    picture = torch.zeros(3, SIDE_PX, SIDE_PX)
    for shelf in (0, SIDE_PX // 2):
        left = 0
        while left < SIDE_PX:
            width, gap = _whole(generator, 4, 12), _whole(generator, 3, 20)
            colour = torch.rand(3, 1, 1, generator=generator) * 0.9
            picture[:, shelf + gap : shelf + SIDE_PX // 2 - 3, left : left + width] = colour
            left += width
    return picture


def _screen(generator: torch.Generator) -> Tensor:
    """Windows and blocks of colour, as on a display or a poster."""
    picture = torch.rand(3, 1, 1, generator=generator).expand(3, SIDE_PX, SIDE_PX).clone()
    for _ in range(_whole(generator, 3, 14)):
        top, left = (_whole(generator, 0, SIDE_PX - 8) for _ in range(2))
        height, width = (_whole(generator, 4, SIDE_PX // 2) for _ in range(2))
        part = picture[:, top : top + height, left : left + width]
        if _number(generator, 0, 1) < 0.35:
            part[:] = _coloured(generator)[:, : part.shape[1], : part.shape[2]]
        else:
            part[:] = torch.rand(3, 1, 1, generator=generator)
    return picture


def _view(generator: torch.Generator) -> Tensor:
    """A bright sky above what may be trees or houses: what a window shows."""
    _, y = _grid()
    horizon = _number(generator, 0.35, 0.9) + (_noise(generator, 1.6)[0, :1] - 0.5) * 0.4
    sky = torch.tensor([0.75, 0.85, 1.0])[:, None, None] * (1 - 0.3 * y) + (_noise(generator, 1.8) - 0.5) * 0.3
    low = torch.rand(3, 1, 1, generator=generator) * 0.5 + (_noise(generator, 0.9) - 0.5) * 0.5
    return torch.where(y < horizon, sky, low)


def _plain_view(generator: torch.Generator) -> Tensor:
    """Overexposed: nearly white."""
    return 0.92 + (_noise(generator, 1.8, 3) - 0.5) * 0.2


def _leaves(generator: torch.Generator) -> Tensor:
    rough = _noise(generator, 0.7)
    return ((rough - 0.5) * 6).sigmoid()


def _knit(generator: torch.Generator) -> Tensor:
    x, y = _grid()
    count = _whole(generator, 12, 24)
    mesh = torch.sin(2 * math.pi * count * x) * torch.sin(2 * math.pi * count * y)
    return (0.5 + 0.15 * mesh + (_noise(generator, 1.5)[0] - 0.5) * 0.6)[None]


_GROUPS: tuple[tuple[str, Callable[[torch.Generator], Tensor], int], ...] = (
    ("cloudy", _cloudy, 4), ("rough", _rough, 3), ("knit", _knit, 2), ("wood", _wood, 4), ("bricks", _bricks, 4),
    ("stripes", _stripes, 4), ("plaid", _plaid, 2), ("checks", _checks, 2), ("dots", _dots, 2), ("leaves", _leaves, 2),
    ("print", _print, 4), ("photo", _coloured, 4), ("screen", _screen, 6), ("spines", _spines, 3), ("view", _view, 4),
    ("plain view", _plain_view, 1),
)  # fmt: skip
KINDS = tuple((name, draw) for name, draw, count in _GROUPS for _ in range(count))
CLOUDY = 0  # the pattern that bumps are made of
NUMBERS: dict[str, tuple[int, ...]] = {
    name: tuple(i for i, (kind, _) in enumerate(KINDS) if kind == name) for name, _, _ in _GROUPS
}
COLOURED = frozenset(("photo", "screen", "spines", "view", "plain view"))  # patterns with colours of their own
