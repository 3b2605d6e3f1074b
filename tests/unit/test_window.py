"""The window: what a feed holds follows from the blog's own times, and costs the same at any size."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slugline.blog import Blog
from slugline.entry import Entry
from slugline.log import StoredRecord
from slugline.telemetry import Metrics
from slugline.topics import ENTRIES
from slugline.view.entries import EntriesView, EntryRow
from slugline_syndicate.feeds.atom import Atom
from slugline_syndicate.feeds.formats import Place
from slugline_syndicate.feeds.store import FeedStore
from slugline_syndicate.feeds.window import (
    AT_LEAST,
    AT_MOST,
    MOST_BYTES,
    Windows,
    newest_first,
    window,
)
from tests.builders import NOON, a_blog, an_entry, withdrawn
from tests.reading import PUBLIC, Newsroom, feed_of, parsed

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

Step = tuple[str, str, int, int]


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    opened = Newsroom(tmp_path)
    yield opened
    opened.close()


def ids(newsroom: Newsroom) -> list[str]:
    """The entries of the feed, in its order."""
    found = window(newsroom.entries, "storm")
    assert found is not None
    return [mark.entry_id for mark in sorted(found.marks, key=newest_first)]


def entries(count: int, *, prefix: str = "e", start: int = 0) -> list[Entry]:
    """Entries that were published a minute apart from *start* on, oldest first."""
    return [
        an_entry(f"{prefix}{n:06}", published=NOON + timedelta(minutes=start + n))
        for n in range(count)
    ]


def test_an_unknown_blog_has_no_window(newsroom: Newsroom) -> None:
    assert window(newsroom.entries, "storm") is None


def test_a_blog_without_entries_has_an_empty_one(newsroom: Newsroom) -> None:
    newsroom.says(a_blog())

    assert ids(newsroom) == []


def test_entries_come_newest_first_then_by_id(newsroom: Newsroom) -> None:
    newsroom.says(
        a_blog(),
        an_entry("b"),
        an_entry("a"),
        an_entry("new", published=NOON + HOUR),
        an_entry("old", published=NOON - HOUR),
    )

    assert ids(newsroom) == ["new", "a", "b", "old"]


def test_at_least_fifty_entries_are_in_however_old(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(60))
    newsroom.says(an_entry("late", published=NOON + 99 * HOUR), at=NOON + 99 * HOUR)

    assert ids(newsroom) == ["late", *(f"e{n:06}" for n in range(59, 10, -1))]
    assert len(ids(newsroom)) == AT_LEAST


def test_everything_that_changed_in_three_hours_is_in(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(60))
    newsroom.says(*entries(60, prefix="new", start=100), at=NOON + 9 * HOUR)

    assert len(ids(newsroom)) == 60

    newsroom.says(a_blog(title="Storm, day two"), at=NOON + 12 * HOUR)
    assert len(ids(newsroom)) == 60

    newsroom.says(a_blog(title="Storm, day three"), at=NOON + 12 * HOUR + SECOND)
    assert len(ids(newsroom)) == AT_LEAST


def test_an_edited_old_entry_comes_back(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(60))
    newsroom.says(an_entry("late", published=NOON + 9 * HOUR), at=NOON + 9 * HOUR)
    assert "e000000" not in ids(newsroom)

    newsroom.says(an_entry("e000000", title="Corrected"), at=NOON + 9 * HOUR)

    assert ids(newsroom)[-1] == "e000000"
    assert len(ids(newsroom)) == AT_LEAST + 1


def test_at_most_two_hundred_are_in_those_that_changed_last(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(300), apart=1)
    assert ids(newsroom) == [f"e{n:06}" for n in range(299, 99, -1)]

    newsroom.says(an_entry("e000007", title="Corrected"), at=NOON + HOUR)

    assert len(ids(newsroom)) == AT_MOST
    assert ids(newsroom)[-1] == "e000007"
    assert "e000100" not in ids(newsroom)


def test_of_changes_at_the_same_time_the_later_in_the_log_count(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *reversed(entries(250)))

    assert ids(newsroom) == [f"e{n:06}" for n in range(199, -1, -1)]


def test_a_withdrawn_entry_shows_until_a_day_before_the_newest_change(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), an_entry("gone"))
    newsroom.says(withdrawn("gone"), at=NOON + HOUR)
    assert ids(newsroom) == ["gone"]

    newsroom.says(an_entry("later"), at=NOON + 25 * HOUR)
    assert ids(newsroom) == ["gone", "later"]

    newsroom.says(an_entry("last"), at=NOON + 25 * HOUR + SECOND)
    assert ids(newsroom) == ["last", "later"]


def test_withdrawn_entries_do_not_count_among_the_fifty(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(60))
    newsroom.says(*(withdrawn(f"e{n:06}") for n in range(50, 60)), at=NOON + HOUR)
    newsroom.says(an_entry("late", published=NOON + 9 * HOUR), at=NOON + 9 * HOUR)

    assert len(ids(newsroom)) == AT_LEAST + 10


def test_an_entry_that_came_back_stands_in_its_place(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), an_entry("e1"), an_entry("e2"))
    newsroom.says(withdrawn("e1"), at=NOON + HOUR)
    newsroom.says(an_entry("e1", title="Back"), at=NOON + 2 * HOUR)

    assert ids(newsroom) == ["e1", "e2"]
    assert "Back" in newsroom.feed("atom").decode()


@pytest.mark.parametrize("name", ["atom", "rss"])
def test_a_feed_has_four_hundred_kilobytes_of_entries_at_most(
    newsroom: Newsroom, name: str
) -> None:
    body = f"<p>{'word ' * 1_500}</p>"
    newsroom.says(a_blog(), *(_with_body(entry, body) for entry in entries(90)), apart=1)

    document = newsroom.feed(name)
    shown = [entry.id for entry in parsed(document).entries]

    assert MOST_BYTES * 0.9 < len(document) < MOST_BYTES + 2_000
    assert shown == [f"tag:news.example,2026:storm/e{n:06}" for n in range(89, 89 - len(shown), -1)]


def _with_body(entry: Entry, body: str) -> Entry:
    return an_entry(entry.id, published=entry.published, body_html=body)


# --- kept windows ---------------------------------------------------------------------------------


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """What a newsroom says, step by step: bursts of entries, edits, withdrawals, purges, repeats."""
    names = st.integers(0, 25).map(lambda n: f"e{n:06}")
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(["edit", "edit", "withdraw", "burst", "repeat", "purge", "blog"]),
                names,
                st.integers(-2, 40),  # hours since the step before: clocks of replicas differ
                st.integers(0, 40),  # when it was published
            ),
            max_size=12,
        )
    )


def tell(newsroom: Newsroom, step: Step, number: int, at: datetime) -> None:
    """Do *step*, the one with this *number*, at the time *at*."""
    kind, name, _, hours = step
    published = NOON + hours * HOUR
    if kind == "repeat":
        again = [
            replace(r, offset=len(newsroom.records)) for r in newsroom.records[-1:] if r.headers
        ]
        newsroom.read(again)
    elif kind == "purge":
        newsroom.read(purged(newsroom, name))
    elif kind == "burst":
        newsroom.says(*entries(120, prefix=f"burst{number}-", start=hours * 60), at=at)
    elif kind == "blog":
        newsroom.says(a_blog(title=f"Storm {number}"), at=at)
    else:
        make = withdrawn if kind == "withdraw" else an_entry
        newsroom.says(make(name, revision=number + 1, published=published), at=at)


def purged(newsroom: Newsroom, name: str) -> list[StoredRecord]:
    """The record by which an operator purges the entry called *name*."""
    (partition,) = {r.partition for r in newsroom.records if r.key == b"storm|"}
    offset = len(newsroom.records)
    return [
        StoredRecord(
            topic=ENTRIES,
            partition=partition,
            offset=offset,
            written_at=NOON,
            key=f"storm|{name}".encode(),
            value=None,
        )
    ]


@settings(max_examples=60, deadline=None)
@given(stories(), st.data())
def test_a_window_brought_up_to_date_is_the_one_read_anew(
    steps: list[Step], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        newsroom = Newsroom(Path(folder))
        newsroom.says(a_blog(), *entries(60))
        kept, at = Windows(newsroom.entries), NOON
        kept.get("storm")
        for number, step in enumerate(steps):
            at += step[2] * HOUR
            tell(newsroom, step, number, at)
            if data.draw(st.booleans(), label="asked"):
                assert kept.get("storm") == window(newsroom.entries, "storm")
        assert kept.get("storm") == window(newsroom.entries, "storm")
        newsroom.close()


def test_a_window_of_another_file_is_forgotten(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), an_entry("old"))
    kept = Windows(newsroom.entries)
    kept.get("storm")
    newsroom.view.reset()
    newsroom.read(newsroom.records[:5])

    found = kept.get("storm")
    assert found is not None
    assert found == window(newsroom.entries, "storm")
    assert found.marks == ()


# --- growth ---------------------------------------------------------------------------------------


def steps(newsroom: Newsroom, work: Callable[[], object]) -> int:
    """How many instructions SQLite's machine runs for *work*, in hundreds."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    newsroom.view.db.set_progress_handler(tick, 100)
    work()
    newsroom.view.db.set_progress_handler(None, 0)
    return count


def grown(folder: Path, count: int) -> Newsroom:
    """A blog of *count* entries, all published at once: half of them withdrawn since."""
    newsroom = Newsroom(folder)
    newsroom.says(a_blog(), *entries(count))
    newsroom.says(*(withdrawn(f"e{n:06}") for n in range(count // 2, count)))
    return newsroom


def test_the_cost_of_a_change_does_not_grow_with_the_blog(tmp_path: Path) -> None:
    costs: dict[int, int] = {}
    for count in (1_000, 8_000):
        newsroom = grown(tmp_path / str(count), count)
        store = newsroom.store()
        feed_of(store, "atom")

        def change(newsroom: Newsroom = newsroom) -> None:
            newsroom.says(an_entry("e000001", title="Corrected"))
            feed_of(store, "atom")  # noqa: B023 - called in this turn of the loop

        costs[count] = steps(newsroom, change)
        newsroom.close()

    assert costs[8_000] < costs[1_000] * 1.2


@pytest.mark.parametrize(
    "query",
    [
        lambda view: view.newest_marks("storm", 50),
        lambda view: view.changed_since("storm", NOON, 200),
        lambda view: view.withdrawn_marks("storm", NOON, 200),
        lambda view: view.newest_change("storm"),
        lambda view: view.newest("storm", 100),
        lambda view: view.older("storm", NOON + timedelta(minutes=400), "e000400", 100),
        lambda view: view.changed_after("storm", 0, 200),
        lambda view: view.withdrawn_since("storm", NOON, NOON, 100),
    ],
)
def test_no_query_of_feeds_and_pages_sorts_or_scans_a_table(
    newsroom: Newsroom, query: Callable[[EntriesView], object]
) -> None:
    newsroom.says(a_blog(), *entries(3))
    asked: list[str] = []
    newsroom.view.db.set_trace_callback(asked.append)
    query(newsroom.entries)
    newsroom.view.db.set_trace_callback(None)

    for statement in asked:
        plan = newsroom.view.db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        words = [row[3] for row in plan]
        assert not [
            text for text in words if "TEMP B-TREE" in text or text.startswith("SCAN event")
        ]
    assert asked


class CountingAtom(Atom):
    """Atom that remembers which entries it rendered."""

    def __init__(self) -> None:
        self.rendered: list[str] = []

    def entry(self, blog: Blog, row: EntryRow, place: Place) -> bytes:
        self.rendered.append(row.entry.id)
        return super().entry(blog, row, place)


def test_one_change_renders_one_entry(newsroom: Newsroom) -> None:
    newsroom.says(a_blog(), *entries(5))
    counting = CountingAtom()
    store = FeedStore(newsroom.entries, [counting], PUBLIC, Metrics())
    feed_of(store, "atom")
    assert len(counting.rendered) == 5

    newsroom.says(an_entry("e000003", title="Corrected"), at=NOON + HOUR)

    assert b"Corrected" in feed_of(store, "atom")
    assert counting.rendered[5:] == ["e000003"]
    feed_of(store, "atom")
    assert len(counting.rendered) == 6
