"""The view: a process's own SQLite materialisation of the log. Disposable: the log is the truth.

A view is called on the event loop, without threads, in short transactions that hold records and
the offsets they came from together.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import structlog

from slugline.clock import Clock
from slugline.errors import UndecodableRecordError, ViewDamagedError, ViewFullError
from slugline.log import StoredRecord, TopicPartition

#: Counts up with every change to any table; another number in a file means: rebuild.
VERSION = 8
#: Bytes of a page: an entry of 1 to 2 kB wastes a quarter of SQLite's usual one.
PAGE = 8192
#: Pages kept in memory, in KiB: every index has a page that is written again with each bite.
CACHE = 8192

_NOTHING: Mapping[TopicPartition, int] = {}

logger = structlog.get_logger()

_SCHEMA = """
CREATE TABLE position(topic TEXT, partition INTEGER, next INTEGER NOT NULL, last INTEGER, digest BLOB,
                      PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE undecodable(topic TEXT, partition INTEGER, offset INTEGER, reason TEXT NOT NULL, seen_at TEXT NOT NULL,
                         PRIMARY KEY(topic, partition, offset)) WITHOUT ROWID;
CREATE TABLE history(begun_at TEXT NOT NULL, whole_at TEXT);
"""


class Projection(Protocol):
    """What one or more topics become in the view: some tables, how records change them, queries.

    `apply` runs inside the view's transaction; `committed` after it, and is where a projection
    tells its listeners. What the tables hold must be a function of each key's newest record alone,
    but for what is named as history in the projection's docstring.
    """

    @property
    def topics(self) -> Sequence[str]:
        """The topics that it reads."""
        ...

    @property
    def schema(self) -> str:
        """The statements that make its tables and indexes."""
        ...

    def bind(self, db: sqlite3.Connection) -> None:
        """Take *db*, an opened file with this projection's tables, for every later call."""
        ...

    def apply(self, record: StoredRecord) -> None:
        """Change the tables by *record*. Raises UndecodableRecordError before changing anything."""
        ...

    def committed(self) -> None:
        """The records applied since the last call are durable in the file now."""
        ...


class View:
    """The file, the projections in it, and how far each partition was read."""

    def __init__(self, path: Path, projections: Sequence[Projection], clock: Clock) -> None:
        """Open *path*, made anew where it is missing, damaged or of another version."""
        self.path = path
        self._projections = projections
        self._by_topic = {topic: p for p in projections for topic in p.topics}
        self._clock = clock
        self.undecodable = 0
        self._whole_at: datetime | None = None
        try:
            self._open()
        except ViewDamagedError as error:
            logger.warning("view.rebuilt", path=str(path), reason=str(error))
            self.reset()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that this view reads."""
        return tuple(self._by_topic)

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The offset to read next in each partition seen so far."""
        return self._positions

    @property
    def last_applied(self) -> Mapping[TopicPartition, tuple[int, bytes]]:
        """Offset and digest of the last record applied in each partition."""
        return self._last

    @property
    def whole(self) -> bool:
        """Whether it has ever held everything that the log held."""
        return self._whole_at is not None

    @property
    def known_at(self) -> datetime:
        """When it last held everything that the log held, or else was begun; by our clock.

        What was removed from the log before that is not in it.
        """
        return self._whole_at or self._begun_at

    def reset(self) -> None:
        """Drop the file and start anew."""
        self._close_quietly()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._open()

    def close(self) -> None:
        """Close the file; a closed view answers nothing."""
        self.db.close()

    def apply(
        self,
        records: Iterable[StoredRecord],
        positions: Mapping[TopicPartition, int] = _NOTHING,
        whole_at: datetime | None = None,
    ) -> None:
        """Apply *records* and *positions* in one transaction, then tell the listeners.

        *positions* says what to read next where that is not what follows the last record. With
        these records the view holds everything that the log held at *whole_at*.

        Raises:
            ViewFullError: there is no room; the view is as it was before.
            ViewDamagedError: the file cannot be written as expected.
        """
        try:
            self._write(records, positions, whole_at)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                self._bind()  # what projections keep in memory is as the file is again
                raise ViewFullError(f"no room left for {self.path}: make room") from error
            raise ViewDamagedError(f"{self.path} cannot be used: {error}") from error
        for projection in self._projections:
            projection.committed()

    def _write(
        self,
        records: Iterable[StoredRecord],
        positions: Mapping[TopicPartition, int],
        whole_at: datetime | None,
    ) -> None:
        last: dict[tuple[str, int], StoredRecord] = {}
        with self.db:
            self.db.execute("BEGIN")
            for record in records:
                self._apply_one(record)
                last[record.topic, record.partition] = record
            moved = {TopicPartition(*tp): (r.offset, digest(r)) for tp, r in last.items()}
            reached = {tp: offset + 1 for tp, (offset, _) in moved.items()} | dict(positions)
            rows = [
                (*tp, offset, *(moved.get(tp) or self._last.get(tp) or (None, None)))
                for tp, offset in reached.items()
            ]
            self.db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?, ?)", rows)
            if whole_at:
                self.db.execute("UPDATE history SET whole_at = ?", (whole_at.isoformat(),))
        self._positions.update(reached)
        self._last.update(moved)
        self._whole_at = whole_at or self._whole_at

    def _apply_one(self, record: StoredRecord) -> None:
        try:
            self._by_topic[record.topic].apply(record)
        except UndecodableRecordError as error:
            self.undecodable += 1
            self.db.execute(
                "INSERT OR REPLACE INTO undecodable VALUES (?, ?, ?, ?, ?)",
                (
                    record.topic,
                    record.partition,
                    record.offset,
                    str(error),
                    self._clock.now().isoformat(),
                ),
            )

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(self.path, isolation_level=None)
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise ViewDamagedError(f"{self.path} cannot be used: {error}") from error
        self._bind()

    def _bind(self) -> None:
        for projection in self._projections:
            projection.bind(self.db)

    def _prepare(self) -> None:
        self.db.execute(f"PRAGMA page_size={PAGE}")
        self.db.execute(f"PRAGMA cache_size=-{CACHE}")
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")  # no locks to take for each query
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._create()
        elif version != VERSION or self._tables() != self._expected():
            raise ViewDamagedError(f"{self.path} was written by another version")
        elif self.db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise ViewDamagedError(f"{self.path} is damaged")
        self._read_own()

    def _read_own(self) -> None:
        rows = self.db.execute(
            "SELECT topic, partition, next, last, digest FROM position"
        ).fetchall()
        self._positions = {TopicPartition(t, p): n for t, p, n, _, _ in rows}
        self._last = {TopicPartition(t, p): (o, d) for t, p, _, o, d in rows if d is not None}
        (self.undecodable,) = self.db.execute("SELECT count(*) FROM undecodable").fetchone()
        begun, whole = self.db.execute("SELECT begun_at, whole_at FROM history").fetchone()
        self._begun_at = datetime.fromisoformat(begun)
        self._whole_at = whole and datetime.fromisoformat(whole)

    def _create(self) -> None:
        script = _SCHEMA + "".join(p.schema for p in self._projections)
        self.db.executescript(f"BEGIN; {script} PRAGMA user_version={VERSION};")
        begun_at = self._clock.now().isoformat()
        self.db.execute("INSERT INTO history VALUES (?, NULL)", (begun_at,))
        self.db.execute("COMMIT")

    def _tables(self) -> set[str]:
        return _table_names(self.db)

    def _expected(self) -> set[str]:
        with sqlite3.connect(":memory:") as scratch:
            scratch.executescript(_SCHEMA + "".join(p.schema for p in self._projections))
            names = _table_names(scratch)
        scratch.close()
        return names

    def _close_quietly(self) -> None:
        if hasattr(self, "db"):
            self.db.close()


def _table_names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def digest(record: StoredRecord) -> bytes:
    """Eight bytes by which a record is known again when a view is opened against a log."""
    hasher = blake2b(record.key, digest_size=8)
    hasher.update(b"\0" + (record.value or b"\0"))
    return hasher.digest()
