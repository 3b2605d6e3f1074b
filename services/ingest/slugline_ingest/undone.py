"""Withdrawals that a later record undid without having seen them.

Two replicas may write to one blog at once, and a write whose outcome was unknown may land late.
An event's id is chained to the one before it, so the log itself tells whether its writer knew that
the entry was withdrawn.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from slugline.blog import BlogId
from slugline.entry import WITHDRAWN_BY_API, Entry
from slugline.events import EventType, event_id
from slugline.view.entries import EntriesView, EntryRow, EventRef

#: Older withdrawals are settled. Far below the time for which every revision is kept: where one is
#: missing, chains cannot be followed.
YOUNG = timedelta(days=1)

_NO_END = 2**62


@dataclass
class _Looked:
    """How far a blog's events were looked at, and what was found in them, by entry."""

    until: int = 0
    #: Event id of the withdrawal that is an entry's newest event, and who withdrew.
    withdrawn: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Who withdrew what somebody brought back unknowingly.
    undone: dict[str, str] = field(default_factory=dict)


class UndoneWithdrawals:
    """Finds them, blog by blog, in what the view has gained since the last look."""

    def __init__(self, entries: EntriesView) -> None:
        self._entries = entries
        self._blogs: dict[BlogId, _Looked] = {}

    def find(self, blog_id: BlogId, now: datetime) -> list[tuple[EntryRow, str]]:
        """The entries that stand although nobody who knew brought them back, and who withdrew each."""
        looked = self._blogs.setdefault(blog_id, _Looked())
        for ref in self._entries.events_between(blog_id, looked.until, _NO_END):
            self._look(ref, looked, now)
            looked.until = ref.offset + 1
        found = []
        for entry_id, by in list(looked.undone.items()):
            row = self._entries.entry(blog_id, entry_id)
            if row and not row.entry.withdrawn:
                found.append((row, by))
            else:
                del looked.undone[entry_id]
        return found

    def _look(self, ref: EventRef, looked: _Looked, now: datetime) -> None:
        before = looked.withdrawn.pop(ref.entry_id, None)
        if ref.type is EventType.ENTRY_DELETED:
            if now - ref.written_at < YOUNG:
                looked.withdrawn[ref.entry_id] = ref.id, self._by(ref)
        elif before and not self._knew(ref, before[0]):
            looked.undone[ref.entry_id] = before[1]

    def _by(self, ref: EventRef) -> str:
        entry = self._subject(ref)
        return entry.withdrawn.by if entry and entry.withdrawn else WITHDRAWN_BY_API

    def _knew(self, ref: EventRef, withdrawal: str) -> bool:
        entry = self._subject(ref)
        return entry is None or ref.id == event_id(entry, withdrawal)

    def _subject(self, ref: EventRef) -> Entry | None:
        stored = self._entries.event_at(ref.partition, ref.offset)
        subject = stored.event.subject if stored and stored.event else None
        return subject if isinstance(subject, Entry) else None
