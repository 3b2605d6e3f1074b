"""How records of the entries topic change the view's tables."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from slugline.blog import BlogId
from slugline.clock import parse_rfc3339
from slugline.codec import blog_from_json
from slugline.errors import UndecodableRecordError
from slugline.events import EventType, envelope
from slugline.log import StoredRecord
from slugline.log.written import written_at
from slugline.topics import ENTRIES, base_of, is_base
from slugline.view.entry_rows import EventRef, place_of, to_micros

#: How long a superseded revision stays deliverable.
REVISIONS_KEPT = timedelta(days=7)


class EntryTables:
    """The tables of the entries topic.

    `blog` and `entry` are functions of each key's newest record. `event` is history: each revision
    with the offset at which its `ce_id` first stood in the log; revisions that were superseded more
    than seven days ago are pruned, and a withdrawal takes the text of all earlier ones.
    """

    topics = (ENTRIES,)
    schema = """
    CREATE TABLE base(partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, base INTEGER NOT NULL);
    CREATE TABLE blog(blog_id TEXT PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
                      ce_id TEXT NOT NULL, ce_time INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE entry(blog_id TEXT, entry_id TEXT, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
                       ce_id TEXT NOT NULL, ce_time INTEGER NOT NULL, published INTEGER NOT NULL,
                       withdrawn INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE(blog_id, entry_id));
    CREATE INDEX entry_standing ON entry(blog_id, published DESC, entry_id) WHERE NOT withdrawn;
    CREATE INDEX entry_withdrawn ON entry(blog_id, ce_time, offset) WHERE withdrawn;
    CREATE INDEX entry_changed ON entry(blog_id, ce_time, offset, entry_id, published);
    CREATE INDEX entry_offset ON entry(blog_id, offset);
    CREATE TABLE event(place INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
                       blog_id TEXT NOT NULL, entry_id TEXT NOT NULL, ce_id TEXT NOT NULL, ce_type TEXT NOT NULL,
                       ce_time INTEGER NOT NULL, written_at INTEGER NOT NULL, superseded_at INTEGER,
                       ce_previous TEXT, data BLOB);
    CREATE INDEX event_subject ON event(blog_id, entry_id, offset);
    CREATE INDEX event_blog ON event(blog_id, offset);
    CREATE INDEX event_superseded ON event(superseded_at) WHERE superseded_at IS NOT NULL;
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[EventRef]], None]] = []
        self._row_listeners: list[Callable[[Sequence[str]], None]] = []
        self._fresh: list[EventRef] = []
        self._touched: dict[str, None] = {}
        #: Grows whenever some text was taken back: what was kept of it elsewhere is void then.
        self.withdrawals = 0
        #: Grows whenever a file was opened: what was kept of another one is void then.
        self.generation = 0

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._fresh, self._touched = [], {}
        self.withdrawals += 1
        self.generation += 1
        self._bases: dict[int, int] = dict(db.execute("SELECT partition, base FROM base"))

    def listen(self, listener: Callable[[Sequence[EventRef]], None]) -> None:
        """Call *listener* with the new events of each transaction, in the order of the log."""
        self._listeners.append(listener)

    def listen_to_rows(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call *listener* with the ids of blogs of which any row changed, events or not."""
        self._row_listeners.append(listener)

    def committed(self) -> None:
        if self._touched:
            touched, self._touched = list(self._touched), {}
            for tell in self._row_listeners:
                tell(touched)
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            for listener in self._listeners:
                listener(fresh)

    def apply(self, record: StoredRecord) -> None:
        if record.partition not in self._bases:
            self._put_base(record)
        elif is_base(record.key):  # the lowest offset counts, and records come in order
            return
        elif record.value is None:
            self._purge(record)
        else:
            self._apply_event(record, record.value)

    def _put_base(self, record: StoredRecord) -> None:
        base = base_of(record)
        self._bases[record.partition] = base
        self._db.execute(
            "INSERT INTO base VALUES (?, ?, ?)", (record.partition, record.offset, base)
        )

    def _purge(self, record: StoredRecord) -> None:
        subject = _subject(record.key)
        self.withdrawals += 1
        self._touched[subject[0]] = None
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
        self._touched[blog_id] = None
        current = self._current_id(blog_id, entry_id)
        time = to_micros(facts.time)
        place = (blog_id, record.partition, record.offset, facts.id, time)
        if entry_id:
            self._put_entry(entry_id, place, row)
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO blog VALUES (?, ?, ?, ?, ?, ?)", (*place, row.data)
            )
        if current == facts.id:  # it is no event
            return
        ref = EventRef(
            record.partition,
            record.offset,
            BlogId(blog_id),
            entry_id,
            facts.id,
            kind,
            facts.time,
            written_at(record),
        )
        if current is not None:
            self._supersede(ref)
        self._put_event(ref, time, facts.previous, value)

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

    def _supersede(self, ref: EventRef) -> None:
        """Earlier events of the subject are passed by from now on; a withdrawal takes their text."""
        subject = (ref.blog_id, ref.entry_id)
        self._db.execute(
            "UPDATE event SET superseded_at = ? WHERE blog_id = ? AND entry_id = ? AND superseded_at IS NULL",
            (to_micros(ref.written_at), *subject),
        )
        if ref.type is EventType.ENTRY_DELETED:
            self.withdrawals += 1
            self._db.execute(
                "UPDATE event SET data = NULL WHERE blog_id = ? AND entry_id = ?", subject
            )

    def _put_event(self, ref: EventRef, time: int, previous: str | None, value: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (
                place_of(ref.partition, ref.offset),
                ref.partition,
                ref.offset,
                ref.blog_id,
                ref.entry_id,
                ref.id,
                ref.type,
                time,
                to_micros(ref.written_at),
                previous,
                value,
            ),
        )
        self._fresh.append(ref)

    def prune(self, now: datetime, limit: int = 1000) -> int:
        """Drop up to *limit* revisions that were superseded more than seven days before *now*."""
        return self._db.execute(
            "DELETE FROM event WHERE rowid IN"
            " (SELECT rowid FROM event WHERE superseded_at < ? LIMIT ?)",
            (to_micros(now - REVISIONS_KEPT), limit),
        ).rowcount


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
    published = to_micros(parse_rfc3339(body["published"]))
    parse_rfc3339(body["updated"])
    return _Row(published, "withdrawn" in body, orjson.dumps(body))


def _subject(key: bytes) -> tuple[str, str]:
    blog_id, bar, entry_id = key.decode(errors="replace").partition("|")
    if not bar:
        raise UndecodableRecordError(f"its key {key!r} names no entry")
    return blog_id, entry_id
