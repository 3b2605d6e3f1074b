"""Membership in a Kafka consumer group, only to learn which partitions are ours; nothing is read.

Every join and leave takes everything from everybody for a moment (aiokafka shares out eagerly).
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from slugline.clock import Clock
from slugline.errors import LogUnavailableError
from slugline.log import OnOwnership
from slugline.log.kafka_connection import Connection, contained

#: How long a handler may take, in seconds: longer than giving up a share takes, far below a session.
HANDLER = 3.0
#: How long sharing out may take before a member starts afresh, in seconds.
JOIN = 30.0
#: How often a member says that it still works, in seconds.
POLL = 1.0
#: How long to wait before taking part again after a failure, in seconds.
RETRY = 1.0

logger = structlog.get_logger()


class Member:
    """Takes part in *group* for *topic* (as Kafka calls them) until `run` is cancelled."""

    def __init__(
        self, connection: Connection, clock: Clock, topic: str, group: str, on_change: OnOwnership
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._topic = topic
        self._group = group
        self._on_change = on_change
        self._turn = asyncio.Lock()
        self._leaving = False
        self._told: frozenset[int] | None = None
        #: When the group began to share out anew; None while it is settled.
        self._sharing_since: float | None = None
        self._trouble = ""

    async def run(self) -> None:
        """Take part; after a failure own nothing, and take part again."""
        while True:
            try:
                await self._take_part()
            except LogUnavailableError as error:
                self._interrupted(str(error))
            await self.tell(frozenset())
            await self._clock.sleep(RETRY)

    def _interrupted(self, reason: str) -> None:
        """Told once for each reason, however often it is tried."""
        if reason != self._trouble:
            logger.warning("ownership.interrupted", group=self._group, reason=reason)
        self._trouble = reason

    async def leave(self) -> None:
        """Give up everything before the group learns of it; nothing is told after that."""
        self._leaving = True
        async with self._turn:
            await self._tell(frozenset())

    async def revoked(self) -> None:
        """The group shares out anew."""
        self._sharing_since = self._clock.monotonic()
        await self.tell(frozenset())

    async def assigned(self, share: frozenset[int]) -> None:
        """The group gave us *share*."""
        self._sharing_since = None
        self._trouble = ""
        await self.tell(share)

    async def tell(self, share: frozenset[int]) -> None:
        """Call the handler, one call at a time."""
        async with self._turn:
            if not self._leaving:
                await self._tell(share)

    async def _tell(self, share: frozenset[int]) -> None:
        if not share and self._told == share:
            return
        self._told = share
        try:
            async with asyncio.timeout(HANDLER):
                await self._on_change(share)
        except Exception:
            logger.exception("ownership.handler_failed", group=self._group)

    async def _take_part(self) -> None:
        consumer = await self._join()
        try:
            with contained(self._connection.servers):
                while True:
                    await consumer.getmany(timeout_ms=round(POLL * 1000))
                    self.check()
        finally:
            self._connection.end(consumer)

    async def _join(self) -> Any:
        timing = self._connection.timing
        listener = _Listener(self)

        def subscribed(**options: Any) -> Any:
            listener.consumer = AIOKafkaConsumer(**options)
            listener.consumer.subscribe([self._topic], listener=listener)
            return listener.consumer

        self._sharing_since = self._clock.monotonic()
        return await self._connection.start(
            subscribed,
            within=JOIN,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=round(timing.session * 1000),
            heartbeat_interval_ms=round(timing.heartbeat * 1000),
            partition_assignment_strategy=[_assignor()],
        )

    def check(self) -> None:
        """Raise LogUnavailableError when the group has been sharing out for too long."""
        since = self._sharing_since
        if since is not None and self._clock.monotonic() - since > JOIN:
            raise LogUnavailableError(f"the group {self._group} does not share out {self._topic}")


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka's side of it; it awaits these in the task that also answers the group."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self.consumer: Any = None

    async def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        await self._member.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        self.consumer.pause(*assigned)
        await self._member.assigned(frozenset(tp.partition for tp in assigned))


def _assignor() -> type:
    """A sticky assignor of one's own: aiokafka's keeps what it was assigned in the class."""
    return type("OwnStickyAssignor", (StickyPartitionAssignor,), {})
