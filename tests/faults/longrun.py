"""A long run on a real Kafka: 20 events a second, 200 subscriptions, and faults at random.

`python -m tests.faults.longrun [--minutes 30] [--seed 1] [--kafka HOST:PORT] [--out FOLDER]`

Replicas of ingest and syndicate are killed, stopped, frozen and cut off from the broker, and the
broker is killed, frozen and restarted, as the seed has it; with --kafka the broker is somebody
else's, and is left alone. The checker of the simulation judges every request at the end. What the
processes hold on to is drawn in `longrun.svg`, and all numbers are in `longrun.json`. Ends with 1
where a guarantee broke or something grew that should not, with 2 where there is no Kafka.
"""

import asyncio
import gc
import pickle
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import click
import orjson
import pytest
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from slugline.clock import SystemClock
from tests.faults.installation import Installation, installation_on
from tests.faults.judge import Judge
from tests.faults.newsroom import Newsroom, newsroom
from tests.faults.picture import Panel, picture
from tests.faults.proxy import Way, way_through
from tests.faults.receiving import Receiving, receiving
from tests.faults.sampling import Samples, growth, together
from tests.faults.schedule import Schedule
from tests.kafka.broker import Cluster, start_cluster

PUSHED = tuple(f"pushed-{number}" for number in range(16))
POLLED = tuple(f"polled-{number}" for number in range(4))
RATE, SUBSCRIPTIONS = 20.0, 200
#: Of the events, those that stand on pages and are polled.
FROM_PAGES = 2.0
INGEST, SYNDICATE = 2, 3
#: How often everything is measured, in seconds.
SAMPLE = 5.0
#: Hanging and failing partners answer well after this share of the run.
ILL = 1 / 3
#: How long what is owed may take to arrive once all is calm, in seconds.
SETTLE = 600.0
#: A shorter run says nothing about growth, in minutes.
TELLING = 5.0
#: Memory and open files count as flat up to these: a share, and so much at least (MB; files).
FLAT = {"memory": (0.15, 15.0), "files": (0.2, 15.0)}

say = Console(highlight=False).print


@dataclass(frozen=True)
class Plan:
    """What is run: all of it is in the report."""

    minutes: float
    seed: int
    rate: float
    subscriptions: int

    @property
    def seconds(self) -> float:
        return self.minutes * 60


@dataclass
class Report:
    """What came of it."""

    plan: Plan
    faults: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)
    happened: list[tuple[float, str]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.faults or self.complaints or self.grown)


class LongRun:
    """One run, from its first process to its verdict."""

    def __init__(
        self,
        plan: Plan,
        installation: Installation,
        cluster: Cluster,
        way: Way | None,
        receivers: Receiving,
    ) -> None:
        self.report = Report(plan)
        self._plan = plan
        self._installation = installation
        self._clock = SystemClock()
        self._rng = Random(plan.seed)
        self._receivers = receivers
        self._way = way
        broker = cluster.brokers[0] if cluster.brokers else None
        self.schedule = Schedule(installation, broker, way, Random(plan.seed), self._clock)
        self._began = self._clock.monotonic()
        #: Every record and every request, pickled, where the checker found something.
        self.evidence = b""

    async def start(self, pages: Newsroom) -> None:
        """Every process, source and subscription."""
        installation = self._installation
        if self._way:
            await installation.start("syndicate", through=self._way)
        await installation.start_all(ingest=INGEST, syndicate=SYNDICATE - bool(self._way))
        for blog in POLLED:
            await installation.poll(pages, blog, 2.0)
        for number in range(self._plan.subscriptions):
            await self._subscribe(number)

    async def _subscribe(self, number: int) -> None:
        """Every tenth wants all blogs and keeps up; the others want two, and are of every temper."""
        if number % 10 == 0:
            await self._installation.subscribe_url(await self._receivers.add(None))
            return
        ill = max(self._plan.seconds * ILL, 6.0)
        url = await self._receivers.add(number, self._rng.randrange(10**9), ill)
        blogs = self._rng.sample([*PUSHED, *POLLED], 2)
        await self._installation.subscribe_url(url, *blogs)

    async def live(self, pages: Newsroom, folder: Path | None) -> None:
        """Write, break and measure for as long as planned."""
        self._began = self._clock.monotonic()
        self._installation.write(self._plan.rate - FROM_PAGES)
        pages_change = asyncio.create_task(self._change(pages))
        breaking = asyncio.create_task(self.schedule.run())
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        ) as progress:
            bar = progress.add_task("running", total=self._plan.seconds, said="")
            while (at := self._clock.monotonic() - self._began) < self._plan.seconds:
                await self._look(at, folder)
                progress.update(bar, completed=at, said=self._said())
                await self._clock.sleep(SAMPLE - (self._clock.monotonic() - self._began - at))
            progress.update(bar, completed=self._plan.seconds)
        self.schedule.end()
        await breaking
        pages_change.cancel()

    def _said(self) -> str:
        last = self.schedule.happened[-1].what if self.schedule.happened else "no fault yet"
        return f"{self._receivers.taken:,} taken, {last}"

    async def _change(self, pages: Newsroom) -> None:
        while True:
            await self._clock.sleep(self._rng.expovariate(FROM_PAGES))
            blog = self._rng.choice(POLLED)
            if pages.entries(blog) and self._rng.random() < 0.3:
                pages.correct(blog)
            else:
                pages.post(blog)

    async def _look(self, at: float, folder: Path | None) -> None:
        samples, installation = self.report.samples, self._installation
        for replica in installation.replicas:
            assert replica.data is not None
            if replica.up:
                samples.look_at_process(at, replica.name, replica.process.pid)
            samples.look_at_view(at, replica.name, replica.data)
        if folder:
            prefix = installation.settings["SLUGLINE_KAFKA_PREFIX"]
            samples.look_at_topics(at, folder, prefix)
        gc.freeze()  # what was written down stays: the collector need not look at it again

    # --- the verdict --------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until everything that is owed has arrived."""
        say("calm: writers end, partners answer, what is owed arrives")
        self._receivers.calm_down()
        await self._installation.calm_down()
        end = self._clock.monotonic() + SETTLE
        quiet = 0
        while quiet < 3 and self._clock.monotonic() < end:
            await self._clock.sleep(3.0)
            owed = [
                await self._owed(replica.syndicate) for replica in self._installation.syndicates()
            ]
            undone = [each async for each in self._installation.left_undone()]
            quiet = 0 if undone or any(owed) else quiet + 1

    async def _owed(self, address: str) -> bool:
        """Whether a replica still has something to deliver; it counts every five seconds."""
        async with self._installation.session.get(f"{address}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        (age,) = (x for x in lines if x.startswith("slugline_oldest_undelivered_seconds "))
        return float(age.split()[1]) > 0

    async def judge(self, pages: Newsroom) -> None:
        """Ask the checker about every subscription, and everything else about everything else."""
        installation, report = self._installation, self.report
        await installation.journal.complete()
        late = await self._receivers.complete()
        judge = Judge(installation.journal.records, self._receivers.arrivals)
        events = judge.events
        report.faults += installation.load.faults(events)
        report.faults += pages.faults(events)
        with Progress(console=Console()) as progress:
            for name in progress.track(list(installation.subscriptions), description="judging"):
                url, blogs = installation.subscriptions[name], installation.wanted[name]
                report.faults += judge.faults(name, url, blogs)
        report.faults += [fault async for fault in installation.feeds_differ()]
        report.complaints += self.schedule.complaints
        for replica in installation.replicas:
            report.complaints += replica.errors()
        report.grown += self._grown()
        report.happened = [(fault.at, fault.what) for fault in self.schedule.happened]
        if report.faults:
            evidence = (installation.journal.records, self._receivers.arrivals)
            self.evidence = pickle.dumps(evidence)
        report.facts = {
            "receivers late": round(late, 3),
            "events": len(events),
            "requests": len(self._receivers.arrivals),
            "taken": self._receivers.taken,
            "taken again": judge.duplicates(),
            "writes": len(installation.load.writes),
            "writes repeated": installation.load.repeated,
            "records": len(installation.journal.records),
        }

    def _grown(self) -> Iterator[str]:
        """What was not flat once everything had warmed up; of a short run nothing can be said."""
        if self._plan.minutes < TELLING:
            return
        samples = self.report.samples
        for kind, series in (("memory", samples.memory), ("files", together(samples.files))):
            share, least = FLAT[kind]
            for name, each in series.items():
                more = growth(each, self._plan.seconds)
                typical = each.typical(0, self._plan.seconds) or 0.0
                if more is not None and more > share and more * typical > least:
                    yield f"{kind} of {name} grew by {more:.0%} after warm-up"


def shown(report: Report, out: Path) -> None:
    """Write the picture and the numbers into *out*, and say the verdict."""
    out.mkdir(parents=True, exist_ok=True)
    samples = report.samples
    panels = [
        Panel(title, {name: series.points for name, series in kind.items()})
        for title, kind in (
            ("Memory of each process (RSS, MB)", samples.memory),
            ("Open files and sockets of each process", samples.files),
            ("Views on disk (MB): they hold every entry", samples.views),
            ("Topics on the broker's disk (MB)", samples.topics),
        )
        if kind
    ]
    title = f"{report.plan.minutes:g} minutes, seed {report.plan.seed}; red lines are faults"
    (out / "longrun.svg").write_text(picture(panels, report.happened, title))
    (out / "longrun.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    for name, value in report.facts.items():
        say(f"  {name:<16} {value:>12,}")
    say(f"  {'faults':<16} {len(report.happened):>12,}")
    for heading, lines in (
        ("A guarantee broke", report.faults),
        ("This must not happen", report.complaints),
        ("This is not flat", report.grown),
    ):
        for line in lines[:20]:
            say(f"{heading}: {line}", markup=False)
        if len(lines) > 20:
            say(f"{heading}: {len(lines) - 20} more in longrun.json")
    say(f"{'Every guarantee was kept.' if report.good else 'It failed.'} See {out}/longrun.svg")


@asynccontextmanager
async def _way(cluster: Cluster) -> AsyncIterator[Way | None]:
    if not cluster.doors:
        yield None
        return
    async with way_through(cluster.doors[0]) as way:
        yield way


async def run(plan: Plan, cluster: Cluster, receivers: Receiving, folder: Path, out: Path) -> bool:
    """Run it; whether everything was as promised."""
    blogs = PUSHED
    async with (
        installation_on(cluster.servers, folder, plan.seed, blogs) as installation,
        _way(cluster) as way,
        newsroom() as pages,
    ):
        this = LongRun(plan, installation, cluster, way, receivers)
        say(f"starting {INGEST} ingest, {SYNDICATE} syndicate, {plan.subscriptions} subscriptions")
        await this.start(pages)
        data = folder / "kafka" / "1" / "data"
        await this.live(pages, data if cluster.brokers and data.exists() else None)
        await this.settle()
        await this.judge(pages)
        shown(this.report, out)
        if this.evidence:
            (out / "evidence.pickle").write_bytes(this.evidence)
        return this.report.good


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.5), default=30.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--rate", type=click.FloatRange(min=3.0), default=RATE, help="Events per second.")
@click.option("--subscriptions", type=click.IntRange(min=1), default=SUBSCRIPTIONS)
@click.option("--kafka", default="", help="HOST:PORT of a broker, which is left alone.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/longrun"))
def main(minutes: float, seed: int, rate: float, subscriptions: int, kafka: str, out: Path) -> None:
    """A long run with faults at random, on a real Kafka."""
    plan = Plan(minutes, seed, rate, subscriptions)
    with tempfile.TemporaryDirectory(prefix="slugline-longrun-") as temporary:
        folder = Path(temporary)
        try:
            cluster = Cluster(kafka) if kafka else start_cluster(folder / "kafka", doors=1)
        except (pytest.skip.Exception, pytest.fail.Exception) as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        try:
            with (
                receiving() as receivers,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                good = runner.run(run(plan, cluster, receivers, folder, out))
        finally:
            cluster.stop()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
