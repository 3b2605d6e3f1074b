"""Feed documents: rendered once for each change, kept as the bytes that are served."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter

import structlog

from slugline.blog import Blog, BlogState
from slugline.telemetry import Metrics
from slugline.view.entries import EntriesView, EntryMark, EntryRow
from slugline_syndicate.conditional import Representation
from slugline_syndicate.feeds.formats import Format, Place, Shell
from slugline_syndicate.feeds.kept import Kept
from slugline_syndicate.feeds.window import MOST_BYTES, Window, newest_first, window
from slugline_syndicate.links import feed_url

#: Bytes of feeds kept over all blogs and formats, about.
KEPT = 256_000_000

#: Readers ask again after this; above 0, or some take it for "never cache".
LIVE = "public, max-age=30, stale-while-revalidate=60, stale-if-error=86400"
CLOSED = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=86400"

logger = structlog.get_logger()

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Document:
    """One feed of one blog as of its newest change."""

    blog: Blog
    representation: Representation


@dataclass(frozen=True, slots=True)
class Fragment:
    """An entry rendered as of the record at *offset*; *data* is empty where it cannot be.

    *place* sorts it in the feed. *row* is kept where it is withdrawn: the shell names it.
    """

    offset: int
    place: tuple[int, str]
    data: bytes
    digest: bytes
    row: EntryRow | None


@dataclass(slots=True)
class _Feed:
    """What is kept of a feed: the fragments of its window, and its document until the next change."""

    authority: str
    fragments: dict[str, Fragment]
    document: Document | None
    size: int


class FeedStore:
    """Renders documents when they are asked for the first time after a change.

    Bytes depend on the log, the public URL and the version alone: every replica, before and after
    a rebuild or a compaction, serves the same.
    """

    def __init__(
        self, entries: EntriesView, formats: Sequence[Format], public_url: str, metrics: Metrics
    ) -> None:
        self._entries = entries
        self._formats = {each.name: each for each in formats}
        self._public_url = public_url
        self._metrics = metrics
        self._feeds: Kept[Key, _Feed] = Kept(KEPT)
        self._generation = entries.generation
        entries.listen_to_rows(self._changed)

    def document(self, blog_id: str, name: str) -> Document | None:
        """The feed of a blog in the format called *name*; None for an unknown blog."""
        if self._generation != self._entries.generation:  # another file, perhaps of another log
            self._generation = self._entries.generation
            self._feeds.clear()
        feed = self._feeds.get((blog_id, name))
        if feed is not None and feed.document is not None:
            return feed.document
        found = window(self._entries, blog_id)
        if found is None:
            self._feeds.drop((blog_id, name))
            return None
        known = feed.fragments if feed and feed.authority == found.blog.blog.authority else {}
        fresh = self._render(found, self._formats[name], known)
        self._feeds.put((blog_id, name), fresh)
        return fresh.document

    def _changed(self, blog_ids: Sequence[str]) -> None:
        for blog_id in blog_ids:
            for name in self._formats:
                feed = self._feeds.get((blog_id, name))
                if feed is not None:
                    feed.document = None

    def _render(self, found: Window, form: Format, known: dict[str, Fragment]) -> _Feed:
        blog = found.blog.blog
        place = Place(
            public_url=self._public_url, self_url=feed_url(self._public_url, blog.id, form.name)
        )
        fragments = self._bounded(found, form, place, known)
        shown = sorted(fragments.values(), key=attrgetter("place"))
        withdrawn = [fragment.row for fragment in shown if fragment.row]
        shell = form.shell(blog, found.changed, withdrawn, place)
        body = b"".join((shell.head, *(each.data for each in shown), shell.tail))
        self._metrics.renders.labels(form.name).inc()
        tag = f"{found.sequence}-{_digest(shell, shown)}"
        headers = _headers(blog, form, place)
        document = Document(blog, Representation(body, tag, found.changed, headers))
        return _Feed(blog.authority, fragments, document, 2 * len(body))

    def _bounded(
        self, found: Window, form: Format, place: Place, known: dict[str, Fragment]
    ) -> dict[str, Fragment]:
        """The fragments of the window by entry id; those that changed last get the room."""
        fragments: dict[str, Fragment] = {}
        size = 0
        for mark in found.marks:
            fragment = known.get(mark.entry_id)
            if fragment is None or fragment.offset != mark.place:
                fragment = self._fragment(found.blog.blog, mark, form, place)
            size += len(fragment.data)
            if size > MOST_BYTES:
                break
            fragments[mark.entry_id] = fragment
        return fragments

    def _fragment(self, blog: Blog, mark: EntryMark, form: Format, place: Place) -> Fragment:
        """The entry rendered, once for each change. One that cannot be costs only itself."""
        row = self._entries.entry(blog.id, mark.entry_id)
        data = b"" if row is None else self._rendered(blog, row, form, place)
        withdrawn = row if row and row.entry.withdrawn else None
        return Fragment(mark.place, newest_first(mark), data, sha256(data).digest(), withdrawn)

    def _rendered(self, blog: Blog, row: EntryRow, form: Format, place: Place) -> bytes:
        try:
            return form.entry(blog, row, place)
        except ValueError as error:  # what feedgen and lxml raise for content that they cannot take
            self._metrics.render_failures.inc()
            logger.error(
                "entry.not_rendered", blog_id=blog.id, entry_id=row.entry.id, reason=str(error)
            )
            return b""


def _digest(shell: Shell, fragments: Sequence[Fragment]) -> str:
    """A hash of the document's bytes, from those of its parts: a fragment is hashed once, not at each change."""
    parts = (sha256(shell.head).digest(), *(each.digest for each in fragments), shell.tail)
    return sha256(b"".join(parts)).hexdigest()[:16]


def cache_control(blog: Blog) -> str:
    """How long what is shown of *blog* may be kept."""
    return CLOSED if blog.state is BlogState.CLOSED else LIVE


def _headers(blog: Blog, form: Format, place: Place) -> dict[str, str]:
    return {
        "Content-Type": f"{form.media_type}; charset=utf-8",
        "Cache-Control": cache_control(blog),
        "Link": f'<{place.self_url}>; rel="self"',
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag, Last-Modified, Link",
        "X-Content-Type-Options": "nosniff",
    }
