"""A world: replicas, writers, receivers and faults, all from one seed."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from slugline.blog import BlogId
from slugline.entry import Entry, EntryId
from slugline.errors import LogError, OutcomeUnknownError
from slugline.topics import ATTEMPTS, CURSORS, DEAD_LETTERS, ENTRIES, SUBSCRIPTIONS, provision
from slugline.web.problems import Problem
from slugline_ingest.plan import Plan
from slugline_ingest.writer import Written
from slugline_syndicate.deliveries.signing import new_secret
from slugline_syndicate.deliveries.subscription import Filter, Subscription, encode_subscription
from slugline_syndicate.subscriptions.models import NewSubscription, SubscriptionChange
from tests.builders import a_blog
from tests.simulation import receivers as tempers
from tests.simulation.broker import CLAIMS, SESSION, Broker, Client
from tests.simulation.judgement import Call, Evidence, Write, judge
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import WORLD, VirtualClock, VirtualLoop
from tests.simulation.owning import FLUSHED, Disturbance
from tests.simulation.reading import Readers
from tests.simulation.receivers import Receivers
from tests.simulation.replica import PARTITIONS, URL, Ingest, Replica, Syndicate
from tests.simulation.script import Happening, Shape, script_of

__all__ = ["BLOGS", "PARTITIONS", "URL", "Replica", "Shape", "World"]

T = TypeVar("T")

#: Two of them share a partition.
BLOGS = ("storm", "vote", "final", "trial")
#: With those that only a busy hour has: they are in more partitions than a subscription is sent at once.
ALL_BLOGS = (*BLOGS, "strike", "match", "launch", "derby")

#: Long enough for every wait of the failure rules to end, in seconds.
CALM = 3 * 3600.0
#: After so long without faults, whoever always answered has everything, in seconds.
QUIET = 60.0
#: How long a caller of the API waits for an answer, in seconds.
CALL = 25.0
HOUR, DAY = 3600.0, 86_400.0
#: What faults wait for: somebody who writes to one of these; and how long they do, in seconds.
WRITTEN = (ENTRIES, SUBSCRIPTIONS, CURSORS, ATTEMPTS, DEAD_LETTERS, DEAD_LETTERS, CLAIMS, CLAIMS)
PATIENCE = 30.0


class GaveUpError(Exception):
    """A process did not answer its caller in time; what was asked may be done all the same."""


@dataclass
class Slot:
    """A place for a process: what kind it is, and where its view is kept from one life to the next."""

    kind: type[Replica]
    number: int
    lives: int = 0
    replica: Replica | None = None
    #: Somebody works on it: no second fault at the same time.
    taken: bool = False


class World:
    """Everything, and the dice."""

    def __init__(
        self,
        seed: int,
        shape: Shape,
        loop: VirtualLoop,
        script: Sequence[Happening] | None = None,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.shape = shape
        self.loop = loop
        self.script = script_of(seed, shape) if script is None else script
        self.clock: VirtualClock = VirtualClock(loop)
        self.broker = Broker(self.clock, self.rng)
        self.receivers = Receivers(self.clock, self.rng)
        self.readers = Readers(seed, ALL_BLOGS)
        self.subscriptions: list[Subscription] = []
        #: What was raised and looked at by nobody.
        self.unhandled: list[str] = []
        self.writes: list[Write] = []
        self.calls: list[Call] = []
        #: What befell processes, and may explain what was sent twice.
        self.disturbances: list[Disturbance] = []
        self._slots: list[Slot] = []
        self._doing: set[asyncio.Task[None]] = set()
        #: What the newsroom has: the text of each entry, None where it was withdrawn.
        self._texts: dict[tuple[str, str], str | None] = {}
        self._editing: dict[tuple[str, str], asyncio.Lock] = {}
        self._partners: dict[str, asyncio.Lock] = {}
        self._named = 0
        self._revisions = 0
        self._folder = TemporaryDirectory(prefix="slugline-world-", dir=_memory())
        loop.set_exception_handler(self._note_unhandled)

    @property
    def replicas(self) -> list[Replica]:
        """The processes that are alive."""
        return [slot.replica for slot in self._slots if slot.replica]

    async def live(self) -> None:
        """From the first record to long after the last fault."""
        await self._provision()
        self.broker.faults = replace(self.shape.faults)
        for kind, count in self._kinds():
            for number in range(count):
                self._slots.append(Slot(kind, number))
                self._start(self._slots[-1])
        await self._subscribe()
        if self.broker.faults.late_landing or self.broker.faults.lost_acknowledgement:
            self.disturbances.append(Disturbance("*", 0.0, float("inf")))
        for happening in self.script:
            await self.clock.sleep(happening.after)
            await self._happen(happening)
            self.readers.ask(self.replicas, self.clock.monotonic())
        await self._calm_down()
        self.verdict = self._judge()
        for replica in self.replicas:
            await replica.stop()

    def close(self) -> None:
        """Give back what its processes' views took; worker processes end without doing it."""
        for replica in self.replicas:
            replica.view.close()
        self._folder.cleanup()

    def faults(self) -> list[str]:
        """What went wrong, in words; none in a world that keeps its promises."""
        return self.unhandled + self.verdict

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

    def skew(self) -> float:
        """How wrong the clock of the next process is, in seconds."""
        return self.rng.uniform(-self.shape.skew, self.shape.skew)

    def _note_unhandled(self, _: object, context: dict[str, Any]) -> None:
        if "exception" in context:  # a killed process's tasks just vanish
            self.unhandled.append(f"{context['message']}: {context['exception']!r}")

    def _judge(self) -> list[str]:
        return judge(self._evidence())

    def _evidence(self) -> Evidence:
        return Evidence(
            seed=self.seed,
            shape=self.shape,
            broker=self.broker,
            arrivals=self.receivers.arrivals,
            readers=self.readers,
            replicas=self.replicas,
            writes=self.writes,
            calls=self.calls,
            disturbances=self.disturbances,
        )

    # --- processes ------------------------------------------------------------------------------------

    def _kinds(self) -> list[tuple[type[Replica], int]]:
        if not self.shape.ingests:
            return [(Replica, self.shape.replicas)]
        return [(Ingest, self.shape.ingests), (Syndicate, self.shape.replicas)]

    async def _provision(self) -> None:
        """Two processes find an empty log and make the topics, at the same time."""
        clocks = [VirtualClock(self.loop, self.clock.offset) for _ in range(2)]
        clocks[1].offset -= timedelta(milliseconds=self.rng.uniform(1, 500))
        logs = [SimulatedLog(self.broker) for _ in clocks]
        await asyncio.gather(*map(provision, logs, clocks, [PARTITIONS, PARTITIONS]))

    def _start(self, slot: Slot, *, with_view: bool = True) -> None:
        path = Path(self._folder.name) / f"{slot.kind.__name__}-{slot.number}.db"
        if not with_view:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        slot.lives += 1
        name = f"{slot.kind.__name__.lower()}-{slot.number}.{slot.lives}"
        slot.replica = slot.kind(name, self, path)
        self.readers.ask([slot.replica], self.clock.monotonic())

    def _start_replica(self) -> None:
        """One process more, whose view nobody keeps."""
        slot = Slot(Replica, len(self._slots), 1)
        slot.replica = Replica(f"replica-{slot.number}", self)
        self._slots.append(slot)

    def _some_slot(self, rng: Random) -> Slot | None:
        free = [slot for slot in self._slots if slot.replica and not slot.taken]
        return rng.choice(free) if free else None

    async def _kill(self, rng: Random) -> None:
        killed: list[Slot] = []

        def strike(client: Client | None) -> None:
            slot = self._some_slot(rng) if client is None else self._slot_of(client)
            if slot is None:
                return
            killed.append(slot)
            if rng.random() < 0.5:
                self._kill_in(slot)
            else:  # what it writes is taken, and not acknowledged
                slot.taken = True
                self.loop.call_soon(self._kill_in, slot, context=WORLD)

        await self._strike(rng, strike)
        for slot in killed:
            await self.clock.sleep(rng.uniform(0.001, 1.5 * SESSION))
            self._start(slot, with_view=rng.random() < 0.6)
            slot.taken = False

    async def _strike(self, rng: Random, strike: Callable[[Client | None], None]) -> None:
        """Call *strike* now; or at the moment when somebody writes something, with who it is."""
        if rng.random() < 0.4:
            strike(None)
        else:
            await self._at_a_write(rng.choice(WRITTEN), strike)

    async def _at_a_write(self, kind: str, strike: Callable[[Client], None]) -> None:
        """Call *strike* at the moment when somebody writes something of a *kind*, if anybody does."""
        met = asyncio.Event()

        def spring(client: Client) -> None:
            strike(client)
            met.set()

        if self.broker.ambushes.setdefault(kind, spring) is spring:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await met.wait()
            if self.broker.ambushes.get(kind) is spring:
                del self.broker.ambushes[kind]

    def _slot_of(self, client: Client) -> Slot | None:
        found = (s for s in self._slots if s.replica and s.replica.log is client and not s.taken)
        return next(found, None)

    def _kill_in(self, slot: Slot) -> None:
        replica, slot.replica = slot.replica, None
        assert replica
        self._disturbed(replica.name, self.clock.monotonic())
        replica.kill()

    def _disturbed(self, name: str, start: float, **what: bool) -> None:
        self.disturbances.append(Disturbance(name, start, self.clock.monotonic(), **what))

    async def _stop(self, rng: Random) -> None:
        slot = self._some_slot(rng)
        if slot and slot.replica:
            await self._restart(slot, rng)

    async def _restart(self, slot: Slot, rng: Random) -> None:
        await self._stop_in(slot)
        self._start(slot, with_view=rng.random() < 0.6)

    async def _stop_in(self, slot: Slot) -> None:
        replica, slot.replica = slot.replica, None
        assert replica
        unable = self.broker.away or self.broker.stalled
        await replica.stop()
        if unable or self.broker.away or self.broker.stalled:  # to write down how far it got
            self._disturbed(replica.name, self.clock.monotonic())
        now = self.clock.monotonic()
        self.disturbances.append(Disturbance(replica.name, now, now, orderly=True))
        replica.view.close()

    async def _freeze(self, rng: Random) -> None:
        await rng.choice([self._freeze_anywhere, self._freeze_asking, self._freeze_claiming])(rng)

    async def _freeze_anywhere(self, rng: Random) -> None:
        """At any moment; or at a write, whose answer waits for the process then."""
        frozen: list[Slot] = []

        def strike(client: Client | None) -> None:
            slot = self._some_slot(rng) if client is None else self._slot_of(client)
            if slot:
                self._freeze_now(slot)
                frozen.append(slot)

        await self._strike(rng, strike)
        for slot in frozen:
            severed = rng.random() < 0.3
            await self._thaw(slot, rng, _some_time(rng), severed, rng.random() < 0.5)

    async def _freeze_asking(self, rng: Random) -> None:
        """While an answer is under way, and without the log from then on: the answer is an old one."""
        slot = self._some_slot(rng)
        if slot is None or slot.replica is None:
            return
        slot.taken = True
        for _ in range(3000):
            if slot.replica.log.asking:
                break
            await self.clock.sleep(0.001)
        self._freeze_now(slot)
        await self._thaw(slot, rng, _some_time(rng), severed=True, timers_first=False)

    async def _freeze_claiming(self, rng: Random) -> None:
        """With a claim that is written and not read: meanwhile another becomes the owner."""
        frozen: list[Slot] = []

        def strike(client: Client) -> None:
            slot = self._slot_of(client)
            if slot:
                slot.taken = True
                frozen.append(slot)
                self.loop.call_soon(self._freeze_now, slot, context=WORLD)

        await self._at_a_write(CLAIMS, strike)
        for slot in frozen:
            long = rng.uniform(SESSION + 2, 4 * SESSION)
            await self._thaw(slot, rng, long, severed=False, timers_first=False)

    def _freeze_now(self, slot: Slot) -> None:
        assert slot.replica
        slot.taken = True
        slot.replica.freeze()

    async def _thaw(
        self, slot: Slot, rng: Random, after: float, severed: bool, timers_first: bool
    ) -> None:
        """*after* so many seconds let it go on, and a while later with the log, where it was *severed*."""
        assert slot.replica
        start, log = self.clock.monotonic(), slot.replica.log
        await self.clock.sleep(0.2)  # what was answered already lies in its socket
        log.cut(severed)
        await self.clock.sleep(after)
        slot.replica.thaw(timers_first=timers_first)
        if severed:
            await self.clock.sleep(rng.uniform(0.5, 12))
            log.cut(False)
        self._disturbed(slot.replica.name, start, severed=severed, frozen=True)
        slot.taken = False

    async def _cut(self, rng: Random) -> None:
        slot = self._some_slot(rng)
        if slot and slot.replica:
            slot.taken, start = True, self.clock.monotonic()
            slot.replica.log.cut(True)
            await self.clock.sleep(_some_time(rng))
            slot.replica.log.cut(False)
            self._disturbed(slot.replica.name, start, severed=True)
            slot.taken = False

    async def _lag(self, rng: Random) -> None:
        """A process reads slowly: what it shows, and what it works by, is behind."""
        slot = self._some_slot(rng)
        if slot and slot.replica:
            slot.taken, start = True, self.clock.monotonic()
            slot.replica.log.lag = rng.choice([0.2, 1.0, 4.0])
            await self.clock.sleep(rng.uniform(5, 20))
            slot.replica.log.lag = 0.0
            self._disturbed(slot.replica.name, start)
            slot.taken = False

    async def _stray(self, rng: Random) -> None:
        """A cursor lands late, and its partition may be another's by then."""
        struck: list[Slot] = []

        def strike(client: Client) -> None:
            slot = self._slot_of(client)
            if slot and slot.replica:
                slot.replica.log.strays = True
                struck.append(slot)

        await self._at_a_write(CURSORS, strike)
        for slot in struck:
            if rng.random() < 0.5 or not slot.replica or slot.taken:
                await self.broker.disturb()
            else:
                await self._restart(slot, rng)

    async def _set_clock(self, rng: Random) -> None:
        slot = self._some_slot(rng)
        if slot and slot.replica:
            step = rng.uniform(-self.shape.skew, self.shape.skew)
            slot.replica.clock.offset += timedelta(seconds=step)

    # --- the broker -----------------------------------------------------------------------------------

    async def _outage(self, rng: Random) -> None:
        began: list[float] = []
        kind = rng.choice(["away", "hangs", "stalls"])

        def strike(_: Client | None) -> None:
            if not (self.broker.away or self.broker.stalled):
                began.append(self.clock.monotonic())
                self.broker.stalled = kind == "stalls"
                self.broker.away = kind != "stalls"
                self.broker.hangs = kind == "hangs"

        await self._strike(rng, strike)
        if not began:
            return
        if kind == "stalls":
            await self.clock.sleep(rng.uniform(1, 13))
            self.broker.stall(False)
        else:
            await self.clock.sleep(rng.choice([rng.uniform(0.1, 8), rng.uniform(8, 40)]))
            self.broker.away = False
        self._disturbed("*", began[0], severed=kind != "stalls")

    async def _disturb(self, _: Random) -> None:
        await self.broker.disturb()

    async def _compact(self, _: Random) -> None:
        self.broker.compact()

    async def _night(self, rng: Random) -> None:
        """Everything is stopped for hours or days; some come back with their views, some without."""
        await self._finish()
        sleeping = [slot for slot in self._slots if slot.replica]
        for slot in sleeping:
            if rng.random() < 0.5:
                await self._stop_in(slot)
            else:
                self._kill_in(slot)
        await self.clock.sleep(rng.choice([2 * HOUR, 30 * HOUR, 3 * DAY, 8 * DAY, 12 * DAY]))
        self.broker.compact()
        if rng.random() < 0.5:  # one comes much later than the others, and with an old view
            late = rng.choice(sleeping)
            sleeping.remove(late)
            late.taken = True
            self._do(self._come_late(late, rng.uniform(0, 60)))
        for slot in sleeping:
            self._start(slot, with_view=rng.random() < 0.7)

    async def _come_late(self, slot: Slot, after: float) -> None:
        await self.clock.sleep(after)
        self.broker.compact()
        self._start(slot)
        slot.taken = False

    # --- what happens ---------------------------------------------------------------------------------

    async def _happen(self, happening: Happening) -> None:
        what = getattr(self, f"_{happening.kind}")(Random(happening.dice))
        if happening.kind == "night":
            await what
        else:
            self._do(what)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(what)
        self._doing.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._doing.discard(task)
        error = task.exception()
        if error is not None:
            self.unhandled.append(f"the world itself: {error!r}")

    async def _finish(self) -> None:
        while self._doing:
            await asyncio.wait(self._doing)

    async def _asked(
        self, kind: type[Replica], rng: Random, what: Callable[[Replica], Coroutine[Any, Any, T]]
    ) -> T:
        """Call a process as a load balancer does: any of its kind, for a bounded time."""
        while not (able := [r for r in self.replicas if type(r) in (kind, Replica)]):
            await self.clock.sleep(1.0)
        replica = rng.choice(able)
        task = replica.spawn(what(replica))
        if not (await asyncio.wait({task}, timeout=CALL))[0]:
            task.cancel()
            raise GaveUpError
        result: T = task.result()
        return result

    # --- the newsroom ---------------------------------------------------------------------------------

    async def _burst(self, rng: Random, edits: int = 30) -> None:
        blogs = rng.choice([BLOGS, ALL_BLOGS])
        await asyncio.gather(*(self._write(Random(rng.random()), blogs) for _ in range(edits)))

    async def _write(self, rng: Random, blogs: Sequence[str] = BLOGS) -> None:
        """One edit: tried again until it is acknowledged, as a newsroom's system does."""
        blog = rng.choice(blogs)
        known = [e for (b, e), text in self._texts.items() if b == blog and text is not None]
        dice = rng.random()
        entry = rng.choice(known) if known and dice < 0.5 else self._new_entry()
        async with self._editing.setdefault((blog, entry), asyncio.Lock()):
            if self._texts.get((blog, entry), "") is None:  # withdrawn while this one waited
                return
            await self._edit(rng, blog, entry, withdraw=bool(known) and dice < 0.15)

    def _new_entry(self) -> str:
        self._named += 1
        return f"e{self._named - 1}"

    async def _edit(self, rng: Random, blog: str, entry: str, *, withdraw: bool) -> None:
        self._revisions += 1
        text = None if withdraw else f"What is known at revision {self._revisions}."
        is_new = (blog, entry) not in self._texts
        self._texts[blog, entry] = text
        asked, at = self.clock.monotonic(), self.clock.now()
        while True:
            try:
                written = await self._asked(
                    Ingest, rng, partial(_put, blog=blog, entry=entry, text=text, at=at)
                )
            except (LogError, OutcomeUnknownError, GaveUpError):
                await self.clock.sleep(rng.uniform(0.2, 2.0))
                if not is_new and rng.random() < 0.2:  # they think better of it
                    text = self._texts[blog, entry] = None
            else:
                answered = self.clock.monotonic()
                self.writes.append(Write(blog, entry, text, asked, answered, written))
                return

    # --- partners -------------------------------------------------------------------------------------

    async def _change(self, rng: Random) -> None:
        dice = rng.random()
        if dice < 0.15:
            await self._make(rng)
            return
        name = rng.choice(self.subscriptions).id
        async with self._partners.setdefault(name, asyncio.Lock()):
            for _ in range(rng.choice([1, 1, 2, 3])):
                kind, wanted, change = rng.choice(self._changes(name, rng))
                if kind == "narrow":  # what it newly wants arrives at the same time
                    self._do(self._burst(Random(rng.random()), 8))
                await self._called(kind, name, rng, change, wanted)

    def _changes(
        self, name: str, rng: Random
    ) -> list[tuple[str, object, Callable[[Replica], Coroutine[Any, Any, object]]]]:
        url, blogs = self._new_url(rng), self._some_blogs(rng)
        types = rng.choice([[], ["entry.created", "entry.deleted"]])
        narrow = SubscriptionChange(blogs=blogs, types=types)
        wanted = (tuple(blogs), tuple(types))
        return [
            ("pause", None, lambda r: r.service.pause(name)),
            ("resume", None, lambda r: r.service.resume(name, "continue")),
            ("resume", None, lambda r: r.service.resume(name, "continue")),
            ("skip", None, lambda r: r.service.resume(name, "skip")),
            ("test", None, lambda r: r.service.test(name)),
            ("move", url, lambda r: r.service.change(name, SubscriptionChange(url=url), None)),
            ("narrow", wanted, lambda r: r.service.change(name, narrow, None)),
            ("narrow", wanted, lambda r: r.service.change(name, narrow, None)),
            ("delete", None, lambda r: r.service.delete(name, None)),
        ]

    async def _make(self, rng: Random) -> None:
        wanted = NewSubscription(
            url=self._new_url(rng),
            blogs=self._some_blogs(rng),
            start=rng.choice(["now", "now", "earliest"]),
        )
        made = await self._called(f"make {wanted.start}", "", rng, lambda r: r.service.make(wanted))
        if made is not None:
            self.subscriptions.append(made.subscription)

    async def _called(
        self,
        kind: str,
        name: str,
        rng: Random,
        what: Callable[[Replica], Coroutine[Any, Any, T]],
        wanted: object = None,
    ) -> T | None:
        """Ask the API once; None where it did not say that it was done."""
        asked = self.clock.monotonic()
        with suppress(LogError, OutcomeUnknownError, Problem, GaveUpError):
            said = await self._asked(Syndicate, rng, what)
            name = name or said.subscription.id  # type: ignore[attr-defined]
            self.calls.append(Call(kind, name, asked, self.clock.monotonic(), wanted))
            return said
        return None

    def _new_url(self, rng: Random) -> str:
        """A partner that answers, at once or after a while."""
        self._named += 1
        url = f"https://new-{self._named}.example/hook"
        fine = self.shape.fine or rng.random() < 0.5
        slow = tempers.slow(self.clock, rng.uniform(0.1, 3))
        self.receivers.tempers[url] = tempers.fine() if fine else slow
        return url

    def _some_blogs(self, rng: Random) -> list[str]:
        return rng.choice([["*"], sorted(rng.sample(BLOGS, 2))])

    # --- how it begins --------------------------------------------------------------------------------

    async def _subscribe(self) -> None:
        for number in range(self.shape.subscriptions):
            subscription, temper = self._subscription(number)
            self.receivers.tempers[subscription.url] = temper
            self.subscriptions.append(subscription)
            self.broker.append([encode_subscription(subscription)])

    def _subscription(self, number: int) -> tuple[Subscription, tempers.Temper]:
        rng, clock = self.rng, self.clock
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
            tempers.choosy(lambda request: request.body.count(b"1") % 4 == 0),
            tempers.flapping(rng, rng.uniform(0.05, 0.5)),
            tempers.fine(),
            rng.choice(
                [
                    tempers.hanging(clock, rng.uniform(5, self.shape.seconds)),
                    tempers.choosy(lambda _: True),
                    tempers.unavailable(lambda: True),
                ]
            ),
            tempers.late(clock, rng, rng.uniform(0.02, 0.2)),
            tempers.forgetful(rng, rng.uniform(0.02, 0.2)),
            tempers.busy(rng, rng.uniform(0.02, 0.2), rng.choice([60, 900])),
            tempers.leaving(clock, rng, 0.05),
            tempers.redirecting(rng, 0.1),
            tempers.choosy(lambda request: b"revision 1" in request.body),
        ]
        return subscription, tempers.fine() if self.shape.fine else kinds[number % len(kinds)]

    # --- how it ends ----------------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        await self._finish()
        faults = self.broker.faults
        faults.lost_acknowledgement = faults.late_landing = faults.landing_afterwards = 0.0
        never_at_fault = self._always_fine()
        for url in self.receivers.tempers:
            self.receivers.tempers[url] = tempers.fine()
        await self.clock.sleep(QUIET / 2)
        await self._resume_all()
        await self.clock.sleep(QUIET)
        overdue = self._evidence().undelivered(never_at_fault)
        self.unhandled += [f"a minute after all was well: {fault}" for fault in overdue]
        wait, left = QUIET, CALM
        while left > 0 and self._evidence().undelivered():
            await self.clock.sleep(wait)
            await self._resume_all()
            left, wait = left - wait, 2 * wait
        await self.clock.sleep(2 * FLUSHED)

    def _always_fine(self) -> frozenset[str]:
        fine = {tempers.fine().__qualname__}
        return frozenset(u for u, t in self.receivers.tempers.items() if t.__qualname__ in fine)

    async def _resume_all(self) -> None:
        """A world ends with everything going on: what was paused or disabled must still arrive."""
        for replica in [r for r in self.replicas if not isinstance(r, Ingest)][:1]:
            for subscription in replica.views.subscriptions.page("", 1000):
                cursor = replica.views.cursors.get(subscription.id)
                if subscription.paused or (cursor and cursor.health.disabled):
                    await self._resume(subscription.id)

    async def _resume(self, name: str) -> None:
        while True:
            try:
                await self._asked(Syndicate, self.rng, lambda r: r.service.resume(name, "continue"))
            except LogError:
                await self.clock.sleep(1.0)
            except Problem as problem:  # too many orders wait: they go on by themselves
                if problem.status == 404:
                    return
                await self.clock.sleep(5.0)
            else:
                return


def _some_time(rng: Random) -> float:
    """Shorter than a session, or longer, in seconds."""
    return rng.choice([rng.uniform(0.5, 12), rng.uniform(12, 40)])


async def _put(replica: Replica, blog: str, entry: str, text: str | None, at: datetime) -> Written:
    return await replica.writer.write(
        BlogId(blog), lambda plan: _plan(plan, BlogId(blog), EntryId(entry), text, at)
    )


def _plan(plan: Plan, blog_id: BlogId, name: EntryId, text: str | None, at: datetime) -> None:
    plan.put_blog(a_blog(blog_id))
    if text is None:
        plan.withdraw(plan.state.entries[name], "api")
        return
    plan.put_entry(
        Entry(
            blog_id=blog_id,
            id=name,
            title=f"Heading {name}",
            body_text=text,
            body_html=f"<p>{text}</p>",
            published=at,
            updated=at,
        )
    )


def _memory() -> str | None:
    """Where files cost nothing, on machines that have such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
