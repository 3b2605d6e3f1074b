"""A format of feeds: how an entry and the shell around all entries are rendered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from slugline.blog import Blog
from slugline.entry import Entry
from slugline.view.entries import EntryRow
from slugline_syndicate.feeds.content import xml_text, xml_texts

_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a feed is: the public URL, and the feed's own address."""

    public_url: str
    self_url: str


@dataclass(frozen=True, slots=True)
class Shell:
    """A document without its entries and the time of its newest change.

    The time comes between *before* and *after*, the entries between *after* and *tail*.
    """

    before: bytes
    after: bytes
    tail: bytes

    @classmethod
    def cut(cls, document: bytes, element: bytes, end: bytes) -> Self:
        """*document*, which has no entries, cut in its first *element* and before its *end*."""
        start, opened, rest = document.removesuffix(end).partition(b"<%s>" % element)
        _, closed, after = rest.partition(b"</%s>" % element)
        return cls(start + opened, closed + after, end)

    def head(self, changed: bytes) -> bytes:
        """What stands before the entries where the time of the newest change is *changed*."""
        return b"".join((self.before, changed, self.after))


class Format(Protocol):
    """One format. All methods are pure: same arguments, same bytes."""

    name: str
    media_type: str

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        """One entry, as it stands between the shell's halves."""
        ...

    def shell(self, blog: Blog, withdrawn: Sequence[EntryRow], place: Place) -> Shell:
        """The document around the entries."""
        ...

    def date(self, instant: datetime) -> bytes:
        """*instant* as the shell gives the time of the newest change."""
        ...


def feed_title(blog: Blog) -> str:
    """The blog's title; before it has one, its id."""
    return " ".join(xml_text(blog.title).split()) or blog.id


def feed_description(blog: Blog) -> str:
    """What the blog is about: its description and its lead, never empty."""
    return "\n\n".join(xml_texts((blog.description, blog.lead))) or feed_title(blog)


def feed_language(blog: Blog) -> str | None:
    """The blog's language where it is a tag such as `en-GB` (RFC 5646): another fails a whole feed."""
    tag = blog.language.replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None


def categories(entry: Entry) -> list[str]:
    """The entry's tags, `key-event` first where it is one."""
    if entry.withdrawn:
        return []
    return [*(["key-event"] if entry.key_event else []), *xml_texts(entry.tags)]
