"""The journal: every record of a log, read as it comes, before compaction can take any of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from slugline.clock import Clock
from slugline.errors import LogMismatchError, LogUnavailableError
from slugline.log import Log, StoredRecord, TopicPartition
from slugline.topics import SPECS

TOPICS = tuple(spec.name for spec in SPECS)
#: How long to wait before a log that is away is asked again, in seconds.
RETRY = 0.2


class Journal:
    """Reads *log* from its beginning, through every outage."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._records: list[StoredRecord] = []
        #: When each of them was read.
        self._read_at: list[datetime] = []
        self._positions: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()

    @property
    def records(self) -> list[StoredRecord]:
        """What was read so far, in the order in which it was written; within a partition as it stands."""
        return sorted(self._records, key=lambda record: record.written_at)

    @property
    def as_read(self) -> list[StoredRecord]:
        """The same, each with the time at which it was read.

        With several brokers a record's own time is that at which its partition's leader wrote it. It
        is accepted, and can be read, once enough others have it too: 10 s later where one has died.
        """
        pairs = zip(self._records, self._read_at, strict=True)
        return [replace(record, written_at=at) for record, at in pairs]

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except LogMismatchError:
                raise
            except (LogUnavailableError, TimeoutError):
                await self._clock.sleep(RETRY)

    async def _read(self) -> None:
        async for batch in self._log.read(TOPICS, self._positions):
            self._records += batch.records
            self._read_at += [self._clock.now()] * len(batch.records)
            self._positions.update(batch.positions)
            async with self._moved:
                self._moved.notify_all()

    async def complete(self) -> None:
        """Wait until everything is there that the log holds now, however long it is away."""
        while True:
            try:
                ends = await self._log.ends(TOPICS)
            except LogUnavailableError:
                await self._clock.sleep(RETRY)
            else:
                break
        async with self._moved:
            await self._moved.wait_for(lambda: self._has(ends))

    def _has(self, ends: Mapping[TopicPartition, int]) -> bool:
        return all(self._positions.get(tp, 0) >= end for tp, end in ends.items())
