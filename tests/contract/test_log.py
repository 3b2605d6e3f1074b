"""What every engine of the log must do. An engine brings a harness; the rules are the port's."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

import pytest

from slugline.errors import OffsetOutOfRangeError, RecordRefusedError
from slugline.log import (
    MAX_RECORD_BYTES,
    Log,
    Offset,
    Record,
    StoredRecord,
    TopicPartition,
    TopicSpec,
)
from slugline.log.partition import partition_for
from tests.contract.harness import COMPACTED, HARNESSES, LACKS, PARTITIONS, PLAIN, Harness

TOPICS = [COMPACTED.name, PLAIN.name]


@pytest.fixture(params=sorted(HARNESSES))
def harness(request: pytest.FixtureRequest) -> Harness:
    lacking = LACKS.get(request.param, {}).get(request.node.originalname)
    if lacking:
        request.applymarker(pytest.mark.xfail(reason=lacking, strict=True))
    return HARNESSES[request.param](request)


@pytest.fixture
async def log(harness: Harness) -> AsyncIterator[Log]:
    async with harness.open() as opened:
        await opened.ensure([COMPACTED, PLAIN], PARTITIONS)
        yield opened


def a_record(key: str = "k", value: bytes | None = b"v", **fields: Any) -> Record:
    place = {} if "partition" in fields else {"partition_key": key.encode()}
    return Record(
        **{"topic": COMPACTED.name, "key": key.encode(), "value": value, **place, **fields}
    )


async def read_to(
    log: Log,
    ends: Mapping[TopicPartition, int],
    start: Mapping[TopicPartition, int] | None = None,
) -> list[StoredRecord]:
    """What stands below *ends*, from *start* on."""
    topics = sorted({tp.topic for tp in ends})
    positions = {tp: (start or {}).get(tp, 0) for tp in ends}
    records: list[StoredRecord] = []
    if all(positions[tp] >= end for tp, end in ends.items()):
        return records
    async with asyncio.timeout(10):
        async with aclosing(log.read(topics, start or {})) as batches:  # type: ignore[type-var]
            async for batch in batches:
                records += [r for r in batch.records if r.offset < ends[_place(r)]]
                positions.update(batch.positions)
                if all(positions[tp] >= end for tp, end in ends.items()):
                    return records
    raise AssertionError("the read ended")


def _place(record: StoredRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


async def everything(log: Log) -> list[StoredRecord]:
    return await read_to(log, await log.ends(TOPICS))


def keys(records: Sequence[StoredRecord]) -> list[bytes]:
    return [record.key for record in records]


async def test_records_of_a_partition_come_back_in_order_and_whole(log: Log) -> None:
    headers = (("ce_id", b"\x00\xff1"), ("ce_id", b"again"), ("empty", b""))
    sent = [a_record("k", value, headers=headers) for value in (b"1", b"", None, b"\x00\xff")]

    await log.publish(sent)

    got = await everything(log)
    assert [record.value for record in got] == [b"1", b"", None, b"\x00\xff"]
    assert all(record.headers == headers for record in got)


async def test_calls_that_follow_each_other_keep_their_order(log: Log) -> None:
    for n in range(20):
        await log.publish([a_record(value=str(n).encode())])

    assert [record.value for record in await everything(log)] == [
        str(n).encode() for n in range(20)
    ]


async def test_the_offsets_returned_are_where_the_records_stand(log: Log) -> None:
    offsets = await log.publish([a_record(f"k{n}") for n in range(30)])

    stand = {Offset(r.topic, r.partition, r.offset): r.key for r in await everything(log)}
    assert [stand[offset] for offset in offsets] == [f"k{n}".encode() for n in range(30)]


async def test_the_partition_key_decides_the_partition_as_kafka_would(log: Log) -> None:
    offsets = await log.publish([a_record(f"k{n}") for n in range(30)])

    assert [o.partition for o in offsets] == [
        partition_for(f"k{n}".encode(), PARTITIONS) for n in range(30)
    ]


async def test_a_record_may_name_its_partition(log: Log) -> None:
    offsets = await log.publish([a_record(partition=n) for n in range(PARTITIONS)])

    assert [offset.partition for offset in offsets] == list(range(PARTITIONS))


async def test_ends_cover_everything_acknowledged_before(log: Log) -> None:
    offsets = await log.publish([a_record(f"k{n}") for n in range(30)])

    ends = await log.ends(TOPICS)
    assert all(ends[TopicPartition(o.topic, o.partition)] > o.offset for o in offsets)
    assert set(ends) == {TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS)}


async def test_ends_answer_while_a_read_waits(log: Log) -> None:
    ends = await log.ends(TOPICS)
    waiting = asyncio.ensure_future(anext(aiter(log.read(TOPICS, ends))))
    await asyncio.sleep(0)

    async with asyncio.timeout(1):
        assert await log.ends(TOPICS) == ends

    assert not waiting.done()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_a_read_from_the_middle_gives_the_rest(log: Log) -> None:
    offsets = await log.publish([a_record(value=str(n).encode()) for n in range(10)])
    tp = TopicPartition(offsets[4].topic, offsets[4].partition)

    got = await read_to(log, await log.ends([COMPACTED.name]), {tp: offsets[4].offset})

    assert [record.value for record in got] == [str(n).encode() for n in range(4, 10)]


async def test_a_read_goes_on_with_what_arrives_later(log: Log) -> None:
    async with aclosing(log.read(TOPICS, await log.ends(TOPICS))) as batches:  # type: ignore[type-var]
        coming = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        await log.publish([a_record("late")])

        async with asyncio.timeout(5):
            batch = await coming

    assert keys(batch.records) == [b"late"]


async def test_two_reads_do_not_take_from_each_other(log: Log) -> None:
    await log.publish([a_record(f"k{n}") for n in range(10)])

    first, second = await asyncio.gather(everything(log), everything(log))

    # Only the order within a partition is promised.
    assert (
        sorted(keys(first)) == sorted(keys(second)) == sorted(f"k{n}".encode() for n in range(10))
    )


async def test_a_start_beyond_the_end_is_an_error(log: Log) -> None:
    ends = await log.ends([PLAIN.name])

    with pytest.raises(OffsetOutOfRangeError):
        await anext(aiter(log.read([PLAIN.name], {tp: end + 1 for tp, end in ends.items()})))


async def test_begins_are_never_beyond_ends(log: Log) -> None:
    await log.publish([a_record(f"k{n}") for n in range(10)])

    begins, ends = await log.begins(TOPICS), await log.ends(TOPICS)

    assert set(begins) == set(ends)
    assert all(begins[tp] <= ends[tp] for tp in ends)


async def test_ensure_leaves_what_exists_as_it_is(log: Log) -> None:
    await log.publish([a_record("kept")])

    await asyncio.gather(*(log.ensure([COMPACTED, PLAIN], PARTITIONS) for _ in range(5)))

    assert keys(await everything(log)) == [b"kept"]


async def test_the_first_ensure_fixes_the_number_of_partitions(log: Log) -> None:
    other = TopicSpec(name="slugline.test-other.v1", compact=False)

    await log.ensure([other], PARTITIONS + 3)

    assert len(await log.ends([other.name])) == PARTITIONS


async def test_compaction_keeps_the_newest_record_of_each_key_at_its_offset(
    log: Log, harness: Harness
) -> None:
    offsets = await log.publish([a_record(f"k{n % 3}", str(n).encode()) for n in range(12)])
    ends = await log.ends(TOPICS)

    await harness.compact(log)  # a Kafka has to be written to for that

    got = await read_to(log, ends)
    assert {(r.partition, r.offset) for r in got} == {(o.partition, o.offset) for o in offsets[-3:]}
    assert {record.value for record in got} == {b"9", b"10", b"11"}
    now = await log.ends(TOPICS)
    assert all(now[tp] >= end for tp, end in ends.items())


async def test_a_topic_that_is_not_compacted_keeps_every_record(log: Log, harness: Harness) -> None:
    await log.publish([a_record("k", topic=PLAIN.name) for _ in range(5)])
    ends = await log.ends(TOPICS)

    await harness.compact(log)

    assert len(await read_to(log, ends)) == 5


async def test_a_start_at_an_offset_that_compaction_took_is_fine(
    log: Log, harness: Harness
) -> None:
    offsets = await log.publish([a_record("k", str(n).encode()) for n in range(5)])
    ends = await log.ends([COMPACTED.name])
    await harness.compact(log)
    tp = TopicPartition(offsets[1].topic, offsets[1].partition)

    got = await read_to(log, ends, {tp: offsets[1].offset})

    assert [record.value for record in got] == [b"4"]


async def test_positions_reach_the_ends_though_records_are_gone(log: Log, harness: Harness) -> None:
    await log.publish([a_record("k", str(n).encode()) for n in range(5)])
    ends = await log.ends(TOPICS)
    await harness.compact(log)

    got = await read_to(log, ends)  # returns only when every position has reached its end

    assert [record.value for record in got][-1:] == [b"4"]


@pytest.mark.parametrize(
    "wrong",
    [
        a_record(value=b"x" * MAX_RECORD_BYTES),
        a_record(""),
        a_record(partition=PARTITIONS),
        a_record(topic="slugline.unknown.v1"),
        a_record(partition=1, partition_key=b"k"),
        a_record(partition_key=None),
    ],
    ids=["too large", "no key", "no such partition", "no such topic", "two places", "no place"],
)
async def test_a_refused_record_writes_nothing_of_its_call_and_harms_no_other(
    log: Log, wrong: Record
) -> None:
    with pytest.raises(RecordRefusedError):
        await log.publish([a_record("before"), wrong, a_record("after")])

    await log.publish([a_record("next")])

    assert keys(await everything(log)) == [b"next"]


async def test_publishing_nothing_is_nothing(log: Log) -> None:
    assert list(await log.publish([])) == []


async def test_many_publishers_at_once_lose_nothing(log: Log) -> None:
    calls = [log.publish([a_record(f"k{n}"), a_record(f"k{n}")]) for n in range(200)]

    offsets = [offset for group in await asyncio.gather(*calls) for offset in group]

    assert len(set(offsets)) == 400
    assert len(await everything(log)) == 400


async def test_a_cancelled_publish_does_not_break_the_next(log: Log) -> None:
    given_up = asyncio.ensure_future(log.publish([a_record("given up")]))
    await asyncio.sleep(0)
    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up

    await log.publish([a_record("next")])

    assert keys(await everything(log)).count(b"next") == 1


async def test_one_member_owns_every_partition_until_it_leaves(log: Log) -> None:
    shares: list[frozenset[int]] = []
    told = asyncio.Event()

    async def on_change(share: frozenset[int]) -> None:
        shares.append(share)
        if share:
            told.set()

    async with asyncio.timeout(15):
        async with log.own(COMPACTED.name, "group", on_change):
            await told.wait()
            owned = shares[-1]

    assert owned == frozenset(range(PARTITIONS))
    assert shares[-1] == frozenset()


async def test_a_failing_handler_does_not_end_the_membership(log: Log) -> None:
    told = asyncio.Event()

    async def on_change(share: frozenset[int]) -> None:
        if share:
            told.set()
        raise ValueError("a fault in the handler")

    async with asyncio.timeout(15):
        async with log.own(COMPACTED.name, "group", on_change):
            await told.wait()
            await log.publish([a_record()])

    assert len(await everything(log)) == 1
