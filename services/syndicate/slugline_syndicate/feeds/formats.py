"""A format of feeds: how an entry and the shell around all entries are rendered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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
    """A document without its entries: they go between *head* and *tail*."""

    head: bytes
    tail: bytes


class Format(Protocol):
    """One format. Both methods are pure: same arguments, same bytes."""

    name: str
    media_type: str

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        """One entry, as it stands between the shell's halves."""
        ...

    def shell(
        self, blog: Blog, changed: datetime, withdrawn: Sequence[EntryRow], place: Place
    ) -> Shell:
        """The document around the entries. *changed* is the time of the blog's newest change."""
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
