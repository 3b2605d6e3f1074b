"""Compaction and retention of the embedded log, in chunks short enough for writers to pass between."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from slugline.log import TOMBSTONES_KEPT
from slugline.log.sqlite_core import age

#: Offsets looked at in one transaction.
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class _Partition:
    id: int
    compact: bool
    lag: timedelta
    retention: timedelta | None
    retention_bytes: int | None
    first: int
    end: int


def clean(db: sqlite3.Connection, now: datetime, *, force: bool = False) -> Iterator[int]:
    """Compact and expire everything that may go; yields the records removed after each chunk.

    With *force* the compaction lag counts as over. The newest record of a partition always stays,
    and so do all offsets: gaps are never closed.
    """
    for partition in _partitions(db):
        if partition.compact:
            yield from _compact(db, partition, now, force)
        yield from _expire(db, partition, now)


def _partitions(db: sqlite3.Connection) -> list[_Partition]:
    rows = db.execute(
        "SELECT id, compact, lag, retention, retention_bytes, first, next"
        " FROM partition JOIN topic ON name = topic ORDER BY id"
    )
    return [
        _Partition(
            row,
            bool(compact),
            timedelta(seconds=lag),
            None if retention is None else timedelta(seconds=retention),
            size,
            first,
            end,
        )
        for row, compact, lag, retention, size, first, end in rows
    ]


def _compact(
    db: sqlite3.Connection, partition: _Partition, now: datetime, force: bool
) -> Iterator[int]:
    far = partition.end + 1 if force else None
    before = age(now, partition.lag) if not far else age(now, timedelta(days=-1))
    tombstones = before if force else age(now, partition.lag + TOMBSTONES_KEPT)
    for start in range(partition.first, partition.end, CHUNK):
        yield db.execute(
            "DELETE FROM record WHERE partition = :partition AND offset >= :start AND offset < :stop"
            " AND offset < :end - 1 AND ("
            "  (written_at < :before AND EXISTS (SELECT 1 FROM record AS later"
            "   WHERE later.partition = :partition AND later.key = record.key"
            "   AND later.offset > record.offset))"
            "  OR (value IS NULL AND written_at < :tombstones))",
            {
                "partition": partition.id,
                "start": start,
                "stop": start + CHUNK,
                "end": partition.end,
                "before": before,
                "tombstones": tombstones,
            },
        ).rowcount


def _expire(db: sqlite3.Connection, partition: _Partition, now: datetime) -> Iterator[int]:
    first = max(_first_young(db, partition, now), _first_within_size(db, partition))
    if first <= partition.first:
        return
    db.execute("UPDATE partition SET first = ? WHERE id = ?", (first, partition.id))
    for start in range(partition.first, first, CHUNK):
        yield db.execute(
            "DELETE FROM record WHERE partition = ? AND offset >= ? AND offset < ?",
            (partition.id, start, min(start + CHUNK, first)),
        ).rowcount


def _first_young(db: sqlite3.Connection, partition: _Partition, now: datetime) -> int:
    if partition.retention is None:
        return partition.first
    (first,) = db.execute(
        "SELECT min(offset) FROM record WHERE partition = ? AND written_at >= ?",
        (partition.id, age(now, partition.retention)),
    ).fetchone()
    return partition.end if first is None else int(first)


def _first_within_size(db: sqlite3.Connection, partition: _Partition) -> int:
    if partition.retention_bytes is None:
        return partition.first
    size = 0
    rows = db.execute(
        "SELECT offset, length(key) + ifnull(length(value), 0) + length(headers) FROM record"
        " WHERE partition = ? ORDER BY offset DESC",
        (partition.id,),
    )
    for offset, length in rows:
        size += length
        if size > partition.retention_bytes:
            return int(offset) + 1
    return partition.first
