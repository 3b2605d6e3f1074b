"""A plan: what one write will publish, worked out against a blog as the view has it. Pure."""

import html
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from slugline.blog import Blog, BlogId, BlogState
from slugline.entry import Entry, EntryId, Withdrawal
from slugline.events import Change, Event, EventType, content_hash, event_id
from slugline.view.entries import BlogRow, EntryRow
from slugline_ingest.identity import heading_hash, heading_of, simhash


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A blog as the view has it. *newest* is id and time of its newest event; None: unknown blog."""

    blog: BlogRow | None
    entries: Mapping[EntryId, EntryRow]
    newest: tuple[str, datetime] | None


@dataclass
class Plan:
    """The events of one write to one blog, in the order in which they will stand in the log."""

    state: State
    now: datetime
    events: list[Event] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: int = 0
    note: str = ""

    def put_blog(self, blog: Blog) -> None:
        """Make the blog say what *blog* says."""
        row = self.state.blog
        if row and content_hash(row.blog) == content_hash(blog):
            return
        closing = blog.state is BlogState.CLOSED and (
            row is None or row.blog.state is not blog.state
        )
        kind = EventType.BLOG_CLOSED if closing else EventType.BLOG_UPDATED
        self._add(kind, blog, row.event_id if row else None)

    def put_entry(self, entry: Entry) -> None:
        """Make the entry say what *entry* says, as a new revision, unless it says so already."""
        row = self.state.entries.get(entry.id)
        if row is None:
            self._add(EventType.ENTRY_CREATED, entry, None)
            self.created.append(entry.id)
            return
        changed = changes(row.entry, entry)
        if not changed:
            self.unchanged += 1
            return
        significant = changed != (Change.META,)
        revised = replace(
            entry,
            revision=row.entry.revision + 1,
            published=row.entry.published,
            inferred=row.entry.inferred,
            updated=max(entry.updated, row.entry.updated) if significant else row.entry.updated,
        )
        self._add(EventType.ENTRY_UPDATED, revised, row.event_id, changed, significant=significant)
        self.updated.append(entry.id)

    def withdraw(self, row: EntryRow, by: str) -> None:
        """Take the entry back: its record stays, its text goes."""
        entry = row.entry
        if entry.withdrawn and entry.withdrawn.by == by:
            self.unchanged += 1
            return
        self._add(EventType.ENTRY_DELETED, withdrawn(entry, by, self._time()), row.event_id)
        self.deleted.append(entry.id)

    def _add(
        self,
        kind: EventType,
        subject: Entry | Blog,
        previous: str | None,
        changed: tuple[Change, ...] = (),
        *,
        significant: bool = True,
    ) -> None:
        newest = self.events[-1].id if self.events else None
        if newest is None and self.state.newest:
            newest = self.state.newest[0]
        self.events.append(
            Event(
                id=event_id(subject, previous),
                type=kind,
                time=self._time(),
                subject=subject,
                previous=newest,
                changed=changed,
                significant=significant,
            )
        )

    def _time(self) -> datetime:
        """Now, but never before the blog's newest event: a clock that goes back moves nothing back."""
        return max(self.now, self.state.newest[1]) if self.state.newest else self.now


def withdrawn(entry: Entry, by: str, at: datetime) -> Entry:
    """*entry* taken back: id and times stay, and hashes by which it is known again."""
    headings = entry.withdrawn.headings if entry.withdrawn else ()
    likeness = entry.withdrawn.simhash if entry.withdrawn else None
    heading = heading_of(entry.title, entry.body_text)
    if heading:
        headings = tuple(dict.fromkeys((*headings, heading_hash(heading))))
    if entry.body_text:
        likeness = simhash(entry.body_text)
    return Entry(
        blog_id=entry.blog_id,
        id=entry.id,
        published=entry.published,
        updated=at,
        inferred=entry.inferred,
        revision=entry.revision + 1,
        confidence=entry.confidence,
        withdrawn=Withdrawal(by=by, at=at, headings=headings, simhash=likeness),
    )


def changes(before: Entry, after: Entry) -> tuple[Change, ...]:
    """What *after* says differently; nothing where only the encoding differs."""
    if before.withdrawn:
        return (Change.TITLE, Change.BODY, Change.MEDIA, Change.META)
    differ = {
        Change.TITLE: plain(before.title or "") != plain(after.title or ""),
        Change.BODY: _body(before) != _body(after),
        Change.MEDIA: before.media != after.media,
        Change.META: _meta(before) != _meta(after),
    }
    return tuple(change for change, differs in differ.items() if differs)


def _body(entry: Entry) -> tuple[str, str, str]:
    return plain(entry.body_html), plain(entry.body_text), plain(entry.summary)


def _meta(entry: Entry) -> tuple[object, ...]:
    related = tuple((plain(r.title), plain(r.summary), r.link) for r in entry.related)
    return entry.authors, entry.link, related, entry.tags, entry.key_event, entry.pinned


_STYLE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " "})


def plain(text: str) -> str:
    """*text* without what a page's rendering changes: entities, quote styles, blanks, Unicode forms."""
    unescaped = html.unescape(html.unescape(text)).translate(_STYLE)
    return " ".join(unicodedata.normalize("NFC", unescaped).split())


def oldest_first(entries: Iterable[Entry]) -> list[Entry]:
    """The order in which new entries of one snapshot are published."""
    return sorted(entries, key=lambda entry: (entry.published, entry.id))


def created_or_known(state: State, blog_id: BlogId, authority: str) -> Blog:
    """The blog, as it is or as a first write makes it."""
    return state.blog.blog if state.blog else Blog(id=blog_id, authority=authority)
