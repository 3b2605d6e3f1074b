"""From a snapshot to what a blog will say: which entry each one is, and what of it is new."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from slugline.blog import Blog, BlogId
from slugline.entry import Confidence, Entry, EntryId, Related
from slugline_ingest.identity import text_id
from slugline_ingest.likeness import heading_known_by
from slugline_ingest.matching import match, number_equals
from slugline_ingest.plan import Plan, created_or_known, oldest_first, plain, same
from slugline_ingest.snapshot import Order, Snapshot, SnapshotEntry
from slugline_ingest.times import place

NO_ENTRY = (
    "The document held no entry that could be told from the rest: nothing was published. "
    "'slugline parse' shows what is read from a file."
)


def plan_snapshot(plan: Plan, blog_id: BlogId, authority: str, snapshot: Snapshot) -> None:
    """Put into *plan* what *snapshot* says. An entry that it lacks is no delete: pages show a window.

    A document without any entry changes nothing, the blog's title neither: it may be an error page.
    """
    if not snapshot.entries:
        plan.note = NO_ENTRY
        return
    plan.put_blog(_blog(created_or_known(plan.state, blog_id, authority), snapshot))
    entries = snapshot.entries
    if snapshot.order is Order.OLDEST_FIRST:
        entries = entries[::-1]
    known = sorted((row.entry for row in plan.state.entries.values()), key=_newest_first)
    found = match(entries, known)
    ids = _ids(entries, found, {entry.id for entry in known})
    published = place(_published(plan, entries, found), plan.now)
    put = {
        name: _entry(plan, blog_id, entry, name, time)
        for entry, name, time in reversed(list(zip(entries, ids, published, strict=True)))
        if not _taken_back(plan, name)
    }
    plan.unchanged += len(entries) - len(put)
    for entry in oldest_first(put.values()):
        plan.put_entry(entry)


def new_ids(entries: Sequence[SnapshotEntry]) -> list[EntryId]:
    """The ids that *entries* would get in a blog that knows none of them; newest first."""
    return _ids(entries, [None] * len(entries), set())


def _newest_first(entry: Entry) -> tuple[float, str]:
    return -entry.published.timestamp(), entry.id


def _blog(blog: Blog, snapshot: Snapshot) -> Blog:
    """What the document says of the blog wins; what it does not say stays.

    Its language is often guessed from the words, and its address is where it was found: they fill
    in for what nobody said.
    """
    said = {
        name: value
        for name in ("title", "description", "lead")
        if (value := getattr(snapshot, name)) and not same(value, getattr(blog, name))
    }
    language, link = blog.language or snapshot.language, blog.link or snapshot.link
    return replace(blog, **said, language=language, link=link)


def _ids(
    entries: Sequence[SnapshotEntry], found: Sequence[EntryId | None], known: set[EntryId]
) -> list[EntryId]:
    """Ids of all: those found, the document's own, or a hash of heading and minute.

    Equal headings at the same minute are told apart by their number, counted from the oldest, so
    that one more on top changes none of them.
    """
    headings = [heading_known_by(entry) for entry in entries]
    stamps = [
        f"{h}|{e.published:%H:%M}" if e.published else h
        for h, e in zip(headings, entries, strict=True)
    ]
    taken = {name for name in found if name} | known
    result: list[EntryId] = []
    for entry, name, heading, nth in zip(
        entries, found, headings, number_equals(stamps), strict=True
    ):
        chosen = name or (EntryId(entry.id) if entry.id else None)
        while chosen is None:
            candidate = text_id(heading, entry.published, nth)
            chosen = None if candidate in taken else candidate
            nth += 1
        taken.add(chosen)
        result.append(chosen)
    return result


def _published(
    plan: Plan, entries: Sequence[SnapshotEntry], found: Sequence[EntryId | None]
) -> list[datetime | None]:
    rows = [plan.state.entries[name] if name else None for name in found]
    return [
        row.entry.published if row else entry.published
        for row, entry in zip(rows, entries, strict=True)
    ]


def _taken_back(plan: Plan, name: EntryId) -> bool:
    row = plan.state.entries.get(name)
    return bool(row and row.entry.withdrawn)


def _entry(
    plan: Plan, blog_id: BlogId, entry: SnapshotEntry, name: EntryId, published: datetime
) -> Entry:
    row = plan.state.entries.get(name)
    inferred = entry.inferred if entry.published else ("published", *entry.inferred)
    made = Entry(
        blog_id=blog_id,
        id=name,
        published=published,
        updated=entry.updated or published,
        title=entry.title,
        body_html=entry.body_html,
        body_text=entry.body_text,
        summary=entry.summary,
        authors=entry.authors,
        link=entry.link,
        media=entry.media,
        related=entry.related,
        tags=entry.tags,
        key_event=entry.key_event,
        pinned=entry.pinned,
        confidence=entry.confidence,
        inferred=tuple(dict.fromkeys(inferred)),
    )
    return _kept(made, row.entry) if row else made


def _kept(entry: Entry, known: Entry) -> Entry:
    """*entry*, and what is known of it that its kind of document cannot say."""
    if entry.confidence is Confidence.HIGH:
        return entry
    says_less = same(entry.body_text, known.body_text) or _is_cut(entry.body_text, known.body_text)
    return replace(
        entry,
        body_html=known.body_html if says_less else entry.body_html,
        body_text=known.body_text if says_less else entry.body_text,
        summary=entry.summary or known.summary,
        authors=entry.authors or known.authors,
        link=entry.link or known.link,
        media=known.media if any(m.url for m in known.media) else entry.media,
        related=_linked(entry.related, known.related),
        tags=entry.tags or known.tags,
        key_event=entry.key_event or known.key_event,
        pinned=entry.pinned or known.pinned,
    )


def _is_cut(text: str, whole: str) -> bool:
    """Whether *text* is the beginning of *whole*, cut off: it ends with `…`, as extractors mark that."""
    beginning = plain(text.removesuffix("…"))
    return text.endswith("…") and bool(beginning) and plain(whole).startswith(beginning)


def _linked(related: Sequence[Related], known: Sequence[Related]) -> tuple[Related, ...]:
    """*related* with the links that are known of them."""
    links = {plain(r.title): r.link for r in known}
    return tuple(replace(r, link=r.link or links.get(plain(r.title))) for r in related)
