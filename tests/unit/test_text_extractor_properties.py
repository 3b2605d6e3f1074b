"""What holds of every text, not just of dumps that somebody thought of."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor
from slugline_ingest.snapshot import Snapshot

RECEIVED = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


def read(text: str) -> Snapshot:
    return FlatTextExtractor().extract(Document(text=text, received=RECEIVED))


@given(st.text(max_size=400))
def test_no_text_makes_it_fail(text: str) -> None:
    read(text)


#: Lines of every sort that pages have, to be put together in any order.
PIECES = (
    "Storm Nadia live: Harbour towns ordered to evacuate",
    "Ferry company cancels all sailings until Monday",
    "What do we know about the missing boats?",
    "The Verrin Steam Company has cancelled all sailings until Monday at the earliest.",
    "“We will not put crews at risk,” said its director. “Not for a timetable.”",
    "The mayor listed what people should take with them:",
    "Warm clothes and boots",
    "17:48",
    "17:20 , Jane Dalton",
    "18:45",
    "today at 18:50",
    "12.31 Uhr: Schulen bleiben geschlossen",
    "11:10 AM",
    "3h ago (09:15 GMT)",
    "2 hr 14 min ago",
    "1645996680",
    "1645985400First ships leave the port",
    "Sunday 22 November 2026",
    "Holly Tranter27 February 2022 21:18",
    "Updated at 14.20 GMT",
    "By Jane Dalton",
    "Jane Dalton",
    "Transport correspondent",
    "Key Points",
    "• Ferries stay in harbour",
    "Waves break over the harbour light (AFP/Getty Images)",
    "In pictures: The harbour after the storm",
    "Read more:",
    "Read more: How a town lost its sea wall",
    "45'+2' Athletic hit the bar!",
    "HALF-TIME",
    "Comments",
    "Share",
    "Related articles",
    "* * *",
    "",
)
dumps = st.lists(st.sampled_from(PIECES), max_size=30).map("\n".join)


@given(dumps)
@settings(max_examples=300)
def test_no_dump_makes_it_fail_and_the_same_dump_gives_the_same(text: str) -> None:
    assert read(text) == read(text)


#: A line of this sort is text in every place: neither a time or a name, nor furniture.
SENTENCES = (
    "Some forty metres of the wall have collapsed near the old fish market of the town.",
    "Fire crews are helping people from upper floors with ladders and with boats.",
    "Why did nobody warn the people who live below the sea wall?",
    "Harbour towns count the cost of a long night",
    "The crown rose by half a per cent against the dollar in early trading.",
    "Winds of a hundred miles an hour were measured at the cape",
)


def shown(snapshot: Snapshot) -> str:
    """Everything of *snapshot* that people will see."""
    parts = [snapshot.title, snapshot.description, snapshot.lead]
    for entry in snapshot.entries:
        parts += [entry.title or "", entry.body_text, entry.summary]
        parts += [text for card in entry.related for text in (card.title, card.summary)]
        parts += [text for medium in entry.media for text in (medium.caption, medium.credit)]
    return "\n".join(parts)


#: What follows one of these may be links to other stories.
TAILS = ("Related articles", "Read more:")


@given(st.lists(st.sampled_from((*PIECES, *SENTENCES)), max_size=30))
@settings(max_examples=300)
def test_no_line_of_a_page_with_entries_is_lost(lines: list[str]) -> None:
    numbered = [
        f"{line[:-1]} {n}{line[-1]}" if line in SENTENCES else line for n, line in enumerate(lines)
    ]
    cut = next((n for n, line in enumerate(lines) if line in TAILS), len(lines))
    snapshot = read("\n".join(numbered))
    everything = shown(snapshot)
    if snapshot.entries:
        kept = [b for a, b in zip(lines[:cut], numbered[:cut], strict=True) if a in SENTENCES]
        assert [line for line in kept if line not in everything] == []


articles = st.lists(
    st.text(alphabet="abcdefghij klmnop", min_size=80, max_size=200).map(lambda t: f"The {t}."),
    min_size=1,
    max_size=15,
)


@given(articles)
def test_paragraphs_alone_are_no_entries(paragraphs: list[str]) -> None:
    assert read("\n".join(["Council approves the new bridge", *paragraphs])).entries == ()


@given(dumps)
def test_times_are_aware_and_never_in_the_future_unless_the_page_says_so(text: str) -> None:
    for entry in read(text).entries:
        assert entry.published is None or entry.published.utcoffset() is not None
        if "published" in entry.inferred:
            assert entry.published is not None
            assert entry.published <= RECEIVED
