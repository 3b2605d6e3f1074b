"""A simulated log: what Kafka was seen to do, under virtual time, as one broker and its clients.

Seen on a real one, and done here: acknowledgements that come late or never, records that land after
their publisher gave up, offsets with gaps, ends that are not records, rebalances that revoke
everything of everybody, members whose death is noticed only after their session, compaction.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from slugline.clock import Clock
from slugline.errors import LogUnavailableError, OffsetOutOfRangeError, OutcomeUnknownError
from slugline.log import (
    DEFAULT_PARTITIONS,
    Batch,
    Offset,
    OnOwnership,
    Record,
    StoredRecord,
    TopicPartition,
    TopicSpec,
)
from slugline.log.check import check_record
from slugline.log.partition import partition_for

#: How long after its last sign of life a member is given up, in seconds.
SESSION = 10.0
#: A client gives up on an unanswered publish after this, in seconds.
PUBLISH_DEADLINE = 5.0
#: A read's step takes this many records at the most.
STEP = 50


@dataclass
class Faults:
    """How likely each fault is, per call; all off by default."""

    lost_acknowledgement: float = 0.0
    late_landing: float = 0.0
    gap: float = 0.0
    slowest: float = 0.004


@dataclass
class _Partition:
    records: list[StoredRecord] = field(default_factory=list)
    end: int = 0


@dataclass
class _Member:
    log: "SimulatedLog"
    on_change: OnOwnership
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Broker:
    """What is durable, and who takes part. Lives as long as the world."""

    def __init__(self, clock: Clock, rng: Random, faults: Faults | None = None) -> None:
        self.clock = clock
        self.rng = rng
        self.faults = faults or Faults()
        self.away = False
        #: Every record ever written, compacted or not: what the checker knows.
        self.journal: list[StoredRecord] = []
        self.partitions: dict[TopicPartition, _Partition] = {}
        self.specs: dict[str, TopicSpec] = {}
        self.count: int | None = None
        self.arrived = asyncio.Event()
        self._groups: dict[tuple[str, str], list[_Member]] = {}
        self._generation = 0
        self._assigning: set[asyncio.Task[None]] = set()

    def ensure(self, topics: Sequence[TopicSpec], partitions: int) -> None:
        self.count = self.count or partitions
        for spec in topics:
            self.specs.setdefault(spec.name, spec)
            for number in range(self.count):
                self.partitions.setdefault(TopicPartition(spec.name, number), _Partition())

    def of(self, topics: Sequence[str]) -> dict[TopicPartition, _Partition]:
        return {tp: p for tp, p in self.partitions.items() if tp.topic in topics}

    def check(self, records: Sequence[Record]) -> None:
        for record in records:
            spec = self.specs.get(record.topic)
            check_record(
                record, (self.count or 0) if spec else 0, compacted=bool(spec and spec.compact)
            )

    def append(self, records: Sequence[Record]) -> list[Offset]:
        """Write *records* now; wakes everybody who reads."""
        offsets = [self._append_one(record) for record in records]
        arrived, self.arrived = self.arrived, asyncio.Event()
        arrived.set()
        return offsets

    def _append_one(self, record: Record) -> Offset:
        number = record.partition
        if number is None:
            number = partition_for(record.partition_key or b"", self.count or 1)
        partition = self.partitions[TopicPartition(record.topic, number)]
        offset = partition.end
        stored = StoredRecord(
            topic=record.topic,
            partition=number,
            offset=offset,
            written_at=self.clock.now(),
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        partition.records.append(stored)
        self.journal.append(stored)
        # A control record: it takes an offset, and nobody ever reads it.
        partition.end += 2 if self.rng.random() < self.faults.gap else 1
        return Offset(record.topic, number, offset)

    def compact(self, lag: timedelta | None = None) -> None:
        """Keep the newest record of each key on compacted topics; *lag* None: the topic's own."""
        now = self.clock.now()
        for tp, partition in self.partitions.items():
            spec = self.specs[tp.topic]
            if spec.compact:
                kept = spec.min_compaction_lag if lag is None else lag
                partition.records = _compacted(partition.records, now - kept)

    # --- groups -----------------------------------------------------------------------------------

    async def join(self, topic: str, group: str, member: _Member) -> None:
        self._groups.setdefault((topic, group), []).append(member)
        await self._rebalance(topic, group)

    async def leave(self, topic: str, group: str, member: _Member) -> None:
        members = self._groups.get((topic, group), [])
        if member in members:
            members.remove(member)
            await self._rebalance(topic, group)

    async def forget(self, log: "SimulatedLog") -> None:
        """Notice that *log*'s process has died: its members leave after their session."""
        await self.clock.sleep(SESSION)
        for (topic, group), members in list(self._groups.items()):
            for member in [m for m in members if m.log is log]:
                await self.leave(topic, group, member)

    async def _rebalance(self, topic: str, group: str) -> None:
        """Revoke everything of everybody, then share out anew, as the eager protocol does."""
        self._generation += 1
        generation = self._generation
        members = list(self._groups[topic, group])
        await asyncio.gather(*(self._tell(member, frozenset()) for member in members))
        if generation == self._generation:
            shares = _shares(len(self.of([topic])), len(members), self.rng)
            for member, share in zip(members, shares, strict=True):
                self._assign(member, share, generation)

    def _assign(self, member: _Member, share: frozenset[int], generation: int) -> None:
        async def assign() -> None:
            await self.clock.sleep(self.rng.uniform(0, 0.03))
            if generation == self._generation:
                await self._tell(member, share)

        task = asyncio.get_running_loop().create_task(assign())
        self._assigning.add(task)
        task.add_done_callback(self._assigning.discard)

    async def _tell(self, member: _Member, share: frozenset[int]) -> None:
        """Call a member's code as its own process would: dead it hears nothing, slow it gets 2 s."""
        async with member.turn:
            if not member.log.dead:
                with suppress(Exception):
                    async with asyncio.timeout(2.0):
                        await member.on_change(share)


def _compacted(records: list[StoredRecord], before: datetime) -> list[StoredRecord]:
    newest = {record.key: record.offset for record in records}
    return [r for r in records if newest[r.key] == r.offset or r.written_at >= before]


def _shares(partitions: int, members: int, rng: Random) -> list[frozenset[int]]:
    numbers = list(range(partitions))
    rng.shuffle(numbers)
    return [frozenset(numbers[index::members]) for index in range(members)]


class SimulatedLog:
    """One process's handle on the broker; `die` cuts it off, as `kill -9` does."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.dead = False

    def die(self) -> None:
        """From now on nothing that this process does reaches the broker."""
        self.dead = True

    async def ensure(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> None:
        await self._reach()
        self._broker.ensure(topics, partitions)

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        broker, faults = self._broker, self._broker.faults
        broker.check(records)
        await self._reach()
        if broker.rng.random() < faults.late_landing:
            await self._land_late(records)
        offsets = broker.append(records)
        if broker.rng.random() < faults.lost_acknowledgement:
            await broker.clock.sleep(PUBLISH_DEADLINE)
            raise OutcomeUnknownError("the broker did not acknowledge in time")
        await self._latency()
        return offsets

    async def _land_late(self, records: Sequence[Record]) -> None:
        broker = self._broker
        asyncio.get_running_loop().call_later(
            PUBLISH_DEADLINE * broker.rng.uniform(0.5, 2.0), lambda: broker.append(records)
        )
        await broker.clock.sleep(PUBLISH_DEADLINE)
        raise OutcomeUnknownError("the broker did not acknowledge in time")

    async def read(
        self, topics: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Batch]:
        await self._reach()
        partitions = self._broker.of(topics)
        positions = {tp: start.get(tp, 0) for tp in partitions}
        for tp, position in positions.items():
            if position > partitions[tp].end:
                raise OffsetOutOfRangeError(f"{tp} ends before {position}")
        while True:
            arrived = self._broker.arrived
            moved = False
            for tp, partition in partitions.items():
                while not self._cut and positions[tp] < partition.end:
                    batch = _step(tp, partition, positions[tp])
                    positions[tp] = batch.positions[tp]
                    moved = True
                    yield batch
                    await self._latency()
            if not moved:
                await self._wait(arrived)

    async def _wait(self, arrived: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(0.5):
                await arrived.wait()
        except TimeoutError:
            if self._broker.away:
                raise LogUnavailableError("the broker is away") from None

    async def begins(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        await self._reach()
        return dict.fromkeys(self._broker.of(topics), 0)

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        await self._reach()
        ends = {tp: partition.end for tp, partition in self._broker.of(topics).items()}
        await self._latency()
        return ends

    @asynccontextmanager
    async def own(self, topic: str, group: str, on_change: OnOwnership) -> AsyncIterator[None]:
        member = _Member(self, on_change)
        await self._broker.join(topic, group, member)
        try:
            yield
        finally:
            if not self.dead:
                with suppress(Exception):
                    await on_change(frozenset())
                await self._broker.leave(topic, group, member)

    @property
    def _cut(self) -> bool:
        return self.dead or self._broker.away

    async def _reach(self) -> None:
        await self._latency()
        if self._cut:
            raise LogUnavailableError("the broker is away")

    async def _latency(self) -> None:
        await self._broker.clock.sleep(self._broker.rng.uniform(0, self._broker.faults.slowest))


def _step(tp: TopicPartition, partition: _Partition, position: int) -> Batch:
    waiting = [record for record in partition.records if record.offset >= position]
    records = waiting[:STEP]
    following = records[-1].offset + 1 if len(waiting) > STEP else partition.end
    return Batch(records=records, positions={tp: following})
