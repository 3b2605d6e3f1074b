"""A log moved to another engine between deliveries: nothing lost, nothing sent twice, order kept."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from slugline.clock import SystemClock
from slugline.events import EventType, decode
from slugline.log import Log
from slugline.log.copying import copy_log
from slugline.log.sqlite import open_log
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES, is_base, provision
from slugline_syndicate.deliveries.moving import REWRITING
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.rss import Rss
from slugline_syndicate.feeds.store import FeedStore
from tests.fakes import AtOnce
from tests.simulation import receivers as tempers
from tests.simulation.__main__ import quiet
from tests.simulation.checker import duplicates, is_own
from tests.simulation.log import Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually
from tests.simulation.receivers import Receivers
from tests.simulation.world import BLOGS, PARTITIONS, URL, Replica, Shape, World

GAPS = Faults(gap=0.3)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


class Act(World):
    """One replica; the second act goes on where the first one ended, on another log."""

    def __init__(self, seed: int, loop: VirtualLoop, before: "Act | None" = None) -> None:
        super().__init__(seed, Shape(subscriptions=6, fine=True), loop)
        #: What feeds showed at the end.
        self.feeds: dict[tuple[str, str], bytes] = {}
        self.length = timedelta(0)
        if before is not None:
            self._go_on_after(before, loop)

    def _go_on_after(self, before: "Act", loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop, before.length)
        self.receivers = Receivers(self.clock, self.rng, before.receivers.tempers)
        self.receivers.arrivals = before.receivers.arrivals
        self.subscriptions = before.subscriptions
        self._named, self._revisions = before._named, before._revisions

    @property
    def replica(self) -> Replica:
        return self.replicas[0]

    async def begin(self) -> None:
        self.broker.faults = GAPS
        await provision(SimulatedLog(self.broker), self.clock, PARTITIONS)
        self._start_replica()
        await self._subscribe()

    async def take(self, broker: Broker) -> None:
        """Go on with the log of *broker*."""
        broker.clock, broker.rng, broker.arrived = self.clock, self.rng, asyncio.Event()
        self.broker = broker
        self._start_replica()
        await self.clock.sleep(5.0)

    async def write(self, events: int) -> None:
        for _ in range(events):
            await self._write(self.rng)

    async def end(self) -> None:
        self.feeds = {(b, f): self._feed(b, f) for b in BLOGS for f in ("atom", "rss")}
        await self.replica.stop()
        assert self.unhandled == []
        self.length = timedelta(seconds=self.clock.monotonic())

    def _feed(self, blog: str, form: str) -> bytes:
        store = FeedStore(self.replica.entries, (Atom(), Rss()), URL, Metrics())
        document = store.document(blog, form)
        return document.representation.body if document else b""


Script = Callable[[Act], Coroutine[Any, Any, None]]


def act(seed: int, script: Script, before: Act | None = None) -> Act:
    async def main(loop: VirtualLoop) -> Act:
        stage = Act(seed, loop, before)
        await script(stage)
        await stage.end()
        return stage

    return run_virtually(main)


def moved(before: Act, folder: Path, partitions: int | None = None) -> Broker:
    """The first act's log, copied to a file and from there to another broker."""
    return asyncio.run(_move(before.broker, folder / "log.db", partitions))


async def _move(broker: Broker, path: Path, partitions: int | None) -> Broker:
    still(broker)
    async with open_log(path, SystemClock()) as file:
        await copied(SimulatedLog(broker), file, partitions)
    target = Broker(AtOnce(), Random(5), GAPS)
    async with open_log(path, SystemClock(), read_only=True, alone=True) as file:
        await copied(file, SimulatedLog(target))
    return target


def still(broker: Broker) -> None:
    """Let *broker* be read outside its world."""
    broker.clock, broker.arrived = AtOnce(), asyncio.Event()


async def copied(source: Log, destination: Log, partitions: int | None = None) -> None:
    await copy_log(source, destination, AtOnce(), REWRITING, lambda done, of: None, partitions)


def lost(acts: list[Act]) -> list[str]:
    """Events that were wanted and did not arrive, nor were withdrawn after."""
    found = []
    accepted = [
        (decode(r.headers, r.value).id, r.key, decode(r.headers, r.value).type)
        for each in acts
        for r in each.broker.journal
        if r.topic == ENTRIES and r.value and not is_base(r.key)
    ]
    withdrawn = {key for _, key, kind in accepted if kind is EventType.ENTRY_DELETED}
    for subscription in acts[0].subscriptions:
        taken = {a.webhook_id for a in acts[-1].receivers.of(subscription.url) if a.status == 200}
        for name, key, kind in accepted:
            blog = key.decode().partition("|")[0]
            wanted = {"*", blog} & set(subscription.filter.blogs)
            replaced = key in withdrawn and kind is not EventType.ENTRY_DELETED
            if wanted and name not in taken and not replaced:
                found.append(f"{subscription.id}: {kind} {key!r}")
    return found


def out_of_order(world: World) -> list[str]:
    """Events whose sequence was not above that of the one before, by subscription and blog."""
    found = []
    for subscription in world.subscriptions:
        highest: dict[str, int] = {}
        for arrival in world.receivers.of(subscription.url):
            body = orjson.loads(arrival.body)["data"]
            if arrival.status != 200 or is_own(arrival):
                continue
            blog = body["blog"]["id"]
            if body["sequence"] <= highest.get(blog, 0):
                found.append(f"{subscription.id}: {body['sequence']} of {blog}")
            highest[blog] = body["sequence"]
    return found


def first_act(down: list[bool]) -> Script:
    """All subscriptions get everything at first; then two get nothing more."""

    async def script(stage: Act) -> None:
        await stage.begin()
        for number in (0, 1):
            url = stage.subscriptions[number].url
            stage.receivers.tempers[url] = tempers.unavailable(lambda: down[0])
        await stage.write(60)
        await stage.clock.sleep(10.0)
        stage.broker.compact(timedelta(0))  # all of it was delivered
        down[0] = True
        await stage.write(80)
        await stage.clock.sleep(3.0)

    return script


def second_act(broker: Broker, down: list[bool]) -> Script:
    async def script(stage: Act) -> None:
        down[0] = False
        await stage.take(broker)
        await stage.write(60)
        await stage.clock.sleep(900.0)

    return script


def copied_only(broker: Broker) -> Script:
    return lambda stage: stage.take(broker)


@pytest.mark.parametrize("seed", range(3))
def test_a_moved_log_loses_nothing_sends_nothing_twice_and_keeps_the_order(
    seed: int, tmp_path: Path
) -> None:
    down = [False]
    before = act(seed, first_act(down))
    arrived = len(before.receivers.arrivals)

    after = act(seed + 100, second_act(moved(before, tmp_path), down), before)

    assert len(after.receivers.arrivals) > arrived > 100
    assert sum(duplicates(after.receivers.of(s.url)) for s in after.subscriptions) == 0
    assert lost([before, after]) == []
    assert out_of_order(after) == []


def test_a_moved_log_shows_the_same_feeds(tmp_path: Path) -> None:
    before = act(1, first_act([False]))

    after = act(2, copied_only(moved(before, tmp_path)), before)

    assert all(before.feeds.values())
    assert after.feeds == before.feeds


@pytest.mark.parametrize("partitions", [1, 7])
def test_with_another_number_of_partitions_nothing_is_lost_and_feeds_stay(
    partitions: int, tmp_path: Path
) -> None:
    down = [False]
    before = act(3, first_act(down))
    broker = moved(before, tmp_path, partitions)

    after = act(4, second_act(broker, down), before)

    assert broker.count == partitions
    assert lost([before, after]) == []
    repeated = sum(duplicates(after.receivers.of(s.url)) for s in after.subscriptions)
    assert repeated < 0.2 * len(after.receivers.arrivals)


def test_a_subscription_that_is_a_week_behind_is_told_of_its_gap_in_the_copy(
    tmp_path: Path,
) -> None:
    """What a copy's engine stamps anew does not count: revisions may be missing since long."""
    down = [False]
    before = act(3, first_act(down))
    before.length += timedelta(days=8)

    after = act(4, second_act(moved(before, tmp_path), down), before)

    behind = after.receivers.of(after.subscriptions[1].url)
    kinds = [orjson.loads(arrival.body)["type"] for arrival in behind if arrival.status == 200]
    assert EventType.SUBSCRIPTION_GAP in kinds
