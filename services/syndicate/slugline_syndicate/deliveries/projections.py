"""Subscriptions and cursors in the view."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from slugline.log import StoredRecord
from slugline.log.written import written_at
from slugline.topics import CURSORS, SUBSCRIPTIONS, is_claim, is_own
from slugline.view.entry_rows import from_micros, to_micros
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor
from slugline_syndicate.deliveries.subscription import Subscription, decode_subscription
from slugline_syndicate.deliveries.written import Written


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
    CREATE TABLE cursor(id TEXT PRIMARY KEY, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,
                        written_at INTEGER NOT NULL, data BLOB NOT NULL,
                        overlaid INTEGER NOT NULL DEFAULT 0);
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
            "INSERT INTO cursor VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT(id) DO UPDATE SET epoch ="
            " excluded.epoch, written_at = excluded.written_at, data = excluded.data, overlaid = 0"
            " WHERE epoch <= excluded.epoch",
            (name, record.partition, epoch, to_micros(written_at(record)), record.value),
        ).rowcount
        if not changed:
            self._zombies.append(name)
            self._db.execute("UPDATE cursor SET overlaid = 1 WHERE id = ?", (name,))

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
        row = self._db.execute(
            "SELECT data, written_at FROM cursor WHERE id = ?", (name,)
        ).fetchone()
        return replace(decode_cursor(name, row[0]), written=from_micros(row[1])) if row else None

    def overlaid(self, name: str) -> bool:
        """Whether the log's newest cursor is a late one: compaction would keep that one alone."""
        row = self._db.execute("SELECT overlaid FROM cursor WHERE id = ?", (name,)).fetchone()
        return bool(row and row[0])

    def newest_claim(self, partition: int) -> int | None:
        """The offset of the newest claim on *partition*."""
        row = self._db.execute(
            "SELECT offset FROM claim WHERE partition = ?", (partition,)
        ).fetchone()
        return row[0] if row else None
