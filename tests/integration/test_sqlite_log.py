"""What is the embedded log's own: its file, its writer, its disk."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from slugline.clock import SystemClock
from slugline.errors import LogDamagedError, LogFullError, LogInUseError, LogUnavailableError
from slugline.log import Record, StoredRecord, TopicPartition, TopicSpec
from slugline.log.sqlite import open_log
from tests.fakes import ManualClock

SPEC = TopicSpec(name="t", compact=True, min_compaction_lag=timedelta(hours=1))
AGED = TopicSpec(name="aged", compact=False, retention=timedelta(days=7), retention_bytes=2000)


def a_record(key: str = "k", value: bytes | None = b"v", topic: str = "t") -> Record:
    return Record(topic=topic, key=key.encode(), value=value, partition_key=key.encode())


async def everything(path: Path, topic: str = "t") -> list[StoredRecord]:
    async with open_log(path, SystemClock(), read_only=True) as log:
        positions, ends = dict(await log.begins([topic])), await log.ends([topic])
        records: list[StoredRecord] = []
        if positions != ends:
            async for batch in log.read([topic], {}):
                records += batch.records
                positions.update(batch.positions)
                if positions == ends:
                    break
        return records


async def test_a_second_writer_is_refused_in_one_line(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()):
        with pytest.raises(LogInUseError, match="in use by another slugline") as caught:
            async with open_log(tmp_path / "log.db", SystemClock()):
                pass

    assert "\n" not in str(caught.value)


async def test_a_reader_in_another_process_sees_what_is_written(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 1)
        async with open_log(tmp_path / "log.db", SystemClock(), read_only=True) as reader:
            coming = asyncio.ensure_future(anext(aiter(reader.read(["t"], {}))))
            await asyncio.sleep(0)
            await log.publish([a_record("seen")])
            async with asyncio.timeout(5):
                batch = await coming
            with pytest.raises(LogUnavailableError, match="reading only"):
                await reader.publish([a_record()])

    assert [record.key for record in batch.records] == [b"seen"]


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 2)
        await log.publish([a_record(f"k{n}") for n in range(10)])
        ends = await log.ends(["t"])

    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        assert await log.ends(["t"]) == ends

    assert len(await everything(tmp_path / "log.db")) == 10


async def test_a_file_that_is_no_log_is_neither_served_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"somebody's notes " * 100)

    with pytest.raises(LogDamagedError):
        async with open_log(path, SystemClock()):
            pass

    assert path.read_bytes() == b"somebody's notes " * 100


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute("CREATE TABLE t(x)")
    db.close()

    with pytest.raises(LogDamagedError, match="not a log that slugline made"):
        async with open_log(tmp_path / "log.db", SystemClock()):
            pass


async def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 1)
    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute("PRAGMA user_version=99")
    db.close()

    with pytest.raises(LogDamagedError, match="newer"):
        async with open_log(tmp_path / "log.db", SystemClock()):
            pass


async def test_a_damaged_log_is_said_and_not_served(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with open_log(path, SystemClock()) as log:
        await log.ensure([SPEC], 1)
        await log.publish([a_record(f"k{n}", os.urandom(500)) for n in range(500)])
    data = bytearray(path.read_bytes())
    data[20_000:200_000] = b"\xaa" * 180_000
    path.write_bytes(data)

    with pytest.raises(LogDamagedError, match="damaged"):
        async with open_log(path, SystemClock()):
            pass


async def test_a_full_disk_is_reported_acknowledges_nothing_and_heals(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 1)
        await log.publish([a_record("before")])
        pages = log._connection.execute("PRAGMA page_count").fetchone()[0]
        log._connection.execute(f"PRAGMA max_page_count={pages + 2}")

        with pytest.raises(LogFullError, match="make room"):
            await log.publish([a_record("too much", b"x" * 500_000)])

        ends = await log.ends(["t"])
        log._connection.execute("PRAGMA max_page_count=1000000")
        await log.publish([a_record("after")])

    assert ends == {TopicPartition("t", 0): 1}
    assert [r.key for r in await everything(tmp_path / "log.db")] == [b"before", b"after"]


async def test_publishes_that_wait_share_one_commit(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 4)

        await asyncio.gather(*(log.publish([a_record(f"k{n}")]) for n in range(300)))

        assert log.commits < 30


async def test_compaction_waits_for_the_lag(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_log(tmp_path / "log.db", clock) as log:
        await log.ensure([SPEC], 1)
        await log.publish([a_record("k", b"1"), a_record("k", b"2"), a_record("other")])

        assert await log.compact() == 0
        await clock.advance(3700)
        assert await log.compact() <= 1

    assert [r.value for r in await everything(tmp_path / "log.db")] == [b"2", b"v"]


async def test_tombstones_go_a_week_after_the_lag(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_log(tmp_path / "log.db", clock) as log:
        await log.ensure([SPEC], 1)
        await log.publish([a_record("k", b"1"), a_record("k", None), a_record("last")])
        await clock.advance(2 * 3600)
        await log.compact()
        kept = [r.value for r in await everything(tmp_path / "log.db")]
        await clock.advance(7 * 86_400)
        await log.compact()

    assert kept == [None, b"v"]
    assert [r.key for r in await everything(tmp_path / "log.db")] == [b"last"]


async def test_retention_moves_the_beginning(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_log(tmp_path / "log.db", clock) as log:
        await log.ensure([AGED], 1)
        await log.publish([a_record("old", topic="aged")] * 3)
        await clock.advance(8 * 86_400)
        await log.publish([a_record("new", topic="aged")])
        await log.compact()

        assert await log.begins(["aged"]) == {TopicPartition("aged", 0): 3}

    assert [r.key for r in await everything(tmp_path / "log.db", "aged")] == [b"new"]


async def test_retention_by_size_keeps_the_newest(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([AGED], 1)
        await log.publish([a_record(f"k{n}", b"x" * 600, "aged") for n in range(10)])
        await log.compact()

    assert [r.key for r in await everything(tmp_path / "log.db", "aged")] == [b"k7", b"k8", b"k9"]


async def test_publishing_after_the_end_says_so(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db", SystemClock()) as log:
        await log.ensure([SPEC], 1)

    with pytest.raises(LogUnavailableError, match="closed"):
        await log.publish([a_record()])


WRITER = """
import asyncio, sys
from pathlib import Path
from slugline.clock import SystemClock
from slugline.log import Record, TopicSpec
from slugline.log.sqlite import open_log

async def main():
    async with open_log(Path(sys.argv[1]), SystemClock()) as log:
        await log.ensure([TopicSpec(name="t", compact=True)], 4)
        async def publish(worker):
            for n in range(10**9):
                key = f"{worker}-{n}".encode()
                await log.publish([Record(topic="t", key=key, value=b"v" * 100, partition_key=key)])
                print(key.decode(), flush=True)
        await asyncio.gather(*(publish(w) for w in range(20)))

asyncio.run(main())
"""


def acknowledged_before_a_kill(path: Path) -> set[str]:
    """Start a process that publishes as fast as it can, kill it, return what it was told is durable."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(1000)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().split()[:-1]  # the last line may be cut off
    process.stdout.close()
    process.wait()
    return set(lines)


async def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    acknowledged = acknowledged_before_a_kill(path)

    async with open_log(path, SystemClock()) as log:  # what crashed can be opened again
        await log.ends(["t"])

    assert acknowledged <= {record.key.decode() for record in await everything(path)}
