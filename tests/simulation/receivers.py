"""Simulated receivers: they answer by their temper, and everything that reaches them is written down."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import NamedTuple

from slugline.clock import Clock
from slugline_syndicate.deliveries.exchange import Answer, Request
from tests.simulation.loop import WORLD

#: What the real sender gives an attempt, in seconds.
TIMEOUT = 15.0
#: How long a request, or its answer, is on its way at the most, in seconds.
SLOWEST = 0.02


@dataclass
class Arrival:
    """One request as a receiver saw it; times are in seconds of the world.

    *status* is what it answered, None while it has not. *heard* is when the sender had that answer,
    None where it never did (it was cut, killed, or the answer was lost). *by* is the process that
    sent it, at *sent*.
    """

    url: str
    webhook_id: str
    body: bytes
    at: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    sent: float = 0.0
    heard: float | None = None
    #: When the sender was done with it: it had the answer, gave up, or cut it off.
    ended: float | None = None
    gave_up: bool = False
    retry_after: float = 0.0


class Reply(NamedTuple):
    """An answer; *lost* where it never reaches the sender, although the receiver took the event."""

    status: int
    retry_after: float | None = None
    lost: bool = False


#: Decides what a receiver does: answer, or None to hang. It may take its time.
Temper = Callable[[Request], Awaitable[Reply | int | None]]


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

    async def arrive(self, request: Request, arrival: Arrival) -> Reply | None:
        """Take *request*; None where the receiver never answers."""
        arrival.at = self.clock.monotonic()
        self.arrivals.append(arrival)
        said = await self.tempers[request.url](request)
        if said is None:
            return None
        reply = said if isinstance(said, Reply) else Reply(said)
        arrival.status, arrival.retry_after = reply.status, reply.retry_after or 0.0
        return None if reply.lost else reply


class SimulatedExchange:
    """One process's way to the receivers; `die` cuts it off, as `kill -9` does."""

    def __init__(self, receivers: Receivers, name: str = "") -> None:
        self._receivers = receivers
        self._name = name
        self._under_way: set[asyncio.Task[None]] = set()
        self.dead = False

    def die(self) -> None:
        """From now on nothing that this process sends arrives."""
        self.dead = True

    async def post(self, request: Request) -> Answer:
        loop = asyncio.get_running_loop()
        sent = self._receivers.clock.monotonic()
        arrival = _arrival(request, self._name, sent)
        answer: asyncio.Future[Reply] = loop.create_future()
        travelling = loop.create_task(self._travel(request, arrival, answer), context=WORLD)
        self._under_way.add(travelling)
        travelling.add_done_callback(self._under_way.discard)
        try:
            async with asyncio.timeout(TIMEOUT):
                reply = await answer
        except TimeoutError:
            arrival.gave_up = True
            return self._answer(None, "timeout: no answer within 15 s", sent)
        finally:  # cut by its sender, too
            arrival.ended = self._receivers.clock.monotonic()
        arrival.heard = arrival.ended
        return self._answer(reply, None, sent)

    async def _travel(
        self, request: Request, arrival: Arrival, answer: "asyncio.Future[Reply]"
    ) -> None:
        """There and back, whatever becomes of the process meanwhile."""
        await self._receivers.clock.sleep(self._receivers.rng.uniform(0, SLOWEST))
        if self.dead:
            return
        reply = await self._receivers.arrive(request, arrival)
        await self._receivers.clock.sleep(self._receivers.rng.uniform(0, SLOWEST))
        if reply is not None and not answer.done():
            answer.set_result(reply)

    def _answer(self, reply: Reply | None, error: str | None, started: float) -> Answer:
        asked = reply.retry_after if reply else None
        return Answer(
            status=reply.status if reply else None,
            error=error,
            retry_after=None if asked is None else timedelta(seconds=asked),
            duration=timedelta(seconds=self._receivers.clock.monotonic() - started),
        )


def _arrival(request: Request, by: str, sent: float) -> Arrival:
    headers = {name.lower(): value for name, value in request.headers}
    return Arrival(
        request.url,
        headers["webhook-id"],
        request.body,
        at=sent,
        headers=headers,
        by=by,
        sent=sent,
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


def late(clock: Clock, rng: Random, share: float) -> Temper:
    """Takes everything; for a *share* the answer comes long after the sender has given up."""

    async def answer(_: Request) -> int | None:
        if rng.random() < share:
            await clock.sleep(TIMEOUT * rng.uniform(1.1, 2.0))
        return 200

    return answer


def forgetful(rng: Random, share: float) -> Temper:
    """Takes everything; a *share* of its answers is lost on the way."""

    async def answer(_: Request) -> Reply:
        return Reply(200, lost=rng.random() < share)

    return answer


def busy(rng: Random, share: float, seconds: float) -> Temper:
    """429 for a *share*, with a `Retry-After` of up to *seconds*."""

    async def answer(_: Request) -> Reply:
        if rng.random() < share:
            return Reply(rng.choice([429, 503]), retry_after=round(rng.uniform(0, seconds)))
        return Reply(200)

    return answer


def leaving(clock: Clock, rng: Random, share: float) -> Temper:
    """410 for a *share*: it wants nothing more until somebody resumes it. It takes its time."""

    async def answer(_: Request) -> int:
        await clock.sleep(rng.uniform(0, 1.0))
        return 410 if rng.random() < share else 200

    return answer


def redirecting(rng: Random, share: float) -> Temper:
    """302 for a *share*: an answer that is no 2xx is trouble."""

    async def answer(_: Request) -> int:
        return 302 if rng.random() < share else 200

    return answer
