"""How fast a view is built from the log, against bare inserts of the same records into one table.

`python -m tests.bench.bench_view [--json FILE]`. *apply* is the view alone, given its records;
*rebuild* reads them from an embedded log too, as a process does that has lost its view. The bare
table takes key, value and headers with `executemany`. All three commit every 100 records, by the
same pragmas; rounds are interleaved; records are new entries of 1.3 kB.
"""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from slugline.clock import SystemClock
from slugline.events import encode
from slugline.log import StoredRecord, TopicPartition
from slugline.log.sqlite import SqliteLog, open_log
from slugline.topics import ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import BITE_RECORDS, Tail
from tests.builders import an_entry, an_event

RECORDS, BLOGS, ROUNDS = 20_000, 40, 5
TARGET = 30_000


@dataclass(frozen=True)
class Result:
    """Records per CPU-second and per second, the medians of the rounds; the ratio is that of CPU."""

    name: str
    per_cpu_second: float
    per_second: float
    ratio: float


async def filled(log: SqliteLog) -> list[StoredRecord]:
    """The records of the log, written and read back."""
    await provision(log, SystemClock())
    text = "The ferry stays in port. " * 15
    records = [
        encode(
            an_event(an_entry(f"e{n}", f"b{n % BLOGS}", body_html=f"<p>{text}</p>", body_text=text))
        )
        for n in range(RECORDS)
    ]
    for start in range(0, RECORDS, 1000):
        await log.publish(records[start : start + 1000])
    stored: list[StoredRecord] = []
    ends = await log.ends([ENTRIES])
    async for batch in log.read([ENTRIES], {}):
        stored += batch.records
        if len(stored) == sum(ends.values()):
            return stored
    raise AssertionError("a log is read for ever")


async def bare(stored: Sequence[StoredRecord], folder: Path) -> None:
    """The least that keeps the records."""
    db = sqlite3.connect(folder / "bare.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(
        "CREATE TABLE record(partition INTEGER, offset INTEGER, key BLOB, value BLOB, headers BLOB,"
        " PRIMARY KEY(partition, offset))"
    )
    for start in range(0, len(stored), BITE_RECORDS):
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
            [
                (r.partition, r.offset, r.key, r.value, b"".join(v for _, v in r.headers))
                for r in stored[start : start + BITE_RECORDS]
            ],
        )
        db.execute("COMMIT")
    db.close()


async def apply(stored: Sequence[StoredRecord], folder: Path) -> None:
    """The view alone."""
    view = View(folder / "view.db", [EntriesView()], SystemClock())
    for start in range(0, len(stored), BITE_RECORDS):
        bite = stored[start : start + BITE_RECORDS]
        view.apply(bite, {TopicPartition(r.topic, r.partition): r.offset + 1 for r in bite})
    view.close()


async def rebuild(log: SqliteLog, folder: Path) -> None:
    """What a process does that has lost its view."""
    clock = SystemClock()
    view = View(folder / "view.db", [EntriesView()], clock)
    tail = Tail(log, view, clock)
    task = asyncio.create_task(tail.run())
    await tail.reached(await log.ends([ENTRIES]))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    view.close()


async def spent(work: Callable[[Path], Awaitable[None]]) -> tuple[float, float]:
    """CPU-seconds and seconds, in a folder of its own."""
    with TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        await work(Path(folder))
        return time.process_time() - cpu, time.perf_counter() - wall


async def measure() -> list[Result]:
    """All three, in turn."""
    with TemporaryDirectory() as folder:
        async with open_log(Path(folder) / "log.db", SystemClock()) as log:
            stored = await filled(log)
            works: dict[str, Callable[[Path], Awaitable[None]]] = {
                "bare table": lambda folder: bare(stored, folder),
                "apply": lambda folder: apply(stored, folder),
                "rebuild": lambda folder: rebuild(log, folder),
            }
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
            for _ in range(ROUNDS):
                for name, work in works.items():
                    found[name].append(await spent(work))
    results = [
        Result(
            name,
            len(stored) / statistics.median(cpu for cpu, _ in times),
            len(stored) / statistics.median(wall for _, wall in times),
            1.0,
        )
        for name, times in found.items()
    ]
    return [replace(r, ratio=r.per_cpu_second / results[0].per_cpu_second) for r in results]


@click.command(help=__doc__)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the figures to FILE.")
def main(file: Path | None) -> None:
    results = uvloop.run(measure())
    shown = Table("", "records per CPU-second", "per second", "ratio to the bare table")
    for r in results:
        shown.add_row(r.name, f"{r.per_cpu_second:,.0f}", f"{r.per_second:,.0f}", f"{r.ratio:.2f}")
    shown.title = f"{RECORDS:,} records of 1.3 kB (target of a rebuild: {TARGET:,} records/s)"
    Console().print(shown)
    if file:
        file.write_bytes(orjson.dumps([asdict(r) for r in results], option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
