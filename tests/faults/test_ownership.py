"""Ownership with one, two and three replicas of syndicate on a real Kafka; the simulation's checker decides."""

import pytest

from tests.faults.installation import Installation, Replica
from tests.simulation.checker import duplicates
from tests.simulation.receivers import fine, slow


async def all_own(installation: Installation) -> None:
    """Wait until every replica of syndicate has a share."""
    for replica in installation.syndicates():
        await installation.owning(replica, lambda owned: owned > 0)


async def at_work(installation: Installation, syndicates: int) -> list[Replica]:
    """So many replicas of syndicate, each with a share, sending to partners who answer in time."""
    made = await installation.start_all(ingest=2, syndicate=syndicates)
    for _ in range(4):
        await installation.subscribe(fine())
        await installation.subscribe(slow(installation.clock, 0.3), "storm", "vote")
    await all_own(installation)
    installation.write(rate=15)
    await installation.partners.more(60)
    return made[2:]


def sent_twice(installation: Installation) -> int:
    """How many requests repeated what had been taken."""
    urls = installation.subscriptions.values()
    return sum(duplicates(installation.partners.of(url)) for url in urls)


async def test_replicas_that_join_late_and_leave_cleanly_send_nothing_twice(
    installation: Installation,
) -> None:
    await at_work(installation, 1)
    for _ in range(2):
        await installation.start("syndicate")
        await all_own(installation)
        await installation.partners.more(60)
    for replica in installation.syndicates()[:2]:  # the oldest first
        assert await replica.stop() == 0
        await all_own(installation)
        await installation.partners.more(60)

    assert await installation.settled() == []
    assert sent_twice(installation) == 0


async def test_a_rolling_restart_of_all_replicas_sends_nothing_twice(
    installation: Installation,
) -> None:
    await at_work(installation, 3)
    for replica in installation.replicas:
        assert await replica.stop() == 0
        await replica.start()
        await all_own(installation)
        await installation.partners.more(40)

    assert await installation.settled() == []
    assert sent_twice(installation) == 0


@pytest.mark.parametrize("members", [1, 2, 3])
async def test_owners_that_die_one_after_the_other_lose_nothing(
    installation: Installation, members: int
) -> None:
    for replica in await at_work(installation, members):
        await replica.kill()
        await replica.start()
        await all_own(installation)
        await installation.partners.more(40)

    assert await installation.settled() == []
