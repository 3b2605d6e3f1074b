"""Sources and the reports of their polls in the view."""

import sqlite3
from collections.abc import Callable, Sequence

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.log import StoredRecord
from slugline.topics import SOURCES
from slugline_ingest.sources import REPORT, Source, decode_source
from slugline_ingest.sources.report import Report, decode_report


class SourcesView:
    """The projection of the sources topic."""

    topics = (SOURCES,)
    schema = """
    CREATE TABLE source(blog_id TEXT, id TEXT, partition INTEGER NOT NULL, data BLOB NOT NULL,
                        PRIMARY KEY(blog_id, id)) WITHOUT ROWID;
    CREATE INDEX source_partition ON source(partition);
    CREATE TABLE source_report(blog_id TEXT, id TEXT, data BLOB NOT NULL, PRIMARY KEY(blog_id, id))
    WITHOUT ROWID;
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[BlogId]], None]] = []
        self._changed: dict[BlogId, None] = {}

    def bind(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changed = {}

    def listen(self, listener: Callable[[Sequence[BlogId]], None]) -> None:
        """Call *listener* with the blogs whose sources were made, changed or removed."""
        self._listeners.append(listener)

    def apply(self, record: StoredRecord) -> None:
        blog_id, _, rest = record.key.decode(errors="replace").partition("|")
        source_id, bar, of = rest.partition("|")
        if not source_id:
            raise UndecodableRecordError(f"its key {record.key!r} names no source")
        if not bar:
            self._apply_source(blog_id, source_id, record)
        elif of == REPORT:
            self._apply_report(blog_id, source_id, record)

    def _apply_source(self, blog_id: str, source_id: str, record: StoredRecord) -> None:
        if record.value is None:
            self._delete("source", blog_id, source_id)
        else:
            decode_source(blog_id, source_id, record.value)
            self._db.execute(
                "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)",
                (blog_id, source_id, record.partition, record.value),
            )
        self._changed[BlogId(blog_id)] = None

    def _apply_report(self, blog_id: str, source_id: str, record: StoredRecord) -> None:
        if record.value is None:
            self._delete("source_report", blog_id, source_id)
            return
        decode_report(record.value)
        self._db.execute(
            "INSERT OR REPLACE INTO source_report VALUES (?, ?, ?)",
            (blog_id, source_id, record.value),
        )

    def _delete(self, table: str, blog_id: str, source_id: str) -> None:
        statement = f"DELETE FROM {table} WHERE blog_id = ? AND id = ?"  # noqa: S608 - our own names
        self._db.execute(statement, (blog_id, source_id))

    def committed(self) -> None:
        if self._changed:
            changed, self._changed = list(self._changed), {}
            for listener in self._listeners:
                listener(changed)

    def get(self, blog_id: str, source_id: str) -> Source | None:
        """The source, or None."""
        row = self._db.execute(
            "SELECT data FROM source WHERE blog_id = ? AND id = ?", (blog_id, source_id)
        ).fetchone()
        return decode_source(blog_id, source_id, row[0]) if row else None

    def report(self, source: Source) -> Report | None:
        """The newest report in the log of *source* as it is now."""
        row = self._db.execute(
            "SELECT data FROM source_report WHERE blog_id = ? AND id = ?",
            (source.blog_id, source.id),
        ).fetchone()
        report = decode_report(row[0]) if row else None
        return report if report and report.of == source.changed else None

    def of_blog(self, blog_id: str) -> list[Source]:
        """The sources of one blog, by id."""
        rows = self._db.execute(
            "SELECT id, data FROM source WHERE blog_id = ? ORDER BY id", (blog_id,)
        )
        return [decode_source(blog_id, name, data) for name, data in rows]

    def partition_of(self, blog_id: str) -> int | None:
        """The partition of the blog's sources; None where it has none."""
        row = self._db.execute(
            "SELECT partition FROM source WHERE blog_id = ? LIMIT 1", (blog_id,)
        ).fetchone()
        return row[0] if row else None

    def blogs_in(self, partition: int) -> list[BlogId]:
        """The blogs of one partition that have sources."""
        rows = self._db.execute(
            "SELECT DISTINCT blog_id FROM source WHERE partition = ? ORDER BY blog_id", (partition,)
        )
        return [BlogId(blog_id) for (blog_id,) in rows]
