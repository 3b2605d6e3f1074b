"""What was wanted of a subscription, and when: read back from every record that was ever written."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import orjson

from slugline.clock import parse_rfc3339
from slugline.events import EventType
from slugline.log import StoredRecord
from slugline.topics import CURSORS, DEAD_LETTERS, SUBSCRIPTIONS, is_claim
from slugline_syndicate.deliveries.body import own_id
from slugline_syndicate.deliveries.cursor import decode_cursor
from slugline_syndicate.deliveries.subscription import (
    Filter,
    Order,
    OrderKind,
    Subscription,
    decode_subscription,
)
from tests.simulation.loop import EPOCH


class Placed(Protocol):
    """An accepted event: where and when."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def blog(self) -> str: ...
    @property
    def kind(self) -> EventType: ...


@dataclass(frozen=True)
class Version:
    """A subscription as one record stated it; None: it was deleted."""

    at: float
    said: Subscription | None


class SubscriptionHistory:
    """Every version of one subscription, in the order of the log."""

    def __init__(self, name: str, journal: Sequence[StoredRecord]) -> None:
        self.name = name
        self.versions = [
            Version(seconds(record), decode_subscription(record.value) if record.value else None)
            for record in journal
            if record.topic == SUBSCRIPTIONS and record.key == name.encode()
        ]
        self._partition = next(
            r.partition for r in journal if r.topic == SUBSCRIPTIONS and r.key == name.encode()
        )
        first = self.versions[0].said
        assert first is not None
        self.start = first.start
        self._filters = list(self._filters_in_order())
        self._fresh_starts = self._in_order(journal)

    @property
    def partition(self) -> int:
        """The partition of its cursor, which is that of its records: one key, one number of partitions."""
        return self._partition

    @property
    def urls(self) -> set[str]:
        """Every URL that it ever had."""
        return {v.said.url for v in self.versions if v.said}

    def secrets(self) -> set[str]:
        """Every secret that it ever had."""
        return {secret for v in self.versions if v.said for secret in v.said.secrets}

    def orders(self, kind: OrderKind) -> list[Order]:
        """Every order of a *kind*."""
        found = {o.number: o for v in self.versions if v.said for o in v.said.orders}
        return [order for order in found.values() if order.kind is kind]

    def fresh_starts(self) -> list[tuple[float, float]]:
        """When each order to start afresh was given, and carried out (or not yet: infinity)."""
        return self._fresh_starts

    def _in_order(self, journal: Sequence[StoredRecord]) -> list[tuple[float, float]]:
        done = [
            (decode_cursor(self.name, r.value).order, seconds(r))
            for r in journal
            if r.topic == CURSORS and r.key == self.name.encode() and r.value
        ]
        first = {o.number: v.at for v in reversed(self.versions) if v.said for o in v.said.orders}
        kinds = {o.number: o.kind for v in self.versions if v.said for o in v.said.orders}
        return [
            (at, min((when for order, when in done if order >= number), default=float("inf")))
            for number, at in first.items()
            if kinds[number] is not OrderKind.TEST
        ]

    def test_ids(self) -> set[str]:
        """The events that tests must have sent."""
        kind = EventType.SUBSCRIPTION_TEST
        return {own_id(kind, self.name, order.number) for order in self.orders(OrderKind.TEST)}

    def wanted(self, event: Placed) -> bool | None:
        """Whether *event* is wanted; None: it came in while that changed, so that either is right."""
        if event.offset < self.start.get(event.partition, 0):
            return False
        held = [
            (at, each)
            for at, each in self._filters
            if event.offset >= each.since.get(event.partition, 0)
        ]
        says = [_matches(each, event) for _, each in held]
        # Accepted before the change itself stood in the log: the one before may have judged it.
        while len(says) > 1 and held[-1][0] > event.at and says[-1] == says[-2]:
            held.pop()
            says.pop()
        if len(says) > 1 and held[-1][0] > event.at:
            return None
        return says[-1]

    def overlooked(self, event: Placed, moment: float) -> bool:
        """Whether who did not know of a new filter yet may have passed *event* by, and come back to it.

        So long, in seconds, after the filter was written it may be unknown: *moment*.
        """
        for number, (at, each) in enumerate(self._filters):
            holds = event.offset >= each.since.get(event.partition, 0) and event.at < at + moment
            if holds and not all(_matches(before, event) for _, before in self._filters[:number]):
                return True
        return False

    def lately_wanted(self, event: Placed, at: float, behind: float) -> bool:
        """Whether a filter wanted *event* that held less than *behind* seconds before *at*."""
        until = [when for when, _ in self._filters[1:]] + [float("inf")]
        return any(
            at < end + behind and _matches(each, event)
            for (_, each), end in zip(self._filters, until, strict=True)
        )

    def skipped(self, event: Placed) -> bool:
        """Whether its owner gave it up."""
        return any(
            event.offset < order.positions.get(event.partition, 0)
            for order in self.orders(OrderKind.SKIP)
        )

    def changed_filters(self) -> bool:
        """Whether more than one filter ever held."""
        return len(self._filters) > 1

    def silent(self) -> list[tuple[float, float]]:
        """When nothing but tests may be sent: paused or deleted, from when to when."""
        ends = [*self.versions[1:], Version(float("inf"), None)]
        spans = zip(self.versions, ends, strict=True)
        return [(v.at, end.at) for v, end in spans if v.said is None or v.said.paused]

    def url_until(self, url: str) -> float:
        """When *url* was given up for the last time."""
        until = 0.0
        for version, following in pairwise([*self.versions, Version(float("inf"), None)]):
            if version.said and version.said.url == url:
                until = following.at
        return until

    def _filters_in_order(self) -> list[tuple[float, Filter]]:
        found: list[tuple[float, Filter]] = []
        for version in self.versions:
            if version.said and (not found or found[-1][1] != version.said.filter):
                found.append((version.at, version.said.filter))
        return found


def seconds(record: StoredRecord) -> float:
    """When *record* was written, in the world's time."""
    return (record.written_at - EPOCH).total_seconds()


def _matches(wanted: Filter, event: Placed) -> bool:
    by_type = not wanted.types or event.kind in wanted.types
    return by_type and ("*" in wanted.blogs or event.blog in wanted.blogs)


def claims_on(
    history: SubscriptionHistory, journal: Sequence[StoredRecord]
) -> list[tuple[str, float]]:
    """Who became the owner of the subscription's partition, and when."""
    partition = history.partition
    return [
        (orjson.loads(record.value or b"{}")["owner"], seconds(record))
        for record in journal
        if record.topic == CURSORS and is_claim(record.key) and record.partition == partition
    ]


def given_up(journal: Sequence[StoredRecord]) -> dict[str, float]:
    """When each event was given up, by the key of its dead letter: `subscription|event`."""
    found: dict[str, float] = {}
    for record in journal:
        if record.topic == DEAD_LETTERS and record.value:
            # It may land late; clocks are wrong, but nobody decides after it has landed.
            said = parse_rfc3339(orjson.loads(record.value)["at"])
            at = min(seconds(record), (said - EPOCH).total_seconds())
            found.setdefault(record.key.decode(), at)
    return found
