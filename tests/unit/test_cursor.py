"""Cursors as they stand in the log, and the progress that they are made of."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.events import EventType
from slugline.view.entries import EventRef
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor, encode_cursor
from slugline_syndicate.deliveries.history import Attempt, DeadLetter
from slugline_syndicate.deliveries.policy import Head, Health
from slugline_syndicate.deliveries.progress import ATTEMPTS_WAITING, Progress
from tests.builders import NOON, a_subscription


def a_cursor() -> Cursor:
    return Cursor(
        subscription_id="sub-1",
        epoch=7,
        positions={0: 12, 3: 40},
        health=Health(
            failing_since=NOON,
            failures=3,
            until=NOON + timedelta(minutes=2),
            reason="timeout: no answer within 15 s",
            dead=1,
            at_once=1,
            disabled="the endpoint answered 410 Gone",
            disabled_at=NOON,
            last_success=NOON - timedelta(hours=1),
        ),
        heads={3: Head(offset=40, attempts=2, refusals=2, until=NOON, first_server_error=NOON)},
        gaps={0: 99},
        order=4,
        filter=3,
    )


@pytest.mark.parametrize("cursor", [a_cursor(), replace(a_cursor(), health=Health(), heads={})])
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    record = encode_cursor(cursor)

    assert record.value is not None
    assert decode_cursor("sub-1", record.value) == cursor
    assert record.key == record.partition_key == b"sub-1"


def test_fields_of_a_later_version_are_ignored_and_missing_ones_have_defaults() -> None:
    value = {"epoch": 1, "positions": {"0": 5}, "health": {"mood": "good"}, "new": True}

    cursor = decode_cursor("sub-1", orjson.dumps(value))

    assert cursor == Cursor(subscription_id="sub-1", epoch=1, positions={0: 5})


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"epoch":1,"positions":{"x":1}}'])
def test_what_is_no_cursor_is_undecodable(value: bytes) -> None:
    with pytest.raises(UndecodableRecordError):
        decode_cursor("sub-1", value)


# --- progress -------------------------------------------------------------------------------------


def ref(offset: int, p: int = 0) -> EventRef:
    kind = EventType.ENTRY_CREATED
    return EventRef(p, offset, BlogId("storm"), f"e{offset}", f"id-{offset}", kind, NOON, NOON)


class View:
    """How far a view has read, by partition."""

    def __init__(self, *ends: int) -> None:
        self.ends = list(ends)

    def end(self, p: int) -> int:
        return self.ends[p]


def progress(view: View, cursor: Cursor | None = None, **start: int) -> Progress:
    subscription = a_subscription(start={int(p[1:]): o for p, o in start.items()})
    return Progress(subscription, cursor, 1, len(view.ends), view.end)


def test_an_idle_partition_counts_as_seen_to_the_views_end() -> None:
    view = View(10, 10)
    made = progress(view, p0=10, p1=4)
    view.ends = [50, 50]

    assert made.cursor().positions == {0: 50, 1: 4}


def test_frozen_nothing_more_counts_as_seen() -> None:
    view = View(10)
    made = progress(view, p0=10)
    made.freeze()
    view.ends = [50]
    made.idle(0)
    view.ends = [90]

    assert made.cursor().positions == {0: 50}


def test_a_cursor_of_other_partitions_is_filled_up_from_the_start() -> None:
    cursor = Cursor(subscription_id="sub", epoch=1, positions={0: 7})

    made = progress(View(9, 9, 9), cursor, p0=1, p1=3)

    assert made.cursor().positions == {0: 7, 1: 3, 2: 0}


def test_an_event_that_arrives_at_an_idle_lane_is_where_it_looks() -> None:
    view = View(10)
    made = progress(view, p0=10)
    view.ends = [31]
    made.has_work(ref(30))

    assert made.position(0) == 30
    assert made.oldest() == NOON


def test_a_lane_that_is_behind_stays_where_it_is_when_more_arrives() -> None:
    view = View(10)
    made = progress(view, p0=4)
    made.has_work(ref(30))

    assert made.position(0) == 4


def test_an_event_that_a_new_filter_wants_after_all_holds_the_cursor_until_it_is_passed() -> None:
    view = View(40)
    made = progress(view, p0=40)
    made.add_missed(0, [ref(20), ref(25)])

    assert made.cursor().positions == {0: 20}
    made.pass_by(ref(20))
    assert made.cursor().positions == {0: 25}
    made.pass_by(ref(25))
    assert made.cursor().positions == {0: 40}


def test_a_skip_never_goes_back_and_forgets_what_waited() -> None:
    view = View(40, 40)
    made = progress(view, p0=10, p1=30)
    letter = DeadLetter(
        event="id-10", type="", blog="", entry="", sequence=1, partition=0, offset=10,
        reason="", attempts=3, at="",
    )  # fmt: skip
    made.doomed[0] = letter
    made.skip_to({0: 20, 1: 20})

    assert [made.position(0), made.position(1)] == [20, 30]
    assert made.doomed == {}
    assert made.oldest() is None


def test_a_dead_letter_belongs_to_one_event_alone() -> None:
    made = progress(View(40), p0=10)
    letter = DeadLetter(
        event="id-10", type="", blog="", entry="", sequence=1, partition=0, offset=10,
        reason="", attempts=3, at="",
    )  # fmt: skip
    made.doomed[0] = letter

    assert made.letter(ref(10)) == letter
    assert made.letter(ref(11)) is None
    made.pass_by(ref(9))
    assert made.letter(ref(10)) == letter


def test_of_attempts_that_cannot_be_written_the_newest_are_kept_in_order() -> None:
    made = progress(View(0))
    attempts = [
        Attempt(
            event=f"id-{n}", type="", number=1, status=200, error=None, started=NOON, duration_ms=1
        )
        for n in range(ATTEMPTS_WAITING + 3)
    ]
    for attempt in attempts[:-2]:
        made.note(attempt)
    taken = made.take_attempts()
    for attempt in attempts[-2:]:
        made.note(attempt)
    made.give_back(taken)

    assert made.attempts == attempts[3:]


def test_starting_afresh_forgets_failures_and_keeps_the_last_success() -> None:
    made = progress(View(50), a_cursor())
    made.start_afresh()

    assert made.health == Health(last_success=NOON - timedelta(hours=1))
    assert made.heads == {}
