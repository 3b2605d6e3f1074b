"""Snapshot: one document of a blog, parsed; what every extractor gives and the diff takes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from slugline.entry import Confidence, Media, Related


class Order(StrEnum):
    """How the entries of a snapshot follow each other down the document."""

    NEWEST_FIRST = "newest-first"
    OLDEST_FIRST = "oldest-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEntry:
    """An entry as one document shows it.

    *id* is the document's own, where it has one. *published* and *updated* are aware, in UTC, or
    None where the document says nothing; *inferred* names those of them that were worked out (a
    bare `17:48` has its day inferred). *body_html* is sanitised; *body_text* has the same
    paragraphs apart by a blank line.
    """

    id: str | None = None
    title: str | None = None
    body_html: str = ""
    body_text: str = ""
    summary: str = ""
    authors: tuple[str, ...] = ()
    link: str | None = None
    media: tuple[Media, ...] = ()
    related: tuple[Related, ...] = ()
    tags: tuple[str, ...] = ()
    key_event: bool = False
    pinned: bool = False
    published: datetime | None = None
    updated: datetime | None = None
    inferred: tuple[str, ...] = ()
    confidence: Confidence = Confidence.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One document, parsed: the blog's own texts, and its entries in the order of the document.

    *lead* is text, its paragraphs apart by a blank line. A document without any entry has none.
    """

    title: str = ""
    description: str = ""
    lead: str = ""
    language: str = ""
    link: str | None = None
    entries: tuple[SnapshotEntry, ...] = ()
    order: Order = Order.NEWEST_FIRST
