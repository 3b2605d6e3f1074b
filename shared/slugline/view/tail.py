"""Tail: keeps a view up with a log, for as long as the process runs."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

import structlog

from slugline.clock import Clock
from slugline.errors import (
    LogUnavailableError,
    OffsetOutOfRangeError,
    ViewDamagedError,
    ViewFullError,
)
from slugline.log import Batch, Log, StoredRecord, TopicPartition
from slugline.view import View, digest

#: Records per transaction, at the most: each takes some 30 µs, and a bite at most 5 ms of the loop.
BITE_RECORDS = 150
#: How long to wait before asking a log again that could not be reached, in seconds.
RETRY = 0.5
#: How long `catch_up` waits for the log and the view, in seconds.
CATCH_UP = 1.0

logger = structlog.get_logger()


class _ForeignLogError(Exception):
    """The log is not the one that the view was made from."""


class Tail:
    """Reads the log into *view*; says how far that is, and lets others wait for it.

    A view that does not belong to the log (its last record differs, or lies beyond the end) or
    whose file breaks is dropped and rebuilt. While the log is away, or the disk full, the view stays
    as it is, stale.
    """

    def __init__(self, log: Log, view: View, clock: Clock) -> None:
        self._log = log
        self._view = view
        self._clock = clock
        self._waiting: list[tuple[Mapping[TopicPartition, int], asyncio.Future[None]]] = []
        self._goal: Mapping[TopicPartition, int] | None = None
        self.ready = bool(view.positions)
        self.reachable = False
        self._trouble = ""

    @property
    def stale(self) -> bool:
        """Whether the view may lack what the log has held for a while."""
        return not self.reachable or self._goal is None or not self._has(self._goal)

    def partitions(self, topic: str) -> int:
        """How many partitions *topic* has, as far as the view has seen."""
        return sum(1 for tp in self._view.positions if tp.topic == topic)

    @property
    def undecodable(self) -> int:
        """How many records could not be read; they are kept in the view's table of that name."""
        return self._view.undecodable

    async def run(self) -> None:
        """Tail until cancelled."""
        while True:
            try:
                await self._follow()
            except (_ForeignLogError, OffsetOutOfRangeError, ViewDamagedError) as error:
                self._rebuild(str(error))
            except (LogUnavailableError, TimeoutError) as error:
                self._lost(str(error) or "no answer in time")
            except ViewFullError as error:
                logger.error("view.full", reason=str(error))
            await self._clock.sleep(RETRY)

    async def catch_up(self, topics: Sequence[str] | None = None) -> Mapping[TopicPartition, int]:
        """Wait until the view holds all that *topics* (all of the view's) held when this was called.

        Returns those ends. Raises LogUnavailableError when that takes longer than a second.
        """
        try:
            async with asyncio.timeout(CATCH_UP):
                ends = await self._log.ends(topics or self._view.topics)
                await self.reached(ends)
                return ends
        except TimeoutError as error:
            raise LogUnavailableError("the log did not answer within 1 s; try again") from error

    async def reached(self, ends: Mapping[TopicPartition, int]) -> None:
        """Wait until the view holds everything below *ends*."""
        if self._has(ends):
            return
        future = asyncio.get_running_loop().create_future()
        waiter = (ends, future)
        self._waiting.append(waiter)
        try:
            await future
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    async def _follow(self) -> None:
        topics = self._view.topics
        async with asyncio.timeout(CATCH_UP):
            begins = await self._log.begins(topics)
            self._goal = await self._log.ends(topics)
        self.reachable, self._trouble = True, ""
        self._check_ends(self._goal)
        self._skip_what_is_gone(begins)
        self._wake()
        async with aclosing(self._log.read(topics, self._start(begins))) as batches:  # type: ignore[type-var]
            async for batch in batches:
                await self._apply(batch)

    def _skip_what_is_gone(self, begins: Mapping[TopicPartition, int]) -> None:
        """What retention deleted is read: a quiet partition may begin at its end, and gives no batch."""
        gone = self._moved(begins)
        if gone:
            self._view.apply((), gone)

    def _start(self, begins: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """One record is read again in each partition, to see that it is still the same."""
        last = self._view.last_applied
        wanted = {
            tp: min(offset, last[tp][0]) if tp in last else offset
            for tp, offset in self._view.positions.items()
        }
        return {tp: max(offset, begins.get(tp, 0)) for tp, offset in wanted.items()}

    def _check_ends(self, ends: Mapping[TopicPartition, int]) -> None:
        beyond = [tp for tp, position in self._view.positions.items() if position > ends.get(tp, 0)]
        if beyond:
            raise _ForeignLogError(f"the view is ahead of the log in {beyond[0]}")

    async def _apply(self, batch: Batch) -> None:
        records = [record for record in batch.records if self._is_new(record)]
        for start in range(0, len(records), BITE_RECORDS):
            self._view.apply(records[start : start + BITE_RECORDS])
            self._wake()
            await asyncio.sleep(0)  # noqa: TID251 - lets the loop run; passes no time
        moved = self._moved(batch.positions)
        if moved:
            self._view.apply((), moved)
            self._wake()

    def _moved(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        known = self._view.positions
        return {tp: offset for tp, offset in positions.items() if known.get(tp, 0) < offset}

    def _is_new(self, record: StoredRecord) -> bool:
        tp = TopicPartition(record.topic, record.partition)
        if record.offset >= self._view.positions.get(tp, 0):
            return True
        last = self._view.last_applied.get(tp)
        if last and record.offset == last[0] and digest(record) != last[1]:
            raise _ForeignLogError(f"the record at offset {record.offset} of {tp} is another one")
        return False

    def _has(self, ends: Mapping[TopicPartition, int]) -> bool:
        positions = self._view.positions
        return all(positions.get(tp, 0) >= end for tp, end in ends.items())

    def _wake(self) -> None:
        if self._goal is not None and not self.ready and self._has(self._goal):
            self.ready = True
            logger.info("view.ready", path=str(self._view.path))
        due = [waiter for waiter in self._waiting if self._has(waiter[0])]
        for waiter in due:
            self._waiting.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)

    def _lost(self, reason: str) -> None:
        """The log is away: told once, however often it is asked."""
        self.reachable = False
        if reason != self._trouble:
            logger.warning("log.unreachable", reason=reason)
        self._trouble = reason

    def _rebuild(self, reason: str) -> None:
        logger.warning("view.rebuilt", path=str(self._view.path), reason=reason)
        self.ready = False
        try:
            self._view.reset()
        except ViewDamagedError as error:  # no room for a new file either: tried again
            logger.error("view.not_rebuilt", reason=str(error))
