"""Who polls which source, on replicas that come, go, freeze and lose the log."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import TypeVar

import structlog
from structlog.testing import capture_logs

from slugline.blog import BlogId
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.fetching import Fetch, Fetched, Trouble, Validators
from slugline_ingest.sources import Source, SourceId, deleted_source, encode_source
from slugline_ingest.sources.poll import Poll
from slugline_ingest.sources.poller import Poller
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.writer import BlogWriter
from tests.simulation.log import SESSION, Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

T = TypeVar("T")

INTERVAL = 5.0
BLOGS = [BlogId(f"blog{number}") for number in range(12)]
#: Longer than this no source is left alone while replicas change: a session, a rebalance, an interval.
LONGEST_REST = SESSION + 2 * INTERVAL + 2.0


async def here(work: Callable[[], T]) -> T:
    return work()


@dataclass(frozen=True)
class Asked:
    """One fetch, in seconds of virtual time."""

    url: str
    replica: str
    start: float
    stop: float


#: A page on which a fault of our own shows.
FAULTY = f"https://{BLOGS[0]}.example/live"


class SlowSite:
    """A fetcher whose pages take a second and never change; what was asked of it is in *asked*."""

    def __init__(self, replica: str, clock: VirtualClock, asked: list[Asked]) -> None:
        self._replica = replica
        self._clock = clock
        self._asked = asked
        self.faulty = False

    async def fetch(self, url: str, known: Validators | None = None) -> Fetch:
        start = self._clock.monotonic()
        try:
            await self._clock.sleep(1.0)
        finally:
            self._asked.append(Asked(url, self._replica, start, self._clock.monotonic()))
        if self.faulty and url == FAULTY:
            raise ZeroDivisionError
        return Fetched(
            data=b"A page that is none", validators=Validators(address=url), kind="text/plain"
        )


class Replica:
    """Ingest's poller as one process has it."""

    def __init__(self, name: str, world: "World") -> None:
        clock = VirtualClock(world.loop)
        self.log = SimulatedLog(world.broker)
        entries, metrics = EntriesView(), Metrics()
        self.sources = SourcesView()
        self.view = View(world.folder / f"{name}.db", [entries, self.sources], clock)
        tail = Tail(self.log, self.view, clock)
        writer = BlogWriter(self.log, entries, tail, clock, metrics)
        self.site = SlowSite(name, clock, world.asked)
        poll = Poll(self.site, writer, entries, tail, clock, "news.example", here)
        self.poller = Poller(self.log, self.sources, poll, clock, metrics)
        self._tasks = [
            world.loop.create_task(tail.run()),
            world.loop.create_task(self.poller.run()),
        ]
        world.replicas.append(self)

    async def stop(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        self.view.close()


class World:
    """A broker, what was asked of the site, and the time."""

    def __init__(self, loop: VirtualLoop, folder: Path, seed: int) -> None:
        self.loop = loop
        self.folder = folder
        self.clock = VirtualClock(loop)
        self.broker = Broker(self.clock, Random(seed), Faults(gap=0.2))
        self.asked: list[Asked] = []
        self.replicas: list[Replica] = []

    async def name_sources(self) -> None:
        await provision(SimulatedLog(self.broker), self.clock, 4)
        for blog_id in BLOGS:
            await SimulatedLog(self.broker).publish([encode_source(a_source(blog_id))])

    def by_url(self) -> dict[str, list[Asked]]:
        found: dict[str, list[Asked]] = defaultdict(list)
        for each in self.asked:
            found[each.url].append(each)
        return found


def a_source(blog_id: BlogId) -> Source:
    clock = VirtualClock(asyncio.get_running_loop())
    return Source(
        blog_id=blog_id,
        id=SourceId("main"),
        url=f"https://{blog_id}.example/live",
        interval=INTERVAL,
        changed=clock.now(),
    )


def in_a_world(
    folder: Path, story: Callable[[World], Awaitable[object]], seed: int = 1
) -> list[Asked]:
    """What was asked of the site in *story*."""

    async def main(loop: VirtualLoop) -> list[Asked]:
        world = World(loop, folder, seed)
        await world.name_sources()
        await story(world)
        for replica in world.replicas:
            await replica.stop()
        return world.asked

    return run_virtually(main)


def both_at_once(asked: list[Asked]) -> list[tuple[Asked, Asked]]:
    """Fetches of one source by two replicas that overlap."""
    pairs = combinations(sorted(asked, key=lambda each: each.start), 2)
    return [
        (one, other)
        for one, other in pairs
        if one.url == other.url and one.replica != other.replica and other.start < one.stop
    ]


def longest_rests(asked: list[Asked], until: float) -> dict[str, float]:
    """How long each source was left alone at the most."""
    starts: dict[str, list[float]] = defaultdict(list)
    for each in asked:
        starts[each.url].append(each.start)
    rests = {}
    for url, times in starts.items():
        ordered = sorted([*times, until])
        rests[url] = max(later - earlier for earlier, later in pairwise(ordered))
    return rests


def test_each_source_is_polled_at_its_interval(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        Replica("one", world)
        await world.clock.sleep(52)

    asked = in_a_world(tmp_path, story)
    by_url: dict[str, list[float]] = defaultdict(list)
    for each in asked:
        by_url[each.url].append(each.start)
    assert len(by_url) == len(BLOGS)
    for starts in by_url.values():
        steps = [later - earlier for earlier, later in pairwise(starts)]
        assert len(starts) >= 10
        assert all(abs(step - INTERVAL) < 0.1 for step in steps)


def test_two_replicas_share_the_sources_and_never_poll_one_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        Replica("one", world)
        Replica("two", world)
        await world.clock.sleep(60)

    asked = in_a_world(tmp_path, story)

    settled = [each for each in asked if each.start > SESSION]
    assert both_at_once(asked) == []
    assert {each.replica for each in settled} == {"one", "two"}
    owners = {each.url: set[str]() for each in settled}
    for each in settled:
        owners[each.url].add(each.replica)
    assert len(owners) == len(BLOGS)
    assert all(len(names) == 1 for names in owners.values())


def test_replicas_that_come_and_go_leave_no_source_alone_for_long(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rng, running, count = Random(7), [Replica("r0", world)], 0
        for _ in range(12):
            await world.clock.sleep(rng.uniform(3, 20))
            if len(running) > 1 and rng.random() < 0.5:
                gone = running.pop(rng.randrange(len(running)))
                if rng.random() < 0.5:
                    gone.log.die()
                    world.loop.create_task(world.broker.forget(gone.log))
                else:
                    await gone.stop()
            else:
                count += 1
                running.append(Replica(f"r{count}", world))
        await world.clock.sleep(LONGEST_REST)

    asked = in_a_world(tmp_path, story)

    until = max(each.start for each in asked)
    assert both_at_once(asked) == []
    assert max(longest_rests(asked, until).values()) <= LONGEST_REST
    assert len({each.replica for each in asked}) > 3


def test_a_replica_that_has_lost_the_log_fetches_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        Replica("one", world)
        await world.clock.sleep(20)
        world.broker.away = True
        await world.clock.sleep(3)
        world.asked.clear()
        await world.clock.sleep(60)
        assert world.asked == []
        world.broker.away = False
        await world.clock.sleep(2 * INTERVAL)
        assert len(world.by_url()) == len(BLOGS)

    in_a_world(tmp_path, story)


def test_a_source_that_was_removed_is_stopped_on_whichever_replica_polls_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        Replica("one", world)
        Replica("two", world)
        await world.clock.sleep(30)
        for blog_id in BLOGS:
            await SimulatedLog(world.broker).publish(deleted_source(blog_id, SourceId("main")))
        await world.clock.sleep(1)
        world.asked.clear()
        await world.clock.sleep(60)

    assert in_a_world(tmp_path, story) == []


def test_every_replica_knows_how_the_last_poll_went(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        replicas = [Replica("one", world), Replica("two", world)]
        await world.clock.sleep(30)
        for blog_id in BLOGS:
            source = replicas[0].sources.get(blog_id, "main")
            assert source is not None
            told = [replica.poller.report(source) for replica in replicas]
            assert [report is not None for report in told] == [True, True]

    in_a_world(tmp_path, story)


def test_a_fault_of_our_own_costs_its_source_polls_and_nobody_else_anything(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        replica = Replica("one", world)
        replica.site.faulty = True
        await world.clock.sleep(40)
        source = replica.sources.get(BLOGS[0], "main")
        assert source is not None
        failed = replica.poller.report(source)
        assert failed is not None
        assert failed.trouble is Trouble.INTERNAL
        replica.site.faulty = False
        await world.clock.sleep(60)
        healed = replica.poller.report(source)
        assert healed is not None
        assert healed.failures == 0

    structlog.reset_defaults()  # simulated processes are quiet else
    with capture_logs() as told:
        asked = in_a_world(tmp_path, story)

    assert {"source.fault"} <= {line["event"] for line in told}
    rests = longest_rests([each for each in asked if each.url != FAULTY], 100.0)
    assert max(rests.values()) < 2 * INTERVAL
