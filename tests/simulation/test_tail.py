"""The tail keeps a view up with the log, through everything that a log does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from slugline.errors import LogUnavailableError
from slugline.events import Event, encode
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from tests.builders import an_entry, an_event
from tests.simulation.log import Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

T = TypeVar("T")


class Reader:
    """A view of a simulated log, and the tail that follows it."""

    def __init__(self, loop: VirtualLoop, path: Path, broker: Broker) -> None:
        self.clock = VirtualClock(loop)
        self.broker = broker
        self.log = SimulatedLog(broker)
        self.entries = EntriesView()
        self.view = View(path, [self.entries], self.clock)
        self.tail = Tail(self.log, self.view, self.clock)
        self._task = loop.create_task(self.tail.run())

    async def publish(self, *events: Event) -> None:
        await SimulatedLog(self.broker).publish([encode(event) for event in events])

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.view.close()


async def a_broker(loop: VirtualLoop) -> Broker:
    broker = Broker(VirtualClock(loop), Random(1), Faults(gap=0.3))
    await provision(SimulatedLog(broker), VirtualClock(loop), 4)
    return broker


def with_reader(path: Path, story: Callable[[Reader], Awaitable[T]]) -> T:
    async def main(loop: VirtualLoop) -> T:
        reader = Reader(loop, path, await a_broker(loop))
        try:
            return await story(reader)
        finally:
            await reader.stop()

    return run_virtually(main)


def test_what_was_acknowledged_is_in_the_view_after_catching_up(tmp_path: Path) -> None:
    async def story(reader: Reader) -> int:
        await reader.publish(*(an_event(an_entry(f"e{n}")) for n in range(300)))
        await reader.tail.catch_up()
        return len(reader.entries.entries("storm"))

    assert with_reader(tmp_path / "view.db", story) == 300


def test_a_new_view_is_ready_when_the_ends_seen_at_start_are_reached(tmp_path: Path) -> None:
    async def story(reader: Reader) -> tuple[bool, bool, bool]:
        before = reader.tail.ready
        await reader.tail.catch_up()
        return before, reader.tail.ready, reader.tail.stale

    assert with_reader(tmp_path / "view.db", story) == (False, True, False)


def test_a_saved_view_serves_at_once_also_while_the_log_is_away(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, bool, int]:
        broker = await a_broker(loop)
        first = Reader(loop, tmp_path / "view.db", broker)
        await first.publish(an_event())
        await first.tail.catch_up()
        await first.stop()
        broker.away = True
        second = Reader(loop, tmp_path / "view.db", broker)
        await second.clock.sleep(10)
        shown = second.tail.ready, second.tail.stale, len(second.entries.entries("storm"))
        await second.stop()
        return shown

    assert run_virtually(main) == (True, True, 1)


def test_an_outage_heals_without_a_restart(tmp_path: Path) -> None:
    async def story(reader: Reader) -> tuple[bool, int]:
        await reader.tail.catch_up()
        reader.broker.away = True
        await reader.clock.sleep(60)
        with pytest.raises(LogUnavailableError):
            await reader.tail.catch_up()
        stale = reader.tail.stale
        reader.broker.away = False
        await reader.publish(an_event())
        await reader.clock.sleep(2)
        return stale, len(reader.entries.entries("storm"))

    assert with_reader(tmp_path / "view.db", story) == (True, 1)


@pytest.mark.parametrize("more", [0, 50])
def test_a_view_of_another_log_is_rebuilt(tmp_path: Path, more: int) -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        first = Reader(loop, tmp_path / "view.db", await a_broker(loop))
        await first.publish(*(an_event(an_entry(f"old{n}")) for n in range(5)))
        await first.tail.catch_up()
        await first.stop()
        await first.clock.sleep(1)
        second = Reader(loop, tmp_path / "view.db", await a_broker(loop))
        await second.publish(*(an_event(an_entry(f"new{n}")) for n in range(1 + more)))
        await second.clock.sleep(5)
        ids: list[str] = [row.entry.id for row in second.entries.entries("storm")]
        await second.stop()
        return ids

    ids = run_virtually(main)
    assert len(ids) == 1 + more
    assert all(name.startswith("new") for name in ids)


def test_a_view_whose_file_breaks_while_it_is_used_is_rebuilt(tmp_path: Path) -> None:
    async def story(reader: Reader) -> int:
        await reader.publish(an_event())
        await reader.tail.catch_up()
        reader.view.db.execute("DROP TABLE event")
        await reader.publish(an_event(an_entry("e2")))
        await reader.clock.sleep(5)
        return len(reader.entries.entries("storm"))

    assert with_reader(tmp_path / "view.db", story) == 2


def test_waiting_for_ends_that_never_come_says_so(tmp_path: Path) -> None:
    async def story(reader: Reader) -> None:
        ends = {tp: end + 1 for tp, end in (await reader.log.ends(reader.view.topics)).items()}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await reader.tail.reached(ends)

    with_reader(tmp_path / "view.db", story)
