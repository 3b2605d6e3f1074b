"""Notes: lines of times, dates and names that cut nothing but say something of an entry."""

from collections.abc import Mapping, Sequence

from slugline_ingest.extractors.text.anchors import Anchor, Form, Kind
from slugline_ingest.extractors.text.labels import looks_like_heading
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.names import people_of
from slugline_ingest.extractors.text.pattern import Pattern
from slugline_ingest.extractors.text.signatures import name_lines
from slugline_ingest.extractors.text.stamps import Stamp

#: How far down the page's own date may stand.
_HEAD = 5
_NOTED = (Kind.CLOCK, Kind.EPOCH, Kind.RELATIVE, Kind.UPDATED, Kind.BYLINE)


def notes_beside(
    anchors: Sequence[Anchor], pattern: Pattern, lines: Sequence[Line]
) -> dict[int, Anchor]:
    """The lines that are notes where *pattern* cuts, by index."""
    cuts = {anchor.index for anchor in pattern.cuts}
    notes = {
        a.index: a for a in anchors if a.index not in cuts and a.index < len(lines) and _is_note(a)
    }
    for anchor in anchors:
        # A date parts days only where an entry begins below it; elsewhere it is text.
        near = {anchor.index - 1, anchor.index + 1, anchor.index + 2}
        if _is_date(anchor) and near & cuts:
            notes[anchor.index] = anchor
    first = pattern.cuts[0].index
    notes |= {a.index: a for a in anchors if a.index < first and _is_date(a)}
    writers = {name for a in (*pattern.cuts, *notes.values()) for name in a.people}
    for index in name_lines(lines, pattern.cuts, notes, writers):
        people = people_of(lines[index].text)
        notes[index] = Anchor(index=index, kind=Kind.BYLINE, form=Form.WHOLE, people=people)
    return notes


def lone_notes(anchors: Sequence[Anchor], lines: Sequence[Line]) -> dict[int, Anchor]:
    """The lines that are notes where nothing cuts, by index."""
    within = [a for a in anchors if a.index < len(lines)]
    notes = {a.index: a for a in within if _is_note(a) or _parts_days(a, lines)}
    dates = [a for a in within if _is_date(a) and a.index not in notes]
    # One date alone under the title is the page's; of several each may head a part of its text.
    if len(dates) == 1 and dates[0].index <= _HEAD:
        notes[dates[0].index] = dates[0]
    return notes


def _is_note(anchor: Anchor) -> bool:
    return anchor.form is Form.WHOLE and anchor.kind in _NOTED


def _is_date(anchor: Anchor) -> bool:
    return anchor.kind is Kind.DATE and anchor.form is Form.WHOLE


def _parts_days(anchor: Anchor, lines: Sequence[Line]) -> bool:
    below = lines[anchor.index + 1 : anchor.index + 2]
    return _is_date(anchor) and any(map(looks_like_heading, below))


def days_of(cuts: Sequence[Anchor], notes: Mapping[int, Anchor]) -> list[Stamp | None]:
    """For each of *cuts* the date line that stands above it, if dates part the days."""
    dates = sorted(i for i, note in notes.items() if note.kind is Kind.DATE)
    first = cuts[0].index if cuts else 0
    # One date above all entries is the page's own.
    if not any(i > first for i in dates):
        return [None] * len(cuts)
    days: list[Stamp | None] = []
    latest, position = None, 0
    for cut in cuts:
        while position < len(dates) and dates[position] < cut.index:
            latest = notes[dates[position]].stamp
            position += 1
        days.append(latest)
    return days
