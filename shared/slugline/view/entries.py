"""Blogs, entries and their events in the view, and the questions that both services ask of them."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from slugline.blog import BlogState
from slugline.codec import blog_from_json, entry_from_json
from slugline.events import Envelope, Event, decode_as
from slugline.view.entry_rows import (
    MARK,
    NO_END,
    REF,
    ROW,
    BlogRow,
    EntryMark,
    EntryRow,
    EventRef,
    StoredEvent,
    from_micros,
    partition_and_offset,
    place_of,
    to_micros,
    to_ref,
)
from slugline.view.entry_tables import EntryTables

__all__ = [
    "BlogRow",
    "EntriesView",
    "EntryMark",
    "EntryRow",
    "EventRef",
    "StoredEvent",
    "from_micros",
]


class EntriesView(EntryTables):
    """The projection of the entries topic, with its queries."""

    # --- blogs and entries as they are now --------------------------------------------------------

    def blog(self, blog_id: str) -> BlogRow | None:
        """The blog, or None where it is unknown."""
        row = self._db.execute(
            f"SELECT {ROW} FROM blog WHERE blog_id = ?",  # noqa: S608 - a constant
            (blog_id,),
        ).fetchone()
        return self._blog_row(row) if row else None

    def blogs(self) -> list[BlogRow]:
        """Every blog, by id."""
        rows = self._db.execute(f"SELECT {ROW} FROM blog ORDER BY blog_id")  # noqa: S608
        return [self._blog_row(row) for row in rows]

    def newest_blogs(
        self, limit: int, skip: int
    ) -> tuple[list[tuple[BlogRow, datetime]], datetime | None]:
        """Blogs with their newest changes, the newest first, without removed ones; then the newest of all."""
        rows = self._db.execute(
            f"SELECT {ROW}, max(changed, ifnull((SELECT max(changed) FROM entry"  # noqa: S608
            " WHERE entry.blog_id = blog.blog_id), 0)) AS last FROM blog ORDER BY last DESC, blog_id"
        ).fetchall()
        shown = ((self._blog_row(row[:4]), from_micros(row[4])) for row in rows)
        standing = (pair for pair in shown if pair[0].blog.state is not BlogState.REMOVED)
        changed = from_micros(rows[0][4]) if rows else None
        return list(islice(standing, skip, skip + limit)), changed

    def entry(self, blog_id: str, entry_id: str) -> EntryRow | None:
        """The entry, withdrawn ones too, or None where it is unknown."""
        rows = self._entry_rows("WHERE blog_id = ? AND entry_id = ?", blog_id, entry_id)
        return rows[0] if rows else None

    def entries(self, blog_id: str) -> list[EntryRow]:
        """Every entry, newest `published` first, then by id."""
        return self._entry_rows("WHERE blog_id = ? ORDER BY published DESC, entry_id", blog_id)

    def newest(self, blog_id: str, limit: int) -> list[EntryRow]:
        """The newest *limit* standing entries, in that order."""
        return self._entry_rows(
            "WHERE blog_id = ? AND NOT withdrawn ORDER BY published DESC, entry_id LIMIT ?",
            blog_id,
            limit,
        )

    def older(self, blog_id: str, published: datetime, entry_id: str, limit: int) -> list[EntryRow]:
        """Up to *limit* standing entries that come after (*published*, *entry_id*) in that order."""
        return self._entry_rows(
            "WHERE blog_id = ? AND NOT withdrawn AND published <= ? AND (published < ? OR entry_id > ?)"
            " ORDER BY published DESC, entry_id LIMIT ?",
            blog_id,
            *(to_micros(published),) * 2,
            entry_id,
            limit,
        )

    def withdrawn_since(
        self, blog_id: str, since: datetime, published: datetime, limit: int
    ) -> list[EntryRow]:
        """Of the *limit* entries withdrawn last, at or after *since*, those not *published* before."""
        rows = self._entry_rows(
            "WHERE blog_id = ? AND withdrawn AND changed >= ?"
            " ORDER BY changed DESC, newest DESC LIMIT ?",
            blog_id,
            to_micros(since),
            limit,
        )
        return [row for row in rows if row.entry.published >= published]

    def newest_marks(self, blog_id: str, limit: int) -> list[EntryMark]:
        """The marks of the newest *limit* standing entries."""
        return self._marks(
            "WHERE blog_id = ? AND NOT withdrawn ORDER BY published DESC, entry_id LIMIT ?",
            blog_id,
            limit,
        )

    def changed_since(self, blog_id: str, since: datetime, limit: int = -1) -> list[EntryMark]:
        """The marks of the *limit* entries that changed last, at or after *since*."""
        return self._marks(
            "WHERE blog_id = ? AND changed >= ? ORDER BY changed DESC, newest DESC LIMIT ?",
            blog_id,
            to_micros(since),
            limit,
        )

    def withdrawn_marks(self, blog_id: str, since: datetime, limit: int) -> list[EntryMark]:
        """The marks of the *limit* entries that were withdrawn last, at or after *since*."""
        return self._marks(
            "WHERE blog_id = ? AND withdrawn AND changed >= ?"
            " ORDER BY changed DESC, newest DESC LIMIT ?",
            blog_id,
            to_micros(since),
            limit,
        )

    def changed_after(self, blog_id: str, place: int, limit: int) -> list[EntryMark]:
        """The marks of up to *limit* subjects whose newest record stands after *place*, in no order.

        One of them has no entry id where it is the blog's own record that is new.
        """
        rows = self._db.execute(
            f"SELECT {MARK} FROM event WHERE blog_id = :blog AND place > :place"  # noqa: S608
            f" AND superseded_at IS NULL UNION ALL SELECT {MARK} FROM event WHERE blog_id = :blog"
            " AND repeated IS NOT NULL AND newest > :place AND place <= :place LIMIT :limit",
            {"blog": blog_id, "place": place, "limit": limit},
        )
        return list(map(EntryMark._make, rows))

    def newest_change(self, blog_id: str) -> tuple[datetime, int] | None:
        """Time and sequence of the blog's newest change, from the current rows; None: unknown."""
        newest = self.newest_place(blog_id)
        return newest and (from_micros(newest[0]), self.sequence_at(newest[1]))

    def newest_place(self, blog_id: str) -> tuple[int, int] | None:
        """The same as Unix microseconds and place in the log."""
        # One subquery for each maximum: so each is the last step of an index, however large the blog.
        # A newest record is an event's own, or it repeated one.
        row: tuple[int, int] | None = self._db.execute(
            "SELECT max(ifnull((SELECT max(changed) FROM entry WHERE blog_id = :blog), 0), changed),"
            " max(ifnull((SELECT max(newest) FROM event WHERE blog_id = :blog AND repeated IS NOT NULL), 0),"
            " (SELECT max(place) FROM event WHERE blog_id = :blog)) FROM blog WHERE blog_id = :blog",
            {"blog": blog_id},
        ).fetchone()
        return row

    def sequence(self, partition: int, offset: int) -> int:
        """The sequence of the record at *offset*: base + offset (< 2**53 until the year 2255)."""
        return self._bases[partition] + offset

    def sequence_at(self, place: int) -> int:
        """The same of the record at *place*."""
        return self.sequence(*partition_and_offset(place))

    def offset(self, partition: int, sequence: int) -> int:
        """The inverse of `sequence`."""
        return sequence - self._bases[partition]

    # --- events -----------------------------------------------------------------------------------

    def first_offset(self, partition: int) -> int:
        """Where the first event of *partition* may stand: after its base record."""
        row = self._db.execute("SELECT offset FROM base WHERE partition = ?", (partition,))
        (base_offset,) = row.fetchone() or (-1,)
        return int(base_offset) + 1

    def newest_event(self, blog_id: str) -> tuple[str, datetime] | None:
        """Id and time of the blog's newest event; None where it has none."""
        row = self._db.execute(
            "SELECT ce_id FROM event WHERE blog_id = ? ORDER BY place DESC LIMIT 1", (blog_id,)
        ).fetchone()
        if row is None:
            return None
        newest = self.newest_change(blog_id)
        return row[0], newest[0] if newest else datetime.min.replace(tzinfo=UTC)

    def events_between(self, blog_id: str, start: int, stop: int) -> list[EventRef]:
        """The blog's events at offsets in [*start*, *stop*), in order."""
        (first,) = self._db.execute(
            "SELECT min(place) FROM event WHERE blog_id = ?", (blog_id,)
        ).fetchone()
        if first is None:
            return []
        partition, _ = partition_and_offset(first)
        rows = self._db.execute(
            f"SELECT {REF} FROM event"  # noqa: S608 - a constant
            " WHERE blog_id = ? AND place >= ? AND place < ? ORDER BY place",
            (blog_id, place_of(partition, start), place_of(partition, min(stop, NO_END))),
        )
        return [to_ref(row) for row in rows]

    def events_from(self, partition: int, offset: int, limit: int) -> list[EventRef]:
        """Up to *limit* events of *partition* at or after *offset*, in order."""
        rows = self._db.execute(
            f"SELECT {REF} FROM event"  # noqa: S608 - a constant
            " WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
            (place_of(partition, offset), place_of(partition + 1, 0), limit),
        )
        return [to_ref(row) for row in rows]

    def event_at(self, partition: int, offset: int) -> StoredEvent | None:
        """The event at *offset*, as it may be sent now; None where it was pruned or is none."""
        row = self._db.execute(
            f"SELECT {REF}, superseded_at, ce_previous, data FROM event"  # noqa: S608 - a constant
            " WHERE place = ?",
            (place_of(partition, offset),),
        ).fetchone()
        if row is None:
            return None
        superseded_at, previous, data = row[7:]
        ref = to_ref(row[:7])
        facts = Envelope(ref.id, ref.type, ref.time, previous)
        event = None if data is None else decode_as(facts, data)
        return StoredEvent(ref, self.sequence(partition, offset), event, superseded_at is not None)

    def overlaid_blogs(self) -> set[str]:
        """The blogs of which a late copy of something older is the newest record of a subject."""
        return {blog_id for blog_id, _ in self._overlaid}

    def overlaid(self, blog_id: str) -> list[Event]:
        """The newest events of the blog's subjects that a late copy of an older one lies over."""
        subjects = sorted(entry_id for blog, entry_id in self._overlaid if blog == blog_id)
        return [event for name in subjects if (event := self._newest_of(blog_id, name))]

    def _newest_of(self, blog_id: str, entry_id: str) -> Event | None:
        row = self._db.execute(
            "SELECT ce_id, ce_type, ce_time, ce_previous, ifnull(repeated, data) FROM event"
            " WHERE blog_id = ? AND entry_id = ? AND superseded_at IS NULL",
            (blog_id, entry_id),
        ).fetchone()
        if row is None:
            return None
        event_id, kind, time, previous, data = row
        return decode_as(Envelope(event_id, kind, from_micros(time), previous), data)

    def _blog_row(self, row: tuple[Any, ...]) -> BlogRow:
        place, ce_id, ce_time, data = row
        blog = blog_from_json(orjson.loads(data)["blog"])
        return BlogRow(blog, ce_id, from_micros(ce_time), self.sequence_at(place))

    def _entry_rows(self, where: str, *values: object) -> list[EntryRow]:
        rows = self._db.execute(f"SELECT {ROW} FROM entry {where}", values)  # noqa: S608 - constants
        return [
            EntryRow(
                entry_from_json(orjson.loads(data)["entry"]),
                ce_id,
                from_micros(time),
                self.sequence_at(place),
            )
            for place, ce_id, time, data in rows
        ]

    def _marks(self, where: str, *values: object) -> list[EntryMark]:
        rows = self._db.execute(f"SELECT {MARK} FROM entry {where}", values)  # noqa: S608 - constants
        return list(map(EntryMark._make, rows))
