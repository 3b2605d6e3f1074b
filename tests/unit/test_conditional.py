"""Conditional requests and content codings, by RFC 9110."""

import gzip
from datetime import datetime, timedelta

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from slugline_syndicate.conditional import (
    Representation,
    accepts_gzip,
    http_date,
    is_unchanged,
)
from tests.builders import NOON

TAG = '"7-abc-identity"'


def unchanged(*headers: tuple[str, str], changed: datetime | None = NOON) -> bool:
    return is_unchanged(make_mocked_request("GET", "/", CIMultiDict(headers)), TAG, changed)


def gzipped(*accepted: str) -> bool:
    headers = CIMultiDict(("Accept-Encoding", value) for value in accepted)
    return accepts_gzip(make_mocked_request("GET", "/", headers))


# --- entity tags ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_",
    [TAG, f"W/{TAG}", "*", f'"other", {TAG}', f'"other",W/{TAG}', f"  {TAG}  ", f'"a,b", {TAG}'],
)
def test_a_tag_that_is_the_same_means_unchanged(given_: str) -> None:
    assert unchanged(("If-None-Match", given_))


@pytest.mark.parametrize(
    "given_", ['"7-abc-gzip"', "7-abc-identity", '"8-abc-identity"', "", '""', f"w/{TAG}", "**"]
)
def test_another_tag_means_changed(given_: str) -> None:
    assert not unchanged(("If-None-Match", given_))


def test_tags_may_come_in_several_lines() -> None:
    assert unchanged(("If-None-Match", '"x"'), ("If-None-Match", TAG))


def test_a_date_does_not_count_beside_a_tag() -> None:
    date = ("If-Modified-Since", http_date(NOON))

    assert not unchanged(("If-None-Match", '"x"'), date)
    assert unchanged(("If-None-Match", TAG), ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"))


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "same"),
    [
        ("Sun, 22 Nov 2026 12:00:00 GMT", True),
        ("Sun, 22 Nov 2026 12:00:01 GMT", True),
        ("Sun, 22 Nov 2026 11:59:59 GMT", False),
        ("Sunday, 22-Nov-26 12:00:00 GMT", True),
        ("Sun Nov 22 12:00:00 2026", True),
        ("Sun Nov 22 11:00:00 2026", False),
    ],
)
def test_dates_of_all_three_forms_are_compared(date: str, *, same: bool) -> None:
    assert unchanged(("If-Modified-Since", date)) is same


def test_fractions_of_a_second_do_not_count() -> None:
    changed = NOON + timedelta(microseconds=900_000)

    assert unchanged(("If-Modified-Since", http_date(changed)), changed=changed)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "0",
        "Sun, 22 Nov 2026",
        "Sun, 06 Nov 1994 08:49:37 +99999999999999",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "2026-11-22T12:00:00Z",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Mon, 01 Jan 0001 00:00:00 +2300",
    ],
)
def test_a_date_that_is_none_does_not_count(date: str) -> None:
    assert not unchanged(("If-Modified-Since", date))


def test_two_dates_do_not_count() -> None:
    date = ("If-Modified-Since", http_date(NOON))

    assert not unchanged(date, date)


def test_what_never_changed_has_no_date_to_compare() -> None:
    assert not unchanged(("If-Modified-Since", http_date(NOON)), changed=None)


@given(st.text(st.characters(exclude_characters="\r\n\0"), max_size=60))
@example("Sun, 06 Nov 1994 08:49:37 +99999999999999")
def test_no_header_is_a_fault(text: str) -> None:
    unchanged(("If-None-Match", text))
    unchanged(("If-Modified-Since", text))
    gzipped(text)


def test_http_dates_are_in_gmt_without_fractions() -> None:
    assert http_date(NOON + timedelta(milliseconds=5)) == "Sun, 22 Nov 2026 12:00:00 GMT"


# --- codings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip, br", True),
        ("*", True),
        ("gzip;q=0.1", True),
        ("gzip; q=1.0, identity; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("br", False),
        ("", False),
        ("gzip;q=high", False),
        ("gzip;q=nan", False),
    ],
)
def test_quality_values_decide_whether_gzip_is_sent(accepted: str, *, wanted: bool) -> None:
    assert gzipped(accepted) is wanted


def test_without_the_header_nothing_is_coded() -> None:
    assert not gzipped()


def test_the_header_may_come_in_several_lines() -> None:
    assert gzipped("br", "gzip")
    assert not gzipped("gzip;q=0.2", "identity")


# --- representations ------------------------------------------------------------------------------


def test_each_coding_has_a_tag_of_its_own() -> None:
    shown = Representation(b"text" * 100, "7-abc", NOON, {})
    plain = shown.answer(make_mocked_request("GET", "/"))
    zipped = shown.answer(make_mocked_request("GET", "/", {"Accept-Encoding": "gzip"}))

    assert (plain.headers["ETag"], zipped.headers["ETag"]) == (TAG, '"7-abc-gzip"')
    assert plain.body == b"text" * 100
    assert isinstance(zipped.body, bytes)
    assert gzip.decompress(zipped.body) == plain.body


def test_gzip_holds_no_time() -> None:
    def zipped() -> object:
        request = make_mocked_request("GET", "/", {"Accept-Encoding": "gzip"})
        return Representation(b"text", "7", NOON, {}).answer(request).body

    assert zipped() == zipped()
    body = zipped()
    assert isinstance(body, bytes)
    assert body[4:8] == b"\0\0\0\0"


def test_answers_do_not_share_their_headers() -> None:
    shown = Representation(b"text", "7-abc", NOON, {})
    first = shown.answer(make_mocked_request("GET", "/"))
    first.headers["X-Mine"] = "1"

    assert "X-Mine" not in shown.answer(make_mocked_request("GET", "/")).headers
