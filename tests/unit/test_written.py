"""When a record was first written, in a log and in copies of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slugline.log import StoredRecord
from slugline.log.written import WRITTEN_HEADER, kept, written_at
from slugline.topics import ENTRIES
from tests.builders import NOON

RECORD = StoredRecord(
    topic=ENTRIES, partition=0, offset=1, written_at=NOON, key=b"k", value=b"v", headers=()
)
LATER = NOON + timedelta(days=3, microseconds=17)


def copied(record: StoredRecord) -> StoredRecord:
    return replace(record, headers=kept(record), written_at=LATER)


def test_a_record_was_written_when_its_log_says() -> None:
    assert written_at(RECORD) == NOON


def test_a_copied_record_was_written_when_the_first_log_said() -> None:
    assert written_at(copied(RECORD)) == NOON
    assert written_at(copied(copied(RECORD))) == NOON
    assert kept(copied(RECORD)) == kept(RECORD)


def test_headers_that_were_there_stay() -> None:
    assert kept(replace(RECORD, headers=(("ce_id", b"1"),)))[0] == ("ce_id", b"1")


@pytest.mark.parametrize("value", [b"soon", b"\xff", b"2026-11-22T12:00:00"])
def test_a_header_that_is_no_time_does_not_count(value: bytes) -> None:
    assert written_at(replace(RECORD, headers=((WRITTEN_HEADER, value),))) == NOON
