"""Live: whether what was found is a live page's entries, or something that only looks like them."""

import re
from collections.abc import Sequence
from itertools import pairwise

from slugline_ingest.extractors.text.anchors import Anchor, Form, Kind
from slugline_ingest.extractors.text.head import Head, is_live_title
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.names import people_of
from slugline_ingest.extractors.text.pattern import Pattern
from slugline_ingest.extractors.text.pieces import Piece
from slugline_ingest.extractors.text.shaped import cards_with_sign
from slugline_ingest.extractors.text.traits import End, end_of, traits_of
from slugline_ingest.extractors.text.vocabulary import MAYBE_LIVE, is_key_points

#: A line of a log, of a table or of code, not of a newsroom.
_MACHINE = re.compile(
    r"\b(?:INFO|WARN(?:ING)?|ERROR|DEBUG|TRACE|FATAL|NOTICE|CRITICAL)\b|\w=[\w\"'/]|[{}<>]|\w\(\)"
    r"|^\[[\w.:/-]+\]|-->|^\w+\[\d+\]|\b\w+\.\w+\.\w+\b|::|\t|;\S|^\s*\S+,\S+,\S+"
)
#: A result or a time, as tables are full of them.
_TABLE = re.compile(r"\d\s?[-–:]\s?\d")
_ENOUGH_LIVE = 2.0
_READ = 300
#: Fewer words, on average, are names: of stops in a timetable, of channels in a programme.
_WORDS_OF_HEADING, _WORDS_OF_SENTENCE = 3, 6
_WIDTH_OF_TEXT = 40
_MOSTLY_TOLD = 0.8
_FEWEST = 3
_MACHINE_SHARE = 0.4
_IN_ORDER = 0.55
_ENOUGH_ROUND = 4
_TELLING = 0.5


def are_entries(pattern: Pattern, pieces: Sequence[Piece], head: Head) -> bool:
    """Whether anchored *pieces* are entries: not a log, a timetable or times strewn over a text."""
    own = [a.text for a in pattern.cuts if a.text]
    if not any(piece.title or piece.rows for piece in pieces):
        return False
    if own and sum(bool(_MACHINE.search(text[:_READ])) for text in own) > _MACHINE_SHARE * len(own):
        return False
    live = is_live_title(head.title, head.description)
    if live:
        return True
    if pattern.family[0] in (Kind.BYLINE, Kind.RELATIVE):
        # Lists of other stories and readers' comments look just so.
        said = MAYBE_LIVE.search(f"{head.title} {head.description}")
        return bool(said) or _are_told(pieces)
    if pattern.family[1] is Form.WHOLE:
        return 2 * sum(map(_says_something, pieces)) >= len(pieces)
    planned = _are_round(pattern.cuts) and not MAYBE_LIVE.search(head.title)
    if planned or not _is_in_order(pattern.cuts):
        return False
    telling = sum(bool(piece.rows and piece.title) for piece in pieces)
    if telling >= _TELLING * len(pieces):
        return _words_of(own) >= _WORDS_OF_HEADING * len(own)
    return _words_of(own) >= _WORDS_OF_SENTENCE * len(own)


def _are_told(pieces: Sequence[Piece]) -> bool:
    """Whether nearly all of *pieces* have a heading that is no name, and sentences under it."""
    told = [
        piece
        for piece in pieces
        if piece.title and not people_of(piece.title) and any(map(_is_told, piece.paragraphs))
    ]
    return len(told) >= _MOSTLY_TOLD * len(pieces) and len(told) >= _FEWEST


def _is_told(paragraph: str) -> bool:
    return len(paragraph) >= 50 and end_of(paragraph) is End.STOP


def _is_in_order(cuts: Sequence[Anchor]) -> bool:
    """Whether times mostly go one way, as entries do and numbers in front of lines do not."""
    if cuts[0].kind not in (Kind.CLOCK, Kind.EPOCH):
        return True
    keys = [(a.stamp.hour or 0, a.stamp.minute, a.stamp.second) for a in cuts if a.stamp.is_clock]
    rises = sum(a < b for a, b in pairwise(keys))
    falls = sum(a > b for a, b in pairwise(keys))
    return max(rises, falls) >= _IN_ORDER * max(1, rises + falls)


def _are_round(cuts: Sequence[Anchor]) -> bool:
    """Whether all times are those of a programme or a diary: whole quarters, tens and fives."""
    minutes = [a.stamp.minute for a in cuts if a.stamp.hour is not None]
    return len(minutes) >= _ENOUGH_ROUND and not any(minute % 5 for minute in minutes)


def _words_of(texts: Sequence[str]) -> int:
    return sum(traits_of(text).words for text in texts)


def _says_something(piece: Piece) -> bool:
    """Whether *piece* holds more than the labels and figures of a table."""
    if piece.title and traits_of(piece.title).words >= _WORDS_OF_HEADING:
        return True
    return any(line.traits.width >= _WIDTH_OF_TEXT for _, line in piece.rows)


def is_live_shape(head: Head, pieces: Sequence[Piece], lead: Sequence[Line]) -> bool:
    """Whether *pieces*, found without any time, are entries and not the sections of an article."""
    if not pieces:
        return False
    score = _by_words(head, lead) + _by_headings(pieces) + _by_cards(pieces)
    return score + any(is_key_points(line.text) for line in lead) >= _ENOUGH_LIVE


def _by_words(head: Head, lead: Sequence[Line]) -> float:
    if is_live_title(head.title, head.description):
        return 3.0
    if is_live_title(*(line.text for line in lead[-6:])):
        return 2.0
    return 1.5 if MAYBE_LIVE.search(f"{head.title} {head.description}") else 0.0


def _by_headings(pieces: Sequence[Piece]) -> float:
    """Entries have many and telling headings; sections few and short ones, or all questions."""
    titles = [traits_of(piece.title or "") for piece in pieces]
    words = sum(t.words for t in titles) / len(titles)
    paragraphs = sum(len(piece.rows) for piece in pieces) / len(pieces)
    score = {1: -1.5, 2: -0.5}.get(len(titles), 0.0)
    score += (len(titles) >= 5) * 0.5 + (len(titles) >= 8) * 0.5
    score += 0.5 * (len(titles) >= 5 and paragraphs <= 4)
    score += 0.5 if words >= 6 else -1.5 if words < 4 else 0.0
    score -= 1.5 * (paragraphs > 9)
    score -= 1.5 * (sum(t.end is End.ASK for t in titles) > 0.6 * len(titles))
    score -= 2.0 * (sum(_is_numbered(piece.title or "") for piece in pieces) > 0.5 * len(titles))
    score -= 4.0 * (
        sum(bool(_TABLE.search(piece.title or "")) for piece in pieces) > 0.5 * len(titles)
    )
    score -= 2.0 * (sum(t.lower for t in titles) > 0.3 * len(titles))
    return score


def _is_numbered(title: str) -> bool:
    return re.match(r"\(?\d{1,3}[.):]\s|(?:Step|Chapter|Section|Article)\s\d", title) is not None


def _by_cards(pieces: Sequence[Piece]) -> float:
    return min(1.5, 0.75 * cards_with_sign(pieces))


def is_page(head: Head, lines: Sequence[Line]) -> bool:
    """Whether a page without entries is an article or a live page yet to begin, not just lines."""
    if not head.title:
        return False
    prose = [line for line in lines if line.traits.end is End.STOP and line.traits.width >= 60]
    machine = sum(bool(_MACHINE.search(line.text[:_READ])) for line in lines[:200])
    if machine > _MACHINE_SHARE * min(len(lines), 200):
        return False
    if is_live_title(head.title, head.description):
        return len(prose) >= 1
    return len(prose) >= 3 and 2 * len(prose) >= len(lines)
