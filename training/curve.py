"""What a training has reached, from its table of figures: an SVG that needs no library to be drawn."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 300, 50
COLOURS = ("#2266cc", "#cc5522", "#228855", "#884488")


def draw(table: Path, picture: Path, columns: Sequence[str], against: str = "pictures") -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < 2:
        return
    x = [float(row[against]) for row in rows]
    lines = {name: [float(row[name]) for row in rows] for name in columns}
    picture.write_text(svg(x, lines, against), encoding="utf-8")


def svg(x: Sequence[float], lines: Mapping[str, Sequence[float]], label: str) -> str:
    top = max(max(values) for values in lines.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{MARGIN} {MARGIN / 2}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" stroke="#999"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}">{label}: 0 to {x[-1]:,.0f}</text>',
        f'<text x="4" y="{MARGIN / 2 + 4}">{top:.2f}</text><text x="30" y="{HEIGHT - MARGIN}">0</text>',
    ]
    for number, (name, values) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{_across(a, x[-1]):.1f},{_up(b, top):.1f}" for a, b in zip(x, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{WIDTH - 150}" y="{MARGIN + 16 * number}" fill="{colour}">{name} {values[-1]:.3f}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _across(value: float, most: float) -> float:
    return MARGIN + (WIDTH - 2 * MARGIN) * value / most


def _up(value: float, most: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 1.5 * MARGIN) * value / most
