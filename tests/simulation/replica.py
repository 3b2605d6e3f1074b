"""One simulated process: a view in a file, a writer or deliveries or both, and its ways out."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import finalize

from slugline.egress import EgressGuard
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES, provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.mender import Mender
from slugline_ingest.writer import BlogWriter
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.sealing import Sealer, new_key
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.rss import Rss
from slugline_syndicate.feeds.store import FeedStore
from slugline_syndicate.subscriptions.service import SubscriptionService
from tests.simulation.broker import Broker
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import Process, VirtualClock
from tests.simulation.receivers import SimulatedExchange

if TYPE_CHECKING:
    from tests.simulation.world import World

URL = "https://live.example"
PARTITIONS = 6


class OneAddress:
    """A Resolver for partners that exist in no network."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["192.0.2.1"]


class _Open(Sealer):
    """Leaves secrets as they are: the bytes of a seal are never the same twice."""

    def seal(self, secret: str) -> str:
        return secret


_UNSEALED = _Open(new_key())


class Replica:
    """A process that lives until it is stopped or killed; *path* None: its view is gone with it."""

    def __init__(self, name: str, world: "World", path: Path | None = None) -> None:
        self.name = name
        self.process = Process(name)
        self.process.context.run(self._build, name, world, path or Path(":memory:"))

    def _build(self, name: str, world: "World", path: Path) -> None:
        self._loop = world.loop
        offset = world.clock.offset + timedelta(seconds=world.skew())
        self.clock = clock = VirtualClock(world.loop, offset)
        self.rng = Random(world.rng.random())
        self.log = SimulatedLog(world.broker)
        self.exchange = SimulatedExchange(world.receivers, name)
        self.entries = EntriesView()
        self.views = DeliveryViews.make()
        self.view = View(path, [self.entries, *self.views.all], clock)
        finalize(self, self.view.close)  # it is looked at after the end, too
        self.feeds = a_store(self.entries)
        #: Where the log's partitions ended, for a process that has to read it all.
        self.found = {} if self.view.whole else _ends(world.broker)
        self.tail = Tail(self.log, self.view, clock)
        self.metrics = metrics = Metrics()
        self.writer = BlogWriter(self.log, self.entries, self.tail, clock, metrics)
        self.mender = Mender(self.entries, self.writer, clock)
        self.deliveries = Deliveries(self._means())
        self.service = SubscriptionService(
            self.log,
            self.tail,
            self.views.subscriptions,
            self.views.cursors,
            clock,
            EgressGuard((ip_network("0.0.0.0/0"),)),
            OneAddress(),
            _UNSEALED,
            self.rng.randbytes,
        )
        self._broker = world.broker
        self._task = self.spawn(self._run())

    def _means(self) -> Means:
        return Means(
            name=self.name,
            log=self.log,
            view=self.view,
            tail=self.tail,
            entries=self.entries,
            views=self.views,
            exchange=self.exchange,
            clock=self.clock,
            rng=self.rng,
            render=lambda stored: render_stored(stored, URL),
            unseal=lambda sealed: sealed,
            metrics=self.metrics,
        )

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do *work* in this process."""
        return self._loop.create_task(work, context=self.process.context)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tail.run())
            await self._begin(group)

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        """Both services in one process."""
        group.create_task(self.mender.run())
        group.create_task(self.deliveries.run())

    async def stop(self) -> None:
        """End as a process that was asked to; what callers still wait for ends with it."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.log.die()
        self.process.kill()
        self._loop.bury()

    def kill(self) -> None:
        """End at once: not one more line of it runs."""
        self.log.die()
        self.exchange.die()
        self.process.kill()
        self._loop.bury()
        self._broker.at_work(self._broker.forget(self.log))
        self.view.close()

    def freeze(self) -> None:
        """As SIGSTOP does."""
        self.process.freeze()
        self.log.freeze(True)

    def thaw(self, *, timers_first: bool) -> None:
        """As SIGCONT does."""
        self.log.freeze(False)
        self.process.thaw(self._loop, timers_first=timers_first)


class Ingest(Replica):
    """A replica of ingest: it writes, and delivers nothing."""

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        group.create_task(self.mender.run())


class Syndicate(Replica):
    """A replica of syndicate: it delivers, and writes nothing."""

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        group.create_task(self.deliveries.run())


def a_store(entries: EntriesView) -> FeedStore:
    """A store of feeds that remembers nothing yet."""
    return FeedStore(entries, (Atom(), Rss()), URL, Metrics())


def _ends(broker: Broker) -> dict[int, int]:
    return {tp.partition: partition.end for tp, partition in broker.of([ENTRIES]).items()}


async def provisioned(replica: Replica) -> None:
    """Make the topics, as each process does that starts on an empty log."""
    await provision(replica.log, replica.clock, PARTITIONS)
