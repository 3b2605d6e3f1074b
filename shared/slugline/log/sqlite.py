"""The embedded log: one SQLite file, one process that writes, any number that read.

Publishing is grouped: whatever waits while a commit is under way goes into the next one, so that
many publishers share one write to the disk (`synchronous=FULL`: it survives a power loss).
"""

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TextIO

import structlog

from slugline.clock import Clock
from slugline.errors import LogError, LogInUseError, LogUnavailableError
from slugline.log import (
    DEFAULT_PARTITIONS,
    Batch,
    Offset,
    OnOwnership,
    Record,
    TopicPartition,
    TopicSpec,
)
from slugline.log.check import check_record
from slugline.log.sqlite_cleaning import clean
from slugline.log.sqlite_core import Reader, Writer, connect, translated

#: How often the log cleans up after itself, in seconds.
CLEANING = 600.0
#: How often a reader in another process looks for new records, in seconds.
POLL = 0.25

logger = structlog.get_logger()

_Job = tuple[Callable[[], Any] | Sequence[Record], asyncio.Future[Any]]


class SqliteLog:
    """`Log` on one file. Made by `open_log`."""

    def __init__(self, path: Path, clock: Clock, reading: sqlite3.Connection) -> None:
        self._path = path
        self._clock = clock
        self._reading = reading
        self._reader = Reader(reading)
        self._writer: Writer | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        #: Transactions that held published records, for those who measure the grouping.
        self.commits = 0

    async def ensure(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> None:
        writer = self._writing()
        await self._do(lambda: writer.ensure(topics, partitions))

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        writer = self._writing()
        for record in records:
            check_record(
                record,
                writer.count(record.topic),
                compacted=writer.compacted.get(record.topic, False),
            )
        return await self._do(tuple(records)) if records else ()

    async def read(
        self, topics: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Batch]:
        self._check_open()
        with translated(self._path):
            positions = self._reader.start(topics, start)
        while True:
            self._check_open()
            arrived = self._arrived
            with translated(self._path):
                batch = self._reader.step(positions, self._ends(topics))
            if batch.positions:
                positions.update(batch.positions)
                yield batch
            else:
                await self._wait(arrived)

    async def begins(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        self._check_open()
        with translated(self._path):
            return {tp: first for tp, (first, _) in self._reader.edges(topics).items()}

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        self._check_open()
        with translated(self._path):
            return self._ends(topics)

    @asynccontextmanager
    async def own(self, topic: str, group: str, on_change: OnOwnership) -> AsyncIterator[None]:
        """All partitions, at once and until the context is left: there is no other process."""
        share = frozenset(tp.partition for tp in await self.ends([topic]))
        await _tell(on_change, share, group)
        try:
            yield
        finally:
            await _tell(on_change, frozenset(), group)

    async def compact(self, *, force: bool = False) -> int:
        """Clean now; returns how many records went. *force* ignores the compaction lag."""
        removed = 0
        db = self._connection
        chunks = clean(db, self._clock.now(), force=force)
        while (step := await self._do(lambda: next(chunks, None))) is not None:
            removed += step
        return removed

    # --- life ---------------------------------------------------------------------------------------

    def _start_writing(self, db: sqlite3.Connection) -> Thread:
        self._connection = db
        with translated(self._path):
            self._writer = Writer(db)
        thread = Thread(target=self._write, name="slugline-log-writer", daemon=True)
        thread.start()
        return thread

    async def _clean_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(CLEANING)
            try:
                removed = await self.compact()
                logger.info("log.cleaned", records=removed)
            except LogError as error:
                logger.warning("log.cleaning_failed", reason=str(error))

    def _close(self, thread: Thread | None) -> None:
        self._closed = True
        self._wake()
        self._reading.close()  # first: only the last connection to close folds the WAL in, and it must write
        if thread:
            self._jobs.put(None)
            thread.join()

    # --- inside -------------------------------------------------------------------------------------

    def _writing(self) -> Writer:
        self._check_open()
        if self._writer is None:
            raise LogUnavailableError(f"{self._path} was opened for reading only")
        return self._writer

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailableError(f"{self._path} was closed")

    def _ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        if self._writer is None:
            return {tp: end for tp, (_, end) in self._reader.edges(topics).items()}
        return {tp: end for tp, end in self._writer.ends.items() if tp.topic in topics}

    async def _wait(self, arrived: asyncio.Event) -> None:
        if self._writer is None:
            await self._clock.sleep(POLL)
        else:
            await arrived.wait()

    async def _do(self, job: Callable[[], Any] | Sequence[Record]) -> Any:
        self._check_open()
        future = self._loop.create_future()
        self._jobs.put((job, future))
        return await future

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    # --- the writer's thread ------------------------------------------------------------------------

    def _write(self) -> None:
        while True:
            jobs, last = self._waiting()
            publishes = [job for job in jobs if not callable(job[0])]
            for call, future in jobs:
                if callable(call):
                    self._answer([future], partial(_listed, call))
            if publishes:
                self._answer([future for _, future in publishes], partial(self._append, publishes))
            if last:
                self._connection.close()
                return

    def _waiting(self) -> tuple[list[_Job], bool]:
        """Every job that waits, at least one; and whether it was the last."""
        jobs: list[_Job] = []
        item = self._jobs.get()
        with suppress(Empty):
            while item is not None:
                jobs.append(item)
                item = self._jobs.get_nowait()
            return jobs, True
        return jobs, False

    def _append(self, publishes: Sequence[_Job]) -> list[Any]:
        writer = self._writer
        assert writer is not None  # noqa: S101 - the thread starts after it was set
        groups = [records for records, _ in publishes if not callable(records)]
        offsets = writer.append(groups, self._clock.now())
        self.commits += 1
        return list(offsets)

    def _answer(self, futures: Sequence[asyncio.Future[Any]], job: Callable[[], Any]) -> None:
        try:
            with translated(self._path):
                results = job()
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait
            self._loop.call_soon_threadsafe(self._fail, futures, error)
        else:
            self._loop.call_soon_threadsafe(self._resolve, futures, results)

    def _resolve(self, futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)
        self._wake()

    def _fail(self, futures: Sequence[asyncio.Future[Any]], error: Exception) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)


def _listed(call: Callable[[], Any]) -> list[Any]:
    return [call()]


async def _tell(on_change: OnOwnership, share: frozenset[int], group: str) -> None:
    try:
        await on_change(share)
    except Exception:
        logger.exception("ownership.handler_failed", group=group)


@asynccontextmanager
async def open_log(
    path: Path, clock: Clock, *, read_only: bool = False, alone: bool = False
) -> AsyncIterator[SqliteLog]:
    """The log at *path*, opened; closed when the context is left. *alone*: with no writer meanwhile.

    Raises:
        LogInUseError: another process writes to it.
        LogDamagedError: it is no log, damaged, or of a newer version.
    """
    lock = _lock(path) if alone or not read_only else None
    try:
        async with _opened(path, clock, read_only) as log:
            yield log
    finally:
        if lock:
            lock.close()


@asynccontextmanager
async def _opened(path: Path, clock: Clock, read_only: bool) -> AsyncIterator[SqliteLog]:
    writing = None if read_only else connect(path, read_only=False)
    reading = connect(path, read_only=True)
    log = SqliteLog(path, clock, reading)
    thread = log._start_writing(writing) if writing else None
    cleaning = asyncio.create_task(log._clean_now_and_then()) if writing else None
    try:
        yield log
    finally:
        if cleaning:
            cleaning.cancel()
        log._close(thread)
        await asyncio.sleep(0)  # noqa: TID251 - lets the writer's last answers arrive


def _lock(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = Path(f"{path}.lock").open("w")  # noqa: SIM115 - held open as long as the log
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LogInUseError(
            f"{path} is in use by another slugline: stop it, or name another data folder"
        ) from error
    return file
