"""A simulated log: one process's handle on the broker, under virtual time.

What a process asks travels, is done by the broker in its own time, and the answer travels back: a
process that is frozen meanwhile finds it in its socket, and one that is killed is not missed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from enum import Enum, auto
from typing import TypeVar

from slugline.errors import LogUnavailableError, OffsetOutOfRangeError, OutcomeUnknownError
from slugline.log import (
    DEFAULT_PARTITIONS,
    Batch,
    Offset,
    OnOwnership,
    Record,
    TopicPartition,
    TopicSpec,
)
from slugline.topics import SUBSCRIPTIONS
from tests.simulation.broker import SESSION, Broker, Faults, Member, Partition
from tests.simulation.loop import WORLD

__all__ = ["PUBLISH_DEADLINE", "SESSION", "Broker", "Faults", "SimulatedLog"]

T = TypeVar("T")

#: A client gives up on an unanswered publish, or question, after this, in seconds.
PUBLISH_DEADLINE = 5.0
#: A reader that hears nothing takes the broker for away after this, in seconds.
SILENCE = 10.0
#: A read's step takes this many records at the most.
STEP = 50


class _Line(Enum):
    """How a process reaches the broker."""

    OPEN = auto()
    #: Whoever calls hears at once that nobody is there.
    REFUSED = auto()
    #: Whoever calls hears nothing.
    SILENT = auto()


class SimulatedLog:
    """One process's handle on the broker; `die` cuts it off, as `kill -9` does."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.dead = False
        self._cut = False
        self._frozen = False
        self._busy_until = 0.0
        #: How much longer each step of a read takes at the most, in seconds.
        self.lag = 0.0
        #: What is on its way to the broker lands when its publisher has long given it up.
        self.strays = False
        #: Questions that are not answered yet, and publishes.
        self.asking = self.publishing = 0
        self._heard = asyncio.Event()
        self._heard.set()

    # --- what befalls the process -----------------------------------------------------------------

    def die(self) -> None:
        """From now on nothing that this process does reaches the broker."""
        self.dead = True

    def cut(self, cut: bool) -> None:
        """Cut the network between this process and the broker, or mend it."""
        self._cut = cut
        self._silence()
        self._broker.wake()
        if not cut:
            self._broker.release()

    def freeze(self, frozen: bool) -> None:
        """This process stands still, or goes on: for the broker, it falls silent."""
        self._frozen = frozen
        self._silence()

    @property
    def silent(self) -> bool:
        return self._cut or self._frozen

    async def back(self, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._heard.wait()
        return not self.silent

    def _silence(self) -> None:
        if not self.silent:
            self._heard.set()
        elif self._heard.is_set():
            self._heard.clear()
            self._broker.at_work(self._broker.miss(self))

    # --- the port ---------------------------------------------------------------------------------

    async def ensure(
        self, topics: Sequence[TopicSpec], partitions: int = DEFAULT_PARTITIONS
    ) -> None:
        await self._ask(lambda: self._broker.ensure(topics, partitions))

    async def publish(self, records: Sequence[Record]) -> Sequence[Offset]:
        self._broker.check(records)
        if self.dead:
            raise LogUnavailableError("the broker is away")
        answer: asyncio.Future[list[Offset]] = asyncio.get_running_loop().create_future()
        self._in_turn(lambda: self._take(records, answer))
        self.publishing += 1
        try:
            return await _answered(answer)
        except TimeoutError as error:
            raise OutcomeUnknownError("the broker did not acknowledge in time") from error
        finally:
            self.publishing -= 1

    async def read(
        self, topics: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> AsyncIterator[Batch]:
        partitions = await self._ask(lambda: self._broker.of(topics))
        positions = {tp: start.get(tp, p.begin) for tp, p in partitions.items()}
        for tp, position in positions.items():
            if not partitions[tp].begin <= position <= partitions[tp].end:
                raise OffsetOutOfRangeError(f"{tp} does not hold {position}")
        order = list(partitions)
        while True:
            arrived = self._broker.arrived
            moved = False
            for tp in order:
                while positions[tp] < partitions[tp].end and self._line is _Line.OPEN:
                    batch = _step(tp, partitions[tp], positions[tp])
                    positions[tp] = batch.positions[tp]
                    moved = True
                    yield batch
                    await self._latency()
            if moved:
                self._broker.rng.shuffle(order)
            else:
                await self._wait(arrived)

    async def begins(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        return await self._ask(lambda: {tp: p.begin for tp, p in self._broker.of(topics).items()})

    async def ends(self, topics: Sequence[str]) -> Mapping[TopicPartition, int]:
        return await self._ask(lambda: {tp: p.end for tp, p in self._broker.of(topics).items()})

    @asynccontextmanager
    async def own(self, topic: str, group: str, on_change: OnOwnership) -> AsyncIterator[None]:
        member = Member(self, on_change, copy_context())
        self._broker.at_work(self._broker.join(topic, group, member))
        try:
            yield
        finally:
            if not self.dead:
                with suppress(Exception):
                    await on_change(frozenset())
                self._broker.at_work(self._broker.leave(topic, group, member))

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _line(self) -> _Line:
        if self.dead:
            return _Line.REFUSED
        if self._cut or (self._broker.away and self._broker.hangs):
            return _Line.SILENT
        return _Line.REFUSED if self._broker.away else _Line.OPEN

    def _later(self, what: Callable[[], None]) -> None:
        """Do *what* at the broker, once it has travelled there; or here, once it is back."""
        delay = self._broker.rng.uniform(0, self._broker.faults.slowest)
        asyncio.get_running_loop().call_later(delay, what, context=WORLD)

    def _in_turn(self, what: Callable[[], None]) -> None:
        """The same, but never before what was sent earlier: one producer has one connection."""
        loop = asyncio.get_running_loop()
        delay = self._broker.rng.uniform(0, self._broker.faults.slowest)
        self._busy_until = max(self._busy_until, loop.time() + delay)
        loop.call_at(self._busy_until, what, context=WORLD)

    async def _ask(self, question: Callable[[], T]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            match self._line:
                case _Line.REFUSED:
                    _refuse(answer)
                case _Line.SILENT:
                    self._broker.hold(arrive)
                case _Line.OPEN:
                    said = question()
                    self._later(lambda: _answer(answer, said))

        self._later(arrive)
        self.asking += 1
        try:
            return await _answered(answer)
        except TimeoutError as error:
            raise LogUnavailableError("the broker did not answer in time") from error
        finally:
            self.asking -= 1

    def _take(self, records: Sequence[Record], answer: "asyncio.Future[list[Offset]]") -> None:
        """*records* have arrived at the broker, or would have."""
        broker, faults = self._broker, self._broker.faults
        broker.meet(self, records)
        if self._line is _Line.REFUSED:
            _refuse(answer)
        elif self._line is _Line.SILENT:
            broker.hold(lambda: self._take_late(records, answer))
        elif broker.stalled:
            broker.hold(lambda: self._take_stalled(records, answer))
        elif self._goes_astray() and not _is_order(records):
            delay = PUBLISH_DEADLINE * broker.rng.uniform(0.5, 2.0)
            loop = asyncio.get_running_loop()
            loop.call_later(delay, lambda: broker.append(records), context=WORLD)
        else:
            offsets = broker.append(records, None if answer.done() else self)
            if broker.rng.random() >= faults.lost_acknowledgement:
                self._later(lambda: _answer(answer, offsets))

    def _goes_astray(self) -> bool:
        strays, self.strays = self.strays, False
        return self._broker.rng.random() < self._broker.faults.late_landing or strays

    def _take_late(self, records: Sequence[Record], answer: "asyncio.Future[list[Offset]]") -> None:
        """The broker is back. What was given up meanwhile may have been under way, or not."""
        given_up = answer.done() and self._broker.rng.random() >= (
            self._broker.faults.landing_afterwards
        )
        if not given_up and not (answer.done() and _is_order(records)):
            self._take(records, answer)

    def _take_stalled(
        self, records: Sequence[Record], answer: "asyncio.Future[list[Offset]]"
    ) -> None:
        """The replicas are in sync again: what their leader had taken counts, given up or not."""
        if not (answer.done() and _is_order(records)):
            self._take(records, answer)

    async def _wait(self, arrived: asyncio.Event) -> None:
        if self._line is _Line.OPEN:
            await arrived.wait()
            return
        if self._line is _Line.SILENT:
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE):
                    await arrived.wait()
                    return
        else:
            await self._broker.clock.sleep(self._broker.rng.uniform(0, 0.5))
        raise LogUnavailableError("the broker is away")

    async def _latency(self) -> None:
        slowest = self._broker.faults.slowest + self.lag
        await self._broker.clock.sleep(self._broker.rng.uniform(0, slowest))


async def _answered(answer: "asyncio.Future[T]") -> T:
    async with asyncio.timeout(PUBLISH_DEADLINE):
        return await answer


def _is_order(records: Sequence[Record]) -> bool:
    """Whether *records* say what is wanted: there is no compare-and-set in the log, and one that
    lands late would undo a later one."""
    return any(record.topic == SUBSCRIPTIONS for record in records)


def _answer(answer: "asyncio.Future[T]", said: T) -> None:
    if not answer.done():
        answer.set_result(said)


def _refuse(answer: "asyncio.Future[T]") -> None:
    if not answer.done():
        answer.set_exception(LogUnavailableError("the broker is away"))


def _step(tp: TopicPartition, partition: Partition, position: int) -> Batch:
    waiting = [record for record in partition.records if record.offset >= position]
    records = waiting[:STEP]
    following = records[-1].offset + 1 if len(waiting) > STEP else partition.end
    return Batch(records=records, positions={tp: following})
