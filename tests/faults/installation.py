"""A whole installation on a real log: its processes, what they do to each other, and the verdict."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

import aiohttp
import orjson
from cryptography.fernet import Fernet

from slugline.clock import Clock, SystemClock
from slugline.log import DEFAULT_PARTITIONS
from slugline.log.kafka import open_kafka_log
from tests.e2e.service import Service, slugline
from tests.faults.journal import Journal
from tests.faults.load import Load
from tests.faults.newsroom import Newsroom
from tests.faults.proxy import Way
from tests.faults.receivers import Partners, a_temper, partners
from tests.simulation.checker import Checker
from tests.simulation.receivers import Arrival, Temper

BLOGS = ("storm", "vote", "final", "court")
FEEDS = ("feed.atom", "feed.rss")
#: How long everything may take to settle after the last fault, in seconds: a bound, not a wait.
SETTLE = 120.0
#: How often it is looked whether everything has settled, in seconds.
LOOK = 0.5
#: How the checker begins to say that withdrawn text was sent.
WITHDRAWN = "withdrawn text"


@dataclass
class Replica(Service):
    """A process of the installation, and what can happen to one."""

    said_before: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called here."""
        assert self.data is not None
        return self.data.name

    @property
    def address(self) -> str:
        """Where it serves."""
        return self.ingest if self.command == "ingest" else self.syndicate

    @property
    def up(self) -> bool:
        """Whether its process is there."""
        return hasattr(self, "process") and self.process.returncode is None

    async def start(self) -> None:
        """Start it; what it said in earlier lives is kept."""
        self.said_before = [*self.said_before, *getattr(self, "said", [])]
        await super().start()

    def errors(self) -> Iterator[str]:
        """What it called an error in any of its lives: nothing here should make it."""
        for line in [*self.said_before, *self.said]:
            if line.get("level") in ("error", "critical"):
                yield f"{self.name}: {line}"

    async def kill(self) -> None:
        """End it at once."""
        await self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay, and it does nothing."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self.send(signal.SIGCONT)


@dataclass
class Installation:
    """Replicas on one log, writers before them and partners behind them."""

    folder: Path
    settings: dict[str, str]
    journal: Journal
    partners: Partners
    session: aiohttp.ClientSession
    clock: Clock
    rng: Random
    blogs: Sequence[str] = BLOGS
    replicas: list[Replica] = field(default_factory=list)
    #: Subscriptions by id, with their URL.
    subscriptions: dict[str, str] = field(default_factory=dict)
    #: And the blogs that each wants; none: all.
    wanted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether several brokers have each record: it is accepted later than it was written.
    copied: bool = False
    newsrooms: list[Newsroom] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.load = Load(self.blogs, self._ingests, self.token, self.rng, self.clock, self.session)
        self._writing: asyncio.Task[None] | None = None

    @property
    def token(self) -> str:
        """The admin's."""
        return self.settings["SLUGLINE_ADMIN_TOKEN"]

    def _ingests(self) -> list[str]:
        return [replica.ingest for replica in self.replicas if replica.command != "syndicate"]

    # --- processes --------------------------------------------------------------------------------

    async def start(self, command: str, through: Way | None = None) -> Replica:
        """One replica more; *through* is its way to the broker. Returns once it serves."""
        more = dict(self.settings)
        if through:
            more["SLUGLINE_LOG_URL"] = f"kafka://{through.address}"
        replica = Replica(self.folder / f"{command}-{len(self.replicas)}", command, more)
        await replica.start()
        self.replicas.append(replica)
        return replica

    async def start_all(self, **numbers: int) -> list[Replica]:
        """So many replicas of each command, at once: `ingest=2, syndicate=2`."""
        commands = [command for command, number in numbers.items() for _ in range(number)]
        made = [
            Replica(self.folder / f"{command}-{number}", command, dict(self.settings))
            for number, command in enumerate(commands, len(self.replicas))
        ]
        self.replicas += made
        await asyncio.gather(*(replica.start() for replica in made))
        return made

    def syndicates(self) -> list[Replica]:
        """The replicas of syndicate that are there."""
        return [r for r in self.replicas if r.up and r.command != "ingest"]

    async def metric(self, replica: Replica, name: str) -> float:
        """The sum of a metric of *replica*, over its labels."""
        async with self.session.get(replica.address + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        values = [
            line.rpartition(" ")[2] for line in lines if line.startswith((name + " ", name + "{"))
        ]
        return sum(map(float, values))

    async def owning(self, replica: Replica, partitions: Callable[[float], bool]) -> None:
        """Wait until *replica* owns as many partitions of the cursors as *partitions* wants."""
        async with asyncio.timeout(SETTLE):
            while not partitions(await self.metric(replica, "slugline_owned_partitions")):
                await self.clock.sleep(LOOK / 5)

    async def end(self) -> None:
        """End every process, and the load."""
        if self._writing:
            self._writing.cancel()
        for replica in self.replicas:
            if replica.up:
                await replica.kill()

    # --- subscriptions and writes -----------------------------------------------------------------

    async def subscribe(self, temper: Temper, *blogs: str, start: str = "earliest") -> str:
        """A partner of this *temper*, subscribed to *blogs* (none: all); its subscription's id."""
        return await self.subscribe_url(self.partners.add(temper), *blogs, start=start)

    async def subscribe_url(self, url: str, *blogs: str, start: str = "earliest") -> str:
        """Whoever is at *url*, subscribed to *blogs* (none: all); the subscription's id."""
        wanted = {"url": url, "blogs": blogs or ("*",), "start": start}
        made = await self.ask("POST", self.syndicates()[0], "/v1/subscriptions", wanted)
        self.subscriptions[made["id"]], self.wanted[made["id"]] = url, blogs
        return str(made["id"])

    async def subscribe_all(self, seconds: float, number: int = 6) -> None:
        """Partners of every temper, which answer well after so many *seconds*."""
        for each in range(number):
            blogs = () if each % 2 else self.rng.sample(self.blogs, 2)
            temper = a_temper(each, self.rng, self.clock, seconds)
            await self.subscribe(temper, *blogs)

    async def poll(self, newsroom: Newsroom, blog: str, interval: float = 1.0) -> None:
        """Have *blog* read from its page in *newsroom*, every so many seconds."""
        source = {"url": newsroom.open(blog), "interval": interval}
        self.newsrooms.append(newsroom)
        ingest = next(r for r in self.replicas if r.up and r.command != "syndicate")
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{ingest.ingest}/v1/blogs/{blog}/sources/main"
        async with self.session.put(url, json=source, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def ask(self, method: str, replica: Replica, path: str, body: object = None) -> Any:
        """What *replica* answers its admin; asked again while it has no log."""
        headers = {"Authorization": f"Bearer {self.token}"}
        while True:
            async with self.session.request(
                method, replica.address + path, json=body, headers=headers
            ) as answer:
                text = await answer.read()
            if answer.status != 503:
                assert answer.status < 300, f"{method} {path}: {answer.status} {text.decode()}"
                return orjson.loads(text) if text else None
            await self.clock.sleep(LOOK)

    def write(self, rate: float) -> None:
        """Let the writers begin: about *rate* writes a second."""
        self._writing = asyncio.create_task(self.load.run(rate))

    async def stop_writing(self) -> None:
        """Let the writers end, each with a write that was accepted."""
        self.load.stop()
        if self._writing:
            await self._writing
            self._writing = None

    # --- the verdict ------------------------------------------------------------------------------

    async def settled(self, within: float = SETTLE) -> list[str]:
        """What breaks a guarantee once all is calm: the writers end, partners answer, time passes.

        Returns as soon as nothing is wrong, and what is wrong after *within* seconds.
        """
        await self.calm_down()
        end = self.clock.monotonic() + within
        calm = 0
        while True:
            found = await self.faults() + [each async for each in self.left_undone()]
            calm = 0 if found else calm + 1
            # Twice: what is wrongly sent may still be on its way.
            if calm == 2 or self.clock.monotonic() > end:
                return found
            await self.clock.sleep(LOOK)

    async def calm_down(self) -> None:
        """The writers end, partners answer, and nobody waits for an endpoint any more."""
        await self.stop_writing()
        self.partners.calm_down()
        for name in self.subscriptions:
            path = f"/v1/subscriptions/{name}/resume"
            await self.ask("POST", self.syndicates()[0], path, {"mode": "continue"})

    async def faults(self) -> list[str]:
        """What is wrong now; what is still on its way is."""
        await self.journal.complete()
        records, arrivals = self.journal.records, list(self.partners.arrivals)
        checker = Checker(records)
        found = list(self.load.faults(checker.events))
        for newsroom in self.newsrooms:
            found += newsroom.faults(checker.events)
        for name in self.subscriptions:
            found += checker.faults(name, arrivals)
        if self.copied:
            found = [fault for fault in found if not fault.startswith(WITHDRAWN)]
            found += self._sent_though_withdrawn(arrivals)
        return found + [fault async for fault in self.feeds_differ()]

    def _sent_though_withdrawn(self, arrivals: list[Arrival]) -> Iterator[str]:
        """Withdrawals count from when they were accepted, which is not later than they were read."""
        checker = Checker(self.journal.as_read)
        for name in self.subscriptions:
            found = checker.faults(name, arrivals)
            yield from (fault for fault in found if fault.startswith(WITHDRAWN))

    async def left_undone(self) -> AsyncIterator[str]:
        """Partitions of the cursors that nobody works on, yet."""
        name = "slugline_owned_partitions"
        owned = sum([await self.metric(replica, name) for replica in self.syndicates()])
        if owned != DEFAULT_PARTITIONS:
            yield f"{owned:.0f} of {DEFAULT_PARTITIONS} partitions are owned"

    async def feeds_differ(self) -> AsyncIterator[str]:
        """Feeds that replicas do not serve with the same bytes and ETag, yet."""
        for blog in self.blogs:
            for feed in FEEDS:
                path = f"/blogs/{blog}/{feed}"
                shown = [await self._shown(replica, path) for replica in self.syndicates()]
                if len(set(shown)) > 1:
                    yield f"{path} differs: {[(etag, len(body)) for etag, body in shown]}"

    async def _shown(self, replica: Replica, path: str) -> tuple[str, bytes]:
        async with self.session.get(replica.syndicate + path) as answer:
            return f"{answer.status} {answer.headers.get('ETag')}", await answer.read()


def secrets_of(log_url: str) -> dict[str, str]:
    """Settings of a fresh installation on *log_url*."""
    return {
        "SLUGLINE_LOG_URL": log_url,
        "SLUGLINE_ADMIN_TOKEN": token_hex(8),
        "SLUGLINE_SECRET_KEY": Fernet.generate_key().decode(),
        "SLUGLINE_PUBLIC_URL": "https://live.example",
    }


@asynccontextmanager
async def installation_on(
    servers: str, folder: Path, seed: int, blogs: Sequence[str] = BLOGS
) -> AsyncIterator[Installation]:
    """An installation without processes yet, on a fresh log of the Kafka at *servers*."""
    settings = secrets_of(f"kafka://{servers}")
    settings["SLUGLINE_KAFKA_PREFIX"] = prefix = f"faults-{token_hex(4)}."
    code, _, err = await slugline("topics", "ensure", **settings)
    assert code == 0, err
    clock = SystemClock()
    async with open_kafka_log(servers, clock, prefix=prefix) as log:
        journal = Journal(log, clock)
        async with installed(folder, settings, journal, seed, blogs) as installation:
            yield installation


@asynccontextmanager
async def installed(
    folder: Path, settings: Mapping[str, str], journal: Journal, seed: int, blogs: Sequence[str]
) -> AsyncIterator[Installation]:
    """An installation with these *settings*, whose log *journal* reads."""
    async with partners() as them, aiohttp.ClientSession() as session:
        reading = asyncio.create_task(journal.run())
        made = Installation(
            folder,
            dict(settings),
            journal,
            them,
            session,
            SystemClock(),
            Random(seed),
            blogs,
        )
        try:
            yield made
        finally:
            await made.end()
            reading.cancel()
            await asyncio.wait({reading})


def said(replicas: Sequence[Replica], event: str) -> Iterator[dict[str, Any]]:
    """The lines of *event* that *replicas* wrote to their logs."""
    return (line for replica in replicas for line in replica.said if line["event"] == event)
