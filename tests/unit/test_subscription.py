"""Subscriptions as they stand in the log, and which events they want."""

import pytest

from slugline.blog import BlogId
from slugline.errors import UndecodableRecordError
from slugline.events import EventType
from slugline.view.entries import EventRef
from slugline_syndicate.deliveries.subscription import (
    Filter,
    Order,
    OrderKind,
    decode_subscription,
    encode_subscription,
)
from tests.builders import NOON, a_subscription


def ref(offset: int, blog: str = "storm", kind: EventType = EventType.ENTRY_CREATED) -> EventRef:
    return EventRef(0, offset, BlogId(blog), "e1", "id", kind, NOON, NOON)


def test_a_subscription_is_read_as_it_was_written() -> None:
    subscription = a_subscription(
        filters=(
            Filter(since={}, blogs=("storm",)),
            Filter(since={0: 9, 11: 3}, blogs=("*",), types=("entry.created",), revision=6),
        ),
        start={0: 5, 11: 2},
        paused=True,
        description="The evening desk",
        revision=6,
        orders=(
            Order(number=3, kind=OrderKind.SKIP, at=NOON, positions={0: 12}),
            Order(number=4, kind=OrderKind.TEST, at=NOON),
        ),
    )

    value = encode_subscription(subscription).value

    assert value is not None
    assert decode_subscription(value) == subscription


@pytest.mark.parametrize("value", [b"", b"null", b"{}", b'{"id":"x","filters":[{}]}'])
def test_what_is_no_subscription_is_undecodable(value: bytes) -> None:
    with pytest.raises(UndecodableRecordError):
        decode_subscription(value)


def test_what_an_owner_keeps_in_memory_wants_the_same_events() -> None:
    subscription = a_subscription(start={0: 5}, token_hash="x", description="y")

    kept = subscription.for_lanes()

    assert kept.wants(ref(7)) is subscription.wants(ref(7)) is True
    assert (kept.start, kept.token_hash, kept.description) == ({}, "", "")
    assert (kept.url, kept.secrets, kept.revision) == (
        subscription.url,
        subscription.secrets,
        subscription.revision,
    )


@pytest.mark.parametrize(
    ("types", "kind", "wanted"),
    [
        ((), EventType.BLOG_CLOSED, True),
        (("entry.created",), EventType.ENTRY_CREATED, True),
        (("entry.created",), EventType.ENTRY_UPDATED, False),
    ],
)
def test_no_types_means_all(types: tuple[str, ...], kind: EventType, wanted: bool) -> None:
    subscription = a_subscription(filters=(Filter(since={}, blogs=("storm",), types=types),))

    assert subscription.wants(ref(1, kind=kind)) is wanted


def test_an_event_is_judged_by_the_filter_that_held_at_its_place() -> None:
    subscription = a_subscription(
        filters=(
            Filter(since={}, blogs=("storm",)),
            Filter(since={0: 10}, blogs=("vote",)),
            Filter(since={0: 20}, blogs=("*",)),
        )
    )

    assert [subscription.wants(ref(o, "storm")) for o in (9, 10, 19, 20)] == [1, 0, 0, 1]
    assert [subscription.wants(ref(o, "vote")) for o in (9, 10, 19, 20)] == [0, 1, 1, 1]


def test_before_the_first_filter_that_is_left_nothing_is_wanted() -> None:
    subscription = a_subscription(filters=(Filter(since={0: 10}, blogs=("*",)),))

    assert not subscription.wants(ref(9))


def test_a_filter_holds_from_its_place_for_those_who_do_not_know_it_too() -> None:
    first = Filter(since={}, blogs=("storm",))
    second = Filter(since={0: 10, 1: 4}, blogs=("vote",), revision=3)
    third = Filter(since={0: 20, 1: 4, 2: 0}, blogs=("*",), revision=5)
    subscription = a_subscription(filters=(first, second, third))

    assert [len(subscription.known_at(revision).filters) for revision in (0, 3, 4, 5)] == [
        1,
        2,
        2,
        3,
    ]
    assert subscription.changed_since(0) == {0: 10, 1: 4, 2: 0}
    assert subscription.changed_since(3) == {0: 20, 1: 4, 2: 0}
    assert subscription.changed_since(5) == {}
