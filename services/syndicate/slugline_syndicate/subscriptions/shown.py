"""Subscriptions, attempts and dead letters as the API shows them."""

from collections.abc import Sequence
from typing import Any

from slugline.clock import rfc3339
from slugline.view.entries import EntriesView
from slugline_syndicate.deliveries.cursor import Cursor
from slugline_syndicate.deliveries.subscription import Subscription

#: Events looked at in each partition to tell how many wait: a few milliseconds for all of them.
COUNTED = 100

#: Where a record stands is the log's affair.
_HIDDEN = frozenset({"partition", "offset"})


def shown(
    subscription: Subscription, cursor: Cursor | None, entries: EntriesView, partitions: int
) -> dict[str, Any]:
    """*subscription*, how it fares, and how many events wait for it; never its secret."""
    count = waiting(subscription, cursor, entries, partitions)
    return {**summary(subscription, cursor), "waiting_events": count}


def summary(subscription: Subscription, cursor: Cursor | None) -> dict[str, Any]:
    """The same without the count, for lists: what costs a look at the events."""
    return {
        "id": subscription.id,
        "url": subscription.url,
        "blogs": list(subscription.filter.blogs),
        "types": list(subscription.filter.types),
        "description": subscription.description,
        **state(subscription, cursor),
        "created": rfc3339(subscription.created),
        "changed": rfc3339(subscription.changed),
        "revision": subscription.revision,
    }


def state(subscription: Subscription, cursor: Cursor | None) -> dict[str, Any]:
    """`state`, and what there is to say about it: until when it waits, since when it failed, why."""
    health = cursor.health if cursor else None
    resumed = cursor is not None and any(
        order.number > cursor.order and order.kind != "test" for order in subscription.orders
    )
    told: dict[str, Any] = {"state": "paused" if subscription.paused else "active"}
    if health is None or resumed:
        return told
    if health.last_success:
        told["last_success"] = rfc3339(health.last_success)
    if health.failing_since:
        told |= {"failing_since": rfc3339(health.failing_since), "reason": health.reason}
    if health.disabled:
        since = rfc3339(health.disabled_at) if health.disabled_at else None
        return told | {"state": "disabled", "reason": health.disabled, "disabled_at": since}
    if health.until and health.failures and not subscription.paused:
        told |= {"state": "waiting", "until": rfc3339(health.until)}
    return told


def waiting(
    subscription: Subscription, cursor: Cursor | None, entries: EntriesView, partitions: int
) -> int:
    """How many events wait to be delivered, as far as a short look can tell."""
    positions = cursor.positions if cursor else subscription.start
    return sum(
        subscription.wants(ref)
        for p in range(partitions)
        for ref in entries.events_from(p, positions.get(p, 0), COUNTED)
    )


def page(items: Sequence[tuple[int, dict[str, Any]]], limit: int) -> dict[str, Any]:
    """A page of *items*, each with its place; `next` is what to ask for the following page with."""
    told = [{k: v for k, v in item.items() if k not in _HIDDEN} for _, item in items[:limit]]
    following = str(items[limit - 1][0]) if len(items) > limit else None
    return {"items": told, "next": following}
