"""Both services, each on a port of its own, as every test here attacks them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

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


@pytest.hookimpl(optionalhook=True)  # older versions of pytest-asyncio have the default loop only
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Services run on uvloop, whose transports are other ones: what holds on to them is tried on both."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    if "test_connections" in item.nodeid or "test_an_attempt" in item.nodeid:
        factories["uvloop"] = uvloop.new_event_loop
    return factories
