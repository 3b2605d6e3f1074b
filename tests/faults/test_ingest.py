"""Ingest killed on a real Kafka, at the moments that matter."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from slugline.events import decode
from slugline.topics import ENTRIES, is_base
from tests.e2e.service import PATIENCE
from tests.faults.installation import Installation
from tests.faults.newsroom import Newsroom, newsroom
from tests.faults.proxy import Held, Way
from tests.simulation.receivers import fine


@pytest.fixture
async def pages() -> AsyncIterator[Newsroom]:
    async with newsroom() as made:
        yield made


async def records_of(installation: Installation, blog: str) -> list[tuple[str, bytes]]:
    """The id and the key of every record of the entries of *blog*."""
    await installation.journal.complete()
    found = [r for r in installation.journal.records if r.topic == ENTRIES and not is_base(r.key)]
    mine = [r for r in found if r.key.startswith(f"{blog}|".encode()) and r.value is not None]
    return [(decode(record.headers, record.value or b"").id, record.key) for record in mine]


async def entry_ids(installation: Installation, blog: str) -> list[str]:
    return [name for name, key in await records_of(installation, blog) if not key.endswith(b"|")]


async def written(installation: Installation, blog: str) -> None:
    """Wait until the log holds an entry of *blog*."""
    async with asyncio.timeout(PATIENCE):
        while not await entry_ids(installation, blog):
            await installation.clock.sleep(0.05)


async def not_answered(way: Way, writing: asyncio.Task[None]) -> None:
    """Wait until a publish is held, and see that its client is told nothing before it is acknowledged."""
    await way.holding()
    done, _ = await asyncio.wait({writing}, timeout=1.0)
    assert not done


async def test_ingest_killed_between_fetch_and_publish_publishes_when_it_polls_again(
    installation: Installation, way: Way, pages: Newsroom
) -> None:
    ingest = await installation.start("ingest", through=way)
    await installation.start("syndicate")
    await installation.subscribe(fine())
    await installation.poll(pages, "storm")
    pages.post("storm")
    await written(installation, "storm")

    way.hold(Held.REQUEST, ENTRIES)
    for _ in range(5):
        pages.post("storm")
    await way.holding()  # fetched, and on its way to the broker
    await ingest.kill()
    before = await entry_ids(installation, "storm")
    way.mend()
    await ingest.start()

    assert await installation.settled() == []
    assert len(before) == 1
    assert len(await entry_ids(installation, "storm")) == 6


async def test_ingest_killed_between_publish_and_acknowledgement_publishes_nothing_twice(
    installation: Installation, way: Way, pages: Newsroom
) -> None:
    ingest = await installation.start("ingest", through=way)
    await installation.start("syndicate")
    await installation.subscribe(fine())
    way.hold(Held.ACKNOWLEDGEMENT, ENTRIES)
    await installation.poll(pages, "storm")
    for _ in range(5):
        pages.post("storm")
    await written(installation, "storm")
    await way.holding()  # in the log, and ingest does not know
    await ingest.kill()
    way.mend()
    await ingest.start()
    pages.correct("storm")

    assert await installation.settled() == []
    found = await records_of(installation, "storm")
    assert len(found) == len(set(found))


async def test_a_write_that_was_not_acknowledged_and_is_repeated_elsewhere_is_one_event(
    installation: Installation, way: Way
) -> None:
    ingest = await installation.start("ingest", through=way)
    await installation.start("syndicate")
    await installation.subscribe(fine())
    way.hold(Held.ACKNOWLEDGEMENT, ENTRIES)
    writing = asyncio.create_task(installation.load.put("storm", "e0"))
    await written(installation, "storm")
    await not_answered(way, writing)
    await ingest.kill()  # while its client waits for the answer
    other = await installation.start("ingest")
    installation.replicas.remove(ingest)
    await writing

    assert await installation.settled() == []
    assert len(await entry_ids(installation, "storm")) == 1
    assert installation.load.repeated
    assert installation.load.writes[0].answer["unchanged"] == 1
    assert other.up


async def test_a_write_that_never_reached_the_broker_is_accepted_when_it_is_repeated(
    installation: Installation, way: Way
) -> None:
    ingest = await installation.start("ingest", through=way)
    await installation.start("syndicate")
    await installation.subscribe(fine())
    way.hold(Held.REQUEST, ENTRIES)
    writing = asyncio.create_task(installation.load.put("storm", "e0"))
    await not_answered(way, writing)
    await ingest.kill()
    nothing = await entry_ids(installation, "storm")
    way.mend()
    await ingest.start()
    await writing

    assert await installation.settled() == []
    assert nothing == []
    assert len(await entry_ids(installation, "storm")) == 1
