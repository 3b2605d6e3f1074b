"""Sources: their records, the reports of their polls, and when the next poll is."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.log import Record, StoredRecord, TopicPartition
from slugline.topics import SOURCES
from slugline.view import View
from slugline_ingest.fetching import Trouble
from slugline_ingest.fetching.charset import text_of_page
from slugline_ingest.sources import (
    Source,
    SourceId,
    decode_source,
    deleted_source,
    encode_source,
    is_source_id,
    report_record,
)
from slugline_ingest.sources.projection import SourcesView
from slugline_ingest.sources.report import Gift, Report, Result, decode_report, encode_report
from slugline_ingest.sources.schedule import LONGEST, after_failure, after_success
from tests.builders import NOON, stored
from tests.fakes import ManualClock


def a_source(**fields: object) -> Source:
    made = Source(
        blog_id=BlogId("storm"),
        id=SourceId("main"),
        url="https://news.example/live",
        interval=15.0,
        changed=NOON,
        kind="text/html",
    )
    return Source(**{**{n: getattr(made, n) for n in Source.__dataclass_fields__}, **fields})


def a_report(**fields: object) -> Report:
    made = Report(
        at=NOON,
        next=NOON + timedelta(seconds=15),
        of=NOON,
        result=Result.FAILED,
        trouble=Trouble.THROTTLED,
        status=429,
        reason="answered 429",
        unchanged=3,
        failures=2,
        gave=Gift(at=NOON, created=1),
    )
    return Report(**{**{n: getattr(made, n) for n in Report.__dataclass_fields__}, **fields})


def records(*published: Record) -> list[StoredRecord]:
    return stored(published, start=0)


def a_view(path: Path, *published: Record) -> SourcesView:
    sources = SourcesView()
    view = View(path / "view.db", [sources], ManualClock())
    found = records(*published)
    view.apply(found, {TopicPartition(SOURCES, record.partition): 9 for record in found})
    assert view.undecodable == 0
    return sources


def test_a_source_is_the_same_after_the_log() -> None:
    for source in (a_source(), a_source(kind="")):
        record = encode_source(source)
        assert record.value is not None
        assert decode_source("storm", "main", record.value) == source


def test_a_report_is_the_same_after_the_log() -> None:
    for report in (a_report(), Report(at=NOON, next=NOON, of=NOON, result=Result.UNCHANGED)):
        assert decode_report(encode_report(report)) == report


def test_fields_of_later_versions_are_ignored() -> None:
    more = {"later": {"x": 1}}
    source, report = encode_source(a_source()).value, encode_report(a_report())

    assert source is not None
    assert decode_source("storm", "main", orjson.dumps(orjson.loads(source) | more)) == a_source()
    assert decode_report(orjson.dumps(orjson.loads(report) | more)) == a_report()


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b"null", b'{"url": 1, "interval": "x"}'])
def test_what_is_no_source_and_no_report_is_undecodable(value: bytes) -> None:
    with pytest.raises(UndecodableRecordError):
        decode_source("storm", "main", value)
    with pytest.raises(UndecodableRecordError):
        decode_report(value)


def test_a_blogs_sources_and_their_reports_share_its_partition() -> None:
    published = [encode_source(a_source()), encode_source(a_source(id=SourceId("b")))]
    published += [report_record(a_source(), b"{}"), *deleted_source(BlogId("storm"), SourceId("b"))]

    assert len({record.partition for record in records(*published)}) == 1


def test_the_newest_record_of_a_source_counts(tmp_path: Path) -> None:
    newer = a_source(url="https://news.example/moved")
    found = a_view(tmp_path, encode_source(a_source()), encode_source(newer))

    assert found.get("storm", "main") == newer
    assert found.of_blog("storm") == [newer]


def test_a_removed_source_is_gone_with_its_report(tmp_path: Path) -> None:
    report = report_record(a_source(), encode_report(a_report()))
    found = a_view(
        tmp_path,
        encode_source(a_source()),
        report,
        *deleted_source(BlogId("storm"), SourceId("main")),
    )

    assert found.get("storm", "main") is None
    assert found.report(a_source()) is None
    assert found.partition_of("storm") is None


def test_a_report_of_what_a_source_was_before_does_not_count(tmp_path: Path) -> None:
    changed = a_source(changed=NOON + timedelta(seconds=1))
    report = report_record(a_source(), encode_report(a_report()))
    found = a_view(tmp_path, encode_source(a_source()), report, encode_source(changed))

    assert found.report(a_source()) == a_report()
    assert found.report(changed) is None


def test_records_of_a_kind_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    later = Record(topic=SOURCES, key=b"storm|main|later", value=b"?", partition_key=b"storm")

    assert a_view(tmp_path, encode_source(a_source()), later).get("storm", "main") == a_source()


@pytest.mark.parametrize(
    ("name", "good"), [("main", True), ("Main.2_b-c", True), ("", False), ("a|b", False),
                       ("-a", False), ("a" * 101, False), ("é", False)]
)  # fmt: skip
def test_source_ids_hold_no_bar(name: str, good: bool) -> None:
    assert is_source_id(name) is good


def test_the_interval_counts_from_the_beginning_of_a_poll() -> None:
    assert [after_success(15, took) for took in (0, 4, 15, 60)] == [15, 11, 0, 0]


def test_failures_double_the_wait_up_to_a_quarter_of_an_hour() -> None:
    assert [after_failure(1, n, None) for n in (1, 2, 3, 9)] == [2, 4, 8, 512]
    assert after_failure(1, 10_000, None) == LONGEST
    assert after_failure(3600, 3, None) == 3600


def test_what_a_server_asks_for_is_waited_for_where_it_is_longer() -> None:
    assert after_failure(15, 1, timedelta(hours=2)) == 7200
    assert after_failure(15, 1, timedelta(seconds=1)) == 30


@pytest.mark.parametrize(
    ("data", "stated", "text"),
    [
        ("é".encode(), "", "é"),
        ("é".encode(), "utf-8", "é"),
        (b"\xe9\x93", "iso-8859-1", "é“"),
        (b"\xe9", "", "\ufffd"),
        (b"<meta charset=windows-1252>\xe9", "", "<meta charset=windows-1252>é"),
        (b'<?xml version="1.0" encoding="latin1"?>\xe9', "", None),
        ("é".encode("utf-16"), "", "é"),
        (b"<meta charset=utf-16>ok", "", "<meta charset=utf-16>ok"),
        ("<meta charset=latin1>é".encode(), "utf-8", "<meta charset=latin1>é"),
        (b"abc", "punycode", "abc"),
        (b"abc", "no-such", "abc"),
        (b"a\xffb", "utf-8", "a\ufffdb"),
    ],
)
def test_the_charset_is_what_the_server_says_then_what_the_page_says(
    data: bytes, stated: str, text: str | None
) -> None:
    found = text_of_page(data, stated)

    assert found.endswith("é") if text is None else found == text
