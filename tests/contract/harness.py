"""What an engine of the log brings to the contract suite."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from slugline.clock import SystemClock
from slugline.log import Log
from slugline.log.sqlite import SqliteLog, open_log
from tests.simulation.log import Broker, Faults, SimulatedLog


class Harness(Protocol):
    """One engine, with a fresh log."""

    def open(self) -> AbstractAsyncContextManager[Log]:
        """A handle on the log."""
        ...

    async def compact(self, log: Log) -> None:
        """Compact now, whatever the lag."""
        ...


class SqliteHarness:
    """The embedded log."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.db"

    def open(self) -> AbstractAsyncContextManager[Log]:
        return open_log(self._path, SystemClock())

    async def compact(self, log: Log) -> None:
        assert isinstance(log, SqliteLog)
        await log.compact(force=True)


class _RealTime(SystemClock):
    """Virtual code on a real loop: nobody waits for a simulated latency."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(0)


class SimulatedHarness:
    """The simulated log, with gaps in its offsets and ends that are not records."""

    def __init__(self, folder: Path) -> None:
        self._broker = Broker(_RealTime(), Random(1), Faults(gap=0.3))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Log]:
        yield SimulatedLog(self._broker)

    async def compact(self, log: Log) -> None:
        self._broker.compact(timedelta(days=-1))


HARNESSES: dict[str, Callable[[Path], Harness]] = {
    "sqlite": SqliteHarness,
    "simulated": SimulatedHarness,
}
