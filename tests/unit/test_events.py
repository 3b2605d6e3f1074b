"""Events, their ids, and how they stand in the log."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline.blog import BlogId
from slugline.codec import entry_from_json, to_json
from slugline.entry import Confidence, Entry, EntryId, Media, MediaKind, Related, Withdrawal
from slugline.errors import UndecodableRecordError
from slugline.events import Change, content_hash, decode, encode, event_id
from tests.builders import NOON, a_blog, an_entry, an_event, withdrawn

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
instants = st.integers(0, 10**15).map(lambda n: NOON + timedelta(microseconds=n))
media = st.builds(
    Media,
    url=st.none() | st.just("https://news.example/a.jpg"),
    kind=st.sampled_from(MediaKind),
    width=st.none() | st.integers(1, 9999),
    caption=texts,
    credit=texts,
)
entries = st.builds(
    Entry,
    blog_id=st.just(BlogId("storm")),
    id=st.from_regex(r"[A-Za-z0-9._:-]{1,40}", fullmatch=True).map(EntryId),
    published=instants,
    updated=instants,
    title=st.none() | texts.filter(bool),
    body_text=texts,
    body_html=texts,
    summary=texts,
    authors=st.lists(texts, max_size=2).map(tuple),
    media=st.lists(media, max_size=2).map(tuple),
    related=st.lists(st.builds(Related, title=texts, summary=texts), max_size=2).map(tuple),
    tags=st.lists(texts, max_size=2).map(tuple),
    key_event=st.booleans(),
    pinned=st.booleans(),
    revision=st.integers(1, 99),
    confidence=st.sampled_from(Confidence),
    inferred=st.sampled_from([(), ("published",)]),
    withdrawn=st.none() | st.builds(Withdrawal, by=st.just("api"), at=instants),
)


@given(entries)
def test_an_entry_comes_back_from_json_as_it_was(entry: Entry) -> None:
    assert entry_from_json(to_json(entry)) == entry


@given(entries)
def test_an_event_comes_back_from_the_log_as_it_was(entry: Entry) -> None:
    event = an_event(entry, changed=(Change.BODY,), significant=False, previous="abc")

    record = encode(event)

    assert decode(record.headers, record.value or b"") == event


def test_a_blog_event_comes_back_from_the_log_as_it_was() -> None:
    event = an_event(a_blog(lead="One.\n\nTwo.", coverage_start=NOON))

    record = encode(event)

    assert decode(record.headers, record.value or b"") == event


def test_the_same_step_has_the_same_id() -> None:
    assert event_id(an_entry(), "abc") == event_id(an_entry(revision=7), "abc")


def test_a_change_and_its_reversal_are_two_events() -> None:
    a, b = an_entry(title="A"), an_entry(title="B")

    first = event_id(a, None)
    second = event_id(b, first)

    assert event_id(a, second) != first


@pytest.mark.parametrize(
    "other",
    [
        an_entry(revision=2),
        an_entry(updated=NOON + timedelta(hours=1)),
        an_entry(confidence=Confidence.LOW),
    ],
)
def test_what_is_not_said_to_readers_does_not_change_the_content_hash(other: Entry) -> None:
    assert content_hash(other) == content_hash(an_entry())


def test_an_inferred_time_does_not_change_the_content_hash() -> None:
    early = an_entry(inferred=("published",))
    late = an_entry(inferred=("published",), published=NOON + timedelta(days=1))

    assert content_hash(early) == content_hash(late)


def test_a_withdrawal_hides_everything_but_who_made_it() -> None:
    assert content_hash(withdrawn()) == content_hash(withdrawn(tags=("x",)))
    assert content_hash(withdrawn()) != content_hash(an_entry())


def test_a_record_of_an_earlier_version_stays_readable() -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0f" * 32),
        ("ce_source", b"/blogs/storm"),
        ("ce_type", b"entry.updated"),
        ("ce_subject", b"e1"),
        ("ce_time", b"2026-11-22T12:00:00Z"),
        ("ce_previous", b"0e" * 32),
        ("a_header_of_the_future", b"\xff"),
    )
    value = (
        b'{"entry":{"blog_id":"storm","id":"e1","published":"2026-11-22T12:00:00Z",'
        b'"updated":"2026-11-22T12:00:00Z","title":"T","future":1,'
        b'"media":[{"url":"https://news.example/a.jpg","kind":"image","future":1}]},"changed":["title"]}'
    )

    event = decode(headers, value)

    assert event.changed == (Change.TITLE,)
    assert event.subject == an_entry(
        title="T", body_html="", body_text="", media=(Media(url="https://news.example/a.jpg"),)
    )


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"{}", b'{"entry":{}}', b'{"entry":5}', b'{"blog":{"id":"storm"}}', b"\xff"],
)
def test_a_value_that_cannot_be_read_says_so(value: bytes) -> None:
    headers = encode(an_event()).headers

    with pytest.raises(UndecodableRecordError):
        decode(headers, value)


def test_headers_that_cannot_be_read_say_so() -> None:
    with pytest.raises(UndecodableRecordError, match="ce_id"):
        decode((("ce_type", b"entry.created"),), b"{}")
