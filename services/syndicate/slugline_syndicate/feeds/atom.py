"""Atom (RFC 4287), by feedgen and its repairs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from slugline.blog import Blog
from slugline.entry import Entry
from slugline.view.entries import EntryRow
from slugline_syndicate.feeds.content import html_of, title_of, xml_text, xml_texts
from slugline_syndicate.feeds.formats import (
    Place,
    Shell,
    categories,
    feed_description,
    feed_language,
    feed_title,
)
from slugline_syndicate.feeds.media import enclosures
from slugline_syndicate.feeds.repairs import AtomEntryRepair, Tombstones, fragment
from slugline_syndicate.links import blog_tag, blog_url, entry_tag, shown_at

#: feedgen takes the clock's where it is given none; it is cut out of the shell.
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_END = b"</feed>"


class Atom:
    """The `Format` of `feed.atom`."""

    name = "atom"
    media_type = "application/atom+xml"

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        entry = row.entry
        url = shown_at(place.public_url, entry)
        item = FeedEntry()
        item.register_extension("repair", AtomEntryRepair, atom=True, rss=False)
        item.id(entry_tag(blog, entry))
        item.title(title_of(entry))
        item.published(entry.published)
        item.updated(entry.withdrawn.at if entry.withdrawn else entry.updated)
        item.content(html_of(entry, url), type="html")
        for summary in xml_texts((entry.summary,)):
            item.summary(summary)
        for author in xml_texts(entry.authors):
            item.author(name=author)
        for term in categories(entry):
            item.category(term=term)
        item.repair.links = _links(entry, url)
        return fragment(item.atom_entry())

    def shell(self, blog: Blog, withdrawn: Sequence[EntryRow], place: Place) -> Shell:
        feed = FeedGenerator()
        feed.register_extension("tombstones", Tombstones, None, atom=True, rss=False)
        feed.id(blog_tag(blog))
        feed.title(feed_title(blog))
        feed.subtitle(feed_description(blog))
        feed.updated(_ANY_TIME)
        feed.author(name=feed_title(blog))  # for entries without one (section 4.1.1)
        feed.generator("Slugline")
        feed.link(href=place.self_url, rel="self", type=self.media_type)
        feed.link(href=blog_url(place.public_url, blog.id), rel="alternate", type="text/html")
        language = feed_language(blog)
        if language:
            feed.language(language)
        feed.tombstones.deleted = [
            (entry_tag(blog, row.entry), row.entry.withdrawn.at)
            for row in withdrawn
            if row.entry.withdrawn
        ]
        document: bytes = feed.atom_str(pretty=False)
        return Shell.cut(document, b"updated", _END)

    def date(self, instant: datetime) -> bytes:
        return instant.isoformat().encode()


def _links(entry: Entry, url: str) -> list[dict[str, str]]:
    links = [{"rel": "alternate", "type": "text/html", "href": url}]
    if entry.withdrawn:
        return links
    if entry.link:
        links.append({"rel": "via", "href": xml_text(entry.link)})
    for href, kind in enclosures(entry):
        links.append({"rel": "enclosure", "href": href, "type": kind})
    return links
