"""The simulated log keeps what it promises to the simulation."""

import asyncio
from random import Random

import pytest

from slugline.errors import LogUnavailableError, OutcomeUnknownError
from slugline.log import Batch, Record, TopicSpec
from tests.simulation.log import SESSION, Broker, Faults, SimulatedLog
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

SPEC = TopicSpec(name="t", compact=True)


def a_record(key: bytes = b"k") -> Record:
    return Record(topic="t", key=key, value=b"v", partition_key=key)


async def a_broker(loop: VirtualLoop, faults: Faults | None = None) -> Broker:
    broker = Broker(VirtualClock(loop), Random(1), faults)
    broker.ensure([SPEC], 4)
    return broker


def test_a_day_of_sleep_takes_no_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        await VirtualClock(loop).sleep(86_400)
        return loop.time()

    assert run_virtually(main) >= 86_400


def test_a_publish_that_was_given_up_may_land_later() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        broker = await a_broker(loop, Faults(late_landing=1.0))
        log = SimulatedLog(broker)
        with pytest.raises(OutcomeUnknownError):
            await log.publish([a_record()])
        at_once = sum((await log.ends(["t"])).values())
        await broker.clock.sleep(60)
        return at_once, sum((await log.ends(["t"])).values())

    at_once, later = run_virtually(main)
    assert later == 1
    assert at_once <= later


def test_every_change_of_members_revokes_everything_of_everybody() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[str, int]]:
        broker = await a_broker(loop)
        heard: list[tuple[str, int]] = []

        def hear(name: str) -> object:
            async def on_change(share: frozenset[int]) -> None:
                heard.append((name, len(share)))

            return on_change

        async with SimulatedLog(broker).own("t", "g", hear("a")):  # type: ignore[arg-type]
            await broker.clock.sleep(1)
            async with SimulatedLog(broker).own("t", "g", hear("b")):  # type: ignore[arg-type]
                await broker.clock.sleep(1)
        return heard

    heard = run_virtually(main)
    assert heard[:2] == [("a", 0), ("a", 4)]
    assert sorted(heard[2:4]) == [("a", 0), ("b", 0)]
    assert sorted(heard[4:6]) == [("a", 2), ("b", 2)]


def test_a_dead_members_partitions_move_after_its_session() -> None:
    async def main(loop: VirtualLoop) -> float:
        broker = await a_broker(loop)
        mine: asyncio.Queue[tuple[int, float]] = asyncio.Queue()

        async def ignore(_: frozenset[int]) -> None:
            pass

        async def note(share: frozenset[int]) -> None:
            mine.put_nowait((len(share), loop.time()))

        dying = SimulatedLog(broker)
        async with dying.own("t", "g", ignore), SimulatedLog(broker).own("t", "g", note):
            await broker.clock.sleep(1)
            killed = loop.time()
            dying.die()
            await broker.forget(dying)
            while (await mine.get())[0] != 4:
                pass
            return loop.time() - killed

    assert SESSION <= run_virtually(main) <= SESSION + 1


def test_a_dead_process_reaches_nobody() -> None:
    async def main(loop: VirtualLoop) -> None:
        log = SimulatedLog(await a_broker(loop))
        log.die()
        await log.publish([a_record()])

    with pytest.raises(LogUnavailableError):
        run_virtually(main)


def test_a_reader_sees_gaps_and_ends_that_are_not_records() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[int], int]:
        broker = await a_broker(loop, Faults(gap=1.0))
        log = SimulatedLog(broker)
        await log.publish([a_record(), a_record()])
        offsets: list[int] = []
        end = 0
        batch: Batch
        async for batch in log.read(["t"], {}):
            offsets += [record.offset for record in batch.records]
            end = max(end, *batch.positions.values())
            break
        return offsets, end

    assert run_virtually(main) == ([0, 2], 4)
