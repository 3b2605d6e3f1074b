"""Where bare times are placed: the day that nobody printed."""

from datetime import UTC, datetime

import pytest

from slugline.clock import rfc3339
from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor

RECEIVED = datetime(2026, 11, 22, 18, 30, 59, tzinfo=UTC)


def published(*stamps: str, zone: str = "UTC", received: datetime = RECEIVED) -> list[str]:
    """When entries with *stamps* above their headings were published, by a dump in that order."""
    entries = [
        f"{stamp}\nFerry number {n} stays in port all day\nIt stays until Monday, its owner said.\n"
        for n, stamp in enumerate(stamps)
    ]
    text = "Storm Nadia live\nThe latest from the coast\n" + "".join(entries)
    document = Document(text=text, received=received, timezone=zone)
    return [
        rfc3339(entry.published) if entry.published else ""
        for entry in FlatTextExtractor().extract(document).entries
    ]


def days(moments: list[str]) -> list[str]:
    return [moment[8:10] for moment in moments]


def test_a_bare_time_is_on_the_day_the_document_was_received() -> None:
    assert published("17:48", "9:05 AM", "06:30") == [
        "2026-11-22T17:48:00Z",
        "2026-11-22T09:05:00Z",
        "2026-11-22T06:30:00Z",
    ]


def test_a_time_that_would_be_in_the_future_is_on_the_day_before() -> None:
    assert days(published("23:15", "22:00", "21:40")) == ["21", "21", "21"]


def test_a_time_a_little_ahead_of_our_clock_is_of_today_and_held_back_to_the_receipt() -> None:
    assert published("18:32", "18:20", "17:05") == [
        "2026-11-22T18:30:59Z",
        "2026-11-22T18:20:00Z",
        "2026-11-22T17:05:00Z",
    ]


def test_times_ahead_of_our_clock_keep_their_order() -> None:
    newest_first = ["2026-11-22T18:30:59Z", "2026-11-22T18:30:58Z", "2026-11-22T18:30:00Z"]
    assert published("18:45", "18:31", "18:30") == newest_first
    assert published("18:30", "18:31", "18:45") == newest_first[::-1]


def test_times_ahead_of_our_clock_are_never_put_below_the_next() -> None:
    received = datetime(2026, 11, 22, 18, 30, 1, 500, tzinfo=UTC)
    moments = published("18:34", "18:33", "18:32", "18:30", received=received)
    assert [moment[11:19] for moment in moments] == ["18:30:01", "18:30:00", "18:30:00", "18:30:00"]


@pytest.mark.parametrize(("stamp", "day"), [("19:00", "22"), ("19:01", "21")])
def test_a_time_more_than_half_an_hour_ahead_is_on_the_day_before(stamp: str, day: str) -> None:
    assert days(published(stamp, "17:00", "16:00"))[0] == day


def test_below_a_time_that_has_been_none_is_ahead_of_our_clock() -> None:
    assert days(published("18:20", "18:45", "17:00")) == ["22", "21", "21"]


def test_a_time_a_little_ahead_may_be_of_the_next_day() -> None:
    received = datetime(2026, 11, 22, 23, 58, 30, tzinfo=UTC)
    assert published("00:01", "23:50", "23:10", received=received) == [
        "2026-11-22T23:58:30Z",
        "2026-11-22T23:50:00Z",
        "2026-11-22T23:10:00Z",
    ]


def test_a_little_after_midnight_the_times_before_it_are_of_yesterday() -> None:
    received = datetime(2026, 11, 23, 0, 5, tzinfo=UTC)
    moments = published("00:07", "00:02", "23:50", "22:00", received=received)
    assert days(moments) == ["23", "23", "22", "22"]


def test_what_is_ahead_of_our_clock_is_told_in_the_blogs_timezone() -> None:
    received = datetime(2026, 11, 22, 22, 59, 30, tzinfo=UTC)
    moments = published("00:00", "23:50", "23:00", zone="Europe/Berlin", received=received)
    assert moments == ["2026-11-22T22:59:30Z", "2026-11-22T22:50:00Z", "2026-11-22T22:00:00Z"]


def test_a_time_said_to_be_todays_is_not_in_the_future_either() -> None:
    moments = published("today at 18:40", "today at 18:00", "yesterday at 14:00")
    assert moments[:2] == ["2026-11-22T18:30:59Z", "2026-11-22T18:00:00Z"]


def test_a_pinned_entry_says_nothing_of_the_day_of_those_below_it() -> None:
    assert days(published("09:00\nPinned", "17:48", "17:20", "16:00")) == ["22", "22", "22", "22"]


def test_a_change_a_little_ahead_of_our_clock_is_held_back_to_the_receipt() -> None:
    text = (
        "Storm Nadia live\nThe latest from the coast\n"
        "18:10\nFerry stays in port all day\nUpdated at 18:33\nIt stays, its owner said.\n"
        "17:40\nTrain stays in town all day\nIt stays as well, its owner said.\n"
    )
    entries = FlatTextExtractor().extract(Document(text=text, received=RECEIVED)).entries
    assert entries[0].updated == RECEIVED


def test_the_day_steps_back_where_times_jump_up_going_down_the_page() -> None:
    assert days(published("09:00", "08:00", "17:00", "10:00", "16:00")) == [
        "22",
        "22",
        "21",
        "21",
        "20",
    ]


def test_the_day_steps_on_where_times_jump_down_and_the_oldest_stands_first() -> None:
    moments = published("10:00", "15:00", "22:00", "01:00", "02:00", "08:00")
    assert days(moments) == ["21", "21", "21", "22", "22", "22"]


def test_neighbours_a_little_out_of_order_are_of_one_day() -> None:
    assert days(published("17:00", "16:10", "16:20", "15:00")) == ["22", "22", "22", "22"]


@pytest.mark.parametrize(
    ("zone", "first"),
    [("Europe/Berlin", "2026-11-22T16:48:00Z"), ("America/New_York", "2026-11-21T22:48:00Z")],
)
def test_bare_times_are_in_the_blogs_timezone(zone: str, first: str) -> None:
    assert published("17:48", "12:00", "10:00", zone=zone)[0] == first


def test_a_printed_zone_outweighs_the_blogs() -> None:
    moments = published("17:48 GMT", "12:00 GMT", "10:00 GMT", zone="Europe/Berlin")
    assert moments[0] == "2026-11-22T17:48:00Z"


def test_a_printed_date_outweighs_the_day_of_receipt() -> None:
    assert days(published("20 November 2026 17:48", "20 November 2026 12:00")) == ["20", "20"]


def test_minutes_ago_count_back_from_the_minute_of_receipt() -> None:
    assert published("5 min ago", "2 hr 14 min ago", "3h ago") == [
        "2026-11-22T18:25:00Z",
        "2026-11-22T16:16:00Z",
        "2026-11-22T15:30:00Z",
    ]


def test_entries_of_the_last_hours_may_count_back_where_older_ones_have_a_time() -> None:
    assert published("5 min ago", "1 hr ago", "3h ago", "yesterday at 14:00") == [
        "2026-11-22T18:25:00Z",
        "2026-11-22T17:30:00Z",
        "2026-11-22T15:30:00Z",
        "2026-11-21T14:00:00Z",
    ]


def test_a_time_that_comes_twice_when_summer_time_ends_is_the_later_one_in_the_past() -> None:
    received = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)
    moments = published("11:00", "02:30", "01:15", zone="Europe/Berlin", received=received)
    assert moments[1] == "2026-10-25T01:30:00Z"


@pytest.mark.parametrize(
    "printed",
    [
        "Today 17:48",
        "heute, 17.48 Uhr",
        "Aujourd’hui à 17h48",
        "сегодня в 17:48",
        "Posted at 17:48",
        "Published 5.48pm",
        "um 17.48 Uhr",
        "kl. 17:48",
        "às 17h48",
        "Sunday 22 November 2026 17:48",
        "Nov 22, 2026, 5:48 PM",
        "domingo, 22 de noviembre de 2026, 17:48",
        "下午5:48",
        "vor 42 Minuten",
        "il y a 42 minutes",
        "hace 42 min",
        "منذ 42 دقيقة",
        "about 42 minutes ago",
    ],
)
def test_a_time_may_begin_with_a_word(printed: str) -> None:
    assert published(printed, printed, printed)[0] == "2026-11-22T17:48:00Z"
