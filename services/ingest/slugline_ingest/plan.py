"""A plan: what one write will publish, worked out against a blog as the view has it. Pure."""

import html
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from slugline.blog import Blog, BlogId, BlogState
from slugline.entry import WITHDRAWN_BY_API, Entry, EntryId, Media
from slugline.events import Change, Event, EventType, content_hash, event_id
from slugline.view.entries import BlogRow, EntryRow
from slugline_ingest.withdrawals import withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A blog as the view has it. *newest* is id and time of its newest event; None: unknown blog.

    *entries* holds withdrawn ones too. Looking one up is cheap, going through all of them is not.
    """

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
            started = replace(entry, updated=max(entry.updated, entry.published))
            self._add(EventType.ENTRY_CREATED, started, None)
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
            updated=self._updated(entry, row.entry) if significant else row.entry.updated,
        )
        self._add(EventType.ENTRY_UPDATED, revised, row.event_id, changed, significant=significant)
        self.updated.append(entry.id)

    def withdraw(self, row: EntryRow, by: str) -> None:
        """Take the entry back: its record stays, its text goes. A source never overrules the API."""
        entry = row.entry
        if entry.withdrawn and entry.withdrawn.by in (by, WITHDRAWN_BY_API):
            self.unchanged += 1
            return
        self._add(EventType.ENTRY_DELETED, withdrawn(entry, by, self._time()), row.event_id)
        self.deleted.append(entry.id)

    def _updated(self, entry: Entry, known: Entry) -> datetime:
        """When a significant edit was made: as stated, or now; many pages never move their date."""
        return entry.updated if entry.updated > known.updated else max(self.now, known.updated)

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


def changes(before: Entry, after: Entry) -> tuple[Change, ...]:
    """What *after* says differently; nothing where only the encoding differs."""
    if before.withdrawn:
        return (Change.TITLE, Change.BODY, Change.MEDIA, Change.META)
    differ = {
        Change.TITLE: not same(before.title or "", after.title or ""),
        Change.BODY: not all(map(same, _body(before), _body(after))),
        Change.MEDIA: [_medium(m) for m in before.media] != [_medium(m) for m in after.media],
        Change.META: _meta(before) != _meta(after),
    }
    return tuple(change for change, differs in differ.items() if differs)


def _body(entry: Entry) -> tuple[str, str, str]:
    return entry.body_html, entry.body_text, entry.summary


def _medium(media: Media) -> Media:
    return replace(
        media, alt=plain(media.alt), caption=plain(media.caption), credit=plain(media.credit)
    )


def _meta(entry: Entry) -> tuple[object, ...]:
    related = tuple((plain(r.title), plain(r.summary), r.link) for r in entry.related)
    return entry.authors, entry.link, related, entry.tags, entry.key_event, entry.pinned


def same(one: str, other: str) -> bool:
    """Whether two texts differ by no more than a page's rendering."""
    return one == other or plain(one) == plain(other)


_STYLE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " "})


def plain(text: str) -> str:
    """*text* without what a page's rendering changes: entities, quote styles, blanks, Unicode forms."""
    unescaped = html.unescape(html.unescape(text)).translate(_STYLE)
    return " ".join(unicodedata.normalize("NFC", unescaped).split())


def oldest_first(entries: Iterable[Entry]) -> list[Entry]:
    """The order in which entries of one write are published; those of one instant keep theirs."""
    return sorted(entries, key=lambda entry: entry.published)


def created_or_known(state: State, blog_id: BlogId, authority: str) -> Blog:
    """The blog, as it is or as a first write makes it."""
    return state.blog.blog if state.blog else Blog(id=blog_id, authority=authority)
