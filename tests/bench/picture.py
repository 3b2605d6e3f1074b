"""Growth curves as an SVG picture: logarithmic axes, wide enough for print, narrow enough for a phone.

Written here because it is a hundred lines, looks the same everywhere and needs no plotting library.
"""

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

from tests.bench.report import Curve

#: Pixels: the whole picture, and the margins around the plot (left, right, top, bottom).
WIDTH, HEIGHT = 640, 480
LEFT, RIGHT, TOP, BOTTOM = 72, 40, 80, 64
#: And of each line of the legend.
LEGEND = 26
#: Of lines: told apart by people who see few colours too, and by their marks.
COLOURS = ("#0b5cad", "#c4451c", "#2f7d32", "#7b3fa0", "#8a6d00")
_STYLE = (
    "text{font:15px system-ui,sans-serif;fill:#222}.title{font-size:18px;font-weight:600}"
    ".grid{stroke:#ddd}.axis{stroke:#444}"
)


class Scale:
    """A logarithmic axis over whole powers of ten, from *start* to *end* pixels."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        known = list(values)
        self._low, high = floor(log10(min(known))), ceil(log10(max(known)))
        self._high = max(high, self._low + 1)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """The pixel of *value*."""
        share = (log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        """The powers of ten on the axis."""
        return [10.0**power for power in range(self._low, self._high + 1)]


def draw(curves: Sequence[Curve], title: str) -> str:
    """*curves*, which have the same axes, as an SVG document."""
    legend = LEGEND * len(curves)
    x = Scale((v for c in curves for v in c.x), LEFT, WIDTH - RIGHT)
    y = Scale((v for c in curves for v in c.y), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text class="title" x="{WIDTH / 2}" y="30" text-anchor="middle">{escape(title)}</text>',
        *_grid(x, y),
        *_labels(curves[0]),
        *(part for n, curve in enumerate(curves) for part in _line(curve, n, x, y)),
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT + legend}" width="{WIDTH}" height="{HEIGHT + legend}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    )
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", ground, *parts, "</svg>", ""])


def _grid(x: Scale, y: Scale) -> Iterable[str]:
    for value in x.ticks:
        at = x.at(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{value:,g}</text>'
    for value in y.ticks:
        at = y.at(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 5:.1f}" text-anchor="end">{value:,g}</text>'


def _labels(curve: Curve) -> Iterable[str]:
    bottom, middle = HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) / 2
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>'
    yield f'<text x="{middle}" y="{bottom + 46}" text-anchor="middle">{escape(curve.x_label)}</text>'
    yield f'<text x="16" y="{TOP - 20}">{escape(curve.y_label)}</text>'


def _line(curve: Curve, number: int, x: Scale, y: Scale) -> Iterable[str]:
    colour = COLOURS[number % len(COLOURS)]
    points = [(x.at(a), y.at(b)) for a, b in zip(curve.x, curve.y, strict=True)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
    yield from (_mark(number, a, b, colour) for a, b in points)
    below = HEIGHT + LEGEND * number + 12
    yield _mark(number, LEFT + 8, below - 5, colour)
    yield f'<text x="{LEFT + 24}" y="{below}">{escape(curve.name)}</text>'


def _mark(number: int, a: float, b: float, colour: str) -> str:
    shape = (
        "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
        "M-5-5h10v10h-10z",
        "M0-6l6 11h-12z",
        "M0-7l6 7-6 7-6-7z",
    )
    place = f"translate({a:.1f} {b:.1f})"
    return f'<path d="{shape[number % len(shape)]}" transform="{place}" fill="{colour}"/>'
