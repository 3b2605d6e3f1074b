"""Tail: keeps a view up with a log, for as long as the process runs."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime

import structlog

from slugline.clock import Clock, rfc3339
from slugline.errors import (
    LogError,
    LogUnavailableError,
    OffsetOutOfRangeError,
    ViewDamagedError,
    ViewFullError,
)
from slugline.log import TOMBSTONES_KEPT, Batch, Log, StoredRecord, TopicPartition
from slugline.view import View, digest

#: Records per transaction, at the most: each takes some 30 µs, and a bite at most 5 ms of the loop.
BITE_RECORDS = 150
#: How long to wait before asking a log again that could not be reached, in seconds.
RETRY = 0.5
#: How long `catch_up` waits for the log and the view, in seconds.
CATCH_UP = 1.0
#: A view that has not held all of the log for longer than this is not trusted. What was deleted
#: meanwhile may be gone without a trace once a tombstone's time is over; half of it is left for
#: clocks that are wrong.
TRUSTED = TOMBSTONES_KEPT / 2
#: How often it is written down that the view holds all of the log, in seconds.
REMEMBER = 600.0

logger = structlog.get_logger()


class _ForeignLogError(Exception):
    """The log is not the one that the view was made from."""


class _OutdatedViewError(Exception):
    """The view may hold what was deleted from the log since."""


_REBUILT_FOR = (_ForeignLogError, _OutdatedViewError, OffsetOutOfRangeError, ViewDamagedError)


class Tail:
    """Reads the log into *view*; says how far that is, and lets others wait for it.

    A view that does not belong to the log (its last record differs, or lies beyond the end), that
    was without the log for so long that deletions may have passed it by, or whose file breaks is
    dropped and rebuilt. While the log is away, or the disk full, the view stays as it is, stale.
    """

    def __init__(self, log: Log, view: View, clock: Clock) -> None:
        self._log = log
        self._view = view
        self._clock = clock
        self._waiting: list[tuple[Mapping[TopicPartition, int], asyncio.Future[None]]] = []
        self._goal: Mapping[TopicPartition, int] | None = None
        #: When the goal was asked for, until it is reached.
        self._asked_at: datetime | None = None
        self.ready = view.whole
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
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail())
            group.create_task(self._remember())

    async def _tail(self) -> None:
        while True:
            try:
                await self._follow()
            except _REBUILT_FOR as error:
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

    async def _remember(self) -> None:
        """Write down now and then that the view holds all of the log, so that it is trusted later."""
        while True:
            await self._clock.sleep(REMEMBER)
            asked_at = self._clock.now()
            # Whatever fails here fails where the view is kept up, too, and is dealt with there.
            with suppress(LogError, ViewDamagedError, ViewFullError):
                ends = await self.catch_up()
                if self._has(ends):  # else it was dropped meanwhile
                    self._view.apply((), whole_at=asked_at)

    def _check_age(self) -> None:
        now = self._clock.now()
        if abs(now - self._view.known_at) > TRUSTED:
            raise _OutdatedViewError(
                f"the view was last known to hold all of the log at {rfc3339(self._view.known_at)},"
                f" and it is {rfc3339(now)}: what was deleted since may be gone without a trace"
            )

    async def _follow(self) -> None:
        topics = self._view.topics
        async with asyncio.timeout(CATCH_UP):
            begins = await self._log.begins(topics)
            asked_at = self._clock.now()
            self._goal = await self._log.ends(topics)
        self._asked_at = asked_at
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
            self._take((), gone)

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
            self._take(records[start : start + BITE_RECORDS])
            await asyncio.sleep(0)  # noqa: TID251 - lets the loop run; passes no time
        moved = self._moved(batch.positions)
        if moved:
            self._take((), moved)

    def _take(
        self, records: Sequence[StoredRecord], positions: Mapping[TopicPartition, int] | None = None
    ) -> None:
        self._check_age()  # each time: the process may have stood still for days just now
        self._view.apply(records, positions or {})
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
        if self._asked_at and self._goal is not None and self._has(self._goal):
            self._reach(self._asked_at)
        due = [waiter for waiter in self._waiting if self._has(waiter[0])]
        for waiter in due:
            self._waiting.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)

    def _reach(self, asked_at: datetime) -> None:
        self._asked_at = None
        self._view.apply((), whole_at=asked_at)
        if not self.ready:
            self.ready = True
            logger.info("view.ready", path=str(self._view.path))

    def _lost(self, reason: str) -> None:
        """The log is away: told once, however often it is asked."""
        self.reachable = False
        if reason != self._trouble:
            logger.warning("log.unreachable", reason=reason)
        self._trouble = reason

    def _rebuild(self, reason: str) -> None:
        logger.warning("view.rebuilt", path=str(self._view.path), reason=reason)
        self.ready, self._asked_at = False, None
        try:
            self._view.reset()
        except ViewDamagedError as error:  # no room for a new file either: tried again
            logger.error("view.not_rebuilt", reason=str(error))
