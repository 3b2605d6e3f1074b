"""Subscription: what is wanted. Written by the API alone, in the topic of that name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from slugline.clock import parse_rfc3339, rfc3339
from slugline.codec import whole
from slugline.errors import UndecodableRecordError
from slugline.log import Record
from slugline.topics import SUBSCRIPTIONS
from slugline.view.entries import EventRef

EVERY_BLOG = "*"

#: Offsets by partition.
Positions = Mapping[int, int]

_NOWHERE: Positions = {}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class OrderKind(StrEnum):
    """What an owner is told to do once."""

    #: Go on from the cursor, also when disabled.
    RESUME = "resume"
    #: Go on from the order's positions: what came in between is given up by its owner's wish.
    SKIP = "skip"
    #: The URL is another one: forget how the old one behaved.
    FRESH = "fresh"
    #: Send one `subscription.test`.
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A wish that is carried out once; the cursor names the last one done."""

    number: int
    kind: OrderKind
    at: datetime
    positions: Positions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted, for those at or after *since*. No types: all of them.

    *revision* is that of the subscription which brought it; 0 for the first.
    """

    since: Positions
    blogs: tuple[str, ...]
    types: tuple[str, ...] = ()
    revision: int = 0

    def matches(self, ref: EventRef) -> bool:
        """Whether the event at *ref* is wanted."""
        if self.types and ref.type not in self.types:
            return False
        return EVERY_BLOG in self.blogs or ref.blog_id in self.blogs


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The standing order: which events go to which endpoint.

    *filters* are in the order in which they held; an event is judged by the last one that held at
    its place. *secrets* are sealed, newest first; of the token only the hash is kept.
    """

    id: str
    url: str
    filters: tuple[Filter, ...]
    start: Positions
    secrets: tuple[str, ...]
    token_hash: str
    created: datetime
    changed: datetime
    paused: bool = False
    description: str = ""
    revision: int = 1
    orders: tuple[Order, ...] = ()

    @property
    def filter(self) -> Filter:
        """The filter that holds from now on."""
        return self.filters[-1]

    @property
    def blogs(self) -> frozenset[str]:
        """Every blog that any filter names."""
        return frozenset(blog for each in self.filters for blog in each.blogs)

    def for_lanes(self) -> "Subscription":
        """What an owner keeps of it in memory, for ten thousand of them."""
        filters = tuple(
            each if each.since else replace(each, since=_NOWHERE) for each in self.filters
        )
        return replace(
            self,
            filters=filters,
            start=_NOWHERE,
            token_hash="",
            description="",
            created=_LONG_AGO,
            changed=_LONG_AGO,
        )

    def known_at(self, revision: int) -> "Subscription":
        """What it is to those who know of no filter that came after *revision*."""
        return replace(self, filters=tuple(f for f in self.filters if f.revision <= revision))

    def changed_since(self, revision: int) -> Positions:
        """From where on filters hold that came after *revision*."""
        newer = [each.since for each in self.filters if each.revision > revision]
        return {p: min(since.get(p, 0) for since in newer) for p in (newer[-1] if newer else ())}

    def wants(self, ref: EventRef) -> bool:
        """Whether the event at *ref* is to be delivered, by the filter that held at its place."""
        for each in reversed(self.filters):
            if not each.since or ref.offset >= each.since.get(ref.partition, 0):
                return each.matches(ref)
        return False


def encode_subscription(subscription: Subscription) -> Record:
    """*subscription* as a record of its topic."""
    value = {
        "id": subscription.id,
        "url": subscription.url,
        "filters": [
            {
                "since": _numbers(f.since),
                "blogs": f.blogs,
                "types": f.types,
                "revision": f.revision,
            }
            for f in subscription.filters
        ],
        "start": _numbers(subscription.start),
        "secrets": subscription.secrets,
        "token_hash": subscription.token_hash,
        "created": rfc3339(subscription.created),
        "changed": rfc3339(subscription.changed),
        "paused": subscription.paused,
        "description": subscription.description,
        "revision": subscription.revision,
        "orders": [
            {
                "number": o.number,
                "kind": o.kind,
                "at": rfc3339(o.at),
                "positions": _numbers(o.positions),
            }
            for o in subscription.orders
        ],
    }
    return _record(subscription.id, orjson.dumps(value))


def deleted_subscription(subscription_id: str) -> Record:
    """The record that ends a subscription."""
    return _record(subscription_id, None)


def decode_subscription(value: bytes) -> Subscription:
    """The inverse of `encode_subscription`. Raises UndecodableRecordError."""
    try:
        body = orjson.loads(value)
        return Subscription(
            id=body["id"],
            url=body["url"],
            filters=tuple(_filter(item) for item in body["filters"]),
            start=positions_of(body["start"]),
            secrets=tuple(body["secrets"]),
            token_hash=body["token_hash"],
            created=parse_rfc3339(body["created"]),
            changed=parse_rfc3339(body["changed"]),
            paused=body.get("paused", False),
            description=body.get("description", ""),
            revision=whole(body.get("revision", 1)),
            orders=tuple(_order(item) for item in body.get("orders", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableRecordError(f"its value is no subscription: {error!r}") from error


def positions_of(value: Mapping[str, int]) -> dict[int, int]:
    """Positions as they stand in JSON, where keys are text."""
    return {int(partition): whole(offset) for partition, offset in value.items()}


def _numbers(positions: Positions) -> dict[str, int]:
    return {str(partition): offset for partition, offset in positions.items()}


def _filter(value: Mapping[str, Any]) -> Filter:
    return Filter(
        since=positions_of(value["since"]),
        blogs=tuple(value["blogs"]),
        types=tuple(value.get("types", ())),
        revision=whole(value.get("revision", 0)),
    )


def _order(value: Mapping[str, Any]) -> Order:
    return Order(
        number=value["number"],
        kind=OrderKind(value["kind"]),
        at=parse_rfc3339(value["at"]),
        positions=positions_of(value.get("positions", {})),
    )


def _record(subscription_id: str, value: bytes | None) -> Record:
    key = subscription_id.encode()
    return Record(topic=SUBSCRIPTIONS, key=key, value=value, partition_key=key)
