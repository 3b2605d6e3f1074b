"""RSS 2.0, after the RSS Best Practices Profile, by feedgen and its repairs. Here entries are items."""

from collections.abc import Sequence
from datetime import datetime
from mimetypes import guess_type

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from slugline.blog import Blog, BlogState
from slugline.entry import Entry
from slugline.view.entries import EntryRow
from slugline_syndicate.feeds.atom import categories
from slugline_syndicate.feeds.content import html_of, title_of, xml_text
from slugline_syndicate.feeds.formats import Place, Shell, feed_description, feed_title
from slugline_syndicate.feeds.repairs import RssItemRepair, RssNamespaces, fragment
from slugline_syndicate.links import blog_url, entry_tag, entry_url

_END = b"</channel></rss>"


class Rss:
    """The `Format` of `feed.rss`."""

    name = "rss"
    media_type = "application/rss+xml"

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        entry = row.entry
        item = FeedEntry()
        item.register_extension("repair", RssItemRepair, atom=False, rss=True)
        item.guid(entry_tag(blog, entry), permalink=False)
        item.title(title_of(entry))
        item.link(href=entry_url(place.public_url, entry.blog_id, entry.id))
        item.description(html_of(entry))
        item.pubDate(entry.published)
        for term in categories(entry):
            item.category(term=xml_text(term))
        _enclose(item, entry)
        item.repair.authors = [xml_text(author) for author in entry.authors]
        item.repair.updated = entry.withdrawn.at if entry.withdrawn else entry.updated
        return fragment(item.rss_entry())

    def shell(
        self, blog: Blog, changed: datetime, withdrawn: Sequence[EntryRow], place: Place
    ) -> Shell:
        feed = FeedGenerator()
        feed.register_extension("namespaces", RssNamespaces, None, atom=False, rss=True)
        feed.title(xml_text(feed_title(blog)))
        feed.description(xml_text(feed_description(blog)))
        feed.lastBuildDate(changed)
        feed.generator("Slugline")
        feed.link(href=place.self_url, rel="self", type=self.media_type)
        # Last: feedgen takes the last link of any kind for the channel's own (its #122).
        feed.link(href=blog_url(place.public_url, blog.id), rel="alternate")
        if blog.language:
            feed.language(blog.language)
        if blog.state is BlogState.CLOSED:
            feed.ttl(1440)
        document: bytes = feed.rss_str(pretty=False)
        return Shell(document.removesuffix(_END), _END)


def _enclose(item: FeedEntry, entry: Entry) -> None:
    """The first medium: the profile allows one enclosure; its length is unknown, so 0."""
    for medium in entry.media:
        if medium.url:
            kind = guess_type(medium.url)[0] or "application/octet-stream"
            item.enclosure(xml_text(medium.url), "0", kind)
            return
