"""Reading from Kafka: questions about offsets, and reads of every partition without a group."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import OffsetOutOfRangeError as KafkaOffsetOutOfRangeError

from slugline.errors import LogUnavailableError, OffsetOutOfRangeError
from slugline.log import Batch, Headers, StoredRecord, TopicPartition
from slugline.log.kafka_connection import Connection, Shared, contained

#: Records per step: some 3 ms of the event loop.
STEP = 500
#: How long one look for records may last before positions and silence are looked at, in seconds.
POLL = 0.25
#: After so many questions whose askers gave up, one after the other, a fresh connection is tried.
PATIENCE = 5

#: Kafka's name for each partition of ours.
Partitions = Mapping[TopicPartition, KafkaPartition]

Question = Callable[[Partitions], Awaitable[Mapping[TopicPartition, int]]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Questions:
    """Begins and ends, asked by a client of its own.

    A broker answers the requests of one connection in turn: asked by a client that also reads, a
    question would wait until the fetch before it is answered.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._shared: Shared[Any] = Shared(self._start, connection.end)
        self._unanswered = 0

    async def begins(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """The lowest offset of each of *partitions*. Raises LogUnavailableError."""
        return await self._ask(lambda client: client.beginning_offsets, partitions)

    async def ends(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """The offset that the next record of each gets. Raises LogUnavailableError."""
        return await self._ask(lambda client: client.end_offsets, partitions)

    async def close(self) -> None:
        """Ask no more."""
        await self._shared.close()

    async def _start(self) -> Any:
        return await self._connection.start(AIOKafkaConsumer, enable_auto_commit=False)

    async def _ask(
        self,
        question: Callable[[Any], Callable[[Sequence[KafkaPartition]], Awaitable[Any]]],
        partitions: Partitions,
    ) -> dict[TopicPartition, int]:
        client = None
        self._unanswered += 1
        try:
            with contained(self._connection.servers):
                async with asyncio.timeout(self._connection.timing.answer):
                    client = await self._shared.get()
                    answer = await question(client)(list(partitions.values()))
        except LogUnavailableError:
            # The next question starts with a fresh connection, and so with the reason why not.
            self._shared.drop(client)
            raise
        except asyncio.CancelledError:
            if self._unanswered >= PATIENCE:
                self._shared.drop(client)
            raise
        self._unanswered = 0
        return {ours: answer[theirs] for ours, theirs in partitions.items()}


async def batches(
    connection: Connection,
    partitions: Partitions,
    start: Mapping[TopicPartition, int],
    on_life: Callable[[], None],
) -> AsyncGenerator[Batch, None]:
    """What *partitions* hold from *start* on, and then what arrives.

    *on_life* is called whenever the broker has answered for every partition.

    Raises OffsetOutOfRangeError, and LogUnavailableError when the broker falls silent.
    """
    consumer = await connection.start(
        AIOKafkaConsumer,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=round(connection.timing.fetch_wait * 1000),
    )
    try:
        read = _Read(consumer, partitions, start, connection.timing.silence, on_life)
        while True:
            with contained(connection.servers):
                try:
                    batch = await read.step()
                except KafkaOffsetOutOfRangeError as error:
                    raise OffsetOutOfRangeError(
                        f"{error}: the topic was cut or made anew"
                    ) from error
            if batch.positions:
                yield batch
    finally:
        connection.end(consumer)


class _Read:
    """One read: where it is, and when each partition was last heard of."""

    def __init__(
        self,
        consumer: Any,
        partitions: Partitions,
        start: Mapping[TopicPartition, int],
        silence: float,
        on_life: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._ours = {theirs: ours for ours, theirs in partitions.items()}
        self._positions = dict(start)
        self._on_life = on_life
        self._looks = max(1, round(silence / POLL))
        #: When a broker last answered for each partition, and how many empty looks ago that was.
        self._heard: dict[KafkaPartition, tuple[int | None, int]] = {}
        consumer.assign(list(self._ours))
        for ours, theirs in partitions.items():
            consumer.seek(theirs, start[ours])

    async def step(self) -> Batch:
        """What came within POLL; without positions where nothing moved."""
        found = await self._consumer.getmany(timeout_ms=round(POLL * 1000), max_records=STEP)
        if not found:
            self._listen()
        records = [_stored(self._ours[tp], record) for tp in found for record in found[tp]]
        moved = {}
        # Asked of every partition: one may have moved though all its records were compacted away.
        for theirs, ours in self._ours.items():
            position = await self._consumer.position(theirs)
            if position != self._positions[ours]:
                moved[ours] = self._positions[ours] = position
        return Batch(records=records, positions=moved)

    def _listen(self) -> None:
        """Count the looks since each partition was last answered for. Raises LogUnavailableError."""
        for theirs, ours in self._ours.items():
            answered = self._consumer.last_poll_timestamp(theirs)
            before, looks = self._heard.get(theirs, (None, 0))
            looks = looks + 1 if answered == before else 0
            self._heard[theirs] = (answered, looks)
            if looks >= self._looks:
                raise LogUnavailableError(f"Kafka is silent about {ours.topic}/{ours.partition}")
        if not any(looks for _, looks in self._heard.values()):
            self._on_life()


def _stored(tp: TopicPartition, record: Any) -> StoredRecord:
    return StoredRecord(
        topic=tp.topic,
        partition=tp.partition,
        offset=record.offset,
        written_at=_instant(record.timestamp),
        key=record.key or b"",
        value=record.value,
        headers=_headers(record.headers),
    )


@lru_cache(maxsize=1024)  # a batch has one time
def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=max(0, milliseconds))


def _headers(found: tuple[tuple[str, bytes | None], ...]) -> Headers:
    """*found*, with those of others that have no value made empty."""
    for _, value in found:
        if value is None:
            return tuple((name, value or b"") for name, value in found)
    return cast(Headers, found)
