"""Blog: one piece of rolling coverage, and the rules for its id."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

BlogId = NewType("BlogId", str)

BLOG_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class BlogState(StrEnum):
    """Where a blog is in its life."""

    LIVE = "live"
    CLOSED = "closed"
    REMOVED = "removed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blog:
    """A blog's own record. *lead* is text, its paragraphs apart by a blank line.

    *timezone* is an IANA name: the zone of bare times in documents, and of times on pages.
    *authority* is the host in the `tag:` ids of its feeds; set at creation, never changed.
    *moved_to* is the new page's URL when *state* is MOVED.
    """

    id: BlogId
    authority: str
    title: str = ""
    description: str = ""
    lead: str = ""
    language: str = ""
    timezone: str = "UTC"
    link: str | None = None
    state: BlogState = BlogState.LIVE
    moved_to: str | None = None
    coverage_start: datetime | None = None
    coverage_end: datetime | None = None


def is_blog_id(text: str) -> bool:
    """Whether *text* may name a blog."""
    return BLOG_ID.fullmatch(text) is not None
