"""Deliveries per CPU-second of the whole path, against a bare aiohttp client posting the same bytes.

`python -m tests.bench.bench_deliveries [--json FILE] [--profile]`. Ours: 200 events are published to
the embedded log, read into the view, matched, rendered, signed and sent to 50 subscriptions, until
every cursor and attempt is back in the log. The aiohttp loop posts what was signed before. CPU time
is this process's, all threads; the receiver is another process; rounds are interleaved, on uvloop.
Then 20 events are published each second: how long from the call to the answer of each subscription.
The bare loop posts as much at the same pace.
"""

import asyncio
import cProfile
import pstats
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_network
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

import aiohttp
import click
import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from slugline.clock import SystemClock
from slugline.egress import EgressGuard, SystemResolver
from slugline.events import encode
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
    ROUNDS,
    SECRET,
    SUBSCRIPTIONS,
    TARGETS,
    Result,
    bare,
    certified,
    cost,
    table,
)
from tests.bench.receiving import receiver
from tests.builders import an_entry, an_event

#: Events per second, seconds of a round and rounds, where the pace is given.
RATE, PACED, PACED_ROUNDS = 20, 5.0, 2

T = TypeVar("T")


@dataclass
class Counted:
    """An Exchange that tells when a round is over, and keeps what the first subscription was sent."""

    exchange: Exchange
    first_url: str
    left: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    kept: list[Request] = field(default_factory=list)
    #: When each event was published, and how long after that it was answered, in seconds.
    published: dict[str, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    async def post(self, request: Request) -> Answer:
        answer = await self.exchange.post(request)
        assert answer.success, answer.error
        if request.url == self.first_url:
            self.kept.append(request)
        since = self.published.get(request.headers[0][1])
        if since is not None:
            self.late.append(time.perf_counter() - since)
        self.left -= 1
        if not self.left:
            self.done.set()
        return answer


@dataclass
class Running:
    """The running service, as far as deliveries need it."""

    log: Log
    tail: Tail
    deliveries: Deliveries
    counted: Counted
    round: int = 0

    async def deliver(self) -> float:
        """Deliveries per CPU-second of one round."""
        self.round += 1
        self.counted.left = EVENTS * SUBSCRIPTIONS
        self.counted.done.clear()
        self.counted.kept.clear()
        text = "The ferry stays in port. " * 35
        before = time.process_time()
        entries = (
            an_entry(f"r{self.round}-{n}", body_html=f"<p>{text}</p>", body_text=text)
            for n in range(EVENTS)
        )
        await self.log.publish([encode(an_event(entry)) for entry in entries])
        await self.counted.done.wait()
        while not self.deliveries.flushed:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return EVENTS * SUBSCRIPTIONS / (time.process_time() - before)

    async def deliver_late(self, seconds: float) -> list[float]:
        """How late each delivery is of 20 events published each second."""
        self.round += 1
        text = "The ferry stays in port. " * 35
        count = round(seconds * RATE)
        events = [
            an_event(an_entry(f"l{self.round}-{n}", body_html=f"<p>{text}</p>", body_text=text))
            for n in range(count)
        ]
        self.counted.late.clear()
        self.counted.left = count * SUBSCRIPTIONS
        self.counted.done.clear()
        async for event in paced(events):
            self.counted.published[event.id] = time.perf_counter()
            await self.log.publish([encode(event)])
        await self.counted.done.wait()
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


@dataclass(frozen=True)
class Lateness:
    """Milliseconds from publishing to the answer of a subscription."""

    transport: str
    who: str
    p50: float
    p99: float


def lateness(transport: str, who: str, late: list[float]) -> Lateness:
    """Of *late*, in seconds."""
    cuts = statistics.quantiles(late, n=100)
    return Lateness(transport, who, cuts[49] * 1000, cuts[98] * 1000)


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
        counted = Counted(sender, f"{base}/0")
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
            metrics=Metrics(),
        )
        deliveries = Deliveries(means)
        tasks = [asyncio.create_task(tail.run()), asyncio.create_task(deliveries.run())]
        await log.publish([encode_subscription(s) for s in subscriptions(base, sealer)])
        await tail.reached(await log.ends([ENTRIES]))
        yield Running(log, tail, deliveries, counted)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()


async def compare(
    base: str, transport: str, tls: ssl.SSLContext, profile: bool
) -> tuple[Result, list[Lateness]]:
    """Both, in turn, against the same receiver; the first round warms up."""
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    figures: dict[str, list[float]] = {"ours": [], "aiohttp": []}
    with TemporaryDirectory() as folder:
        async with (
            running(Path(folder), base, tls) as path,
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
        ):
            for _ in range(ROUNDS):
                figures["ours"].append(await path.deliver())
                sent = [(dict(r.headers)["webhook-id"], r) for r in path.counted.kept]
                signed = {
                    name: {"Content-Type": "application/json", **dict(r.headers)}
                    for name, r in sent
                }
                bodies = [(name, r.body) for name, r in sent]
                figures["aiohttp"].append(await cost(bare(session, signed), base, bodies))
            late = []
            for _ in range(PACED_ROUNDS):
                ours_late = await path.deliver_late(PACED)
                theirs_late = await bare_late(session, path.counted.kept[-1], base, PACED)
                late += [
                    lateness(transport, "ours", ours_late),
                    lateness(transport, "bare aiohttp", theirs_late),
                ]
            if profile:
                await show_profile(path)
    ours, theirs = (statistics.median(values[1:]) for values in figures.values())
    return Result(transport, ours, theirs, ours / theirs, TARGETS[transport]), late


async def show_profile(path: Running) -> None:
    """Where one more round spends its time on the loop."""
    with cProfile.Profile(time.thread_time) as profile:
        await path.deliver()
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


def late_table(found: list[Lateness]) -> Table:
    """For people."""
    shown = Table("", "", "p50", "p99")
    for row in found:
        shown.add_row(row.transport, row.who, f"{row.p50:.1f}", f"{row.p99:.1f}")
    shown.title = (
        f"ms from publishing to the answer, {RATE} events/s × {SUBSCRIPTIONS} (target 4, 8)"
    )
    return shown


@click.command(help=__doc__)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the figures to FILE.")
@click.option("--profile", is_flag=True, help="Profile one more round, without TLS.")
def main(file: Path | None, profile: bool) -> None:
    with certified() as (certificate, tls):
        with receiver() as port:
            plain = uvloop.run(compare(f"http://127.0.0.1:{port}", "plain", tls, profile))
        with receiver(certificate) as port:
            secure = uvloop.run(compare(f"https://127.0.0.1:{port}", "TLS", tls, False))
    Console().print(table([plain[0], secure[0]]))
    Console().print(late_table([*plain[1], *secure[1]]))
    if file:
        results: list[Result | Lateness] = [plain[0], secure[0], *plain[1], *secure[1]]
        figures = [asdict(result) for result in results]
        file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
