"""Subscriptions, cursors, dead letters and attempts in the view."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from slugline.errors import UndecodableRecordError
from slugline.log import StoredRecord
from slugline.log.written import written_at
from slugline.topics import ATTEMPTS, CURSORS, DEAD_LETTERS, SUBSCRIPTIONS, is_claim, is_own
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor
from slugline_syndicate.deliveries.subscription import Subscription, decode_subscription
from slugline_syndicate.deliveries.written import Written

#: Attempts kept of each subscription.
ATTEMPTS_KEPT = 500
#: Attempts that may be kept beyond those: they are dropped so many at once.
PRUNED_AT = 100
#: How long a dead letter is kept.
DEAD_LETTERS_KEPT = timedelta(days=30)

#: More than any place in a partition.
_BEYOND = 2**62


class SubscriptionsView:
    """The projection of the subscriptions topic."""

    topics = (SUBSCRIPTIONS,)
    schema = """
    CREATE TABLE subscription(id TEXT PRIMARY KEY, partition INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE INDEX subscription_partition ON subscription(partition);
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[str]], None]] = []
        self._changed: dict[str, None] = {}

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changed = {}

    def listen(self, listener: Callable[[Sequence[str]], None]) -> None:
        """Call *listener* with the ids of subscriptions that were made, changed or deleted."""
        self._listeners.append(listener)

    def apply(self, record: StoredRecord) -> None:
        if is_own(record.key):  # a mark of the log itself
            return
        name = record.key.decode(errors="replace")
        if record.value is None:
            self._db.execute("DELETE FROM subscription WHERE id = ?", (name,))
        else:
            decode_subscription(record.value)
            self._db.execute(
                "INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)",
                (name, record.partition, record.value),
            )
        self._changed[name] = None

    def committed(self) -> None:
        if self._changed:
            changed, self._changed = list(self._changed), {}
            for listener in self._listeners:
                listener(changed)

    def get(self, name: str) -> Subscription | None:
        """The subscription, or None."""
        row = self._db.execute("SELECT data FROM subscription WHERE id = ?", (name,)).fetchone()
        return decode_subscription(row[0]) if row else None

    def partition_of(self, name: str) -> int | None:
        """The partition of the subscription's records; None where it is unknown."""
        row = self._db.execute(
            "SELECT partition FROM subscription WHERE id = ?", (name,)
        ).fetchone()
        return row[0] if row else None

    def in_partition(self, partition: int) -> list[Subscription]:
        """The subscriptions of one partition, by id."""
        rows = self._db.execute(
            "SELECT data FROM subscription WHERE partition = ? ORDER BY id", (partition,)
        )
        return [decode_subscription(data) for (data,) in rows]

    def page(self, after: str, limit: int) -> list[Subscription]:
        """Up to *limit* subscriptions with an id above *after*."""
        rows = self._db.execute(
            "SELECT data FROM subscription WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [decode_subscription(data) for (data,) in rows]


class CursorsView:
    """The projection of the cursors topic.

    Of two cursors of one subscription the one with the higher epoch counts, then the later one: a
    zombie's late record changes nothing here, and the owner writes its own once more after it.
    """

    topics = (CURSORS,)
    schema = """
    CREATE TABLE cursor(id TEXT PRIMARY KEY, partition INTEGER NOT NULL, epoch INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE claim(partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
    """

    def __init__(self) -> None:
        self._claim_listeners: list[Callable[[int, int], None]] = []
        self._zombie_listeners: list[Callable[[str], None]] = []
        self._claims: dict[int, int] = {}
        self._zombies: list[str] = []
        #: The epochs of cursors that this process wrote.
        self.written = Written()

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._claims, self._zombies = {}, []

    def listen(
        self, on_claim: Callable[[int, int], None], on_zombie: Callable[[str], None]
    ) -> None:
        """Call *on_claim* with partition and offset of each claim, and *on_zombie* with the id of
        each subscription whose cursor was written with an epoch that is over."""
        self._claim_listeners.append(on_claim)
        self._zombie_listeners.append(on_zombie)

    def apply(self, record: StoredRecord) -> None:
        if is_claim(record.key):
            self._claims[record.partition] = record.offset
            self._db.execute(
                "INSERT OR REPLACE INTO claim VALUES (?, ?)", (record.partition, record.offset)
            )
            return
        name = record.key.decode(errors="replace")
        if record.value is None:
            self._db.execute("DELETE FROM cursor WHERE id = ?", (name,))
            return
        epoch = self.written.take(record.value)
        if epoch is None:
            epoch = decode_cursor(name, record.value).epoch
        changed = self._db.execute(
            "INSERT INTO cursor VALUES (?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET"
            " epoch = excluded.epoch, data = excluded.data WHERE epoch <= excluded.epoch",
            (name, record.partition, epoch, record.value),
        ).rowcount
        if not changed:
            self._zombies.append(name)

    def committed(self) -> None:
        claims, self._claims = self._claims, {}
        zombies, self._zombies = self._zombies, []
        for partition, offset in claims.items():
            for on_claim in self._claim_listeners:
                on_claim(partition, offset)
        for name in zombies:
            for on_zombie in self._zombie_listeners:
                on_zombie(name)

    def get(self, name: str) -> Cursor | None:
        """The cursor of a subscription; None before its owner wrote one."""
        row = self._db.execute("SELECT data FROM cursor WHERE id = ?", (name,)).fetchone()
        return decode_cursor(name, row[0]) if row else None

    def newest_claim(self, partition: int) -> int | None:
        """The offset of the newest claim on *partition*."""
        row = self._db.execute(
            "SELECT offset FROM claim WHERE partition = ?", (partition,)
        ).fetchone()
        return row[0] if row else None


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
            "INSERT INTO attempts SELECT ?1, ifnull(max(total), 0) + ?2, ?3, ?4 FROM attempts"
            " WHERE subscription = ?1 RETURNING total",
            (name, count, record.offset, record.value),
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
