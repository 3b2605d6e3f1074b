"""Settings of every test."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.kafka.broker import kafka, secured_kafka
from tests.kafka.mock import mock

__all__ = ["kafka", "mock", "secured_kafka"]  # fixtures of every test

# Machines are shared: nothing is timed here, and a slow moment is not a fault.
settings.register_profile(
    "slugline", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("slugline")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a test does to the log's set-up ends with it."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real Kafka or whole processes, so that `make check` can leave it to CI."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        folders = {"e2e", "compose", "faults"} & set(item.path.parts)
        if "kafka" in names or "secured_kafka" in names or folders:
            item.add_marker(pytest.mark.slow)
