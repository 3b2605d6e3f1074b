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
from slugline_syndicate.feeds.window import MOST_BYTES, Window, Windows, newest_first
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
    """An entry rendered as of one record; *data* is empty where it cannot be.

    *order* sorts it in the feed. *row* is kept where it is withdrawn: the shell names it.
    """

    order: tuple[int, str]
    data: bytes
    digest: bytes
    row: EntryRow | None


@dataclass(frozen=True, slots=True)
class _Around:
    """A shell, and what it was made of."""

    blog: Blog
    withdrawn: Sequence[EntryRow]
    shell: Shell


@dataclass(slots=True)
class _Feed:
    """What is kept of a feed: the fragments of its window by the places of their records, its shell,
    and its document until the next change."""

    authority: str
    fragments: dict[int, Fragment]
    around: _Around
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
        self._windows = Windows(entries)
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
        found = self._windows.get(blog_id)
        if found is None:
            self._feeds.drop((blog_id, name))
            return None
        if feed is not None and feed.authority != found.blog.blog.authority:
            feed = None  # ids of entries are made from it
        fresh = self._render(found, self._formats[name], feed)
        self._feeds.put((blog_id, name), fresh)
        return fresh.document

    def _changed(self, blog_ids: Sequence[str]) -> None:
        for blog_id in blog_ids:
            for name in self._formats:
                feed = self._feeds.get((blog_id, name))
                if feed is not None:
                    feed.document = None

    def _render(self, found: Window, form: Format, kept: _Feed | None) -> _Feed:
        blog = found.blog.blog
        place = Place(
            public_url=self._public_url, self_url=feed_url(self._public_url, blog.id, form.name)
        )
        fragments = self._bounded(found, form, place, kept.fragments if kept else {})
        shown = sorted(fragments.values(), key=attrgetter("order"))
        around = _around(blog, shown, form, place, kept)
        head = around.shell.head(form.date(found.changed))
        body = b"".join([head, *[each.data for each in shown], around.shell.tail])
        self._metrics.renders.labels(form.name).inc()
        tag = f"{self._entries.sequence_at(found.place)}-{_digest(head, shown, around.shell.tail)}"
        headers = _headers(blog, form, place)
        document = Document(blog, Representation(body, tag, found.changed, headers))
        return _Feed(blog.authority, fragments, around, document, 2 * len(body))

    def _bounded(
        self, found: Window, form: Format, place: Place, known: dict[int, Fragment]
    ) -> dict[int, Fragment]:
        """The fragments of the window; those that changed last get the room."""
        fragments: dict[int, Fragment] = {}
        size = 0
        for mark in found.marks:
            fragment = known.get(mark.place)
            if fragment is None:
                fragment = self._fragment(found.blog.blog, mark, form, place)
            size += len(fragment.data)
            if size > MOST_BYTES:
                break
            fragments[mark.place] = fragment
        return fragments

    def _fragment(self, blog: Blog, mark: EntryMark, form: Format, place: Place) -> Fragment:
        """The entry rendered, once for each change. One that cannot be costs only itself."""
        row = self._entries.entry(blog.id, mark.entry_id)
        data = b"" if row is None else self._rendered(blog, row, form, place)
        withdrawn = row if row and row.entry.withdrawn else None
        return Fragment(newest_first(mark), data, sha256(data).digest(), withdrawn)

    def _rendered(self, blog: Blog, row: EntryRow, form: Format, place: Place) -> bytes:
        try:
            return form.entry(blog, row, place)
        except ValueError as error:  # what feedgen and lxml raise for content that they cannot take
            self._metrics.render_failures.inc()
            logger.error(
                "entry.not_rendered", blog_id=blog.id, entry_id=row.entry.id, reason=str(error)
            )
            return b""


def _around(
    blog: Blog, shown: Sequence[Fragment], form: Format, place: Place, kept: _Feed | None
) -> _Around:
    """The shell; made anew only where what it says has changed."""
    withdrawn = [each.row for each in shown if each.row]
    if kept and kept.around.blog == blog and kept.around.withdrawn == withdrawn:
        return kept.around
    return _Around(blog, withdrawn, form.shell(blog, withdrawn, place))


def _digest(head: bytes, fragments: Sequence[Fragment], tail: bytes) -> str:
    """A hash of the document's bytes, from those of its parts: a fragment is hashed once, not at each change."""
    parts = [sha256(head).digest(), *[each.digest for each in fragments], tail]
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
