"""Reader: the steps from a dump to a snapshot, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from slugline.entry import Confidence
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text.anchored import pieces_of, segments_of
from slugline_ingest.extractors.text.anchors import Anchor, anchors_of
from slugline_ingest.extractors.text.boilerplate import without_appeals, without_boilerplate
from slugline_ingest.extractors.text.head import Head, is_live_title, split_head, without_teasers
from slugline_ingest.extractors.text.language import language_of
from slugline_ingest.extractors.text.lines import Line, read_lines
from slugline_ingest.extractors.text.live import are_entries, is_live_shape, is_page
from slugline_ingest.extractors.text.notes import days_of, lone_notes, notes_beside
from slugline_ingest.extractors.text.pattern import choose_pattern, with_names_settled
from slugline_ingest.extractors.text.pieces import Piece, entry_of
from slugline_ingest.extractors.text.position import position_of
from slugline_ingest.extractors.text.shaped import shape_of
from slugline_ingest.extractors.text.stamps import Stamp
from slugline_ingest.extractors.text.tail import tail_start
from slugline_ingest.extractors.text.times import Frame, changed_at, order_of, place
from slugline_ingest.snapshot import Order, Snapshot, SnapshotEntry

_HEAD = 40


@dataclass(frozen=True, slots=True)
class _Found:
    """What a dump was found to hold, and the stamps of its *pieces*, one each."""

    head: Head
    lead: tuple[Line, ...]
    pieces: tuple[Piece, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    confidence: Confidence = Confidence.LOW


def read_page(document: Document) -> Snapshot:
    """The snapshot that the text of *document* holds."""
    lines = without_boilerplate(read_lines(document.text))
    lines = [*without_appeals(lines[:_HEAD]), *lines[_HEAD:]]
    anchors = with_names_settled(anchors_of(lines), lines)
    found = _by_anchors(lines, anchors) or _by_shape(lines, anchors)
    return _snapshot(found, document)


def _by_anchors(lines: Sequence[Line], anchors: Sequence[Anchor]) -> _Found | None:
    live = is_live_title(*(line.text for line in lines[:_HEAD] if line.traits.width < 200))
    pattern = choose_pattern(anchors, lines, live=live)
    if pattern is None:
        return None
    lines = lines[: tail_start(lines, pattern.cuts[-1].index + 1)]
    notes = notes_beside(anchors, pattern, lines)
    position = position_of(lines, pattern, notes)
    start, segments = segments_of(lines, pattern, position, notes)
    pieces = pieces_of(segments)
    head = split_head(lines[:start], {i: note for i, note in notes.items() if i < start})
    if not are_entries(pattern, pieces, head):
        return None
    days = days_of([segment.cut for segment in segments], notes)
    stamps = [_on_day(piece.stamp, day) for piece, day in zip(pieces, days, strict=True)]
    lead = tuple(lines[i] for i in head.rest)
    return _Found(head, lead, tuple(pieces), tuple(stamps), Confidence.MEDIUM)


def _on_day(stamp: Stamp, separator: Stamp | None) -> Stamp:
    undated = stamp.hour is not None and stamp.day is None and stamp.back is None
    return replace(stamp, day=separator.day) if undated and separator is not None else stamp


def _by_shape(lines: Sequence[Line], anchors: Sequence[Anchor]) -> _Found:
    lines = lines[: tail_start(lines)]
    notes = lone_notes(anchors, lines)
    head = split_head(lines, notes)
    live = is_live_title(head.title, head.description)
    shape = shape_of(lines, head.rest, notes, live=live)
    if is_live_shape(head, shape.pieces, shape.lead):
        stamps = tuple(piece.stamp for piece in shape.pieces)
        return _Found(head, shape.lead, shape.pieces, stamps)
    if is_page(head, lines):
        return _Found(head, shape.lead)
    return _Found(Head("", "", ()), ())


def _snapshot(found: _Found, document: Document) -> Snapshot:
    frame = Frame(received=document.received, zone=ZoneInfo(document.timezone), day=found.head.day)
    order = order_of(found.stamps)
    lead = without_teasers(found.lead, [piece.title for piece in found.pieces if piece.title])
    return Snapshot(
        title=found.head.title,
        description=found.head.description,
        lead="\n\n".join(lead),
        language=language_of(document.text) if found.pieces else "",
        entries=_entries(found, frame, order),
        order=order,
    )


def _entries(found: _Found, frame: Frame, order: Order) -> tuple[SnapshotEntry, ...]:
    pinned = {number for number, piece in enumerate(found.pieces) if piece.flags.pinned}
    moments = place(found.stamps, frame, order, pinned)
    return tuple(
        entry_of(piece, moment, changed_at(piece.updated, moment, frame), found.confidence)
        for piece, moment in zip(found.pieces, moments, strict=True)
    )
