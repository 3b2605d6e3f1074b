"""Ingest over HTTP: documents, entries and blogs, and what happens to whatever is wrong with them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slugline.entry import Entry
from slugline.events import Change, EventType
from tests.builders import NOON
from tests.integration.ingest_service import (
    TOKEN,
    Answer,
    IngestService,
    ingest_in,
    storm_page,
    timed_page,
)

HARBOUR = "Harbour wall gives way in three places at Hallowby"
SEARCH = "Search for two fishermen goes on as lifeboat turns back for fuel"
FERRIES = "Ferries to the Merrow islands will not sail before Thursday"
SAILED = "The widest of the gaps is some 40 metres across."


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[IngestService]:
    async with ingest_in(tmp_path) as service:
        yield service


def fields_of(answer: Answer) -> list[str]:
    return [mistake["field"] for mistake in answer.body["mistakes"]]


def assert_problem(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert answer.body["title"]


async def assert_still_takes(service: IngestService) -> None:
    """Whatever went before did no harm: the next good request is taken."""
    assert (await service.post({"id": "good", "title": "Good"}, "after"))["created"] == ["good"]


# --- documents ----------------------------------------------------------------------------------------


async def test_a_first_page_makes_the_blog_and_all_its_entries(ingest: IngestService) -> None:
    did = await ingest.dump(storm_page())

    assert did["blog"] == "storm"
    assert len(did["created"]) == 8
    assert (did["updated"], did["deleted"], did["unchanged"]) == ([], [], 0)
    assert "note" not in did
    blog = (await ingest.ask("GET", "/v1/blogs/storm")).body
    assert blog["title"].startswith("Storm Brannoc latest")
    assert blog["lead"].startswith("Some 4,000 people")
    assert blog["authority"] == "localhost"


async def test_the_blogs_record_stands_before_its_entries_and_the_oldest_of_them_come_first(
    ingest: IngestService,
) -> None:
    did = await ingest.dump(storm_page())

    assert ingest.kinds() == ["blog.updated"] + ["entry.created"] * 8
    made = [e.subject for e in ingest.events() if isinstance(e.subject, Entry)]
    assert [e.id for e in made] == did["created"]
    assert [e.published for e in made] == sorted(e.published for e in made)
    assert made[-1].title == "Can the Stennick causeway survive a second night?"


async def test_the_same_page_twice_gives_no_event(ingest: IngestService) -> None:
    first = await ingest.dump(storm_page())
    before = ingest.kinds()
    await ingest.clock.advance(3600)

    second = await ingest.dump(storm_page())

    assert (second["created"], second["updated"], second["unchanged"]) == ([], [], 8)
    assert second["sequence"] == first["sequence"]
    assert ingest.kinds() == before


async def test_curly_quotes_made_straight_give_no_event(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    straight = storm_page().replace("’", "'").replace("“", '"').replace("”", '"')

    did = await ingest.dump(straight.replace("\n", "\r\n"))

    assert (did["created"], did["updated"], did["unchanged"]) == ([], [], 8)


async def test_one_changed_paragraph_is_one_update_of_the_body(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    entry = ingest.titled(HARBOUR)
    await ingest.clock.advance(600)

    did = await ingest.dump(storm_page().replace(SAILED, "The widest is 60 metres across now."))

    assert (did["created"], did["updated"], did["unchanged"]) == ([], [entry.id], 7)
    event = ingest.events()[-1]
    assert event.type is EventType.ENTRY_UPDATED
    assert event.changed == (Change.BODY,)
    assert event.significant
    changed = ingest.titled(HARBOUR)
    assert (changed.revision, changed.published) == (2, entry.published)
    assert changed.updated == NOON + timedelta(seconds=600)
    assert "60 metres" in changed.body_html


@pytest.mark.parametrize(
    "corrected",
    [
        HARBOUR.replace("wall gives", "wal gives"),
        "Harbour wall gives way in four places at Hallowby quay",
    ],
)
async def test_a_corrected_heading_keeps_its_entry(ingest: IngestService, corrected: str) -> None:
    await ingest.dump(storm_page())
    entry = ingest.titled(HARBOUR)

    did = await ingest.dump(storm_page().replace(HARBOUR, corrected))

    assert (did["created"], did["updated"]) == ([], [entry.id])
    assert ingest.events()[-1].changed == (Change.TITLE,)
    assert ingest.titled(corrected).id == entry.id


async def test_a_corrected_heading_over_no_text_keeps_its_entry(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    entry = ingest.titled(FERRIES)

    did = await ingest.dump(storm_page().replace(FERRIES, FERRIES.replace("Merrow", "Merow")))

    assert (did["created"], did["updated"]) == ([], [entry.id])


async def test_an_entry_put_in_the_middle_changes_no_other(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    before = {e.id: e for e in ingest.standing()}
    new = "Bakers of Hallowby give their bread away\nThe ovens stood above the water all night.\n"

    did = await ingest.dump(storm_page().replace(SEARCH, new + SEARCH))

    assert (len(did["created"]), did["updated"], did["unchanged"]) == (1, [], 8)
    order = [e.title for e in ingest.standing()]
    assert order[1:4] == [HARBOUR, "Bakers of Hallowby give their bread away", SEARCH]
    assert {e.id: e for e in ingest.standing() if e.id in before} == before


async def test_entries_that_are_missing_are_no_deletes(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    page = storm_page()

    did = await ingest.dump(page[: page.index(SEARCH)])

    assert (did["created"], did["updated"], did["deleted"]) == ([], [], [])
    assert len(ingest.standing()) == 8


async def test_entries_in_another_order_give_no_event(ingest: IngestService) -> None:
    texts = [
        (f"Heading number {n} about the {w} quay", f"What {w} says, in a line of text. " * 3)
        for n, w in enumerate(("north", "south", "east", "west", "old"))
    ]
    entries = [(f"1{n}:30", heading, text) for n, (heading, text) in enumerate(texts)][::-1]
    await ingest.dump(timed_page(*entries))
    moved = [entries[3], *entries[:3], entries[4]]

    did = await ingest.dump(timed_page(*moved))

    assert (did["created"], did["updated"], did["unchanged"]) == ([], [], 5)


async def test_a_page_read_at_another_hour_moves_no_time(ingest: IngestService) -> None:
    page = timed_page(
        ("11:48", "Pilot boat is back", "The pilot boat is back in port with all of its crew."),
        ("09:10", "Ferries stay in port", "No ferry will leave before the tide has turned."),
        ("23:50", "Power fails in the town", "Half of the town has been without power since."),
    )
    await ingest.dump(page)
    before = ingest.standing()
    assert [f"{e.published:%d %H:%M}" for e in before] == ["22 11:48", "22 09:10", "21 23:50"]

    for hours in (9, 20, 48):
        await ingest.clock.advance(hours * 3600)
        assert (await ingest.dump(page))["unchanged"] == 3

    assert ingest.standing() == before


async def test_minutes_ago_are_the_same_entries_an_hour_later(ingest: IngestService) -> None:
    def page(first: str, second: str) -> str:
        return timed_page(
            (first, "Pilot boat is back", "The pilot boat is back in port with all of its crew."),
            (second, "Ferries stay in port", "No ferry will leave before the tide has turned."),
        )

    assert len((await ingest.dump(page("2 hours ago", "3 hours ago")))["created"]) == 2
    before = ingest.standing()
    await ingest.clock.advance(3540)

    did = await ingest.dump(page("2 hours ago", "3 hours ago"))

    assert (did["created"], did["updated"], did["unchanged"]) == ([], [], 2)
    assert ingest.standing() == before


async def test_the_sequence_grows_with_every_change(ingest: IngestService) -> None:
    sequences = [
        (await ingest.dump(storm_page(number)))["sequence"] for number in (1, 2, 3, 4, 5, 6)
    ]

    assert sequences == sorted(set(sequences))


async def test_two_pages_at_once_make_every_entry_once(ingest: IngestService) -> None:
    did = await asyncio.gather(*(ingest.dump(storm_page()) for _ in range(5)))

    assert sum(len(one["created"]) for one in did) == 8
    assert sorted(one["unchanged"] for one in did) == [0, 8, 8, 8, 8]
    assert len(ingest.standing()) == 8


async def test_a_page_without_entries_publishes_nothing_and_says_so(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    before = ingest.kinds()

    did = await ingest.dump("Access denied\nYou do not have permission to see this page.\n")

    assert "held no entry" in did["note"]
    assert (did["created"], did["updated"], did["unchanged"]) == ([], [], 0)
    assert ingest.kinds() == before


async def test_the_pages_address_becomes_the_blogs_unless_it_has_one(
    ingest: IngestService,
) -> None:
    await ingest.dump(storm_page(), Content_Location="https://skerry.example/live/storm")
    await ingest.dump(storm_page(2), Content_Location="https://mirror.example/storm")

    assert (await ingest.ask("GET", "/v1/blogs/storm")).body["link"] == (
        "https://skerry.example/live/storm"
    )


# --- withdrawals --------------------------------------------------------------------------------------


async def withdraw(ingest: IngestService, entry_id: str) -> None:
    answer = await ingest.ask("DELETE", f"/v1/blogs/storm/entries/{entry_id}")
    assert answer.status == 200
    assert answer.body["deleted"] == [entry_id]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        (HARBOUR, HARBOUR.replace("places", "plases")),
        (HARBOUR, "Hallowby: how the wall broke"),
        (SAILED, "The widest is 60 metres across now."),
        (FERRIES, FERRIES.replace("Merrow", "Merow")),
    ],
)
@pytest.mark.parametrize("withdrawn", [HARBOUR, FERRIES])
async def test_a_page_never_undoes_a_withdrawal(
    ingest: IngestService, withdrawn: str, before: str, after: str
) -> None:
    await ingest.dump(storm_page())
    entry = ingest.titled(withdrawn)
    await withdraw(ingest, entry.id)

    did = await ingest.dump(storm_page(2).replace(before, after) if before else storm_page(2))

    assert len(did["created"]) == 2
    assert entry.id not in did["updated"]
    assert all(e.body_text != entry.body_text for e in ingest.standing() if entry.body_text)
    assert len(ingest.standing()) == 9


async def test_nothing_of_a_withdrawn_entrys_text_is_kept(ingest: IngestService) -> None:
    await ingest.dump(storm_page())
    entry = ingest.titled(HARBOUR)

    await withdraw(ingest, entry.id)

    shown = (await ingest.ask("GET", f"/v1/blogs/storm/entries/{entry.id}")).body
    assert shown["withdrawn"]["by"] == "api"
    assert "Hallowby" not in json.dumps(shown)
    assert shown["published"] == entry.published.isoformat().replace("+00:00", "Z")
    assert ingest.kinds()[-1] == "entry.deleted"


async def test_only_put_brings_a_withdrawn_entry_back(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "title": "Ferries sail"})
    await withdraw(ingest, "e1")

    refused = await ingest.ask_json("POST", "/v1/blogs/storm/entries", {"id": "e1", "title": "Y"})
    assert_problem(refused, 409)
    assert "e1" in refused.body["detail"]
    assert "PUT" in refused.body["detail"]

    put = await ingest.ask_json("PUT", "/v1/blogs/storm/entries/e1", {"title": "Ferries sail"})
    assert put.body["updated"] == ["e1"]
    assert ingest.row("e1").entry.withdrawn is None
    assert ingest.row("e1").entry.revision == 3


async def test_a_list_with_a_withdrawn_entry_is_refused_whole(ingest: IngestService) -> None:
    await ingest.post([{"id": "e1", "title": "One"}, {"id": "e2", "title": "Two"}])
    await withdraw(ingest, "e1")

    refused = await ingest.ask_json(
        "POST",
        "/v1/blogs/storm/entries",
        [{"id": "e3", "title": "Three"}, {"id": "e1", "title": "One"}],
    )

    assert_problem(refused, 409)
    assert [e.id for e in ingest.standing()] == ["e2"]


async def test_withdrawing_twice_is_one_event(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "title": "One"})
    await withdraw(ingest, "e1")

    again = await ingest.ask("DELETE", "/v1/blogs/storm/entries/e1")

    assert (again.status, again.body["deleted"], again.body["unchanged"]) == (200, [], 1)
    assert ingest.kinds().count("entry.deleted") == 1


async def test_deleting_an_unknown_entry_is_404(ingest: IngestService) -> None:
    assert_problem(await ingest.ask("DELETE", "/v1/blogs/storm/entries/nobody"), 404)
    assert_problem(await ingest.ask("GET", "/v1/blogs/storm/entries/nobody"), 404)


# --- entries ------------------------------------------------------------------------------------------

WHOLE = {
    "id": "e1",
    "title": "Ferries sail",
    "body_html": '<p>At <b>noon</b>.</p><p><a href="https://x.example/">More</a></p>',
    "summary": "They sail.",
    "published": "2026-11-22T09:00:00+01:00",
    "updated": "2026-11-22T09:30:00+01:00",
    "authors": ["Ada", "Ben"],
    "link": "https://news.example/live#e1",
    "media": [{"url": "https://x.example/a.jpg", "width": 640, "height": 480, "alt": "A ferry"}],
    "related": [{"title": "The harbour", "summary": "Its story", "link": "https://x.example/h"}],
    "tags": ["ferries"],
    "key": True,
    "pinned": True,
}


async def test_an_entry_is_taken_with_every_field(ingest: IngestService) -> None:
    did = await ingest.post(WHOLE)

    assert list(did) == ["blog", "created", "updated", "deleted", "unchanged", "sequence"]
    assert (did["blog"], did["created"], did["unchanged"]) == ("storm", ["e1"], 0)
    assert did["sequence"] == ingest.row("e1").sequence
    entry = ingest.row("e1").entry
    assert entry.title == "Ferries sail"
    assert entry.body_text == "At noon.\n\nMore"
    assert 'href="https://x.example/"' in entry.body_html
    assert (entry.summary, entry.authors, entry.tags) == (
        "They sail.",
        ("Ada", "Ben"),
        ("ferries",),
    )
    assert f"{entry.published:%H:%M} {entry.updated:%H:%M}" == "08:00 08:30"
    assert entry.link == "https://news.example/live#e1"
    assert [(m.url, m.width, m.alt) for m in entry.media] == [
        ("https://x.example/a.jpg", 640, "A ferry")
    ]
    assert [(r.title, r.link) for r in entry.related] == [("The harbour", "https://x.example/h")]
    assert (entry.key_event, entry.pinned, entry.inferred) == (True, True, ())


async def test_text_becomes_paragraphs_and_is_never_read_as_html(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "body_text": "One <b>&amp; two\nline\n\n\nThree\n"})

    entry = ingest.row("e1").entry
    assert entry.body_html == "<p>One &lt;b&gt;&amp;amp; two<br>line</p><p>Three</p>"
    assert entry.body_text == "One <b>&amp; two\nline\n\nThree"


@pytest.mark.parametrize("timed", [{}, {"published": "2026-11-22T09:00:00Z"}])
async def test_an_entry_without_an_id_repeated_changes_nothing(
    ingest: IngestService, timed: dict[str, str]
) -> None:
    entries = [{"title": f"Entry {n}", "body_text": "Text", **timed} for n in range(3)]
    first = await ingest.post(entries)
    await ingest.clock.advance(60)

    second = await ingest.post([*entries, entries[0]])

    assert len(first["created"]) == 3
    assert (second["created"], second["updated"], second["unchanged"]) == ([], [], 3)
    assert second["sequence"] == first["sequence"]


async def test_entries_without_times_keep_the_order_of_their_list(ingest: IngestService) -> None:
    names = [f"e{n}" for n in (5, 3, 8, 1, 9)]

    did = await ingest.post([{"id": name, "title": name} for name in names])

    assert did["created"] == names
    assert [e.id for e in ingest.standing()] == names[::-1]
    assert all(e.inferred == ("published",) for e in ingest.standing())


async def test_new_entries_of_a_list_are_published_oldest_first(ingest: IngestService) -> None:
    hours = {"late": 11, "early": 7, "middle": 9}

    did = await ingest.post(
        [
            {"id": name, "title": name, "published": f"2026-11-22T{hour:02}:00:00Z"}
            for name, hour in hours.items()
        ]
    )

    assert did["created"] == ["early", "middle", "late"]


async def test_a_change_of_flags_alone_is_not_significant(ingest: IngestService) -> None:
    await ingest.post(WHOLE)
    before = ingest.row("e1").entry

    did = await ingest.post({**WHOLE, "pinned": False, "tags": ["ferries", "port"]})

    assert did["updated"] == ["e1"]
    event = ingest.events()[-1]
    assert (event.changed, event.significant) == ((Change.META,), False)
    assert ingest.row("e1").entry.updated == before.updated


async def test_an_edit_that_states_no_later_time_is_updated_now(ingest: IngestService) -> None:
    await ingest.post(WHOLE)
    await ingest.clock.advance(60)

    await ingest.post({**WHOLE, "title": "No ferries sail"})

    assert ingest.row("e1").entry.updated == NOON + timedelta(seconds=60)


async def test_published_never_moves(ingest: IngestService) -> None:
    await ingest.post(WHOLE)

    did = await ingest.post({**WHOLE, "published": "2026-11-22T11:00:00Z"})

    assert did["unchanged"] == 1
    assert f"{ingest.row('e1').entry.published:%H:%M}" == "08:00"


async def test_every_mistake_of_a_list_is_named_and_nothing_of_it_is_taken(
    ingest: IngestService,
) -> None:
    answer = await ingest.ask_json(
        "POST",
        "/v1/blogs/storm/entries",
        [
            {"id": "good", "title": "Good"},
            {"title": "A", "published": "2026-11-22T14:05:00"},
            {"title": "B", "body_html": "<p>x</p>", "body_text": "x"},
            {"title": "C", "link": "javascript:alert(1)", "media": [{"url": "/a.jpg"}], "ky": True},
            {},
            "text",
            {"id": "good", "title": "Again"},
        ],
    )

    assert_problem(answer, 422)
    told = {m["field"]: m["message"] for m in answer.body["mistakes"]}
    assert list(told) == [
        "[1].published",
        "[2]",
        "[3].link",
        "[3].media[0].url",
        "[3].ky",
        "[4]",
        "[5]",
        "[6].id",
    ]
    assert "time zone" in told["[1].published"]
    assert "not both" in told["[2]"]
    assert "JSON object" in told["[5]"]
    assert (await ingest.ask("GET", "/v1/blogs/storm")).status == 404
    await assert_still_takes(ingest)


@pytest.mark.parametrize(
    "published",
    [
        "2026-11-22T14:05:00",
        "2026-11-22",
        "yesterday",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "2026-02-30T10:00:00Z",
        1_763_000_000,
        1e308,
        True,
        ["2026-11-22T14:05:00Z"],
    ],
)
async def test_a_time_that_is_no_instant_is_refused(
    ingest: IngestService, published: object
) -> None:
    answer = await ingest.ask_json(
        "POST", "/v1/blogs/storm/entries", {"title": "A", "published": published}
    )

    assert_problem(answer, 422)
    assert fields_of(answer) == ["published"]
    await assert_still_takes(ingest)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"id": "e 1", "title": "A"}, "id"),
        ({"id": "e" * 201, "title": "A"}, "id"),
        ({"id": "e\n", "title": "A", "body_text": 5}, "body_text"),
        ({"title": "A" * 1001}, "title"),
        ({"title": "A", "key": "yes"}, "key"),
        ({"title": "A", "authors": "Ada"}, "authors"),
        (
            {"title": "A", "media": [{"width": 10**30, "url": "https://x.example/"}]},
            "media[0].width",
        ),
        ({"title": "A", "media": [{}]}, "media[0]"),
        ({"title": "A", "link": "https://x.example/\x01"}, "link"),
        ({"title": "A", "link": "https://"}, "link"),
        ({"body_html": "<script>alert(1)</script>"}, "body_html"),
        ({"body_text": "\x00\x01"}, ""),
        ({"title": "A", "body_text": "ü" * 490_000}, "body_html"),
    ],
)
async def test_a_wrong_field_is_named(
    ingest: IngestService, entry: dict[str, Any], field: str
) -> None:
    answer = await ingest.ask_json("POST", "/v1/blogs/storm/entries", entry)

    assert_problem(answer, 422)
    assert field in fields_of(answer)
    await assert_still_takes(ingest)


async def test_the_entrys_name_in_the_address_counts(ingest: IngestService) -> None:
    path = "/v1/blogs/storm/entries/e1"

    assert (await ingest.ask_json("PUT", path, {"title": "A"})).body["created"] == ["e1"]
    assert (await ingest.ask_json("PUT", path, {"id": "e1", "title": "A"})).body["unchanged"] == 1
    assert_problem(await ingest.ask_json("PUT", path, {"id": "e2", "title": "A"}), 422)


async def test_control_characters_in_text_are_dropped(ingest: IngestService) -> None:
    await ingest.post(
        {"id": "e1", "title": "A\u0000B\u0085", "body_html": "<p>c\u0001d&#2;e\ufffe</p>"}
    )

    entry = ingest.row("e1").entry
    assert (entry.title, entry.body_html, entry.body_text) == ("AB", "<p>cde</p>", "cde")


# --- blogs --------------------------------------------------------------------------------------------


async def put_blog(ingest: IngestService, **fields: Any) -> Answer:
    return await ingest.ask_json("PUT", "/v1/blogs/storm", fields)


async def shown_blog(ingest: IngestService) -> dict[str, Any]:
    body: dict[str, Any] = (await ingest.ask("GET", "/v1/blogs/storm")).body
    return body


async def test_a_blog_is_made_and_changed_field_by_field(ingest: IngestService) -> None:
    assert_problem(await ingest.ask("GET", "/v1/blogs/storm"), 404)
    made = await put_blog(
        ingest, title="Storm", language="en-GB", timezone="Europe/London", link="https://x.example/"
    )
    await put_blog(ingest, description="All of it", title=None)

    assert (made.status, made.body["created"]) == (200, [])
    assert await shown_blog(ingest) == {
        "id": "storm",
        "authority": "localhost",
        "description": "All of it",
        "language": "en-GB",
        "timezone": "Europe/London",
        "link": "https://x.example/",
        "state": "live",
        "sequence": (await put_blog(ingest)).body["sequence"],
    }
    assert ingest.kinds() == ["blog.updated", "blog.updated"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"language": "english please"}, "language"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"link": "ftp://x.example/"}, "link"),
        ({"state": "gone"}, "state"),
        ({"state": "moved"}, ""),
        ({"moved_to": "https://x.example/"}, ""),
        ({"coverage_start": "2026-11-22T10:00"}, "coverage_start"),
        ({"authority": "evil.example"}, "authority"),
        ({"id": "other"}, "id"),
    ],
)
async def test_a_blogs_fields_are_checked(
    ingest: IngestService, fields: dict[str, str], field: str
) -> None:
    answer = await put_blog(ingest, **fields)

    assert_problem(answer, 422)
    assert fields_of(answer) == [field]


async def test_a_moved_blog_keeps_its_target_when_something_else_changes(
    ingest: IngestService,
) -> None:
    await put_blog(ingest, state="moved", moved_to="https://new.example/")
    await put_blog(ingest, title="Storm")
    assert (await shown_blog(ingest))["moved_to"] == "https://new.example/"

    await put_blog(ingest, state="live")
    assert "moved_to" not in await shown_blog(ingest)
    assert (await shown_blog(ingest))["state"] == "live"


async def test_closing_a_blog_is_an_event_of_its_own_and_late_edits_are_taken(
    ingest: IngestService,
) -> None:
    await ingest.post({"id": "e1", "title": "One"})
    await put_blog(ingest, state="closed")
    await put_blog(ingest, state="closed")
    await ingest.post({"id": "e1", "title": "Two"})

    assert ingest.kinds()[-2:] == ["blog.closed", "entry.updated"]


async def test_a_removed_blog_takes_nothing_but_withdrawals(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "title": "One"})
    await put_blog(ingest, state="removed")

    assert_problem(await ingest.ask_json("POST", "/v1/blogs/storm/entries", {"title": "Two"}), 409)
    assert_problem(await ingest.ask_json("PUT", "/v1/blogs/storm/entries/e1", {"title": "T"}), 409)
    page = await ingest.ask(
        "POST",
        "/v1/blogs/storm/documents",
        storm_page().encode(),
        headers={"Content-Type": "text/plain"},
    )
    assert_problem(page, 409)
    await withdraw(ingest, "e1")
    await put_blog(ingest, state="live")
    assert len((await ingest.dump(storm_page()))["created"]) == 8


async def test_the_zone_of_the_blog_is_that_of_bare_times(ingest: IngestService) -> None:
    await put_blog(ingest, timezone="America/New_York")

    await ingest.dump(
        timed_page(
            ("06:48", "Pilot boat is back", "The pilot boat is back in port with all of its crew."),
            ("06:10", "Ferries stay in port", "No ferry will leave before the tide has turned."),
        )
    )

    assert [f"{e.published:%H:%M}" for e in ingest.standing()] == ["11:48", "11:10"]


# --- what must be refused -----------------------------------------------------------------------------


async def post_raw(
    ingest: IngestService, where: str, data: Any, kind: str | None, **headers: str
) -> Answer:
    sent = {**headers, **({"Content-Type": kind} if kind else {})}
    return await ingest.ask("POST", f"/v1/blogs/storm/{where}", data, headers=sent)


@pytest.mark.parametrize(
    ("data", "kind", "status", "told"),
    [
        (b"%PDF-1.7", "application/pdf", 415, "application/pdf"),
        (b"<rss><channel/></rss>", "application/rss+xml", 415, "application/rss+xml"),
        (b"", "text/plain", 422, "empty"),
        (b" \n\t\n", "text/plain", 422, "empty"),
        (b"\x00\x01\x02", "text/plain", 422, "no text"),
        (b"caf\xe9 at noon", "text/plain", 422, "byte 3"),
        (b"caf\xe9", "text/plain; charset=klingon", 422, "klingon"),
        (b"PK\x03\x04\x00\x00", None, 415, "octet-stream"),
    ],
)
async def test_a_document_that_cannot_be_read_is_refused(
    ingest: IngestService, data: bytes, kind: str | None, status: int, told: str
) -> None:
    answer = await post_raw(ingest, "documents", data, kind)

    assert_problem(answer, status)
    assert told in answer.body["detail"]
    assert "\n" not in answer.body["detail"]
    assert ingest.kinds() == []
    await assert_still_takes(ingest)


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"", 400, "empty"),
        (b'{"title": "A"', 400, "Line 1"),
        (b'{"title": "caf\xe9"}', 400, "Line 1"),
        (b'{"title": "lone \\ud800 surrogate"}', 400, "surrogate"),
        (b'{"title": NaN}', 400, "Line 1"),
        (b'{"title": "A", "width": 1e999}', 400, ""),
        (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "depth limit"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "depth limit"),
        (b"[" + b'{"title": "A"},' * 10_000 + b'{"title": "A"}]', 422, "10001"),
        (b"null", 422, "JSON object"),
        (b"5", 422, "JSON object"),
    ],
)
async def test_a_body_that_is_no_entry_is_refused(
    ingest: IngestService, data: bytes, status: int, told: str
) -> None:
    answer = await post_raw(ingest, "entries", data, "application/json")

    assert_problem(answer, status)
    assert told in answer.body["detail"]
    assert ingest.kinds() == []
    await assert_still_takes(ingest)


async def test_another_kind_of_body_is_refused(ingest: IngestService) -> None:
    assert_problem(await post_raw(ingest, "entries", b"<a/>", "application/xml"), 415)
    assert_problem(await post_raw(ingest, "entries", b"title=A", "text/plain"), 415)


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100_000):
        yield b"a line\n" * 14_285 + b"12345"
    yield b"x" * (size % 100_000)


@pytest.mark.parametrize("where", ["documents", "entries"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_over_ten_megabytes_is_too_large(
    ingest: IngestService, where: str, chunked: bool
) -> None:
    kind = "text/plain" if where == "documents" else "application/json"
    data = in_chunks(10_000_001) if chunked else b"x" * 10_000_001

    answer = await post_raw(ingest, where, data, kind)

    assert_problem(answer, 413)
    assert "10,000,000" in answer.body["detail"]
    await assert_still_takes(ingest)


async def test_ten_megabytes_are_taken(ingest: IngestService) -> None:
    answer = await post_raw(ingest, "documents", b"x " * 5_000_000, "text/plain")

    assert (answer.status, "note" in answer.body) == (200, True)


async def test_a_bomb_is_too_large_when_it_goes_off(ingest: IngestService) -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")

    answer = await post_raw(
        ingest, "entries", bomb, "application/json", **{"Content-Encoding": "gzip"}
    )

    assert_problem(answer, 413)
    await assert_still_takes(ingest)


async def test_a_page_of_100_000_lines_is_taken(ingest: IngestService) -> None:
    text = "The pilot boat is back in port and its crew has gone home, wet and tired.\n"
    entries = [
        (f"{h:02}:{m:02}", f"Entry {h} {m} of the day", text * 67)
        for h in reversed(range(11))
        for m in reversed(range(60))
    ]
    page = timed_page(*entries, *(("00:00", f"Before {n}", text * 67) for n in range(800)))
    assert page.count("\n") > 100_000

    did = await ingest.dump(page)

    assert len(did["created"]) == 1460
    assert (await ingest.dump(page))["unchanged"] == 1460


@pytest.mark.parametrize(
    "blog", ["Storm", "-storm", "st%20orm", "s" * 101, "%ED%A0%80", "%FF", "st%7Corm", "storm%0A"]
)
async def test_a_name_that_no_blog_can_have_is_refused(ingest: IngestService, blog: str) -> None:
    assert_problem(await ingest.ask("GET", f"/v1/blogs/{blog}"), 422)
    assert_problem(await ingest.ask_json("POST", f"/v1/blogs/{blog}/entries", {"title": "A"}), 422)
    assert_problem(await ingest.ask("DELETE", "/v1/blogs/storm/entries/a%20b"), 422)


@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", TOKEN[:-1], "ünïcode"])
async def test_nothing_under_v1_answers_without_the_token(
    ingest: IngestService, token: str | None
) -> None:
    requests = [
        ("GET", "/v1/blogs/storm"),
        ("PUT", "/v1/blogs/storm"),
        ("POST", "/v1/blogs/storm/entries"),
        ("POST", "/v1/blogs/storm/documents"),
        ("GET", "/v1/blogs/storm/entries/e1"),
        ("PUT", "/v1/blogs/storm/entries/e1"),
        ("DELETE", "/v1/blogs/storm/entries/e1"),
    ]
    for method, path in requests:
        answer = await ingest.ask(method, path, token=token)

        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_header_that_is_no_utf8_is_a_wrong_token(ingest: IngestService) -> None:
    port = int(ingest.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /v1/blogs/storm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer \xff\xfe\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 401 ")


# --- the log in trouble -------------------------------------------------------------------------------


async def test_a_full_disk_accepts_nothing_and_later_everything(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "title": "One"})
    before = ingest.kinds()
    await ingest.fill_disk()
    entries = [{"title": f"Entry {n}", "body_text": "Much text. " * 200} for n in range(50)]

    refused = await ingest.ask_json("POST", "/v1/blogs/storm/entries", entries)

    assert_problem(refused, 507)
    assert ingest.kinds() == before
    await ingest.empty_disk()
    assert len((await ingest.post(entries))["created"]) == 50


async def test_while_the_log_is_away_writes_wait_for_another_time(ingest: IngestService) -> None:
    await ingest.post({"id": "e1", "title": "One"})
    ingest.log.away = True

    refused = await ingest.ask_json("POST", "/v1/blogs/storm/entries", {"title": "Two"})

    assert_problem(refused, 503)
    assert int(refused.headers["Retry-After"]) > 0
    assert "same request" in refused.body["detail"]
    assert (await ingest.ask("GET", "/v1/blogs/storm/entries/e1")).status == 200
    ingest.log.away = False
    assert len((await ingest.post({"title": "Two"}))["created"]) == 1


async def test_what_was_accepted_is_there_after_a_start_anew(tmp_path: Path) -> None:
    async with ingest_in(tmp_path) as first:
        did = await first.dump(storm_page())
    for name in ("view.db", "view.db-wal", "view.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    async with ingest_in(tmp_path) as second:
        again = await second.dump(storm_page())

    assert (again["unchanged"], again["sequence"]) == (8, did["sequence"])
