"""The tail keeps a view up with the log, through everything that a log does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
import structlog
from structlog.testing import capture_logs

from slugline.errors import LogUnavailableError
from slugline.events import Event, encode
from slugline.topics import provision
from slugline.view import View
from slugline.view.entries import EntriesView
from slugline.view.tail import Tail
from slugline_syndicate.deliveries.projections import SubscriptionsView
from slugline_syndicate.deliveries.subscription import deleted_subscription, encode_subscription
from tests.builders import a_subscription, an_entry, an_event
from tests.simulation.log import Broker, Faults, SimulatedLog
from tests.simulation.loop import Process, VirtualClock, VirtualLoop, run_virtually

T = TypeVar("T")

#: In seconds. Tombstones are kept for seven of them.
DAY = 86_400.0


class Reader:
    """A view of a simulated log, and the tail that follows it."""

    def __init__(
        self, loop: VirtualLoop, path: Path, broker: Broker, wrong: timedelta = timedelta(0)
    ) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop, wrong)
        self.broker = broker
        self.log = SimulatedLog(broker)
        self.entries = EntriesView()
        self.subscriptions = SubscriptionsView()
        self.view = View(path, [self.entries, self.subscriptions], self.clock)
        self.tail = Tail(self.log, self.view, self.clock)
        self.process = Process("reader")
        self._task = loop.create_task(self.tail.run(), context=self.process.context)

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


# --- views that were away -------------------------------------------------------------------------


async def followed_by(loop: VirtualLoop, path: Path, wrong: timedelta = timedelta(0)) -> Broker:
    """A log with one subscription, and at *path* a saved view of it."""
    broker = await a_broker(loop)
    first = Reader(loop, path, broker, wrong)
    await SimulatedLog(broker).publish([encode_subscription(a_subscription())])
    await first.tail.catch_up()
    await first.stop()
    return broker


async def deleted_unseen(broker: Broker) -> None:
    """The subscription is deleted; a week later not even its tombstone is left."""
    await SimulatedLog(broker).publish([deleted_subscription("sub-1")])
    await broker.clock.sleep(7 * DAY + 1)
    broker.compact()


async def opened(
    loop: VirtualLoop, path: Path, broker: Broker, *, written: bool = True
) -> tuple[bool, list[str]]:
    """Whether the view at *path* has the subscription once it was opened, and why it was rebuilt.

    *written*: something was written to the log meanwhile.
    """
    structlog.reset_defaults()  # simulated processes are quiet else
    if written:
        await SimulatedLog(broker).publish([encode(an_event())])
    with capture_logs() as said:
        reader = Reader(loop, path, broker)
        await reader.clock.sleep(5)
        has = reader.subscriptions.get("sub-1") is not None
        assert reader.tail.ready
        await reader.stop()
    return has, [line["reason"] for line in said if line["event"] == "view.rebuilt"]


def test_a_view_that_was_away_for_longer_than_tombstones_are_kept_is_rebuilt(
    tmp_path: Path,
) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await followed_by(loop, path)
        await deleted_unseen(broker)
        return await opened(loop, path, broker)

    has, reasons = run_virtually(main)
    assert not has
    (reason,) = reasons
    assert "last known to hold all of the log at 2026-11-22T00:00:" in reason


def test_a_view_that_was_away_for_some_days_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await followed_by(loop, path)
        await broker.clock.sleep(3 * DAY)
        return await opened(loop, path, broker)

    assert run_virtually(main) == (True, [])


def test_a_view_to_whose_log_nothing_was_written_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await followed_by(loop, path)
        await broker.clock.sleep(30 * DAY)
        return await opened(loop, path, broker, written=False)

    assert run_virtually(main) == (True, [])


def test_a_view_that_followed_a_quiet_log_for_weeks_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await followed_by(loop, path)
        first = Reader(loop, path, broker)
        await first.clock.sleep(30 * DAY)
        first.process.kill()
        first.view.close()
        await broker.clock.sleep(DAY)
        return await opened(loop, path, broker)

    assert run_virtually(main) == (True, [])


@pytest.mark.parametrize("timers_first", [False, True])
def test_a_process_that_stood_still_for_too_long_rebuilds_its_view(
    tmp_path: Path, timers_first: bool
) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> bool:
        broker = await followed_by(loop, path)
        reader = Reader(loop, path, broker)
        await reader.tail.catch_up()
        reader.process.freeze()
        await deleted_unseen(broker)
        reader.process.thaw(loop, timers_first=timers_first)
        await reader.clock.sleep(20)
        assert reader.tail.ready
        has = reader.subscriptions.get("sub-1") is not None
        await reader.stop()
        return has

    assert not run_virtually(main)


def test_a_view_whose_machine_slept_for_too_long_is_rebuilt(tmp_path: Path) -> None:
    """Asleep, it does not notice that its connections are old."""

    async def story(reader: Reader) -> list[str]:
        await reader.tail.catch_up()
        reader.clock.offset += timedelta(days=8)
        structlog.reset_defaults()
        with capture_logs() as said:
            await reader.publish(an_event())
            await reader.clock.sleep(5)
        assert reader.tail.ready
        return [line["event"] for line in said]

    assert with_reader(tmp_path / "view.db", story) == ["view.rebuilt", "view.ready"]


def test_a_view_from_a_future_that_is_too_far_is_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await followed_by(loop, path, wrong=timedelta(days=12))
        await deleted_unseen(broker)
        return await opened(loop, path, broker)

    has, reasons = run_virtually(main)
    assert not has
    assert len(reasons) == 1


async def half_built(loop: VirtualLoop, path: Path) -> Broker:
    """A log of many records, of which the view at *path* has seen the first ones."""
    broker = await a_broker(loop)
    first = Reader(loop, path, broker)
    await first.publish(*(an_event(an_entry(f"e{n}")) for n in range(500)))
    await SimulatedLog(broker).publish([encode_subscription(a_subscription())])
    while not first.view.positions:
        await first.clock.sleep(0.001)
    assert not first.tail.ready
    await first.stop()
    return broker


def test_a_view_that_was_not_built_to_the_end_is_not_served_but_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, bool, list[str]]:
        broker = await half_built(loop, path)
        broker.away = True
        second = Reader(loop, path, broker)
        await second.clock.sleep(10)
        ready = second.tail.ready
        await second.stop()
        broker.away = False
        return ready, *await opened(loop, path, broker)

    assert run_virtually(main) == (False, True, [])


def test_a_view_whose_building_was_broken_off_long_ago_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "view.db"

    async def main(loop: VirtualLoop) -> tuple[bool, list[str]]:
        broker = await half_built(loop, path)
        await deleted_unseen(broker)
        return await opened(loop, path, broker)

    has, reasons = run_virtually(main)
    assert not has
    assert len(reasons) == 1
