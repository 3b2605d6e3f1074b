"""Faults of ingest and syndicate on a real Kafka; the simulation's checker decides."""

from random import Random

from tests.faults.installation import Installation
from tests.faults.receivers import a_temper


async def subscribe(installation: Installation, seconds: float, number: int = 6) -> None:
    """Partners of every temper, which answer well after so many *seconds*."""
    rng = Random(7)
    for each in range(number):
        blogs = () if each % 2 else ("storm", "vote")
        await installation.subscribe(a_temper(each, rng, installation.clock, seconds), *blogs)


async def test_a_calm_installation_keeps_every_guarantee(installation: Installation) -> None:
    await installation.start_all(ingest=2, syndicate=2)
    await subscribe(installation, 6)
    installation.write(rate=20)
    await installation.partners.until(100)

    assert await installation.settled() == []
