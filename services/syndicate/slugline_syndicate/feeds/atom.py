"""Atom (RFC 4287), by feedgen and its repairs."""

from collections.abc import Sequence
from datetime import datetime
from mimetypes import guess_type

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from slugline.blog import Blog
from slugline.entry import Entry
from slugline.view.entries import EntryRow
from slugline_syndicate.feeds.content import html_of, title_of, xml_text
from slugline_syndicate.feeds.formats import Place, Shell, feed_description, feed_title
from slugline_syndicate.feeds.repairs import AtomEntryRepair, Tombstones, fragment
from slugline_syndicate.links import blog_tag, blog_url, entry_tag, entry_url

_END = b"</feed>"


class Atom:
    """The `Format` of `feed.atom`."""

    name = "atom"
    media_type = "application/atom+xml"

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        entry = row.entry
        item = FeedEntry()
        item.register_extension("repair", AtomEntryRepair, atom=True, rss=False)
        item.id(entry_tag(blog, entry))
        item.title(title_of(entry))
        item.published(entry.published)
        item.updated(entry.withdrawn.at if entry.withdrawn else entry.updated)
        item.content(html_of(entry), type="html")
        if entry.summary and not entry.withdrawn:
            item.summary(xml_text(entry.summary))
        for author in entry.authors:
            item.author(name=xml_text(author))
        for term in categories(entry):
            item.category(term=xml_text(term))
        item.repair.links = _links(entry, place)
        return fragment(item.atom_entry())

    def shell(
        self, blog: Blog, changed: datetime, withdrawn: Sequence[EntryRow], place: Place
    ) -> Shell:
        feed = FeedGenerator()
        feed.register_extension("tombstones", Tombstones, None, atom=True, rss=False)
        feed.id(blog_tag(blog))
        feed.title(xml_text(feed_title(blog)))
        feed.subtitle(xml_text(feed_description(blog)))
        feed.updated(changed)
        feed.author(name=xml_text(feed_title(blog)))  # for entries without one (section 4.1.1)
        feed.generator("Slugline")
        feed.link(href=place.self_url, rel="self", type=self.media_type)
        feed.link(href=blog_url(place.public_url, blog.id), rel="alternate", type="text/html")
        if blog.language:
            feed.language(blog.language)
        feed.tombstones.deleted = [
            (entry_tag(blog, row.entry), row.entry.withdrawn.at)
            for row in withdrawn
            if row.entry.withdrawn
        ]
        document: bytes = feed.atom_str(pretty=False)
        return Shell(document.removesuffix(_END), _END)


def categories(entry: Entry) -> list[str]:
    """The entry's tags, `key-event` among them where it is one."""
    return [*(["key-event"] if entry.key_event else []), *entry.tags]


def _links(entry: Entry, place: Place) -> list[dict[str, str]]:
    page = entry_url(place.public_url, entry.blog_id, entry.id)
    links = [{"rel": "alternate", "type": "text/html", "href": page}]
    if entry.link:
        links.append({"rel": "via", "href": xml_text(entry.link)})
    for medium in entry.media:
        if medium.url:
            kind = guess_type(medium.url)[0]
            kinds = {"type": kind} if kind else {}
            links.append({"rel": "enclosure", "href": xml_text(medium.url), **kinds})
    return links
