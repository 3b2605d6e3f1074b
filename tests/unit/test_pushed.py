"""Entries and blogs as they are pushed: checked at the edge, every mistake named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline.blog import BlogId, BlogState
from slugline.entry import Entry
from slugline.errors import InvalidInputError
from slugline.web.bodies import check
from slugline_ingest.pushed import MAX_ENTRIES, PushedBlog, PushedEntry, entries_of, read_entries
from tests.builders import NOON, a_blog

STORM = BlogId("storm")


def taken(*values: dict[str, Any], now: datetime = NOON) -> list[Entry]:
    return entries_of(read_entries(list(values)), STORM, now)


def mistakes(value: Any) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        entries_of(read_entries(value), STORM, NOON, listed=isinstance(value, list))
    return {mistake.field: mistake.message for mistake in caught.value.mistakes}


@pytest.mark.parametrize(
    ("stated", "instant"),
    [
        ("2026-11-22T14:05:00Z", datetime(2026, 11, 22, 14, 5, tzinfo=UTC)),
        ("2026-11-22t14:05:00.5z", datetime(2026, 11, 22, 14, 5, 0, 500_000, tzinfo=UTC)),
        ("2026-11-22 14:05+01:00", datetime(2026, 11, 22, 13, 5, tzinfo=UTC)),
        ("2026-11-22T14:05:00-0330", datetime(2026, 11, 22, 17, 35, tzinfo=UTC)),
        ("2026-11-22T14:05:00.123456789Z", datetime(2026, 11, 22, 14, 5, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_instants_are_rfc_3339_and_end_up_in_utc(stated: str, instant: datetime) -> None:
    (entry,) = taken({"title": "A", "published": stated})

    assert entry.published == instant
    assert entry.published.tzinfo is UTC


def test_a_naive_date_is_told_what_it_lacks() -> None:
    told = mistakes({"title": "A", "published": "2026-11-22T14:05:00"})

    assert list(told) == ["published"]
    assert "time zone" in told["published"]
    assert "2026-11-22T14:05:00+01:00" in told["published"]


@pytest.mark.parametrize(
    "stated",
    [
        "20261122T140500Z",
        "2026-W47-7T14:05:00Z",
        "1763820300",
        "2026-11-22T24:61:00Z",
        "0999-11-22T14:05:00Z",
        "2999-11-22T14:05:00Z",
        "٢٠٢٦-11-22T14:05:00Z",
        "",
    ],
)
def test_other_spellings_of_time_are_refused(stated: str) -> None:
    assert "RFC 3339" in mistakes({"title": "A", "published": stated})["published"]


def test_a_single_entry_is_named_by_its_fields_and_one_of_a_list_by_its_index_too() -> None:
    wrong = {"title": "A", "media": [{"url": "x"}]}

    assert list(mistakes(wrong)) == ["media[0].url"]
    assert list(mistakes([{"title": "B"}, wrong])) == ["[1].media[0].url"]


def test_no_mistake_hides_another() -> None:
    wrong = {"id": "a b", "key": 1, "authors": [5], "colour": "red", "updated": "now"}

    assert set(mistakes([wrong, wrong])) == {
        f"[{n}].{name}" for n in (0, 1) for name in ("id", "key", "authors[0]", "colour", "updated")
    }


def test_a_list_may_hold_so_many_entries_and_no_more() -> None:
    assert len(read_entries([{"title": "A"}] * MAX_ENTRIES)) == MAX_ENTRIES
    assert "10000" in mistakes([{"title": "A"}] * (MAX_ENTRIES + 1))[""]


def test_an_id_that_comes_twice_is_named_where_it_comes_again() -> None:
    told = mistakes(
        [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}, {"id": "a", "title": "C"}]
    )

    assert told == {"[2].id": "is that of [0] too"}


def test_one_list_may_say_the_same_twice_without_an_id() -> None:
    assert len(taken({"title": "A"}, {"title": "A"}, {"title": "B"})) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({}, {"updated": "2026-11-22T14:05:00Z"}, True),
        ({}, {"title": "B"}, False),
        ({}, {"body_text": "Other"}, False),
        ({}, {"published": "2026-11-22T14:05:00Z"}, False),
        ({"published": "2026-11-22T14:05:00Z"}, {"published": "2026-11-22T15:05:00+01:00"}, True),
    ],
)
def test_an_entry_without_an_id_is_known_by_title_body_and_time(
    one: dict[str, str], other: dict[str, str], same: bool
) -> None:
    said = {"title": "A", "body_text": "Text"}

    (first,), (second,) = taken({**said, **one}), taken({**said, **other}, now=NOON + timedelta(1))

    assert (first.id == second.id) == same


def test_an_entry_without_a_time_was_published_now_in_the_order_of_its_list() -> None:
    entries = taken({"title": "A"}, {"title": "B"})

    assert [e.published - NOON for e in entries] == [timedelta(0), timedelta(microseconds=1)]
    assert all(e.inferred == ("published",) for e in entries)


def test_an_entry_was_updated_when_it_was_published_unless_it_says_when() -> None:
    early = "2026-11-20T08:00:00Z"

    (plain,), (edited,) = (
        taken({"title": "A", "published": early, **more})
        for more in ({}, {"updated": "2026-11-20T09:00:00Z"})
    )

    assert plain.updated == plain.published
    assert edited.updated - edited.published == timedelta(hours=1)


def test_a_title_is_one_line_and_blank_names_are_left_out() -> None:
    (entry,) = taken({"title": " A\n b\t\u0007c ", "authors": ["", " Ada "], "tags": [" "]})

    assert (entry.title, entry.authors, entry.tags) == ("A b c", ("Ada",), ())


def test_what_sanitising_leaves_nothing_of_is_refused() -> None:
    assert list(mistakes({"body_html": "<script>x</script>"})) == ["body_html"]
    assert taken({"body_html": "<img src=https://x.example/a>"})[0].body_html


def test_an_entry_that_no_record_can_hold_is_named_before_anything_is_written() -> None:
    told = mistakes([{"title": "A"}, {"title": "B", "body_text": "ü" * 499_000}])

    assert list(told) == ["[1].body_html"]
    assert "950,000" in told["[1].body_html"]


# --- blogs --------------------------------------------------------------------------------------------


def pushed_blog(**fields: Any) -> PushedBlog:
    return check(PushedBlog, fields)


def test_what_is_left_out_stays_and_null_takes_back() -> None:
    blog = a_blog(lead="Lead", timezone="Europe/London", link="https://x.example/")

    said = pushed_blog(description="All", lead=None, timezone=None, link=None, state=None)

    assert said.onto(blog) == a_blog(description="All")


def test_a_moved_blog_has_a_target_until_it_is_something_else() -> None:
    moved = pushed_blog(state="moved", moved_to="https://new.example/").onto(a_blog())

    assert (moved.state, moved.moved_to) == (BlogState.MOVED, "https://new.example/")
    assert pushed_blog(title="New").onto(moved).moved_to == "https://new.example/"
    assert pushed_blog(state="closed").onto(moved).moved_to is None


@pytest.mark.parametrize("fields", [{"state": "moved"}, {"moved_to": "https://x.example/"}])
def test_moving_and_its_target_go_together(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="go together"):
        pushed_blog(**fields)


@pytest.mark.parametrize("language", ["en", "en-GB", "zh-Hant-TW", "de-CH-1996", ""])
def test_languages_are_bcp_47_tags(language: str) -> None:
    assert pushed_blog(language=language).onto(a_blog()).language == language


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PushedEntry.model_fields, "x"]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(json_values)
def test_whatever_comes_is_taken_or_refused_by_name(value: Any) -> None:
    try:
        entries = entries_of(read_entries(value), STORM, NOON)
    except InvalidInputError as error:
        told = [mistake.message for mistake in error.mistakes]
        entries = []
    else:
        told = ["nothing"]

    assert all(told)
    assert all(e.title or e.body_html or e.media for e in entries)
