"""The simulated log keeps what it promises to the simulation."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from slugline.errors import LogUnavailableError, OutcomeUnknownError
from slugline.log import Batch, Record, TopicPartition, TopicSpec
from tests.simulation.log import SESSION, Broker, Faults, SimulatedLog
from tests.simulation.loop import Process, VirtualClock, VirtualLoop, run_virtually

SPEC = TopicSpec(name="t", compact=True)


def a_record(key: bytes = b"k", value: bytes | None = b"v") -> Record:
    return Record(topic="t", key=key, value=value, partition_key=key)


async def ignore(_: frozenset[int]) -> None:
    pass


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


def test_a_process_that_is_frozen_finds_the_old_answer_when_it_goes_on() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, float]:
        broker = await a_broker(loop)
        log, process = SimulatedLog(broker), Process("frozen")
        asking = loop.create_task(log.ends(["t"]), context=process.context)
        await asyncio.sleep(0)
        process.freeze()
        await asyncio.sleep(3)
        await SimulatedLog(broker).publish([a_record(b"k")])
        process.thaw(loop, timers_first=False)
        return sum((await asking).values()), loop.time()

    end, at = run_virtually(main)

    assert (end, at >= 3) == (0, True)


def test_a_killed_process_does_not_run_another_line() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        lines: list[str] = []
        process = Process("killed")

        async def work() -> None:
            try:
                await asyncio.sleep(1)
                lines.append("went on")
            finally:
                lines.append("cleaned up")

        task = loop.create_task(work(), context=process.context)
        await asyncio.sleep(0.5)
        process.kill()
        loop.bury()
        await asyncio.sleep(2)
        assert not task.done()
        return list(lines)

    assert run_virtually(main) == []


def test_what_was_sent_while_the_broker_hung_may_land_after_it_was_given_up() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        broker = await a_broker(loop, Faults(landing_afterwards=1.0))
        broker.hang()
        with pytest.raises(OutcomeUnknownError):
            await SimulatedLog(broker).publish([a_record(b"k")])
        before = len(broker.journal)
        broker.away = False
        return before, len(broker.journal)

    assert run_virtually(main) == (0, 1)


def test_one_that_is_cut_off_loses_its_share_after_its_session_and_gets_one_when_it_is_back() -> (
    None
):
    async def main(loop: VirtualLoop) -> list[tuple[float, int]]:
        broker = await a_broker(loop)
        far, told = SimulatedLog(broker), []

        async def near_changed(share: frozenset[int]) -> None:
            told.append((loop.time(), len(share)))

        async with far.own("t", "g", ignore), SimulatedLog(broker).own("t", "g", near_changed):
            await asyncio.sleep(1)
            far.cut(True)
            await asyncio.sleep(SESSION + 5)
            far.cut(False)
            await asyncio.sleep(5)
            return list(told)

    shares = [share for _, share in run_virtually(main) if share]

    assert shares == [2, 4, 2]


def test_compaction_takes_old_tombstones_and_retention_the_oldest_records() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[bytes], int, int]:
        broker = await a_broker(loop)
        log = SimulatedLog(broker)
        await log.ensure([TopicSpec(name="old", compact=False, retention=timedelta(days=7))])
        await log.publish([a_record(b"gone", None), a_record(b"stays")])
        await log.publish([Record(topic="old", key=b"k", value=b"v", partition=0)])
        await asyncio.sleep(8 * 86_400)
        broker.compact(timedelta(0))
        left = [r.key for p in broker.of(["t"]).values() for r in p.records]
        begins, ends = await log.begins(["old"]), await log.ends(["old"])
        place = TopicPartition("old", 0)
        return left, begins[place], ends[place]

    assert run_virtually(main) == ([b"stays"], 1, 1)


def test_while_writes_stall_questions_are_answered_and_what_was_written_counts_afterwards() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        broker = await a_broker(loop)
        log = SimulatedLog(broker)
        broker.stall(True)
        with pytest.raises(OutcomeUnknownError):
            await log.publish([a_record(b"k")])
        meanwhile = sum((await log.ends(["t"])).values())
        broker.stall(False)
        return [meanwhile, sum((await log.ends(["t"])).values())]

    assert run_virtually(main) == [0, 1]
