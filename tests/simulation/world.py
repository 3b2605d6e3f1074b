"""A world: replicas, writers, receivers and faults, all from one seed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any
from weakref import finalize

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.egress import EgressGuard
from slugline.entry import Entry, EntryId
from slugline.errors import LogError, OutcomeUnknownError
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline.web.problems import Problem
from slugline_ingest.plan import Plan
from slugline_ingest.writer import BlogWriter
from slugline_syndicate.deliveries.body import render_stored
from slugline_syndicate.deliveries.runtime import Deliveries, DeliveryViews, Means
from slugline_syndicate.deliveries.sealing import Sealer, new_key
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from slugline_syndicate.subscriptions.models import SubscriptionChange
from slugline_syndicate.subscriptions.service import SubscriptionService
from tests.builders import a_blog
from tests.simulation import receivers as tempers
from tests.simulation.checker import Checker
from tests.simulation.log import Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.simulation.receivers import Receivers, SimulatedExchange

URL = "https://live.example"
BLOGS = ("storm", "vote", "final", "court")
PARTITIONS = 4

#: Long enough for every wait of the failure rules to end, in seconds.
CALM = 2 * 3600.0
#: How long nothing must go wrong before a world may end, in seconds.
QUIET = 60.0


@dataclass
class Shape:
    """What a world is like; a seed decides the rest."""

    replicas: int = 1
    subscriptions: int = 6
    seconds: float = 120.0
    kills: bool = True
    outages: bool = True
    faults: Faults = field(default_factory=Faults)
    #: Every receiver answers 200 at once.
    fine: bool = False
    #: Subscriptions are paused, resumed, tested and changed meanwhile.
    changes: bool = True


class OneAddress:
    """A Resolver for partners that exist in no network."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["192.0.2.1"]


#: Subscriptions are changed, not made, through the service: it seals nothing here.
NO_SEALS = Sealer(new_key())


class Replica:
    """One process: a view, a writer, deliveries; `kill` ends it as `kill -9` does."""

    def __init__(self, name: str, world: "World") -> None:
        clock = world.clock
        self.log = SimulatedLog(world.broker)
        self.exchange = SimulatedExchange(world.receivers)
        self.entries = EntriesView()
        self.views = DeliveryViews.make()
        self.view = View(Path(":memory:"), [self.entries, *self.views.all], clock)
        finalize(self, self.view.close)  # it is looked at after the end, too
        self.tail = Tail(self.log, self.view, clock)
        metrics = Metrics()
        self.writer = BlogWriter(self.log, self.entries, self.tail, clock, metrics)
        means = Means(
            name=name,
            log=self.log,
            view=self.view,
            tail=self.tail,
            entries=self.entries,
            views=self.views,
            exchange=self.exchange,
            clock=clock,
            rng=Random(world.rng.random()),
            render=lambda stored: render_stored(stored, URL),
            unseal=lambda sealed: sealed,
            metrics=metrics,
        )
        self.deliveries = Deliveries(means)
        self.service = SubscriptionService(
            self.log,
            self.tail,
            self.views.subscriptions,
            self.views.cursors,
            clock,
            EgressGuard((ip_network("0.0.0.0/0"),)),
            OneAddress(),
            NO_SEALS,
        )
        self._broker = world.broker
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tail.run())
            group.create_task(self.deliveries.run())

    async def stop(self) -> None:
        """End as a process that was asked to."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.log.die()

    async def kill(self) -> None:
        """End at once: what its code still does reaches nobody."""
        self.log.die()
        self.exchange.die()
        asyncio.get_running_loop().create_task(self._broker.forget(self.log)).add_done_callback(
            lambda task: task.exception()
        )
        await self.stop()


class World:
    """Everything, and the dice."""

    def __init__(self, seed: int, shape: Shape, loop: VirtualLoop) -> None:
        self.rng = Random(seed)
        self.shape = shape
        self.clock: Clock = VirtualClock(loop)
        self.broker = Broker(self.clock, self.rng)
        self.receivers = Receivers(self.clock, self.rng)
        self.replicas: list[Replica] = []
        self.subscriptions: list[Subscription] = []
        #: What was raised and looked at by nobody.
        self.unhandled: list[str] = []
        self._named = 0
        self._revisions = 0
        loop.set_exception_handler(self._note_unhandled)

    async def live(self) -> None:
        """From the first record to long after the last fault."""
        await provision(SimulatedLog(self.broker), self.clock, PARTITIONS)
        self.broker.faults = self.shape.faults
        for _ in range(self.shape.replicas):
            self._start_replica()
        await self._subscribe()
        end = self.clock.monotonic() + self.shape.seconds
        while self.clock.monotonic() < end:
            await self.clock.sleep(self.rng.expovariate(2.0))
            await self._something_happens()
        await self._calm_down()
        for replica in self.replicas:
            await replica.stop()

    def faults(self) -> list[str]:
        """What went wrong, in words; none in a world that keeps its promises."""
        checker = Checker(self.broker.journal)
        found = self.unhandled + [
            fault
            for subscription in self.subscriptions
            for fault in checker.faults(subscription.id, self.receivers.arrivals)
        ]
        shown = {str(self._what_feeds_show(replica)) for replica in self.replicas}
        return found + (["replicas show different things"] if len(shown) > 1 else [])

    def trace(self) -> str:
        """A hash of everything that happened: equal for equal runs."""
        digest = sha256()
        for record in self.broker.journal:
            digest.update(
                f"{record.topic}{record.partition}{record.offset}{record.written_at}".encode()
            )
            digest.update(record.key + (record.value or b"\0"))
        for arrival in self.receivers.arrivals:
            digest.update(f"{arrival.url}{arrival.webhook_id}{arrival.at}{arrival.status}".encode())
        return digest.hexdigest()

    def _note_unhandled(self, _: object, context: dict[str, Any]) -> None:
        if "exception" in context:  # a killed process's tasks just vanish
            self.unhandled.append(f"{context['message']}: {context['exception']!r}")

    # --- what happens ---------------------------------------------------------------------------------

    async def _something_happens(self) -> None:
        dice = self.rng.random()
        if dice < 0.03 and self.shape.kills:
            await self._kill_one()
        elif dice < 0.045 and self.shape.kills:
            await self._stop_one()
        elif dice < 0.06 and self.shape.outages:
            self.broker.away = True
            await self.clock.sleep(self.rng.uniform(0.1, 30))
            self.broker.away = False
        elif dice < 0.08:
            self.broker.compact()
        elif dice < 0.14 and self.shape.changes:
            await self._change_one()
        else:
            await self._write()

    async def _kill_one(self) -> None:
        replica = self.rng.choice(self.replicas)
        self.replicas.remove(replica)
        await replica.kill()
        await self.clock.sleep(self.rng.uniform(0, 15))
        self._start_replica()

    async def _stop_one(self) -> None:
        replica = self.rng.choice(self.replicas)
        self.replicas.remove(replica)
        await replica.stop()
        self._start_replica()

    async def _change_one(self) -> None:
        service, name = self._service(), self.rng.choice(self.subscriptions).id
        late, self.broker.faults.late_landing = self.broker.faults.late_landing, 0.0
        try:
            with suppress(LogError, OutcomeUnknownError, Problem):
                await self.rng.choice(self._changes(service, name))()
        finally:
            self.broker.faults.late_landing = late

    def _service(self) -> SubscriptionService:
        return self.rng.choice(self.replicas).service

    def _changes(
        self, service: SubscriptionService, name: str
    ) -> list[Callable[[], Coroutine[Any, Any, object]]]:
        return [
            lambda: service.pause(name),
            lambda: service.resume(name, "continue"),
            lambda: service.resume(name, "continue"),
            lambda: service.resume(name, "skip"),
            lambda: service.test(name),
            lambda: service.change(name, SubscriptionChange(url=self._new_url()), None),
            lambda: service.change(name, SubscriptionChange(blogs=self._some_blogs()), None),
        ]

    def _new_url(self) -> str:
        """A partner that answers, at once or after a while."""
        self._named += 1
        url = f"https://new-{self._named}.example/hook"
        fine = self.shape.fine or self.rng.random() < 0.5
        slow = tempers.slow(self.clock, self.rng.uniform(0.1, 3))
        self.receivers.tempers[url] = tempers.fine() if fine else slow
        return url

    def _some_blogs(self) -> list[str]:
        return self.rng.choice([["*"], sorted(self.rng.sample(BLOGS, 2))])

    async def _write(self) -> None:
        replica, blog_id = self.rng.choice(self.replicas), BlogId(self.rng.choice(BLOGS))
        dice = self.rng.random()
        with suppress(LogError, OutcomeUnknownError):
            await replica.writer.write(blog_id, lambda plan: self._plan(plan, blog_id, dice))

    def _plan(self, plan: Plan, blog_id: BlogId, dice: float) -> None:
        plan.put_blog(a_blog(blog_id))
        alive = sorted(name for name, row in plan.state.entries.items() if not row.entry.withdrawn)
        if alive and dice < 0.15:
            plan.withdraw(plan.state.entries[EntryId(self.rng.choice(alive))], "api")
            return
        name = self.rng.choice(alive) if alive and dice < 0.5 else f"e{self._named}"
        self._named += name == f"e{self._named}"
        self._revisions += 1
        text = f"What is known at revision {self._revisions}."
        plan.put_entry(
            Entry(
                blog_id=blog_id,
                id=EntryId(name),
                title=f"Heading {name}",
                body_text=text,
                body_html=f"<p>{text}</p>",
                published=plan.now,
                updated=plan.now,
            )
        )

    async def _calm_down(self) -> None:
        self.broker.faults.lost_acknowledgement = self.broker.faults.late_landing = 0.0
        for url in self.receivers.tempers:
            self.receivers.tempers[url] = tempers.fine()
        for subscription in self.subscriptions if self.shape.changes else ():
            await self._resume(subscription.id)
        end = self.clock.monotonic() + CALM
        await self.clock.sleep(QUIET)
        while self.clock.monotonic() < end and self.faults():
            await self.clock.sleep(QUIET)

    async def _resume(self, name: str) -> None:
        """A world ends with everything going on: what was paused must still arrive."""
        while True:
            try:
                await self._service().resume(name, "continue")
            except LogError:
                await self.clock.sleep(1.0)
            except Problem:  # too many orders wait: they go on by themselves
                await self.clock.sleep(5.0)
            else:
                return

    # --- how it begins --------------------------------------------------------------------------------

    def _start_replica(self) -> None:
        self.replicas.append(Replica(f"replica-{self.rng.random()}", self))

    async def _subscribe(self) -> None:
        for number in range(self.shape.subscriptions):
            subscription, temper = self._subscription(number)
            self.receivers.tempers[subscription.url] = temper
            self.subscriptions.append(subscription)
            self.broker.append([encode_subscription(subscription)])

    def _subscription(self, number: int) -> tuple[Subscription, tempers.Temper]:
        rng, clock = self.rng, self.clock
        choosy = number % 6 == 5 and not self.shape.fine
        blogs = ("*",) if number % 2 else tuple(sorted(rng.sample(BLOGS, 2)))
        subscription = Subscription(
            id=f"sub-{number}",
            url=f"https://partner-{number}.example/hook",
            filters=(Filter(since={}, blogs=blogs),),
            start={},
            secrets=(new_secret(rng.randbytes),),
            token_hash="",
            created=clock.now(),
            changed=clock.now(),
        )
        kinds: list[tempers.Temper] = [
            tempers.fine(),
            tempers.slow(clock, rng.uniform(0.1, 3)),
            tempers.hanging(clock, rng.uniform(5, self.shape.seconds)),
            tempers.flapping(rng, rng.uniform(0.05, 0.5)),
            tempers.fine(),
        ]
        if choosy:
            return subscription, tempers.choosy(lambda request: b'"e1"' in request.body)
        return subscription, tempers.fine() if self.shape.fine else kinds[number % len(kinds)]

    def _what_feeds_show(self, replica: Replica) -> object:
        return [
            (row, replica.entries.entries(row.blog.id), replica.entries.newest_change(row.blog.id))
            for row in replica.entries.blogs()
        ]
