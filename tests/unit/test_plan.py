"""Plans: what a write publishes, worked out against a blog as it is."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from slugline.blog import Blog, BlogState
from slugline.entry import Entry, EntryId, Media, Related
from slugline.events import Change, EventType, event_id
from slugline.view.entries import BlogRow, EntryRow
from slugline_ingest.plan import Plan, State, changes, created_or_known, oldest_first, plain
from tests.builders import NOON, a_blog, an_entry, withdrawn

LATER = NOON + timedelta(minutes=5)


def a_state(entries: Iterable[Entry] = (), blog: Blog | None = None) -> State:
    rows = {
        e.id: EntryRow(entry=e, event_id=f"event of {e.id}", time=NOON, sequence=1) for e in entries
    }
    row = BlogRow(blog=blog, event_id="event of blog", time=NOON, sequence=1) if blog else None
    return State(blog=row, entries=rows, newest=("newest", NOON) if rows or row else None)


def a_plan(*entries: Entry, blog: Blog | None = None, now: datetime = LATER) -> Plan:
    return Plan(a_state(entries, blog), now)


def the_entry(plan: Plan) -> Entry:
    (event,) = plan.events
    assert isinstance(event.subject, Entry)
    return event.subject


def test_an_unknown_entry_is_created_at_revision_1() -> None:
    plan = a_plan()
    plan.put_entry(an_entry())

    (event,) = plan.events
    assert (event.type, event.changed, plan.created) == (EventType.ENTRY_CREATED, (), ["e1"])
    assert event.id == event_id(an_entry(), None)
    assert the_entry(plan).revision == 1


def test_a_new_entry_was_never_updated_before_it_was_published() -> None:
    plan = a_plan()
    plan.put_entry(an_entry(updated=NOON - timedelta(seconds=1)))

    assert the_entry(plan).updated == NOON


@pytest.mark.parametrize(
    "said",
    [
        {"title": "Heading of &amp;quot;e1&amp;quot;"},
        {"title": '  Heading  of\u00a0"e1" '},
        {"title": "Heading of “e1”"},
        {"body_html": "<p>The ferry&nbsp;stays in port.</p>"},
        {"updated": LATER},
        {"published": LATER},
        {"media": (Media(url="https://x.example/a", caption="It’s a ferry"),)},
    ],
)
def test_what_only_a_page_renders_otherwise_is_no_event(said: dict[str, object]) -> None:
    known = an_entry(
        title='Heading of "e1"', media=(Media(url="https://x.example/a", caption="It's a ferry"),)
    )
    plan = a_plan(known)
    plan.put_entry(replace(known, **said))  # type: ignore[arg-type]

    assert (plan.events, plan.unchanged) == ([], 1)


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ({"title": "Other"}, (Change.TITLE,)),
        ({"body_html": "<p>Other</p>"}, (Change.BODY,)),
        ({"body_text": "Other"}, (Change.BODY,)),
        ({"summary": "Other"}, (Change.BODY,)),
        ({"media": (Media(caption="A ferry"),)}, (Change.MEDIA,)),
        ({"authors": ("Ada",)}, (Change.META,)),
        ({"tags": ("port",)}, (Change.META,)),
        ({"pinned": True}, (Change.META,)),
        ({"key_event": True}, (Change.META,)),
        ({"link": "https://x.example/"}, (Change.META,)),
        ({"related": (Related(title="A card"),)}, (Change.META,)),
        ({"title": "Other", "pinned": True}, (Change.TITLE, Change.META)),
    ],
)
def test_an_update_says_what_it_changed_and_only_more_than_flags_moves_updated(
    said: dict[str, object], changed: tuple[Change, ...]
) -> None:
    known = an_entry(revision=4)
    plan = a_plan(known)
    plan.put_entry(replace(known, **said))  # type: ignore[arg-type]

    (event,) = plan.events
    significant = changed != (Change.META,)
    assert (event.type, event.changed) == (EventType.ENTRY_UPDATED, changed)
    assert event.significant == significant
    assert the_entry(plan).updated == (LATER if significant else NOON)
    assert (the_entry(plan).revision, the_entry(plan).published) == (5, NOON)
    assert event.id == event_id(the_entry(plan), "event of e1")


@pytest.mark.parametrize(
    ("stated", "now", "updated"),
    [(1, 5, 1), (0, 5, 5), (-9, 5, 5), (7, 5, 7), (0, -3, 0)],
)
def test_updated_is_as_stated_or_now_and_never_goes_back(
    stated: int, now: int, updated: int
) -> None:
    plan = a_plan(an_entry(), now=NOON + timedelta(minutes=now))
    plan.put_entry(an_entry(title="Other", updated=NOON + timedelta(minutes=stated)))

    assert the_entry(plan).updated == NOON + timedelta(minutes=updated)


def test_an_entry_that_comes_back_says_everything_anew() -> None:
    gone = withdrawn(revision=2, inferred=("published",))
    plan = a_plan(gone)
    plan.put_entry(an_entry(published=LATER))

    assert plan.events[0].changed == tuple(Change)
    back = the_entry(plan)
    assert (back.withdrawn, back.published, back.revision) == (None, NOON, 3)


def test_a_withdrawal_keeps_id_and_times_and_no_text() -> None:
    known = an_entry(authors=("Ada",), media=(Media(caption="A ferry"),), revision=3)
    plan = a_plan(known)
    plan.withdraw(plan.state.entries[EntryId("e1")], "api")

    gone = the_entry(plan)
    assert plan.events[0].type is EventType.ENTRY_DELETED
    assert (gone.id, gone.published, gone.updated, gone.revision) == ("e1", NOON, LATER, 4)
    assert (gone.title, gone.body_html, gone.body_text, gone.summary) == (None, "", "", "")
    assert (gone.authors, gone.media, gone.related, gone.link) == ((), (), (), None)
    assert gone.withdrawn
    assert (gone.withdrawn.by, gone.withdrawn.at) == ("api", LATER)


@pytest.mark.parametrize(
    ("before", "by", "events"),
    [
        ("api", "api", 0),
        ("api", "source:page", 0),
        ("source:page", "source:page", 0),
        ("source:page", "api", 1),
    ],
)
def test_the_api_overrules_a_source_and_no_source_the_api(
    before: str, by: str, events: int
) -> None:
    first = a_plan(an_entry())
    first.withdraw(first.state.entries[EntryId("e1")], before)
    plan = a_plan(the_entry(first))
    plan.withdraw(plan.state.entries[EntryId("e1")], by)

    assert len(plan.events) == events
    assert plan.unchanged == 1 - events


def test_a_clock_that_goes_back_moves_no_event_back() -> None:
    plan = a_plan(an_entry(), now=NOON - timedelta(hours=1))
    plan.put_entry(an_entry(title="Other"))

    assert plan.events[0].time == NOON


def test_each_event_names_the_one_before_it() -> None:
    plan = a_plan(an_entry())
    plan.put_entry(an_entry(title="Other"))
    plan.put_entry(an_entry("e2"))

    assert [e.previous for e in plan.events] == ["newest", plan.events[0].id]


def test_closing_is_an_event_of_its_own_once() -> None:
    plan = a_plan(blog=a_blog())
    plan.put_blog(a_blog(state=BlogState.CLOSED))
    again = a_plan(blog=a_blog(state=BlogState.CLOSED))
    again.put_blog(a_blog(state=BlogState.CLOSED, title="Storm, over"))

    assert [e.type for e in plan.events] == [EventType.BLOG_CLOSED]
    assert [e.type for e in again.events] == [EventType.BLOG_UPDATED]


def test_a_blog_that_says_the_same_is_no_event() -> None:
    plan = a_plan(blog=a_blog())
    plan.put_blog(a_blog())

    assert plan.events == []


def test_the_authority_is_set_once() -> None:
    assert created_or_known(a_state(), a_blog().id, "new.example").authority == "new.example"
    known = a_state(blog=a_blog())
    assert created_or_known(known, a_blog().id, "new.example").authority == "news.example"


def test_entries_of_one_instant_keep_their_order() -> None:
    names = ["z", "a", "m"]
    late = an_entry("first", published=NOON - timedelta(seconds=1))

    ordered = oldest_first([*(an_entry(name) for name in names), late])

    assert [e.id for e in ordered] == ["first", *names]


def test_plain_leaves_words_alone() -> None:
    assert plain("a &lt;b&gt; &amp;amp; c") == "a <b> & c"
    assert changes(an_entry(body_text="1 < 2"), an_entry(body_text="1 > 2")) == (Change.BODY,)
    assert plain("e\u0301") == "é"
