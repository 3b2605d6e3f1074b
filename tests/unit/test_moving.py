"""Subscriptions, cursors and dead letters in a copy of their log."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.events import EventType
from slugline.log.copying import Rewrite
from slugline.log.places import Place, Places
from slugline.view.entries import EventRef
from slugline_syndicate.deliveries.cursor import Cursor, decode_cursor, encode_cursor
from slugline_syndicate.deliveries.moving import (
    moved_cursor,
    moved_dead_letter,
    moved_subscription,
)
from slugline_syndicate.deliveries.policy import Head, Health
from slugline_syndicate.deliveries.subscription import (
    Filter,
    Order,
    OrderKind,
    Subscription,
    decode_subscription,
    encode_subscription,
)
from tests.builders import NOON, a_subscription
from tests.unit.test_places import POSITIONS, Log, copies

BLOGS = ("storm", "vote")
TYPES = (EventType.ENTRY_CREATED, EventType.ENTRY_UPDATED)


def halved(*, same: bool = True) -> Places:
    """Records at offsets 2, 4, 6 of two partitions stand at 1, 2, 3; or behind each other in one."""
    places = Places(2 if same else 1, same=same)
    for p in range(2):
        for index, offset in enumerate((2, 4, 6)):
            at = Place(p, index + 1) if same else Place(0, 3 * p + index + 1)
            places.add(p, offset, at)
    places.end_at({0: 4, 1: 4} if same else {0: 7})
    return places


def subscription_in(places: Places, subscription: Subscription) -> Subscription:
    return decode_subscription(
        moved_subscription(encode_subscription(subscription).value or b"", places)
    )


def cursor_in(places: Places, cursor: Cursor) -> Cursor:
    moved = moved_cursor(encode_cursor(cursor).value or b"", places)
    return decode_cursor(cursor.subscription_id, moved)


def a_cursor(**fields: object) -> Cursor:
    defaults = {"subscription_id": "sub-1", "epoch": 17, "positions": {0: 4, 1: 7}}
    return Cursor(**{**defaults, **fields})  # type: ignore[arg-type]


# --- subscriptions ----------------------------------------------------------------------------------


@st.composite
def filters(draw: st.DrawFn) -> tuple[Filter, ...]:
    """One after the other, as their places of change grow."""
    since = dict.fromkeys(range(3), 0)
    found = []
    for number in range(draw(st.integers(1, 4))):
        moved = draw(POSITIONS)
        since = {p: max(since[p], moved[p]) for p in since}
        blogs = draw(st.sampled_from([("storm",), ("vote",), ("*",)]))
        types = draw(st.sampled_from([(), TYPES[:1], TYPES[1:]]))
        found.append(Filter(since=since if number else {}, blogs=blogs, types=types))
    return tuple(found)


def events(log: Log) -> list[tuple[EventRef, EventRef]]:
    """Every record as an event of each kind: in the source, and in the copy."""
    return [
        (_ref(p, offset, blog, kind), _ref(*place, blog, kind))
        for (p, offset), place in log.placed.items()
        for blog in BLOGS
        for kind in TYPES
    ]


def _ref(partition: int, offset: int, blog: str, kind: EventType) -> EventRef:
    return EventRef(partition, offset, BlogId(blog), "e1", "id", kind, NOON, NOON)


@given(copies(same=True), filters())
def test_with_the_same_partitions_each_event_is_judged_by_the_same_filter(
    log: Log, held: tuple[Filter, ...]
) -> None:
    before = a_subscription(filters=held)

    after = subscription_in(log.places, before)

    assert len(after.filters) == len(held)
    assert all(before.wants(old) == after.wants(new) for old, new in events(log))


@given(copies(same=False), filters())
def test_with_other_partitions_every_event_that_was_wanted_still_is(
    log: Log, held: tuple[Filter, ...]
) -> None:
    before = a_subscription(filters=held)

    after = subscription_in(log.places, before)

    assert [old for old, new in events(log) if before.wants(old) and not after.wants(new)] == []
    assert (after.filter.blogs, after.filter.types) == (held[-1].blogs, held[-1].types)


def test_a_subscription_starts_and_skips_at_the_same_records() -> None:
    order = Order(number=3, kind=OrderKind.SKIP, at=NOON, positions={0: 6, 1: 7})

    after = subscription_in(halved(), a_subscription(start={0: 3, 1: 0}, orders=(order,)))

    assert after.start == {0: 2, 1: 1}
    assert after.orders == (replace(order, positions={0: 3, 1: 4}),)


def test_what_this_version_does_not_know_of_a_subscription_is_kept() -> None:
    value = orjson.loads(encode_subscription(a_subscription()).value or b"") | {"later": 1}

    assert orjson.loads(moved_subscription(orjson.dumps(value), halved()))["later"] == 1


# --- cursors ----------------------------------------------------------------------------------------


def test_a_cursor_goes_on_at_the_same_records_without_an_epoch() -> None:
    health = Health(failures=2, until=NOON + timedelta(hours=1), failing_since=NOON)

    after = cursor_in(halved(), a_cursor(health=health, gaps={1: 5}, order=4))

    assert after == a_cursor(epoch=0, positions={0: 2, 1: 4}, health=health, gaps={1: 3}, order=4)


def test_what_is_known_of_an_event_at_the_head_goes_with_it() -> None:
    head = Head(offset=4, attempts=2, refusals=2, until=NOON)

    assert cursor_in(halved(), a_cursor(heads={0: head})).heads == {0: replace(head, offset=2)}


def test_an_event_that_was_compacted_away_leaves_its_refusals_behind() -> None:
    assert cursor_in(halved(), a_cursor(heads={0: Head(offset=3, refusals=2)})).heads == {}


def test_of_heads_that_come_into_one_partition_the_first_counts() -> None:
    heads = {0: Head(offset=6, refusals=1), 1: Head(offset=2, refusals=2)}

    assert cursor_in(halved(same=False), a_cursor(heads=heads)).heads == {
        0: Head(offset=3, refusals=1)
    }


def test_a_gap_of_one_partition_is_not_taken_for_one_of_those_it_was_merged_with() -> None:
    assert cursor_in(halved(same=False), a_cursor(gaps={0: 6})).gaps == {}


# --- dead letters -----------------------------------------------------------------------------------


def test_a_dead_letter_names_its_events_place_in_the_copy_and_the_sequence_that_was_told() -> None:
    letter = {"event": "id", "partition": 1, "offset": 6, "sequence": 1006}

    moved = orjson.loads(moved_dead_letter(orjson.dumps(letter), halved()))

    assert moved == {**letter, "offset": 3}


@pytest.mark.parametrize("move", [moved_subscription, moved_cursor, moved_dead_letter])
@pytest.mark.parametrize("value", [b"{", b"[]", b"{}", b'{"partition": "x", "offset": 1}'])
def test_what_cannot_be_read_is_refused(move: Rewrite, value: bytes) -> None:
    with pytest.raises(UndecodableRecordError):
        move(value, halved())
