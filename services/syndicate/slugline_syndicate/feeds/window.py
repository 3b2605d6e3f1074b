"""The window: which entries a feed holds. By the blog's own times alone, never by a clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from slugline.view.entries import BlogRow, EntriesView, EntryRow

#: Everything that changed so long before the blog's newest change is in.
RECENT = timedelta(hours=3)
#: And the newest entries, up to so many.
AT_LEAST = 50
#: But never more entries, or more bytes of them, than this.
AT_MOST = 200
MOST_BYTES = 400_000
#: How long a withdrawn entry is shown as withdrawn.
WITHDRAWN_SHOWN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Window:
    """A feed's entries: *rows* by rank, those that changed last first; *changed* and *sequence* of
    the blog's newest change."""

    blog: BlogRow
    rows: tuple[EntryRow, ...]
    changed: datetime
    sequence: int


def window(entries: EntriesView, blog_id: str) -> Window | None:
    """The window of a blog; None where the blog is unknown."""
    blog, newest = entries.blog(blog_id), entries.newest_change(blog_id)
    if blog is None or newest is None:
        return None
    changed, sequence = newest
    found = {row.entry.id: row for row in entries.entries(blog_id, AT_LEAST, withdrawn=False)}
    found |= {row.entry.id: row for row in entries.changed_since(blog_id, changed - RECENT)}
    for row in entries.withdrawn_since(blog_id, changed - WITHDRAWN_SHOWN):
        found[row.entry.id] = row
    ranked = sorted(found.values(), key=lambda row: (row.time, row.sequence), reverse=True)
    return Window(blog, tuple(ranked[:AT_MOST]), changed, sequence)


def newest_first(row: EntryRow) -> tuple[float, str]:
    """The order of entries in a feed: by `published`, newest first, then by id."""
    return -row.entry.published.timestamp(), row.entry.id
