"""Deliveries per CPU-second of the whole path, against a bare aiohttp client posting the same bytes.

`python -m tests.bench.bench_deliveries [--json FILE] [--quick]`. Ours: the records of 200 events are
published to the embedded log, read into the view, matched, rendered, signed and sent to 50
subscriptions, until every cursor and attempt is back in the log. The aiohttp loop posts what was
signed before. CPU time is this process's, all threads; the receiver is another process; rounds are
interleaved, on uvloop; the figures are medians.
Then 20 events are published each second: how long from the call to the answer of each subscription.
The bare loop posts as much at the same pace.
"""

import asyncio
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp
import uvloop

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, SystemResolver
from slugline.events import Event, encode
from slugline.log import Log
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.exchange import Answer, Exchange, Request
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.sealing import Sealer, new_key
from slugline_syndicate.deliveries.sender import open_sender
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from tests.bench.bench_sender import (
    EVENTS,
    QUICK_ROUNDS,
    ROUNDS,
    SECRET,
    SUBSCRIPTIONS,
    TARGETS,
    bare,
    certified,
    cost,
)
from tests.bench.receiving import receiver
from tests.bench.report import Report, Row, command
from tests.builders import an_entry, an_event

#: Events per second, seconds of a round and rounds, where the pace is given.
RATE, PACED, PACED_ROUNDS = 20, 5.0, 2
#: Milliseconds, half and all but a hundredth of the deliveries.
P50, P99 = 4.0, 8.0

T = TypeVar("T")


@dataclass
class Counted:
    """An Exchange that keeps what the first subscription was sent, and, asked to, how late it was."""

    exchange: Exchange
    first_url: str
    kept: list[Request] = field(default_factory=list)
    #: When each event was published, and how long after that it was answered, in seconds.
    published: dict[str, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    def post(self, request: Request) -> Coroutine[Any, Any, Answer]:
        if request.url == self.first_url:
            self.kept.append(request)
        return self._timed(request) if self.published else self.exchange.post(request)

    async def _timed(self, request: Request) -> Answer:
        answer = await self.exchange.post(request)
        self.late.append(time.perf_counter() - self.published[request.headers[0][1]])
        return answer


@dataclass
class Running:
    """The running service, as far as deliveries need it."""

    log: Log
    tail: Tail
    deliveries: Deliveries
    metrics: Metrics
    counted: Counted
    round: int = 0

    async def deliver(self) -> float:
        """Deliveries per CPU-second of one round."""
        self.counted.kept.clear()
        records = [encode(event) for event in self._events(EVENTS)]
        wanted = self._delivered() + EVENTS * SUBSCRIPTIONS
        before = time.process_time()
        await self.log.publish(records)
        await self._until_delivered(wanted)
        return EVENTS * SUBSCRIPTIONS / (time.process_time() - before)

    def _events(self, count: int) -> list[Event]:
        self.round += 1
        text = "The ferry stays in port. " * 35
        return [
            an_event(an_entry(f"r{self.round}-{n}", body_html=f"<p>{text}</p>", body_text=text))
            for n in range(count)
        ]

    def _delivered(self) -> float:
        samples = [s for family in self.metrics.deliveries.collect() for s in family.samples]
        assert all(sample.labels["outcome"] == "delivered" for sample in samples)
        return sum(sample.value for sample in samples)

    async def _until_delivered(self, wanted: float) -> None:
        while self._delivered() < wanted or not self.deliveries.flushed:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def deliver_late(self, seconds: float) -> list[float]:
        """How late each delivery is of 20 events published each second."""
        events = self._events(round(seconds * RATE))
        wanted = self._delivered() + len(events) * SUBSCRIPTIONS
        self.counted.late.clear()
        async for event in paced(events):
            self.counted.published[event.id] = time.perf_counter()
            await self.log.publish([encode(event)])
        await self._until_delivered(wanted)
        self.counted.published.clear()
        return list(self.counted.late)


async def paced(things: Sequence[T]) -> AsyncIterator[T]:
    """*things*, 20 of them each second."""
    start = time.perf_counter()
    for n, thing in enumerate(things):
        await asyncio.sleep(max(0.0, start + n / RATE - time.perf_counter()))
        yield thing


async def bare_late(
    session: aiohttp.ClientSession, request: Request, base: str, seconds: float
) -> list[float]:
    """How late each post is of as many as `deliver_late` makes, at the same pace."""
    headers = {"Content-Type": "application/json", **dict(request.headers)}
    late: list[float] = []

    async def post(url: str, since: float) -> None:
        async with session.post(url, data=request.body, headers=headers) as answer:
            await answer.read()
        late.append(time.perf_counter() - since)

    async with asyncio.TaskGroup() as group:
        async for _ in paced(range(round(seconds * RATE))):
            since = time.perf_counter()
            for n in range(SUBSCRIPTIONS):
                group.create_task(post(f"{base}/{n}", since))
    return late


def subscriptions(base: str, sealer: Sealer) -> list[Subscription]:
    """Each wants every blog, from the beginning of the empty log."""
    now = SystemClock().now()
    return [
        Subscription(
            id=f"sub_{n:020x}",
            url=f"{base}/{n}",
            filters=(Filter(since={}, blogs=("*",)),),
            start={},
            secrets=(sealer.seal(SECRET),),
            token_hash="0" * 64,
            created=now,
            changed=now,
        )
        for n in range(SUBSCRIPTIONS)
    ]


@asynccontextmanager
async def running(folder: Path, base: str, tls: ssl.SSLContext) -> AsyncIterator[Running]:
    """The whole path from the log to *base*."""
    clock, sealer = SystemClock(), Sealer(new_key())
    guard = EgressGuard((ip_network("127.0.0.0/8"),))
    entries, views = EntriesView(), DeliveryViews.make()
    async with (
        open_log(folder / "log.db", clock) as log,
        open_sender(guard, SystemResolver(), clock, tls=tls) as sender,
    ):
        await provision(log, clock)
        view = View(folder / "view.db", [entries, *views.all], clock)
        tail = Tail(log, view, clock)
        counted, metrics = Counted(sender, f"{base}/0"), Metrics()
        means = Means(
            name="bench",
            log=log,
            view=view,
            tail=tail,
            entries=entries,
            views=views,
            exchange=counted,
            clock=clock,
            rng=Random(1),
            render=lambda stored: render_stored(stored, "https://live.example"),
            unseal=sealer.open,
            metrics=metrics,
        )
        deliveries = Deliveries(means)
        tasks = [asyncio.create_task(tail.run()), asyncio.create_task(deliveries.run())]
        await log.publish([encode_subscription(s) for s in subscriptions(base, sealer)])
        await tail.reached(await log.ends([ENTRIES]))
        yield Running(log, tail, deliveries, metrics, counted)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()


async def compare(base: str, transport: str, tls: ssl.SSLContext, rounds: int) -> Report:
    """Both, in turn, against the same receiver; the first round warms up."""
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    with TemporaryDirectory() as folder:
        async with (
            running(Path(folder), base, tls) as path,
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
        ):
            rates = await rates_of(path, session, base, rounds)
            late: list[list[float]] = [[], []]
            for _ in range(PACED_ROUNDS):
                late[0] += await path.deliver_late(PACED)
                late[1] += await bare_late(session, path.counted.kept[-1], base, PACED)
    return Report(
        [
            Row(
                name=f"deliveries, {EVENTS} events × {SUBSCRIPTIONS} subscriptions, {transport},"
                " to a bare aiohttp loop",
                value=rates[0],
                unit="per CPU-second",
                baseline=rates[1],
                ratio=rates[0] / rates[1],
                target=TARGETS[transport],
            ),
            *late_rows(transport, late[0], late[1]),
        ]
    )


async def rates_of(
    path: Running, session: aiohttp.ClientSession, base: str, rounds: int
) -> tuple[float, float]:
    """Deliveries per CPU-second of ours and of the bare loop."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(await path.deliver())
        sent = {dict(r.headers)["webhook-id"]: r for r in path.counted.kept}
        signed = {
            name: {"Content-Type": "application/json", **dict(r.headers)}
            for name, r in sent.items()
        }
        bodies = [(name, r.body) for name, r in sent.items()]
        theirs.append(await cost(bare(session, signed), base, bodies))
    return statistics.median(ours[1:]), statistics.median(theirs[1:])


def late_rows(transport: str, ours: list[float], theirs: list[float]) -> list[Row]:
    """How late deliveries are, in seconds given, beside the bare loop's; the targets are without TLS."""
    cuts, others = statistics.quantiles(ours, n=100), statistics.quantiles(theirs, n=100)
    return [
        Row(
            name=f"published → answered, {RATE} events/s × {SUBSCRIPTIONS}, {transport}, {name}",
            value=cuts[index] * 1000,
            unit="ms",
            baseline=others[index] * 1000,
            target=target if transport == "plain" else None,
            lower=True,
        )
        for name, index, target in (("p50", 49, P50), ("p99", 98, P99))
    ]


def measure(quick: bool) -> Report:
    """Plain, then TLS."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with certified() as (certificate, tls):
        with receiver() as port:
            report = uvloop.run(compare(f"http://127.0.0.1:{port}", "plain", tls, rounds))
        with receiver(certificate) as port:
            report.add(uvloop.run(compare(f"https://127.0.0.1:{port}", "TLS", tls, rounds)))
    return report


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
