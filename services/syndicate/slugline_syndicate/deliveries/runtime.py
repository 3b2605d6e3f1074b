"""Deliveries, put together: lanes under a lease, for the partitions that this process owns."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from slugline.clock import Clock
from slugline.log import Log
from slugline.telemetry import Metrics
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.exchange import Exchange
from slugline_syndicate.deliveries.flusher import Flusher
from slugline_syndicate.deliveries.lease import Lease
from slugline_syndicate.deliveries.owner import Owner
from slugline_syndicate.deliveries.projections import (
    AttemptsView,
    CursorsView,
    DeadLettersView,
    SubscriptionsView,
)
from slugline_syndicate.deliveries.source import EventSource, Render
from slugline_syndicate.deliveries.worker import Context

#: How often states are counted for the metrics, and old things pruned from the view, in seconds.
ROUND = 5.0

STATES = ("active", "waiting", "paused", "disabled")


@dataclass(frozen=True, slots=True)
class DeliveryViews:
    """The projections that deliveries read."""

    subscriptions: SubscriptionsView
    cursors: CursorsView
    dead_letters: DeadLettersView
    attempts: AttemptsView

    @classmethod
    def make(cls) -> "DeliveryViews":
        """Fresh ones, to be given to a view."""
        return cls(SubscriptionsView(), CursorsView(), DeadLettersView(), AttemptsView())

    @property
    def all(self) -> tuple[SubscriptionsView, CursorsView, DeadLettersView, AttemptsView]:
        """All of them."""
        return self.subscriptions, self.cursors, self.dead_letters, self.attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What deliveries need of the world; the simulation brings its own."""

    name: str
    log: Log
    view: View
    tail: Tail
    entries: EntriesView
    views: DeliveryViews
    exchange: Exchange
    clock: Clock
    rng: Random
    render: Render
    unseal: Callable[[str], str]
    metrics: Metrics


class Deliveries:
    """The running thing."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._flusher = Flusher(means.log, means.clock)
        source = EventSource(means.entries, lambda: means.view.positions, means.render)
        context = Context(
            clock=means.clock,
            rng=means.rng,
            log=means.log,
            exchange=means.exchange,
            source=source,
            unseal=means.unseal,
            may_send=self._may_send,
            dirty=self._flusher.add,
            metrics=means.metrics,
        )
        self.owner = Owner(
            means.name,
            means.log,
            means.tail,
            means.entries,
            means.views.subscriptions,
            means.views.cursors,
            context,
            self._flusher,
        )
        self._lease = Lease(means.log, means.tail, means.clock, self.owner.pump, self.owner.cut)
        self._paused = False

    def _may_send(self) -> bool:
        return self._lease.valid and not self._flusher.failing

    def facts(self) -> dict[str, object]:
        """For `/healthz`: whether requests may be started, and for how many partitions."""
        return {
            "sending": self._may_send(),
            "owned_partitions": self.owner.owned,
            "flushing": not self._flusher.failing,
        }

    async def run(self) -> None:
        """Work until cancelled; then give everything back, within 2 s."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.run())
            group.create_task(self._flusher.run())
            group.create_task(self._round())
            group.create_task(self.owner.run())

    async def _round(self) -> None:
        while True:
            await self._means.clock.sleep(ROUND)
            self._count()
            now = self._means.clock.now()
            self._means.entries.prune(now)
            self._means.views.dead_letters.prune(now)
            if self._paused != self._flusher.failing:
                self._paused = self._flusher.failing
                self.owner.cut() if self._paused else self.owner.pump()

    def _count(self) -> None:
        counts = dict.fromkeys(STATES, 0)
        for worker in self.owner.workers:
            counts[worker.state()] += 1
        times = [time for worker in self.owner.workers if (time := worker.oldest())]
        age = self._means.clock.now() - min(times) if times else timedelta(0)
        self._means.metrics.oldest_undelivered.set(age.total_seconds())
        for state, count in counts.items():
            self._means.metrics.subscriptions.labels(state).set(count)
