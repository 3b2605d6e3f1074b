"""What an engine of the log brings to the contract suite."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Protocol
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from slugline.clock import SystemClock
from slugline.log import Log, Record, TopicSpec
from slugline.log.kafka import PREFIX, open_kafka_log
from slugline.log.kafka_topics import settings_of
from slugline.log.sqlite import SqliteLog, open_log
from tests.fakes import AtOnce
from tests.kafka.broker import Cluster
from tests.kafka.mock import TIMING, MockCluster
from tests.simulation.log import Broker, Faults, SimulatedLog

COMPACTED = TopicSpec(name="slugline.test-compacted.v1", compact=True)
PLAIN = TopicSpec(name="slugline.test-plain.v1", compact=False)
PARTITIONS = 4

#: What an engine's double cannot do, by the rule that fails for it. An engine itself has no entry.
LACKS: Mapping[str, Mapping[str, str]] = {
    "mock": {
        "test_the_first_ensure_fixes_the_number_of_partitions": "no CreateTopics",
        "test_compaction_keeps_the_newest_record_of_each_key_at_its_offset": "no compaction",
        "test_a_start_at_an_offset_that_compaction_took_is_fine": "no compaction",
    }
}


class Harness(Protocol):
    """One engine, with a fresh log."""

    def open(self) -> AbstractAsyncContextManager[Log]:
        """A handle on the log."""
        ...

    async def compact(self, log: Log) -> None:
        """Compact COMPACTED now, whatever the lag. May write to it."""
        ...


class SqliteHarness:
    """The embedded log."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.db"

    def open(self) -> AbstractAsyncContextManager[Log]:
        return open_log(self._path, SystemClock())

    async def compact(self, log: Log) -> None:
        assert isinstance(log, SqliteLog)
        await log.compact(force=True)


class SimulatedHarness:
    """The simulated log, with gaps in its offsets and ends that are not records."""

    def __init__(self) -> None:
        self._broker = Broker(AtOnce(), Random(1), Faults(gap=0.3))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Log]:
        yield SimulatedLog(self._broker)

    async def compact(self, log: Log) -> None:
        self._broker.compact(timedelta(days=-1))


class KafkaHarness:
    """A real Kafka; each log has a prefix of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._servers = cluster.servers
        self._prefix = f"test-{uuid4().hex[:12]}."

    def open(self) -> AbstractAsyncContextManager[Log]:
        return open_kafka_log(self._servers, SystemClock(), prefix=self._prefix)

    async def compact(self, log: Log) -> None:
        await self._make_eager()
        async with asyncio.timeout(60):
            await roll(log)
            while not await self._compacted(log):
                await roll(log)

    async def _make_eager(self) -> None:
        name = self._prefix + COMPACTED.name.removeprefix(PREFIX)
        eager = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
        resource = ConfigResource(
            ConfigResourceType.TOPIC, name, {**settings_of(COMPACTED), **eager}
        )
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        try:
            await admin.alter_configs([resource])
        finally:
            await admin.close()

    async def _compacted(self, log: Log) -> bool:
        """Whether each key below the last segment stands once."""
        ends = await log.ends([COMPACTED.name])
        positions = dict.fromkeys(ends, 0)
        keys: list[tuple[int, bytes]] = []
        async with aclosing(log.read([COMPACTED.name], {})) as batches:  # type: ignore[type-var]
            async for batch in batches:
                keys += [(r.partition, r.key) for r in batch.records if r.key != ROLL]
                positions.update(batch.positions)
                if positions == ends:
                    return len(keys) == len(set(keys))
        raise AssertionError("the read ended")


class MockHarness:
    """librdkafka's mock cluster. It knows no CreateTopics, so its topics are there from the start."""

    def __init__(self, mock: MockCluster) -> None:
        self._servers = mock.servers
        for spec in (COMPACTED, PLAIN):
            mock.make(spec.name, PARTITIONS)

    def open(self) -> AbstractAsyncContextManager[Log]:
        return open_kafka_log(self._servers, SystemClock(), timing=TIMING)

    async def compact(self, log: Log) -> None:
        """It never does."""


#: The key of what `roll` writes.
ROLL = b"_roll"


async def roll(log: Log, topic: str = COMPACTED.name) -> None:
    """Write to every partition, so that what was there before can be compacted.

    Kafka never compacts the segment that it writes to, and starts another only with a write.
    """
    await asyncio.sleep(0.3)  # longer than segment.ms, by the broker's clock
    partitions = await log.ends([topic])
    await log.publish(
        [Record(topic=topic, key=ROLL, value=b"", partition=tp.partition) for tp in partitions]
    )


HARNESSES: dict[str, Callable[[pytest.FixtureRequest], Harness]] = {
    "kafka": lambda request: KafkaHarness(request.getfixturevalue("kafka")),
    "mock": lambda request: MockHarness(request.getfixturevalue("mock")),
    "simulated": lambda request: SimulatedHarness(),
    "sqlite": lambda request: SqliteHarness(request.getfixturevalue("tmp_path")),
}
