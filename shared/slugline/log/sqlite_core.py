"""The embedded log's file: a synchronous core over the standard library's sqlite3.

One connection writes (in the writer's thread), others read. It mirrors Kafka: partitions, offsets
with gaps, tombstones, compaction with a lag, retention by age and size.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from slugline.errors import (
    LogDamagedError,
    LogError,
    LogFullError,
    LogUnavailableError,
    OffsetOutOfRangeError,
)
from slugline.log import Batch, Headers, Offset, Record, StoredRecord, TopicPartition, TopicSpec
from slugline.log.partition import partition_for

#: "SLUG": tells our files from other SQLite files.
APPLICATION_ID = 0x534C5547
VERSION = 1

#: Records per step of a read: some 1.5 ms of the event loop.
STEP = 150

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS topic(name TEXT PRIMARY KEY, compact INTEGER NOT NULL, lag REAL NOT NULL,
                                 retention REAL, retention_bytes INTEGER);
CREATE TABLE IF NOT EXISTS partition(id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
                                     first INTEGER NOT NULL, next INTEGER NOT NULL, UNIQUE(topic, number));
CREATE TABLE IF NOT EXISTS record(partition INTEGER, offset INTEGER, written_at INTEGER NOT NULL,
                                  key BLOB NOT NULL, value BLOB, headers BLOB NOT NULL,
                                  PRIMARY KEY(partition, offset));
CREATE INDEX IF NOT EXISTS record_key ON record(partition, key, offset);
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version={VERSION};
COMMIT;
"""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours: a full disk, a damaged file, a log out of reach."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _ours(error, path) from error


def _ours(error: sqlite3.DatabaseError, path: Path) -> LogError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return LogFullError(f"no room left for {path}: make room on the disk; nothing was written")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogDamagedError(f"{path} is damaged ({error}): restore it from a backup")
    return LogUnavailableError(f"{path} cannot be used now: {error}")


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection to the log at *path*; a writer makes the file where there is none.

    Raises LogDamagedError for a file that is no log, is damaged, or is of a newer version.
    """
    with translated(path):
        mode = "ro" if read_only else "rwc"
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # the writer's connection is opened here and used by its thread
        )
        try:
            _check(db, path)
            if not read_only:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise LogDamagedError(f"{path} is not a log that slugline made: name another file")
    if version > VERSION:
        raise LogDamagedError(f"{path} was written by a newer slugline: upgrade this one")
    if tables and db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise LogDamagedError(f"{path} is damaged: restore it from a backup")


class Reader:
    """Reads of the log over one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def edges(self, topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
        """The first offset and the end of each partition of *topics*."""
        marks = ", ".join("?" * len(topics))
        rows = self._db.execute(
            f"SELECT topic, number, first, next FROM partition WHERE topic IN ({marks})"  # noqa: S608
            " ORDER BY topic, number",
            tuple(topics),
        )
        return {TopicPartition(topic, number): (first, end) for topic, number, first, end in rows}

    def start(
        self, topics: Sequence[str], wanted: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Where a read begins in each partition. Raises OffsetOutOfRangeError."""
        edges = self.edges(topics)
        for tp, (first, end) in edges.items():
            if tp in wanted and not first <= wanted[tp] <= end:
                raise OffsetOutOfRangeError(f"{tp} holds {first} to {end}, not {wanted[tp]}")
        return {tp: wanted.get(tp, first) for tp, (first, _) in edges.items()}

    def step(
        self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> Batch:
        """Up to STEP records from *positions* on, below *ends*."""
        records: list[StoredRecord] = []
        moved: dict[TopicPartition, int] = {}
        for tp, position in positions.items():
            end = ends.get(tp, 0)
            room = STEP - len(records)
            if position < end and room:
                found = self._records(tp, position, end, room)
                records += found
                moved[tp] = found[-1].offset + 1 if len(found) == room else end
        return Batch(records=records, positions=moved)

    def _records(self, tp: TopicPartition, start: int, end: int, limit: int) -> list[StoredRecord]:
        rows = self._db.execute(
            "SELECT offset, written_at, key, value, headers FROM record"
            " WHERE partition = (SELECT id FROM partition WHERE topic = ? AND number = ?)"
            " AND offset >= ? AND offset < ? ORDER BY offset LIMIT ?",
            (*tp, start, end, limit),
        )
        return [
            StoredRecord(
                topic=tp.topic,
                partition=tp.partition,
                offset=offset,
                written_at=datetime.fromtimestamp(micros / 1e6, UTC),
                key=key,
                value=value,
                headers=_headers(headers),
            )
            for offset, micros, key, value, headers in rows
        ]


class Writer:
    """Writes to the log over one connection; knows the ends, which only it moves."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._partitions: dict[TopicPartition, tuple[int, int]] = {}
        self._load()

    def _load(self) -> None:
        rows = self._db.execute("SELECT topic, number, id, next FROM partition")
        self._partitions = {TopicPartition(t, n): (i, end) for t, n, i, end in rows}
        self._counts = Counter(tp.topic for tp in self._partitions)
        rows = self._db.execute("SELECT name, compact FROM topic")
        self.compacted: dict[str, bool] = {name: bool(compact) for name, compact in rows}

    @property
    def ends(self) -> dict[TopicPartition, int]:
        """The end of each partition, as of the last commit."""
        return {tp: end for tp, (_, end) in self._partitions.items()}

    def count(self, topic: str) -> int:
        """How many partitions *topic* has; 0 where it does not exist."""
        return self._counts.get(topic, 0)

    def ensure(self, topics: Sequence[TopicSpec], partitions: int) -> None:
        """Make the *topics* that do not exist; the first call fixes how many partitions they have."""
        fixed = max((tp.partition + 1 for tp in self._partitions), default=partitions)
        with self._transaction():
            for spec in topics:
                self._make(spec, fixed)
        self._load()

    def _make(self, spec: TopicSpec, partitions: int) -> None:
        retention = spec.retention.total_seconds() if spec.retention else None
        lag = spec.min_compaction_lag.total_seconds()
        self._db.execute(
            "INSERT OR IGNORE INTO topic VALUES (?, ?, ?, ?, ?)",
            (spec.name, spec.compact, lag, retention, spec.retention_bytes),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO partition(topic, number, first, next) VALUES (?, ?, 0, 0)",
            [(spec.name, number) for number in range(partitions)],
        )

    def append(
        self, groups: Iterable[Sequence[Record]], written_at: datetime
    ) -> list[list[Offset]]:
        """Write all *groups* in one transaction; durable when this returns. Raises as SQLite does."""
        micros = round(written_at.timestamp() * 1_000_000)
        partitions = dict(self._partitions)
        rows: list[tuple[object, ...]] = []
        offsets = [
            [self._place(record, micros, partitions, rows) for record in group] for group in groups
        ]
        touched = {
            tp: partitions[tp] for tp in {TopicPartition(o[0], o[1]) for g in offsets for o in g}
        }
        with self._transaction():
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany(
                "UPDATE partition SET next = ? WHERE id = ?",
                [(end, number) for number, end in touched.values()],
            )
        self._partitions = partitions
        return offsets

    def _place(
        self,
        record: Record,
        micros: int,
        partitions: dict[TopicPartition, tuple[int, int]],
        rows: list[tuple[object, ...]],
    ) -> Offset:
        number = record.partition
        if number is None:
            number = partition_for(record.partition_key or b"", self.count(record.topic))
        tp = TopicPartition(record.topic, number)
        row, end = partitions[tp]
        partitions[tp] = (row, end + 1)
        rows.append((row, end, micros, record.key, record.value, _packed(record.headers)))
        return Offset(record.topic, number, end)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _packed(headers: Headers) -> bytes:
    return orjson.dumps([[name, value.decode("latin-1")] for name, value in headers])


def _headers(packed: bytes) -> Headers:
    return tuple((name, value.encode("latin-1")) for name, value in orjson.loads(packed))


def age(now: datetime, kept: timedelta) -> int:
    """The instant *kept* before *now*, in microseconds since 1970."""
    return round((now - kept).timestamp() * 1_000_000)
