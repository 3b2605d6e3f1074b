"""RSS 2.0, after the RSS Best Practices Profile, by feedgen and its repairs. Here entries are items."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from slugline.blog import Blog, BlogState
from slugline.view.entries import EntryRow
from slugline_syndicate.feeds.content import html_of, title_of, xml_texts
from slugline_syndicate.feeds.formats import (
    Place,
    Shell,
    categories,
    feed_description,
    feed_language,
    feed_title,
)
from slugline_syndicate.feeds.media import enclosures
from slugline_syndicate.feeds.repairs import RssItemRepair, RssNamespaces, fragment
from slugline_syndicate.links import blog_url, entry_tag, shown_at

#: Minutes between two looks that a reader should leave at least.
TTL_LIVE, TTL_CLOSED = 1, 1440

#: feedgen takes the clock's where it is given none; it is cut out of the shell.
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_END = b"</channel></rss>"


class Rss:
    """The `Format` of `feed.rss`."""

    name = "rss"
    media_type = "application/rss+xml"

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        entry = row.entry
        url = shown_at(place.public_url, entry)
        item = FeedEntry()
        item.register_extension("repair", RssItemRepair, atom=False, rss=True)
        item.guid(entry_tag(blog, entry), permalink=False)
        item.title(title_of(entry))
        item.link(href=url)
        item.description(html_of(entry, url))
        item.pubDate(entry.published)
        for term in categories(entry):
            item.category(term=term)
        for href, kind in list(enclosures(entry))[
            :1
        ]:  # the profile allows one; its length is unknown
            item.enclosure(href, "0", kind)
        item.repair.authors = xml_texts(entry.authors)
        item.repair.updated = entry.withdrawn.at if entry.withdrawn else entry.updated
        return _plain_title(fragment(item.rss_entry()))

    def shell(self, blog: Blog, withdrawn: Sequence[EntryRow], place: Place) -> Shell:
        feed = FeedGenerator()
        feed.register_extension("namespaces", RssNamespaces, None, atom=False, rss=True)
        feed.title(feed_title(blog))
        feed.description(feed_description(blog))
        feed.lastBuildDate(_ANY_TIME)
        feed.generator("Slugline")
        feed.link(href=place.self_url, rel="self", type=self.media_type)
        # Last: feedgen takes the last link of any kind for the channel's own (its #122).
        feed.link(href=blog_url(place.public_url, blog.id), rel="alternate")
        language = feed_language(blog)
        if language:
            feed.language(language)
        feed.ttl(TTL_CLOSED if blog.state is BlogState.CLOSED else TTL_LIVE)
        document: bytes = feed.rss_str(pretty=False)
        return Shell.cut(_plain_title(document), b"lastBuildDate", _END)

    def date(self, instant: datetime) -> bytes:
        return format_datetime(instant).encode()


def _plain_title(data: bytes) -> bytes:
    """*data* with `&` and `<` of its first title as hexadecimal references.

    To XML that is the same; the profile found that readers which take titles for HTML get it right
    this way alone (section "Character data").
    """
    before, start, rest = data.partition(b"<title>")
    title, end, after = rest.partition(b"</title>")
    plain = title.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;")
    return before + start + plain + end + after
