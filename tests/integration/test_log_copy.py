"""A log copied into another: what the copy holds, and when there is none."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

import orjson
import pytest

from slugline.clock import SystemClock
from slugline.errors import LogDamagedError, LogInUseError, LogNotCopiedError
from slugline.events import encode
from slugline.log import MAX_RECORD_BYTES, Log, Record, StoredRecord
from slugline.log.check import size_of
from slugline.log.copying import TOPICS, Copied, copy_log
from slugline.log.kafka import open_kafka_log
from slugline.log.reading import records_between
from slugline.log.sqlite import open_log
from slugline.log.written import WRITTEN_HEADER, written_at
from slugline.marks import COPY, INSTALLATION, mark, standing_marks
from slugline.topics import (
    ATTEMPTS,
    CURSORS,
    DEAD_LETTERS,
    ENTRIES,
    SOURCES,
    SPECS,
    SUBSCRIPTIONS,
    base_of,
    is_base,
    is_claim,
    provision,
    write_bases,
)
from slugline_syndicate.deliveries.cursor import Cursor, claim, decode_cursor, encode_cursor
from slugline_syndicate.deliveries.history import (
    Attempt,
    DeadLetter,
    encode_attempts,
    encode_dead_letter,
)
from slugline_syndicate.deliveries.moving import REWRITING
from slugline_syndicate.deliveries.subscription import decode_subscription, encode_subscription
from tests.builders import NOON, a_blog, a_subscription, an_entry, an_event, withdrawn
from tests.fakes import AtOnce
from tests.kafka.broker import Cluster
from tests.simulation.log import Broker, SimulatedLog

PARTITIONS = 4
OPENED = b"the-name-sealed"


@asynccontextmanager
async def file_log(path: Path) -> AsyncIterator[Log]:
    async with open_log(path, SystemClock()) as log:
        yield log


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[Log]:
    async with file_log(tmp_path / "source.db") as log:
        await fill(log)
        yield log


@pytest.fixture
async def destination(tmp_path: Path) -> AsyncIterator[Log]:
    async with file_log(tmp_path / "destination.db") as log:
        yield log


async def fill(log: Log) -> None:
    """Something of everything: two blogs, and a subscription that is half through."""
    await provision(log, SystemClock(), PARTITIONS)
    first = an_event()
    history = [an_event(a_blog()), first, an_event(an_entry(title="Later"), after=first.id)]
    history += [an_event(a_blog("vote")), an_event(an_entry("v1", "vote"))]
    history.append(an_event(withdrawn("v1", "vote"), after=history[-1].id))
    placed = await log.publish([encode(event) for event in history])
    second, last = placed[1], placed[-1]
    ends = {tp.partition: end for tp, end in (await log.ends([ENTRIES])).items()}
    await log.publish([claim(p, "an-owner") for p in range(PARTITIONS)])
    letter = DeadLetter(
        event="ce",
        type="entry.deleted",
        blog="vote",
        entry="v1",
        sequence=7,
        partition=last.partition,
        offset=last.offset,
        reason="refused with 422",
        attempts=3,
        at="2026-11-22T12:00:00Z",
    )
    attempt = Attempt(
        event="ce",
        type="entry.created",
        number=1,
        status=200,
        error=None,
        started=NOON,
        duration_ms=3,
    )
    positions = {**ends, second.partition: second.offset}
    cursors = [
        Cursor(subscription_id="sub-1", epoch=epoch, positions=at)
        for epoch, at in ((5, dict.fromkeys(ends, 0)), (9, positions), (5, ends))
    ]
    await log.publish(
        [
            mark(INSTALLATION + b"name", OPENED),
            Record(topic=SOURCES, key=b"storm|main", value=b"{}", partition_key=b"storm"),
            encode_subscription(a_subscription(start=dict.fromkeys(ends, 0))),
            encode_dead_letter("sub-1", letter),
            encode_attempts("sub-1", [attempt]),
            *(encode_cursor(cursor) for cursor in cursors),
        ]
    )


async def copy(
    source: Log,
    destination: Log,
    partitions: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Copied:
    return await copy_log(source, destination, AtOnce(), REWRITING, on_progress, partitions)


async def held(log: Log, topic: str) -> list[StoredRecord]:
    begins, ends = await log.begins([topic]), await log.ends([topic])
    async with aclosing(records_between(log, topic, begins, ends)) as records:
        return [record async for record in records]


def said(records: list[StoredRecord]) -> set[tuple[object, ...]]:
    """What *records* say, and when they were first written: the same in a copy."""
    return {
        (
            r.partition,
            r.key,
            r.value,
            written_at(r).replace(microsecond=0),
            frozenset(pair for pair in r.headers if pair[0] != WRITTEN_HEADER),
        )
        for r in records
        if not is_base(r.key)
    }


async def check_copy(source: Log, destination: Log) -> None:
    for topic in (ENTRIES, SOURCES, ATTEMPTS):
        assert said(await held(destination, topic)) == said(await held(source, topic))
    await check_sequences(source, destination)
    before = [r for r in await held(source, ENTRIES) if not is_base(r.key)]
    after = [r for r in await held(destination, ENTRIES) if not is_base(r.key)]
    (cursor,) = await held(destination, CURSORS)
    moved = decode_cursor("sub-1", cursor.value or b"")
    assert moved.epoch == 0
    assert remaining(after, moved.positions) == remaining(before, await position(source))
    (letter,) = await held(destination, DEAD_LETTERS)
    dead = orjson.loads(letter.value or b"")
    (record,) = [r for r in after if (r.partition, r.offset) == (dead["partition"], dead["offset"])]
    assert b'"withdrawn"' in (record.value or b"")
    assert (await standing_marks(destination)).keys() == {INSTALLATION + b"name"}


async def check_sequences(source: Log, destination: Log) -> None:
    old, new = await sequences(source), await sequences(destination)
    assert min(new) > max(old)


async def sequences(log: Log) -> list[int]:
    records = await held(log, ENTRIES)
    bases = {r.partition: base_of(r) for r in reversed(records) if is_base(r.key)}
    return [bases[r.partition] + r.offset for r in records if not is_base(r.key)]


async def position(log: Log) -> dict[int, int]:
    """Where the subscription stands: the cursor with the highest epoch says it."""
    cursors = [
        decode_cursor("sub-1", r.value or b"")
        for r in await held(log, CURSORS)
        if not is_claim(r.key)
    ]
    return dict(max(cursors, key=lambda cursor: cursor.epoch).positions)


def remaining(records: list[StoredRecord], positions: Mapping[int, int]) -> list[bytes]:
    return sorted(
        dict(r.headers)["ce_id"] for r in records if r.offset >= positions.get(r.partition, 0)
    )


# --- what a copy holds ------------------------------------------------------------------------------


async def test_a_copy_holds_what_the_source_holds(source: Log, destination: Log) -> None:
    told: list[tuple[int, int]] = []

    copied = await copy(source, destination, on_progress=lambda *steps: told.append(steps))

    await check_copy(source, destination)
    assert (copied.unreadable, copied.partitions) == (0, PARTITIONS)
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)


async def test_a_copy_of_a_copy_is_as_good(source: Log, destination: Log, tmp_path: Path) -> None:
    await copy(source, destination)
    async with file_log(tmp_path / "third.db") as third:
        await copy(destination, third)

        await check_copy(destination, third)
        assert said(await held(third, ENTRIES)) == said(await held(source, ENTRIES))


async def test_a_log_moves_to_kafka_and_back(source: Log, kafka: Cluster, destination: Log) -> None:
    prefix = f"test-{uuid4().hex[:12]}."
    async with open_kafka_log(kafka.servers, SystemClock(), prefix=prefix) as on_kafka:
        await copy(source, on_kafka)
        await check_copy(source, on_kafka)

        await copy(on_kafka, destination)
        await check_copy(on_kafka, destination)

    assert said(await held(destination, ENTRIES)) == said(await held(source, ENTRIES))


async def test_a_log_moves_to_more_partitions_on_kafka(source: Log, kafka: Cluster) -> None:
    prefix = f"test-{uuid4().hex[:12]}."
    async with open_kafka_log(kafka.servers, SystemClock(), prefix=prefix) as on_kafka:
        copied = await copy(source, on_kafka, 7)
        await check_sequences(source, on_kafka)
        after = [r for r in await held(on_kafka, ENTRIES) if not is_base(r.key)]
        (cursor,) = await held(on_kafka, CURSORS)

    assert copied.partitions == 7
    before = [r for r in await held(source, ENTRIES) if not is_base(r.key)]
    owed = remaining(before, await position(source))
    moved = decode_cursor("sub-1", cursor.value or b"").positions
    assert set(owed) <= set(remaining(after, moved))


async def test_a_subscription_that_never_had_a_cursor_starts_where_it_would_have(
    source: Log, destination: Log
) -> None:
    ends = {tp.partition: end for tp, end in (await source.ends([ENTRIES])).items()}
    await source.publish([encode_subscription(a_subscription(id="sub-2", start=ends))])

    await copy(source, destination)

    made = {r.key: r.value or b"" for r in await held(destination, SUBSCRIPTIONS)}
    after = {tp.partition: end for tp, end in (await destination.ends([ENTRIES])).items()}
    assert decode_subscription(made[b"sub-2"]).start == after


async def test_a_record_as_large_as_may_be_is_copied(source: Log, destination: Log) -> None:
    small = encode(an_event(an_entry("large")))
    room = MAX_RECORD_BYTES - size_of(small)
    large = Record(
        topic=ENTRIES,
        key=small.key,
        value=(small.value or b"") + b" " * room,
        headers=small.headers,
        partition_key=small.partition_key,
    )
    await source.publish([large])

    await copy(source, destination)

    assert any(r.value == large.value for r in await held(destination, ENTRIES))


async def test_what_cannot_be_read_is_left_out_and_counted(source: Log, destination: Log) -> None:
    bad = [
        Record(topic=topic, key=b"sub-9", value=b"{", partition=0)
        for topic in (SUBSCRIPTIONS, CURSORS)
    ]
    await source.publish(bad)

    copied = await copy(source, destination)

    assert copied.unreadable == 2
    assert {r.key for r in await held(destination, CURSORS)} == {b"sub-1"}


async def test_a_destination_that_was_just_provisioned_is_empty(
    source: Log, destination: Log
) -> None:
    await provision(destination, SystemClock(), PARTITIONS)

    await copy(source, destination)

    await check_copy(source, destination)


# --- when there is none -----------------------------------------------------------------------------


async def refused(source: Log, destination: Log, partitions: int | None = None) -> str:
    with pytest.raises(LogNotCopiedError) as told:
        await copy(source, destination, partitions)
    assert len(str(told.value).splitlines()) == 1
    return str(told.value)


async def test_a_destination_with_a_log_in_it_is_refused_and_stays_as_it_is(
    source: Log, destination: Log
) -> None:
    await provision(destination, SystemClock(), PARTITIONS)
    await destination.publish([encode(an_event())])
    before = await destination.ends(TOPICS)

    assert "the destination holds a log already" in await refused(source, destination)
    assert await destination.ends(TOPICS) == before


async def test_a_destination_with_subscriptions_only_is_refused(
    source: Log, destination: Log
) -> None:
    await provision(destination, SystemClock(), PARTITIONS)
    await destination.publish([encode_subscription(a_subscription())])

    assert "the destination holds a log already" in await refused(source, destination)


async def test_a_destination_with_other_partitions_is_refused_unless_they_are_asked_for(
    source: Log, destination: Log
) -> None:
    await provision(destination, SystemClock(), 6)

    assert "--partitions 6" in await refused(source, destination)
    assert (await copy(source, destination, 6)).partitions == 6


async def test_a_destination_whose_sequences_would_go_back_is_refused(destination: Log) -> None:
    await provision(destination, SystemClock(), PARTITIONS)
    source = SimulatedLog(Broker(AtOnce(), Random(1)))
    await source.ensure(SPECS, PARTITIONS)
    await write_bases(source, 2**52)

    assert "a base below the source's sequences" in await refused(source, destination)


async def test_a_source_that_is_written_to_meanwhile_gives_no_copy(destination: Log) -> None:
    broker = Broker(AtOnce(), Random(1))
    source = SimulatedLog(broker)
    await fill(source)
    written: list[object] = []

    def write_once(_done: int, _total: int) -> None:
        if not written:
            written.extend(broker.append([encode(an_event(an_entry("late")))]))

    with pytest.raises(LogNotCopiedError, match=r"written to meanwhile.*delete its file"):
        await copy(source, destination, on_progress=write_once)
    assert COPY in await standing_marks(destination)


async def test_a_copy_that_broke_off_is_no_log_and_no_destination(source: Log) -> None:
    broker = Broker(AtOnce(), Random(1))
    destination = SimulatedLog(broker)

    def goes_away(done: int, _total: int) -> None:
        broker.away = done > 0

    with pytest.raises(LogNotCopiedError, match=r"the broker is away.*no whole log"):
        await copy(source, destination, on_progress=goes_away)
    broker.away = False

    assert "a copy into it was not finished" in await refused(source, destination)
    third = SimulatedLog(Broker(AtOnce(), Random(2)))
    assert "the source is no whole log" in await refused(destination, third)


async def test_a_source_without_topics_is_no_log(tmp_path: Path, destination: Log) -> None:
    async with file_log(tmp_path / "empty.db") as empty:
        assert "the source is no whole log" in await refused(empty, destination)


async def test_a_source_that_slugline_did_not_make_is_refused(
    tmp_path: Path, destination: Log
) -> None:
    async with file_log(tmp_path / "foreign.db") as foreign:
        await foreign.ensure(SPECS, PARTITIONS)
        await foreign.publish([encode(an_event())])

        with pytest.raises(LogDamagedError, match="no base record"):
            await copy(foreign, destination)
    assert await destination.ends(TOPICS) == {}


async def test_a_source_that_a_service_writes_to_is_refused(tmp_path: Path, source: Log) -> None:
    with pytest.raises(LogInUseError):
        async with open_log(tmp_path / "source.db", SystemClock(), read_only=True, alone=True):
            pass


async def test_a_source_keeps_its_writer_out_while_it_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with file_log(path) as log:
        await fill(log)

    async with open_log(path, SystemClock(), read_only=True, alone=True):
        with pytest.raises(LogInUseError):
            async with file_log(path):
                pass
