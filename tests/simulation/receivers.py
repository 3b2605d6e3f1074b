"""Simulated receivers: they answer by their temper, and everything that reaches them is written down."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from slugline.clock import Clock
from slugline_syndicate.deliveries.exchange import Answer, Request

#: What the real sender gives an attempt, in seconds.
TIMEOUT = 15.0


@dataclass
class Arrival:
    """One request as a receiver saw it; *status* is what it answered, None while it has not."""

    url: str
    webhook_id: str
    body: bytes
    at: float
    status: int | None = None


#: Decides what a receiver does: a status, or None to hang. It may take its time.
Temper = Callable[[Request], Awaitable[int | None]]


@dataclass
class Receivers:
    """All the receivers of a world, by URL."""

    clock: Clock
    rng: Random
    tempers: dict[str, Temper] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def of(self, url: str) -> list[Arrival]:
        """What arrived at *url*, in order."""
        return [arrival for arrival in self.arrivals if arrival.url == url]

    async def arrive(self, request: Request) -> int | None:
        """Take *request*; None where the receiver never answers."""
        headers = {name.lower(): value for name, value in request.headers}
        arrival = Arrival(request.url, headers["webhook-id"], request.body, self.clock.monotonic())
        self.arrivals.append(arrival)
        status = await self.tempers[request.url](request)
        arrival.status = status
        return status


class SimulatedExchange:
    """One process's way to the receivers; `die` cuts it off, as `kill -9` does."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers
        self.dead = False

    def die(self) -> None:
        """From now on nothing that this process sends arrives."""
        self.dead = True

    async def post(self, request: Request) -> Answer:
        started = self._receivers.clock.monotonic()
        await self._receivers.clock.sleep(self._receivers.rng.uniform(0, 0.02))
        if self.dead:
            await asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._receivers.arrive(request)
                if status is None:
                    await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return self._answer(None, "timeout: no answer within 15 s", started)
        await self._receivers.clock.sleep(self._receivers.rng.uniform(0, 0.02))
        return self._answer(status, None, started)

    def _answer(self, status: int | None, error: str | None, started: float) -> Answer:
        duration = timedelta(seconds=self._receivers.clock.monotonic() - started)
        return Answer(
            status=status, error=error, retry_after=None, duration=duration, our_fault=False
        )


# --- tempers --------------------------------------------------------------------------------------


def fine() -> Temper:
    """Always 200."""

    async def answer(_: Request) -> int | None:
        return 200

    return answer


def slow(clock: Clock, seconds: float) -> Temper:
    """200, after *seconds*."""

    async def answer(_: Request) -> int | None:
        await clock.sleep(seconds)
        return 200

    return answer


def hanging(clock: Clock, until: float) -> Temper:
    """No answer at all before *until*, 200 from then on."""

    async def answer(_: Request) -> int | None:
        return None if clock.monotonic() < until else 200

    return answer


def flapping(rng: Random, share: float) -> Temper:
    """500, a refused connection's kin, for a *share* of the requests."""

    async def answer(_: Request) -> int | None:
        return 503 if rng.random() < share else 200

    return answer


def choosy(refuses: Callable[[Request], bool]) -> Temper:
    """422 for what *refuses* says, 200 for the rest."""

    async def answer(request: Request) -> int | None:
        return 422 if refuses(request) else 200

    return answer


def unavailable(down: Callable[[], bool]) -> Temper:
    """503 while *down* says so, 200 otherwise."""

    async def answer(_: Request) -> int | None:
        return 503 if down() else 200

    return answer
