"""How fast a view is built from the log, against bare inserts of the same records into one table.

`python -m tests.bench.bench_view [--json FILE] [--quick]`. *apply* is the view alone, given its records;
*rebuild* reads them from an embedded log too, as a process does that has lost its view. The bare
table takes key, value and headers with `executemany`. All three commit after as many records, by the
same pragmas; rounds are interleaved, CPU time is the process's; records are new entries of 1.3 kB. The
records that *apply* is given are kept out of the collector's way: a process that rebuilds holds none.
"""

import asyncio
import gc
import logging
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvloop

from slugline.clock import SystemClock
from slugline.events import encode
from slugline.log import StoredRecord, TopicPartition
from slugline.log.sqlite import SqliteLog, open_log
from slugline.topics import ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import BITE_RECORDS, Tail
from tests.bench.report import Report, Row, command
from tests.builders import an_entry, an_event

RECORDS, BLOGS, ROUNDS = 20_000, 40, 5
TARGET = 30_000


async def filled(log: SqliteLog, count: int) -> list[StoredRecord]:
    """The records of the log, written and read back."""
    await provision(log, SystemClock())
    text = "The ferry stays in port. " * 15
    records = [
        encode(
            an_event(an_entry(f"e{n}", f"b{n % BLOGS}", body_html=f"<p>{text}</p>", body_text=text))
        )
        for n in range(count)
    ]
    for start in range(0, count, 1000):
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


async def spent(work: Callable[[Path], Awaitable[None]]) -> float:
    """CPU-seconds, in a folder of its own."""
    with TemporaryDirectory() as folder:
        cpu = time.process_time()
        await work(Path(folder))
        return time.process_time() - cpu


async def rates(count: int, rounds: int) -> dict[str, float]:
    """Records per CPU-second of all three, in turn: the medians."""
    with TemporaryDirectory() as folder:
        async with open_log(Path(folder) / "log.db", SystemClock()) as log:
            stored = await filled(log, count)
            gc.collect()
            gc.freeze()
            works: dict[str, Callable[[Path], Awaitable[None]]] = {
                "bare": lambda folder: bare(stored, folder),
                "apply": lambda folder: apply(stored, folder),
                "rebuild": lambda folder: rebuild(log, folder),
            }
            found: dict[str, list[float]] = {name: [] for name in works}
            for _ in range(rounds):
                for name, work in works.items():
                    found[name].append(await spent(work))
    return {name: len(stored) / statistics.median(times) for name, times in found.items()}


def measure(quick: bool) -> Report:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = uvloop.run(rates(RECORDS // 4 if quick else RECORDS, 2 if quick else ROUNDS))
    base = found["bare"]
    named = {"apply": "view: records applied", "rebuild": "view: rebuilt from an embedded log"}
    rows = [
        Row(
            name=f"{about}, to bare inserts into one table",
            value=found[name],
            unit="records/CPU-s",
            baseline=base,
            ratio=found[name] / base,
        )
        for name, about in named.items()
    ]
    name = "view: rebuilt from an embedded log"
    judged = Row(name=name, value=found["rebuild"], unit="records/CPU-s", target=TARGET)
    return Report([*rows, judged])


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
