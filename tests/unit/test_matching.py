"""Which entry is which: edits keep their entry, and nothing is taken for another."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from slugline.entry import Entry, Media
from slugline_ingest.identity import distance, fold, heading_hash, simhash
from slugline_ingest.matching import match, number_equals
from slugline_ingest.neighbours import Neighbours
from slugline_ingest.snapshot import SnapshotEntry
from slugline_ingest.withdrawals import withdrawn
from tests.builders import NOON, an_entry

TEXTS = (
    "The pilot boat is back in port with all of its crew, the harbour master said at noon.",
    "Bakers in the lower town gave away what they had when the ovens went cold last night.",
    "A bus that was stuck on the causeway since morning has been pulled out by two tractors.",
    "The school on the north shore takes in whoever cannot go home before the tide turns.",
    "Insurers promise to pay for what the sea took and for what came down from the sky.",
    "Nobody was hurt when the roof of the fish market came down, the fire brigade reported.",
)
HEADINGS = (
    "Pilot boat is back",
    "Bread for nothing",
    "Bus pulled off the causeway",
    "School becomes a shelter",
    "Insurers promise to pay",
    "Roof of the fish market falls",
)


def known_entries(count: int = 6, *, step: timedelta = timedelta(seconds=1)) -> list[Entry]:
    """Entries k0, k1, …, newest first, as a page without times made them."""
    return [
        an_entry(
            f"k{n}",
            title=HEADINGS[n],
            body_text=TEXTS[n],
            published=NOON - n * step,
            inferred=("published",),
        )
        for n in range(count)
    ]


def shown(entry: Entry, *, at: datetime | None = None, **changed: str | None) -> SnapshotEntry:
    """*entry* as a page shows it."""
    seen = SnapshotEntry(title=entry.title, body_text=entry.body_text, published=at)
    return replace(seen, **changed)  # type: ignore[arg-type]


def new(
    title: str = "Dogs found", text: str = "Two dogs sat on a roof until a boat came by."
) -> SnapshotEntry:
    return SnapshotEntry(title=title, body_text=text)


def ids(entries: Sequence[SnapshotEntry], known: Sequence[Entry]) -> list[str | None]:
    return list(match(entries, known))


def test_what_is_unchanged_is_itself_in_any_order() -> None:
    known = known_entries()
    order = [3, 0, 5, 1, 4, 2]

    assert ids([shown(known[n]) for n in order], known) == [f"k{n}" for n in order]


def test_a_native_id_decides_whatever_the_entry_says() -> None:
    known = known_entries(2)

    seen = [replace(shown(known[0]), id="k1"), replace(new(), id="k9"), shown(known[0])]

    assert ids(seen, known) == ["k1", None, "k0"]


def test_a_new_entry_is_new_wherever_it_stands() -> None:
    known = known_entries()
    seen = [shown(entry) for entry in known]

    for place in range(7):
        found = ids([*seen[:place], new(), *seen[place:]], known)

        assert found == [
            *(f"k{n}" for n in range(place)),
            None,
            *(f"k{n}" for n in range(place, 6)),
        ]


@pytest.mark.parametrize("place", range(6))
def test_a_rewritten_text_under_its_heading_is_an_edit(place: int) -> None:
    known = known_entries()
    seen = [shown(entry) for entry in known]
    seen[place] = replace(seen[place], body_text="Something else altogether was written here.")

    assert ids(seen, known) == [f"k{n}" for n in range(6)]


@pytest.mark.parametrize("place", range(6))
def test_a_rewritten_heading_over_its_text_is_an_edit(place: int) -> None:
    known = known_entries()
    seen = [shown(entry) for entry in known]
    seen[place] = replace(seen[place], title="What nobody had expected any more")

    assert ids(seen, known) == [f"k{n}" for n in range(6)]


@pytest.mark.parametrize("place", range(6))
def test_an_edited_heading_and_an_edited_text_are_an_edit(place: int) -> None:
    known = known_entries()
    seen = [shown(entry) for entry in known]
    seen[place] = SnapshotEntry(
        title=f"{HEADINGS[place]} at last".replace("a", "e", 1),
        body_text=TEXTS[place].replace(" the ", " one ", 1) + " More soon.",
    )

    assert ids(seen, known) == [f"k{n}" for n in range(6)]


def test_all_edited_at_once_and_two_new_on_top_are_told_apart() -> None:
    known = known_entries()
    seen = [
        SnapshotEntry(title=f"{entry.title}, now", body_text=f"Update: {entry.body_text}")
        for entry in known
    ]

    found = ids([new(), new("Moon rises", "It rose at six over the islands, full."), *seen], known)

    assert found == [None, None, *(f"k{n}" for n in range(6))]


def test_a_like_heading_beyond_the_neighbours_is_another_entry() -> None:
    known = known_entries()
    again = SnapshotEntry(title="Bus pulled off the causeway again", body_text="A second one.")

    found = ids([again, *(shown(entry) for entry in known if entry.id != "k2")], known)

    assert found[0] is None


def test_the_same_heading_at_another_time_is_another_entry() -> None:
    goal = an_entry("k0", title="Goal", body_text="One to nil.", published=NOON)
    seen = [
        SnapshotEntry(title="Goal", body_text="Two to nil!", published=NOON + timedelta(minutes=9)),
        SnapshotEntry(title="Goal", body_text="One to nil, by Ada.", published=NOON),
    ]

    assert ids(seen, [goal]) == [None, "k0"]


def test_an_entry_of_its_minute_that_was_pinned_on_top_and_rewritten_is_an_edit() -> None:
    known = known_entries(4, step=timedelta(minutes=20))
    times = [entry.published for entry in known]
    seen = [shown(entry, at=time) for entry, time in zip(known, times, strict=True)]
    pinned = replace(seen[3], body_text="What is known so far, told anew from the beginning.")

    assert ids([pinned, *seen[:3]], known) == ["k3", "k0", "k1", "k2"]


def test_equal_headings_at_one_time_are_told_apart_by_their_text() -> None:
    known = [
        an_entry(f"k{n}", title="Photos", body_text=TEXTS[n], published=NOON) for n in range(3)
    ]
    seen = [shown(known[n], at=NOON) for n in (2, 0, 1)]

    assert ids(seen, known) == ["k2", "k0", "k1"]


def test_entries_of_one_minute_keep_their_entries_when_one_is_edited() -> None:
    known = [
        an_entry(name, title=HEADINGS[n], body_text=TEXTS[n], published=NOON)
        for n, name in enumerate(("z", "m", "a"))
    ]
    seen = [
        shown(known[0], at=NOON),
        shown(known[1], at=NOON, title="Bred for nothing"),
        shown(known[2], at=NOON),
    ]

    assert ids(seen, sorted(known, key=lambda entry: entry.id)) == ["z", "m", "a"]


def test_times_that_are_no_sharper_than_an_hour_do_not_part_like_texts() -> None:
    known = known_entries(2, step=timedelta(hours=1))
    seen = [
        shown(known[0], at=NOON + timedelta(minutes=50)),
        shown(known[1], at=NOON - timedelta(minutes=10), body_text=f"{TEXTS[1]} More soon."),
    ]

    assert ids(seen, known) == ["k0", "k1"]


def test_entries_without_any_text_are_known_by_their_captions() -> None:
    known = [
        an_entry(f"k{n}", title=None, body_text="", media=(Media(caption=TEXTS[n]),))
        for n in range(2)
    ]

    assert ids([SnapshotEntry(media=known[1].media), new()], known) == ["k1", None]


def test_scripts_without_blanks_are_matched_too() -> None:
    known = [
        an_entry(
            "k0",
            title="嵐が港に接近している",
            body_text="港は明日の朝まで閉鎖されると市長が述べた。",
        ),
        an_entry(
            "k1", title="病院の患者は上の階へ", body_text="六十二人の患者が手で運ばれたという。"
        ),
    ]
    seen = [
        SnapshotEntry(title="嵐が港に近づいている", body_text=known[0].body_text),
        shown(known[1]),
    ]

    assert ids(seen, known) == ["k0", "k1"]


def test_an_edited_text_in_a_script_without_blanks_is_found_under_another_heading() -> None:
    text = (
        "港は明日の朝まで閉鎖されると市長が述べた。船は一隻も出ないという。住民は高い所に避難した。"
    )
    known = [an_entry("k0", title="嵐が港に接近している", body_text=text)]
    edited = text.replace("市長", "知事").replace("一隻", "二隻")

    assert ids([SnapshotEntry(title="続報をお伝えします", body_text=edited)], known) == ["k0"]


def test_corrected_headings_of_one_word_are_found_below_many_new_entries() -> None:
    words = ("Evacuation", "Stormwarning", "Floodbarrier", "Lighthouses", "Powerfailure")
    known = [
        an_entry(f"k{n}", title=word, body_text="", published=NOON - timedelta(seconds=n))
        for n, word in enumerate(words)
    ]
    fresh = [SnapshotEntry(title=title) for title in HEADINGS]
    corrected = [SnapshotEntry(title=word[:-1] + word[-1] * 2) for word in words]

    assert ids([*fresh, *corrected], known) == [None] * 6 + [f"k{n}" for n in range(5)]


# --- withdrawn entries --------------------------------------------------------------------------------


def gone(entry: Entry) -> Entry:
    return withdrawn(entry, "api", NOON)


def test_what_is_kept_of_a_withdrawn_entry_is_none_of_its_text() -> None:
    kept = gone(known_entries(1)[0])

    assert kept.withdrawn is not None
    assert (kept.title, kept.body_text, kept.body_html, kept.media) == (None, "", "", ())
    assert kept.withdrawn.headings == (heading_hash(fold(HEADINGS[0])),)
    assert gone(kept).withdrawn == kept.withdrawn


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"title": "Bus puled off the causeway"},
        {"title": "Nothing like what it was called"},
        {"body_text": TEXTS[2].replace("two tractors", "three tractors")},
        {"title": "Bus puled off the causeway", "body_text": ""},
        {
            "body_text": "Something else altogether, and at greater length than what stood here before it: "
            "whoever wrote it had slept, eaten and spoken with a dozen witnesses since that hour."
        },
    ],
)
def test_a_withdrawn_entry_is_known_again_in_its_place(changed: dict[str, str]) -> None:
    known = known_entries()
    heading_only = changed.get("body_text") == ""
    if heading_only:
        known[2] = replace(known[2], body_text="")
    seen = [shown(entry) for entry in known]
    seen[2] = replace(seen[2], **changed)  # type: ignore[arg-type]
    known[2] = gone(known[2])

    assert ids(seen, known) == [f"k{n}" for n in range(6)]


def test_a_withdrawn_entry_is_known_again_wherever_and_however_often_it_is_shown() -> None:
    known = known_entries()
    seen = [shown(known[2]), *(shown(entry) for entry in known)]
    known[2] = gone(known[2])

    assert ids(seen, known) == ["k2", *(f"k{n}" for n in range(6))]


def test_withdrawn_text_does_not_move_in_under_an_edited_entry_of_the_same_heading() -> None:
    known = [
        an_entry(f"k{n}", title="Photos", body_text=TEXTS[n], published=NOON - timedelta(seconds=n))
        for n in range(2)
    ]
    seen = [shown(known[0], body_text=f"{TEXTS[0]} More."), shown(known[1])]

    assert ids(seen, [known[0], gone(known[1])]) == ["k0", "k1"]


def test_a_new_entry_under_the_heading_of_a_withdrawn_one_is_new() -> None:
    known = known_entries()
    again = SnapshotEntry(title=HEADINGS[2], body_text="A second bus; nobody knows how it came.")
    seen = [again, *(shown(entry) for entry in known)]
    known[2] = gone(known[2])

    assert ids(seen, known)[0] is None


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_new_entry_beside_a_withdrawn_one_that_is_shown_is_new(place: int) -> None:
    known = known_entries()
    again = SnapshotEntry(title=HEADINGS[2], body_text="A second bus; nobody knows how it came.")
    seen = [shown(entry) for entry in known]
    seen.insert(place, again)
    known[2] = gone(known[2])

    assert ids(seen, known)[place] is None


def test_a_withdrawn_entry_is_known_again_when_its_page_begins_to_print_times() -> None:
    known = known_entries()
    seen = [shown(known[2], at=NOON - timedelta(hours=3))]
    known[2] = gone(known[2])

    assert ids(seen, known) == ["k2"]


# --- its parts ----------------------------------------------------------------------------------------


def test_thousands_of_entries_that_were_all_edited_are_found() -> None:
    rng = Random(1)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(2_000)]

    def text(length: int) -> str:
        return " ".join(rng.choices(words, k=length))

    known = [
        an_entry(
            f"k{n:04}", title=text(6), body_text=text(60), published=NOON - timedelta(seconds=n)
        )
        for n in range(2_000)
    ]
    seen = [SnapshotEntry(title=f"{e.title} so", body_text=f"{e.body_text} and on") for e in known]

    assert ids(seen, known) == [entry.id for entry in known]


def test_neighbours_are_those_that_stand_in_the_order_of_their_times() -> None:
    published = [NOON - timedelta(minutes=n) for n in range(5)]
    neighbours = Neighbours({0: 4, 1: 0, 2: 1, 4: 3}, published)

    assert neighbours.hold(3, published[2])
    assert not neighbours.hold(3, NOON)
    assert not neighbours.hold(3, published[4])
    assert neighbours.hold(5, published[4])
    assert Neighbours({}, []).hold(0, NOON)


def test_neighbours_of_one_minute_are_all_neighbours() -> None:
    neighbours = Neighbours({0: 0, 1: 1, 3: 2}, [NOON] * 3)

    assert neighbours.hold(2, NOON)
    assert not neighbours.hold(2, NOON + timedelta(minutes=1))


def test_equals_are_numbered_from_the_oldest() -> None:
    assert number_equals(["a", "b", "a", "a", "b"]) == [2, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kyiv’s ‘front’: 3,000 men!", "kyivs front 3 000 MEN"),
        ("Straße  zum\tHafen", "STRASSE ZUM HAFEN"),
        ("ﬁre at e\u0301toile", "Fire at étoile"),
    ],
)
def test_folding_leaves_out_what_never_tells_two_headings_apart(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_like_texts_differ_in_few_bits_and_unlike_ones_in_many() -> None:
    edited = TEXTS[0].replace("noon", "one")

    assert distance(simhash(TEXTS[0]), simhash(edited)) <= 14
    assert all(distance(simhash(TEXTS[0]), simhash(text)) > 20 for text in TEXTS[1:])


def test_the_similarity_hash_never_changes_since_the_log_keeps_it() -> None:
    assert simhash("The ferry stays in port.") == 0x4E0D8360849FA7BC
