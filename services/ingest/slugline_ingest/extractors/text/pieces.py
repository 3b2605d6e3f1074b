"""Pieces: the raw material of an entry, and the entry made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from slugline.entry import Confidence, Media, Related
from slugline_ingest.extractors.text.anchors import Anchor, Kind
from slugline_ingest.extractors.text.captions import caption_of
from slugline_ingest.extractors.text.labels import Role
from slugline_ingest.extractors.text.lines import Line
from slugline_ingest.extractors.text.stamps import Stamp
from slugline_ingest.extractors.text.times import Moment
from slugline_ingest.extractors.text.vocabulary import (
    KEY_EVENT,
    PINNED,
    announced_headline,
    plain,
)
from slugline_ingest.snapshot import SnapshotEntry

_TEXT = (Role.TEXT, Role.ITEM, Role.LEAD)
_LONGEST_FLAG = 20


@dataclass(frozen=True, slots=True)
class Flags:
    """Labels that an entry carries on lines of their own."""

    key_event: bool = False
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An entry's heading, its lines with their roles, and the anchors that say when and who."""

    title: str | None
    rows: tuple[tuple[Role, Line], ...]
    anchors: tuple[Anchor, ...] = ()
    flags: Flags = Flags()

    @property
    def stamp(self) -> Stamp:
        """The time it was published: the first printed one, and a date from another if need be."""
        timed = (Kind.EPOCH, Kind.CLOCK, Kind.MINUTE, Kind.RELATIVE)
        stamps = [a.stamp for a in self.anchors if a.kind in timed]
        sure = (s for s in stamps if s.instant or (s.is_clock and s.day))
        clocks = (s for s in stamps if s.is_clock or s.played)
        return next(sure, next(clocks, stamps[0] if stamps else Stamp()))

    @property
    def updated(self) -> Stamp:
        return next((a.stamp for a in self.anchors if a.kind is Kind.UPDATED), Stamp())

    @property
    def authors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for a in self.anchors for name in a.people))

    @property
    def paragraphs(self) -> list[str]:
        return [line.text for role, line in self.rows if role in _TEXT]


def flags_of(lines: Sequence[Line]) -> tuple[Flags, list[Line]]:
    """The labels among the first *lines* of an entry, and the lines without them."""
    key, pinned, kept = False, False, []
    for index, line in enumerate(lines):
        short = index < 3 and len(line.text) <= _LONGEST_FLAG
        if short and KEY_EVENT.fullmatch(plain(line.text)):
            key = True
        elif short and PINNED.fullmatch(plain(line.text)):
            pinned = True
        else:
            kept.append(line)
    return Flags(key, pinned), kept


def entry_of(
    piece: Piece, published: Moment, updated: Moment, confidence: Confidence
) -> SnapshotEntry:
    """The entry that *piece* holds."""
    paragraphs = piece.paragraphs
    times = (("published", published), ("updated", updated))
    return SnapshotEntry(
        title=piece.title,
        body_html="".join(f"<p>{escape(text, quote=False)}</p>" for text in paragraphs),
        body_text="\n\n".join(paragraphs),
        authors=piece.authors,
        media=media_of(piece.rows),
        related=related_of(piece.rows),
        key_event=piece.flags.key_event,
        pinned=piece.flags.pinned,
        published=published.instant,
        updated=updated.instant,
        inferred=tuple(name for name, moment in times if moment.inferred),
        confidence=confidence,
    )


def related_of(rows: Sequence[tuple[Role, Line]]) -> tuple[Related, ...]:
    """The cards among *rows*."""
    ends: list[tuple[Role, Line | None]] = [*rows, (Role.TEXT, None)]
    cards = []
    for (role, line), (next_role, below) in pairwise(ends):
        if role is Role.CARD and line is not None:
            summary = below.text if below is not None and next_role is Role.STANDFIRST else ""
            cards.append(Related(title=line.text, summary=summary))
        elif role is Role.LINK and line is not None:
            cards.append(Related(title=announced_headline(line.text)))
    return tuple(cards)


def media_of(rows: Sequence[tuple[Role, Line]]) -> tuple[Media, ...]:
    """The pictures whose captions are among *rows*; a credit on a line of its own joins them."""
    media: list[Media] = []
    for role, line in rows:
        if role is not Role.CAPTION:
            continue
        found = caption_of(line.text)
        credit = found is None or not found.caption
        if credit and media and not media[-1].credit:
            media[-1] = Media(caption=media[-1].caption, credit=_credit(found, line.text))
        elif found is not None and found.caption and media and not media[-1].caption:
            media[-1] = Media(caption=found.caption, credit=media[-1].credit)
        else:
            media.append(Media(credit=line.text) if found is None else found)
    return tuple(media)


def _credit(found: Media | None, text: str) -> str:
    return found.credit if found is not None else text.strip("()[]")
