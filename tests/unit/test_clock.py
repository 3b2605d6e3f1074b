"""Instants as text."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline.clock import parse_rfc3339, rfc3339


@given(st.datetimes(timezones=st.timezones()).filter(lambda t: 1 < t.year < 9999))
def test_an_instant_reads_back_as_it_was_in_utc(instant: datetime) -> None:
    read = parse_rfc3339(rfc3339(instant))
    assert read.timestamp() == instant.timestamp()
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2026-11-22T14:05:00", "today"],
)
def test_what_is_no_instant_in_utc_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"outside the years|no time zone|Invalid isoformat"):
        parse_rfc3339(text)
