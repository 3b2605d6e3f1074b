"""feedgen's known faults, repaired in one place; `tests/unit/test_feedgen.py` pins each by name."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from feedgen.ext.base import BaseEntryExtension, BaseExtension
from lxml import etree

from slugline.clock import rfc3339

ATOM = "http://www.w3.org/2005/Atom"
DC = "http://purl.org/dc/elements/1.1/"
#: RFC 6721.
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"

Links = Sequence[dict[str, str]]

#: In a start tag alone: text and attribute values hold no bare `<`.
_DECLARED_BY_THE_SHELL = re.compile(
    rb'(<(?:dc|atom):[a-z]+) xmlns:(?:dc|atom)="(?:%s|%s)"' % (DC.encode(), ATOM.encode())
)


class AtomEntryRepair(BaseEntryExtension):  # type: ignore[misc]
    """Writes an entry's links itself: feedgen 1.0.0 drops their rel, type and length (its #135)."""

    links: Links = ()

    def extend_atom(self, entry: Any) -> Any:
        for link in entry.findall("link"):
            entry.remove(link)
        for attributes in self.links:
            etree.SubElement(entry, "link", attributes)
        return entry


class RssItemRepair(BaseEntryExtension):  # type: ignore[misc]
    """Bylines (feedgen drops authors without an e-mail address) and the time of the last edit."""

    authors: Sequence[str] = ()
    updated: datetime | None = None

    def extend_rss(self, entry: Any) -> Any:
        for author in self.authors:
            etree.SubElement(entry, f"{{{DC}}}creator", nsmap={"dc": DC}).text = author
        if self.updated is not None:
            element = etree.SubElement(entry, f"{{{ATOM}}}updated", nsmap={"atom": ATOM})
            element.text = rfc3339(self.updated)
        return entry


class Tombstones(BaseExtension):  # type: ignore[misc]
    """`at:deleted-entry` for each withdrawn entry (RFC 6721 section 3)."""

    deleted: Sequence[tuple[str, datetime]] = ()

    def extend_ns(self) -> dict[str, str]:
        return {"at": TOMBSTONES} if self.deleted else {}

    def extend_atom(self, feed: Any) -> Any:
        for ref, when in self.deleted:
            attributes = {"ref": ref, "when": rfc3339(when)}
            etree.SubElement(feed, f"{{{TOMBSTONES}}}deleted-entry", attributes)
        return feed


class RssNamespaces(BaseExtension):  # type: ignore[misc]
    """Declares once in the shell what fragments use, so that they need not."""

    def extend_ns(self) -> dict[str, str]:
        return {"dc": DC}


def fragment(element: Any) -> bytes:
    """*element* as it stands inside a shell, which declares its namespaces."""
    data: bytes = etree.tostring(element, encoding="utf-8", xml_declaration=False)
    return _DECLARED_BY_THE_SHELL.sub(rb"\1", data)
