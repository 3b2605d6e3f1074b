"""Three brokers, of which two must have a record: one is killed under load, and comes back."""

from pathlib import Path

from tests.faults.installation import installation_on
from tests.kafka.broker import start_cluster


async def test_one_of_three_brokers_killed_loses_nothing_and_stops_nobody_for_good(
    tmp_path: Path,
) -> None:
    cluster = start_cluster(tmp_path / "kafka", brokers=3)
    try:
        async with installation_on(cluster.servers, tmp_path, seed=1) as installation:
            installation.copied = True
            await installation.start_all(ingest=1, syndicate=2)
            await installation.subscribe_all(10)
            installation.write(rate=10)
            await installation.partners.more(60)
            for broker in cluster.brokers[:2]:  # one after the other: each leads some partitions
                broker.kill()
                await installation.partners.more(60)
                broker.start()
                broker.serving()

            assert await installation.settled() == []
    finally:
        cluster.stop()
