"""Feed documents: rendered once for each change, kept as the bytes that are served."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import structlog

from slugline.blog import Blog
from slugline.telemetry import Metrics
from slugline.view.entries import EntriesView, EntryRow
from slugline_syndicate.feeds.formats import Format, Place
from slugline_syndicate.feeds.window import MOST_BYTES, Window, newest_first, window
from slugline_syndicate.links import blog_url

#: Fragments kept over all blogs, by format and entry; some 2 kB each.
FRAGMENTS = 20_000

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes as they are served under one content coding, and their strong ETag (RFC 9110 8.8.3)."""

    body: bytes
    etag: str
    coding: str


@dataclass(frozen=True, slots=True)
class Document:
    """One feed of one blog as of its newest change."""

    identity: Representation
    gzip: Representation
    changed: datetime
    blog: Blog


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
        self._documents: dict[tuple[str, str], Document | None] = {}
        self._fragments: dict[tuple[str, str, str], tuple[tuple[int, str, str], bytes]] = {}
        entries.listen_to_rows(self._changed)

    def document(self, blog_id: str, name: str) -> Document | None:
        """The feed of a blog in the format called *name*; None for an unknown blog."""
        key = (blog_id, name)
        if key not in self._documents:
            found = window(self._entries, blog_id)
            if found is None:
                return None
            self._documents[key] = self._render(found, self._formats[name])
        return self._documents[key]

    def _changed(self, blog_ids: Sequence[str]) -> None:
        for blog_id in blog_ids:
            for name in self._formats:
                self._documents.pop((blog_id, name), None)

    def _render(self, found: Window, form: Format) -> Document:
        blog = found.blog.blog
        place = Place(
            public_url=self._public_url,
            self_url=f"{blog_url(self._public_url, blog.id)}/feed.{form.name}",
        )
        shown = self._bounded(found, form, place)
        withdrawn = [row for row, _ in shown if row.entry.withdrawn]
        shell = form.shell(blog, found.changed, withdrawn, place)
        body = b"".join((shell.head, *(data for _, data in shown), shell.tail))
        self._metrics.renders.labels(form.name).inc()
        tag = f"{found.sequence}-{sha256(body).hexdigest()[:16]}"
        return Document(
            Representation(body, f'"{tag}-identity"', "identity"),
            Representation(gzip.compress(body, 6, mtime=0), f'"{tag}-gzip"', "gzip"),
            found.changed,
            blog,
        )

    def _bounded(self, found: Window, form: Format, place: Place) -> list[tuple[EntryRow, bytes]]:
        """The fragments of the window in the feed's order; those that changed last get the room."""
        shown: list[tuple[EntryRow, bytes]] = []
        size = 0
        for row in found.rows:
            data = self._fragment(found.blog.blog, row, form, place)
            size += len(data or b"")
            if size > MOST_BYTES and shown:
                break
            if data is not None:
                shown.append((row, data))
        return sorted(shown, key=lambda pair: newest_first(pair[0]))

    def _fragment(self, blog: Blog, row: EntryRow, form: Format, place: Place) -> bytes | None:
        """The entry rendered, once for each change; None where it cannot be: it costs only itself."""
        key = (form.name, blog.id, row.entry.id)
        version = (row.sequence, row.event_id, blog.authority)
        kept = self._fragments.get(key)
        if kept is not None and kept[0] == version:
            return kept[1]
        try:
            data = form.entry(blog, row, place)
        except ValueError as error:  # what feedgen and lxml raise for content that they cannot take
            self._metrics.render_failures.inc()
            logger.error(
                "entry.not_rendered", blog_id=blog.id, entry_id=row.entry.id, reason=str(error)
            )
            return None
        if len(self._fragments) >= FRAGMENTS:
            self._fragments.clear()
        self._fragments[key] = (version, data)
        return data
