"""The log: an ordered, partitioned, durable record of events. This module is its port.

Two engines keep the contract that `Log` states (`tests/contract/test_log.py`): the embedded one in
`slugline.log.sqlite` and Kafka in `slugline.log.kafka`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

#: The largest record that either engine takes: key, value and headers together, in bytes.
MAX_RECORD_BYTES = 1_000_000

DEFAULT_PARTITIONS = 12

#: How long compaction leaves a tombstone at the least, so that who was away for less learns of it.
TOMBSTONES_KEPT = timedelta(days=7)

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic's name and how long it keeps records.

    *compact* keeps the newest record of each key; older ones may go once they are older than
    *min_compaction_lag*. *retention* and *retention_bytes* (per partition) delete whole stretches
    from the beginning; a topic may have both.
    """

    name: str
    compact: bool
    min_compaction_lag: timedelta = timedelta(0)
    retention: timedelta | None = None
    retention_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to publish. Its partition is *partition* where given, else murmur2 of *partition_key*.

    Exactly one of the two is given. *value* None is a tombstone: it removes the key at
    compaction, and goes itself `TOMBSTONES_KEPT` later.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()
    partition_key: bytes | None = None
    partition: int | None = None


class Offset(NamedTuple):
    """Where a published record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as it stands in the log. *written_at* is the log's clock: for people and retention, never for order."""

    topic: str
    partition: int
    offset: int
    written_at: datetime
    key: bytes
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one step of a read gave.

    *positions* holds the offset to read next for each partition that moved. It may lie beyond the
    last record by more than one, also where *records* has none of that partition: offsets have
    gaps (compaction) and ends that are not records (Kafka's control records).
    """

    records: Sequence[StoredRecord]
    positions: Mapping[TopicPartition, int]


#: Called with the partitions that are ours now, whenever that may have changed.
OnOwnership = Callable[[frozenset[int]], Awaitable[None]]


class Log(Protocol):
    """An ordered, partitioned, durable record of events.

    Order is per partition. A record is accepted when `publish` returns, and only its topic's
    retention removes it after that. All methods raise `LogUnavailableError` when the log cannot be
    reached within a bounded time, unless said otherwise; none needs a restart after that.
    Every await is a place where the caller may be cancelled.
    """

    async def ensure(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> None:
        """Make the *topics* that do not exist, with *partitions* each; leave the others as they are.

        Safe when several processes do it at once. The first `ensure` of a log fixes its number of
        partitions: later calls make new topics with that same number, whatever they ask for.

        Raises LogMismatchError where others can change topics and one is not as *topics* say.
        """
        ...

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        """Append *records*, and return where they stand once all of them are durable.

        Records of one call keep their order within a partition; so do calls, in the order in which
        they were made, also where the first has not returned yet.

        Raises:
            RecordRefusedError: one of them can never be taken; none was written.
            LogUnavailableError, LogFullError: none was written.
            OutcomeUnknownError: some may be written, now or later. Also true of a call that was
                cancelled: it may be written all the same.
        """
        ...

    def read(
        self, topics: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Batch]:
        """Read every partition of *topics* from *start* (absent: its beginning) and go on for ever.

        Yields batches as they come, each partition in order of offsets; waits when there is nothing.
        A start within the log is never an error, also where compaction took the record at it.

        Raises:
            OffsetOutOfRangeError: a start beyond the end, or below the beginning.
        """
        ...

    async def begins(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        """The lowest offset of each partition that retention left (compaction does not move it)."""
        ...

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        """The offset that the next record of each partition will get.

        Quick, also while a `read` of the same log waits: everything acknowledged before the call
        lies below these ends.
        """
        ...

    def own(
        self, topic: str, group: str, on_change: OnOwnership
    ) -> AbstractAsyncContextManager[None]:
        """Take part in sharing out the partitions of *topic* among the members of *group*.

        While the context is open, *on_change* is awaited with the partitions that are ours: first
        with none whenever they are being shared out anew, then with the new set. Ownership can be
        lost at any await; it says nothing about the log being reachable: the context opens also
        while the log is away, and owns nothing until it is back. An exception in *on_change* is
        reported, not raised.
        """
        ...
