"""A Kafka of these tests' own: they stop, kill and cut it off."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.installation import Installation, installation_on
from tests.faults.proxy import Way, way_through
from tests.kafka.broker import Cluster, start_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker with two doors; every test has a log of its own on it."""
    made = start_cluster(tmp_path_factory.mktemp("faults"), doors=2)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
async def installation(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation without processes yet."""
    async with installation_on(cluster.servers, tmp_path, seed=1) as made:
        yield made


@pytest.fixture
async def way(cluster: Cluster) -> AsyncIterator[Way]:
    """A way to the broker that can be cut."""
    async with way_through(cluster.doors[0]) as through:
        yield through


@pytest.fixture
async def another_way(cluster: Cluster) -> AsyncIterator[Way]:
    """One more."""
    async with way_through(cluster.doors[1]) as through:
        yield through
