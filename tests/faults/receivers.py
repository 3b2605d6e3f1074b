"""Receivers on loopback, of every temper; everything that reaches them is written down with its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

from aiohttp import web

from slugline.clock import Clock, SystemClock
from slugline_syndicate.deliveries.exchange import Request
from tests.e2e.service import PATIENCE
from tests.simulation import receivers as tempers
from tests.simulation.loop import EPOCH
from tests.simulation.receivers import Arrival, Reply, Temper

MILLISECOND = timedelta(milliseconds=1)


def now(clock: Clock) -> float:
    """Seconds in the checker's time, in whole milliseconds as the log has them."""
    return (clock.now() - EPOCH) // MILLISECOND / 1000


class Hold:
    """A temper that keeps its answers back until it is told to give them."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._held = 0
        self._changed = asyncio.Condition()

    async def __call__(self, _: Request) -> int | None:
        async with self._changed:
            self._held += 1
            self._changed.notify_all()
        await self._open.wait()
        return 200

    async def holding(self, requests: int = 1) -> None:
        """Wait until so many *requests* came in."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self._held >= requests)

    def release(self) -> None:
        """Answer 200 from now on."""
        self._open.set()


class Partners:
    """All receivers of a test: one server, one path for each of them."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.arrivals: list[Arrival] = []
        self.tempers: dict[str, Temper] = {}
        self._came = asyncio.Condition()
        self._bodies: dict[bytes, bytes] = {}
        #: How many were answered 200.
        self.taken = 0
        self.port = 0

    def add(self, temper: Temper) -> str:
        """A receiver of this *temper*; its URL."""
        url = f"http://127.0.0.1:{self.port}/{len(self.tempers)}"
        self.tempers[url] = temper
        return url

    def of(self, url: str) -> list[Arrival]:
        """What arrived at *url*, in order."""
        return [arrival for arrival in self.arrivals if arrival.url == url]

    def calm_down(self) -> None:
        """Everybody answers 200 from now on."""
        for url in self.tempers:
            self.tempers[url] = tempers.fine()

    async def take(self, request: web.Request) -> web.Response:
        """Take one request, and answer as its receiver does."""
        at = now(self.clock)
        body = await request.read()
        # The same bytes go to many: kept once.
        body = self._bodies.setdefault(body, body)
        url = f"http://127.0.0.1:{self.port}{request.path}"
        headers = {name.lower(): value for name, value in request.headers.items()}
        arrival = Arrival(url, headers["webhook-id"], body, at, headers=headers, sent=at)
        self.arrivals.append(arrival)
        said = await self.tempers[url](Request(url, tuple(headers.items()), body))
        if said is None:
            await asyncio.Event().wait()
            raise AssertionError
        arrival.status = said.status if isinstance(said, Reply) else said
        self.taken += arrival.status == 200
        async with self._came:
            self._came.notify_all()
        return web.Response(status=arrival.status)

    async def more(self, number: int) -> None:
        """Wait until *number* more were answered 200."""
        await self.until(self.taken + number)

    async def until(self, number: int) -> None:
        """Wait until *number* in all were answered 200."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: self.taken >= number)


@asynccontextmanager
async def partners() -> AsyncIterator[Partners]:
    """Receivers that serve while the context is open."""
    takers = Partners()
    app = web.Application()
    app.router.add_post("/{name}", takers.take)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=0.1,
        # Whoever hangs up gets no answer: the request was not taken.
        handler_cancellation=True,
        keepalive_timeout=3600,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        takers.port = runner.addresses[0][1]
        yield takers
    finally:
        await runner.cleanup()


def a_temper(number: int, rng: Random, clock: Clock, seconds: float) -> Temper:
    """One temper after the other; all answer well *seconds* from now."""
    until = clock.monotonic() + rng.uniform(5, seconds)
    kinds: list[Temper] = [
        tempers.fine(),
        tempers.slow(clock, rng.uniform(0.1, 1.5)),
        tempers.hanging(clock, until),
        tempers.flapping(rng, rng.uniform(0.02, 0.2)),
        tempers.fine(),
        tempers.unavailable(lambda: clock.monotonic() < until),
    ]
    return kinds[number % len(kinds)]
