"""Curves over time as an SVG: a panel for each kind of measurement, and a line where a fault was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

#: Sizes in pixels.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 230, 60, 190, 34, 30
COLOURS = ("#0b6fa4", "#c8553d", "#2e7d32", "#8e44ad", "#b8860b", "#37474f", "#d81b60", "#00897b")
GRID = "#d8d8d8"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One picture of several: curves by name, in one unit."""

    title: str
    curves: Mapping[str, Points]


def picture(panels: Sequence[Panel], marks: Sequence[tuple[float, str]], title: str) -> str:
    """*panels* below each other over the same time in seconds; *marks* say when what happened."""
    ends = [at for panel in panels for points in panel.curves.values() for at, _ in points]
    end = max(ends, default=1.0) or 1.0
    height = HEIGHT * len(panels) + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _drawn(panel, marks, TOP + HEIGHT * number, end)
    return "\n".join([*parts, "</svg>"])


def _drawn(
    panel: Panel, marks: Sequence[tuple[float, str]], top: float, end: float
) -> Iterator[str]:
    highest = max((v for points in panel.curves.values() for _, v in points), default=1.0) or 1.0
    highest *= 1.05
    inner, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at: float) -> float:
        return round(LEFT + at / end * inner, 1)

    def y(value: float) -> float:
        return round(top + TOP + (1 - value / highest) * tall, 1)

    yield f'<text x="{LEFT}" y="{top + TOP - 8}" font-weight="bold">{escape(panel.title)}</text>'
    for at, what in marks:
        yield f'<line x1="{x(at)}" x2="{x(at)}" y1="{y(highest)}" y2="{y(0)}" stroke="#f3c1b7"><title>{escape(what)}</title></line>'
    for share in (0.0, 0.5, 1.0):
        value = highest * share
        yield f'<line x1="{LEFT}" x2="{LEFT + inner}" y1="{y(value)}" y2="{y(value)}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:.4g}</text>'
        minute = end * share / 60
        yield f'<text x="{x(end * share)}" y="{y(0) + 15}" text-anchor="middle">{minute:.3g} min</text>'
    for number, (name, points) in enumerate(sorted(panel.curves.items())):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(at)},{y(value)}" for at, value in points)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'
        label = top + TOP + 12 + 14 * number
        yield f'<text x="{LEFT + inner + 8}" y="{label}" fill="{colour}">{escape(name)}</text>'
