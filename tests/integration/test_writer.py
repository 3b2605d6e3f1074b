"""The writer against a simulated log: replicas that race, acknowledgements that never come, outages."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from slugline.blog import BlogId
from slugline.entry import EntryId
from slugline.errors import LogUnavailableError, OutcomeUnknownError
from slugline.events import Event, EventType, encode, event_id
from slugline.telemetry import Metrics
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_ingest.plan import Plan
from slugline_ingest.writer import BlogWriter, Written
from tests.builders import a_blog, an_entry, an_event
from tests.builders import withdrawn as a_withdrawn
from tests.simulation.log import Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

T = TypeVar("T")
STORM = BlogId("storm")


class Replica:
    """One process's writer, with a view of its own."""

    def __init__(self, loop: VirtualLoop, path: Path, broker: Broker) -> None:
        clock = VirtualClock(loop)
        self.clock = clock
        self.broker = broker
        self.log = SimulatedLog(broker)
        self.entries = EntriesView()
        self._view = View(path, [self.entries], clock)
        self.tail = Tail(self.log, self._view, clock)
        self.writer = BlogWriter(self.log, self.entries, self.tail, clock, Metrics())
        self._loop = loop
        self._tasks = [loop.create_task(self.tail.run())]

    def also(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* beside it, until it stops."""
        self._tasks.append(self._loop.create_task(work))

    async def put(self, title: str, entry_id: str = "e1") -> Written:
        def planner(plan: Plan) -> None:
            plan.put_blog(a_blog())
            plan.put_entry(an_entry(entry_id, title=title))

        return await self.writer.write(STORM, planner)

    async def withdraw(self, entry_id: str = "e1", by: str = "api") -> Written:
        return await self.writer.write(
            STORM, lambda plan: plan.withdraw(plan.state.entries[EntryId(entry_id)], by)
        )

    async def behind_its_back(self, *events: Event) -> None:
        """Another process writes, at this very moment."""
        self.broker.append([encode(event) for event in events])

    def newest(self, entry_id: str = "e1") -> str:
        row = self.entries.entry("storm", entry_id)
        assert row is not None
        return row.event_id

    def stands(self, entry_id: str = "e1") -> bool:
        row = self.entries.entry("storm", entry_id)
        assert row is not None
        return row.entry.withdrawn is None

    def kinds(self) -> list[str]:
        return [ref.type.value for ref in self.entries.events_between("storm", 0, 2**62)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._view.close()


def with_replicas(
    folder: Path, story: Callable[[Replica, Replica], Awaitable[T]], faults: Faults | None = None
) -> T:
    async def main(loop: VirtualLoop) -> T:
        broker = Broker(VirtualClock(loop), Random(3), faults)
        await provision(SimulatedLog(broker), VirtualClock(loop), 4)
        one, other = (Replica(loop, folder / f"{name}.db", broker) for name in "ab")
        try:
            return await story(one, other)
        finally:
            await one.stop()
            await other.stop()

    return run_virtually(main)


def test_what_was_written_is_in_the_view_at_once(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        did = await one.put("A")

        row = one.entries.entry("storm", "e1")
        assert row is not None
        assert (did.created, did.sequence, row.entry.title) == (("e1",), row.sequence, "A")

    with_replicas(tmp_path, story)


def test_a_write_sees_what_another_replica_wrote_a_moment_before(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        await one.put("B", "e2")
        await one.behind_its_back(an_event(an_entry(title="A")))

        assert (await one.put("A")).unchanged == 1

    with_replicas(tmp_path, story)


def test_the_same_new_entry_from_two_replicas_at_once_is_one_event(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> list[str]:
        await asyncio.gather(one.put("A"), other.put("A"))
        await one.tail.catch_up()
        return one.kinds()

    assert with_replicas(tmp_path, story) == ["blog.updated", "entry.created"]


def test_times_never_go_back_and_each_event_names_the_one_before(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        for title in "ABC":
            await one.put(title)
        refs = one.entries.events_between("storm", 0, 2**62)
        events = [one.entries.event_at(r.partition, r.offset) for r in refs]
        previous = [item.event.previous for item in events if item and item.event]
        assert previous == [None, *(ref.id for ref in refs[:-1])]
        assert [r.time for r in refs] == sorted(r.time for r in refs)

    with_replicas(tmp_path, story)


@pytest.mark.parametrize("lead", [0.0, 0.001, 0.002, 0.003, 0.005, 0.008])
def test_an_update_that_races_a_withdrawal_never_undoes_it(tmp_path: Path, lead: float) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        await other.tail.catch_up()

        def page(plan: Plan) -> None:
            if not plan.state.entries[EntryId("e1")].entry.withdrawn:
                plan.put_entry(an_entry(title="B"))

        async def update() -> Written:
            await one.clock.sleep(lead)
            return await one.writer.write(STORM, page)

        await asyncio.gather(update(), other.withdraw())
        await asyncio.gather(one.tail.catch_up(), other.tail.catch_up())

        assert not one.stands()
        assert not other.stands()

    with_replicas(tmp_path, story, Faults(slowest=0.01))


def test_an_update_over_an_unseen_withdrawal_is_withdrawn_again_and_says_so(
    tmp_path: Path,
) -> None:
    async def story(one: Replica, _: Replica) -> None:
        await one.put("A")
        gone = an_event(a_withdrawn(), after=one.newest())

        def planner(plan: Plan) -> None:
            one.broker.append([encode(gone)])
            plan.put_entry(an_entry(title="B"))

        did = await one.writer.write(STORM, planner)

        assert (did.updated, did.deleted) == ((), ("e1",))
        assert not one.stands()
        assert one.kinds()[1:] == [
            "entry.created",
            "entry.deleted",
            "entry.updated",
            "entry.deleted",
        ]

    with_replicas(tmp_path, story)


def test_a_withdrawal_that_was_undone_by_a_process_that_died_is_mended_by_the_next_write(
    tmp_path: Path,
) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("another", "e2")
        await one.put("A")
        first = one.newest()
        late = an_entry(title="B", revision=2)
        await one.behind_its_back(
            an_event(a_withdrawn(), after=first),
            an_event(late, id=event_id(late, first), type=EventType.ENTRY_UPDATED),
        )

        did = await other.put("another", "e2")

        assert did.unchanged == 1
        assert not other.stands()
        assert other.stands("e2")

    with_replicas(tmp_path, story)


def test_who_saw_the_withdrawal_may_bring_the_entry_back(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        await one.withdraw()
        assert (await other.put("B")).updated == ("e1",)
        await one.put("C", "e2")

        assert one.stands()

    with_replicas(tmp_path, story)


def test_a_source_never_overrules_the_api(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        await one.put("A")
        await one.withdraw(by="api")
        did = await one.withdraw(by="source:page")

        row = one.entries.entry("storm", "e1")
        assert row is not None
        assert row.entry.withdrawn is not None
        assert (did.deleted, row.entry.withdrawn.by) == ((), "api")

    with_replicas(tmp_path, story)


def test_an_unacknowledged_write_repeated_is_one_event(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> list[str]:
        one.broker.faults.lost_acknowledgement = 1.0
        with pytest.raises(OutcomeUnknownError):
            await one.put("A")
        one.broker.faults.lost_acknowledgement = 0.0

        assert (await one.put("A")).unchanged == 1
        return one.kinds()

    assert with_replicas(tmp_path, story) == ["blog.updated", "entry.created"]


def test_a_write_that_lands_late_does_not_undo_a_withdrawal_for_good(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        one.broker.faults.late_landing = 1.0
        with pytest.raises(OutcomeUnknownError):
            await one.put("B")
        one.broker.faults.late_landing = 0.0
        await other.withdraw()
        await one.clock.sleep(30)

        await other.put("another", "e2")

        assert not other.stands()

    with_replicas(tmp_path, story)


def test_while_the_log_is_away_nothing_is_written_and_nobody_waits_for_ever(
    tmp_path: Path,
) -> None:
    async def story(one: Replica, _: Replica) -> None:
        await one.put("A")
        one.broker.faults.lost_acknowledgement = 1.0
        with pytest.raises(OutcomeUnknownError):
            await one.put("B")
        one.broker.faults.lost_acknowledgement = 0.0
        one.broker.away = True
        before = len(one.broker.journal)

        for _attempt in range(3):
            with pytest.raises(LogUnavailableError):
                async with asyncio.timeout(60):
                    await one.put("C")

        assert len(one.broker.journal) == before
        one.broker.away = False
        await one.clock.sleep(5)
        assert (await one.put("C")).updated == ("e1",)

    with_replicas(tmp_path, story)


def test_a_planner_that_refuses_writes_nothing_and_frees_the_blog(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        def refuse(plan: Plan) -> None:
            plan.put_blog(a_blog())
            raise LookupError

        before = len(one.broker.journal)
        with pytest.raises(LookupError):
            await one.writer.write(STORM, refuse)

        assert len(one.broker.journal) == before
        assert (await one.put("A")).created == ("e1",)

    with_replicas(tmp_path, story)
