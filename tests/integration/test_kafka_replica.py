"""The same view, writer and deliveries on Kafka as on the embedded log, with the same outcome."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

from slugline.blog import BlogId
from slugline.clock import SystemClock
from slugline.entry import Entry
from slugline.log import Log
from slugline.log.kafka import KafkaLog, open_kafka_log
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.plan import Plan
from slugline_ingest.writer import BlogWriter
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from tests.builders import NOON, a_blog, an_entry
from tests.kafka.broker import Cluster
from tests.simulation import receivers as tempers
from tests.simulation.receivers import Receivers, SimulatedExchange

URL = "https://partner.example/hook"
BLOG = BlogId("storm")
PATIENCE = 60.0


class Replica:
    """A process: view, tail, writer, deliveries, on *log*."""

    def __init__(self, log: Log, file: Path) -> None:
        clock, rng = SystemClock(), Random(1)
        self.log = log
        self.receivers = Receivers(clock, rng)
        self.receivers.tempers[URL] = tempers.fine()
        self.entries = EntriesView()
        views = DeliveryViews.make()
        view = View(file, [self.entries, *views.all], clock)
        self.tail = Tail(log, view, clock)
        metrics = Metrics()
        self.writer = BlogWriter(log, self.entries, self.tail, clock, metrics)
        self.deliveries = Deliveries(
            Means(
                name=f"replica-{file.name}",
                log=log,
                view=view,
                tail=self.tail,
                entries=self.entries,
                views=views,
                exchange=SimulatedExchange(self.receivers),
                clock=clock,
                rng=rng,
                render=lambda stored: render_stored(stored, "https://live.example"),
                unseal=lambda sealed: sealed,
                metrics=metrics,
            )
        )

    async def until_delivered(self, number: int) -> list[str]:
        """The ids that the receiver got, once they are *number* different ones."""
        async with asyncio.timeout(PATIENCE):
            while True:
                ids = [arrival.webhook_id for arrival in self.receivers.of(URL)]
                if len(set(ids)) >= number:
                    return ids
                await asyncio.sleep(0.05)

    def content(self) -> list[Entry]:
        """What feeds would show."""
        return sorted((row.entry for row in self.entries.entries(BLOG)), key=lambda entry: entry.id)


@asynccontextmanager
async def running(log: Log, file: Path) -> AsyncIterator[Replica]:
    replica = Replica(log, file)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(replica.tail.run()),
            group.create_task(replica.deliveries.run()),
        ]
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    if replica.tail.ready:
                        break
                    await asyncio.sleep(0.02)
            yield replica
        finally:
            for task in tasks:
                task.cancel()


def a_subscription(replica: Replica) -> Subscription:
    return Subscription(
        id="partner",
        url=URL,
        filters=(Filter(since={}, blogs=("*",)),),
        start={},
        secrets=(new_secret(Random(2).randbytes),),
        token_hash="",
        created=NOON,
        changed=NOON,
    )


async def write(replica: Replica, entry: Entry) -> None:
    def put(plan: Plan) -> None:
        plan.put_blog(a_blog(BLOG))
        plan.put_entry(entry)

    await replica.writer.write(BLOG, put)


async def write_fifty(replica: Replica) -> None:
    for number in range(50):
        await write(replica, an_entry(f"e{number}", BLOG, body_text=f"Ferry {number} is late."))


async def test_fifty_entries_are_the_same_on_kafka_as_on_the_embedded_log(
    kafka: Cluster, tmp_path: Path
) -> None:
    clock = SystemClock()
    contents: list[list[Entry]] = []
    delivered: list[list[str]] = []
    opened: dict[str, AbstractAsyncContextManager[Log]] = {
        "kafka": open_kafka_log(kafka.servers, clock, prefix=f"test-{uuid4().hex[:12]}."),
        "sqlite": open_log(tmp_path / "log.db", clock),
    }
    for name, opening in opened.items():
        async with opening as log:
            await provision(log, clock, 4)
            async with running(log, tmp_path / f"{name}-1.db") as replica:
                await log.publish([encode_subscription(a_subscription(replica))])
                await write_fifty(replica)
                delivered.append(await replica.until_delivered(51))
                contents.append(replica.content())
            # A second process with an empty view reads the same from the log.
            async with running(log, tmp_path / f"{name}-2.db") as other:
                contents.append(other.content())
                if isinstance(log, KafkaLog):
                    assert not log.stuck

    assert len(contents[0]) == 50
    assert all(content == contents[0] for content in contents)
    assert set(delivered[0]) == set(delivered[1])
    assert [len(set(ids)) for ids in delivered] == [len(ids) for ids in delivered] == [51, 51]


async def test_two_replicas_share_the_work_and_hand_it_over_without_a_second_delivery(
    kafka: Cluster, tmp_path: Path
) -> None:
    clock = SystemClock()
    prefix = f"test-{uuid4().hex[:12]}."
    async with (
        open_kafka_log(kafka.servers, clock, prefix=prefix) as first,
        open_kafka_log(kafka.servers, clock, prefix=prefix) as second,
    ):
        await provision(first, clock, 4)
        async with running(second, tmp_path / "2.db") as staying:
            async with running(first, tmp_path / "1.db") as leaving:
                await first.publish([encode_subscription(a_subscription(leaving))])
                leaving.receivers.arrivals = staying.receivers.arrivals  # one receiver for both
                await write_fifty(leaving)
                await staying.until_delivered(51)

            await write(staying, an_entry("last", BLOG))
            ids = await staying.until_delivered(52)

    assert len(ids) == 52
