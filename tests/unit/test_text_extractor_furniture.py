"""What around a live page's entries is the page's own, and what is an entry's."""

import re

import pytest

from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.snapshot import Snapshot
from tests.unit.test_text_extractor_times import RECEIVED

HEADINGS = (
    "Ferry company cancels all sailings until Monday",
    "School gyms become shelters for the night",
    "Trains stop on the coast line",
)
PARAGRAPH = "The company has cancelled sailings until Monday at the earliest, it said on Sunday."
LEAD = "A storm is battering the whole coast, and thousands of people have left their homes."
HEAD = "Storm Nadia live: Towns ordered to evacuate\nThe latest from the coast\n"


def page(*, lead: str = "", tail: str = "", timed: bool = True, cards: str = "") -> str:
    times = ("17:48 , Jane Dalton", "17:20 , Jane Dalton", "16:20 , Tom Smith")
    entries = [
        f"{heading}\n{time if timed else ''}\n{PARAGRAPH}\n{cards}"
        for heading, time in zip(HEADINGS, times, strict=True)
    ]
    return f"{HEAD}{lead}\n{''.join(entries)}\n{tail}\n"


def read(text: str) -> Snapshot:
    lines = re.sub(r"\n+", "\n", text)
    return FlatTextExtractor().extract(Document(text=lines, received=RECEIVED))


BARE = read(page())


@pytest.mark.parametrize(
    "counter",
    [
        "Show comments (1,204)",
        "1,204 comments",
        "View all 12 comments",
        "1.204 Kommentare",
        "Kommentare (1 204)",
        "1 204 commentaires",
        "12 comentarios",
        "1.2K comments",
        "Комментарии (1 204)",
    ],
)
def test_a_counter_of_comments_is_furniture_however_its_thousands_are_parted(counter: str) -> None:
    assert read(page(tail=counter)) == BARE


@pytest.mark.parametrize(
    "line",
    ["Comments of the mayor in 12 words", "12 comments that changed the trial", "Comments, 1.5 m"],
)
def test_a_line_that_only_begins_as_a_counter_does_is_kept(line: str) -> None:
    assert read(page(tail=line)).entries[-1].body_text == f"{PARAGRAPH}\n\n{line}"


@pytest.mark.parametrize(
    "headlines",
    [
        ["Wer darf mit wem? Der Koalitionsrechner", "So wählte die Stadt", "Alle Ergebnisse"],
        ["‘It’s over. We lost’ – the long night of a party", "Who wins? Who loses?", "The map"],
    ],
)
def test_headlines_with_a_mark_in_their_middle_are_no_prose_below_the_last_entry(
    headlines: list[str],
) -> None:
    assert read(page(tail="\n".join(["Mehr zum Thema", *headlines]))) == BARE


@pytest.mark.parametrize(
    "heading", ["Mehr zum Thema", "More on this", "Read more", "Related stories"]
)
def test_two_headlines_below_the_last_entry_are_links_to_other_stories(heading: str) -> None:
    tail = f"{heading}\nHow a town lost its sea wall\nThe ten worst floods in pictures"
    assert read(page(tail=tail)) == BARE


@pytest.mark.parametrize(
    "standfirst",
    [
        "Forty metres of it fell into the harbour at high tide.",
        "Forty metres of the wall fell into the harbour of the town at high tide on Sunday",
    ],
)
def test_a_headline_and_its_standfirst_below_the_last_entry_are_a_card(standfirst: str) -> None:
    entries = read(page(tail=f"Read more\nHow a town lost its sea wall\n{standfirst}")).entries
    assert [card.summary for card in entries[-1].related] == [standfirst]


def test_what_announces_cards_all_over_the_page_announces_one_in_the_last_entry_too() -> None:
    cards = "Read more\nHow a town lost its sea wall\nThe ten worst floods in pictures\n"
    entries = read(page(cards=cards)).entries
    assert [len(entry.related) for entry in entries] == [1, 1, 1]


@pytest.mark.parametrize(
    "teaser",
    [
        "Ferry company cancels all sailngs until Monday",
        "Ferry compnay cancels all sailings until Monday",
    ],
)
def test_a_teaser_a_typo_off_its_entrys_heading_is_not_in_the_lead(teaser: str) -> None:
    assert read(page(lead=f"{LEAD}\nKey points\n• {teaser} (17:48)")).lead == LEAD


@pytest.mark.parametrize(
    "teaser",
    [
        "Ferry company resumes all sailings until Monday",
        "Ferry company cancels 21 sailings until Monday",
        "Ferry company cancels all sailings until Friday",
    ],
)
def test_a_teaser_that_says_another_thing_than_a_heading_stays_in_the_lead(teaser: str) -> None:
    assert read(page(lead=f"{LEAD}\nKey points\n• {teaser}")).lead == f"{LEAD}\n\n• {teaser}"


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("day", ["Sunday 22 November 2026", "22. November 2026", "Nov 22, 2026"])
def test_a_date_alone_in_the_head_is_the_pages_and_no_paragraph(day: str, timed: bool) -> None:
    snapshot = read(page(lead=f"{day}\n{LEAD}", timed=timed))
    assert (snapshot.lead, snapshot.description) == (LEAD, "The latest from the coast")
    assert [entry.title for entry in snapshot.entries] == list(HEADINGS)


def test_a_date_alone_above_the_first_entry_dates_times_without_one() -> None:
    entries = read(page(lead=f"Friday 20 November 2026\n{LEAD}")).entries
    assert [f"{entry.published:%d %H:%M}" for entry in entries] == [
        "20 17:48",
        "20 17:20",
        "20 16:20",
    ]


@pytest.mark.parametrize(
    ("title", "minutes", "count"),
    [
        ("A day in the life of a lighthouse keeper", ("30", "00", "15", "40"), 0),
        ("A day in the life of a lighthouse keeper", ("31", "00", "15", "40"), 4),
        ("Lighthouse on fire: The latest", ("30", "00", "15", "40"), 4),
    ],
)
def test_round_times_alone_are_those_of_a_diary_unless_the_title_tells_of_news(
    title: str, minutes: tuple[str, ...], count: int
) -> None:
    lines = [
        f"{hour:02}:{minute} The keeper climbs the {hour} stairs, and counts them all aloud."
        for hour, minute in enumerate(minutes, start=5)
    ]
    assert len(read("\n".join([title, *lines])).entries) == count
