"""Blogs, entries and their events in the view.

Tables `blog` and `entry` are functions of each key's newest record. Table `event` is history: each
revision with the offset at which its `ce_id` first stood in the log; revisions that were superseded
more than seven days ago are pruned, and a withdrawal takes the text of all earlier ones.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from slugline.blog import Blog, BlogId
from slugline.clock import parse_rfc3339
from slugline.codec import blog_from_json, entry_from_json
from slugline.entry import Entry, EntryId
from slugline.errors import LogDamagedError, UndecodableRecordError
from slugline.events import Event, EventType, decode, envelope
from slugline.log import StoredRecord
from slugline.topics import ENTRIES, base_of

#: How long a superseded revision stays deliverable.
REVISIONS_KEPT = timedelta(days=7)

_REF = "partition, offset, blog_id, entry_id, ce_id, ce_type, ce_time, written_at"


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


@dataclass(frozen=True, slots=True)
class EventRef:
    """Where an event stands, and whom it concerns: what is needed to match it, without its text.

    *entry_id* is empty for an event of the blog itself.
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


class EntriesView:
    """The projection of the entries topic, and the questions that both services ask it."""

    topics = (ENTRIES,)
    schema = """
    CREATE TABLE base(partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, base INTEGER NOT NULL);
    CREATE TABLE blog(blog_id TEXT PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
                      ce_id TEXT NOT NULL, ce_time INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE entry(blog_id TEXT, entry_id TEXT, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
                       ce_id TEXT NOT NULL, ce_time INTEGER NOT NULL, published INTEGER NOT NULL,
                       withdrawn INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE(blog_id, entry_id));
    CREATE INDEX entry_published ON entry(blog_id, published DESC, entry_id);
    CREATE INDEX entry_changed ON entry(blog_id, ce_time);
    CREATE INDEX entry_offset ON entry(blog_id, offset);
    CREATE TABLE event(partition INTEGER, offset INTEGER, blog_id TEXT NOT NULL, entry_id TEXT NOT NULL,
                       ce_id TEXT NOT NULL, ce_type TEXT NOT NULL, ce_time INTEGER NOT NULL,
                       written_at INTEGER NOT NULL, superseded_at INTEGER, headers BLOB NOT NULL, data BLOB,
                       PRIMARY KEY(partition, offset));
    CREATE INDEX event_subject ON event(blog_id, entry_id, offset);
    CREATE INDEX event_blog ON event(blog_id, offset);
    CREATE INDEX event_id ON event(ce_id);
    CREATE INDEX event_superseded ON event(superseded_at) WHERE superseded_at IS NOT NULL;
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[EventRef]], None]] = []
        self._fresh: list[EventRef] = []

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._fresh = []
        self._bases: dict[int, int] = dict(db.execute("SELECT partition, base FROM base"))

    def listen(self, listener: Callable[[Sequence[EventRef]], None]) -> None:
        """Call *listener* with the new events of each transaction, in the order of the log."""
        self._listeners.append(listener)

    def committed(self) -> None:
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            for listener in self._listeners:
                listener(fresh)

    # --- applying -------------------------------------------------------------------------------

    def apply(self, record: StoredRecord) -> None:
        base = base_of(record.key)
        if base is not None:
            self._apply_base(record, base)
        elif record.partition not in self._bases:
            raise LogDamagedError(
                f"partition {record.partition} of {ENTRIES} has no base record before offset {record.offset}; "
                "this is not a log that slugline made"
            )
        elif record.value is None:
            self._purge(record)
        else:
            self._apply_event(record, record.value)

    def _apply_base(self, record: StoredRecord, base: int) -> None:
        if record.partition in self._bases:  # the lowest offset counts, and records come in order
            return
        self._bases[record.partition] = base
        self._db.execute(
            "INSERT INTO base VALUES (?, ?, ?)", (record.partition, record.offset, base)
        )

    def _purge(self, record: StoredRecord) -> None:
        subject = _subject(record.key)
        self._db.execute("DELETE FROM event WHERE blog_id = ? AND entry_id = ?", subject)
        self._db.execute("DELETE FROM entry WHERE blog_id = ? AND entry_id = ?", subject)
        if not subject[1]:
            self._db.execute("DELETE FROM blog WHERE blog_id = ?", subject[:1])

    def _apply_event(self, record: StoredRecord, value: bytes) -> None:
        facts = envelope(record.headers)
        blog_id, entry_id = _subject(record.key)
        try:
            kind = EventType(facts.type)
            row = _row(orjson.loads(value), entry_id)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UndecodableRecordError(f"its value cannot be read: {error!r}") from error
        repeated = self._current_id(blog_id, entry_id) == facts.id
        time = _micros(facts.time)
        place = (blog_id, record.partition, record.offset, facts.id, time)
        if entry_id:
            self._put_entry(entry_id, place, row)
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO blog VALUES (?, ?, ?, ?, ?, ?)", (*place, row.data)
            )
        if repeated:
            return
        self._put_event(
            record,
            value,
            EventRef(
                record.partition,
                record.offset,
                BlogId(blog_id),
                entry_id,
                facts.id,
                kind,
                facts.time,
                record.written_at,
            ),
        )

    def _current_id(self, blog_id: str, entry_id: str) -> str | None:
        row = self._db.execute(
            "SELECT ce_id FROM entry WHERE blog_id = ? AND entry_id = ?"
            if entry_id
            else "SELECT ce_id FROM blog WHERE blog_id = ? AND '' = ?",
            (blog_id, entry_id),
        ).fetchone()
        return row[0] if row else None

    def _put_entry(self, entry_id: str, place: tuple[Any, ...], row: "_Row") -> None:
        blog_id, partition, offset, ce_id, time = place
        self._db.execute(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                blog_id,
                entry_id,
                partition,
                offset,
                ce_id,
                time,
                row.published,
                row.withdrawn,
                row.data,
            ),
        )

    def _put_event(self, record: StoredRecord, value: bytes, ref: EventRef) -> None:
        written_at = _micros(record.written_at)
        subject = (ref.blog_id, ref.entry_id)
        self._db.execute(
            "UPDATE event SET superseded_at = ? WHERE blog_id = ? AND entry_id = ? AND superseded_at IS NULL",
            (written_at, *subject),
        )
        if ref.type is EventType.ENTRY_DELETED:
            self._db.execute(
                "UPDATE event SET data = NULL WHERE blog_id = ? AND entry_id = ?", subject
            )
        headers = orjson.dumps([[name, item.decode()] for name, item in record.headers])
        self._db.execute(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (
                ref.partition,
                ref.offset,
                *subject,
                ref.id,
                ref.type,
                _micros(ref.time),
                written_at,
                headers,
                value,
            ),
        )
        self._fresh.append(ref)

    def prune(self, now: datetime, limit: int = 1000) -> int:
        """Drop up to *limit* revisions that were superseded more than seven days before *now*."""
        return self._db.execute(
            "DELETE FROM event WHERE rowid IN"
            " (SELECT rowid FROM event WHERE superseded_at < ? LIMIT ?)",
            (_micros(now - REVISIONS_KEPT), limit),
        ).rowcount

    # --- blogs and entries as they are now --------------------------------------------------------

    def blog(self, blog_id: str) -> BlogRow | None:
        """The blog, or None where it is unknown."""
        row = self._db.execute(
            "SELECT partition, offset, ce_id, ce_time, data FROM blog WHERE blog_id = ?", (blog_id,)
        ).fetchone()
        return self._blog_row(row) if row else None

    def blogs(self) -> list[BlogRow]:
        """Every blog, by id."""
        rows = self._db.execute(
            "SELECT partition, offset, ce_id, ce_time, data FROM blog ORDER BY blog_id"
        )
        return [self._blog_row(row) for row in rows]

    def entry(self, blog_id: str, entry_id: str) -> EntryRow | None:
        """The entry, withdrawn ones too, or None where it is unknown."""
        rows = self._entry_rows("WHERE blog_id = ? AND entry_id = ?", blog_id, entry_id)
        return rows[0] if rows else None

    def entries(self, blog_id: str, limit: int = -1, *, withdrawn: bool = True) -> list[EntryRow]:
        """The newest *limit* entries (negative: all), newest `published` first, then by id."""
        only = "" if withdrawn else "AND NOT withdrawn "
        return self._entry_rows(
            f"WHERE blog_id = ? {only}ORDER BY published DESC, entry_id LIMIT ?", blog_id, limit
        )

    def changed_since(self, blog_id: str, since: datetime) -> list[EntryRow]:
        """The entries whose newest change is at or after *since*, newest `published` first, then by id."""
        return self._entry_rows(
            "WHERE blog_id = ? AND ce_time >= ? ORDER BY published DESC, entry_id",
            blog_id,
            _micros(since),
        )

    def newest_change(self, blog_id: str) -> tuple[datetime, int] | None:
        """Time and sequence of the blog's newest change, from the current rows; None: unknown."""
        row = self._db.execute(
            "SELECT max(ce_time), max(offset), max(partition) FROM ("
            " SELECT ce_time, offset, partition FROM blog WHERE blog_id = ?1 UNION ALL"
            " SELECT max(ce_time), max(offset), max(partition) FROM entry WHERE blog_id = ?1)",
            (blog_id,),
        ).fetchone()
        if row[0] is None:
            return None
        return _instant(row[0]), self.sequence(row[2], row[1])

    def sequence(self, partition: int, offset: int) -> int:
        """The sequence of the record at *offset*: base + offset (< 2**53 until the year 2255)."""
        return self._bases[partition] + offset

    def offset(self, partition: int, sequence: int) -> int:
        """The inverse of `sequence`."""
        return sequence - self._bases[partition]

    # --- events -----------------------------------------------------------------------------------

    def newest_event(self, blog_id: str) -> tuple[str, datetime] | None:
        """Id and time of the blog's newest event; None where it has none."""
        row = self._db.execute(
            "SELECT ce_id, max(offset) FROM event WHERE blog_id = ?", (blog_id,)
        ).fetchone()
        if row[0] is None:
            return None
        newest = self.newest_change(blog_id)
        return row[0], newest[0] if newest else datetime.min.replace(tzinfo=UTC)

    def events_between(self, blog_id: str, start: int, stop: int) -> list[EventRef]:
        """The blog's events at offsets in [*start*, *stop*), in order."""
        rows = self._db.execute(
            f"SELECT {_REF} FROM event"  # noqa: S608 - a constant
            " WHERE blog_id = ? AND offset >= ? AND offset < ? ORDER BY offset",
            (blog_id, start, stop),
        )
        return [_ref(row) for row in rows]

    def events_from(self, partition: int, offset: int, limit: int) -> list[EventRef]:
        """Up to *limit* events of *partition* at or after *offset*, in order."""
        rows = self._db.execute(
            f"SELECT {_REF} FROM event"  # noqa: S608 - a constant
            " WHERE partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (partition, offset, limit),
        )
        return [_ref(row) for row in rows]

    def event_at(self, partition: int, offset: int) -> StoredEvent | None:
        """The event at *offset*, as it may be sent now; None where it was pruned or is none."""
        row = self._db.execute(
            f"SELECT {_REF}, superseded_at, headers, data FROM event"  # noqa: S608 - a constant
            " WHERE partition = ? AND offset = ?",
            (partition, offset),
        ).fetchone()
        if row is None:
            return None
        superseded_at, headers, data = row[8:]
        decoded = (
            None
            if data is None
            else decode(tuple((name, text.encode()) for name, text in orjson.loads(headers)), data)
        )
        return StoredEvent(
            _ref(row[:8]), self.sequence(partition, offset), decoded, superseded_at is not None
        )

    def place_of(self, event_id: str) -> tuple[int, int] | None:
        """Partition and offset of the event with *event_id*; None where it is unknown or pruned."""
        row = self._db.execute(
            "SELECT partition, offset FROM event WHERE ce_id = ? ORDER BY offset LIMIT 1",
            (event_id,),
        ).fetchone()
        return (row[0], row[1]) if row else None

    def _blog_row(self, row: tuple[Any, ...]) -> BlogRow:
        partition, offset, ce_id, ce_time, data = row
        blog = blog_from_json(orjson.loads(data))
        return BlogRow(blog, ce_id, _instant(ce_time), self.sequence(partition, offset))

    def _entry_rows(self, where: str, *values: object) -> list[EntryRow]:
        rows = self._db.execute(
            f"SELECT partition, offset, ce_id, ce_time, data FROM entry {where}",  # noqa: S608 - constants
            values,
        )
        return [
            EntryRow(
                entry_from_json(orjson.loads(data)), ce_id, _instant(time), self.sequence(p, offset)
            )
            for p, offset, ce_id, time, data in rows
        ]


@dataclass(frozen=True, slots=True)
class _Row:
    """What the tables need of a value; *data* is the JSON of the entry or blog alone."""

    published: int
    withdrawn: bool
    data: bytes


def _row(value: dict[str, Any], entry_id: str) -> _Row:
    if not entry_id:
        blog_from_json(value["blog"])
        return _Row(0, False, orjson.dumps(value["blog"]))
    body = value["entry"]
    if body["id"] != entry_id:
        raise ValueError(f"the entry is {body['id']!r}, its key says {entry_id!r}")
    published = _micros(parse_rfc3339(body["published"]))
    parse_rfc3339(body["updated"])
    return _Row(published, "withdrawn" in body, orjson.dumps(body))


def _subject(key: bytes) -> tuple[str, str]:
    blog_id, bar, entry_id = key.decode(errors="replace").partition("|")
    if not bar:
        raise UndecodableRecordError(f"its key {key!r} names no entry")
    return blog_id, entry_id


def _ref(row: tuple[Any, ...]) -> EventRef:
    partition, offset, blog_id, entry_id, ce_id, ce_type, ce_time, written_at = row
    return EventRef(
        partition,
        offset,
        blog_id,
        entry_id,
        ce_id,
        EventType(ce_type),
        _instant(ce_time),
        _instant(written_at),
    )


def _micros(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC) + timedelta(
        microseconds=micros % 1_000_000
    )


__all__ = ["BlogRow", "EntriesView", "EntryId", "EntryRow", "EventRef", "StoredEvent"]
