"""Deliveries, put together: lanes under a lease, for the partitions that this process owns."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from slugline.clock import Clock
from slugline.log import Log
from slugline.telemetry import Metrics
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.context import Context
from slugline_syndicate.deliveries.exchange import Exchange
from slugline_syndicate.deliveries.flusher import Flusher
from slugline_syndicate.deliveries.gate import Gate
from slugline_syndicate.deliveries.history_views import AttemptsView, DeadLettersView
from slugline_syndicate.deliveries.lease import Lease
from slugline_syndicate.deliveries.owner import Owner
from slugline_syndicate.deliveries.projections import CursorsView, SubscriptionsView
from slugline_syndicate.deliveries.source import EventSource, Render
from slugline_syndicate.deliveries.worker import Worker

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

    def forget_deleted(self, names: Sequence[str]) -> None:
        """Drop the history of those of *names* that are subscriptions no more: nobody can ask for it."""
        for name in names:
            if self.subscriptions.partition_of(name) is None:
                self.dead_letters.forget(name)
                self.attempts.forget(name)


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
        self._flusher = Flusher(
            means.log,
            means.clock,
            self._flushing_changed,
            means.views.cursors.written,
            means.views.attempts.written,
        )
        self._gate = Gate(self._may_send)
        source = EventSource(means.entries, lambda: means.view.positions, means.render)
        context = Context(
            clock=means.clock,
            rng=means.rng,
            log=means.log,
            exchange=means.exchange,
            source=source,
            unseal=means.unseal,
            gate=self._gate,
            moved=self._flusher.add,
            metrics=means.metrics,
        )
        self._owner = Owner(
            means.name,
            means.log,
            means.tail,
            means.entries,
            means.views.subscriptions,
            means.views.cursors,
            context,
            self._flusher,
        )
        self._lease = Lease(means.log, means.tail, means.clock, self._lease_held, self._owner.cut)
        means.views.subscriptions.listen(means.views.forget_deleted)

    def _may_send(self) -> bool:
        return self._lease.valid and not self._flusher.failing

    def _lease_held(self) -> None:
        self._owner.look()
        self._gate.look()

    def _flushing_changed(self) -> None:
        if self._flusher.failing:
            self._owner.cut()
        else:
            self._gate.look()

    @property
    def workers(self) -> Iterable[Worker]:
        """The workers at work."""
        return self._owner.workers

    @property
    def flushed(self) -> bool:
        """Whether the log holds every cursor and attempt."""
        return self._flusher.idle

    def facts(self) -> dict[str, object]:
        """For `/healthz`: whether requests may be started, and for how many partitions."""
        return {
            "sending": self._may_send(),
            "owned_partitions": self._owner.owned,
            "flushing": not self._flusher.failing,
        }

    async def run(self) -> None:
        """Work until cancelled; then give everything back, within 2 s."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.run())
            group.create_task(self._flusher.run())
            group.create_task(self._round())
            group.create_task(self._owner.run())

    async def _round(self) -> None:
        while True:
            await self._means.clock.sleep(ROUND)
            self._count()
            now = self._means.clock.now()
            self._means.entries.prune(now)
            self._means.views.dead_letters.prune(now)

    def _count(self) -> None:
        counts = dict.fromkeys(STATES, 0)
        times = []
        for worker in self._owner.workers:
            counts[worker.progress.state()] += 1
            oldest = worker.progress.oldest()
            if oldest is not None:
                times.append(oldest)
        age = self._means.clock.now() - min(times) if times else timedelta(0)
        self._means.metrics.oldest_undelivered.set(max(0.0, age.total_seconds()))
        for state, count in counts.items():
            self._means.metrics.subscriptions.labels(state).set(count)
