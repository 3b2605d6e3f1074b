"""Writes that land after they were given up: nobody is told of them again, and ingest puts them right."""

from pathlib import Path

from slugline.log import Record
from slugline_ingest.mender import Mender
from tests.builders import an_entry, an_event
from tests.integration.test_writer import Replica, with_replicas


def copy_of(replica: Replica, number: int) -> Record:
    """The record of the *number*th event once more, as a write that was given up leaves it."""
    stored = [r for r in replica.broker.journal if r.key == b"storm|e1"][number]
    return Record(
        topic=stored.topic,
        key=stored.key,
        value=stored.value,
        headers=stored.headers,
        partition_key=b"storm",
    )


async def overlaid(replica: Replica) -> None:
    """Say A, then B, and have A land once more."""
    await replica.put("A")
    await replica.put("B")
    replica.broker.append([copy_of(replica, 0)])
    await replica.clock.sleep(1)


def mended(replica: Replica) -> Mender:
    """A running mender of *replica*."""
    mender = Mender(replica.entries, replica.writer, replica.clock)
    replica.also(mender.run())
    return mender


def test_a_late_copy_of_an_older_revision_is_no_event_and_is_not_shown(tmp_path: Path) -> None:
    async def story(one: Replica, _: Replica) -> None:
        await one.put("A")
        await one.put("B")
        told: list[str] = []
        one.entries.listen(lambda refs: told.extend(ref.id for ref in refs))

        one.broker.append([copy_of(one, 0)])
        await one.clock.sleep(1)

        row = one.entries.entry("storm", "e1")
        assert row is not None
        assert (row.entry.title, told, one.entries.overlaid_blogs()) == ("B", [], {"storm"})

    with_replicas(tmp_path, story)


def test_what_a_late_copy_overlaid_is_said_again_with_the_same_id(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        await one.put("B")
        wanted = one.newest()
        mended(other)

        one.broker.append([copy_of(one, 0)])
        await one.clock.sleep(5)

        last = [r for r in one.broker.journal if r.key == b"storm|e1"][-1]
        assert dict(last.headers)["ce_id"] == wanted.encode()
        assert one.entries.overlaid_blogs() == other.entries.overlaid_blogs() == set()
        assert one.kinds().count("entry.updated") == 1

    with_replicas(tmp_path, story)


def test_a_withdrawal_that_a_late_copy_overlaid_stays_one(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        await one.withdraw()
        mended(other)

        one.broker.append([copy_of(one, 0)])
        await one.clock.sleep(5)

        assert not one.stands()
        last = [r for r in one.broker.journal if r.key == b"storm|e1"][-1]
        assert dict(last.headers)["ce_type"] == b"entry.deleted"

    with_replicas(tmp_path, story)


def test_what_was_overlaid_while_ingest_was_down_is_put_right_when_it_starts(
    tmp_path: Path,
) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await overlaid(one)

        mended(other)
        await one.clock.sleep(5)

        assert one.entries.overlaid_blogs() == set()

    with_replicas(tmp_path, story)


def test_a_blog_that_cannot_be_mended_while_the_log_is_away_is_mended_afterwards(
    tmp_path: Path,
) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await overlaid(one)
        one.broker.away = True
        mended(other)
        await one.clock.sleep(20)

        one.broker.away = False
        await one.clock.sleep(5)

        assert one.entries.overlaid_blogs() == set()

    with_replicas(tmp_path, story)


def test_an_unknowing_update_whose_writer_died_is_withdrawn_by_another(tmp_path: Path) -> None:
    async def story(one: Replica, other: Replica) -> None:
        await one.put("A")
        before = one.newest()
        await one.withdraw()
        mended(other)

        await one.behind_its_back(an_event(an_entry(title="B"), after=before))
        await one.clock.sleep(5)

        assert not one.stands()

    with_replicas(tmp_path, story)
