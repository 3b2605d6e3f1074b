"""Views that are gone, old or of another log, and a broker that compacts, on the real thing."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from slugline.clock import SystemClock
from slugline.log import Log, StoredRecord, TopicPartition
from slugline.log.kafka import PREFIX, open_kafka_log
from slugline.log.kafka_topics import settings_of
from slugline.log.sqlite import open_log
from slugline.topics import ENTRIES, SPECS, SUBSCRIPTIONS
from tests.contract.harness import roll
from tests.faults.installation import (
    LOOK,
    SETTLE,
    Installation,
    Replica,
    installation_on,
    installed,
    said,
    secrets_of,
)
from tests.faults.journal import Journal
from tests.kafka.broker import Cluster, start_cluster
from tests.simulation.receivers import fine

#: Compaction as soon as a segment is full, which is a second after its first record.
EAGER = {
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "0",
}


def remove_view(replica: Replica) -> None:
    """Delete the files of its view, whether it runs or not."""
    assert replica.data is not None
    for suffix in ("", "-wal", "-shm"):
        (replica.data / f"view-{replica.command}.db{suffix}").unlink(missing_ok=True)


@asynccontextmanager
async def eager_log(installation: Installation, servers: str) -> AsyncIterator[Log]:
    """The installation's log, whose broker compacts it all the time from now on."""
    prefix = installation.settings["SLUGLINE_KAFKA_PREFIX"]
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            prefix + spec.name.removeprefix(PREFIX),
            {**settings_of(spec), **EAGER},
        )
        for spec in SPECS
        if spec.compact
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.alter_configs(resources)
    finally:
        await admin.close()
    async with open_kafka_log(servers, installation.clock, prefix=prefix) as log:
        yield log


async def left(log: Log, topic: str) -> list[StoredRecord]:
    """What the broker still has of *topic*."""
    ends = await log.ends([topic])
    positions: dict[TopicPartition, int] = {}
    found: list[StoredRecord] = []
    async with aclosing(log.read([topic], {})) as batches:  # type: ignore[type-var]
        async for batch in batches:
            found += batch.records
            positions.update(batch.positions)
            if all(positions.get(tp, 0) >= end for tp, end in ends.items()):
                break
    return found


async def test_views_deleted_at_random_lose_nothing(installation: Installation) -> None:
    await installation.start_all(ingest=2, syndicate=2)
    await installation.subscribe_all(6)
    installation.write(rate=20)
    for replica in installation.rng.sample(installation.replicas, 4):
        await installation.partners.more(40)
        remove_view(replica)  # it goes on with files that have no name
        await installation.partners.more(40)
        await replica.kill()
        remove_view(replica)
        await replica.start()

    assert await installation.settled() == []


async def test_compaction_by_the_broker_is_not_seen_in_feeds_and_loses_nothing(
    installation: Installation, cluster: Cluster
) -> None:
    await installation.start_all(ingest=1, syndicate=1)
    await installation.subscribe(fine())
    installation.write(rate=20)
    await installation.partners.more(100)
    async with eager_log(installation, cluster.servers) as log:
        while True:
            await installation.partners.more(20)
            written = [r for r in installation.journal.records if r.topic == ENTRIES]
            if len(await left(log, ENTRIES)) < 0.8 * len(written):
                break
        await installation.start("syndicate")  # its view is made of what is left

        assert await installation.settled() == []


def shown(
    installation: Installation, replica: Replica, name: str
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """What *replica* says of the subscription *name*."""
    headers = {"Authorization": f"Bearer {installation.token}"}
    return installation.session.get(f"{replica.address}/v1/subscriptions/{name}", headers=headers)


async def delete(installation: Installation, replica: Replica, name: str) -> None:
    """Delete the subscription *name*, of which nothing is expected any more."""
    async with shown(installation, replica, name) as answer:
        headers = {
            "Authorization": f"Bearer {installation.token}",
            "If-Match": answer.headers["ETag"],
        }
    url = f"{replica.address}/v1/subscriptions/{name}"
    async with installation.session.delete(url, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
    del installation.subscriptions[name]


async def test_a_replica_that_was_away_past_the_tombstones_forgets_what_was_deleted(
    installation: Installation, cluster: Cluster
) -> None:
    _, old, young = await installation.start_all(ingest=1, syndicate=2)
    gone = await installation.subscribe(fine())
    await installation.subscribe(fine())
    installation.write(rate=10)
    await installation.partners.more(40)
    await old.stop()
    await delete(installation, young, gone)
    async with eager_log(installation, cluster.servers) as log:
        while any(r.key == gone.encode() for r in await left(log, SUBSCRIPTIONS)):
            await roll(log, SUBSCRIPTIONS)
    assert old.data is not None
    with closing(sqlite3.connect(old.data / "view-syndicate.db")) as db, db:
        assert db.execute("SELECT 1 FROM subscription WHERE id = ?", (gone,)).fetchone()
        long_ago = installation.clock.now() - timedelta(days=8)
        db.execute("UPDATE history SET whole_at = ?", (long_ago.isoformat(),))
    await old.start()
    await old.until_logged("view.ready")

    (line,) = said([old], "view.rebuilt")
    assert "last known to hold all of the log at" in line["reason"]
    async with shown(installation, old, gone) as answer:
        assert answer.status == 404
    assert await installation.settled() == []


async def calm_feeds(installation: Installation) -> None:
    """Wait until every replica shows every feed with the same bytes and ETag."""
    async with asyncio.timeout(SETTLE):
        while [fault async for fault in installation.feeds_differ()]:
            await installation.clock.sleep(LOOK)


async def feed(installation: Installation, blog: str) -> bytes:
    """The Atom feed of *blog*."""
    url = f"{installation.syndicates()[0].syndicate}/blogs/{blog}/feed.atom"
    async with installation.session.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


def cut_entries(data: Path) -> None:
    """Take the second half of what is stored of each blog's partition, in the middle of a record."""
    for segment in data.glob("*entries.v1-*/*.log"):
        size = segment.stat().st_size
        if size > 2_000:  # more than its base record
            os.truncate(segment, size // 2 + 7)


async def test_a_log_that_lost_its_newest_records_is_followed_by_views_made_anew(
    tmp_path: Path,
) -> None:
    cluster = start_cluster(tmp_path / "kafka")
    try:
        data = tmp_path / "kafka" / "1" / "data"
        if not data.exists():
            pytest.skip("the broker's files cannot be reached")
        async with installation_on(cluster.servers, tmp_path, seed=1) as installation:
            await installation.start_all(ingest=1, syndicate=2)
            await installation.subscribe(fine())
            installation.write(rate=20)
            await installation.partners.more(100)
            await installation.stop_writing()
            assert await installation.settled() == []
            cluster.broker.kill()
            cut_entries(data)
            cluster.broker.start()
            cluster.broker.serving()
            for replica in installation.replicas:
                await replica.until_logged("view.rebuilt")
            for blog in installation.blogs:
                await installation.load.put(blog, "after")
            await installation.start("syndicate")  # it knows only what is left

            for replica in installation.replicas[:-1]:
                (line,) = said([replica], "view.rebuilt")
                assert "the view is ahead of the log" in line["reason"]
            await calm_feeds(installation)
            for blog in installation.blogs:
                assert b"Heading after" in await feed(installation, blog)
            async with asyncio.timeout(SETTLE):
                while not said(installation.syndicates(), "cursor.beyond_log"):
                    await installation.clock.sleep(LOOK)
            before = installation.partners.taken
            for blog in installation.blogs:
                await installation.load.put(blog, "later")
            await installation.partners.until(before + len(installation.blogs))
    finally:
        cluster.stop()


async def test_an_older_copy_of_the_embedded_log_is_followed_by_a_view_made_anew(
    tmp_path: Path,
) -> None:
    folder, copy, clock = tmp_path / "run-0", tmp_path / "log.db", SystemClock()
    process = Replica(folder, "run", secrets_of(""))
    await process.start()
    async with (
        open_log(folder / "log.db", clock, read_only=True) as log,
        installed(tmp_path, process.more, Journal(log, clock), 1, ("storm",)) as installation,
    ):
        installation.replicas.append(process)
        await installation.subscribe(fine())
        await installation.load.put("storm", "before")
        await installation.partners.more(2)  # the blog's own event too
        await process.stop()
        with (
            closing(sqlite3.connect(folder / "log.db")) as from_,
            closing(sqlite3.connect(copy)) as to,
        ):
            from_.backup(to)  # the journal has it open, too
        await process.start()
        await installation.load.put("storm", "lost")
        await installation.partners.more(1)
        await process.stop()
        for suffix in ("", "-wal", "-shm"):
            (folder / f"log.db{suffix}").unlink(missing_ok=True)
        shutil.copy(copy, folder / "log.db")
        await process.start()
        await process.until_logged("view.ready")
        await installation.load.put("storm", "after")
        await installation.partners.more(1)

        (line,) = said([process], "view.rebuilt")
        assert "the view is ahead of the log" in line["reason"]
        text = await feed(installation, "storm")
        assert b"Heading before" in text
        assert b"Heading after" in text
        assert b"Heading lost" not in text
