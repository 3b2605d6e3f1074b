"""Fakes of what the project takes as arguments."""

import asyncio
from datetime import datetime, timedelta

from slugline.clock import SystemClock
from tests.builders import NOON


class ManualClock:
    """A Clock that stands still until `advance` moves it; sleepers wake in the order of their times."""

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        self._sleepers.append((self._elapsed + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass, waking every sleeper on the way and letting it run."""
        until = self._elapsed + seconds
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= until]:
            first = min(due)
            self._sleepers.remove(first)
            self._elapsed = max(self._elapsed, first[0])
            if not first[2].done():
                first[2].set_result(None)
            await self.settle()
        self._elapsed = until
        await self.settle()

    async def settle(self) -> None:
        """Let everything run that can run now."""
        for _ in range(20):
            await asyncio.sleep(0)


class AtOnce(SystemClock):
    """Real time in which nobody waits: for a simulated log without its world."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(0)


class NamedHosts:
    """A Resolver over a table; each name's answers are given in turn, the last one again and again."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def resolve(self, host: str, port: int) -> list[str]:
        given = self._answers.get(host)
        if not given:
            raise OSError(f"{host} is unknown")
        return given.pop(0) if len(given) > 1 else given[0]
