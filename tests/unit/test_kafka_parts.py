"""The parts of the Kafka engine that need no Kafka: memberships, topic settings, its library's log."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from slugline.errors import LogUnavailableError
from slugline.log import TopicSpec
from slugline.log.kafka_connection import Connection, Security, Shared, Timing
from slugline.log.kafka_member import JOIN, Member
from slugline.log.kafka_noise import QUIET, quiet
from slugline.log.kafka_topics import TopicState, as_diff, differences, settings_of
from slugline.topics import ATTEMPTS, CURSORS, DEAD_LETTERS, ENTRIES, SPECS
from slugline_syndicate.deliveries.lease import LEASE
from slugline_syndicate.deliveries.owner import CUT
from tests.fakes import ManualClock

BY_NAME = {spec.name: spec for spec in SPECS}


@pytest.mark.parametrize(
    ("topic", "settings"),
    [
        (ENTRIES, {"cleanup.policy": "compact", "min.compaction.lag.ms": "604800000"}),
        (CURSORS, {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}),
        (DEAD_LETTERS, {"cleanup.policy": "compact,delete", "retention.ms": "2592000000"}),
        (ATTEMPTS, {"cleanup.policy": "delete", "retention.ms": "604800000"}),
        (ATTEMPTS, {"retention.bytes": "1073741824"}),
    ],
)
def test_policies_become_kafkas_settings(topic: str, settings: dict[str, str]) -> None:
    assert settings.items() <= settings_of(BY_NAME[topic]).items()


def test_a_topic_that_is_neither_compacted_nor_aged_keeps_everything() -> None:
    assert settings_of(TopicSpec(name="t", compact=False))["retention.ms"] == "-1"


def test_a_segment_rolls_before_its_records_may_be_compacted_for_long() -> None:
    for spec in SPECS:
        rolls = timedelta(milliseconds=int(settings_of(spec)["segment.ms"]))
        assert rolls <= max(spec.min_compaction_lag, spec.retention or timedelta(hours=1))


def test_only_compacted_topics_are_flushed() -> None:
    flushed = {spec.name for spec in SPECS if "flush.messages" in settings_of(spec, flush=True)}
    assert flushed == {spec.name for spec in SPECS if spec.compact}
    assert not any("flush.messages" in settings_of(spec) for spec in SPECS)


def test_topics_as_they_should_be_do_not_differ() -> None:
    found = {
        name: TopicState(partitions=12, settings=settings_of(spec))
        for name, spec in BY_NAME.items()
    }

    assert differences(BY_NAME, 12, found) == []
    assert as_diff([], "kafka:9092") == ""


def test_settings_that_a_broker_does_not_tell_are_not_compared() -> None:
    found = {name: TopicState(partitions=12, settings={}) for name in BY_NAME}

    assert differences(BY_NAME, 12, found) == []


def test_other_partitions_are_told_from_other_settings() -> None:
    spec = TopicSpec(name="t", compact=True)
    settings = {**settings_of(spec), "cleanup.policy": "delete"}

    (policy,) = differences({"t": spec}, 12, {"t": TopicState(partitions=12, settings=settings)})
    (count,) = differences(
        {"t": spec}, 12, {"t": TopicState(partitions=6, settings=settings_of(spec))}
    )

    assert not policy.of_partitions
    assert count.of_partitions
    assert as_diff([policy, count], "kafka:9092") == (
        "--- Kafka at kafka:9092\n+++ slugline\n"
        " t\n-    cleanup.policy=delete\n+    cleanup.policy=compact\n"
        " t\n-    partitions=6\n+    partitions=12\n"
    )


async def test_a_start_goes_on_when_the_one_who_asked_for_it_gives_up() -> None:
    go, ended = asyncio.Event(), list[str]()
    starts = 0

    async def start() -> str:
        nonlocal starts
        starts += 1
        await go.wait()
        return "client"

    shared: Shared[str] = Shared(start, ended.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shared.get()
    shared.drop(None)
    go.set()

    assert [await shared.get(), await shared.get()] == ["client", "client"]
    assert (starts, ended) == (1, [])


async def test_a_client_that_failed_is_replaced_once() -> None:
    ended: list[int] = []
    numbers = iter(range(10))

    async def start() -> int:
        return next(numbers)

    shared: Shared[int] = Shared(start, ended.append)
    first = await shared.get()
    shared.drop(first)
    shared.drop(first)

    assert await shared.get() == first + 1
    assert ended == [first]


async def test_whoever_waits_for_a_start_learns_that_the_log_was_closed() -> None:
    async def start() -> int:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    shared: Shared[int] = Shared(start, lambda client: None)
    waiting = asyncio.ensure_future(shared.get())
    await asyncio.sleep(0)

    await shared.close()

    with pytest.raises(LogUnavailableError, match="closed"):
        await waiting


async def a_member(clock: ManualClock, heard: list[frozenset[int]]) -> Member:
    async def on_change(share: frozenset[int]) -> None:
        heard.append(share)

    return Member(cast(Connection, None), clock, "topic", "group", on_change)


async def test_a_member_without_a_share_leaves_the_group_in_peace() -> None:
    clock = ManualClock()
    member = await a_member(clock, [])
    await member.revoked()
    await member.assigned(frozenset())

    await clock.advance(JOIN * 10)

    member.check()


async def test_a_group_that_does_not_come_to_an_end_is_joined_afresh() -> None:
    clock = ManualClock()
    member = await a_member(clock, [])
    await member.assigned(frozenset({1}))
    await member.revoked()
    await clock.advance(JOIN - 1)
    member.check()

    await clock.advance(2)

    with pytest.raises(LogUnavailableError):
        member.check()


async def test_a_member_that_leaves_is_told_of_no_share_after_that() -> None:
    heard: list[frozenset[int]] = []
    member = await a_member(ManualClock(), heard)
    await member.revoked()
    await member.assigned(frozenset({1}))

    await member.leave()
    await member.assigned(frozenset({1, 2}))

    assert heard == [frozenset(), frozenset({1}), frozenset()]


def test_the_librarys_log_passes_each_kind_of_line_once_in_a_while() -> None:
    library = logging.getLogger("aiokafka.consumer.fetcher")
    with quiet(), capture_logs() as lines:
        for number in range(1000):
            library.error("Failed fetch messages from %s: %s", 1, number)
        library.warning("something else")
        library.info("not of interest")
        later = library.makeRecord(
            library.name, logging.ERROR, __file__, 1, "something else", (), None
        )
        later.created += QUIET + 1
        library.handle(later)

    assert [(line["message"], line["repeated"]) for line in lines] == [
        ("Failed fetch messages from 1: 0", 0),
        ("something else", 0),
        ("something else", 0),
    ]


def test_swallowed_lines_are_counted() -> None:
    library = logging.getLogger("aiokafka")
    with quiet(), capture_logs() as lines:
        for _ in range(5):
            library.error("again and again")
        later = library.makeRecord(
            "aiokafka", logging.ERROR, __file__, 1, "again and again", (), None
        )
        later.created += QUIET + 1
        library.handle(later)

    assert [line["repeated"] for line in lines] == [0, 4]


def test_connections_that_aiokafka_left_to_the_collector_are_no_errors_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = logging.getLogger("asyncio")
    with quiet(), capture_logs() as lines:
        loop.error("Unclosed AIOKafkaConnection\nconn: <AIOKafkaConnection host=127.0.0.1>")
        loop.error("Task exception was never retrieved")

    assert [line["log_level"] for line in lines] == ["warning"]
    assert [record.getMessage() for record in caplog.records] == [
        "Task exception was never retrieved"
    ]


def test_a_librarys_log_is_its_own_again_when_the_last_log_closes() -> None:
    library = logging.getLogger("aiokafka")
    with quiet():
        with quiet():
            pass
        assert not library.propagate
    assert library.propagate
    assert not library.handlers


@pytest.mark.parametrize(
    ("security", "protocol"),
    [
        (Security(), "PLAINTEXT"),
        (Security(tls=True), "SSL"),
        (Security(mechanism="PLAIN", username="u", password="p"), "SASL_PLAINTEXT"),
        (Security(tls=True, mechanism="PLAIN", username="u", password="p"), "SASL_SSL"),
    ],
)
def test_security_is_spoken_as_kafka_calls_it(security: Security, protocol: str) -> None:
    options: dict[str, Any] = security.options()

    assert options["security_protocol"] == protocol
    assert (options["ssl_context"] is not None) == security.tls


def test_the_session_outlasts_lease_heartbeat_and_cut() -> None:
    timing = Timing()

    assert timing.session >= LEASE + timing.heartbeat + CUT
