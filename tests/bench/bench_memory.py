"""Memory of idle subscriptions, and what a delivery costs by how many subscriptions there are.

`python -m tests.bench.bench_memory [--json FILE] [--quick]`. Of 10,000 subscriptions to one log, 10,
100, 1,000 or all want a blog, in which 20 events or more are published at once. Counted is the process's CPU
time, all threads, until every cursor and attempt is in the log and read back; the exchange of a
request is left out: it answers in one of the loop's next turns. The baseline of each figure is that of 10 subscriptions.
"""

import asyncio
import gc
import itertools
import time
import tracemalloc
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from slugline.clock import SystemClock
from slugline.events import encode
from slugline.log import Log, Record, TopicPartition
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import ATTEMPTS, CURSORS, ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from tests.bench.report import Curve, Report, Row, command
from tests.builders import an_entry, an_event

GROUPS, QUICK_GROUPS = (10, 100, 1_000, 10_000), (10, 100, 1_000)
#: Events of a round at the least, deliveries of a round and of a measurement at the least.
EVENTS, AT_ONCE, DELIVERIES = 20, 2_000, 6_000
#: Answers in one turn of the loop.
IN_A_TURN = 500
#: What is written of deliveries.
HISTORY = (CURSORS, ATTEMPTS)
#: Bytes of an idle subscription; how many times as much a delivery may cost to 10,000 as to 10.
MEMORY, FLAT = 2_000, 1.25


@dataclass
class Counting:
    """An Exchange that answers in the loop's next turns, some hundreds in each, as a network does."""

    posts: int = 0
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: deque[asyncio.Future[Answer]] = field(default_factory=deque)

    def expect(self, more: int) -> None:
        self.wanted, self.done = self.posts + more, asyncio.Event()

    def post(self, request: Request) -> Coroutine[Any, Any, Answer]:
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self._post(self.waiting[-1])

    async def _post(self, answer: asyncio.Future[Answer]) -> Answer:
        given = await answer
        self.posts += 1
        if self.posts == self.wanted:
            self.done.set()
        return given

    def _answer(self) -> None:
        for _ in range(min(IN_A_TURN, len(self.waiting))):
            answer = self.waiting.popleft()
            if not answer.done():
                answer.set_result(Answer(status=204, duration=timedelta(milliseconds=1)))
        if self.waiting:
            asyncio.get_running_loop().call_soon(self._answer)


@dataclass
class Bench:
    """Deliveries at work on a real log."""

    log: Log
    tail: Tail
    deliveries: Deliveries
    views: DeliveryViews
    exchange: Counting
    numbers: Iterator[int] = field(default_factory=itertools.count)


def a_subscription(number: int, ends: dict[int, int]) -> Subscription:
    clock, rng = SystemClock(), Random(number)
    return Subscription(
        id=f"sub_{rng.randbytes(10).hex()}",
        url=f"https://partner-{number}.example/hooks/slugline",
        filters=(Filter(since={}, blogs=tuple(f"group-{g}" for g in GROUPS if number < g)),),
        start=ends,
        secrets=(new_secret(rng.randbytes) * 3,),  # a sealed one is about as long
        token_hash="0" * 64,
        created=clock.now(),
        changed=clock.now(),
    )


def made(log: Log, view: View, entries: EntriesView, views: DeliveryViews, tail: Tail) -> Bench:
    exchange = Counting()
    means = Means(
        name="bench",
        log=log,
        view=view,
        tail=tail,
        entries=entries,
        views=views,
        exchange=exchange,
        clock=SystemClock(),
        rng=Random(1),
        render=lambda stored: render_stored(stored, "https://live.example"),
        unseal=lambda sealed: sealed[: len(sealed) // 3],
        metrics=Metrics(),
    )
    return Bench(log, tail, Deliveries(means), views, exchange)


async def publish(bench: Bench, records: list[Record]) -> None:
    for start in range(0, len(records), 1000):
        await bench.log.publish(records[start : start + 1000])
    await bench.tail.reached(await bench.log.ends([ENTRIES]))


async def memory(bench: Bench, subscriptions: int) -> float:
    """Bytes per subscription that nobody writes to."""
    ends = {tp.partition: end for tp, end in (await bench.log.ends([ENTRIES])).items()}
    records = [encode_subscription(a_subscription(n, ends)) for n in range(subscriptions)]
    gc.collect()
    tracemalloc.start()
    for start in range(0, subscriptions, 1000):
        offsets = await bench.log.publish(records[start : start + 1000])
        await bench.tail.reached(
            {TopicPartition(o.topic, o.partition): o.offset + 1 for o in offsets}
        )
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / subscriptions


async def cost(bench: Bench, size: int) -> float:
    """CPU milliseconds per 1,000 deliveries to *size* subscriptions, cursors and attempts included."""
    count = max(EVENTS, AT_ONCE // size)
    rounds = max(1, DELIVERIES // (count * size))
    spent = 0.0
    for _ in range(rounds):
        names = (f"e{next(bench.numbers)}" for _ in range(count))
        events = [an_event(an_entry(name, f"group-{size}")) for name in names]
        records = [encode(event) for event in events]
        bench.exchange.expect(count * size)
        before = time.process_time()
        await publish(bench, records)
        await bench.exchange.done.wait()
        while not bench.deliveries.flushed:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await bench.tail.reached(await bench.log.ends(HISTORY))
        spent += time.process_time() - before
    return spent / (rounds * count * size) * 1_000_000


async def run(folder: Path, groups: Sequence[int]) -> Report:
    clock = SystemClock()
    async with open_log(folder / "log.db", clock) as log:
        await provision(log, clock)
        entries, views = EntriesView(), DeliveryViews.make()
        view = View(folder / "view.db", [entries, *views.all], clock)
        tail = Tail(log, view, clock)
        bench = made(log, view, entries, views, tail)
        tasks = [asyncio.create_task(tail.run()), asyncio.create_task(bench.deliveries.run())]
        await asyncio.sleep(1.0)
        used = await memory(bench, max(groups))
        await cost(bench, groups[0])  # warms up
        costs = [await cost(bench, size) for size in groups]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()
    return reported(groups, used, costs)


def reported(groups: Sequence[int], used: float, costs: Sequence[float]) -> Report:
    """Rows, and how the cost grows."""
    rows = [
        Row(name="an idle subscription", value=used, unit="bytes", target=MEMORY, lower=True),
        *(
            Row(
                name=f"1,000 deliveries to {size:,} subscriptions, to 10",
                value=spent,
                unit="ms CPU",
                baseline=costs[0],
                ratio=spent / costs[0],
                target=FLAT,
                lower=True,
            )
            for size, spent in zip(groups[1:], costs[1:], strict=True)
        ),
    ]
    curve = Curve(
        name="deliveries, without the network",
        x=list(groups),
        y=list(costs),
        x_label="subscriptions",
        y_label="ms CPU per 1,000 deliveries",
    )
    return Report(rows, [curve])


def measure(quick: bool) -> Report:
    with TemporaryDirectory() as folder:
        return uvloop.run(run(Path(folder), QUICK_GROUPS if quick else GROUPS))


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
