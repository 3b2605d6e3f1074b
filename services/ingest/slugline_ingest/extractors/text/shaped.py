"""Shaped: a dump without times, cut into entries by the look of its lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slugline_ingest.extractors.text.anchors import Anchor
from slugline_ingest.extractors.text.head import teasers_end
from slugline_ingest.extractors.text.labels import Reading, Role, label, text_cost
from slugline_ingest.extractors.text.lines import Line, are_blanks_telling
from slugline_ingest.extractors.text.pieces import Piece
from slugline_ingest.extractors.text.traits import End
from slugline_ingest.extractors.text.vocabulary import is_card_intro, is_key_points
from slugline_ingest.extractors.text.words import gist_of, likeness

_HEAD = 60
_FEW_PARAGRAPHS = 0.12


@dataclass(frozen=True, slots=True)
class Shape:
    """*lead* are the lines above the first entry, list of teasers and all."""

    lead: tuple[Line, ...]
    pieces: tuple[Piece, ...]


def shape_of(
    lines: Sequence[Line], text: Sequence[int], notes: Mapping[int, Anchor], *, live: bool
) -> Shape:
    """The entries among the lines at *text*, which stand under the standfirst."""
    teasers = _teasers([lines[i] for i in text])
    body = text[teasers:]
    roles = label([lines[i] for i in body], reading_of([lines[i] for i in body], live=live))
    heads = [n for n, role in enumerate(roles) if role is Role.HEADING]
    ends = [*heads[1:], len(body)] if heads else []
    edges = [*body, len(lines)]
    pieces = [
        Piece(
            title=lines[body[head]].text,
            rows=tuple((roles[k], lines[body[k]]) for k in range(head + 1, end)),
            anchors=tuple(notes[i] for i in range(edges[head], edges[end]) if i in notes),
        )
        for head, end in zip(heads, ends, strict=True)
    ]
    lead = [*text[:teasers], *body[: heads[0] if heads else len(body)]]
    return Shape(tuple(lines[i] for i in lead), tuple(pieces))


def _teasers(lines: Sequence[Line]) -> int:
    """How many lines the list of teasers at the top takes, with all that is above it."""
    for index, line in enumerate(lines[:_HEAD]):
        if is_key_points(line.text):
            return teasers_end(lines, index + 1)
        if line.traits.bulleted:
            break
    return 0


def reading_of(lines: Sequence[Line], *, live: bool) -> Reading:
    """What *lines* as a whole say of how they are to be read."""
    marked = sum(line.marked for line in lines)
    return Reading(
        cards=not _is_headings_only(lines),
        spaced=are_blanks_telling(lines),
        marked=marked >= 2,
        stops=live and _do_headings_stop(lines),
    )


def _is_headings_only(lines: Sequence[Line]) -> bool:
    prose = sum(text_cost(line, Reading()) < 1.0 for line in lines)
    announced = any(is_card_intro(line.text) for line in lines)
    return prose <= _FEW_PARAGRAPHS * len(lines) and not announced


def _do_headings_stop(lines: Sequence[Line]) -> bool:
    """Whether no line looks like a heading but short sentences stand alone before long ones."""
    return not any(line.traits.end in (End.NONE, End.ASK) for line in lines)


def cards_with_sign(pieces: Sequence[Piece]) -> int:
    """How many cards there are that repeat the heading of their entry, or were announced."""
    count = 0
    for piece in pieces:
        signs = [role for role, _ in piece.rows if role in (Role.INTRO, Role.LINK)]
        alike = [
            line
            for role, line in piece.rows
            if role is Role.CARD and likeness(gist_of(piece.title or ""), gist_of(line.text)) >= 0.5
        ]
        count += bool(signs or alike)
    return count
