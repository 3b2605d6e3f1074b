"""Position: on which side of headings and texts the anchors of a dump stand."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from statistics import median

from slugline_ingest.extractors.text.anchors import Form
from slugline_ingest.extractors.text.labels import looks_like_heading
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.pattern import Pattern, Position

_LINES_LOOKED_AT = 4


def position_of(lines: Sequence[Line], pattern: Pattern, notes: Collection[int]) -> Position:
    """Where the anchors of *pattern* stand; *notes* are lines that are no text."""
    if any(anchor.form is not Form.WHOLE for anchor in pattern.cuts):
        return Position.WITHIN
    cuts = [anchor.index for anchor in pattern.cuts]
    skipped = set(notes) | set(cuts)
    above = _headings(lines, cuts, -1, skipped)
    below = _headings(lines, cuts, 1, skipped)
    tail = sum(1 for i in range(cuts[-1] + 1, len(lines)) if i not in skipped)
    if _is_decided(above, below, len(cuts)):
        is_below = above > below
    else:
        is_below = _first_has_heading(lines, cuts[0], skipped) and tail < _usual_gap(cuts, skipped)
    if is_below and above:
        return Position.BELOW
    return Position.ABOVE if _goes_on(lines, pattern, cuts, tail, skipped) else Position.END


def _is_decided(above: int, below: int, count: int) -> bool:
    return abs(above - below) >= max(1.0, 0.15 * count)


def _headings(lines: Sequence[Line], cuts: Sequence[int], step: int, skipped: set[int]) -> int:
    """In how many entries a heading stands next to the anchor, on the side of *step*."""
    return sum(_heading_beside(lines, index, step, skipped) for index in cuts)


def _heading_beside(lines: Sequence[Line], index: int, step: int, skipped: set[int]) -> bool:
    for distance in range(1, _LINES_LOOKED_AT):
        place = index + step * distance
        if not 0 <= place < len(lines):
            return False
        if place not in skipped:
            return looks_like_heading(lines[place])
    return False


def _first_has_heading(lines: Sequence[Line], index: int, skipped: set[int]) -> bool:
    """Whether the line above the first anchor may be its heading, not the page's title."""
    return index >= 2 and _heading_beside(lines, index, -1, skipped)


def _usual_gap(cuts: Sequence[int], skipped: set[int]) -> float:
    """How many lines of text usually stand between two anchors."""
    gaps = [b - a - 1 - sum(i in skipped for i in range(a + 1, b)) for a, b in _pairs(cuts)]
    return median(gaps) if gaps else 1.0


def _pairs(cuts: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(cuts))


def _goes_on(
    lines: Sequence[Line], pattern: Pattern, cuts: Sequence[int], tail: int, skipped: set[int]
) -> bool:
    """Whether the last anchor has its entry below it, as it has where anchors stand on top."""
    if tail == 0:
        return False
    if not _has_entry_above(lines, cuts[0], skipped):
        return True
    # An entry stands above the first anchor, and something below the last: one is page furniture.
    signed = all(a.people and a.stamp.day for a in pattern.cuts)
    below = [i for i in range(cuts[-1] + 1, len(lines)) if i not in skipped]
    prose = any(not looks_like_heading(lines[i]) for i in below[:6])
    return prose and not signed


def _has_entry_above(lines: Sequence[Line], first: int, skipped: set[int]) -> bool:
    """Whether a heading with a paragraph under it stands between the lead and the first anchor."""
    head = [lines[i] for i in range(first) if i not in skipped]
    pairs = pairwise(head[2:])
    return any(looks_like_heading(a) and not looks_like_heading(b) for a, b in pairs)
