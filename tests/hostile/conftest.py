"""Both services, each on a port of its own, as every test here attacks them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hostile.raw import Port
from tests.integration.ingest_service import TOKEN, ingest_in
from tests.integration.syndicate_service import ADMIN, syndicate


@pytest.fixture(params=["ingest", "syndicate"])
async def port(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Port]:
    """One service, then the other."""
    if request.param == "ingest":
        async with ingest_in(tmp_path) as ingest:
            yield Port(_port(ingest.url), TOKEN, "POST", "/v1/blogs/storm/entries")
    else:
        async with syndicate(tmp_path) as service:
            yield Port(_port(service.base), ADMIN, "POST", "/v1/subscriptions")


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
