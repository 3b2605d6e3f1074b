"""Syndicate killed, frozen and cut off on a real Kafka; the simulation's checker decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slugline.topics import CURSORS
from tests.faults.installation import Installation, Replica, said
from tests.faults.proxy import Held, Way
from tests.faults.receivers import Hold
from tests.simulation.checker import duplicates
from tests.simulation.receivers import fine, slow

#: A replica that cannot reach the log sends for so long at the most: its lease, and the cut.
LEASE_AND_CUT = 6.5


async def test_a_calm_installation_keeps_every_guarantee(installation: Installation) -> None:
    await installation.start_all(ingest=2, syndicate=2)
    await installation.subscribe_all(6)
    installation.write(rate=20)
    await installation.partners.more(100)

    assert await installation.settled() == []


async def test_what_was_being_posted_when_a_replica_was_killed_is_sent_again(
    installation: Installation,
) -> None:
    _, first = await installation.start_all(ingest=1, syndicate=1)
    hold = Hold()
    held = await installation.subscribe(hold)
    await installation.subscribe(fine())
    for blog in installation.blogs:
        await installation.load.put(blog, "e0")
    await hold.holding(2)
    await first.kill()  # both requests are under way, and not answered
    before = installation.partners.of(installation.subscriptions[held])
    hold.release()
    await installation.start("syndicate")

    assert await installation.settled() == []
    assert [arrival.status for arrival in before] == [None] * len(before)
    again = installation.partners.of(installation.subscriptions[held])[len(before) :]
    assert {a.webhook_id for a in before} <= {a.webhook_id for a in again}


async def test_what_was_taken_before_a_cursor_was_flushed_comes_again_with_the_same_bytes(
    installation: Installation, way: Way
) -> None:
    await installation.start("ingest")
    first = await installation.start("syndicate", through=way)
    for _ in range(3):
        await installation.subscribe(fine())
    await installation.load.put("storm", "e0")
    await installation.partners.until(3 * 2)  # the blog's own event too
    way.hold(Held.REQUEST, CURSORS)
    await installation.load.put("storm", "e1")
    await installation.partners.until(3 * 3)
    await way.holding()
    await first.kill()
    await installation.start("syndicate")
    await installation.partners.more(3)

    assert await installation.settled() == []
    for url in installation.subscriptions.values():
        assert 1 <= duplicates(installation.partners.of(url)) <= 3


async def test_replicas_killed_under_load_lose_nothing(installation: Installation) -> None:
    one, two, *_ = await installation.start_all(ingest=2, syndicate=2)
    three = installation.replicas[2]
    await installation.subscribe_all(15)
    installation.write(rate=20)
    for replica in (three, one, two):
        await installation.partners.more(60)
        await replica.kill()
        await replica.start()

    assert await installation.settled() == []


async def behind(installation: Installation, first: Replica) -> None:
    """Eight partners so slow that everybody who owns some is behind, *first* among them."""
    for _ in range(8):
        await installation.subscribe(slow(installation.clock, 0.5))
    await installation.owning(first, lambda owned: owned == 6)
    installation.write(rate=20)
    await installation.partners.more(300)


@asynccontextmanager
async def frozen_while_all_is_withdrawn(
    installation: Installation, first: Replica, second: Replica
) -> AsyncIterator[None]:
    """*first* frozen until the block ends: *second* owns everything, and whatever *first* still
    sends of what it was going to is withdrawn."""
    first.freeze()
    try:
        await installation.owning(second, lambda owned: owned == 12)
        await installation.stop_writing()
        await installation.load.withdraw_all()
        yield
    finally:
        first.thaw()


async def test_a_replica_that_was_frozen_past_its_session_sends_nothing_wrong_once_it_goes_on(
    installation: Installation,
) -> None:
    _, first, second = await installation.start_all(ingest=1, syndicate=2)
    await behind(installation, first)

    async with frozen_while_all_is_withdrawn(installation, first, second):
        await installation.clock.sleep(LEASE_AND_CUT)
    await installation.owning(first, lambda owned: owned == 6)

    assert await installation.settled() == []


async def test_a_replica_that_is_cut_off_from_the_broker_stops_and_another_takes_over(
    installation: Installation, way: Way
) -> None:
    await installation.start("ingest")
    first = await installation.start("syndicate", through=way)
    second = await installation.start("syndicate")
    await behind(installation, first)

    way.cut()  # partners can still be reached
    await installation.clock.sleep(LEASE_AND_CUT)
    sent = await installation.metric(first, "slugline_attempt_seconds_count")
    await installation.owning(second, lambda owned: owned == 12)
    assert sent > 0
    assert await installation.metric(first, "slugline_attempt_seconds_count") == sent
    await installation.partners.more(100)
    way.mend()
    await installation.owning(first, lambda owned: owned == 6)

    assert await installation.settled() == []
    assert list(said([first], "log.unreachable"))


async def test_a_replica_that_was_frozen_and_then_finds_no_broker_sends_nothing_of_what_it_knew(
    installation: Installation, way: Way
) -> None:
    await installation.start("ingest")
    first = await installation.start("syndicate", through=way)
    second = await installation.start("syndicate")
    await behind(installation, first)

    async with frozen_while_all_is_withdrawn(installation, first, second):
        way.cut()  # nobody will tell it that it is a zombie
    await installation.clock.sleep(1.5)  # what was under way is cut
    sent = await installation.metric(first, "slugline_attempt_seconds_count")
    await installation.clock.sleep(2.0)
    assert await installation.metric(first, "slugline_attempt_seconds_count") == sent
    way.mend()
    await installation.owning(first, lambda owned: owned == 6)

    assert await installation.settled() == []
