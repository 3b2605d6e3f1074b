"""A real broker killed, stopped and frozen under load; the simulation's checker decides.

`SLUGLINE_FAULTS=long` keeps it away for a minute, as `make faults` does.
"""

import os

import pytest

from tests.faults.installation import Installation, said
from tests.kafka.broker import Cluster

LONG = os.environ.get("SLUGLINE_FAULTS") == "long"
#: How long the broker is away: longer than every deadline; when frozen, also longer than a session.
STOPPED, FROZEN = (60.0, 60.0) if LONG else (8.0, 14.0)


@pytest.fixture
async def working(installation: Installation) -> Installation:
    """An installation with replicas of both services, at work."""
    await installation.start_all(ingest=2, syndicate=2)
    await installation.subscribe_all(10)
    installation.write(rate=20)
    await installation.partners.more(100)
    return installation


async def test_a_broker_killed_under_load_and_brought_back_loses_nothing(
    working: Installation, cluster: Cluster
) -> None:
    for _ in range(2):
        cluster.broker.kill()
        cluster.broker.start()
        cluster.broker.serving()
        await working.partners.more(100)

    assert await working.settled() == []


async def test_a_broker_that_was_stopped_for_a_while_is_found_again_by_everybody(
    working: Installation, cluster: Cluster
) -> None:
    cluster.broker.stop()
    await working.clock.sleep(STOPPED)
    cluster.broker.start()
    cluster.broker.serving()
    await working.partners.more(100)

    assert await working.settled() == []
    assert list(said(working.syndicates(), "log.unreachable"))


async def test_a_broker_that_hung_past_everybodys_session_is_worked_with_again(
    working: Installation, cluster: Cluster
) -> None:
    cluster.broker.pause()
    try:
        await working.clock.sleep(FROZEN)
    finally:
        cluster.broker.resume()
    await working.partners.more(100)

    assert await working.settled() == []
    assert list(said(working.syndicates(), "log.unreachable"))
