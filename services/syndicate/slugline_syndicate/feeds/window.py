"""The window: which entries a feed holds. By the blog's own times alone, never by a clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from slugline.view.entries import BlogRow, EntriesView, EntryMark, from_micros
from slugline_syndicate.feeds.kept import Kept

#: Everything that changed so long before the blog's newest change is in.
RECENT = timedelta(hours=3)
#: And the newest entries, up to so many.
AT_LEAST = 50
#: But never more entries, or more bytes of them, than this.
AT_MOST = 200
MOST_BYTES = 400_000
#: How long a withdrawn entry is shown as withdrawn.
WITHDRAWN_SHOWN = timedelta(hours=24)

#: Bytes of windows kept over all blogs, about; and of one mark.
KEPT = 32_000_000
_MARK = 200

_RECENT = RECENT // timedelta(microseconds=1)

#: By what entries are ranked: those that changed last come first.
_rank = itemgetter(2, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """A feed's entries: *marks* by rank, those that changed last first.

    *time* (Unix microseconds) and *place* are those of the blog's newest change. *recent* are the
    marks that are in because they changed lately.
    """

    blog: BlogRow
    marks: tuple[EntryMark, ...]
    time: int
    place: int
    recent: tuple[EntryMark, ...]

    @property
    def changed(self) -> datetime:
        """When the blog changed last."""
        return from_micros(self.time)

    @property
    def size(self) -> int:
        """How many bytes of memory it holds, about."""
        return _MARK * (len(self.marks) + 1)


class Windows:
    """The windows of blogs, each kept and brought up to date by what changed since.

    A kept window is what `window` reads from the view, whatever it was asked for before.
    """

    def __init__(self, entries: EntriesView) -> None:
        self._entries = entries
        self._kept: Kept[str, Window] = Kept(KEPT)
        self._generation = entries.generation

    def get(self, blog_id: str) -> Window | None:
        """The window of a blog; None where the blog is unknown."""
        if self._generation != self._entries.generation:
            self._generation = self._entries.generation
            self._kept.clear()
        kept = self._kept.get(blog_id)
        found = _advanced(self._entries, kept) if kept else None
        found = found or window(self._entries, blog_id)
        if found is None:
            self._kept.drop(blog_id)
        elif found is not kept:
            self._kept.put(blog_id, found)
        return found


def window(entries: EntriesView, blog_id: str) -> Window | None:
    """The window of a blog; None where the blog is unknown. It costs the same however large the blog is."""
    blog, newest = entries.blog(blog_id), entries.newest_place(blog_id)
    if blog is None or newest is None:
        return None
    time, place = newest
    since = from_micros(time) - RECENT
    recent = tuple(entries.changed_since(blog_id, since, AT_MOST))
    return Window(blog, _filled(entries, blog_id, time, recent), time, place, recent)


def _advanced(entries: EntriesView, kept: Window) -> Window | None:
    """*kept* with what changed since; None where that has to be read anew.

    Whatever changed outranks all that is kept, so that nothing which was cut off can come back. That
    does not hold where a replica gave a time that lies behind.
    """
    blog_id = kept.blog.blog.id
    changes = entries.changed_after(blog_id, kept.place, AT_MOST + 1)
    if len(changes) > AT_MOST or any(mark.time < kept.time for mark in changes):
        return None
    if not changes:
        return kept
    changes.sort(key=_rank, reverse=True)
    time, place = changes[0].time, max(mark.place for mark in changes)
    again = {mark.entry_id for mark in changes}
    recent = [mark for mark in changes if mark.entry_id]
    recent += [mark for mark in kept.recent if mark.entry_id not in again]
    del recent[AT_MOST:]
    while recent and recent[-1].time < time - _RECENT:
        recent.pop()
    blog = entries.blog(blog_id) if "" in again else kept.blog
    if blog is None:
        return None
    shown = tuple(recent)
    return Window(blog, _filled(entries, blog_id, time, shown), time, place, shown)


def _filled(
    entries: EntriesView, blog_id: str, time: int, recent: tuple[EntryMark, ...]
) -> tuple[EntryMark, ...]:
    """*recent* and what is in for another reason: all of that changed before everything in *recent* did."""
    if len(recent) == AT_MOST:
        return recent
    others = {
        *entries.newest_marks(blog_id, AT_LEAST),
        *entries.withdrawn_marks(blog_id, from_micros(time) - WITHDRAWN_SHOWN, AT_MOST),
    }
    others.difference_update(recent)
    return (*recent, *sorted(others, key=_rank, reverse=True))[:AT_MOST]


def newest_first(mark: EntryMark) -> tuple[int, str]:
    """The order of entries in a feed: by `published`, newest first, then by id."""
    return -mark.published, mark.entry_id
