"""Times for entries that no document gives one: between their neighbours, in the order of the page."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from slugline_ingest.times import SECOND, place
from tests.builders import NOON


def test_without_any_time_the_newest_is_now_and_each_next_a_second_older() -> None:
    assert place([None, None, None], NOON) == [NOON, NOON - SECOND, NOON - 2 * SECOND]


def test_given_times_stay() -> None:
    given_times = [NOON, NOON - timedelta(hours=1)]

    assert place(given_times, NOON + timedelta(days=3)) == given_times


def test_a_new_one_stands_between_its_neighbours() -> None:
    assert place([NOON, None, NOON - SECOND], NOON) == [NOON, NOON - SECOND / 2, NOON - SECOND]


def test_new_ones_on_top_lie_between_the_newest_known_and_now() -> None:
    known = NOON - timedelta(hours=1)

    assert place([None, None, known], NOON) == [NOON, NOON - SECOND, known]


def test_more_new_ones_than_seconds_have_gone_still_fit_above_the_newest_known() -> None:
    placed = place([None, None, None, NOON], NOON + SECOND)

    assert all(newer > older for newer, older in pairwise(placed))
    assert placed[0] <= NOON + SECOND


def test_new_ones_below_the_last_follow_it() -> None:
    assert place([NOON, None, None], NOON) == [NOON, NOON - SECOND, NOON - 2 * SECOND]


@given(st.lists(st.none() | st.integers(0, 10_000), max_size=20), st.integers(-1_000, 100_000))
def test_the_order_of_the_page_is_kept_wherever_its_times_keep_it(
    ages: list[int | None], now: int
) -> None:
    known = iter(sorted(age for age in ages if age is not None))
    times: list[datetime | None] = [
        None if age is None else NOON - timedelta(seconds=next(known)) for age in ages
    ]

    placed = place(times, NOON + timedelta(seconds=now))

    assert [p for p, t in zip(placed, times, strict=True) if t is not None] == [
        t for t in times if t
    ]
    assert all(newer >= older for newer, older in pairwise(placed))
