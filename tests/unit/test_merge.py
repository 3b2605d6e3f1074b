"""From a snapshot to events: ids, times, and what a poorer document must not take away."""

from datetime import timedelta

from slugline.entry import Confidence, Entry, EntryId, Media, Related
from slugline.events import Change
from slugline_ingest.merge import new_ids, plan_snapshot
from slugline_ingest.plan import Plan
from slugline_ingest.snapshot import Order, Snapshot, SnapshotEntry
from tests.builders import NOON, a_blog, an_entry, withdrawn
from tests.unit.test_plan import LATER, a_plan


def a_snapshot(*entries: SnapshotEntry, order: Order = Order.NEWEST_FIRST, **said: str) -> Snapshot:
    return Snapshot(entries=entries, order=order, **said)


def planned(plan: Plan, snapshot: Snapshot) -> list[Entry]:
    plan_snapshot(plan, a_blog().id, "news.example", snapshot)
    return [e.subject for e in plan.events if isinstance(e.subject, Entry)]


def seen(title: str, **fields: object) -> SnapshotEntry:
    return SnapshotEntry(title=title, **fields)  # type: ignore[arg-type]


def test_entries_without_times_are_a_second_apart_oldest_first() -> None:
    made = planned(a_plan(), a_snapshot(seen("C"), seen("B"), seen("A")))

    assert [e.title for e in made] == ["A", "B", "C"]
    assert [e.published for e in made] == [LATER - timedelta(seconds=n) for n in (2, 1, 0)]
    assert all(e.inferred == ("published",) and e.updated == e.published for e in made)


def test_a_page_that_goes_down_in_time_order_is_turned_round() -> None:
    made = planned(a_plan(), a_snapshot(seen("A"), seen("B"), order=Order.OLDEST_FIRST))

    assert [e.title for e in made] == ["A", "B"]
    assert made[0].published < made[1].published


def test_entries_of_one_minute_keep_the_order_of_the_page() -> None:
    titles = [f"Entry {name}" for name in "QXBMA"]

    made = planned(a_plan(), a_snapshot(*(seen(t, published=NOON) for t in titles)))

    assert [e.title for e in made] == titles[::-1]


def test_ids_are_hashes_of_heading_and_minute_set_once() -> None:
    first = seen("Ferries stay in port", published=NOON)
    again = seen("FERRIES stay in “port”!", published=NOON + timedelta(seconds=30))

    assert new_ids([first]) == new_ids([again])
    assert new_ids([first]) != new_ids([seen("Ferries stay in port")])


def test_one_more_of_the_same_heading_on_top_changes_no_id() -> None:
    two = new_ids([seen("Photos"), seen("Photos")])
    three = new_ids([seen("Photos"), seen("Photos"), seen("Photos")])

    assert len(set(three)) == 3
    assert three[1:] == two


def test_a_new_entry_never_takes_the_id_of_a_known_one() -> None:
    (name,) = new_ids([seen("Photos", body_text="One", published=NOON)])
    known = an_entry(name, title="Photos, all", body_text="Other text", published=NOON)
    early = known.published - timedelta(hours=5)

    made = planned(
        a_plan(an_entry(name, title="Else", body_text="Other", published=early)),
        a_snapshot(seen("Photos", body_text="One", published=NOON)),
    )

    assert [e.id for e in made] != [name]


def test_a_copy_of_an_entry_pinned_on_top_is_no_second_entry() -> None:
    pinned = seen("A", id="a", published=NOON, pinned=True)
    plan = a_plan()

    made = planned(plan, a_snapshot(pinned, seen("B", id="b"), seen("A", id="a", published=NOON)))

    assert sorted(e.id for e in made) == ["a", "b"]
    assert plan.unchanged == 1


def test_what_was_withdrawn_is_not_published_again() -> None:
    plan = a_plan(withdrawn("e1"))

    assert planned(plan, a_snapshot(seen("Back", id="e1"))) == []
    assert plan.unchanged == 1


def test_a_poorer_document_takes_nothing_away_that_it_cannot_say() -> None:
    known = an_entry(
        body_html="<p>The ferry <b>stays</b> in port.</p>",
        authors=("Ada",),
        link="https://x.example/#1",
        tags=("port",),
        media=(Media(url="https://x.example/a.jpg"),),
        related=(Related(title="The “harbour”", link="https://x.example/h"),),
        key_event=True,
    )
    same = seen(
        "Heading of e1",
        body_text="The ferry stays in port.",
        body_html="<p>The ferry stays in port.</p>",
        related=(Related(title='The "harbour"'),),
        media=(Media(caption="A ferry"),),
    )

    assert planned(a_plan(known, blog=a_blog()), a_snapshot(same)) == []


def test_a_document_that_is_sure_says_all() -> None:
    known = an_entry(authors=("Ada",), tags=("port",))
    sure = seen(
        "Heading of e1",
        id="e1",
        body_text=known.body_text,
        body_html=known.body_html,
        confidence=Confidence.HIGH,
    )
    plan = a_plan(known, blog=a_blog())

    (made,) = planned(plan, a_snapshot(sure))

    assert (made.authors, made.tags) == ((), ())
    assert plan.events[-1].changed == (Change.META,)


def test_a_document_without_entries_changes_nothing_not_even_the_title() -> None:
    plan = a_plan(blog=a_blog())

    assert planned(plan, a_snapshot(title="Access denied")) == []
    assert plan.events == []
    assert "held no entry" in plan.note


def test_what_the_document_says_of_the_blog_wins_but_for_guesses() -> None:
    plan = a_plan(blog=a_blog(language="cy", link="https://x.example/"))
    said = a_snapshot(seen("A"), title="New", lead="Lead", language="en", link="https://y.example/")

    plan_snapshot(plan, a_blog().id, "other.example", said)

    blog = plan.events[0].subject
    assert blog == a_blog(language="cy", link="https://x.example/", title="New", lead="Lead")


def test_an_edit_keeps_the_time_at_which_the_entry_was_first_seen() -> None:
    known = an_entry("k", title="Ferries stay in port", published=NOON, inferred=("published",))
    plan = a_plan(known, blog=a_blog())

    (made,) = planned(plan, a_snapshot(seen("Ferries stay in port", body_text="More is known.")))

    assert (made.id, made.published, made.updated) == (EntryId("k"), NOON, LATER)


def test_a_text_that_was_cut_does_not_take_the_whole_away() -> None:
    whole = an_entry("e1", body_text="The ferry stays in port until the wind drops.", title="Ferry")
    cut = seen("Ferry", id="e1", body_text="The ferry stays in port…", confidence=Confidence.MEDIUM)
    other = seen("Ferry", id="e1", body_text="The ferry sails again…", confidence=Confidence.MEDIUM)

    assert planned(a_plan(whole), a_snapshot(cut)) == []
    (changed,) = planned(a_plan(whole), a_snapshot(other))
    assert changed.body_text == "The ferry sails again…"
