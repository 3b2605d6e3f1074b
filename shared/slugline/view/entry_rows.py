"""What the entries' projection answers with, and how times stand in its tables."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from slugline.blog import Blog, BlogId
from slugline.entry import Entry
from slugline.events import Event, EventType

#: Bits of a place that are the offset; those above are the partition.
OFFSET_BITS = 40
NO_END = (1 << OFFSET_BITS) - 1

#: The columns of an `EventRef`, in order.
REF = "place, blog_id, entry_id, ce_id, ce_type, ce_time, written_at"
#: The columns of an `EntryMark`, in order.
MARK = "entry_id, newest, changed, published"
#: The columns of an `EntryRow` or a `BlogRow`, in order.
ROW = "newest, ce_id, changed, ifnull(repeated, data)"


@dataclass(frozen=True, slots=True)
class BlogRow:
    """A blog as its newest record states it."""

    blog: Blog
    event_id: str
    time: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as its newest record states it. *sequence* and *time* are that record's."""

    entry: Entry
    event_id: str
    time: datetime
    sequence: int


class EntryMark(NamedTuple):
    """Which entry, and as of which record: what is needed to know whether it was seen before.

    A tuple, because feeds read hundreds at each change. *place* is that record's, *time* that of
    the newest change and *published* that of the publication, both in Unix microseconds.
    """

    entry_id: str
    place: int
    time: int
    published: int


class EventRef(NamedTuple):
    """Where an event stands, and whom it concerns: what is needed to match it, without its text.

    *entry_id* is empty for an event of the blog itself. A tuple, because one is made of each record.
    """

    partition: int
    offset: int
    blog_id: BlogId
    entry_id: str
    id: str
    type: EventType
    time: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the history. *event* is None once its entry was withdrawn after it: superseded.

    *superseded* says that a later event of the same subject exists.
    """

    ref: EventRef
    sequence: int
    event: Event | None
    superseded: bool


def place_of(partition: int, offset: int) -> int:
    """One number for a place in the log, so that the events of a partition stand together, in order."""
    return (partition << OFFSET_BITS) + offset


def partition_and_offset(place: int) -> tuple[int, int]:
    """The inverse of `place_of`."""
    return place >> OFFSET_BITS, place & NO_END


def to_ref(row: tuple[Any, ...]) -> EventRef:
    place, blog_id, entry_id, ce_id, ce_type, ce_time, written_at = row
    return EventRef(
        *partition_and_offset(place),
        blog_id,
        entry_id,
        ce_id,
        EventType(ce_type),
        from_micros(ce_time),
        from_micros(written_at),
    )


def to_micros(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)


def from_micros(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC) + timedelta(
        microseconds=micros % 1_000_000
    )
