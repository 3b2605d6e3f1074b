"""Anchored: a dump cut into entries where its times or bylines stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slugline_ingest.extractors.text.anchors import Anchor, Form, Kind
from slugline_ingest.extractors.text.captions import is_gallery_title
from slugline_ingest.extractors.text.labels import Reading, Role, label, looks_like_heading
from slugline_ingest.extractors.text.lines import Line, line_of
from slugline_ingest.extractors.text.names import people_of
from slugline_ingest.extractors.text.pattern import Pattern, Position
from slugline_ingest.extractors.text.pieces import Piece, flags_of
from slugline_ingest.extractors.text.traits import End

_LONGEST_TITLE = 260
_SHORT_FIRST_LINE = 150


@dataclass(frozen=True, slots=True)
class Segment:
    """One anchor's share of a dump: what stands on its line, and the lines that are its own."""

    cut: Anchor
    title: Line | None
    lines: tuple[Line, ...]
    notes: tuple[Anchor, ...]


def segments_of(
    lines: Sequence[Line], pattern: Pattern, position: Position, notes: Mapping[int, Anchor]
) -> tuple[int, list[Segment]]:
    """Where the first entry begins, and the entries. *notes* are lines to be read as metadata."""
    merged = _merged(pattern.cuts, notes)
    cutter = {
        Position.BELOW: _cut_below,
        Position.END: _cut_end,
        Position.ABOVE: _cut_above,
        Position.WITHIN: _cut_within,
    }[position]
    return cutter(lines, merged, notes)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Neighbouring anchors taken as one, from line *start* to line *end* inclusive."""

    anchor: Anchor
    start: int
    end: int
    extra: tuple[Anchor, ...]


def _merged(cuts: Sequence[Anchor], notes: Mapping[int, Anchor]) -> list[_Cut]:
    """*cuts*, where anchors without any text between them count as one: `11.08am`, `11:08`."""
    groups: list[list[Anchor]] = []
    for anchor in cuts:
        whole = anchor.form is Form.WHOLE
        if (
            groups
            and whole
            and all(i in notes for i in range(groups[-1][-1].index + 1, anchor.index))
        ):
            groups[-1].append(anchor)
        else:
            groups.append([anchor])
    return [_Cut(g[0], g[0].index, g[-1].index, tuple(g[1:])) for g in groups]


def _segment(
    lines: Sequence[Line],
    notes: Mapping[int, Anchor],
    cut: _Cut,
    span: range,
    title: Line | None = None,
) -> Segment:
    text = tuple(lines[i] for i in span if i not in notes)
    found = tuple(notes[i] for i in span if i in notes)
    return Segment(cut.anchor, title, text, (*cut.extra, *found))


def _cut_above(
    lines: Sequence[Line], cuts: Sequence[_Cut], notes: Mapping[int, Anchor]
) -> tuple[int, list[Segment]]:
    ends = [cut.start for cut in cuts[1:]] + [len(lines)]
    segments = []
    for cut, end in zip(cuts, ends, strict=True):
        span = range(cut.end + 1, end)
        segment = _without_signature(_segment(lines, notes, cut, span))
        segments.append(_with_title(segment, signed=_is_signed_below(span, notes)))
    return cuts[0].start, segments


def _without_signature(segment: Segment) -> Segment:
    """*segment*, a name that stands alone under its last sentence taken for its writer."""
    if len(segment.lines) < 3 or segment.lines[-2].traits.end is not End.STOP:
        return segment
    people = people_of(segment.lines[-1].text)
    if not people:
        return segment
    byline = Anchor(index=-1, kind=Kind.BYLINE, form=Form.WHOLE, people=people)
    return replace(segment, lines=segment.lines[:-1], notes=(*segment.notes, byline))


def _is_signed_below(span: range, notes: Mapping[int, Anchor]) -> bool:
    """Whether a byline stands between the first line of text in *span* and the next."""
    first = next((i for i in span if i not in notes), span.stop)
    below = notes.get(first + 1)
    return below is not None and bool(below.people) and first + 2 < span.stop


def _with_title(segment: Segment, *, signed: bool = False) -> Segment:
    """*segment*, its first line taken for its heading if it looks like one or is *signed* below."""
    if not segment.lines:
        return segment
    first, rest = segment.lines[0], segment.lines[1:]
    long = first.traits.end is End.NONE and not first.traits.bulleted and bool(rest)
    likely = long or signed or is_gallery_title(first.text)
    if looks_like_heading(first) or (likely and first.traits.width <= _LONGEST_TITLE):
        return replace(segment, title=first, lines=rest)
    return segment


def _cut_below(
    lines: Sequence[Line], cuts: Sequence[_Cut], notes: Mapping[int, Anchor]
) -> tuple[int, list[Segment]]:
    heads = []
    floor = 0
    for cut in cuts:
        heads.append(_heading_above(lines, cut.start, floor, notes))
        floor = cut.end + 1
    starts = [cut.start if h is None else h for cut, h in zip(cuts, heads, strict=True)]
    segments = []
    for cut, head, end in zip(cuts, heads, [*starts[1:], len(lines)], strict=True):
        title = None if head is None else lines[head]
        before = range(cut.start if head is None else head + 1, cut.start)
        extra = (*cut.extra, *(notes[i] for i in before if i in notes))
        span = range(cut.end + 1, end)
        segments.append(
            _segment(lines, notes, _Cut(cut.anchor, cut.start, cut.end, extra), span, title)
        )
    return starts[0], segments


def _heading_above(
    lines: Sequence[Line], start: int, floor: int, notes: Mapping[int, Anchor]
) -> int | None:
    for index in range(start - 1, floor - 1, -1):
        if index not in notes:
            line = lines[index]
            long = line.traits.end is End.NONE and line.traits.width <= _LONGEST_TITLE
            return index if looks_like_heading(line) or (long and index > floor) else None
    return None


def _cut_end(
    lines: Sequence[Line], cuts: Sequence[_Cut], notes: Mapping[int, Anchor]
) -> tuple[int, list[Segment]]:
    begins = [_first_entry(lines, cuts[0].start, notes)] + [cut.end + 1 for cut in cuts[:-1]]
    segments = [
        _with_title(_segment(lines, notes, cut, range(begin, cut.start)))
        for cut, begin in zip(cuts, begins, strict=True)
    ]
    tail = _segment(lines, notes, cuts[-1], range(cuts[-1].end + 1, len(lines)))
    last = segments[-1]
    segments[-1] = Segment(last.cut, last.title, last.lines + tail.lines, last.notes + tail.notes)
    return begins[0], segments


def _first_entry(lines: Sequence[Line], end: int, notes: Mapping[int, Anchor]) -> int:
    """Where the first entry begins if its anchor is under it: at the last heading above *end*."""
    text = [i for i in range(end) if i not in notes]
    for index in reversed(text[1:]):
        if looks_like_heading(lines[index]):
            return index
    return text[-1] if text else 0


def _cut_within(
    lines: Sequence[Line], cuts: Sequence[_Cut], notes: Mapping[int, Anchor]
) -> tuple[int, list[Segment]]:
    headed = _are_headings([cut.anchor for cut in cuts])
    starts = [cut.start - _has_heading_above(lines, cuts, n, headed) for n, cut in enumerate(cuts)]
    segments = []
    for cut, start, end in zip(cuts, starts, [*starts[1:], len(lines)], strict=True):
        segment = _segment(lines, notes, cut, range(cut.end + 1, end))
        segments.append(_with_own_text(segment, lines, cut, start, headed=headed))
    return starts[0], segments


def _are_headings(anchors: Sequence[Anchor]) -> bool:
    """Whether short sentences behind the times are headings too, since most are as short."""
    texts = [line_of(a.text) for a in anchors if a.text]
    short = [t for t in texts if t.traits.width <= _SHORT_FIRST_LINE and t.traits.sentences == 1]
    return len(short) >= 0.7 * len(texts)


def _has_heading_above(
    lines: Sequence[Line], cuts: Sequence[_Cut], number: int, headed: bool
) -> bool:
    """Whether the line above an anchor with a paragraph behind it is that entry's heading."""
    cut = cuts[number]
    above = cut.start - 1
    floor = cuts[number - 1].end if number else 1
    if headed or above <= floor or not looks_like_heading(lines[above]):
        return False
    return lines[above].traits.words >= 3 and lines[above - 1].traits.end is End.STOP


def _with_own_text(
    segment: Segment, lines: Sequence[Line], cut: _Cut, start: int, *, headed: bool
) -> Segment:
    """*segment* with what stands on the line of its anchor: its heading or its first paragraph."""
    if cut.anchor.form is Form.WHOLE:
        return _with_title(segment)
    own = line_of(cut.anchor.text.rstrip(" +|") or cut.anchor.text)
    is_title = start == cut.start and _may_head(own, segment, headed=headed)
    if cut.anchor.kind is Kind.MINUTE:
        # The minute of a match is no time of day: it stays with the text.
        own = lines[cut.start]
    if start < cut.start:
        return Segment(segment.cut, lines[start], (own, *segment.lines), segment.notes)
    if is_title:
        return Segment(segment.cut, own, segment.lines, segment.notes)
    return Segment(segment.cut, None, (own, *segment.lines), segment.notes)


def _may_head(own: Line, segment: Segment, *, headed: bool) -> bool:
    if looks_like_heading(own):
        return True
    one = own.traits.sentences == 1 and own.traits.width <= _LONGEST_TITLE
    return bool(headed and one and segment.lines)


def pieces_of(segments: Sequence[Segment]) -> list[Piece]:
    """What each of *segments* holds, line by line."""
    return [_piece(segment) for segment in segments]


def _piece(segment: Segment) -> Piece:
    title, lines = segment.title, list(segment.lines)
    flags, lines = flags_of(lines if title is None else [title, *lines])
    if title is not None:
        title, lines = (lines[0], lines[1:]) if lines else (None, [])
    roles = label(lines, Reading(headings=False), heading=title.text if title else "")
    rows = tuple(zip(roles, lines, strict=True))
    return Piece(
        title=title.text if title else None,
        rows=tuple((Role.TEXT if role is Role.LEAD else role, line) for role, line in rows),
        anchors=(segment.cut, *segment.notes),
        flags=flags,
    )
