"""Memory of idle subscriptions, and what a delivery costs with ten thousand of them.

`python -m tests.bench.bench_memory [SUBSCRIPTIONS]`
"""

import asyncio
import gc
import sys
import time
import tracemalloc
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from slugline.clock import SystemClock
from slugline.events import encode
from slugline.log import Log, Record, TopicPartition
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.exchange import Answer, Request
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from tests.builders import an_entry, an_event

SUBSCRIPTIONS = 10_000
#: Deliveries of each measurement, and how many subscriptions they go to at once.
DELIVERIES = 20_000
GROUPS = (10, 100, 1_000, 10_000)


@dataclass
class Counting:
    """An Exchange that answers at once."""

    posts: int = 0
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, more: int) -> None:
        self.wanted, self.done = self.posts + more, asyncio.Event()

    async def post(self, request: Request) -> Answer:
        self.posts += 1
        if self.posts == self.wanted:
            self.done.set()
        return Answer(status=204, duration=timedelta(milliseconds=1))


@dataclass
class Bench:
    """Deliveries at work on a real log."""

    log: Log
    tail: Tail
    deliveries: Deliveries
    views: DeliveryViews
    exchange: Counting


def a_subscription(number: int, ends: dict[int, int]) -> Subscription:
    clock, rng = SystemClock(), Random(number)
    return Subscription(
        id=f"sub_{rng.randbytes(10).hex()}",
        url=f"https://partner-{number}.example/hooks/slugline",
        filters=(Filter(since={}, blogs=(next(f"group-{g}" for g in GROUPS if number < g),)),),
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


async def memory(bench: Bench, count: int) -> float:
    """Bytes per subscription that nobody writes to."""
    ends = {tp.partition: end for tp, end in (await bench.log.ends([ENTRIES])).items()}
    records = [encode_subscription(a_subscription(n, ends)) for n in range(count)]
    gc.collect()
    tracemalloc.start()
    for start in range(0, count, 1000):
        offsets = await bench.log.publish(records[start : start + 1000])
        await bench.tail.reached(
            {TopicPartition(o.topic, o.partition): o.offset + 1 for o in offsets}
        )
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / count


async def cost(bench: Bench, group: int, size: int) -> float:
    """CPU milliseconds per 1,000 deliveries to a group of *size*, cursors and attempts included."""
    events = max(1, DELIVERIES // size)
    bench.exchange.expect(events * size)
    before = time.process_time()
    names = (f"e{n}" for n in range(events))
    await publish(bench, [encode(an_event(an_entry(name, f"group-{group}"))) for name in names])
    await bench.exchange.done.wait()
    while not bench.deliveries.flushed:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return (time.process_time() - before) / (events * size) * 1_000_000


async def run(folder: Path, count: int) -> None:
    clock = SystemClock()
    async with open_log(folder / "log.db", clock) as log:
        await provision(log, clock)
        entries, views = EntriesView(), DeliveryViews.make()
        view = View(folder / "view.db", [entries, *views.all], clock)
        tail = Tail(log, view, clock)
        bench = made(log, view, entries, views, tail)
        tasks = [asyncio.create_task(tail.run()), asyncio.create_task(bench.deliveries.run())]
        await asyncio.sleep(1.0)
        say(
            f"memory of an idle subscription: {await memory(bench, count):,.0f} bytes (target 2,000)"
        )
        for group, fewer in zip(GROUPS, (0, *GROUPS), strict=False):
            size = min(group, count) - fewer
            if size > 0:
                spent = await cost(bench, group, size)
                say(
                    f"{size:>6} of {count:,} subscriptions: {spent:.0f} ms CPU per 1,000 deliveries"
                )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        view.close()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else SUBSCRIPTIONS
        asyncio.run(run(Path(temporary), wanted))
