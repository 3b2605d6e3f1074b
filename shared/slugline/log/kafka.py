"""The log on Apache Kafka 4, through aiokafka.

No transactions and no group commits: progress is data in the log itself. Every wait for a broker is
bounded, and everything recovers by itself when the broker returns.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka import TopicPartition as KafkaPartition

from slugline.clock import Clock
from slugline.errors import (
    LogMismatchError,
    LogUnavailableError,
    OffsetOutOfRangeError,
    SettingsError,
)
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
from slugline.log.kafka_admin import Topics
from slugline.log.kafka_connection import Connection, Security, Shared, Timing
from slugline.log.kafka_member import Member
from slugline.log.kafka_noise import quiet
from slugline.log.kafka_producer import Placed, Publisher
from slugline.log.kafka_reader import Partitions, Question, Questions, batches
from slugline.log.kafka_topics import Difference
from slugline.log.partition import partition_for

#: What our topics' names begin with; another prefix makes another log on the same Kafka.
PREFIX = "slugline."
_PREFIX_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")

#: Reads that fell silent so often in a row, though the broker answered, will not mend by themselves.
STUCK = 3


class KafkaLog:
    """`Log` on Kafka. Made by `open_kafka_log`."""

    def __init__(self, connection: Connection, clock: Clock, prefix: str, topics: Topics) -> None:
        self._connection = connection
        self._clock = clock
        self._prefix = prefix
        self._topics = topics
        self._questions = Questions(connection)
        self._publisher = Publisher(connection)
        #: How many partitions each topic has, by its name on Kafka: asked once, shared by all.
        self._counts: Shared[dict[str, int]] = Shared(topics.counts, lambda counts: None)
        self._silences = 0
        self._closed = False

    @property
    def stuck(self) -> bool:
        """Whether nothing can be read though the broker answers: a watchdog should exit non-zero.

        False while the broker is away: that heals by itself.
        """
        return self._silences >= STUCK

    async def ensure(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> None:
        """As the port says. Raises LogMismatchError where an existing topic has other settings."""
        self._check_open()
        await self._topics.ensure(self._by_name(topics), partitions)

    async def differences(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> list[Difference]:
        """How the topics on Kafka differ from *topics*; `as_diff` shows it."""
        self._check_open()
        return await self._topics.compare(self._by_name(topics), partitions)

    async def change_settings(self, topics: Sequence[TopicSpec]) -> None:
        """Give existing topics the settings of *topics*. Partitions stay as they are."""
        self._check_open()
        await self._topics.change_settings(self._by_name(topics))

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        self._check_open()
        if not records:
            return ()
        deadline = asyncio.get_running_loop().time() + self._connection.timing.publish
        try:
            async with asyncio.timeout_at(deadline):
                placed = await self._place(records)
        except TimeoutError as error:
            raise LogUnavailableError(
                "Kafka did not answer in time; nothing was written"
            ) from error
        offsets = await self._publisher.publish(placed, deadline)
        return [
            Offset(record.topic, partition, offset)
            for (_, partition, record), offset in zip(placed, offsets, strict=True)
        ]

    async def read(
        self, topics: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Batch]:
        self._check_open()
        partitions = await self._partitions(topics)
        begins = await self._questions.begins(partitions)
        ends = await self._questions.ends(partitions)
        positions = {tp: start.get(tp, begin) for tp, begin in begins.items()}
        for tp, position in positions.items():
            if not begins[tp] <= position <= ends[tp]:
                raise OffsetOutOfRangeError(
                    f"{tp} holds {begins[tp]} to {ends[tp]}, not {position}"
                )
        try:
            reading = batches(self._connection, partitions, positions, self._heard)
            async with aclosing(reading) as found:
                async for batch in found:
                    yield batch
        except LogUnavailableError:
            if await self._answers(partitions):
                self._silences += 1
            raise

    async def begins(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        return await self._ask(self._questions.begins, topics)

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        return await self._ask(self._questions.ends, topics)

    @asynccontextmanager
    async def own(self, topic: str, group: str, on_change: OnOwnership) -> AsyncIterator[None]:
        """As the port says; also opens while Kafka is away, and then owns nothing until it is back."""
        self._check_open()
        name = self._on_kafka(topic)
        member = Member(self._connection, self._clock, name, self._prefix + group, on_change)
        running = asyncio.get_running_loop().create_task(member.run())
        try:
            yield
        finally:
            await member.leave()
            running.cancel()
            await asyncio.wait({running})

    async def close(self) -> None:
        """End every client."""
        self._closed = True
        await self._counts.close()
        await self._publisher.close()
        await self._questions.close()
        await self._connection.close()

    # --- inside -----------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailableError("the log was closed")

    def _on_kafka(self, topic: str) -> str:
        return self._prefix + topic.removeprefix(PREFIX)

    def _by_name(self, topics: Sequence[TopicSpec]) -> dict[str, TopicSpec]:
        return {self._on_kafka(spec.name): spec for spec in topics}

    async def _partitions(self, topics: Sequence[str]) -> dict[TopicPartition, KafkaPartition]:
        """The partitions of *topics* under both names. Raises LogMismatchError without such a topic."""
        self._check_open()
        partitions = {}
        for topic in topics:
            name = self._on_kafka(topic)
            count = await self._count(name)
            if not count:
                raise LogMismatchError(
                    f"there is no topic {name} at {self._connection.servers}:"
                    " run `slugline topics ensure`"
                )
            for number in range(count):
                partitions[TopicPartition(topic, number)] = KafkaPartition(name, number)
        return partitions

    async def _count(self, name: str) -> int:
        counts = await self._counts.get()
        if name not in counts:
            self._counts.drop(counts)  # it may have been made since
            counts = await self._counts.get()
        return counts.get(name, 0)

    async def _place(self, records: Sequence[Record]) -> list[Placed]:
        """Check every record before the first is sent: one that is refused ruins a producer."""
        placed = []
        for record in records:
            name = self._on_kafka(record.topic)
            count = await self._count(name)
            check_record(record, count, compacted=True)
            partition = record.partition
            if partition is None:
                partition = partition_for(record.partition_key or b"", count)
            placed.append(Placed(name, partition, record))
        return placed

    async def _ask(self, question: Question, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        partitions = await self._partitions(topics)
        try:
            return await question(partitions)
        except LogUnavailableError:
            self._counts.forget()  # the topics may have been made anew
            raise

    def _heard(self) -> None:
        self._silences = 0

    async def _answers(self, partitions: Partitions) -> bool:
        try:
            await self._questions.ends(partitions)
        except LogUnavailableError:
            return False
        return True


@asynccontextmanager
async def open_kafka_log(
    servers: str,
    clock: Clock,
    *,
    prefix: str = PREFIX,
    security: Security | None = None,
    timing: Timing | None = None,
    flush: bool = False,
) -> AsyncIterator[KafkaLog]:
    """The log at *servers* (`host:port,host:port`); every client ends when the context is left.

    Opens also while Kafka is away. *prefix* names the log among others on the same Kafka. *flush*
    has new compacted topics written through to the disk record by record, for a broker without
    replicas.

    Raises SettingsError for a prefix, a mechanism or TLS files that cannot be used.
    """
    if not prefix or not set(prefix) <= _PREFIX_CHARACTERS:
        raise SettingsError(f"the prefix {prefix!r} may hold letters, digits, dots, _ and - only")
    connection = Connection(servers, security or Security(), timing or Timing(), clock)
    log = KafkaLog(connection, clock, prefix, Topics(connection, clock, prefix, flush=flush))
    with quiet():
        try:
            yield log
        finally:
            await log.close()
