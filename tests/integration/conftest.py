"""Event loops of the integration tests."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop


@pytest.hookimpl(optionalhook=True)  # older versions of pytest-asyncio have the default loop only
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The service runs on uvloop, tests and libraries on asyncio's own: sockets are tried on both."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    if "test_sender" in item.nodeid:
        factories["uvloop"] = uvloop.new_event_loop
    return factories
