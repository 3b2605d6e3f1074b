"""What is the Kafka engine's own: brokers that stop, hang and return, members, topics, its clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    suppress,
)
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from slugline.clock import SystemClock
from slugline.errors import (
    LogMismatchError,
    LogUnavailableError,
    OffsetOutOfRangeError,
    OutcomeUnknownError,
    RecordRefusedError,
)
from slugline.log import Log, Record, StoredRecord, TopicPartition, TopicSpec
from slugline.log.kafka import KafkaLog, open_kafka_log
from slugline.log.kafka_connection import Timing
from slugline.log.kafka_topics import as_diff
from tests.kafka.broker import Cluster
from tests.kafka.mock import TIMING, MockCluster

SPEC = TopicSpec(name="slugline.test.v1", compact=True)
PLAIN = TopicSpec(name="slugline.plain.v1", compact=False)
OTHER = TopicSpec(name="slugline.other.v1", compact=True)
PARTITIONS = 4

#: Long enough for anything that has to happen at all.
PATIENCE = 60.0
#: A broker gets little time to answer, so that outages are noticed soon.
SHORT = Timing(publish=2.0, answer=2.0, silence=1.0)

Open = Callable[..., AbstractAsyncContextManager[KafkaLog]]


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex[:12]}."


@pytest.fixture
def opened(kafka: Cluster, prefix: str) -> Open:
    """Opens the test's log, once more with each call."""

    def open_it(**options: Any) -> AbstractAsyncContextManager[KafkaLog]:
        return open_kafka_log(kafka.servers, SystemClock(), prefix=prefix, **options)

    return open_it


@pytest.fixture
async def log(opened: Open) -> AsyncIterator[KafkaLog]:
    async with opened(timing=SHORT) as log:
        await until_it_answers(lambda: log.ensure([SPEC], PARTITIONS))  # it may have just restarted
        yield log


def a_record(value: str = "v", partition: int = 0, **fields: Any) -> Record:
    defaults: dict[str, Any] = {"topic": SPEC.name, "key": b"k", "partition": partition}
    return Record(**{**defaults, "value": value.encode(), **fields})


async def everything(log: Log, topic: str = SPEC.name) -> list[StoredRecord]:
    ends = await log.ends([topic])
    positions = dict.fromkeys(ends, 0)
    records: list[StoredRecord] = []
    if positions == ends:
        return records
    async with asyncio.timeout(PATIENCE), aclosing(log.read([topic], {})) as batches:  # type: ignore[type-var]
        async for batch in batches:
            records += batch.records
            positions.update(batch.positions)
            if all(positions[tp] >= end for tp, end in ends.items()):
                return records
    raise AssertionError("the read ended")


def values(records: list[StoredRecord]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


async def until_it_answers(step: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer of *step* that is not LogUnavailableError or OutcomeUnknownError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await step()
            except (LogUnavailableError, OutcomeUnknownError):
                await asyncio.sleep(0.1)


class Heard:
    """What a member was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.shares: list[frozenset[int]] = []
        self._told = asyncio.Event()

    async def on_change(self, share: frozenset[int]) -> None:
        self.shares.append(share)
        self._told.set()

    @property
    def share(self) -> frozenset[int]:
        return self.shares[-1] if self.shares else frozenset()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._told.clear()
                await self._told.wait()


def share_out(members: list[Heard]) -> bool:
    """Whether every partition has exactly one owner, and every member some."""
    owned = sorted(p for member in members for p in member.share)
    return owned == list(range(PARTITIONS)) and all(member.share for member in members)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def until_shared(members: list[Heard]) -> None:
    await until(lambda: share_out(members))


# --- producers --------------------------------------------------------------------------------------


async def set_on_topic(kafka: Cluster, name: str, settings: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(settings))
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def test_a_record_that_the_broker_refuses_costs_only_itself(
    kafka: Cluster, log: KafkaLog, prefix: str
) -> None:
    await set_on_topic(kafka, f"{prefix}test.v1", {"max.message.bytes": "10000"})
    await log.publish([a_record("before")])

    with pytest.raises(RecordRefusedError):
        await log.publish([a_record("x" * 50_000)])

    # A producer that was refused once would fail for this partition for ever.
    assert (await log.publish([a_record("after")]))[0].offset == 1
    assert values(await everything(log)) == ["before", "after"]


async def test_a_publisher_whose_clock_is_wrong_is_not_refused(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.publish([a_record("before")])
    (first,) = await everything(log)
    session = await log._publisher._shared.get()
    ahead = round(first.written_at.timestamp() * 1000) + 10 * 24 * 3_600_000

    await session.producer.send_and_wait(
        f"{log._prefix}test.v1", b"from the future", key=b"k", partition=0, timestamp_ms=ahead
    )

    second = (await everything(log))[1]
    assert (second.written_at - first.written_at).total_seconds() < 3600


async def test_a_publish_that_missed_its_deadline_is_unknown_and_the_next_is_not_held_up(
    kafka: Cluster, log: KafkaLog
) -> None:
    await log.publish([a_record("before")])
    kafka.broker.pause()
    try:
        with pytest.raises(OutcomeUnknownError):
            await log.publish([a_record("late")])
    finally:
        kafka.broker.resume()

    await until_it_answers(lambda: log.publish([a_record("next")]))

    got = values(await everything(log))
    assert [value for value in got if value != "late"] == ["before", "next"]
    assert got.count("late") <= 1


async def test_a_given_up_publish_is_not_written_when_the_broker_returns(
    kafka: Cluster, log: KafkaLog
) -> None:
    await log.publish([a_record("before")])
    kafka.broker.kill()
    try:
        with pytest.raises(OutcomeUnknownError):
            await log.publish([a_record("given up")])
    finally:
        kafka.broker.start()
        kafka.broker.serving()

    # Two rounds: whatever the abandoned producer still wanted would be there by now.
    await until_it_answers(lambda: log.publish([a_record("next")]))
    await log.publish([a_record("last")])

    assert values(await everything(log)) == ["before", "next", "last"]


async def test_what_was_acknowledged_survives_a_killed_broker_once_and_in_order(
    kafka: Cluster, opened: Open
) -> None:
    acknowledged: list[tuple[int, str]] = []
    async with opened(timing=SHORT) as log:
        await log.ensure([SPEC], PARTITIONS)
        enough = asyncio.Event()

        async def write() -> None:
            for number in range(100_000):
                try:
                    (offset,) = await log.publish([a_record(str(number))])
                except (LogUnavailableError, OutcomeUnknownError):
                    await asyncio.sleep(0.05)
                    continue
                acknowledged.append((offset.offset, str(number)))
                if len(acknowledged) % 200 == 0:
                    enough.set()

        writing = asyncio.create_task(write())
        for end in (kafka.broker.kill, kafka.broker.stop):
            enough.clear()
            await asyncio.wait_for(enough.wait(), PATIENCE)
            await asyncio.to_thread(end)
            kafka.broker.start()
            await asyncio.to_thread(kafka.broker.serving)
        enough.clear()
        await asyncio.wait_for(enough.wait(), PATIENCE)
        writing.cancel()

        stands = {record.offset: (record.value or b"").decode() for record in await everything(log)}

    assert all(stands[offset] == value for offset, value in acknowledged)
    assert list(stands.values()) == sorted(set(stands.values()), key=int)


# --- outages ----------------------------------------------------------------------------------------


async def test_while_the_broker_is_away_every_call_says_so_and_heals_by_itself(
    kafka: Cluster, log: KafkaLog
) -> None:
    await log.publish([a_record("before")])
    await log.ends([SPEC.name])
    kafka.broker.kill()
    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: log.ends([SPEC.name]),
        lambda: log.begins([SPEC.name]),
        lambda: log.ensure([SPEC], PARTITIONS),
        lambda: anext(aiter(log.read([SPEC.name], {}))),
    ]
    try:
        for step in steps:
            with pytest.raises(LogUnavailableError, match=r"does not answer|no broker"):
                await step()
        with pytest.raises((LogUnavailableError, OutcomeUnknownError)):
            await log.publish([a_record("lost")])
        with pytest.raises(LogUnavailableError, match="no broker answers"):
            await log.publish([a_record("lost")])
    finally:
        kafka.broker.start()
        kafka.broker.serving()

    for step in steps:
        await until_it_answers(step)
    await until_it_answers(lambda: log.publish([a_record("after")]))
    assert values(await everything(log)) == ["before", "after"]


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_a_read_ends_when_the_broker_falls_silent_and_the_next_goes_on(
    kafka: Cluster, log: KafkaLog, way: str
) -> None:
    batches = aiter(log.read([SPEC.name], {}))
    await log.publish([a_record("first")])
    await anext(batches)
    silent = asyncio.ensure_future(anext(batches))
    getattr(kafka.broker, way)()
    try:
        with pytest.raises(LogUnavailableError, match="silent about"):
            await asyncio.wait_for(silent, PATIENCE)
    finally:
        if way == "kill":
            kafka.broker.start()
            kafka.broker.serving()
        kafka.broker.resume()

    await until_it_answers(lambda: log.publish([a_record("second")]))
    assert values(await until_it_answers(lambda: everything(log))) == ["first", "second"]
    assert not log.stuck


async def test_a_log_opens_while_the_broker_is_away_and_owns_once_it_is_there(
    kafka: Cluster, log: KafkaLog, opened: Open
) -> None:
    heard = Heard()
    kafka.broker.stop()
    try:
        async with opened() as other, other.own(SPEC.name, "g", heard.on_change):
            with pytest.raises(LogUnavailableError):
                await other.ends([SPEC.name])
            assert not heard.share

            kafka.broker.start()
            kafka.broker.serving()
            await heard.until(lambda: len(heard.share) == PARTITIONS)
    finally:
        kafka.broker.start() if kafka.broker.ended else None


async def test_an_owner_keeps_taking_part_across_a_killed_broker(
    kafka: Cluster, log: KafkaLog
) -> None:
    first, second = Heard(), Heard()
    async with log.own(SPEC.name, "g", first.on_change):
        await first.until(lambda: len(first.share) == PARTITIONS)
        kafka.broker.kill()
        kafka.broker.start()
        kafka.broker.serving()

        async with log.own(SPEC.name, "g", second.on_change):
            await until_shared([first, second])


async def test_a_read_that_stays_silent_while_the_broker_answers_is_stuck(
    mock: MockCluster,
) -> None:
    mock.make(SPEC.name, PARTITIONS)
    timing = Timing(fetch_wait=0.02, silence=0.5)
    async with open_kafka_log(mock.servers, SystemClock(), timing=timing) as log:
        mock.fail_fetches(100_000)
        for _ in range(3):
            assert not log.stuck
            with pytest.raises(LogUnavailableError, match="silent"):
                await anext(aiter(log.read([SPEC.name], {})))
        assert log.stuck

        mock.fail_fetches(0)
        await log.publish([a_record()])
        batches = aiter(log.read([SPEC.name], {}))
        await anext(batches)
        waiting = asyncio.ensure_future(anext(batches))
        await until(lambda: not log.stuck)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


# --- reading ----------------------------------------------------------------------------------------


async def test_ends_do_not_wait_behind_the_fetch_of_a_read(opened: Open) -> None:
    async with opened(timing=Timing(fetch_wait=30.0, silence=60.0)) as log:
        await log.ensure([SPEC], PARTITIONS)
        ends = await log.ends([SPEC.name])
        waiting = asyncio.ensure_future(anext(aiter(log.read([SPEC.name], ends))))
        await asyncio.sleep(1)  # until the fetch is at the broker, which holds it for 30 s

        async with asyncio.timeout(5):
            assert await log.ends([SPEC.name]) == ends
            await log.publish([a_record()])
            await waiting


async def test_a_topic_that_was_made_anew_is_out_of_range(kafka: Cluster, log: KafkaLog) -> None:
    await log.publish([a_record() for _ in range(5)])
    ends = await log.ends([SPEC.name])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    await admin.delete_topics([f"{log._prefix}test.v1"])
    await admin.close()
    await until_it_answers(lambda: log.ensure([SPEC], PARTITIONS))
    await until_it_answers(lambda: log.ends([SPEC.name]))

    with pytest.raises(OffsetOutOfRangeError):
        await anext(aiter(log.read([SPEC.name], ends)))


# --- owning -----------------------------------------------------------------------------------------


@pytest.fixture(params=["kafka", "mock"])
def group(request: pytest.FixtureRequest, prefix: str) -> Open:
    """Opens one log per member."""
    if request.param == "kafka":
        servers, timing = request.getfixturevalue("kafka").servers, Timing(session=6.0)
    else:
        cluster = request.getfixturevalue("mock")
        cluster.make(f"{prefix}test.v1", PARTITIONS)
        servers, timing = cluster.servers, TIMING

    @asynccontextmanager
    async def member() -> AsyncIterator[KafkaLog]:
        async with open_kafka_log(servers, SystemClock(), prefix=prefix, timing=timing) as log:
            await log.ensure([SPEC], PARTITIONS)
            yield log

    return member


async def test_partitions_are_shared_out_anew_as_members_come_and_go(group: Open) -> None:
    first, second, third = members = Heard(), Heard(), Heard()
    async with AsyncExitStack() as stack:
        for number, member in enumerate(members):
            log = await stack.enter_async_context(group())
            if member is not third:
                await stack.enter_async_context(log.own(SPEC.name, "g", member.on_change))
                await until_shared(list(members[: number + 1]))

        async with log.own(SPEC.name, "g", third.on_change):
            await until_shared([first, second, third])
        assert not third.share
        await until_shared([first, second])

    for member in members:
        assert member.shares[0] == member.shares[-1] == frozenset()
        told = list(zip(member.shares, member.shares[1:], strict=False))
        assert all(not before or not after for before, after in told)  # none between two shares


async def test_nobody_is_told_of_a_share_before_the_others_have_given_it_up(group: Open) -> None:
    owners: dict[int, str] = {}
    faults: list[str] = []
    heard = {name: Heard() for name in "ab"}

    def member(name: str) -> Callable[[frozenset[int]], Awaitable[None]]:
        async def on_change(share: frozenset[int]) -> None:
            if not share:
                await asyncio.sleep(0.2)  # giving up takes a moment
                for partition in [p for p, owner in owners.items() if owner == name]:
                    del owners[partition]
            for partition in share:
                if owners.get(partition, name) != name:
                    faults.append(f"{name} got {partition} while {owners[partition]} had it")
                owners[partition] = name
            await heard[name].on_change(share)

        return on_change

    async with group() as one, group() as two, one.own(SPEC.name, "g", member("a")):
        await heard["a"].until(lambda: len(heard["a"].share) == PARTITIONS)
        async with two.own(SPEC.name, "g", member("b")):
            await until_shared(list(heard.values()))
        await heard["a"].until(lambda: len(heard["a"].share) == PARTITIONS)

    assert not faults


# --- topics -----------------------------------------------------------------------------------------


async def test_logs_that_race_to_make_topics_agree_on_their_partitions(opened: Open) -> None:
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(opened()) for _ in range(4)]

        await asyncio.gather(
            *(log.ensure([SPEC, PLAIN], number + 2) for number, log in enumerate(logs))
        )

        ends = [await log.ends([SPEC.name, PLAIN.name]) for log in logs]
    assert all(each == ends[0] for each in ends)
    assert len({tp.partition for tp in ends[0]}) * 2 == len(ends[0])


async def test_a_topic_with_another_policy_is_refused_and_left_as_it_is(log: KafkaLog) -> None:
    other = TopicSpec(name=SPEC.name, compact=False)

    with pytest.raises(LogMismatchError, match=r"cleanup\.policy compact, not delete"):
        await log.ensure([other, PLAIN], PARTITIONS)

    assert await log.differences([SPEC, PLAIN]) == []


async def test_topics_with_differing_partitions_are_refused(kafka: Cluster, log: KafkaLog) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"{log._prefix}more.v1", PARTITIONS + 1, -1, {})])
    await admin.close()

    with pytest.raises(LogMismatchError, match="differ in their numbers of partitions"):
        await log.ensure([PLAIN], PARTITIONS)


async def test_a_log_with_a_longer_prefix_is_another_log(kafka: Cluster, log: KafkaLog) -> None:
    async with open_kafka_log(kafka.servers, SystemClock(), prefix=f"{log._prefix}2.") as other:
        await other.ensure([SPEC], PARTITIONS + 1)
        await other.publish([a_record()])

        await log.ensure([SPEC, PLAIN], PARTITIONS)

        assert len(await log.ends([PLAIN.name])) == PARTITIONS
        assert await everything(log) == []


async def test_a_difference_reads_like_a_diff(log: KafkaLog) -> None:
    found = await log.differences([TopicSpec(name=SPEC.name, compact=False), PLAIN])

    text = as_diff(found, "127.0.0.1:9092").replace(log._prefix, "slugline.")
    assert text.splitlines()[:5] == [
        "--- Kafka at 127.0.0.1:9092",
        "+++ slugline",
        " slugline.test.v1",
        "-    cleanup.policy=compact",
        "+    cleanup.policy=delete",
    ]
    assert "+slugline.plain.v1" in text
    assert "+    partitions=4" in text


async def test_changed_settings_leave_those_of_others_alone(
    kafka: Cluster, log: KafkaLog, prefix: str
) -> None:
    theirs = {"max.message.bytes": "20000", "cleanup.policy": "delete"}
    await set_on_topic(kafka, f"{prefix}test.v1", theirs)

    await log.change_settings([SPEC])

    async def settled() -> None:  # a broker may still tell the old ones for a moment
        if await log.differences([SPEC]):
            raise LogUnavailableError("not yet")

    await until_it_answers(settled)
    with pytest.raises(RecordRefusedError):
        await log.publish([a_record("x" * 50_000)])


async def test_compacted_topics_are_written_through_where_that_is_wanted(
    log: KafkaLog, opened: Open
) -> None:
    await log.ensure([PLAIN], PARTITIONS)
    async with opened(flush=True) as flushing:
        (found,) = await flushing.differences([SPEC, PLAIN])
        assert found.topic == f"{log._prefix}test.v1"
        assert [setting for setting, _, _ in found.settings] == ["flush.messages"]

        await flushing.ensure([OTHER], PARTITIONS)
        assert await flushing.differences([OTHER]) == []


# --- ends -------------------------------------------------------------------------------------------


async def used(log: KafkaLog, stack: AsyncExitStack) -> None:
    """Have every kind of client at work in *log*."""
    heard = Heard()
    await stack.enter_async_context(log.own(SPEC.name, "g", heard.on_change))
    await heard.until(lambda: bool(heard.share))
    await log.publish([a_record()])
    await anext(aiter(log.read([SPEC.name], {})))


async def test_nothing_is_left_running_when_the_log_closes(opened: Open) -> None:
    before = asyncio.all_tasks()
    async with opened() as log, AsyncExitStack() as stack:
        await log.ensure([SPEC], PARTITIONS)
        await used(log, stack)
        waiting = asyncio.ensure_future(
            anext(aiter(log.read([SPEC.name], await log.ends([SPEC.name]))))
        )
        await log.ends([SPEC.name])

    with pytest.raises(LogUnavailableError):
        await waiting
    assert asyncio.all_tasks() == before
    with pytest.raises(LogUnavailableError, match="closed"):
        await log.ends([SPEC.name])


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_nothing_is_left_running_when_it_closes_while_the_broker_is_away(
    kafka: Cluster, opened: Open, way: str
) -> None:
    before = asyncio.all_tasks()
    try:
        async with asyncio.timeout(PATIENCE), opened() as log, AsyncExitStack() as stack:
            await log.ensure([SPEC], PARTITIONS)
            await used(log, stack)
            getattr(kafka.broker, way)()
            publishing = asyncio.ensure_future(log.publish([a_record()]))
            asking = asyncio.ensure_future(log.ends([SPEC.name]))
            await asyncio.sleep(0.1)
        outcomes = await asyncio.gather(publishing, asking, return_exceptions=True)
    finally:
        if way == "kill":
            kafka.broker.start()
            kafka.broker.serving()
        kafka.broker.resume()

    kinds = LogUnavailableError | OutcomeUnknownError
    assert [outcome for outcome in outcomes if not isinstance(outcome, kinds)] == []
    assert asyncio.all_tasks() == before


async def test_positions_are_of_partitions_by_our_names(log: KafkaLog) -> None:
    await log.publish([a_record(partition=2)])

    batch = await anext(aiter(log.read([SPEC.name], {})))

    assert batch.positions == {TopicPartition(SPEC.name, 2): 1}
