"""Simulated processes are quiet."""

import pytest

from tests.simulation.__main__ import quiet


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()
