"""Dead letters and attempts in the view: what happened to deliveries, for people."""

import sqlite3
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from slugline.errors import UndecodableRecordError
from slugline.log import StoredRecord
from slugline.log.written import written_at
from slugline.topics import ATTEMPTS, DEAD_LETTERS
from slugline_syndicate.deliveries.written import Written

#: Attempts kept of each subscription.
ATTEMPTS_KEPT = 500
#: Attempts that may be kept beyond those: they are dropped so many at once.
PRUNED_AT = 100
#: How long a dead letter is kept.
DEAD_LETTERS_KEPT = timedelta(days=30)

#: More than any place in a partition.
_BEYOND = 2**62


class DeadLettersView:
    """The projection of the dead letters, kept for 30 days."""

    topics = (DEAD_LETTERS,)
    schema = """
    CREATE TABLE dead_letter(subscription TEXT, event TEXT, place INTEGER NOT NULL, written_at TEXT NOT NULL,
                             data BLOB NOT NULL, PRIMARY KEY(subscription, event));
    CREATE INDEX dead_letter_place ON dead_letter(subscription, place);
    """

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db

    def apply(self, record: StoredRecord) -> None:
        subscription, bar, event = record.key.decode(errors="replace").partition("|")
        if not bar:
            raise UndecodableRecordError(f"its key {record.key!r} names no delivery")
        if record.value is None:
            self._db.execute(
                "DELETE FROM dead_letter WHERE subscription = ? AND event = ?",
                (subscription, event),
            )
            return
        self._db.execute(
            "INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?)",
            (
                subscription,
                event,
                record.offset,
                written_at(record).isoformat(),
                _json(record.value),
            ),
        )

    def committed(self) -> None:
        """Nobody listens."""

    def page(self, name: str, after: int | None, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Up to *limit* dead letters of a subscription below the place *after*, newest first."""
        rows = self._db.execute(
            "SELECT place, data FROM dead_letter WHERE subscription = ? AND place < ? ORDER BY place DESC LIMIT ?",
            (name, _BEYOND if after is None else after, limit),
        )
        return [(place, orjson.loads(data)) for place, data in rows]

    def forget(self, name: str) -> None:
        """Drop those of the subscription called *name*."""
        self._db.execute("DELETE FROM dead_letter WHERE subscription = ?", (name,))

    def prune(self, now: datetime) -> None:
        """Drop what is older than 30 days."""
        oldest = (now - DEAD_LETTERS_KEPT).isoformat()
        self._db.execute("DELETE FROM dead_letter WHERE written_at < ?", (oldest,))


class AttemptsView:
    """The projection of the attempts: the newest 500 of each subscription.

    Kept as they stand in the log, all of one flush in one row: they are written all the time and
    read seldom. *total* counts the attempts of a subscription up to the end of the row.
    """

    topics = (ATTEMPTS,)
    schema = """
    CREATE TABLE attempts(subscription TEXT, total INTEGER, offset INTEGER NOT NULL, data BLOB NOT NULL,
                          PRIMARY KEY(subscription, total)) WITHOUT ROWID;
    """

    def __init__(self) -> None:
        #: How many attempts the records hold that this process wrote.
        self.written = Written()

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db

    def apply(self, record: StoredRecord) -> None:
        name = record.key.decode(errors="replace")
        count = self._count(record.value) if record.value else 0
        if not count:
            return
        ((total,),) = self._db.execute(
            "INSERT INTO attempts SELECT :name, ifnull(max(total), 0) + :count, :offset, :value"
            " FROM attempts WHERE subscription = :name RETURNING total",
            {"name": name, "count": count, "offset": record.offset, "value": record.value},
        )
        surplus = total - ATTEMPTS_KEPT
        if surplus > 0 and surplus // PRUNED_AT != (surplus - count) // PRUNED_AT:
            self._db.execute(
                "DELETE FROM attempts WHERE subscription = ? AND total <= ?", (name, surplus)
            )

    def _count(self, value: bytes) -> int:
        count = self.written.take(value)
        return len(_attempts(value)) if count is None else count

    def committed(self) -> None:
        """Nobody listens."""

    def page(self, name: str, after: int | None, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Up to *limit* attempts of a subscription below the place *after*, newest first."""
        rows = self._db.execute(
            "SELECT offset, data FROM attempts WHERE subscription = ? ORDER BY total DESC", (name,)
        )
        newest = (
            # A flush holds less than 10,000 attempts of one subscription.
            (offset * 10_000 + index, attempt)
            for offset, data in rows
            for index, attempt in reversed(list(enumerate(orjson.loads(data))))
        )
        kept = islice(newest, ATTEMPTS_KEPT)
        return list(islice((pair for pair in kept if after is None or pair[0] < after), limit))

    def forget(self, name: str) -> None:
        """Drop those of the subscription called *name*."""
        self._db.execute("DELETE FROM attempts WHERE subscription = ?", (name,))


def _json(value: bytes) -> bytes:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableRecordError(f"its value cannot be read: {error}") from error
    return value


def _attempts(value: bytes) -> list[Any]:
    try:
        attempts = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableRecordError(f"its value cannot be read: {error}") from error
    if not isinstance(attempts, list):
        raise UndecodableRecordError("its value is no list of attempts")
    return attempts
