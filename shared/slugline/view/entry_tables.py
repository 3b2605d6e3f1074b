"""How records of the entries topic change the view's tables."""

import sqlite3
from collections.abc import Callable, Sequence
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

#: The newest event of a subject (a blog's and an entry's id), and the ones before it.
_NEWEST = "blog_id = ? AND entry_id = ? AND superseded_at IS NULL"
_EARLIER = "blog_id = ? AND entry_id = ? AND superseded_at IS NOT NULL"

_ADD = (
    f"INSERT INTO event VALUES ({', '.join('?' * 15)})"  # noqa: S608 - constants, as all below
    " ON CONFLICT(blog_id, entry_id) WHERE superseded_at IS NULL DO NOTHING"
)
_REPEAT = (
    "UPDATE event SET newest = ?, changed = ?, published = ?, withdrawn = ?, repeated = ?"  # noqa: S608
    f" WHERE {_NEWEST} AND ce_id = ?"
)
_SUPERSEDE = f"UPDATE event SET superseded_at = ?, repeated = NULL WHERE {_NEWEST}"  # noqa: S608
_IS_KNOWN = f"SELECT 1 FROM event WHERE {_EARLIER} AND ce_id = ?"  # noqa: S608
_TAKE_TEXT = f"UPDATE event SET data = NULL WHERE {_EARLIER}"  # noqa: S608


class EntryTables:
    """The tables of the entries topic: one of events, of which blogs and entries are a part.

    `event` is history: each revision at the *place* at which its `ce_id` first stood in the log;
    revisions that were superseded more than seven days ago are pruned, and a withdrawal takes the
    text of all earlier ones. A record that says again what a later event has replaced already
    changes nothing: it is a write that was given up, and landed late. Its subject is *overlaid*
    until ingest has said the newest event again, since compaction would keep the wrong one.

    `blog` and `entry` are the events that nothing superseded, and functions of each key's newest
    record, which stands at *newest* and is of the time *changed*: the event's own, or one that
    repeated it and has its value in *repeated*. So every text stands once. A blog has no *published*;
    its empty `entry_id` must not tell it apart, because SQLite plans a query anew for each value that
    is compared with what a partial index compares with a constant.
    """

    topics = (ENTRIES,)
    schema = """
    CREATE TABLE base(partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, base INTEGER NOT NULL);
    CREATE TABLE event(place INTEGER PRIMARY KEY, blog_id TEXT NOT NULL, entry_id TEXT NOT NULL,
                       ce_id TEXT NOT NULL, ce_type TEXT NOT NULL, ce_time INTEGER NOT NULL,
                       written_at INTEGER NOT NULL, superseded_at INTEGER, newest INTEGER NOT NULL,
                       changed INTEGER NOT NULL, published INTEGER, withdrawn INTEGER NOT NULL,
                       ce_previous TEXT, repeated BLOB, data BLOB);
    CREATE UNIQUE INDEX event_subject ON event(blog_id, entry_id) WHERE superseded_at IS NULL;
    CREATE INDEX event_blog ON event(blog_id);
    CREATE INDEX event_superseded ON event(superseded_at) WHERE superseded_at IS NOT NULL;
    CREATE INDEX event_revisions ON event(blog_id, entry_id) WHERE superseded_at IS NOT NULL;
    CREATE VIEW blog AS SELECT * FROM event WHERE superseded_at IS NULL AND published IS NULL;
    CREATE INDEX blog_id ON event(blog_id) WHERE superseded_at IS NULL AND published IS NULL;
    CREATE VIEW entry AS SELECT * FROM event WHERE superseded_at IS NULL AND published IS NOT NULL;
    CREATE INDEX entry_standing ON event(blog_id, published DESC, entry_id)
                       WHERE superseded_at IS NULL AND published IS NOT NULL AND NOT withdrawn;
    CREATE INDEX entry_withdrawn ON event(blog_id, changed, newest)
                       WHERE superseded_at IS NULL AND published IS NOT NULL AND withdrawn;
    CREATE INDEX entry_changed ON event(blog_id, changed, newest, entry_id, published)
                       WHERE superseded_at IS NULL AND published IS NOT NULL;
    CREATE TABLE overlaid(blog_id TEXT, entry_id TEXT, PRIMARY KEY(blog_id, entry_id)) WITHOUT ROWID;
    CREATE INDEX event_repeated ON event(blog_id, newest) WHERE repeated IS NOT NULL;
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[EventRef]], None]] = []
        self._row_listeners: list[Callable[[Sequence[str]], None]] = []
        self._fresh: list[EventRef] = []
        self._touched: dict[str, None] = {}
        #: Grows whenever some text was taken back: what was kept of it elsewhere is void then.
        self.withdrawals = 0
        #: Grows whenever a file was opened or a record purged: what was kept of it is void then.
        self.generation = 0

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._fresh, self._touched = [], {}
        self.withdrawals += 1
        self.generation += 1
        self._bases: dict[int, int] = dict(db.execute("SELECT partition, base FROM base"))
        self._overlaid: set[tuple[str, str]] = set(db.execute("SELECT * FROM overlaid"))

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
        self.generation += 1
        self._touched[subject[0]] = None
        self._put_right(subject)
        for events in (_NEWEST, _EARLIER):
            self._db.execute(f"DELETE FROM event WHERE {events}", subject)  # noqa: S608

    def _apply_event(self, record: StoredRecord, value: bytes) -> None:
        facts = envelope(record.headers)
        subject = _subject(record.key)
        try:
            kind = EventType(facts.type)
            published, withdrawn = _row(orjson.loads(value), subject[1])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UndecodableRecordError(f"its value cannot be read: {error!r}") from error
        self._touched[subject[0]] = None
        place, time = place_of(record.partition, record.offset), to_micros(facts.time)
        written = written_at(record)
        row = (
            *(place, *subject, facts.id, kind, time, to_micros(written), None),
            *(place, time, published, withdrawn, facts.previous, None, value),
        )
        if not self._add(row):
            newest = (place, time, published, withdrawn)
            if self._repeat(subject, facts.id, newest, value):
                self._put_right(subject)
                return
            if self._is_known(subject, facts.id):
                self._overlay(subject)
                return
            self._supersede(subject, kind, to_micros(written))
            self._add(row)
            self._put_right(subject)
        self._fresh.append(
            EventRef(
                record.partition,
                record.offset,
                BlogId(subject[0]),
                subject[1],
                facts.id,
                kind,
                facts.time,
                written,
            )
        )

    def _add(self, row: tuple[Any, ...]) -> bool:
        """Whether *row* is its subject's newest event now; False where there is one already."""
        return self._db.execute(_ADD, row).rowcount == 1

    def _repeat(
        self, subject: tuple[str, str], event_id: str, newest: tuple[Any, ...], value: bytes
    ) -> bool:
        """Whether *event_id* is the subject's newest event already: the record is none then."""
        return self._db.execute(_REPEAT, (*newest, value, *subject, event_id)).rowcount == 1

    def _is_known(self, subject: tuple[str, str], event_id: str) -> bool:
        """Whether *event_id* is an earlier event of the subject."""
        return self._db.execute(_IS_KNOWN, (*subject, event_id)).fetchone() is not None

    def _overlay(self, subject: tuple[str, str]) -> None:
        self._overlaid.add(subject)
        self._db.execute("INSERT OR IGNORE INTO overlaid VALUES (?, ?)", subject)

    def _put_right(self, subject: tuple[str, str]) -> None:
        """The subject's newest record is that of its newest event."""
        if subject in self._overlaid:
            self._overlaid.remove(subject)
            self._db.execute("DELETE FROM overlaid WHERE blog_id = ? AND entry_id = ?", subject)

    def _supersede(self, subject: tuple[str, str], kind: EventType, when: int) -> None:
        """The newest event is passed by from now on; a withdrawal takes the text of all."""
        self._db.execute(_SUPERSEDE, (when, *subject))
        if kind is EventType.ENTRY_DELETED:
            self.withdrawals += 1
            self._db.execute(_TAKE_TEXT, subject)

    def prune(self, now: datetime, limit: int = 1000) -> int:
        """Drop up to *limit* revisions that were superseded more than seven days before *now*."""
        return self._db.execute(
            "DELETE FROM event WHERE rowid IN"
            " (SELECT rowid FROM event WHERE superseded_at < ? LIMIT ?)",
            (to_micros(now - REVISIONS_KEPT), limit),
        ).rowcount


def _row(value: dict[str, Any], entry_id: str) -> tuple[int | None, bool]:
    """When the entry was published (None: it is a blog), and whether it is withdrawn. Raises."""
    if not entry_id:
        blog_from_json(value["blog"])
        return None, False
    body = value["entry"]
    if body["id"] != entry_id:
        raise ValueError(f"the entry is {body['id']!r}, its key says {entry_id!r}")
    published = to_micros(parse_rfc3339(body["published"]))
    parse_rfc3339(body["updated"])
    return published, "withdrawn" in body


def _subject(key: bytes) -> tuple[str, str]:
    blog_id, bar, entry_id = key.decode(errors="replace").partition("|")
    if not bar:
        raise UndecodableRecordError(f"its key {key!r} names no entry")
    return blog_id, entry_id
