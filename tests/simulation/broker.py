"""The broker of the simulated log: what is durable, who takes part, and what goes wrong.

Seen on a real Kafka, and done here: acknowledgements that come late or never, records that land
after their publisher gave up, offsets with gaps, ends that are not records, rebalances that revoke
everything of everybody, members whose silence is noticed only after their session, compaction that
takes tombstones too, retention, outages in which calls fail at once, outages in which they hang,
and outages in which only writes do.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol

from slugline.clock import Clock
from slugline.log import (
    TOMBSTONES_KEPT,
    Offset,
    OnOwnership,
    Record,
    StoredRecord,
    TopicPartition,
    TopicSpec,
)
from slugline.log.check import check_record
from slugline.log.partition import partition_for
from slugline.topics import is_claim
from tests.simulation.loop import WORLD

#: Claims, as a kind of what is written.
CLAIMS = "claims"
#: How long after its last sign of life a member is given up, in seconds.
SESSION = 10.0
#: How long a member may take to give back what it owned, in seconds.
HANDLER = 2.0


@dataclass
class Faults:
    """How likely each fault is, per call; all off by default. *slowest* is in seconds, one way."""

    lost_acknowledgement: float = 0.0
    late_landing: float = 0.0
    #: For what was sent while the broker did not answer, and was given up: it may land afterwards.
    landing_afterwards: float = 0.0
    gap: float = 0.0
    slowest: float = 0.004


class Client(Protocol):
    """What the broker sees of a process."""

    dead: bool

    @property
    def silent(self) -> bool:
        """Whether no sign of life comes from it: frozen, or cut off."""
        ...

    async def back(self, within: float) -> bool:
        """Wait until it is not silent any more, for *within* seconds; whether it is."""
        ...


@dataclass
class Partition:
    """The records that are left of one partition, and where it begins and ends."""

    records: list[StoredRecord] = field(default_factory=list)
    begin: int = 0
    end: int = 0


@dataclass
class Member:
    """A process in a group. Its code is called in its own *context*."""

    client: Client
    on_change: OnOwnership
    context: Context
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Broker:
    """What is durable, and who takes part. Lives as long as the world."""

    def __init__(self, clock: Clock, rng: Random, faults: Faults | None = None) -> None:
        self.clock = clock
        self.rng = rng
        self.faults = faults or Faults()
        #: Every record ever written, compacted or not: what the checker knows.
        self.journal: list[StoredRecord] = []
        #: Whose record stands where, of those that were written in their turn; by partition and offset.
        self.writers: dict[TopicPartition, dict[int, Client]] = {}
        self.partitions: dict[TopicPartition, Partition] = {}
        self.specs: dict[str, TopicSpec] = {}
        self.count: int | None = None
        self.arrived = asyncio.Event()
        self._away = False
        #: While it is away, calls hang instead of failing at once.
        self.hangs = False
        #: It is there, but takes no writes: one of three has died, and must leave the replicas in sync.
        self.stalled = False
        #: What happens the next time at the moment when something is written to a topic, or a claim is.
        self.ambushes: dict[str, Callable[[Client], None]] = {}
        self._held: list[Callable[[], None]] = []
        self._groups: dict[tuple[str, str], list[Member]] = {}
        self._expelled: dict[tuple[str, str], list[Member]] = {}
        self._generation = 0
        self._sharing = asyncio.Lock()
        self._at_work: set[asyncio.Task[None]] = set()

    # --- whether it is there --------------------------------------------------------------------------

    @property
    def away(self) -> bool:
        """Whether nobody reaches it."""
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        self.wake()
        if not away:
            self.hangs = False
            self.release()

    def hang(self) -> None:
        """Answer nobody, as a broker that is frozen, or whose replicas lost their leader."""
        self.away = True
        self.hangs = True

    def stall(self, stalled: bool) -> None:
        """Answer questions and readers, but no publish; what was published stands in the log afterwards."""
        self.stalled = stalled
        if not stalled:
            self.release()

    def meet(self, client: Client, records: Sequence[Record]) -> None:
        """*records* come from *client*; somebody may have waited for just that."""
        kinds = {CLAIMS if is_claim(record.key) else record.topic: None for record in records}
        for kind in kinds:
            if kind in self.ambushes:
                self.ambushes.pop(kind)(client)

    def hold(self, request: Callable[[], None]) -> None:
        """Keep a *request* that cannot be answered until it can."""
        self._held.append(request)

    def release(self) -> None:
        """Let what was held arrive now."""
        held, self._held = self._held, []
        for request in held:
            request()

    def wake(self) -> None:
        """Whoever waits for records looks again."""
        arrived, self.arrived = self.arrived, asyncio.Event()
        arrived.set()

    # --- records --------------------------------------------------------------------------------------

    def ensure(self, topics: Sequence[TopicSpec], partitions: int) -> None:
        self.count = self.count or partitions
        for spec in topics:
            self.specs.setdefault(spec.name, spec)
            for number in range(self.count):
                self.partitions.setdefault(TopicPartition(spec.name, number), Partition())

    def of(self, topics: Sequence[str]) -> dict[TopicPartition, Partition]:
        return {tp: p for tp, p in self.partitions.items() if tp.topic in topics}

    def check(self, records: Sequence[Record]) -> None:
        for record in records:
            spec = self.specs.get(record.topic)
            check_record(
                record, (self.count or 0) if spec else 0, compacted=bool(spec and spec.compact)
            )

    def append(self, records: Sequence[Record], client: Client | None = None) -> list[Offset]:
        """Write *records* now; wakes everybody who reads. *client*: who did so, and waits for it."""
        offsets = [self._append_one(record) for record in records]
        if client is not None:
            for at in offsets:
                places = self.writers.setdefault(TopicPartition(at.topic, at.partition), {})
                places[at.offset] = client
        self.wake()
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
        """Keep the newest record of each key on compacted topics, and nothing older than a topic's
        retention; *lag* None: the topic's own."""
        now = self.clock.now()
        for tp, partition in self.partitions.items():
            spec = self.specs[tp.topic]
            if spec.compact:
                kept = spec.min_compaction_lag if lag is None else lag
                partition.records = _compacted(partition.records, now - kept, now - TOMBSTONES_KEPT)
            if spec.retention:
                _retain(partition, now - spec.retention)

    def lose(self, topics: Sequence[str], newest: int) -> None:
        """Lose the *newest* records of each partition of *topics*, as after an unclean stop."""
        for partition in self.of(topics).values():
            lost = partition.records[len(partition.records) - newest :]
            partition.records = partition.records[: len(partition.records) - newest]
            partition.end = lost[0].offset if lost else partition.end

    # --- groups -----------------------------------------------------------------------------------

    async def join(self, topic: str, group: str, member: Member) -> None:
        self._groups.setdefault((topic, group), []).append(member)
        await self._rebalance(topic, group)

    async def leave(self, topic: str, group: str, member: Member) -> None:
        members = self._groups.get((topic, group), [])
        if member in members:
            members.remove(member)
            await self._rebalance(topic, group)

    async def forget(self, client: Client) -> None:
        """Notice that *client*'s process has died: its members leave after their session."""
        await self.clock.sleep(SESSION)
        for (topic, group), members in list(self._groups.items()):
            for member in [m for m in members if m.client is client]:
                await self.leave(topic, group, member)

    async def miss(self, client: Client) -> None:
        """No sign of life comes from *client*: after its session, others get what it owned."""
        if await client.back(SESSION):
            return
        for (topic, group), members in list(self._groups.items()):
            for member in [m for m in members if m.client is client]:
                self._expel(topic, group, member)
                await self._rebalance(topic, group)

    async def disturb(self) -> None:
        """Share everything out anew, as after a coordinator that hung."""
        for topic, group in list(self._groups):
            await self._rebalance(topic, group)

    def at_work(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* in the broker's own time, whatever becomes of who asked for it."""
        task = asyncio.get_running_loop().create_task(work, context=WORLD)
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    def _expel(self, topic: str, group: str, member: Member) -> None:
        if member in self._groups[topic, group]:
            self._groups[topic, group].remove(member)
            self.at_work(self._return(topic, group, member))

    async def _return(self, topic: str, group: str, member: Member) -> None:
        """Once it is heard again, a member is told that it is none, and joins anew."""
        while not await member.client.back(3600.0):
            if member.client.dead:
                return
        # With the next heartbeat; or much later, where its coordinator is slow.
        await self.clock.sleep(self.rng.choice([self.rng.uniform(0, 1), self.rng.uniform(1, 15)]))
        await self._tell(member, frozenset())
        await self.clock.sleep(self.rng.uniform(0, 1.5))
        if not member.client.dead:
            await self.join(topic, group, member)

    async def _rebalance(self, topic: str, group: str) -> None:
        """Revoke everything of everybody, then share out anew, as the eager protocol does."""
        self._generation += 1
        generation = self._generation
        async with self._sharing:
            while self._away:
                await self.clock.sleep(0.5)
            if generation != self._generation:  # the one that came later does it for both
                return
            members = list(self._groups[topic, group])
            await asyncio.gather(*(self._revoke(topic, group, member) for member in members))
            if generation == self._generation:
                members = list(self._groups[topic, group])
                shares = _shares(len(self.of([topic])), len(members), self.rng)
                for member, share in zip(members, shares, strict=True):
                    self._assign(member, share, generation)

    async def _revoke(self, topic: str, group: str, member: Member) -> None:
        """Others wait for a member that says nothing until its session is over."""
        if member.client.silent and not await member.client.back(SESSION):
            self._expel(topic, group, member)
        else:
            await self._tell(member, frozenset())

    def _assign(self, member: Member, share: frozenset[int], generation: int) -> None:
        async def assign() -> None:
            await self.clock.sleep(self.rng.uniform(0, 0.03))
            await member.client.back(SESSION)
            if generation == self._generation and not member.client.silent:
                await self._tell(member, share)

        self.at_work(assign())

    async def _tell(self, member: Member, share: frozenset[int]) -> None:
        """Call a member's code as its own process would: dead it hears nothing, slow it gets 2 s.

        What was told to one that falls silent meanwhile, it does when it is back.
        """
        async with member.turn:
            if not member.client.dead:
                task = asyncio.get_running_loop().create_task(
                    _heard(member.on_change, share), context=member.context
                )
                late = not (await asyncio.wait({task}, timeout=HANDLER))[0]
                if late and not member.client.silent:
                    task.cancel()


async def _heard(on_change: OnOwnership, share: frozenset[int]) -> None:
    with suppress(Exception):
        await on_change(share)


def _compacted(
    records: list[StoredRecord], before: datetime, tombstones_before: datetime
) -> list[StoredRecord]:
    newest = {record.key: record.offset for record in records}
    kept = [r for r in records if newest[r.key] == r.offset or r.written_at >= before]
    return [r for r in kept if r.value is not None or r.written_at >= tombstones_before]


def _retain(partition: Partition, oldest: datetime) -> None:
    partition.records = [r for r in partition.records if r.written_at >= oldest]
    partition.begin = partition.records[0].offset if partition.records else partition.end


def _shares(partitions: int, members: int, rng: Random) -> list[frozenset[int]]:
    numbers = list(range(partitions))
    rng.shuffle(numbers)
    return [frozenset(numbers[index::members]) for index in range(members)]
