"""Entry: one post of a blog. Frozen records; parsed once at the edge, never a dictionary inside."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from slugline.blog import BlogId

EntryId = NewType("EntryId", str)

ENTRY_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")

#: `Withdrawal.by` of a withdrawal through the API; any other value is `source:<source id>`.
WITHDRAWN_BY_API = "api"


class Confidence(StrEnum):
    """How sure an extractor is that it found an entry's bounds and fields.

    *high*: the source marks the bounds itself, as feeds, state data, mark-up and pushed entries do.
    *medium*: repeated times or bylines cut a text. *low*: only the look of its lines did.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class MediaKind(StrEnum):
    """What a medium is; an embed is shown as a link."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    EMBED = "embed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One medium of an entry. From flat text only its caption is known, so *url* may be None.

    *width* and *height* are pixels.
    """

    url: str | None = None
    kind: MediaKind = MediaKind.IMAGE
    width: int | None = None
    height: int | None = None
    alt: str = ""
    caption: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another story shown beside an entry: a card with a headline and a standfirst."""

    title: str
    summary: str = ""
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What is kept of an entry that was withdrawn: enough to know it again, none of its text.

    *headings* are hashes of the headings it was known by, *simhash* a 64-bit simhash of its text,
    so that a later dump which still shows it does not bring it back under another id.
    """

    by: str
    at: datetime
    headings: tuple[str, ...] = ()
    simhash: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry at one revision, whole.

    *body_html* is sanitised; *body_text* has the same paragraphs apart by a blank line.
    *published* never moves; *updated* moves on significant edits. Both are aware, in UTC.
    *inferred* names those of the two that no document stated.
    *revision* counts from 1 and informs only. A withdrawn entry has no text at all.
    """

    blog_id: BlogId
    id: EntryId
    published: datetime
    updated: datetime
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
    revision: int = 1
    confidence: Confidence = Confidence.HIGH
    inferred: tuple[str, ...] = ()
    withdrawn: Withdrawal | None = None


def is_entry_id(text: str) -> bool:
    """Whether *text* may name an entry."""
    return ENTRY_ID.fullmatch(text) is not None
