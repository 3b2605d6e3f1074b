"""The window: which entries a feed holds. By the blog's own times alone, never by a clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from slugline.view.entries import BlogRow, EntriesView, EntryMark

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
    """A feed's entries: *marks* by rank, those that changed last first; *changed* and *sequence* of
    the blog's newest change."""

    blog: BlogRow
    marks: tuple[EntryMark, ...]
    changed: datetime
    sequence: int


def window(entries: EntriesView, blog_id: str) -> Window | None:
    """The window of a blog; None where the blog is unknown. It costs the same however large the blog is."""
    blog, newest = entries.blog(blog_id), entries.newest_change(blog_id)
    if blog is None or newest is None:
        return None
    changed, sequence = newest
    marks = entries.changed_since(blog_id, changed - RECENT, AT_MOST)
    if len(marks) < AT_MOST:
        marks += _not_recent(entries, blog_id, changed, marks)
    return Window(blog, tuple(marks[:AT_MOST]), changed, sequence)


def _not_recent(
    entries: EntriesView, blog_id: str, changed: datetime, recent: list[EntryMark]
) -> list[EntryMark]:
    """What is in for another reason, by rank: all of it changed before everything in *recent* did."""
    others = {
        *entries.newest_marks(blog_id, AT_LEAST),
        *entries.withdrawn_marks(blog_id, changed - WITHDRAWN_SHOWN, AT_MOST),
    }
    others.difference_update(recent)
    return sorted(others, key=lambda mark: (mark.time, mark.place), reverse=True)


def newest_first(mark: EntryMark) -> tuple[int, str]:
    """The order of entries in a feed: by `published`, newest first, then by id."""
    return -mark.published, mark.entry_id
