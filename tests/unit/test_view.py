"""The view: what it holds is a function of the log, whatever happened to it or to the log."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slugline.clock import SystemClock
from slugline.entry import Entry
from slugline.errors import LogDamagedError, ViewFullError
from slugline.events import Event, EventType, encode
from slugline.log import StoredRecord, TopicPartition
from slugline.topics import ENTRIES
from slugline.view import View
from slugline.view.entries import EntriesView, EventRef
from tests.builders import BASE, NOON, a_blog, an_entry, an_event, base_records, stored, withdrawn


@pytest.fixture
def entries() -> EntriesView:
    return EntriesView()


@pytest.fixture
def view(entries: EntriesView, tmp_path: Path) -> Iterator[View]:
    opened = View(tmp_path / "view.db", [entries], SystemClock())
    yield opened
    opened.close()


def fill(view: View, records: Sequence[StoredRecord]) -> None:
    positions = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
    view.apply(records, positions)


def what_feeds_show(records: Sequence[StoredRecord]) -> object:
    """Everything that the view of a log made of *records* answers about blogs and entries as they are."""
    entries = EntriesView()
    with TemporaryDirectory() as folder:
        view = View(Path(folder) / "view.db", [entries], SystemClock())
        fill(view, records)
        shown = [
            (
                blog,
                entries.entries(blog.blog.id),
                entries.newest_change(blog.blog.id),
                entries.changed_since(blog.blog.id, NOON + timedelta(seconds=2)),
            )
            for blog in entries.blogs()
        ]
        view.close()
    return shown


def compacted(records: Sequence[StoredRecord]) -> list[StoredRecord]:
    newest = {(r.topic, r.partition, r.key): r.offset for r in records}
    return [r for r in records if newest[r.topic, r.partition, r.key] == r.offset]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Steps of three blogs, repeated publishing of the newest step among them."""
    ids: dict[tuple[str, str], Event] = {}
    history = [an_event(a_blog(name)) for name in ("storm", "vote", "final")]
    for step in range(draw(st.integers(0, 25))):
        blog, name = draw(st.sampled_from(["storm", "vote", "final"])), draw(st.sampled_from("abc"))
        before = ids.get((blog, name))
        if before and draw(st.booleans()):
            history.append(replace(before, time=before.time))
            continue
        make = draw(st.sampled_from([an_entry, an_entry, withdrawn]))
        tags = (draw(st.sampled_from(["x", "y"])),)
        event = an_event(
            make(name, blog, tags=tags, revision=step + 1),
            after=before.id if before else None,
            time=NOON + timedelta(seconds=step),
        )
        ids[blog, name] = event
        history.append(event)
    return history


@settings(max_examples=30)
@given(histories())
def test_compaction_is_not_visible(history: list[Event]) -> None:
    log = [*base_records(), *stored(history)]

    assert what_feeds_show(compacted(log)) == what_feeds_show(log)


@settings(max_examples=15)
@given(histories(), st.data())
def test_where_a_view_was_interrupted_is_not_visible(
    history: list[Event], data: st.DataObject
) -> None:
    log = [*base_records(), *stored(history)]
    cut = data.draw(st.integers(0, len(log)))
    entries = EntriesView()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.db"
        first = View(path, [entries], SystemClock())
        fill(first, log[:cut])
        first.close()

        again = View(path, [entries], SystemClock())
        fill(again, log[cut:])
        shown = [entries.entries(blog.blog.id) for blog in entries.blogs()]
        events = [entries.events_from(p, 0, 100) for p in range(4)]
        again.close()

        whole = View(Path(folder) / "whole.db", [entries], SystemClock())
        fill(whole, log)
        assert shown == [entries.entries(blog.blog.id) for blog in entries.blogs()]
        assert events == [entries.events_from(p, 0, 100) for p in range(4)]
        whole.close()


def test_a_repeated_record_replaces_the_row_but_is_no_event(
    view: View, entries: EntriesView
) -> None:
    heard: list[EventRef] = []
    entries.listen(heard.extend)
    event = an_event()

    fill(view, [*base_records(), *stored([event, event])])

    row = entries.entry("storm", "e1")
    assert [ref.offset for ref in heard] == [1]
    assert row is not None
    assert row.sequence == BASE + 2


def test_a_full_disk_leaves_the_view_as_it_was_and_nobody_is_told(
    view: View, entries: EntriesView
) -> None:
    told: list[EventRef] = []
    entries.listen(told.extend)
    fill(view, [*base_records(), *stored([an_event(a_blog())])])
    (pages,) = view.db.execute("PRAGMA page_count").fetchone()
    view.db.execute(f"PRAGMA max_page_count={pages}")
    large = [an_event(an_entry(f"e{n}", body_text="x" * 3000)) for n in range(50)]

    before, positions = told.copy(), dict(view.positions)
    with pytest.raises(ViewFullError, match="make room"):
        fill(view, stored(large, start=2))

    assert view.positions == positions
    assert entries.entries("storm") == []

    view.db.execute("PRAGMA max_page_count=1000000")
    fill(view, stored(large, start=2))
    assert len(entries.entries("storm")) == 50
    assert len(told) == len(before) + 50


def test_a_sequence_is_the_partitions_base_and_the_offset(view: View, entries: EntriesView) -> None:
    fill(view, [*base_records(), *stored([an_event(a_blog()), an_event()])])

    row = entries.entry("storm", "e1")
    assert row is not None
    assert row.sequence == BASE + 2
    assert entries.newest_change("storm") == (NOON, BASE + 2)


def test_the_base_record_with_the_lowest_offset_counts(view: View, entries: EntriesView) -> None:
    later = [replace(r, offset=1) for r in base_records(base=BASE + 500)]

    fill(view, [*base_records(), *later, *stored([an_event()], start=2)])

    row = entries.entry("storm", "e1")
    assert row is not None
    assert row.sequence == BASE + 2


def test_a_withdrawal_takes_the_text_of_all_earlier_events(
    view: View, entries: EntriesView
) -> None:
    first = an_event()
    second = an_event(an_entry(title="Other"), after=first.id)
    gone = an_event(withdrawn(), after=second.id)

    fill(view, [*base_records(), *stored([first, second, gone])])

    partition = entries.events_from(0, 0, 9) or entries.events_from(1, 0, 9)
    partition = partition or entries.events_from(2, 0, 9) or entries.events_from(3, 0, 9)
    texts = [entries.event_at(ref.partition, ref.offset) for ref in partition]
    assert [text.event for text in texts if text] == [None, None, gone]


def everything(view: View) -> bytes:
    """All that the tables hold."""
    tables = [
        name for (name,) in view.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    return repr([view.db.execute(f"SELECT * FROM {name}").fetchall() for name in tables]).encode()


def test_an_entrys_text_stands_once(view: View) -> None:
    fill(view, [*base_records(), *stored([an_event(an_entry(body_html="", body_text="Seals."))])])

    assert everything(view).count(b"Seals.") == 1


def test_withdrawn_text_is_in_no_table_not_of_earlier_revisions_nor_repeated_records(
    view: View,
) -> None:
    first = an_event(an_entry(body_text="Seals, first."))
    second = an_event(an_entry(body_text="Seals, second."), after=first.id)
    gone = an_event(withdrawn(), after=second.id)
    fill(view, [*base_records(), *stored([first, first, second, second])])
    assert b"Seals" in everything(view)

    fill(view, stored([gone], start=5))

    assert b"Seals" not in everything(view)


def test_a_purged_entry_is_in_no_table(view: View, entries: EntriesView) -> None:
    first = an_event(an_entry(body_text="Seals, first."))
    second = an_event(an_entry(body_text="Seals, second."), after=first.id)
    fill(view, [*base_records(), *stored([first, first, second, second])])

    fill(view, stored([replace(encode(second), value=None)], start=5))

    assert entries.entry("storm", "e1") is None
    assert b"Seals" not in everything(view)


def test_a_repeated_record_does_not_change_what_its_event_says(
    view: View, entries: EntriesView
) -> None:
    event = an_event(an_entry(revision=1))
    again = replace(event, subject=an_entry(revision=2), time=NOON + timedelta(seconds=9))

    fill(view, [*base_records(), *stored([an_event(a_blog()), event, again])])

    (ref,) = [ref for p in range(4) for ref in entries.events_from(p, 0, 9) if ref.entry_id]
    told = entries.event_at(ref.partition, ref.offset)
    row = entries.entry("storm", "e1")
    assert told is not None
    assert told.event == event
    assert row is not None
    assert (row.entry.revision, row.time, row.sequence) == (2, again.time, BASE + 3)
    assert entries.newest_change("storm") == (again.time, BASE + 3)


def test_superseded_events_are_pruned_after_seven_days(view: View, entries: EntriesView) -> None:
    first = an_event()
    second = an_event(an_entry(title="Other"), after=first.id)
    fill(view, [*base_records(), *stored([first, second])])

    assert entries.prune(NOON + timedelta(days=6)) == 0
    assert entries.prune(NOON + timedelta(days=8)) == 1
    assert [event.id for p in range(4) for event in entries.events_from(p, 0, 9)] == [second.id]


def test_an_undecodable_record_is_kept_aside_and_stops_nobody(
    view: View, entries: EntriesView
) -> None:
    bad = replace(encode(an_event()), value=b"not json")

    fill(view, [*base_records(), *stored([bad, an_event(an_entry("e2"))])])

    assert entries.entry("storm", "e1") is None
    assert entries.entry("storm", "e2") is not None
    assert view.undecodable == 1


def test_an_event_type_of_the_future_is_kept_aside(view: View, entries: EntriesView) -> None:
    record = encode(an_event())
    headers = tuple((n, b"entry.sung" if n == "ce_type" else v) for n, v in record.headers)

    fill(view, [*base_records(), *stored([replace(record, headers=headers)])])

    assert entries.entry("storm", "e1") is None
    assert view.undecodable == 1


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_that_is_no_view_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "view.db"
    path.write_bytes(content)

    view = View(path, [EntriesView()], SystemClock())

    assert view.positions == {}
    view.close()


def test_a_damaged_file_is_made_anew(view: View, tmp_path: Path) -> None:
    fill(view, [*base_records(), *stored([an_event(an_entry(f"e{n}")) for n in range(200)])])
    view.close()
    data = bytearray(view.path.read_bytes())
    data[8192:60000] = b"\xaa" * (60000 - 8192)
    view.path.write_bytes(data)

    again = View(view.path, [EntriesView()], SystemClock())

    assert again.positions == {}
    again.close()


def test_a_file_of_another_version_is_made_anew(view: View) -> None:
    fill(view, [*base_records(), *stored([an_event()])])
    view.close()
    with sqlite3.connect(view.path) as db:
        db.execute("PRAGMA user_version=999")
    db.close()

    again = View(view.path, [EntriesView()], SystemClock())

    assert again.positions == {}
    again.close()


def test_positions_and_rows_are_one_transaction(view: View, entries: EntriesView) -> None:
    records = [*base_records(), *stored([an_event()])]
    broken = replace(records[-1], partition=99)

    with pytest.raises(Exception, match="no base record"):
        view.apply([*records, broken], {TopicPartition(ENTRIES, 0): 5})

    assert view.positions == {}
    assert entries.entry("storm", "e1") is None


def test_a_new_entry_is_told_with_its_type(view: View, entries: EntriesView) -> None:
    heard: list[EventRef] = []
    entries.listen(heard.extend)
    entry: Entry = an_entry()
    created = an_event(entry)

    fill(view, [*base_records(), *stored([created, an_event(withdrawn(), after=created.id)])])

    assert [ref.type for ref in heard] == [EventType.ENTRY_CREATED, EventType.ENTRY_DELETED]


@pytest.mark.parametrize("base", [b"abc", b"-5", b"", b"9007199254740992", b"1" * 5000])
def test_a_base_that_is_none_of_ours_is_never_served(
    view: View, entries: EntriesView, base: bytes
) -> None:
    foreign = replace(base_records()[2], key=b"_base|" + base)

    with pytest.raises(LogDamagedError) as told:
        fill(view, [foreign, *stored([an_event(a_blog()), an_event()])])

    assert str(told.value).startswith(f"partition 2 of {ENTRIES} has a base record that is none of")
    assert "SLUGLINE_KAFKA_PREFIX" in str(told.value)
    assert "slugline topics ensure" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert entries.blogs() == []


def test_a_missing_base_is_told_with_its_partition_and_what_to_do(
    view: View, entries: EntriesView
) -> None:
    with pytest.raises(LogDamagedError) as told:
        fill(view, stored([an_event(a_blog())], start=0))

    assert "has no base record before offset 0" in str(told.value)
    assert "slugline topics ensure" in str(told.value)
    assert entries.blogs() == []


def test_a_foreign_base_behind_ours_changes_nothing(view: View, entries: EntriesView) -> None:
    later = [replace(r, offset=1, key=b"_base|abc") for r in base_records()]

    fill(view, [*base_records(), *later, *stored([an_event(a_blog())], start=2)])

    (blog,) = entries.blogs()
    assert blog.sequence == BASE + 2
