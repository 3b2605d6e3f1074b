"""Settings of every test."""

from hypothesis import HealthCheck, settings

from tests.kafka.broker import kafka, secured_kafka
from tests.kafka.mock import mock

__all__ = ["kafka", "mock", "secured_kafka"]  # fixtures of every test

# Machines are shared: nothing is timed here, and a slow moment is not a fault.
settings.register_profile(
    "slugline", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("slugline")
